//! A message on its way in.
//!
//! The order of durable steps, each at the time of the message's id, so that each can be repeated:
//!
//! 1. one owner, at most 32 KiB as it is kept: row and body in one mutation, **the point of
//!    acceptance**;
//! 2. larger, one owner: the chunks, the first one last; then the row, **the point of acceptance**;
//! 3. several owners: the chunks; the set of owners; the spool record, **the point of acceptance**;
//!    then the rows, which a sweep puts if we cannot (see `spool.rs`).
//!
//! A crash before the point leaves chunks that nobody lists, for a scrub. From it on the message is
//! listed for all. A step that is uncertain to the end is told as such and never taken back.

use std::sync::Arc;

use bytes::Bytes;
use cassmail_mail::{AccountId, Delivery, MessageId, Owner, Stored, Uidl};
use cassmail_store::{
    ErrorKind, MessageWriter, Patience, Reason, StoreError, StoreResult, Work, delivered_size,
    delivered_surrogate_size,
};
use tokio::task::JoinSet;
use xxhash_rust::xxh3::Xxh3;

use crate::buckets::Chosen;
use crate::cassandra::Core;
use crate::engine::{Deadline, USUAL};
use crate::envelope::Share;
use crate::error::{Verb, odd_answer};
use crate::frames::{self, CHUNK, FORMAT, FRAME};
use crate::freshness::Use;
use crate::listing::{Body, Listed, Place};
use crate::rows::{Micros, bigint, octets, row};
use crate::statements::Cql;
use crate::together::at_once;

const WRITE: Verb = "write a piece";
pub(crate) const COMMIT: Verb = "commit the message";

/// The largest body, as it is kept, that lies beside its row.
const MOST_INLINE: usize = 32 * 1024;

/// So many chunks of one message are under way at once.
const CHUNKS_AT_ONCE: usize = 4;

/// So many owners are looked up at once.
pub(crate) const OWNERS_AT_ONCE: usize = 16;

pub(crate) struct Receiving {
    body: Incoming,
    /// A piece lacks, since its write failed or was dropped.
    has_hole: bool,
}

/// The body as far as it has come.
struct Incoming {
    core: Arc<Core>,
    id: MessageId,
    used: Use,
    /// Under which id the chunks are: the message's own, or another one if that may have some.
    blob: MessageId,
    /// What has come and is in no frame yet.
    plain: Vec<u8>,
    /// Frames that are in no chunk yet.
    frames: Vec<u8>,
    /// The first chunk: it is put last, since it says what the whole is.
    first: Option<Vec<u8>>,
    /// The number of the next chunk.
    next: i16,
    under_way: JoinSet<StoreResult<()>>,
    hash: Box<Xxh3>,
    size: u64,
    /// Of the surrogate of the body; known with the delivery.
    surrogate_size: Option<u64>,
    kept_size: u64,
    /// Nobody owns what was put.
    is_orphan: bool,
}

impl Receiving {
    pub(crate) fn new(core: &Arc<Core>, id: MessageId) -> Self {
        let used = core.freshness.see(id);
        let blob = match used {
            Use::First => id,
            Use::Perhaps => core.mint(),
        };
        Self {
            body: Incoming {
                core: Arc::clone(core),
                id,
                used,
                blob,
                plain: Vec::new(),
                frames: Vec::new(),
                first: None,
                next: 1,
                under_way: JoinSet::new(),
                hash: Box::new(Xxh3::new()),
                size: 0,
                surrogate_size: None,
                kept_size: 0,
                is_orphan: true,
            },
            has_hole: false,
        }
    }
}

impl Incoming {
    async fn take(&mut self, mut piece: &[u8]) -> StoreResult<()> {
        while !piece.is_empty() {
            let room = FRAME - self.plain.len();
            let (now, later) = piece.split_at(room.min(piece.len()));
            self.plain.extend_from_slice(now);
            piece = later;
            if self.plain.len() == FRAME {
                self.end_frame().await?;
            }
        }
        Ok(())
    }

    async fn end_frame(&mut self) -> StoreResult<()> {
        if self.plain.is_empty() {
            return Ok(());
        }
        self.hash.update(&self.plain);
        self.size += octets(self.plain.len());
        let mut frame = Vec::new();
        frames::put(&mut frame, &self.plain);
        self.plain.clear();
        self.kept_size += octets(frame.len());
        if self.frames.len() + frame.len() > CHUNK {
            self.end_chunk().await?;
        }
        self.frames.append(&mut frame);
        Ok(())
    }

    async fn end_chunk(&mut self) -> StoreResult<()> {
        let chunk = std::mem::take(&mut self.frames);
        if self.first.is_none() {
            self.first = Some(chunk);
            return Ok(());
        }
        while self.under_way.len() >= CHUNKS_AT_ONCE {
            self.settle_one().await?;
        }
        let n = self.next;
        let too_large = || StoreError::new(ErrorKind::Unavailable(Reason::Full), WRITE);
        self.next = n.checked_add(1).ok_or_else(too_large)?;
        let (core, id, blob) = (Arc::clone(&self.core), self.id, self.blob);
        self.under_way.spawn(async move {
            let change = vec![(Cql::PutChunk, row![blob, n, chunk, Micros::of(id)])];
            let deadline = core.engine.deadline(USUAL);
            core.engine.change(WRITE, deadline, change).await
        });
        Ok(())
    }

    /// Waits for a chunk. One that is uncertain fails the message, and is no uncertain message:
    /// nobody lists it.
    async fn settle_one(&mut self) -> StoreResult<()> {
        match self.under_way.join_next().await {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(unlisted(error)),
            Some(Err(error)) => Err(odd_answer(WRITE, error)),
        }
    }

    fn hash(&self) -> Vec<u8> {
        self.hash.digest128().to_be_bytes().to_vec()
    }

    /// Accepts the message for those of its owners that exist.
    async fn commit(mut self, delivery: Delivery, deadline: Deadline) -> StoreResult<Stored> {
        self.end_frame().await?;
        self.surrogate_size = delivery.surrogate_size;
        let core = Arc::clone(&self.core);
        let _turn = match self.used {
            Use::First => None,
            Use::Perhaps => Some(core.turns.wait_for(self.id).await),
        };
        let owners = distinct(delivery.owners);
        if self.used == Use::Perhaps && self.is_there(&owners).await? {
            return Ok(Stored::asserted_durable(self.id));
        }
        let owners = self.choose(owners, deadline).await?;
        match &owners[..] {
            [] => {}
            [(owner, chosen)] if self.is_small() => {
                self.put_inline(owner, *chosen, deadline).await?;
            }
            [(owner, chosen)] => {
                self.end_chunks().await?;
                let share = self.share(owner, *chosen, false);
                self.put_head(std::slice::from_ref(&share), deadline)
                    .await?;
                core.put_row(COMMIT, deadline, &share).await?;
            }
            several => {
                self.end_chunks().await?;
                let mut shares = Vec::with_capacity(several.len());
                for (owner, chosen) in several {
                    shares.push(self.share(owner, *chosen, true));
                }
                self.put_head(&shares, deadline).await?;
                core.put_shared(self.id, self.blob, self.next, &shares, deadline)
                    .await?;
            }
        }
        for (owner, chosen) in owners {
            let listed = core.list_again_if_late(COMMIT, deadline, owner.account, chosen);
            listed.await.map_err(accepted)?;
        }
        Ok(Stored::asserted_durable(self.id))
    }

    fn is_small(&self) -> bool {
        self.first.is_none() && self.frames.len() <= MOST_INLINE
    }

    /// Whether this message is there already for one of the owners; another one is a conflict.
    async fn is_there(&self, owners: &[Owner]) -> StoreResult<bool> {
        let mut looks = Vec::with_capacity(owners.len());
        for owner in owners {
            looks.push(self.core.hash_there(owner.account, self.id));
        }
        let found = at_once(OWNERS_AT_ONCE, looks).await?;
        match found.into_iter().flatten().next() {
            None => Ok(false),
            Some(hash) if hash == self.hash() => Ok(true),
            Some(_) => Err(StoreError::new(ErrorKind::Conflict, COMMIT)),
        }
    }

    /// A bucket for each owner that exists.
    async fn choose(
        &self,
        owners: Vec<Owner>,
        deadline: Deadline,
    ) -> StoreResult<Vec<(Owner, Chosen)>> {
        let inline = if self.is_small() {
            self.frames.len()
        } else {
            0
        };
        let mut choices = Vec::with_capacity(owners.len());
        for owner in &owners {
            let account = owner.account;
            choices.push(self.core.choose(COMMIT, deadline, account, inline));
        }
        // Nothing is listed yet: a bucket that is uncertain is no uncertain message.
        let chosen = at_once(OWNERS_AT_ONCE, choices).await.map_err(unlisted)?;
        let both = owners.into_iter().zip(chosen);
        let existing = both.filter_map(|(owner, chosen)| Some((owner, chosen?)));
        Ok(existing.collect())
    }

    fn share(&self, owner: &Owner, chosen: Chosen, shared: bool) -> Share {
        let body = Body::Chunks {
            blob: self.blob,
            count: self.next,
            shared,
        };
        let place = Place {
            id: self.id,
            bucket: chosen.bucket,
            body,
        };
        let listed = Listed {
            place,
            size: delivered_size(self.size, owner.recipient.as_ref()),
            surrogate_size: delivered_surrogate_size(
                self.size,
                self.surrogate_size,
                owner.recipient.as_ref(),
            ),
            recipient: owner.recipient.clone(),
            uidl: owner.uidl.clone(),
        };
        Share {
            account: owner.account,
            listed,
        }
    }

    /// Row and body, one mutation.
    async fn put_inline(
        &mut self,
        owner: &Owner,
        chosen: Chosen,
        deadline: Deadline,
    ) -> StoreResult<()> {
        let mut share = self.share(owner, chosen, false);
        share.listed.place.body = Body::Inline;
        let recipient = share.listed.recipient.take();
        let body = row![
            share.account,
            chosen.bucket,
            self.id,
            std::mem::take(&mut self.frames),
            self.hash(),
            recipient.as_ref().map(ToString::to_string),
            Micros::of(self.id),
        ];
        let change = vec![row_of(&share), (Cql::PutInline, body)];
        self.core.engine.change(COMMIT, deadline, change).await
    }

    /// Puts what is still to be put of the body but its head; from here on it is known how many
    /// chunks there are.
    async fn end_chunks(&mut self) -> StoreResult<()> {
        if !self.frames.is_empty() || self.first.is_none() {
            self.end_chunk().await?;
        }
        while !self.under_way.is_empty() {
            self.settle_one().await?;
        }
        Ok(())
    }

    /// Puts the head, which says what the whole is.
    async fn put_head(&mut self, shares: &[Share], deadline: Deadline) -> StoreResult<()> {
        let mut owners = Vec::with_capacity(shares.len() * 32);
        for share in shares {
            owners.extend_from_slice(&share.account.to_key());
            owners.extend_from_slice(&share.listed.place.bucket.to_key());
        }
        let head = row![
            self.blob,
            0_i16,
            self.first.take().unwrap_or_default(),
            bigint(self.size),
            bigint(self.kept_size),
            self.next,
            FORMAT,
            self.hash(),
            owners,
            Micros::of(self.id),
        ];
        let change = vec![(Cql::PutHead, head)];
        let put = self.core.engine.change(COMMIT, deadline, change).await;
        put.map_err(unlisted)?;
        self.is_orphan = false;
        Ok(())
    }
}

impl Drop for Incoming {
    /// What was put for nobody is given back, behind what is still under way.
    fn drop(&mut self) {
        if !self.is_orphan || self.next == 1 {
            return;
        }
        let (id, blob, next) = (self.id, self.blob, self.next);
        let mut under_way = std::mem::take(&mut self.under_way);
        self.core.in_background(move |core| async move {
            while under_way.join_next().await.is_some() {}
            core.drop_chunks("give room back", id, blob, 1..next).await
        });
    }
}

/// An account occurs once: the first share counts.
fn distinct(owners: Vec<Owner>) -> Vec<Owner> {
    let mut seen = std::collections::BTreeSet::new();
    let mut owners = owners;
    owners.retain(|owner| seen.insert(owner.account));
    owners
}

/// Before the point of acceptance nothing can be listed, whatever is uncertain.
pub(crate) fn unlisted(error: StoreError) -> StoreError {
    match error.kind() {
        ErrorKind::Indeterminate => {
            StoreError::caused(ErrorKind::Unavailable(Reason::Engine), COMMIT, error)
        }
        _ => error,
    }
}

/// Behind the point of acceptance it is listed, or may be, whatever fails.
fn accepted(error: StoreError) -> StoreError {
    StoreError::caused(ErrorKind::Indeterminate, COMMIT, error)
}

/// The statement that lists a message for one owner.
pub(crate) fn row_of(share: &Share) -> (Cql, crate::rows::Row) {
    let listed = &share.listed;
    let (blob, count, shared) = match listed.place.body {
        Body::Inline => (None, 0, false),
        Body::Chunks {
            blob,
            count,
            shared,
        } => (Some(blob), count, shared),
    };
    let row = row![
        share.account,
        listed.place.bucket,
        listed.place.id,
        bigint(listed.size),
        count,
        FORMAT,
        blob,
        shared,
        listed.recipient.as_ref().map(ToString::to_string),
        listed.uidl.as_ref().map(Uidl::as_str),
        listed.surrogate_size.map(|size| bigint(size.octets())),
        Micros::of(listed.place.id),
    ];
    (Cql::PutRow, row)
}

impl Core {
    /// The hash of the body of a message that an owner has already.
    async fn hash_there(&self, account: AccountId, id: MessageId) -> StoreResult<Option<Vec<u8>>> {
        match self.find(COMMIT, account, id).await? {
            None => Ok(None),
            Some(listed) => self.hash_of(COMMIT, account, listed.place).await,
        }
    }

    pub(crate) async fn put_row(
        &self,
        verb: Verb,
        deadline: Deadline,
        share: &Share,
    ) -> StoreResult<()> {
        let change = vec![row_of(share)];
        self.engine.change(verb, deadline, change).await
    }
}

impl MessageWriter for Receiving {
    fn write(&mut self, piece: Bytes) -> Work<'_, ()> {
        // Set before the future exists: it may be dropped without ever being polled.
        let had_hole = std::mem::replace(&mut self.has_hole, true);
        Box::pin(async move {
            let _pass = self.body.core.engine.enter(WRITE)?;
            self.body.take(&piece).await?;
            self.has_hole = had_hole;
            Ok(())
        })
    }

    fn held(&self) -> usize {
        self.body.plain.capacity()
    }

    fn commit(self: Box<Self>, delivery: Delivery, patience: Patience) -> Work<'static, Stored> {
        let Self { body, has_hole } = *self;
        let core = Arc::clone(&body.core);
        core.carry_out(COMMIT, move |core| async move {
            if has_hole {
                return Err(odd_answer(COMMIT, "a piece of the message lacks"));
            }
            core.check_room(COMMIT)?;
            let deadline = core.engine.deadline(patience);
            body.commit(delivery, deadline).await
        })
    }
}
