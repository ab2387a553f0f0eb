//! Listings, and the memory of where listed messages are.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use cassmail_mail::{AccountId, Address, Entry, MessageId, SurrogateSize, Uidl};
use cassmail_store::StoreResult;
use scylla::value::CqlTimeuuid;

use crate::breaker::Fallback;
use crate::buckets::{Bucket, Directory};
use crate::cassandra::Core;
use crate::engine::USUAL;
use crate::error::{Verb, corrupt};
use crate::profiles::Profile;
use crate::rows::{id_of, row};
use crate::statements::Cql;
use crate::together::at_once;

/// So many buckets are read at once.
const AT_ONCE: usize = 8;

/// The columns of a listing row, as they are read everywhere.
pub(crate) type Cells = (
    CqlTimeuuid,
    Option<i64>,
    Option<i16>,
    Option<i8>,
    Option<CqlTimeuuid>,
    Option<bool>,
    Option<String>,
    Option<String>,
    Option<i64>,
);

/// A row of a listing.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) place: Place,
    pub(crate) size: u64,
    pub(crate) surrogate_size: Option<SurrogateSize>,
    pub(crate) recipient: Option<Address>,
    pub(crate) uidl: Option<Uidl>,
}

/// Where a message of an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) id: MessageId,
    pub(crate) bucket: MessageId,
    pub(crate) body: Body,
}

/// Where the body of a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Body {
    /// Beside its row.
    Inline,
    /// In chunks.
    Chunks {
        /// Under this id.
        blob: MessageId,
        /// So many.
        count: i16,
        /// With other owners.
        shared: bool,
    },
}

impl Core {
    /// Lists what the buckets of a directory hold, in the order of the ids, and remembers where.
    pub(crate) async fn list(
        self: &Arc<Self>,
        verb: Verb,
        account: AccountId,
    ) -> StoreResult<Vec<Listed>> {
        let directory = self.directory(verb, account).await?;
        if !self.exists(verb, account, directory.life).await? {
            return Ok(Vec::new());
        }
        self.mend(account, &directory);
        let listed = self.list_buckets(verb, account, &directory).await?;
        let places: Arc<[Place]> = listed.iter().map(|listed| listed.place).collect();
        self.consider_empty(account, &directory, &places);
        self.places.remember(account, places);
        Ok(listed)
    }

    /// Every row, twice if it is in two buckets.
    pub(crate) async fn list_buckets(
        &self,
        verb: Verb,
        account: AccountId,
        directory: &Directory,
    ) -> StoreResult<Vec<Listed>> {
        let mut reads = Vec::new();
        for bucket in &directory.buckets {
            reads.push(self.list_bucket_rows(verb, account, bucket.id));
        }
        let rows = at_once(AT_ONCE, reads).await?;
        let mut listed: Vec<_> = rows.into_iter().flatten().collect();
        listed.sort_unstable_by_key(|listed| listed.place);
        Ok(listed)
    }

    async fn list_bucket_rows(
        &self,
        verb: Verb,
        account: AccountId,
        bucket: MessageId,
    ) -> StoreResult<Vec<Listed>> {
        let key = row![account, bucket];
        let rows = self
            .engine
            .read::<Cells>(verb, Cql::ListBucket, key.clone());
        let rows = rows.await?;
        if rows.iter().all(is_whole) {
            return decode_all(verb, bucket, rows);
        }
        // What lacks here is on other replicas. A row that is in part nowhere is not here yet.
        let proof = self
            .engine
            .read_at::<Cells>(Profile::Proof, verb, Cql::ListBucket, key);
        let whole = proof.await?.into_iter().filter(is_whole).collect();
        decode_all(verb, bucket, whole)
    }

    /// One row, looked for with the given certainty.
    pub(crate) async fn listed_at(
        &self,
        profile: Profile,
        verb: Verb,
        account: AccountId,
        bucket: MessageId,
        id: MessageId,
    ) -> StoreResult<Option<Listed>> {
        let key = row![account, bucket, id];
        let rows = self
            .engine
            .read_at::<Cells>(profile, verb, Cql::ReadRow, key);
        let whole = rows.await?.into_iter().filter(is_whole).collect();
        Ok(decode_all(verb, bucket, whole)?.pop())
    }

    /// Finds a message in whichever bucket it is.
    pub(crate) async fn find(
        &self,
        verb: Verb,
        account: AccountId,
        id: MessageId,
    ) -> StoreResult<Option<Listed>> {
        let directory = self.directory(verb, account).await?;
        if !self.exists(verb, account, directory.life).await? {
            return Ok(None);
        }
        let mut reads = Vec::new();
        for bucket in &directory.buckets {
            reads.push(self.listed_at(Profile::Read, verb, account, bucket.id, id));
        }
        let found = at_once(AT_ONCE, reads).await?;
        Ok(found.into_iter().flatten().next())
    }

    /// Buckets without a row may leave the directory.
    fn consider_empty(
        self: &Arc<Self>,
        account: AccountId,
        directory: &Directory,
        places: &[Place],
    ) {
        let buckets: Vec<_> = directory.buckets.iter().map(|bucket| bucket.id).collect();
        if buckets.len() > 1 {
            let full: BTreeSet<_> = places.iter().map(|place| place.bucket).collect();
            self.consider(account, &buckets, |bucket| !full.contains(&bucket));
        }
    }

    /// Whether a bucket has a row on any replica.
    pub(crate) async fn has_row(&self, account: AccountId, bucket: MessageId) -> StoreResult<bool> {
        let key = row![account, bucket];
        let verb = "look for rows of a bucket";
        let rows = self
            .engine
            .read_at::<Cells>(Profile::Proof, verb, Cql::ListBucket, key);
        Ok(!rows.await?.is_empty())
    }

    /// A bucket that is not known to be listed everywhere is listed again, when it can be.
    fn mend(self: &Arc<Self>, account: AccountId, directory: &Directory) {
        if self.engine.breaker.is_degraded() {
            return;
        }
        for &Bucket { id, everywhere } in &directory.buckets {
            if everywhere {
                continue;
            }
            self.in_background(move |core| async move {
                let deadline = core.engine.deadline(USUAL);
                let verb = "list a bucket everywhere";
                let how = (deadline, Fallback::Refused);
                core.list_bucket(verb, how, account, id).await
            });
        }
    }
}

/// Of what is always written nothing lacks.
pub(crate) fn is_whole(cells: &Cells) -> bool {
    let (_, size, count, codec, ..) = cells;
    size.is_some() && count.is_some() && codec.is_some()
}

fn decode_all(verb: Verb, bucket: MessageId, rows: Vec<Cells>) -> StoreResult<Vec<Listed>> {
    let decoded = rows.into_iter().map(|cells| decode(bucket, cells));
    let decoded = decoded.collect::<Option<Vec<_>>>();
    decoded.ok_or_else(|| corrupt(verb, "a row of the listing cannot be read"))
}

pub(crate) fn decode(bucket: MessageId, cells: Cells) -> Option<Listed> {
    let (id, size, count, _, blob, shared, recipient, uidl, surrogate) = cells;
    let id = id_of(id)?;
    let body = match count? {
        0 => Body::Inline,
        count => Body::Chunks {
            blob: blob.map_or(Some(id), id_of)?,
            count,
            shared: shared.unwrap_or_default(),
        },
    };
    Some(Listed {
        place: Place { id, bucket, body },
        size: u64::try_from(size?).ok()?,
        recipient: recipient.map(|text| text.parse()).transpose().ok()?,
        uidl: uidl.map(|text| text.parse()).transpose().ok()?,
        surrogate_size: surrogate
            .map(u64::try_from)
            .transpose()
            .ok()?
            .map(SurrogateSize::new),
    })
}

impl From<Listed> for Entry {
    fn from(listed: Listed) -> Self {
        Self {
            id: listed.place.id,
            size: listed.size,
            surrogate_size: listed.surrogate_size,
            imported_uidl: listed.uidl.map(Box::new),
        }
    }
}

/// Where the messages of the last listings are. What is not remembered is looked for, so it may be
/// forgotten at any time.
pub(crate) struct Places {
    kept: Mutex<Kept>,
    most: usize,
}

#[derive(Default)]
struct Kept {
    maildrops: HashMap<AccountId, Arc<[Place]>>,
    /// The oldest first.
    order: VecDeque<AccountId>,
    count: usize,
}

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            kept: Mutex::default(),
            most,
        }
    }

    /// Where a message is: two places if it is in two buckets.
    pub(crate) fn of(&self, account: AccountId, id: MessageId) -> Vec<Place> {
        let places = self.with(|kept| kept.maildrops.get(&account).cloned());
        let Some(places) = places else {
            return Vec::new();
        };
        let start = places.partition_point(|place| place.id < id);
        let same = places[start..].iter().take_while(|place| place.id == id);
        same.copied().collect()
    }

    /// How many messages of a bucket are remembered.
    pub(crate) fn count_in(&self, account: AccountId, bucket: MessageId) -> usize {
        let places = self.with(|kept| kept.maildrops.get(&account).cloned());
        let places = places.iter().flat_map(|places| places.iter());
        places.filter(|place| place.bucket == bucket).count()
    }

    pub(crate) fn remember(&self, account: AccountId, places: Arc<[Place]>) {
        self.with(|kept| {
            kept.forget(account);
            if places.is_empty() || places.len() > self.most {
                return;
            }
            while kept.count + places.len() > self.most {
                let Some(oldest) = kept.order.front().copied() else {
                    break;
                };
                kept.forget(oldest);
            }
            kept.count += places.len();
            kept.order.push_back(account);
            kept.maildrops.insert(account, places);
        });
    }

    /// Forgets messages that were removed, sorted.
    pub(crate) fn drop_all(&self, account: AccountId, gone: &[Place]) {
        let places = self.with(|kept| kept.maildrops.get(&account).cloned());
        if let Some(places) = places {
            let left = places
                .iter()
                .filter(|place| gone.binary_search(place).is_err());
            self.remember(account, left.copied().collect());
        }
    }

    pub(crate) fn forget(&self, account: AccountId) {
        self.with(|kept| kept.forget(account));
    }

    fn with<T>(&self, step: impl FnOnce(&mut Kept) -> T) -> T {
        step(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Kept {
    fn forget(&mut self, account: AccountId) {
        if let Some(places) = self.maildrops.remove(&account) {
            self.count -= places.len();
            self.order.retain(|&kept| kept != account);
        }
    }
}

#[cfg(test)]
mod tests {
    use cassmail_mail::{IdMinter, NodeId, UnixTime};

    use super::*;

    fn places(count: u64) -> Arc<[Place]> {
        let minter = IdMinter::new(NodeId::from_random(1));
        let bucket = minter.mint(UnixTime::from_micros(1));
        let place = |n| Place {
            id: minter.mint(UnixTime::from_micros(n + 2)),
            bucket,
            body: Body::Inline,
        };
        (0..count).map(place).collect()
    }

    fn account(n: u64) -> AccountId {
        AccountId::of(&"alice@example.org".parse().unwrap(), n)
    }

    #[test]
    fn what_was_remembered_is_found_until_it_is_removed() {
        let remembered = Places::new(100);
        let three = places(3);
        remembered.remember(account(1), Arc::clone(&three));
        assert_eq!(remembered.of(account(1), three[1].id), [three[1]]);
        remembered.drop_all(account(1), &three[..2]);
        assert_eq!(remembered.of(account(1), three[1].id), []);
        assert_eq!(remembered.of(account(1), three[2].id), [three[2]]);
        assert_eq!(remembered.of(account(2), three[2].id), []);
    }

    #[test]
    fn the_oldest_listing_is_forgotten_first() {
        let remembered = Places::new(10);
        for n in 1..=3 {
            remembered.remember(account(n), places(4));
        }
        let id = places(1)[0].id;
        assert_eq!(remembered.of(account(1), id).len(), 0);
        assert_eq!(remembered.of(account(2), id).len(), 1);
        assert_eq!(remembered.of(account(3), id).len(), 1);
        remembered.remember(account(4), places(11));
        assert_eq!(remembered.of(account(4), id).len(), 0);
    }
}
