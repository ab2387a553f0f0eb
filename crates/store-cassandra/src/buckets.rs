//! In which bucket a message is put, and which buckets a maildrop has.
//!
//! A maildrop that is emptied is a queue, and a partition that was a queue is full of tombstones.
//! So mail lies in buckets that are small and left behind; the directory, a row for each, says
//! where to look. Any node may open a bucket at any time; two open ones are no harm. What must
//! never happen is a row in a bucket that no directory lists: so a bucket is listed everywhere
//! before a row is put into it, and whoever takes long lists it again behind the row.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use cassmail_mail::{AccountId, IdMinter, MessageId, NodeId, UnixTime};
use cassmail_store::StoreResult;
use scylla::value::CqlTimeuuid;
use tokio::sync::Mutex;

use crate::accounts::Life;
use crate::breaker::{Fallback, Reach};
use crate::cassandra::Core;
use crate::engine::{Deadline, USUAL};
use crate::error::Verb;
use crate::profiles::Profile;
use crate::rows::{Micros, id_of, row};
use crate::statements::Cql;

/// A writer leaves a bucket behind after so many rows of its own ...
const MOST_ROWS: usize = 512;
/// ... or so many octets of inline bodies ...
const MOST_OCTETS: usize = 8 * 1024 * 1024;
/// ... or when the bucket is so old.
const MOST_AGE: Duration = Duration::from_hours(30 * 24);

/// So long a writer believes what it read of a directory.
const BELIEVED: Duration = Duration::from_mins(10);

/// Whoever puts a row later than this after reading the directory lists the bucket again: it may
/// have been retired meanwhile.
pub(crate) const LATE: Duration = Duration::from_mins(30);

/// A bucket that so many rows were removed from, or were seen in, is left behind.
pub(crate) const REMOVED_ROWS: usize = 256;
pub(crate) const SEEN_ROWS: usize = 512;

/// The directory of a maildrop at one moment.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) life: Option<Life>,
    /// In the order of their ids.
    pub(crate) buckets: Vec<Bucket>,
    read_at: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bucket {
    pub(crate) id: MessageId,
    /// It is known to be listed in every data center.
    pub(crate) everywhere: bool,
}

/// A bucket to put a row into, and when it was known to be listed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chosen {
    pub(crate) bucket: MessageId,
    read_at: Duration,
}

/// The buckets that this process writes to, one for each account that gets mail.
pub(crate) struct Writing {
    slots: Lock<HashMap<AccountId, Slot>>,
    /// Of its own, so that a fast clock does not drag message ids along.
    minter: Lock<IdMinter>,
    most: usize,
}

/// Locked while the directory is read or a bucket is opened, so that this is done once.
type Slot = Arc<Mutex<Option<Current>>>;

#[derive(Debug)]
struct Current {
    chosen: Chosen,
    rows: usize,
    octets: usize,
}

impl Writing {
    pub(crate) fn new(node: NodeId, most: usize) -> Self {
        Self {
            slots: Lock::default(),
            minter: Lock::new(IdMinter::new(node)),
            most,
        }
    }

    fn slot(&self, account: AccountId) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= self.most && !slots.contains_key(&account) {
            // Whoever is at work keeps its own; the others read their directory again.
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(account).or_default())
    }

    pub(crate) fn forget(&self, account: AccountId) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.remove(&account);
    }

    pub(crate) fn mint_with(&self, minter: IdMinter) {
        *self.minter.lock().unwrap_or_else(PoisonError::into_inner) = minter;
    }

    /// An id above another, and otherwise of now.
    pub(crate) fn mint_above(&self, below: Option<MessageId>, now: UnixTime) -> MessageId {
        let minter = self.minter.lock().unwrap_or_else(PoisonError::into_inner);
        let minted = minter.mint(now);
        match below {
            Some(below) if minted <= below => {
                let after = UnixTime::from_micros(below.minted_at().as_micros().saturating_add(1));
                minter.mint(after)
            }
            _ => minted,
        }
    }
}

impl Core {
    pub(crate) async fn directory(&self, verb: Verb, account: AccountId) -> StoreResult<Directory> {
        self.directory_at(Profile::Read, verb, account).await
    }

    pub(crate) async fn directory_at(
        &self,
        profile: Profile,
        verb: Verb,
        account: AccountId,
    ) -> StoreResult<Directory> {
        type Cells = (Option<CqlTimeuuid>, Option<bool>, Option<i8>);
        let read_at = self.clock().elapsed();
        let read = self
            .engine
            .read_at::<Cells>(profile, verb, Cql::ReadDirectory, row![account]);
        let mut life = None;
        let mut buckets = Vec::new();
        for (bucket, everywhere, number) in read.await? {
            life = life.or(number.and_then(Life::from_number));
            buckets.extend(bucket.and_then(id_of).map(|id| Bucket {
                id,
                everywhere: everywhere == Some(true),
            }));
        }
        buckets.sort_unstable();
        Ok(Directory {
            life,
            buckets,
            read_at,
        })
    }

    /// The bucket for a row with so many octets of inline body; none if the account does not exist.
    pub(crate) async fn choose(
        &self,
        verb: Verb,
        deadline: Deadline,
        account: AccountId,
        octets: usize,
    ) -> StoreResult<Option<Chosen>> {
        let slot = self.writing.slot(account);
        let mut current = slot.lock().await;
        let now = self.clock().elapsed();
        let is_believed = |current: &Current| {
            now.saturating_sub(current.chosen.read_at) < BELIEVED
                && current.rows < MOST_ROWS
                && current.octets < MOST_OCTETS
        };
        if !current.as_ref().is_some_and(is_believed) {
            let full = current.take().filter(Current::is_full);
            let full = full.map(|current| current.chosen.bucket);
            *current = self.current(verb, deadline, account, full).await?;
        }
        let Some(current) = current.as_mut() else {
            return Ok(None);
        };
        current.rows += 1;
        current.octets += octets;
        Ok(Some(current.chosen))
    }

    /// Reads the directory and takes its newest bucket, or opens one if that is `full` or old.
    async fn current(
        &self,
        verb: Verb,
        deadline: Deadline,
        account: AccountId,
        full: Option<MessageId>,
    ) -> StoreResult<Option<Current>> {
        let directory = self.directory(verb, account).await?;
        if !self.exists(verb, account, directory.life).await? {
            return Ok(None);
        }
        let newest = directory.buckets.last().copied();
        let usable = newest.filter(|bucket| Some(bucket.id) != full && !self.is_old(bucket.id));
        let bucket = match usable {
            Some(bucket) => {
                if !bucket.everywhere {
                    let how = (deadline, Fallback::Allowed);
                    self.list_bucket(verb, how, account, bucket.id).await?;
                }
                bucket.id
            }
            None => {
                let newest = newest.map(|bucket| bucket.id);
                let how = (deadline, Fallback::Allowed);
                self.open_bucket(verb, how, account, newest).await?
            }
        };
        Ok(Some(Current {
            chosen: Chosen {
                bucket,
                read_at: directory.read_at,
            },
            rows: 0,
            octets: 0,
        }))
    }

    fn is_old(&self, bucket: MessageId) -> bool {
        let age = self.clock().now().as_micros();
        let age = age.saturating_sub(bucket.minted_at().as_micros());
        Duration::from_micros(age) > MOST_AGE
    }

    pub(crate) async fn open_first_bucket(
        &self,
        verb: Verb,
        account: AccountId,
    ) -> StoreResult<()> {
        let deadline = self.engine.deadline(USUAL);
        let how = (deadline, Fallback::Refused);
        self.open_bucket(verb, how, account, None).await?;
        Ok(())
    }

    /// Opens a bucket above the newest one.
    pub(crate) async fn open_bucket(
        &self,
        verb: Verb,
        (deadline, fallback): (Deadline, Fallback),
        account: AccountId,
        newest: Option<MessageId>,
    ) -> StoreResult<MessageId> {
        let bucket = self.writing.mint_above(newest, self.clock().now());
        let how = (deadline, fallback);
        self.list_bucket(verb, how, account, bucket).await?;
        Ok(bucket)
    }

    /// Lists a bucket in every data center, and then says so at the same timestamp: true wins over
    /// false in whatever order they arrive.
    pub(crate) async fn list_bucket(
        &self,
        verb: Verb,
        (deadline, fallback): (Deadline, Fallback),
        account: AccountId,
        bucket: MessageId,
    ) -> StoreResult<()> {
        for everywhere in [false, true] {
            let row = row![account, bucket, everywhere, Micros::of(bucket)];
            let change = vec![(Cql::PutBucket, row)];
            let engine = &self.engine;
            let listed = engine.change_or_fall_back(fallback, verb, deadline, change);
            if listed.await? == Reach::Here {
                break;
            }
        }
        Ok(())
    }

    /// Behind a row that was put late: its bucket may have been retired meanwhile, so it is listed
    /// again, at a time that wins over the retirement, and for good if that was retired too.
    pub(crate) async fn list_again_if_late(
        &self,
        verb: Verb,
        deadline: Deadline,
        account: AccountId,
        chosen: Chosen,
    ) -> StoreResult<()> {
        let age = self.clock().elapsed().saturating_sub(chosen.read_at);
        if age <= LATE {
            return Ok(());
        }
        self.list_again(verb, deadline, account, chosen.bucket)
            .await
    }

    pub(crate) async fn list_again(
        &self,
        verb: Verb,
        deadline: Deadline,
        account: AccountId,
        bucket: MessageId,
    ) -> StoreResult<()> {
        const AGAIN: i64 = 2;
        const FOR_GOOD: i64 = 4;
        for step in [AGAIN, FOR_GOOD] {
            let row = row![account, bucket, true, Micros::of(bucket).plus(step)];
            let change = vec![(Cql::PutBucket, row)];
            self.engine.change(verb, deadline, change).await?;
            let directory = self.directory(verb, account).await?;
            if directory.buckets.iter().any(|listed| listed.id == bucket) {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Current {
    fn is_full(&self) -> bool {
        self.rows >= MOST_ROWS || self.octets >= MOST_OCTETS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_bucket_is_above_the_newest_even_if_the_clock_is_behind() {
        let other = IdMinter::new(NodeId::from_random(1));
        let newest = other.mint(UnixTime::from_micros(5_000_000));
        let writing = Writing::new(NodeId::from_random(2), 10);
        let bucket = writing.mint_above(Some(newest), UnixTime::from_micros(1_000_000));
        assert!(bucket > newest);
        let next = writing.mint_above(None, UnixTime::from_micros(1_000_000));
        assert!(next > bucket);
    }
}
