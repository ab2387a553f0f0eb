//! SMTP as a value: commands, replies, the server session.
//!
//! A [`Session`](server::Session) takes bytes, answers and time and gives out replies, questions
//! and pieces of messages. What mail is taken for whom is not known here: the session asks, see
//! [`Question`](server::Question), which is the complete list.
//!
//! Two rules hold by construction. A 250 for a message can be written only from the receipt of a
//! store ([`Reply::stored`]), and every command has exactly one reply, because a verb returns it.
//!
//! Absent on purpose: sockets, TLS, clocks, stores, logging, policy; BINARYMIME, since POP3 could
//! not give out bare CR, LF and NUL. Nothing of a client's text is ever repeated in a reply.
//!
//! Read first: [`server::Options`], [`server::Session`], [`Reply`].

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod command;
mod extension;
mod path;
mod reply;
pub mod server;

pub use command::{Command, CommandError, Mail, Terms, Verb};
pub use path::{PathError, forward_path, reverse_path};
pub use reply::{Class, Reply, WireText};
