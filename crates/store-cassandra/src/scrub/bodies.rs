//! Bodies in chunks that nobody lists, and chunks without a first one.
//!
//! A body is written before its rows, so a young one without rows may be about to be listed. After
//! nine days nothing can list it any more: the spool forgets after seven.

use std::time::Duration;

use cassmail_mail::{AccountId, MessageId};
use cassmail_store::StoreResult;
use scylla::value::CqlTimeuuid;
use uuid::Uuid;

use super::suspects::{Look, Standing, Suspicion};
use super::{AT_ONCE, Count, Finding, Run, SCRUB, ScrubError};
use crate::bodies::ChunkCells;
use crate::listing::{self, Body};
use crate::profiles::Profile;
use crate::rows::{Micros, id_of, row};
use crate::statements::Cql;
use crate::together::each_at_once;

/// Whatever is younger is left alone.
const OLD: Duration = Duration::from_hours(9 * 24);

/// Account and bucket of an owner, as the first chunk says them.
const OWNER: usize = 32;

type Cells = (i64, CqlTimeuuid, i16, Option<i64>);

/// A chunk that is old enough to be looked at.
#[derive(Clone, Copy)]
struct Chunk {
    blob: MessageId,
    n: i16,
    written_at: i64,
}

/// What a chunk turned out to be.
enum Seen {
    /// As it should be.
    Owned,
    Ownerless,
    Orphan {
        standing: Standing,
        what: Orphan,
    },
}

/// What nobody lists.
#[derive(Clone, Copy)]
enum Orphan {
    /// A whole body of so many chunks, and of one owner or several.
    Body { count: i16, is_shared: bool },
    /// A single chunk.
    Chunk,
}

impl Run<'_> {
    pub(super) async fn bodies(&mut self, from: i64, to: i64) -> Result<i64, ScrubError> {
        let token = |row: &Cells| row.0;
        let slice = self.slice(Cql::WalkChunks, (from, to), token).await?;
        let look = self.look();
        let mut old = Vec::new();
        for (_, blob, n, written_at) in slice.rows {
            self.report.add(Count::Chunks, 1);
            if n == 0 {
                self.report.add(Count::Bodies, 1);
            }
            let chunk = id_of(blob).zip(written_at);
            let chunk = chunk.map(|(blob, written_at)| Chunk {
                blob,
                n,
                written_at,
            });
            old.extend(chunk.filter(|chunk| look.is_older(chunk.blob, OLD)));
        }
        let mut checks = Vec::with_capacity(old.len());
        for &chunk in &old {
            checks.push(look.check_chunk(chunk));
        }
        let seen = each_at_once(AT_ONCE, checks).await;
        let mut orphans = Vec::new();
        for (chunk, seen) in self.succeeded(seen) {
            self.take_note(chunk, &seen, &mut orphans);
        }
        if !orphans.is_empty() && self.may_delete().await? {
            for (chunk, what) in orphans {
                let dropped = self.drop_orphan(chunk, what).await;
                if self.done(&dropped) {
                    self.say_gone(chunk, what).await;
                }
            }
        }
        Ok(slice.end)
    }

    fn take_note(&mut self, chunk: Chunk, seen: &Seen, orphans: &mut Vec<(Chunk, Orphan)>) {
        let (standing, what) = match *seen {
            Seen::Owned => return,
            Seen::Ownerless => {
                let finding = Finding::of_body(Count::Ownerless, chunk.blob);
                return self.report.find(finding);
            }
            Seen::Orphan { standing, what } => (standing, what),
        };
        let (found, confirmed) = match what {
            Orphan::Body { .. } => (Count::OrphanBodies, Count::ConfirmedBodies),
            Orphan::Chunk => (Count::OrphanChunks, Count::ConfirmedChunks),
        };
        self.report.find(Finding::of_body(found, chunk.blob));
        if standing == Standing::Confirmed {
            self.report.add(confirmed, 1);
            orphans.push((chunk, what));
        }
    }

    /// The set of owners first and the first chunk last: as long as that is there, the next scrub
    /// finds the rest.
    async fn drop_orphan(&self, chunk: Chunk, what: Orphan) -> StoreResult<()> {
        let (engine, at) = (&self.core.engine, Micros(chunk.written_at));
        let numbers = match what {
            Orphan::Body { count, is_shared } => {
                if is_shared {
                    let refs = vec![(Cql::DropRefs, row![at.plus(2), chunk.blob])];
                    engine.change(SCRUB, self.deadline(), refs).await?;
                }
                (0..count).rev().collect()
            }
            Orphan::Chunk => vec![chunk.n],
        };
        for n in numbers {
            let drop = vec![(Cql::DropChunk, row![at.plus(1), chunk.blob, n])];
            engine.change(SCRUB, self.deadline(), drop).await?;
        }
        Ok(())
    }

    async fn say_gone(&mut self, chunk: Chunk, what: Orphan) {
        let (count, suspicion) = match what {
            Orphan::Body { .. } => (Count::RemovedBodies, Suspicion::Body),
            Orphan::Chunk => (Count::RemovedChunks, Suspicion::Chunk),
        };
        self.report.add(count, 1);
        self.acquit(suspicion, &chunk.key()).await;
    }
}

impl Chunk {
    fn key(self) -> Vec<u8> {
        let mut key = self.blob.to_key().to_vec();
        key.extend_from_slice(&self.n.to_be_bytes());
        key
    }
}

impl Look<'_> {
    async fn check_chunk(&self, chunk: Chunk) -> StoreResult<(Chunk, Seen)> {
        let seen = if chunk.n == 0 {
            self.check_first(chunk).await?
        } else {
            self.check_further(chunk).await?
        };
        Ok((chunk, seen))
    }

    /// A body is owned as long as one row of its owners speaks of it.
    async fn check_first(&self, chunk: Chunk) -> StoreResult<Seen> {
        let Some((count, owners)) = self.owners_of(chunk.blob).await? else {
            return Ok(Seen::Ownerless);
        };
        for &(account, bucket) in &owners {
            if self.owns(account, bucket, chunk).await? {
                return Ok(Seen::Owned);
            }
        }
        for &(account, bucket) in &owners {
            if self.owns_at_all(account, bucket, chunk.blob).await? {
                return Ok(Seen::Owned);
            }
        }
        let what = Orphan::Body {
            count,
            is_shared: owners.len() > 1,
        };
        let standing = self.suspect(Suspicion::Body, &chunk.key()).await?;
        Ok(Seen::Orphan { standing, what })
    }

    /// As the nearest replica says, or else as all say; none if they are empty or unreadable.
    async fn owners_of(
        &self,
        blob: MessageId,
    ) -> StoreResult<Option<(i16, Vec<(AccountId, MessageId)>)>> {
        type Near = (Option<i16>, Option<Vec<u8>>);
        let engine = &self.core.engine;
        let near = engine.read::<Near>(SCRUB, Cql::FindOwners, row![blob, 0_i16]);
        if let Some((Some(count), Some(owners))) = near.await?.pop()
            && let Some(owners) = decode(&owners)
        {
            return Ok(Some((count, owners)));
        }
        let whole = self.first_at_all(blob).await?;
        let decoded = whole.and_then(|(count, owners)| Some((count?, decode(&owners?)?)));
        Ok(decoded)
    }

    /// The first chunk of a body on any replica: how many there are, and the owners.
    async fn first_at_all(
        &self,
        blob: MessageId,
    ) -> StoreResult<Option<(Option<i16>, Option<Vec<u8>>)>> {
        let engine = &self.core.engine;
        let key = row![blob, 0_i16];
        let read = engine.read_at::<ChunkCells>(Profile::Proof, SCRUB, Cql::ReadChunk, key);
        let first = read.await?.pop();
        Ok(first.map(|(_, _, _, count, _, _, owners)| (count, owners)))
    }

    /// A quick look for the row: body and row are written at the time of the message's id.
    async fn owns(&self, account: AccountId, bucket: MessageId, chunk: Chunk) -> StoreResult<bool> {
        let Some((first, last)) = ids_of(chunk.written_at) else {
            return Ok(false);
        };
        let key = row![account, bucket, first, last];
        let engine = &self.core.engine;
        let read = engine.read::<listing::Cells>(SCRUB, Cql::ReadMoment, key);
        let mut rows = read.await?.into_iter();
        Ok(rows.any(|cells| speaks_of(bucket, cells, chunk.blob)))
    }

    async fn owns_at_all(
        &self,
        account: AccountId,
        bucket: MessageId,
        blob: MessageId,
    ) -> StoreResult<bool> {
        let key = row![account, bucket];
        let engine = &self.core.engine;
        let read = engine.read_at::<listing::Cells>(Profile::Proof, SCRUB, Cql::ListBucket, key);
        let rows = read.await?;
        Ok(rows.into_iter().any(|cells| speaks_of(bucket, cells, blob)))
    }

    async fn check_further(&self, chunk: Chunk) -> StoreResult<Seen> {
        let engine = &self.core.engine;
        let key = row![chunk.blob, 0_i16];
        let first = engine.read::<(i16,)>(SCRUB, Cql::FindChunk, key).await?;
        if !first.is_empty() || self.first_at_all(chunk.blob).await?.is_some() {
            return Ok(Seen::Owned);
        }
        let standing = self.suspect(Suspicion::Chunk, &chunk.key()).await?;
        let what = Orphan::Chunk;
        Ok(Seen::Orphan { standing, what })
    }
}

/// The first and the last id of a microsecond, in the order of Cassandra, which compares the octets
/// behind the time as signed ones.
fn ids_of(micros: i64) -> Option<(CqlTimeuuid, CqlTimeuuid)> {
    const GREGORIAN_TO_UNIX: u64 = 0x01b2_1dd2_1381_4000;
    const TICKS: u64 = 10;
    let micros = u64::try_from(micros).ok()?;
    let ticks = micros.checked_mul(TICKS)?.checked_add(GREGORIAN_TO_UNIX)?;
    let id = |ticks: u64, rest: u8| {
        let low = u32::try_from(ticks & 0xffff_ffff).ok()?;
        let middle = u16::try_from((ticks >> 32) & 0xffff).ok()?;
        let high = u16::try_from(ticks >> 48).ok()?;
        let is_time = high <= 0x0fff;
        let id = Uuid::from_fields(low, middle, high | 0x1000, &[rest; 8]);
        is_time.then(|| CqlTimeuuid::from(id))
    };
    Some((id(ticks, 0x80)?, id(ticks + TICKS - 1, 0x7f)?))
}

/// Whether a row is of the message with this body. One that cannot be read may be.
fn speaks_of(bucket: MessageId, cells: listing::Cells, blob: MessageId) -> bool {
    if !listing::is_whole(&cells) {
        return true;
    }
    let listed = listing::decode(bucket, cells);
    listed.is_none_or(
        |listed| matches!(listed.place.body, Body::Chunks { blob: found, .. } if found == blob),
    )
}

/// None if there are none.
fn decode(owners: &[u8]) -> Option<Vec<(AccountId, MessageId)>> {
    let (pairs, rest) = owners.as_chunks::<OWNER>();
    if pairs.is_empty() || !rest.is_empty() {
        return None;
    }
    let half = |pair: &[u8; OWNER], at: usize| -> [u8; 16] {
        let mut half = [0; 16];
        half.copy_from_slice(&pair[at..at + 16]);
        half
    };
    let pairs = pairs.iter().map(|pair| {
        let account = AccountId::from_key(half(pair, 0));
        (account, MessageId::from_key(half(pair, 16)))
    });
    Some(pairs.collect())
}

#[cfg(test)]
mod tests {
    use cassmail_mail::{IdMinter, NodeId, UnixTime};

    use super::*;

    #[test]
    fn an_id_lies_between_the_bounds_of_its_microsecond_and_of_no_other() {
        let minter = IdMinter::new(NodeId::from_random(0x7fff_0000_ffff_0001));
        let now = 1_700_000_000_123_456;
        for _ in 0..10 {
            let id = minter.mint(UnixTime::from_micros(now));
            let cell = CqlTimeuuid::from(id.to_uuid());
            for (micros, is_in) in [(now - 1, false), (now, true), (now + 1, false)] {
                let (first, last) = ids_of(i64::try_from(micros).unwrap()).unwrap();
                let found = first <= cell && cell <= last;
                assert_eq!(found, is_in, "{id} {micros}");
            }
        }
        assert!(ids_of(-1).is_none());
    }

    #[test]
    fn owners_are_read_whole_or_not_at_all() {
        let pair = [7; OWNER];
        let owners = decode(&[pair, pair].concat()).unwrap();
        assert_eq!(owners.len(), 2);
        assert_eq!(owners[0].0, AccountId::from_key([7; 16]));
        assert!(decode(&[]).is_none());
        assert!(decode(&pair[1..]).is_none());
    }
}
