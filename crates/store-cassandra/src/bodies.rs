//! Bodies: put in chunks, given out frame by frame, deleted when nobody reads them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cassmail_mail::{AccountId, Address, MessageId};
use cassmail_store::{AsDelivered, BodyReader, ErrorKind, StoreError, StoreResult, Work};
use futures_util::future::try_join;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use xxhash_rust::xxh3::Xxh3;

use crate::cassandra::Core;
use crate::error::{Verb, closing, corrupt};
use crate::frames;
use crate::listing::{Body, Place};
use crate::profiles::Profile;
use crate::rows::row;
use crate::statements::Cql;
use crate::together::at_once;

const OPEN: Verb = "open the message";
const READ: Verb = "read the message";

/// So many chunks of a body are deleted at once.
const CHUNKS_AT_ONCE: usize = 16;

/// Where absent bodies are looked for: one replica, then a quorum, then all.
const LEVELS: [Profile; 3] = [Profile::Nearest, Profile::Read, Profile::Proof];

/// A chunk as it is read, at every level with all its columns.
pub(crate) type ChunkCells = (
    Option<Vec<u8>>,
    Option<i64>,
    Option<i64>,
    Option<i16>,
    Option<i8>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
);

/// The first chunk of a body, and what it says of the whole.
struct Head {
    octets: Vec<u8>,
    hash: Vec<u8>,
}

/// An inline body.
struct Inline {
    octets: Vec<u8>,
    hash: Vec<u8>,
    recipient: Option<Address>,
}

impl Core {
    /// Opens a message where it is remembered or found to be.
    pub(crate) async fn open(
        self: &Arc<Self>,
        account: AccountId,
        id: MessageId,
    ) -> StoreResult<Box<dyn BodyReader>> {
        let remembered = self.places.of(account, id).into_iter().next();
        let place = match remembered {
            Some(place) => Some(place),
            None => self
                .find(OPEN, account, id)
                .await?
                .map(|listed| listed.place),
        };
        let place = place.ok_or_else(|| missing(OPEN))?;
        match place.body {
            Body::Inline => self.open_inline(account, place).await,
            Body::Chunks { blob, count, .. } => self.open_chunks(account, place, blob, count).await,
        }
    }

    /// A body that is not there was removed with its row, unless the row is there.
    async fn open_inline(
        self: &Arc<Self>,
        account: AccountId,
        place: Place,
    ) -> StoreResult<Box<dyn BodyReader>> {
        for level in LEVELS {
            if let Some(inline) = self.inline(level, OPEN, account, place).await? {
                let whose = (account, place);
                let reader = Reader::new(self, whose, inline.octets, inline.hash, None);
                return Ok(as_delivered(reader, inline.recipient.as_ref()));
            }
            if level == Profile::Nearest {
                self.check_listed(account, place).await?;
            }
        }
        Err(self.gone_or_lost(OPEN, account, place).await)
    }

    /// What is nowhere was removed behind its row, which was there a moment ago, by this process or
    /// another one. Only when all replicas still have the row it is lost.
    async fn gone_or_lost(&self, verb: Verb, account: AccountId, place: Place) -> StoreError {
        for level in [Profile::Read, Profile::Proof] {
            let row = self.listed_at(level, verb, account, place.bucket, place.id);
            match row.await {
                Ok(Some(_)) => {}
                Ok(None) => return missing(verb),
                Err(error) => return error,
            }
        }
        corrupt(verb, "a part of the message is lost")
    }

    async fn inline(
        &self,
        level: Profile,
        verb: Verb,
        account: AccountId,
        place: Place,
    ) -> StoreResult<Option<Inline>> {
        type Cells = (Option<Vec<u8>>, Option<Vec<u8>>, Option<String>);
        let key = row![account, place.bucket, place.id];
        let read = self
            .engine
            .read_at::<Cells>(level, verb, Cql::ReadInline, key);
        let Some((Some(octets), Some(hash), recipient)) = read.await?.pop() else {
            return Ok(None);
        };
        let recipient = recipient.map(|text| text.parse()).transpose();
        Ok(Some(Inline {
            octets,
            hash,
            recipient: recipient.map_err(|error| corrupt(verb, error))?,
        }))
    }

    async fn check_listed(&self, account: AccountId, place: Place) -> StoreResult<()> {
        let read = self.listed_at(Profile::Read, OPEN, account, place.bucket, place.id);
        read.await?.map(drop).ok_or_else(|| missing(OPEN))
    }

    async fn open_chunks(
        self: &Arc<Self>,
        account: AccountId,
        place: Place,
        blob: MessageId,
        count: i16,
    ) -> StoreResult<Box<dyn BodyReader>> {
        // Before the row is read: whoever removes it later then waits for this reader.
        let pin = self.pins.pin(blob);
        let row = self.listed_at(Profile::Read, OPEN, account, place.bucket, place.id);
        let (listed, head) = try_join(row, self.head(OPEN, blob)).await?;
        let listed = listed.ok_or_else(|| missing(OPEN))?;
        let Some(head) = head else {
            return Err(self.gone_or_lost(OPEN, account, place).await);
        };
        let rest = Rest {
            pin,
            next: 1,
            count,
            on_its_way: None,
        };
        let mut reader = Reader::new(self, (account, place), head.octets, head.hash, Some(rest));
        reader.fetch_ahead();
        Ok(as_delivered(reader, listed.recipient.as_ref()))
    }

    /// The first chunk, if it is anywhere.
    async fn head(&self, verb: Verb, blob: MessageId) -> StoreResult<Option<Head>> {
        for level in LEVELS {
            let read =
                self.engine
                    .read_at::<ChunkCells>(level, verb, Cql::ReadChunk, row![blob, 0_i16]);
            if let Some((Some(octets), _, _, _, _, Some(hash), _)) = read.await?.pop() {
                return Ok(Some(Head { octets, hash }));
            }
        }
        Ok(None)
    }

    /// Another chunk, if it is anywhere.
    async fn chunk(&self, verb: Verb, blob: MessageId, n: i16) -> StoreResult<Option<Vec<u8>>> {
        for level in LEVELS {
            let read =
                self.engine
                    .read_at::<ChunkCells>(level, verb, Cql::ReadChunk, row![blob, n]);
            if let Some((Some(octets), ..)) = read.await?.pop() {
                return Ok(Some(octets));
            }
        }
        Ok(None)
    }

    async fn chunk_of(
        &self,
        (account, place): (AccountId, Place),
        blob: MessageId,
        n: i16,
    ) -> StoreResult<Vec<u8>> {
        match self.chunk(READ, blob, n).await? {
            Some(octets) => Ok(octets),
            None => Err(self.gone_or_lost(READ, account, place).await),
        }
    }

    /// The hash of a listed message's body, as it was written; none if it is not there any more.
    pub(crate) async fn hash_of(
        &self,
        verb: Verb,
        account: AccountId,
        place: Place,
    ) -> StoreResult<Option<Vec<u8>>> {
        match place.body {
            Body::Inline => {
                let inline = self.inline(Profile::Read, verb, account, place).await?;
                Ok(inline.map(|inline| inline.hash))
            }
            Body::Chunks { blob, .. } => Ok(self.head(verb, blob).await?.map(|head| head.hash)),
        }
    }

    /// Deletes the chunks of a body that nobody needs, when nobody reads them any more.
    pub(crate) async fn drop_chunks(
        &self,
        verb: Verb,
        id: MessageId,
        blob: MessageId,
        numbers: std::ops::Range<i16>,
    ) -> StoreResult<()> {
        self.pins.until_free(blob, &self.engine.gate).await;
        let at = crate::rows::Micros::of(id).plus(1);
        let deadline = self.engine.deadline(crate::engine::USUAL);
        let mut drops = Vec::with_capacity(numbers.len());
        for n in numbers {
            let change = vec![(Cql::DropChunk, row![at, blob, n])];
            drops.push(self.engine.change(verb, deadline, change));
        }
        at_once(CHUNKS_AT_ONCE, drops).await?;
        Ok(())
    }

    /// Takes an owner out of the set of a shared body, and deletes what nobody owns any more.
    pub(crate) async fn drop_share(
        &self,
        verb: Verb,
        account: AccountId,
        id: MessageId,
        blob: MessageId,
        count: i16,
    ) -> StoreResult<()> {
        type Cells = (Option<uuid::Uuid>, Option<i32>);
        let at = crate::rows::Micros::of(id);
        let deadline = self.engine.deadline(crate::engine::USUAL);
        let own = vec![(Cql::DropRef, row![at.plus(1), blob, account])];
        self.engine.change(verb, deadline, own).await?;
        let refs = self.engine.read::<Cells>(verb, Cql::ReadRefs, row![blob]);
        let refs = refs.await?;
        let is_known = refs.iter().any(|(_, total)| total.is_some());
        let is_empty = refs.iter().all(|(owner, _)| owner.is_none());
        // An absent total is not an empty set: the set is not here, and a scrub will look.
        if !is_known || !is_empty {
            return Ok(());
        }
        self.drop_chunks(verb, id, blob, 0..count).await?;
        let all = vec![(Cql::DropRefs, row![at.plus(2), blob])];
        self.engine.change(verb, deadline, all).await
    }
}

fn missing(verb: Verb) -> StoreError {
    StoreError::new(ErrorKind::Missing, verb)
}

fn as_delivered(reader: Reader, recipient: Option<&Address>) -> Box<dyn BodyReader> {
    Box::new(AsDelivered::new(Box::new(reader), recipient))
}

/// Gives out a body frame by frame, each verified; the next chunk comes while one is given out.
struct Reader {
    core: Arc<Core>,
    whose: (AccountId, Place),
    chunk: Bytes,
    rest: Option<Rest>,
    hash: Vec<u8>,
    so_far: Box<Xxh3>,
    /// A frame that waits: the last one goes out only when the whole is what was written.
    waiting: Option<Bytes>,
    has_ended: bool,
}

/// What of a body is in further chunks.
struct Rest {
    pin: Pin,
    next: i16,
    count: i16,
    on_its_way: Option<JoinHandle<StoreResult<Vec<u8>>>>,
}

impl Reader {
    fn new(
        core: &Arc<Core>,
        whose: (AccountId, Place),
        chunk: Vec<u8>,
        hash: Vec<u8>,
        rest: Option<Rest>,
    ) -> Self {
        Self {
            core: Arc::clone(core),
            whose,
            chunk: Bytes::from(chunk),
            rest,
            hash,
            so_far: Box::new(Xxh3::new()),
            waiting: None,
            has_ended: false,
        }
    }

    fn fetch_ahead(&mut self) {
        if let Some(rest) = &mut self.rest
            && rest.next < rest.count
            && rest.on_its_way.is_none()
        {
            let (core, whose) = (Arc::clone(&self.core), self.whose);
            let (blob, n) = (rest.pin.blob, rest.next);
            rest.next += 1;
            let fetch = async move { core.chunk_of(whose, blob, n).await };
            rest.on_its_way = Some(tokio::spawn(fetch));
        }
    }

    async fn next_chunk(&mut self) -> StoreResult<bool> {
        self.fetch_ahead();
        let Some(rest) = &mut self.rest else {
            return Ok(false);
        };
        let Some(on_its_way) = rest.on_its_way.take() else {
            return Ok(false);
        };
        let read = on_its_way.await.map_err(|_| closing(READ))?;
        self.chunk = Bytes::from(read?);
        self.fetch_ahead();
        Ok(true)
    }

    async fn next_frame(&mut self) -> StoreResult<Option<Bytes>> {
        loop {
            let frame = frames::take(&mut self.chunk).map_err(|error| corrupt(READ, error))?;
            if let Some(frame) = frame {
                self.so_far.update(&frame);
                return Ok(Some(frame));
            }
            if !self.next_chunk().await? {
                return Ok(None);
            }
        }
    }

    async fn next_piece(&mut self) -> StoreResult<Option<Bytes>> {
        if self.has_ended {
            return Ok(None);
        }
        if self.waiting.is_none() {
            self.waiting = self.next_frame().await?;
        }
        let next = self.next_frame().await?;
        if next.is_none() {
            self.has_ended = true;
            if self.so_far.digest128().to_be_bytes()[..] != self.hash[..] {
                return Err(corrupt(READ, frames::Damaged));
            }
        }
        Ok(std::mem::replace(&mut self.waiting, next))
    }
}

impl BodyReader for Reader {
    fn next(&mut self) -> Work<'_, Option<Bytes>> {
        Box::pin(self.next_piece())
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        if let Some(on_its_way) = &self.on_its_way {
            on_its_way.abort();
        }
    }
}

/// Bodies that are being read by this process: their chunks are deleted later.
#[derive(Default)]
pub(crate) struct Pins {
    readers: Arc<Readers>,
}

#[derive(Default)]
struct Readers {
    counts: Mutex<HashMap<MessageId, usize>>,
    changed: Notify,
}

/// A body stays as long as this lives.
struct Pin {
    blob: MessageId,
    readers: Arc<Readers>,
}

impl Pins {
    fn pin(&self, blob: MessageId) -> Pin {
        *self.readers.lock().entry(blob).or_default() += 1;
        Pin {
            blob,
            readers: Arc::clone(&self.readers),
        }
    }

    /// Waits until nobody reads a body, but not longer than the store is open.
    async fn until_free(&self, blob: MessageId, gate: &crate::gate::Gate) {
        loop {
            let changed = self.readers.changed.notified();
            if !gate.is_open() || !self.readers.lock().contains_key(&blob) {
                return;
            }
            changed.await;
        }
    }

    /// The store closes: whoever waits goes on.
    pub(crate) fn stop_waiting(&self) {
        self.readers.changed.notify_waiters();
    }
}

impl Readers {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<MessageId, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut counts = self.readers.lock();
        if let Some(count) = counts.get_mut(&self.blob) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.blob);
            }
        }
        drop(counts);
        self.readers.changed.notify_waiters();
    }
}
