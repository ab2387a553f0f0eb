//! Receipts: the only things a promise to a peer can be made from.
//!
//! The reply 250 to a message is made from [`Stored`], the +OK to QUIT from [`Removed`]. Only
//! stores make them; `cargo xtask check` searches for the two constructors and fails when anybody
//! else calls them. To audit the promise, search for `asserted_durable` and `asserted_gone`.

use crate::MessageId;

/// The message is as durable as the store promises, and listed for every owner.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a stored message must be acknowledged"]
pub struct Stored {
    id: MessageId,
}

impl Stored {
    /// Asserts that the message is on disk and listed. For stores only.
    pub fn asserted_durable(id: MessageId) -> Self {
        Self { id }
    }

    /// Which message.
    pub fn id(&self) -> MessageId {
        self.id
    }
}

/// The messages are gone for good: no crash brings them back.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a removal must be acknowledged"]
pub struct Removed {
    count: usize,
}

impl Removed {
    /// Asserts that the removal is on disk. For stores only.
    pub fn asserted_gone(count: usize) -> Self {
        Self { count }
    }

    /// How many messages were asked to be removed.
    pub fn count(&self) -> usize {
        self.count
    }
}
