//! What can go wrong with a store, sorted by what the caller may conclude.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// A verb in progress.
///
/// Boxed, so that stores can be trait objects; the box costs nothing beside a disk or a network.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = StoreResult<T>> + Send + 'a>>;

/// What every verb answers.
pub type StoreResult<T> = Result<T, StoreError>;

/// A verb failed. `Display` says which and how, never the source; log the whole chain.
pub struct StoreError {
    kind: ErrorKind,
    verb: &'static str,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What the caller may conclude from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Nothing happened. Trying again later may help.
    Unavailable(Reason),
    /// It may have happened, now or later. Never roll back; say that we do not know.
    Indeterminate,
    /// Somebody else was first; nothing happened.
    Conflict,
    /// What the verb speaks of is not there.
    Missing,
    /// It is there but damaged. An operator must act.
    Corrupt,
}

/// Why a store cannot do anything at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No room; removal still works, and service returns by itself when there is room.
    Full,
    /// Too much is waiting already.
    Overloaded,
    /// The store is being closed.
    Closing,
    /// The engine answered with an error, or does not answer.
    Engine,
}

impl StoreError {
    /// A failure of `verb` without a cause of its own.
    pub fn new(kind: ErrorKind, verb: &'static str) -> Self {
        Self {
            kind,
            verb,
            source: None,
        }
    }

    /// A failure of `verb` that was caused by `source`.
    pub fn caused(
        kind: ErrorKind,
        verb: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            verb,
            source: Some(source.into()),
        }
    }

    /// What the caller may conclude.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Which verb failed.
    pub fn verb(&self) -> &'static str {
        self.verb
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ErrorKind::Unavailable(Reason::Full) => "the store has no room",
            ErrorKind::Unavailable(Reason::Overloaded) => "the store is overloaded",
            ErrorKind::Unavailable(Reason::Closing) => "the store is being closed",
            ErrorKind::Unavailable(Reason::Engine) => "the store cannot be used",
            ErrorKind::Indeterminate => "it is not known whether it happened",
            ErrorKind::Conflict => "somebody else was first",
            ErrorKind::Missing => "it does not exist",
            ErrorKind::Corrupt => "stored data is damaged",
        };
        write!(f, "failed to {}: {what}", self.verb)
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
