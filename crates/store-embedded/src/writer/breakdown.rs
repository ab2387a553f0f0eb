//! What goes wrong in the writer.

use std::error::Error;
use std::io;

use cassmail_store::{ErrorKind, Reason};

use crate::index::IndexError;

/// Something failed after which nobody knows what is on disk: a write, a sync, a batch. Never tried
/// again on the same file: after a failed sync the page cache may show what the disk lacks, and the
/// next sync would not say so.
#[derive(Debug, thiserror::Error)]
#[error("failed to {operation}")]
pub(crate) struct Breakdown {
    operation: &'static str,
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

impl Breakdown {
    /// Makes of an error of an operation the end of the store.
    pub(crate) fn of<E: Into<Box<dyn Error + Send + Sync>>>(
        operation: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self {
            operation,
            source: source.into(),
        }
    }

    /// The chain of causes, for the log and the health.
    pub(crate) fn text(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl From<IndexError> for Breakdown {
    fn from(error: IndexError) -> Self {
        Self::of("use the index")(error)
    }
}

/// Why a step of a group is not done.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The promise of the verb says so.
    Refused(ErrorKind),
    /// A row that the step needs cannot be read.
    Unreadable(IndexError),
    /// The end of the store.
    Broken(Breakdown),
}

impl Refusal {
    pub(crate) const MISSING: Self = Self::Refused(ErrorKind::Missing);
    pub(crate) const CONFLICT: Self = Self::Refused(ErrorKind::Conflict);
    pub(crate) const CORRUPT: Self = Self::Refused(ErrorKind::Corrupt);
    pub(crate) const FULL: Self = Self::Refused(ErrorKind::Unavailable(Reason::Full));
}

impl From<IndexError> for Refusal {
    fn from(error: IndexError) -> Self {
        Self::Unreadable(error)
    }
}

impl From<Breakdown> for Refusal {
    fn from(breakdown: Breakdown) -> Self {
        Self::Broken(breakdown)
    }
}

/// Whether making a file failed for lack of room, which is no breakdown.
pub(super) fn is_lack_of_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
