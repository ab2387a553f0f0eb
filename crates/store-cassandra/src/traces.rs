//! Traces: pages of events, and an index of which pages have a key.
//!
//! A batch of events is a few pages of its own, a partition each, and then for each hour and each
//! part of the keys that occur one row with the digests and the numbers of the pages. A second of a
//! busy node is some hundred small requests, whatever the number of messages; none of them is in
//! the way of a reply, none counts for the breaker, and all are dropped when too much waits.
//!
//! Pages are written before the index, so that a row never leads to nothing; a page that is not
//! there yet, or no more, is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cassmail_mail::{MessageId, UnixTime};
use cassmail_store::{
    ErrorKind, EventId, Page, Reason, Search, StoreError, StoreResult, TraceEvent, TraceKey,
    TraceQuery, Traces, Work, pack, unpack,
};
use scylla::value::CqlTimeuuid;

use crate::Cassandra;
use crate::cassandra::Core;
use crate::engine::USUAL;
use crate::error::Verb;
use crate::rows::{Micros, bigint, id_of, row};
use crate::statements::Cql;
use crate::together::at_once;

const RECORD: Verb = "record a trace";
const FIND: Verb = "find traces";
const EXPIRE: Verb = "expire traces";

/// Parts that keys fall into, by their digests; behind them is the part that has every page.
const PARTS: u32 = 256;
const WHOLE: i16 = 256;

const HOUR: u64 = 3600 * 1_000_000;

/// Requests at once: a look-up may not take the lane from mail.
const AT_ONCE: usize = 8;

/// Hours that are looked at together; a search that is full looks at no more.
const HOURS: u64 = 24;

/// An hour and a part of the keys.
type Place = (i64, i16);

/// Of a key and a page: the digest and the number.
type Pair = (u32, i16);

/// The pages of one batch in which something may be.
#[derive(Debug)]
struct Hit {
    batch: MessageId,
    oldest: EventId,
    newest: EventId,
    pages: BTreeSet<i16>,
}

impl Traces for Cassandra {
    fn record(&self, events: Arc<[TraceEvent]>, keep: Duration) -> Work<'_, ()> {
        Box::pin(async move {
            let _pass = self.core.engine.enter_in_turn(RECORD)?;
            if self.core.is_full() {
                let kind = ErrorKind::Unavailable(Reason::Full);
                return Err(StoreError::new(kind, RECORD));
            }
            let recording = move |core: Arc<Core>| async move {
                for (hour, events) in by_hour(&events) {
                    core.put_batch(hour, &events, keep).await?;
                }
                Ok(())
            };
            self.core.carry_out(RECORD, recording).await
        })
    }

    fn find_traces(&self, query: TraceQuery) -> Work<'_, Vec<TraceEvent>> {
        Box::pin(async move {
            let _pass = self.core.engine.enter_in_turn(FIND)?;
            let mut search = Search::new(query);
            match search.query().key {
                Some(TraceKey::Message(id)) => {
                    let hour = hour_of(id.minted_at());
                    self.core.find_in(vec![hour], &mut search).await?;
                }
                _ => self.core.walk_back(&mut search).await?,
            }
            Ok(search.finish())
        })
    }

    /// The time to live does it.
    fn expire_traces(&self, _before: UnixTime) -> Work<'_, ()> {
        Box::pin(async move { self.core.engine.enter(EXPIRE).map(drop) })
    }
}

fn hour_of(at: UnixTime) -> u64 {
    at.as_micros() / HOUR
}

fn by_hour(events: &[TraceEvent]) -> BTreeMap<u64, Vec<TraceEvent>> {
    let mut hours = BTreeMap::<u64, Vec<_>>::new();
    for event in events {
        hours
            .entry(hour_of(event.at()))
            .or_default()
            .push(event.clone());
    }
    hours
}

fn part_of(digest: u32) -> i16 {
    i16::try_from(digest % PARTS).unwrap_or_default()
}

impl Core {
    /// Events of one hour.
    async fn put_batch(
        self: &Arc<Self>,
        hour: u64,
        events: &[TraceEvent],
        keep: Duration,
    ) -> StoreResult<()> {
        let batch = self.mint();
        let (at, life) = (Micros::of(batch), seconds(keep));
        let pages = pack(events);
        let (oldest, newest) = span(&pages);
        let numbered = (0_i16..).zip(&pages);
        let changes = numbered.map(|(n, page)| {
            let packed = lz4_flex::block::compress_prepend_size(&page.octets);
            vec![(Cql::PutTracePage, row![batch, n, packed, at, life])]
        });
        self.put_all(changes.collect()).await?;
        let places = index(hour, events, &pages).into_iter();
        let changes = places.map(|((hour, part), pairs)| {
            let row = row![
                hour,
                part,
                batch,
                oldest.0,
                newest.0,
                encode(&pairs),
                at,
                life
            ];
            vec![(Cql::PutTraceIndex, row)]
        });
        self.put_all(changes.collect()).await
    }

    async fn put_all(self: &Arc<Self>, changes: Vec<crate::engine::Change>) -> StoreResult<()> {
        let deadline = self.engine.deadline(USUAL);
        let puts = changes
            .into_iter()
            .map(|change| self.engine.change(RECORD, deadline, change));
        at_once(AT_ONCE, puts.collect()).await.map(drop)
    }

    /// Looks at the hours of the query, the last ones first, until it has enough.
    async fn walk_back(self: &Arc<Self>, search: &mut Search) -> StoreResult<()> {
        let query = search.query();
        let before = query.before.map(EventId::at);
        let until = before.map_or(query.until, |before| {
            let behind = UnixTime::from_micros(before.as_micros().saturating_add(1));
            behind.min(query.until)
        });
        let first = hour_of(query.from);
        let mut next = hour_of(until).saturating_add(1);
        while next > first {
            let begin = next.saturating_sub(HOURS).max(first);
            self.find_in((begin..next).rev().collect(), search).await?;
            if search.is_full_since(UnixTime::from_micros(begin * HOUR)) {
                break;
            }
            next = begin;
        }
        Ok(())
    }

    async fn find_in(self: &Arc<Self>, hours: Vec<u64>, search: &mut Search) -> StoreResult<()> {
        let digest = search.query().key.as_ref().map(TraceKey::digest);
        let reads = hours.into_iter().map(|hour| self.hits(hour, digest));
        let hits = at_once(AT_ONCE, reads.collect()).await?;
        let mut hits: Vec<_> = hits.into_iter().flatten().collect();
        hits.retain(|hit| search.query().may_find_between(hit.oldest, hit.newest));
        hits.sort_unstable_by_key(|hit| std::cmp::Reverse(hit.newest));
        for some in hits.chunks(AT_ONCE) {
            if some
                .first()
                .is_some_and(|hit| search.is_full_above(hit.newest))
            {
                break;
            }
            let pages = some.iter().flat_map(|hit| {
                let numbers = hit.pages.iter();
                numbers.map(|n| self.page(hit.batch, *n))
            });
            for events in at_once(AT_ONCE, pages.collect()).await? {
                search.offer(events);
            }
        }
        Ok(())
    }

    /// Where a digest occurs in an hour; without one, all that is in it.
    async fn hits(self: &Arc<Self>, hour: u64, digest: Option<u32>) -> StoreResult<Vec<Hit>> {
        type Cells = (
            CqlTimeuuid,
            Option<CqlTimeuuid>,
            Option<CqlTimeuuid>,
            Option<Vec<u8>>,
        );
        let part = digest.map_or(WHOLE, part_of);
        let key = row![bigint(hour), part];
        let read = self.engine.read::<Cells>(FIND, Cql::ReadTraceIndex, key);
        let hit = |(batch, oldest, newest, pairs): Cells| {
            let pairs = decode(&pairs?);
            let digest = digest.unwrap_or_default();
            let right = pairs.into_iter().filter(|(found, _)| *found == digest);
            let hit = Hit {
                batch: id_of(batch)?,
                oldest: EventId(id_of(oldest?)?),
                newest: EventId(id_of(newest?)?),
                pages: right.map(|(_, n)| n).collect(),
            };
            (!hit.pages.is_empty()).then_some(hit)
        };
        Ok(read.await?.into_iter().filter_map(hit).collect())
    }

    /// None if it is not there, or damaged.
    async fn page(self: &Arc<Self>, batch: MessageId, n: i16) -> StoreResult<Vec<TraceEvent>> {
        let read = self
            .engine
            .read::<(Option<Vec<u8>>,)>(FIND, Cql::ReadTracePage, row![batch, n]);
        let packed = read.await?.pop().and_then(|(packed,)| packed);
        let page = packed.and_then(|packed| {
            let page = lz4_flex::block::decompress_size_prepended(&packed).ok()?;
            unpack(&page)
        });
        Ok(page.unwrap_or_default())
    }
}

/// As Cassandra takes it: at most twenty years.
fn seconds(keep: Duration) -> i32 {
    const LONGEST: u64 = 20 * 365 * 24 * 3600;
    i32::try_from(keep.as_secs().clamp(1, LONGEST)).unwrap_or(i32::MAX)
}

/// There is at least one page.
fn span(pages: &[Page]) -> (EventId, EventId) {
    let nothing = EventId(MessageId::from_key([0; 16]));
    let oldest = pages.iter().map(|page| page.oldest).min();
    let newest = pages.iter().map(|page| page.newest).max();
    (oldest.unwrap_or(nothing), newest.unwrap_or(nothing))
}

/// What finds each page.
fn index(hour: u64, events: &[TraceEvent], pages: &[Page]) -> BTreeMap<Place, BTreeSet<Pair>> {
    let mut places = BTreeMap::<Place, BTreeSet<Pair>>::new();
    let mut rest = events;
    for (n, page) in (0_i16..).zip(pages) {
        let (of_page, others) = rest.split_at(page.events.min(rest.len()));
        rest = others;
        let whole = places.entry((bigint(hour), WHOLE)).or_default();
        whole.insert((0, n));
        for key in of_page.iter().flat_map(TraceEvent::keys) {
            let hour = match &key {
                TraceKey::Message(id) => hour_of(id.minted_at()),
                _ => hour,
            };
            let digest = key.digest();
            let place = (bigint(hour), part_of(digest));
            places.entry(place).or_default().insert((digest, n));
        }
    }
    places
}

/// Six octets for each pair.
fn encode(pairs: &BTreeSet<Pair>) -> Vec<u8> {
    let pair = |(digest, n): &Pair| [&digest.to_be_bytes()[..], &n.to_be_bytes()].concat();
    pairs.iter().flat_map(pair).collect()
}

fn decode(octets: &[u8]) -> Vec<Pair> {
    let pairs = octets.chunks_exact(6).filter_map(|pair| {
        let (digest, n) = pair.split_first_chunk::<4>()?;
        let n = n.first_chunk::<2>()?;
        Some((u32::from_be_bytes(*digest), i16::from_be_bytes(*n)))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_back() {
        let pairs = BTreeSet::from([(0, 0), (7, 3), (u32::MAX, i16::MAX)]);
        assert_eq!(decode(&encode(&pairs)), Vec::from_iter(pairs));
        assert_eq!(decode(&[1, 2, 3]), []);
    }

    #[test]
    fn a_time_to_live_is_one_that_cassandra_takes() {
        assert_eq!(seconds(Duration::ZERO), 1);
        assert_eq!(seconds(Duration::from_hours(24)), 86400);
        assert_eq!(seconds(Duration::MAX), 630_720_000);
    }
}
