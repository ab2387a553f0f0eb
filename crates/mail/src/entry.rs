//! One line of a listing.

use crate::{Address, MessageId, Uidl};

/// A message as a maildrop lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which message; entries are listed in the order of their ids.
    pub id: MessageId,
    /// The octets that RETR sends before dot-stuffing, `Delivered-To` included.
    pub size: u64,
    /// The unique id that another server gave it, if it was imported.
    pub imported_uidl: Option<Box<Uidl>>,
}

impl Entry {
    /// The unique id to list: the imported one, else the id of the message.
    pub fn uidl(&self) -> Uidl {
        match &self.imported_uidl {
            Some(uidl) => (**uidl).clone(),
            None => Uidl::of(self.id),
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
