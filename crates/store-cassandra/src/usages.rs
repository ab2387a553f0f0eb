//! How full maildrops are: a row for each process, and a count that they share.
//!
//! Only this process writes its own row, each time later than the last, so a clock that was set
//! back hides nothing for long. The count is written later than what is there, whoever wrote that.

use std::sync::atomic::{AtomicI64, Ordering};

use cassmail_mail::AccountId;
use cassmail_store::{Counted, StoreResult, Usage, UsageNotes, Usages, Work, Writer};

use crate::Cassandra;
use crate::cassandra::Core;
use crate::engine::USUAL;
use crate::error::Verb;
use crate::rows::{Micros, row};
use crate::statements::Cql;

const READ: Verb = "read the usage";
const PUT_BROUGHT: Verb = "note what was brought";
const PUT_COUNTED: Verb = "note a count";

/// A row: whose it is and what he brought; then the count and when it was written, in every row.
type Cells = (Option<i64>, Option<Vec<u8>>, Option<Vec<u8>>, Option<i64>);

/// When this process last noted what it brought.
#[derive(Default)]
pub(crate) struct LastNote(AtomicI64);

impl LastNote {
    /// A time for the next note: now, but later than that of the last one.
    fn next(&self, now: Micros) -> Micros {
        let later = |last: i64| Some(now.0.max(last.saturating_add(1)));
        let order = Ordering::SeqCst;
        let last = self.0.fetch_update(order, order, later);
        Micros(now.0.max(last.unwrap_or_default().saturating_add(1)))
    }
}

impl Core {
    /// What is noted, and when the count was written.
    async fn usage(
        &self,
        verb: Verb,
        account: AccountId,
    ) -> StoreResult<(UsageNotes, Option<i64>)> {
        let read = self
            .engine
            .read::<Cells>(verb, Cql::ReadUsage, row![account]);
        let mut notes = UsageNotes::default();
        let mut written_at = None;
        for (writer, brought, counted, counted_at) in read.await? {
            if let Some(counted) = counted {
                notes.counted = Counted::decode(&counted);
                written_at = counted_at;
            }
            let brought = brought.and_then(|brought| Usage::decode(&brought));
            if let (Some(writer), Some(brought)) = (writer, brought) {
                let writer = Writer(u64::from_be_bytes(writer.to_be_bytes()));
                notes.brought.insert(writer, brought);
            }
        }
        Ok((notes, written_at))
    }
}

impl Usages for Cassandra {
    fn usage(&self, account: AccountId) -> Work<'_, UsageNotes> {
        Box::pin(async move {
            let _pass = self.core.engine.enter_in_turn(READ)?;
            Ok(self.core.usage(READ, account).await?.0)
        })
    }

    fn put_brought(&self, account: AccountId, writer: Writer, brought: Usage) -> Work<'_, ()> {
        self.core.carry_out(PUT_BROUGHT, move |core| async move {
            let writer = i64::from_be_bytes(writer.0.to_be_bytes());
            let at = core.last_note.next(core.later_than(None));
            let change = vec![(Cql::PutBrought, row![account, writer, brought.encode(), at])];
            let deadline = core.engine.deadline(USUAL);
            core.engine.change(PUT_BROUGHT, deadline, change).await
        })
    }

    fn put_counted(&self, account: AccountId, counted: Counted) -> Work<'_, ()> {
        self.core.carry_out(PUT_COUNTED, move |core| async move {
            let (_, written_at) = core.usage(PUT_COUNTED, account).await?;
            let at = core.later_than(written_at);
            let change = vec![(Cql::PutCounted, row![account, counted.encode(), at])];
            let deadline = core.engine.deadline(USUAL);
            core.engine.change(PUT_COUNTED, deadline, change).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_note_is_later_than_the_last_whatever_the_clock_says() {
        let last = LastNote::default();
        let times = [100, 100, 50, 200].map(|now| last.next(Micros(now)).0);
        assert_eq!(times, [100, 101, 102, 200]);
    }
}
