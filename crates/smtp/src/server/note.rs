//! What an operator is told while a session runs.

use std::fmt;

use crate::command::Verb;
use crate::reply::Reply;

/// A command was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which command.
    pub verb: Verb,
    /// Whom or what it was about, as far as it is known: an address, a user's name, or what was
    /// malformed; printable, never a password.
    pub about: Option<String>,
    /// What was answered.
    pub reply: Reply,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.verb)?;
        if let Some(about) = &self.about {
            write!(f, "{about} ")?;
        }
        self.reply.fmt(f)
    }
}

/// A client's bytes as they can stand in a log: printable, at most 100 of them.
pub(crate) fn legible(bytes: &[u8]) -> String {
    const LONGEST: usize = 100;
    let printable = |&byte: &u8| match byte {
        b' '..=b'~' => char::from(byte),
        _ => '?',
    };
    bytes.iter().take(LONGEST).map(printable).collect()
}
