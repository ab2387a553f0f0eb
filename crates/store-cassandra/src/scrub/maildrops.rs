//! Listing rows and the bodies beside them, which have the same partition keys.
//!
//! The rows are read whole, of the bodies only the keys; both in the order of the tokens, so they
//! are laid side by side. The rest is about what does not match.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cassmail_mail::{AccountId, MessageId};
use cassmail_store::StoreResult;
use scylla::value::CqlTimeuuid;
use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

use super::suspects::{Look, Standing, Suspicion, key_of};
use super::{AT_ONCE, Bodies, Count, Finding, Run, SCRUB, ScrubError};
use crate::accounts::Life;
use crate::bodies::ChunkCells;
use crate::frames;
use crate::listing::{self, Body, Listed, Place};
use crate::maildrops::{IN_A_BATCH, drops};
use crate::profiles::Profile;
use crate::rows::{Micros, id_of, row};
use crate::statements::Cql;
use crate::together::each_at_once;

/// A row with its token and partition key.
type RowCells = (
    i64,
    Uuid,
    CqlTimeuuid,
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

/// The key of a body with its token.
type InlineCells = (i64, Uuid, CqlTimeuuid, CqlTimeuuid);

/// The octets of a chunk or an inline body, and its hash.
type Octets = (Option<Vec<u8>>, Option<Vec<u8>>);

/// A partition of both tables.
struct Bucket {
    account: AccountId,
    id: MessageId,
    rows: Vec<listing::Cells>,
    inlines: BTreeSet<MessageId>,
}

/// What was seen in a bucket.
#[derive(Default)]
struct Seen {
    counts: Vec<(Count, u64)>,
    findings: Vec<Finding>,
    acts: Vec<Act>,
}

/// What is to be done about it.
enum Act {
    /// List a bucket again.
    List(AccountId, MessageId),
    /// Tell a maildrop that its account lives.
    Revive(AccountId),
    /// Delete bodies without rows.
    DropInlines(AccountId, Vec<Place>),
    /// Delete what a removed account left.
    Empty(AccountId, Vec<Place>),
}

/// What is known of the account of a bucket.
enum Owner {
    Lives,
    /// It lives, and its maildrop does not say so.
    Forgotten,
    /// It was removed, and that is proved.
    Removed,
    Unknown,
}

impl Run<'_> {
    pub(super) async fn maildrops(&mut self, from: i64, to: i64) -> Result<i64, ScrubError> {
        let token = |row: &RowCells| row.0;
        let mut rows = self.slice(Cql::WalkRows, (from, to), token).await?;
        let token = |row: &InlineCells| row.0;
        let range = (from, rows.end);
        let inlines = self.slice(Cql::WalkInlines, range, token).await?;
        rows.cut(inlines.end, |row| row.0);
        let buckets = side_by_side(rows.rows, inlines.rows);
        let look = self.look();
        let mut checks = Vec::with_capacity(buckets.len());
        for bucket in &buckets {
            checks.push(look.check_bucket(bucket));
        }
        let seen = each_at_once(AT_ONCE, checks).await;
        let seen = self.succeeded(seen);
        self.act_on(seen).await?;
        Ok(inlines.end)
    }

    async fn act_on(&mut self, seen: Vec<Seen>) -> Result<(), ScrubError> {
        let (mut mends, mut deletions) = (Vec::new(), Vec::new());
        for seen in seen {
            for (count, number) in seen.counts {
                self.report.add(count, number);
            }
            for finding in seen.findings {
                self.report.find(finding);
            }
            for act in seen.acts {
                match act {
                    Act::List(..) | Act::Revive(_) => mends.push(act),
                    Act::DropInlines(..) | Act::Empty(..) => deletions.push(act),
                }
            }
        }
        if self.may_mend() {
            for act in mends {
                self.act(act).await?;
            }
        }
        if !deletions.is_empty() && self.may_delete().await? {
            for act in deletions {
                self.act(act).await?;
            }
        }
        Ok(())
    }

    async fn act(&mut self, act: Act) -> Result<(), ScrubError> {
        match act {
            Act::List(account, bucket) => self.list_again(account, bucket).await,
            Act::Revive(account) => {
                let at = Micros(i64::from(Life::Settled.number()));
                let row = row![account, Life::Settled.number(), at];
                if self.change(vec![(Cql::PutMaildropLife, row)]).await {
                    self.report.add(Count::Revived, 1);
                }
                Ok(())
            }
            Act::DropInlines(account, places) => {
                let gone = self.drop_rows(account, &places).await;
                for place in gone {
                    self.report.add(Count::RemovedInlines, 1);
                    let key = key_of(account, place.bucket, place.id);
                    self.acquit(Suspicion::Inline, &key).await;
                }
                Ok(())
            }
            Act::Empty(account, places) => {
                for place in self.drop_rows(account, &places).await {
                    let dropped = self.core.drop_body(account, place).await;
                    self.done(&dropped);
                    self.report.add(Count::RemovedLeftovers, 1);
                }
                Ok(())
            }
        }
    }

    async fn list_again(
        &mut self,
        account: AccountId,
        bucket: MessageId,
    ) -> Result<(), ScrubError> {
        let deadline = self.deadline();
        let listed = self.core.list_again(SCRUB, deadline, account, bucket).await;
        if !self.done(&listed) {
            return Ok(());
        }
        let directory = self.core.directory(SCRUB, account).await?;
        if directory.buckets.iter().any(|listed| listed.id == bucket) {
            self.report.add(Count::ListedAgain, 1);
        } else {
            let finding = Finding::of_bucket(Count::Unlistable, account, bucket);
            self.report.find(finding);
        }
        Ok(())
    }

    /// Rows and inline bodies, in one mutation for each hundred; answers which are gone.
    async fn drop_rows(&mut self, account: AccountId, places: &[Place]) -> Vec<Place> {
        let mut gone = Vec::with_capacity(places.len());
        for some in places.chunks(IN_A_BATCH) {
            if self.change(drops(account, some)).await {
                gone.extend_from_slice(some);
            }
        }
        gone
    }
}

type Buckets = BTreeMap<(i64, AccountId, MessageId), Bucket>;

/// None if the key is no id of ours.
fn bucket_of(
    buckets: &mut Buckets,
    token: i64,
    uid: Uuid,
    bucket: CqlTimeuuid,
) -> Option<&mut Bucket> {
    let account = AccountId::from_key(*uid.as_bytes());
    let bucket = id_of(bucket)?;
    let empty = || Bucket {
        account,
        id: bucket,
        rows: Vec::new(),
        inlines: BTreeSet::new(),
    };
    let entry = buckets.entry((token, account, bucket));
    Some(entry.or_insert_with(empty))
}

/// Lays rows and bodies of the same partitions side by side.
fn side_by_side(rows: Vec<RowCells>, inlines: Vec<InlineCells>) -> Vec<Bucket> {
    let mut buckets = Buckets::new();
    for (token, uid, bucket, id, size, count, codec, blob, shared, rcpt, uidl, surrogate) in rows {
        let cells = (id, size, count, codec, blob, shared, rcpt, uidl, surrogate);
        if let Some(bucket) = bucket_of(&mut buckets, token, uid, bucket) {
            bucket.rows.push(cells);
        }
    }
    for (token, uid, bucket, id) in inlines {
        if let (Some(bucket), Some(id)) = (bucket_of(&mut buckets, token, uid, bucket), id_of(id)) {
            bucket.inlines.insert(id);
        }
    }
    buckets.into_values().collect()
}

impl Look<'_> {
    async fn check_bucket(&self, bucket: &Bucket) -> StoreResult<Seen> {
        let mut seen = Seen::default();
        let rows = crate::rows::octets(bucket.rows.len());
        seen.count(Count::Inlines, crate::rows::octets(bucket.inlines.len()));
        if rows > 0 {
            seen.count(Count::Buckets, 1);
            seen.count(Count::Rows, rows);
            seen.count(Count::LargestBucket, rows);
            match self.owner_of(bucket).await? {
                Owner::Removed => {
                    self.leave_nothing(bucket, &mut seen);
                    return Ok(seen);
                }
                Owner::Unknown => seen.find_in(Count::Unknown, bucket),
                Owner::Forgotten => {
                    seen.find_in(Count::Lifeless, bucket);
                    seen.acts.push(Act::Revive(bucket.account));
                }
                Owner::Lives => {}
            }
            self.check_rows(bucket, &mut seen).await?;
        }
        self.check_inlines(bucket, &mut seen).await?;
        Ok(seen)
    }

    /// A life is written down, so that an account was removed is no matter of absence.
    async fn owner_of(&self, bucket: &Bucket) -> StoreResult<Owner> {
        let account = bucket.account;
        match self.core.directory(SCRUB, account).await?.life {
            Some(Life::Born | Life::Settled | Life::Leaving) => return Ok(Owner::Lives),
            Some(Life::Gone) | None => {}
        }
        let proof = self.core.directory_at(Profile::Proof, SCRUB, account);
        match proof.await?.life {
            Some(Life::Gone) => Ok(Owner::Removed),
            Some(Life::Born | Life::Settled | Life::Leaving) => Ok(Owner::Lives),
            None if self.core.living(SCRUB, account).await?.is_some() => Ok(Owner::Forgotten),
            None => Ok(Owner::Unknown),
        }
    }

    /// All that a removed account has in this bucket.
    #[expect(clippy::unused_self, reason = "one of the checks")]
    fn leave_nothing(&self, bucket: &Bucket, seen: &mut Seen) {
        let mut places = Vec::new();
        let mut rest = bucket.inlines.clone();
        for cells in &bucket.rows {
            let place = place_of(bucket.id, cells);
            rest.remove(&place.map_or(bucket.id, |place| place.id));
            places.extend(place);
        }
        places.extend(rest.into_iter().map(|id| Place {
            id,
            bucket: bucket.id,
            body: Body::Inline,
        }));
        seen.count(Count::Leftovers, crate::rows::octets(places.len()));
        seen.acts.push(Act::Empty(bucket.account, places));
    }

    async fn check_rows(&self, bucket: &Bucket, seen: &mut Seen) -> StoreResult<()> {
        let is_listed = self.is_listed(bucket).await?;
        let mut is_to_be_listed = false;
        for cells in &bucket.rows {
            let Some(listed) = self.readable(bucket, cells, seen).await? else {
                continue;
            };
            let is_whole = self.check_body(bucket, &listed, seen).await?;
            // A row that is not on all replicas any more is no reason to list a bucket.
            if !is_listed && !is_to_be_listed && is_whole {
                is_to_be_listed = self.row_at_all(bucket, listed.place.id).await?.is_some();
            }
        }
        if is_to_be_listed {
            seen.find_in(Count::Unlisted, bucket);
            seen.acts.push(Act::List(bucket.account, bucket.id));
        }
        Ok(())
    }

    async fn is_listed(&self, bucket: &Bucket) -> StoreResult<bool> {
        for level in [Profile::Read, Profile::Proof] {
            let directory = self.core.directory_at(level, SCRUB, bucket.account).await?;
            if directory
                .buckets
                .iter()
                .any(|listed| listed.id == bucket.id)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A row as it was read, or as all replicas together have it; none if it is gone or unreadable.
    async fn readable(
        &self,
        bucket: &Bucket,
        cells: &listing::Cells,
        seen: &mut Seen,
    ) -> StoreResult<Option<Listed>> {
        if let Some(listed) = decoded(bucket.id, cells) {
            return Ok(Some(listed));
        }
        let Some(id) = id_of(cells.0) else {
            seen.find_in(Count::Unreadable, bucket);
            return Ok(None);
        };
        let Some(cells) = self.row_at_all(bucket, id).await? else {
            return Ok(None);
        };
        let listed = decoded(bucket.id, &cells);
        if listed.is_none() {
            seen.find(Count::Unreadable, bucket, id);
        }
        Ok(listed)
    }

    /// A row, also one that is there in part, on any replica.
    async fn row_at_all(
        &self,
        bucket: &Bucket,
        id: MessageId,
    ) -> StoreResult<Option<listing::Cells>> {
        let key = row![bucket.account, bucket.id, id];
        let engine = &self.core.engine;
        let read = engine.read_at::<listing::Cells>(Profile::Proof, SCRUB, Cql::ReadRow, key);
        Ok(read.await?.pop())
    }

    /// Whether the body of a row is there, and what was written if that is asked for.
    async fn check_body(
        &self,
        bucket: &Bucket,
        listed: &Listed,
        seen: &mut Seen,
    ) -> StoreResult<bool> {
        let missing = self.missing_chunks(bucket, listed).await?;
        if !missing.is_empty() && self.is_missing(bucket, listed, missing).await? {
            let id = listed.place.id;
            let key = key_of(bucket.account, bucket.id, id);
            match self.suspect(Suspicion::Loss, &key).await? {
                Standing::Suspected => seen.find(Count::Suspected, bucket, id),
                Standing::Confirmed => seen.find(Count::Lost, bucket, id),
            }
            return Ok(false);
        }
        if self.options.bodies == Bodies::Verified {
            return self.verify(bucket, listed, seen).await;
        }
        Ok(true)
    }

    /// The numbers of the chunks that the nearest replica lacks; an inline body is chunk 0.
    async fn missing_chunks(&self, bucket: &Bucket, listed: &Listed) -> StoreResult<Vec<i16>> {
        let Body::Chunks { blob, count, .. } = listed.place.body else {
            let is_there = bucket.inlines.contains(&listed.place.id);
            return Ok(if is_there { Vec::new() } else { vec![0] });
        };
        let mut missing = Vec::new();
        for n in 0..count {
            let key = row![blob, n];
            let engine = &self.core.engine;
            let found = engine.read::<(i16,)>(SCRUB, Cql::FindChunk, key).await?;
            if found.is_empty() {
                missing.push(n);
            }
        }
        Ok(missing)
    }

    /// Whether one of them lacks on all replicas while the row is still there.
    async fn is_missing(
        &self,
        bucket: &Bucket,
        listed: &Listed,
        numbers: Vec<i16>,
    ) -> StoreResult<bool> {
        for n in numbers {
            let octets = self.octets(Profile::Proof, bucket, listed.place, n).await?;
            if octets.is_none() {
                // Behind the body: who removes a message removes its row first, or both in one.
                return Ok(self.row_at_all(bucket, listed.place.id).await?.is_some());
            }
        }
        Ok(false)
    }

    /// A chunk and the hash of the whole, if it is the first one.
    async fn octets(
        &self,
        level: Profile,
        bucket: &Bucket,
        place: Place,
        n: i16,
    ) -> StoreResult<Option<(Vec<u8>, Vec<u8>)>> {
        type Inline = (Option<Vec<u8>>, Option<Vec<u8>>, Option<String>);
        let engine = &self.core.engine;
        let (octets, hash): Octets = match place.body {
            Body::Inline => {
                let key = row![bucket.account, place.bucket, place.id];
                let read = engine.read_at::<Inline>(level, SCRUB, Cql::ReadInline, key);
                let found = read.await?.pop();
                found.map_or((None, None), |(octets, hash, _)| (octets, hash))
            }
            Body::Chunks { blob, .. } => {
                let key = row![blob, n];
                let read = engine.read_at::<ChunkCells>(level, SCRUB, Cql::ReadChunk, key);
                let found = read.await?.pop();
                found.map_or((None, None), |(octets, _, _, _, _, hash, _)| (octets, hash))
            }
        };
        // Only the first one has a hash.
        let hash = hash.or_else(|| (n > 0).then(Vec::new));
        Ok(octets.zip(hash))
    }

    /// Reads a body on ever more replicas until it is what was written.
    async fn verify(&self, bucket: &Bucket, listed: &Listed, seen: &mut Seen) -> StoreResult<bool> {
        for level in [Profile::Nearest, Profile::Read, Profile::Proof] {
            if self.verifies(level, bucket, listed.place).await? {
                seen.count(Count::Verified, 1);
                return Ok(true);
            }
        }
        let id = listed.place.id;
        if self.row_at_all(bucket, id).await?.is_some() {
            seen.find(Count::Damaged, bucket, id);
        }
        Ok(false)
    }

    async fn verifies(&self, level: Profile, bucket: &Bucket, place: Place) -> StoreResult<bool> {
        let count = match place.body {
            Body::Inline => 1,
            Body::Chunks { count, .. } => count,
        };
        let mut whole = Box::new(Xxh3::new());
        let mut expected = Vec::new();
        for n in 0..count {
            let Some((octets, hash)) = self.octets(level, bucket, place, n).await? else {
                return Ok(false);
            };
            if n == 0 {
                expected = hash;
            }
            let mut rest = Bytes::from(octets);
            loop {
                match frames::take(&mut rest) {
                    Ok(Some(frame)) => whole.update(&frame),
                    Ok(None) => break,
                    Err(frames::Damaged) => return Ok(false),
                }
            }
        }
        Ok(whole.digest128().to_be_bytes()[..] == expected[..])
    }

    /// Bodies beside no row. Both are written in one mutation and deleted in one.
    async fn check_inlines(&self, bucket: &Bucket, seen: &mut Seen) -> StoreResult<()> {
        let rows: BTreeSet<_> = bucket.rows.iter().filter_map(|row| id_of(row.0)).collect();
        let mut orphans = Vec::new();
        for &id in bucket.inlines.difference(&rows) {
            if self.row_at_all(bucket, id).await?.is_some() {
                continue;
            }
            let place = Place {
                id,
                bucket: bucket.id,
                body: Body::Inline,
            };
            let octets = self.octets(Profile::Proof, bucket, place, 0).await?;
            if octets.is_none() {
                continue;
            }
            seen.find(Count::OrphanInlines, bucket, id);
            let key = key_of(bucket.account, bucket.id, id);
            if self.suspect(Suspicion::Inline, &key).await? == Standing::Confirmed {
                seen.count(Count::ConfirmedInlines, 1);
                orphans.push(place);
            }
        }
        if !orphans.is_empty() {
            seen.acts.push(Act::DropInlines(bucket.account, orphans));
        }
        Ok(())
    }
}

impl Seen {
    fn count(&mut self, count: Count, number: u64) {
        self.counts.push((count, number));
    }

    fn find_in(&mut self, count: Count, bucket: &Bucket) {
        let finding = Finding::of_bucket(count, bucket.account, bucket.id);
        self.findings.push(finding);
    }

    fn find(&mut self, count: Count, bucket: &Bucket, id: MessageId) {
        let mut finding = Finding::of_bucket(count, bucket.account, bucket.id);
        finding.id = Some(id);
        self.findings.push(finding);
    }
}

fn decoded(bucket: MessageId, cells: &listing::Cells) -> Option<Listed> {
    let is_whole = listing::is_whole(cells);
    let decoded = is_whole.then(|| listing::decode(bucket, cells.clone()));
    decoded.flatten()
}

/// Where a row is, whatever else it says.
fn place_of(bucket: MessageId, cells: &listing::Cells) -> Option<Place> {
    let id = id_of(cells.0)?;
    let place = decoded(bucket, cells).map(|listed| listed.place);
    Some(place.unwrap_or(Place {
        id,
        bucket,
        body: Body::Inline,
    }))
}
