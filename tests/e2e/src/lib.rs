//! What the end-to-end tests stand on: the real binary, awkward messages, and processes that end.
//!
//! The tests in `tests/clients` start `cassmail serve --dev` on free ports, let real clients bring
//! messages in or fetch them, and compare octets. This library holds what they share; the clients
//! and what each is known to change stand with the tests.
//!
//! `tests/transcripts` has the golden conversations with the binary, over real sockets.
//!
//! Nothing here knows a crate of cassmail, but for the reader of those conversations: what is
//! tested is the binary, and what is expected of it is written down again, on purpose. For the same
//! reason the SMTP sender and the POP3 reader here are small, strict and of their own: they are the
//! ruler that clients are measured with.
//!
//! Absent on purpose: sleeps, retries, and any trust in a client's exit code where octets can be
//! compared.
//!
//! Read [`Message`] and [`Server`] first, then [`delivery`].

pub mod delivery;
pub mod settings;

mod configuration;
mod corpus;
mod deadline;
mod enclosure;
mod http;
mod keyspace;
mod pop3;
mod process;
mod server;
mod smtp;
mod wire;

pub use configuration::{Configuration, write_certificate};
pub use corpus::{Message, generated, large, refused, written};
pub use deadline::Deadline;
pub use enclosure::{Enclosure, Inhabited, layers};
pub use http::{ask, ask_with};
pub use keyspace::Keyspace;
pub use pop3::Maildrop;
pub use process::{Ended, Process, installed, run};
pub use server::{ACCOUNTS, Options, PASSWORD, Port, Server, free_offset};
pub use smtp::{Conversation, stuffed};
pub use wire::{Wire, credulous};
