//! What became of messages: recorded after the fact, looked up by people, kept for a while.
//!
//! A trace is no part of any promise about mail. It is written behind the replies, in batches; a
//! crash may lose the last second of it, never mail. Look-ups go by a [`TraceKey`], newest first.
//! A batch is kept as a few [`Page`]s with the digests of their keys, so that a traced message
//! costs a back-end next to nothing.

mod event;
mod form;
mod search;

pub use event::{
    Arrival, EventId, Happened, Reached, Refusal, Remover, Rule, TraceEvent, TraceKey, Traced, Way,
};
pub use form::{Page, pack, unpack};
pub use search::{Search, TraceQuery};

use std::sync::Arc;
use std::time::Duration;

use cassmail_mail::UnixTime;

use crate::Work;

/// What was recorded of messages.
pub trait Traces: Send + Sync {
    /// Records a batch.
    ///
    /// *Promise*: with the answer each event is found by each of its keys, from every node, and
    /// stays for at least `keep`, if the store is closed in an orderly way. *Retry*: harmless, an
    /// event is what its id says. *Crash*: what was recorded in the last seconds may be lost, or a
    /// part of it; what is older stays, and mail is not touched. *Errors*: `Unavailable(Full)`,
    /// since a trace never takes the room that mail needs; `Indeterminate`, then some may be found.
    /// *Cancel*: some may be found.
    fn record(&self, events: Arc<[TraceEvent]>, keep: Duration) -> Work<'_, ()>;

    /// Finds events, the newest first.
    ///
    /// *Promise*: what was recorded, and is as the query says, is found, once, whatever the order
    /// in which it was recorded; pages join (each before the last event of the one above it). What
    /// a later version wrote, or a disk damaged, is left out. *Cancel*: harmless.
    fn find_traces(&self, query: TraceQuery) -> Work<'_, Vec<TraceEvent>>;

    /// Lets go of events that are older than this; some may stay for a while.
    ///
    /// *Promise*: what is younger stays. *Retry*: harmless. *Crash*: some may be gone. *Cancel*: as
    /// a crash.
    fn expire_traces(&self, before: UnixTime) -> Work<'_, ()>;
}
