//! The unique ids that POP3 lists.

use std::fmt;
use std::str::FromStr;

use crate::MessageId;

/// A unique id of RFC 1939 7 (UIDL): 1 to 70 characters from 0x21 to 0x7E.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uidl(Box<str>);

/// A text that is no unique id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a unique id has 1 to 70 characters from 0x21 to 0x7E")]
pub struct UidlError;

impl Uidl {
    /// The unique id that this server gives a message.
    pub fn of(id: MessageId) -> Self {
        Self(id.text().as_str().into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Uidl {
    type Err = UidlError;

    fn from_str(text: &str) -> Result<Self, UidlError> {
        let printable = text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        if printable && (1..=70).contains(&text.len()) {
            Ok(Self(text.into()))
        } else {
            Err(UidlError)
        }
    }
}

impl fmt::Display for Uidl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Uidl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uidl({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unique_id_is_printable_and_short() {
        assert!("whqtswO00WBw418f9t5JxYwZ".parse::<Uidl>().is_ok());
        assert!("~".repeat(70).parse::<Uidl>().is_ok());
        for bad in ["", "a b", "a\u{7f}", &"x".repeat(71)] {
            assert_eq!(bad.parse::<Uidl>(), Err(UidlError));
        }
    }
}
