//! The whole of a store, and how it is.

use std::future::Future;
use std::pin::Pin;

use crate::{
    Accounts, Administrators, Audit, Maildrops, StoreError, Traces, Usages, Work, Workers,
};

/// How a store is, in words fit for strangers; read from memory, without I/O.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Everything works.
    Well,
    /// Deliveries are refused for lack of room; reading and removing work.
    Full,
    /// Service goes on with a weaker promise, as the text says.
    Degraded(String),
    /// Nothing can be kept or read at the moment, as the text says; it returns by itself.
    Unreachable(String),
    /// Nothing can be promised any more; the process must end.
    Poisoned(String),
}

/// All that the office needs of a back-end.
pub trait Store:
    Accounts + Administrators + Audit + Maildrops + Traces + Usages + Workers + Send + Sync
{
    /// A cheap reading for the front door.
    fn health(&self) -> Health;

    /// Resolves when the store can promise nothing any more (a failed sync, for example). The
    /// process then stops in an orderly way; everybody who waited was told `Indeterminate`.
    ///
    /// *Cancel*: harmless.
    fn poisoned(&self) -> Pin<Box<dyn Future<Output = StoreError> + Send + '_>>;

    /// Finishes what was begun, answers everybody who waits, and lets go of the engine.
    ///
    /// *Promise*: verbs called after this answer `Unavailable(Closing)`; when it resolves, another
    /// process can open the store. *Retry*: harmless. *Crash*: as without it. *Cancel*: the store
    /// closes all the same.
    fn close(&self) -> Work<'_, ()>;
}
