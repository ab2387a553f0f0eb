//! The index is a small trait too: sorted keys in a few spaces, atomic batches, snapshots.

mod fjall;
mod journal;
#[cfg(test)]
mod simulated;

use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;

pub(crate) use self::fjall::FjallIndex;
#[cfg(test)]
pub(crate) use simulated::SimulatedIndex;

/// A part of the index with keys of its own. What is in each is said in `rows`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Space {
    Meta,
    Maildrop,
    Message,
    Unproven,
    Segment,
    Domain,
    Address,
    Profile,
    Credentials,
    Leaving,
    Admin,
    Audit,
}

impl Space {
    pub(crate) const ALL: [Self; 12] = [
        Self::Meta,
        Self::Maildrop,
        Self::Message,
        Self::Unproven,
        Self::Segment,
        Self::Domain,
        Self::Address,
        Self::Profile,
        Self::Credentials,
        Self::Leaving,
        Self::Admin,
        Self::Audit,
    ];

    /// The first octet of its keys on disk. Never changed, since it would be another format.
    fn tag(self) -> u8 {
        match self {
            Self::Meta => 0,
            Self::Maildrop => 1,
            Self::Message => 2,
            Self::Unproven => 3,
            Self::Segment => 4,
            Self::Domain => 5,
            Self::Address => 6,
            Self::Profile => 7,
            Self::Credentials => 8,
            Self::Leaving => 9,
            Self::Admin => 10,
            Self::Audit => 11,
        }
    }
}

/// A key and where it is.
pub(crate) type Key = (Space, Vec<u8>);

/// A key and its new value; none removes it.
pub(crate) type Change = (Key, Option<Vec<u8>>);

/// The index failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to {operation} the index")]
pub(crate) struct IndexError {
    operation: &'static str,
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

impl IndexError {
    pub(crate) fn new(
        operation: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            operation,
            source: source.into(),
        }
    }
}

/// The truth. One writer changes it; everybody else reads snapshots.
pub(crate) trait Index: Send + Sync {
    /// Makes all changes or none. They are seen by later snapshots at once, and durable after
    /// [`Index::sync`]; a crash leaves a prefix of the batches that contains all synced ones.
    fn apply(&self, batch: Vec<Change>) -> Result<(), IndexError>;

    /// Makes all batches durable.
    fn sync(&self) -> Result<(), IndexError>;

    /// The state after the last batch, for as long as it is kept.
    fn snapshot(&self) -> Arc<dyn Snapshot>;

    /// Puts everything where the next opening need not read it again. Takes a moment; what is
    /// durable stays so, whether it succeeds or not. It counts for what was applied before it.
    fn settle(&self) {}

    /// Waits until nobody reads any more and lets go of the files. Batches that were not synced are
    /// as after a crash.
    fn close(self: Box<Self>);
}

/// Sees the key and the value of each row, until it breaks.
pub(crate) type Visit<'v> = &'v mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// The index at one moment.
pub(crate) trait Snapshot: Send + Sync {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError>;

    /// Visits the keys that begin with `prefix` and lie behind `after`, in order, until the visitor
    /// breaks.
    fn scan(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: Visit<'_>,
    ) -> Result<(), IndexError>;
}

/// What a visitor answers as long as it wants more.
pub(crate) fn go_on_while(wants_more: bool) -> ControlFlow<()> {
    if wants_more {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}

/// The smallest key behind all that begin with `prefix`; none if there is none.
pub(crate) fn behind_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_a_prefix_is_the_next_of_its_length_or_shorter() {
        assert_eq!(behind_prefix(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(behind_prefix(b"a\xff"), Some(b"b".to_vec()));
        assert_eq!(behind_prefix(b"\xff\xff"), None);
        assert_eq!(behind_prefix(b""), None);
    }
}
