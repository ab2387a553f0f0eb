//! A message that is being received.
//!
//! A small one waits in memory and becomes one record. Of a large one, each chunk is compressed,
//! checked and written while the next one comes; only the last step joins a group.

use std::sync::Arc;

use bytes::Bytes;
use cassmail_mail::{AccountId, Delivery, MessageId, Stored};
use cassmail_store::{
    ErrorKind, MessageWriter, Patience, Reason, StoreError, StoreResult, Work, delivered_size,
    delivered_surrogate_size,
};
use tokio::sync::oneshot;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::bytes_in::octets;
use crate::front::{Front, engine};
use crate::index::Space;
use crate::rows::{MaildropRow, MessageRow, account_key, maildrop_key};
use crate::segment::{Chunk, Head, Kind, Record, encode_piece};
use crate::writer::{Group, Placed, Refusal, Request};

const WRITE: &str = "write a piece";
const COMMIT: &str = "commit the message";

pub(crate) struct Receiving {
    front: Arc<Front>,
    id: MessageId,
    attempt: u64,
    /// What has come and is in no chunk yet.
    plain: Vec<u8>,
    /// Set with the first chunk.
    large: Option<Box<Large>>,
    /// A piece lacks, since its write failed or was dropped.
    has_hole: bool,
}

/// What is known of a message that has chunks.
struct Large {
    hash: Xxh3,
    size: u64,
    placed: Vec<Placed>,
    /// A chunk that the writer has not placed yet: one at most, so that a slow disk slows the peer.
    on_its_way: Option<oneshot::Receiver<Placed>>,
}

impl Receiving {
    pub(crate) fn new(front: Arc<Front>, id: MessageId) -> Self {
        let attempt = front.next_attempt();
        Self {
            front,
            id,
            attempt,
            plain: Vec::new(),
            large: None,
            has_hole: false,
        }
    }

    async fn take(&mut self, mut piece: &[u8]) -> StoreResult<()> {
        while !piece.is_empty() {
            let room = self.front.chunk.saturating_sub(self.plain.len());
            let (now, later) = piece.split_at(room.min(piece.len()));
            self.plain.extend_from_slice(now);
            piece = later;
            if self.plain.len() == self.front.chunk {
                self.send_chunk().await?;
            }
        }
        Ok(())
    }

    /// Sends what has come as a chunk, after the one before has its place.
    async fn send_chunk(&mut self) -> StoreResult<()> {
        let large = self.large.get_or_insert_with(Large::new);
        large.settle().await?;
        large.hash.update(&self.plain);
        large.size = large.size.saturating_add(octets(self.plain.len()));
        let chunk = Chunk {
            attempt: self.attempt,
            number: octets(large.placed.len()),
        };
        let mut payload = chunk.encode();
        encode_piece(&mut payload, &self.plain, self.front.codec);
        self.plain.clear();
        let record = Record::new(Kind::Chunk, self.id, payload);
        let length = record.payload.len();
        let (answer, placed) = oneshot::channel();
        let request = Request::Append(record, answer);
        self.front.ask(WRITE, length, request).await?;
        large.on_its_way = Some(placed);
        Ok(())
    }

    async fn commit_with(mut self, delivery: Delivery) -> StoreResult<Stored> {
        if self.has_hole {
            return Err(engine(COMMIT, "a piece of the message lacks"));
        }
        if self.large.is_some() && !self.plain.is_empty() {
            self.send_chunk().await?;
        }
        let Self {
            front,
            id,
            attempt,
            plain,
            large,
            ..
        } = self;
        let (size, hash, placed) = match large {
            None => (octets(plain.len()), xxh3_128(&plain), Vec::new()),
            Some(mut large) => {
                large.settle().await?;
                (large.size, large.hash.digest128(), large.placed)
            }
        };
        let head = Head {
            attempt,
            size,
            hash,
            chunks: octets(placed.len()),
            delivery,
        };
        let mut payload = head.encode();
        if placed.is_empty() {
            payload.reserve(plain.len());
            encode_piece(&mut payload, &plain, front.codec);
        }
        drop(plain);
        let record = Record::new(Kind::Head, id, payload);
        let length = record.payload.len();
        let step = move |group: &mut Group<'_>| list(group, &record, head, &placed);
        front.change(COMMIT, length, step).await?;
        Ok(Stored::asserted_durable(id))
    }
}

impl Large {
    fn new() -> Box<Self> {
        Box::new(Self {
            hash: Xxh3::new(),
            size: 0,
            placed: Vec::new(),
            on_its_way: None,
        })
    }

    /// Waits for the chunk that is on its way.
    async fn settle(&mut self) -> StoreResult<()> {
        if let Some(placed) = &mut self.on_its_way {
            let placed = placed.await;
            self.on_its_way = None;
            let full = |_| StoreError::new(ErrorKind::Unavailable(Reason::Full), WRITE);
            self.placed.push(placed.map_err(full)?);
        }
        Ok(())
    }
}

/// The step that accepts: the message gets its place and is listed for those of its owners that
/// exist. A message that is there already is left as it is.
fn list(
    group: &mut Group<'_>,
    record: &Record,
    head: Head,
    placed: &[Placed],
) -> Result<(), Refusal> {
    let id = record.id;
    if let Some(there) = group.message(id)? {
        let is_same = there.size == head.size && there.hash == head.hash;
        return is_same.then_some(()).ok_or(Refusal::CONFLICT);
    }
    let mut owners: Vec<AccountId> = Vec::new();
    for owner in head.delivery.owners {
        let account = owner.account;
        let exists = group.draft.get(&account_key(Space::Profile, account))?;
        if exists.is_none() || owners.contains(&account) {
            continue;
        }
        let row = MaildropRow {
            size: delivered_size(head.size, owner.recipient.as_ref()),
            surrogate_size: delivered_surrogate_size(
                head.size,
                head.delivery.surrogate_size,
                owner.recipient.as_ref(),
            ),
            recipient: owner.recipient,
            imported_uidl: owner.uidl,
        };
        group.draft.put(maildrop_key(account, id), row.encode());
        owners.push(account);
    }
    if owners.is_empty() {
        return Ok(());
    }
    let place = group.append(record)?;
    let chunks = placed.iter().map(|placed| placed.extent);
    let row = MessageRow {
        owners: octets(owners.len()),
        size: head.size,
        hash: head.hash,
        extents: std::iter::once(place).chain(chunks).collect(),
    };
    group.add_message(id, &row, owners)
}

impl MessageWriter for Receiving {
    fn write(&mut self, piece: Bytes) -> Work<'_, ()> {
        // Set before the future exists: it may be dropped without ever being polled.
        let had_hole = std::mem::replace(&mut self.has_hole, true);
        Box::pin(async move {
            // Refused at once when nothing more is promised, though there may be room in memory.
            drop(self.front.snapshot(WRITE)?);
            self.take(&piece).await?;
            self.has_hole = had_hole;
            Ok(())
        })
    }

    fn held(&self) -> usize {
        self.plain.capacity()
    }

    /// The patience of the peer has no part in it: a local disk answers or fails.
    fn commit(self: Box<Self>, delivery: Delivery, _patience: Patience) -> Work<'static, Stored> {
        Box::pin(self.commit_with(delivery))
    }
}
