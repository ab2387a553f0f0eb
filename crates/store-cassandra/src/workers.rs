//! Notes of workers: one row each, one cell, written whole.

use cassmail_store::{Work, Workers};

use crate::Cassandra;
use crate::engine::USUAL;
use crate::error::Verb;
use crate::rows::row;
use crate::statements::Cql;

const READ: Verb = "read a note";
const PUT: Verb = "put a note";

/// The note and when it was written.
type Cells = (Option<Vec<u8>>, Option<i64>);

impl Workers for Cassandra {
    fn note(&self, worker: String) -> Work<'_, Option<Vec<u8>>> {
        Box::pin(async move {
            let _pass = self.core.engine.enter_in_turn(READ)?;
            let read = self
                .core
                .engine
                .read::<Cells>(READ, Cql::ReadWorker, row![worker]);
            Ok(read.await?.pop().and_then(|(note, _)| note))
        })
    }

    /// Later than what is there, so that it wins over a clock that is ahead.
    fn put_note(&self, worker: String, note: Vec<u8>) -> Work<'_, ()> {
        self.core.carry_out(PUT, move |core| async move {
            let key = row![worker.clone()];
            let read = core.engine.read::<Cells>(PUT, Cql::ReadWorker, key);
            let written_at = read.await?.pop().and_then(|(_, at)| at);
            let at = core.later_than(written_at);
            let change = vec![(Cql::PutWorker, row![worker, note, at])];
            core.engine
                .change(PUT, core.engine.deadline(USUAL), change)
                .await
        })
    }
}
