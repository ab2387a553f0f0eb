//! SMTP as a value: commands, replies, the server session.
//!
//! Read first: [`Question`] and [`Answer`].

pub mod server;
