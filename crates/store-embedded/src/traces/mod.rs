//! Traces, in files of their own: nothing of them touches the index, the segments, or a sync that
//! mail waits for.
//!
//! A batch is appended as blocks and left to the operating system to write: a crash of the process
//! loses nothing, one of the machine its last seconds. A file that has enough is sealed with what
//! finds its blocks, and is removed whole when it is old or when there are too many.

mod file;
mod shelf;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cassmail_mail::UnixTime;
use cassmail_store::{
    ErrorKind, Reason, Search, StoreError, StoreResult, TraceEvent, TraceQuery, Traces, Work,
};

pub(crate) use shelf::Shelf;

use crate::Embedded;
use crate::front::{State, Verb, closing, engine};

impl Traces for Embedded {
    /// How long they are kept is said again at each expiry.
    fn record(&self, events: Arc<[TraceEvent]>, _keep: Duration) -> Work<'_, ()> {
        const VERB: Verb = "record a trace";
        Box::pin(async move {
            if self.front.is_full() {
                let kind = ErrorKind::Unavailable(Reason::Full);
                return Err(StoreError::new(kind, VERB));
            }
            self.on_the_shelf(VERB, move |shelf| shelf.put(&events))
                .await
        })
    }

    fn find_traces(&self, query: TraceQuery) -> Work<'_, Vec<TraceEvent>> {
        const VERB: Verb = "find traces";
        Box::pin(self.on_the_shelf(VERB, move |shelf| {
            let mut search = Search::new(query);
            shelf.find(&mut search)?;
            Ok(search.finish())
        }))
    }

    fn expire_traces(&self, before: UnixTime) -> Work<'_, ()> {
        const VERB: Verb = "expire traces";
        Box::pin(self.on_the_shelf(VERB, move |shelf| shelf.expire(before)))
    }
}

impl Embedded {
    /// Works on the files in a thread that may block.
    async fn on_the_shelf<T: Send + 'static>(
        &self,
        verb: Verb,
        work: impl FnOnce(&Shelf) -> io::Result<T> + Send + 'static,
    ) -> StoreResult<T> {
        if let State::Closing | State::Closed = self.front.state() {
            return Err(closing(verb));
        }
        let shelf = Arc::clone(&self.shelf);
        let done = tokio::task::spawn_blocking(move || work(&shelf)).await;
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotConnected => closing(verb),
            io::ErrorKind::StorageFull => {
                StoreError::caused(ErrorKind::Unavailable(Reason::Full), verb, error)
            }
            _ => StoreError::caused(ErrorKind::Indeterminate, verb, error),
        };
        match done {
            Ok(done) => done.map_err(failed),
            Err(lost) => Err(engine(verb, lost)),
        }
    }
}
