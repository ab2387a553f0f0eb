//! Maildrops: begin, list, open, remove.

use std::collections::BTreeMap;
use std::sync::Arc;

use cassmail_mail::{AccountId, Entry, MessageId, Removed};
use cassmail_store::{
    BodyReader, ErrorKind, Maildrops, MessageWriter, Patience, Reason, StoreError, StoreResult,
    Work,
};

use crate::Cassandra;
use crate::breaker::Fallback;
use crate::buckets::{Bucket, REMOVED_ROWS, SEEN_ROWS};
use crate::cassandra::Core;
use crate::delivery::Receiving;
use crate::engine::{Change, Deadline, USUAL};
use crate::error::Verb;
use crate::listing::{Body, Place};
use crate::rows::{Micros, row};
use crate::statements::Cql;
use crate::together::each_at_once;

const BEGIN: Verb = "begin a message";
const LIST: Verb = "list the maildrop";
const OPEN: Verb = "open the message";
const REMOVE: Verb = "remove messages";
const BODIES: Verb = "delete bodies";

/// So many messages are removed by one request.
pub(crate) const IN_A_BATCH: usize = 100;

/// So many such requests are under way at once, and so many bodies are deleted at once.
const AT_ONCE: usize = 4;

impl Maildrops for Cassandra {
    fn begin(&self, id: MessageId) -> Work<'_, Box<dyn MessageWriter>> {
        Box::pin(async move {
            let _pass = self.core.engine.enter_in_turn(BEGIN)?;
            self.core.check_room(BEGIN)?;
            let receiving = Receiving::new(&self.core, id);
            Ok(Box::new(receiving) as Box<dyn MessageWriter>)
        })
    }

    fn list(&self, account: AccountId) -> Work<'_, Vec<Entry>> {
        Box::pin(async move {
            let _pass = self.core.engine.enter_in_turn(LIST)?;
            let mut listed = self.core.list(LIST, account).await?;
            // In two buckets, and one message.
            listed.dedup_by_key(|listed| listed.place.id);
            Ok(listed.into_iter().map(Entry::from).collect())
        })
    }

    fn open(&self, account: AccountId, id: MessageId) -> Work<'_, Box<dyn BodyReader>> {
        Box::pin(async move {
            let _pass = self.core.engine.enter_in_turn(OPEN)?;
            self.core.open(account, id).await
        })
    }

    fn remove(
        &self,
        account: AccountId,
        ids: Vec<MessageId>,
        patience: Patience,
    ) -> Work<'_, Removed> {
        self.core.carry_out(REMOVE, move |core| async move {
            let deadline = core.engine.deadline(patience);
            let count = ids.len();
            core.remove(account, ids, deadline).await?;
            Ok(Removed::asserted_gone(count))
        })
    }
}

impl Core {
    pub(crate) fn check_room(&self, verb: Verb) -> StoreResult<()> {
        if self.is_full() {
            let kind = ErrorKind::Unavailable(Reason::Full);
            return Err(StoreError::new(kind, verb));
        }
        Ok(())
    }

    async fn remove(
        self: &Arc<Self>,
        account: AccountId,
        mut ids: Vec<MessageId>,
        deadline: Deadline,
    ) -> StoreResult<()> {
        ids.sort_unstable();
        ids.dedup();
        let places = self.places_of(account, &ids).await?;
        let buckets = by_bucket(&places);
        let left_behind = self.to_leave_behind(account, &buckets);
        self.drop_rows(account, &buckets, deadline).await?;
        self.places.drop_all(account, &places);
        self.drop_bodies(account, places);
        if let Some(bucket) = left_behind {
            self.in_background(move |core| async move { core.leave(account, bucket).await });
        }
        Ok(())
    }

    /// Where messages are: as it is remembered, or else as a listing says. What is nowhere is gone.
    async fn places_of(
        self: &Arc<Self>,
        account: AccountId,
        ids: &[MessageId],
    ) -> StoreResult<Vec<Place>> {
        let mut places = Vec::with_capacity(ids.len());
        let mut is_listed = false;
        for &id in ids {
            let mut found = self.places.of(account, id);
            if found.is_empty() && !is_listed {
                is_listed = true;
                let listed = self.list(REMOVE, account).await?;
                let all = listed.into_iter().map(|listed| listed.place);
                let wanted = all.filter(|place| ids.binary_search(&place.id).is_ok());
                places.extend(wanted);
                found = Vec::new();
            }
            places.append(&mut found);
        }
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }

    /// Rows and inline bodies: what the receipt speaks of.
    async fn drop_rows(
        &self,
        account: AccountId,
        buckets: &BTreeMap<MessageId, Vec<Place>>,
        deadline: Deadline,
    ) -> StoreResult<()> {
        let mut batches = Vec::new();
        for places in buckets.values() {
            for some in places.chunks(IN_A_BATCH) {
                let change = drops(account, some);
                batches.push(self.engine.change(REMOVE, deadline, change));
            }
        }
        let mut failed = None;
        let mut has_removed = false;
        // To the end, whatever fails: each batch that succeeds is one less to repeat.
        for dropped in each_at_once(AT_ONCE, batches).await {
            match dropped {
                Ok(()) => has_removed = true,
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            None => Ok(()),
            Some(error) if has_removed => {
                Err(StoreError::caused(ErrorKind::Indeterminate, REMOVE, error))
            }
            Some(error) => Err(error),
        }
    }

    /// Chunks are deleted by nobody's leave: their rows are gone.
    fn drop_bodies(self: &Arc<Self>, account: AccountId, places: Vec<Place>) {
        let chunked: Vec<_> = places
            .into_iter()
            .filter(|place| place.body != Body::Inline)
            .collect();
        if chunked.is_empty() {
            return;
        }
        self.in_background(move |core| async move {
            let mut drops = Vec::new();
            for place in chunked {
                drops.push(core.drop_body(account, place));
            }
            for dropped in each_at_once(AT_ONCE, drops).await {
                dropped?;
            }
            Ok(())
        });
    }

    pub(crate) async fn drop_body(&self, account: AccountId, place: Place) -> StoreResult<()> {
        let id = place.id;
        match place.body {
            Body::Inline => Ok(()),
            Body::Chunks {
                blob,
                count,
                shared: false,
            } => self.drop_chunks(BODIES, id, blob, 0..count).await,
            Body::Chunks {
                blob,
                count,
                shared: true,
            } => self.drop_share(BODIES, account, id, blob, count).await,
        }
    }

    /// A bucket that so much is removed from that its tombstones would be felt.
    fn to_leave_behind(
        &self,
        account: AccountId,
        buckets: &BTreeMap<MessageId, Vec<Place>>,
    ) -> Option<MessageId> {
        let (&newest, removed) = buckets.last_key_value()?;
        let is_worn = self.retiring.wear(account, newest, removed.len()) >= REMOVED_ROWS;
        let is_worn = is_worn || self.places.count_in(account, newest) > SEEN_ROWS;
        is_worn.then_some(newest)
    }

    /// Opens a bucket above one that is to be left behind, if that is the newest one.
    async fn leave(&self, account: AccountId, bucket: MessageId) -> StoreResult<()> {
        const LEAVE: Verb = "open a bucket";
        let mut directory = self.directory(LEAVE, account).await?;
        let newest = directory.buckets.last();
        if newest.is_some_and(|newest| newest.id == bucket) {
            let deadline = self.engine.deadline(USUAL);
            let how = (deadline, Fallback::Refused);
            let id = self.open_bucket(LEAVE, how, account, Some(bucket)).await?;
            let everywhere = true;
            directory.buckets.push(Bucket { id, everywhere });
        }
        self.writing.forget(account);
        self.supersede(account, bucket, &directory);
        Ok(())
    }

    /// Empties the maildrop of an account that is gone. What is written late is a scrub's.
    pub(crate) async fn empty(self: &Arc<Self>, account: AccountId) -> StoreResult<()> {
        const EMPTY: Verb = "empty the maildrop of a removed account";
        let deadline = self
            .engine
            .deadline(Patience(std::time::Duration::from_mins(10)));
        let directory = self.directory(EMPTY, account).await?;
        let listed = self.list_buckets(EMPTY, account, &directory).await?;
        let places: Vec<_> = listed.into_iter().map(|listed| listed.place).collect();
        self.drop_rows(account, &by_bucket(&places), deadline)
            .await?;
        self.drop_bodies(account, places);
        for bucket in directory.buckets {
            let at = Micros::of(bucket.id).plus(1);
            let change = vec![(Cql::DropBucket, row![at, account, bucket.id])];
            self.engine.change(EMPTY, deadline, change).await?;
        }
        Ok(())
    }

    /// What is remembered of an account's maildrop holds no more.
    pub(crate) fn forget(&self, account: AccountId) {
        self.places.forget(account);
        self.writing.forget(account);
    }
}

fn by_bucket(places: &[Place]) -> BTreeMap<MessageId, Vec<Place>> {
    let mut buckets: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for &place in places {
        buckets.entry(place.bucket).or_default().push(place);
    }
    buckets
}

/// The statements that remove messages of one bucket: one mutation.
pub(crate) fn drops(account: AccountId, places: &[Place]) -> Change {
    let mut change = Vec::with_capacity(places.len() * 2);
    for place in places {
        let at = Micros::of(place.id).plus(1);
        let key = || row![at, account, place.bucket, place.id];
        change.push((Cql::DropRow, key()));
        if place.body == Body::Inline {
            change.push((Cql::DropInline, key()));
        }
    }
    change
}
