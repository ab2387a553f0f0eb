//! One line of a listing.

use std::num::NonZeroU64;

use crate::{Address, MessageId, Uidl};

/// A message as a maildrop lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which message; entries are listed in the order of their ids.
    pub id: MessageId,
    /// The octets that RETR sends before dot-stuffing, `Delivered-To` included.
    pub size: u64,
    /// The same of its surrogate form (RFC 6858), which clients get that do not read UTF-8 in
    /// headers. None when nobody needs one: the message was not sent as internationalized mail, or
    /// its headers are ASCII all the same.
    pub surrogate_size: Option<SurrogateSize>,
    /// The unique id that another server gave it, if it was imported.
    pub imported_uidl: Option<Box<Uidl>>,
}

/// The octets of a surrogate, in a form that an `Option` of it is not larger: sessions hold one for
/// each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SurrogateSize(NonZeroU64);

impl SurrogateSize {
    /// So many octets.
    pub fn new(octets: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(octets))
    }

    /// How many octets.
    pub fn octets(self) -> u64 {
        self.0.get() - 1
    }
}

impl Entry {
    /// The unique id to list: the imported one, else the id of the message.
    pub fn uidl(&self) -> Uidl {
        match &self.imported_uidl {
            Some(uidl) => (**uidl).clone(),
            None => Uidl::of(self.id),
        }
    }

    /// Writes the unique id to list, without making it a value: polls list thousands of them.
    pub fn write_uidl(&self, output: &mut Vec<u8>) {
        match &self.imported_uidl {
            Some(uidl) => output.extend_from_slice(uidl.as_str().as_bytes()),
            None => output.extend_from_slice(self.id.text().as_str().as_bytes()),
        }
    }
}

/// The line that says for which recipient a copy was made.
///
/// It is no part of the stored body, since several owners share that: it is inserted behind the
/// first line (`Return-Path`) when the message is given out, and counted in [`Entry::size`].
pub fn delivered_to_line(recipient: &Address) -> String {
    format!("Delivered-To: {recipient}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sessions hold one for each message.
    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 40);
        for octets in [0, 1, u64::MAX - 1] {
            assert_eq!(SurrogateSize::new(octets).octets(), octets);
        }
    }

    #[test]
    fn the_unique_id_is_written_as_it_is() {
        let mut entry = Entry {
            id: MessageId::from_key([7; 16]),
            size: 1,
            surrogate_size: None,
            imported_uidl: None,
        };
        for imported in [None, "old-1".parse().ok().map(Box::new)] {
            entry.imported_uidl = imported;
            let mut written = Vec::new();
            entry.write_uidl(&mut written);
            assert_eq!(written, entry.uidl().as_str().as_bytes());
        }
    }
}
