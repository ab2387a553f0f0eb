//! What workers remember that walk over all accounts: a note for each, so that any process goes on
//! where the last one was.

use crate::Work;

/// The notes of workers.
pub trait Workers: Send + Sync {
    /// What a worker noted last, if it did.
    ///
    /// *Promise*: every note that was acknowledged before the call is seen, or a later one.
    /// *Cancel*: harmless.
    fn note(&self, worker: String) -> Work<'_, Option<Vec<u8>>>;

    /// Notes something in place of what was noted before.
    ///
    /// *Promise*: durable with the answer. Of two that are noted at once one stays, whole. *Retry*:
    /// harmless. *Crash*: before the answer, it is one note or the other. *Cancel*: it may have
    /// happened.
    fn put_note(&self, worker: String, note: Vec<u8>) -> Work<'_, ()>;
}
