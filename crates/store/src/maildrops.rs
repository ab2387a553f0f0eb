//! Messages: kept, listed, given out, removed.

use std::time::Duration;

use bytes::Bytes;
use cassmail_mail::{AccountId, Delivery, Entry, MessageId, Removed, Stored};

use crate::Work;

/// How long the peer will wait for an answer: the deadline of everything done for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Patience(pub Duration);

/// The maildrops of all accounts.
pub trait Maildrops: Send + Sync {
    /// Begins a message and answers with its writer.
    ///
    /// *Promise*: what is written is nobody's until it is committed, and takes no more memory than
    /// a few pieces. *Retry*: begins anew. *Crash*: leaves nothing that is listed. *Errors*:
    /// `Unavailable(Full)` when there is no room for messages. *Cancel*: nothing is left.
    fn begin(&self, id: MessageId) -> Work<'_, Box<dyn MessageWriter>>;

    /// Lists the messages of an account, in the order of their ids.
    ///
    /// *Promise*: every message whose commit was acknowledged before the call and whose removal was
    /// not begun is listed, once, with the size that [`Maildrops::open`] gives out, and with that
    /// of its surrogate if it was committed with one; an account that does not exist has no
    /// messages. *Errors*: never a partial list. *Cancel*: harmless.
    fn list(&self, account: AccountId) -> Work<'_, Vec<Entry>>;

    /// Opens the body of a listed message, as its owner gets it: with the `Delivered-To` line.
    ///
    /// *Promise*: the octets are those that were written, verified against their checksum before
    /// they are given out; a reader that is open goes on when the message is removed meanwhile.
    /// *Errors*: `Missing` when the account has no such message (any more), `Corrupt` when the
    /// octets do not verify. *Cancel*: harmless.
    fn open(&self, account: AccountId, id: MessageId) -> Work<'_, Box<dyn BodyReader>>;

    /// Removes messages of one account for good.
    ///
    /// *Promise*: with the receipt they are gone and no crash brings them back; other owners keep
    /// theirs; space is given back later. Ids that are not listed are no error. *Retry*: harmless,
    /// now and ever. *Crash*: before the receipt, some may be gone. *Errors*: `Indeterminate`, then
    /// some may be gone. *Cancel*: as a crash.
    fn remove(
        &self,
        account: AccountId,
        ids: Vec<MessageId>,
        patience: Patience,
    ) -> Work<'_, Removed>;
}

/// A message that is being received. Dropping it without a commit leaves nothing that is listed,
/// and what it took is given back.
pub trait MessageWriter: Send {
    /// Appends a piece of the body (CRLF lines, dots unstuffed, trace fields first).
    ///
    /// *Promise*: answers when the store can take more, so a slow store slows the peer. *Errors*:
    /// after one the message cannot be committed. *Cancel*: the message cannot be committed, even
    /// if the future was never polled, since a piece lacks.
    fn write(&mut self, piece: Bytes) -> Work<'_, ()>;

    /// The octets that it keeps in memory, in front of its engine.
    fn held(&self) -> usize {
        0
    }

    /// Makes the message durable and lists it for all its owners, or for none.
    ///
    /// *Promise*: with the receipt the whole body is on disk and every owner lists it, once,
    /// whatever crashes afterwards. *Retry*: while a message with the same id is there, the same
    /// body is answered with a receipt and changes nothing (it does not come back to owners who
    /// removed it), and another body is `Conflict`. *Crash*: before the receipt, it is listed for
    /// all or for none. *Errors*: `Unavailable(Full)`; `Indeterminate`, then it may be listed now
    /// or later. *Cancel*: as a crash.
    fn commit(self: Box<Self>, delivery: Delivery, patience: Patience) -> Work<'static, Stored>;
}

/// A body that is being given out.
pub trait BodyReader: Send {
    /// The next piece, none at the end; a piece is at most 256 KiB.
    ///
    /// *Errors*: `Corrupt`, then what was given out so far is right but not whole; `Missing`, when
    /// another process has removed the message meanwhile. *Cancel*: a piece may be skipped; do not
    /// read on.
    fn next(&mut self) -> Work<'_, Option<Bytes>>;
}
