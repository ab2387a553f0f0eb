//! Messages with several owners: accepted as one record, listed by rows that follow it.
//!
//! The order: the set of owners, so that the body is never deleted under one of them; the record,
//! **the point of acceptance**; the rows; then the record is marked done. Who dies in between
//! leaves a record that is not done, in a slot that others can find (`nodes.rs`). Sweeping a
//! record puts the same rows at the same time, so doing it twice changes nothing, and mail that was
//! removed meanwhile stays removed.

use std::sync::Arc;

use cassmail_mail::MessageId;
use cassmail_store::{Patience, StoreResult};
use scylla::value::CqlTimeuuid;
use uuid::Uuid;

use crate::cassandra::Core;
use crate::delivery::{COMMIT, OWNERS_AT_ONCE, unlisted};
use crate::engine::{Change, Deadline, USUAL};
use crate::envelope::{self, Share};
use crate::error::{Verb, corrupt};
use crate::nodes::Record;
use crate::rows::{Micros, id_of, row};
use crate::statements::Cql;
use crate::together::at_once;

/// How long a record is kept: everything that can repeat an insert must die before the tombstones
/// of the rows do (ten days), hints of such a repetition included.
const KEPT: i32 = 7 * 24 * 60 * 60;

const SWEEP: Verb = "sweep the spool";

impl Core {
    /// Accepts a message whose chunks are there for several owners.
    pub(crate) async fn put_shared(
        self: &Arc<Self>,
        id: MessageId,
        blob: MessageId,
        count: i16,
        shares: &[Share],
        deadline: Deadline,
    ) -> StoreResult<()> {
        let at = Micros::of(id);
        let total = i32::try_from(shares.len()).unwrap_or(i32::MAX);
        let refs = shares
            .iter()
            .map(|share| (Cql::PutRef, row![blob, total, share.account, at]));
        let refs: Change = refs.collect();
        let put = self.engine.change(COMMIT, deadline, refs).await;
        put.map_err(unlisted)?;
        let record = self.take_slot(id, deadline).await.map_err(unlisted)?;
        let envelope = envelope::encode(blob, count, shares);
        let put = row![record.node, record.slot, id, envelope, at, KEPT];
        let put = vec![(Cql::PutSpool, put)];
        if let Err(error) = self.engine.change(COMMIT, deadline, put).await {
            // It may be there: then a sweep has to find it.
            self.member.fail(record);
            return Err(error);
        }
        match self.fan_out(COMMIT, deadline, shares).await {
            Ok(()) => self.mark_done(record),
            Err(error) => {
                tracing::info!(
                    event = crate::MAINTAINED,
                    ?error,
                    "rows of an accepted message are left to a sweep"
                );
                self.member.fail(record);
            }
        }
        Ok(())
    }

    async fn fan_out(&self, verb: Verb, deadline: Deadline, shares: &[Share]) -> StoreResult<()> {
        let mut puts = Vec::with_capacity(shares.len());
        for share in shares {
            puts.push(self.put_row(verb, deadline, share));
        }
        at_once(OWNERS_AT_ONCE * 2, puts).await?;
        Ok(())
    }

    /// If the mark is lost, a sweep repeats what is done.
    fn mark_done(self: &Arc<Self>, record: Record) {
        self.in_background(move |core| async move {
            let marked = core.put_done(record.node, record.slot, record.id).await;
            match marked {
                Ok(()) => core.member.done(record),
                Err(_) => core.member.fail(record),
            }
            marked
        });
    }

    async fn put_done(&self, node: Uuid, slot: i64, id: MessageId) -> StoreResult<()> {
        let at = Micros::of(id).plus(1);
        let change = vec![(Cql::MarkDone, row![node, slot, id, true, at, KEPT])];
        let deadline = self.engine.deadline(USUAL);
        self.engine.change(SWEEP, deadline, change).await
    }

    /// Finishes the records of a slot that are not done; answers how many those were.
    pub(crate) async fn sweep_slot(
        &self,
        node: Uuid,
        slot: i64,
        wanted: Option<MessageId>,
    ) -> StoreResult<usize> {
        type Cells = (CqlTimeuuid, Option<Vec<u8>>, Option<bool>);
        let read = self
            .engine
            .read::<Cells>(SWEEP, Cql::ReadSlot, row![node, slot]);
        let mut swept = 0;
        for (id, record, done) in read.await? {
            let Some(id) = id_of(id) else { continue };
            if done == Some(true) || wanted.is_some_and(|wanted| wanted != id) {
                continue;
            }
            // Without a record there is only a mark, or not yet the record.
            if let Some(record) = record {
                self.sweep_record(node, slot, id, &record).await?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    async fn sweep_record(
        &self,
        node: Uuid,
        slot: i64,
        id: MessageId,
        record: &[u8],
    ) -> StoreResult<()> {
        let shares = envelope::decode(id, record);
        let shares = shares.ok_or_else(|| corrupt(SWEEP, "a spool record cannot be read"))?;
        let deadline = self
            .engine
            .deadline(Patience(std::time::Duration::from_mins(1)));
        self.fan_out(SWEEP, deadline, &shares).await?;
        for share in &shares {
            // A sweep is always late: the bucket may have been retired since it was chosen.
            let bucket = share.listed.place.bucket;
            self.list_again(SWEEP, deadline, share.account, bucket)
                .await?;
        }
        self.put_done(node, slot, id).await
    }
}
