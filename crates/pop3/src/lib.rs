//! POP3 as a value: commands, replies, the session.
//!
//! Read first: [`Question`] and [`Answer`].

mod question;

pub use question::{Answer, BodyRefusal, LoginRefusal, MaildropRefusal, Question, RemoveRefusal};
