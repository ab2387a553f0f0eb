//! POP3 as a value: commands, replies, the session.
//!
//! A [`Session`] is a [`Machine`](cassmail_wire::Machine): bytes, answers and time go in, steps
//! come out. It speaks RFC 1939 with its optional commands, CAPA and response codes (RFC 2449, RFC
//! 3206), STLS (RFC 2595), AUTH with PLAIN and LOGIN (RFC 5034), UTF8 and LANG (RFC 6856).
//!
//! What the world has to do for it is the enum [`Question`]; that is the whole interface. QUIT is
//! the only verb that asks to remove, and the +OK to it is made from a store's receipt. There is no
//! way from a connection that ends otherwise to a removal.
//!
//! Absent on purpose: sockets, clocks, logs, stores; APOP, which needs passwords in clear in the
//! store; anything said unasked, so an idle session ends without a word.
//!
//! Read first: [`Question`] and [`Answer`], [`Session`], `state.rs` with the diagram, and the table
//! of verbs in `verbs/mod.rs`.

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

mod capability;
mod command;
mod excerpt;
mod limits;
mod listing;
mod maildrop;
mod note;
mod options;
mod question;
mod reply;
mod retrieval;
mod session;
mod state;
mod tally;
mod texts;
mod verbs;

pub use limits::Limits;
pub use note::{ForeignProtocol, Note};
pub use options::{ClearTextLogin, Options, TlsOffer};
pub use question::{
    Answer, BodyRefusal, Contents, Form, LoginRefusal, MaildropRefusal, Question, RemoveRefusal,
};
pub use reply::turned_away;
pub use session::Session;
pub use tally::Tally;
pub use texts::Language;
