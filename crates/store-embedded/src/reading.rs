//! A body that is being given out: nothing before it verified.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use cassmail_mail::{AccountId, MessageId};
use cassmail_store::{AsDelivered, BodyReader, ErrorKind, StoreError, StoreResult, Work};

use crate::disk::SegmentFile;
use crate::front::{Front, damaged_row, engine, unreadable};
use crate::index::{Snapshot, Space};
use crate::rows::{MaildropRow, MessageRow, account_key, maildrop_key, message_key};
use crate::segment::{
    CHUNK, Chunk, Damage, Extent, Head, Kind, ReadError, StoreId, decode_piece, read_cached_record,
    read_record,
};

const OPEN: &str = "open the message";
const READ: &str = "read the message";

/// Opens the body of a listed message.
///
/// Where it is resolved here, and the files stay open: the cleaner may move the message and remove
/// the files meanwhile. If one is gone before it could be opened, the rows say something else by
/// then.
pub(crate) async fn open(
    front: &Arc<Front>,
    account: AccountId,
    id: MessageId,
) -> StoreResult<Box<dyn BodyReader>> {
    const TRIES: usize = 4;
    let mut tries = 0;
    loop {
        let snapshot = front.snapshot(OPEN)?;
        let (listed, message) = find(&*snapshot, account, id)?;
        tries += 1;
        match files(front, &message.extents) {
            Ok(places) => {
                let stored = Box::new(Reading {
                    front: Arc::clone(front),
                    id,
                    is_whole: message.extents.len() == 1,
                    places: places.into(),
                    given: 0,
                });
                let delivered = AsDelivered::new(stored, listed.recipient.as_ref());
                return Ok(Box::new(delivered));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {
                tokio::task::yield_now().await;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::caused(ErrorKind::Corrupt, OPEN, error));
            }
            Err(error) => return Err(engine(OPEN, error)),
        }
    }
}

fn find(
    snapshot: &dyn Snapshot,
    account: AccountId,
    id: MessageId,
) -> StoreResult<(MaildropRow, MessageRow)> {
    let get = |(space, key): (Space, Vec<u8>)| {
        let found = snapshot.get(space, &key);
        found.map_err(|error| unreadable(OPEN, error))
    };
    let missing = || StoreError::new(ErrorKind::Missing, OPEN);
    get(account_key(Space::Profile, account))?.ok_or_else(missing)?;
    let listed = get(maildrop_key(account, id))?.ok_or_else(missing)?;
    let listed = MaildropRow::decode(&listed).ok_or_else(|| damaged_row(OPEN))?;
    let message = get(message_key(id))?.ok_or_else(|| damaged_row(OPEN))?;
    let message = MessageRow::decode(&message).ok_or_else(|| damaged_row(OPEN))?;
    Ok((listed, message))
}

type Place = (Extent, Arc<dyn SegmentFile>);

/// The records that have the body, each with its file.
fn files(front: &Front, extents: &[Extent]) -> io::Result<Vec<Place>> {
    let bodies = match extents {
        [_head, chunks @ ..] if !chunks.is_empty() => chunks,
        all => all,
    };
    let file = |&extent: &Extent| Ok((extent, front.library.file(extent.segment)?));
    bodies.iter().map(file).collect()
}

struct Reading {
    front: Arc<Front>,
    id: MessageId,
    /// Whether the head has all of the body.
    is_whole: bool,
    places: std::collections::VecDeque<Place>,
    /// How many pieces were given out.
    given: u64,
}

impl Reading {
    async fn next_piece(&mut self) -> StoreResult<Option<Bytes>> {
        let Some((extent, file)) = self.places.pop_front() else {
            return Ok(None);
        };
        let store = self.front.library.store;
        let read = read_aside(file, store, extent).await?;
        let piece = read.and_then(|(header, payload)| {
            let damage = |what| Damage::new(extent.start(), what);
            if header.id != self.id {
                return Err(damage("the record is of another message").into());
            }
            let kind = if self.is_whole {
                Kind::Head
            } else {
                Kind::Chunk
            };
            if header.kind != kind {
                return Err(damage("the record is of another kind").into());
            }
            let piece = self.piece_of(&payload);
            Ok(piece.ok_or_else(|| damage("the record cannot be decoded"))?)
        });
        self.given = self.given.saturating_add(1);
        match piece {
            Ok(piece) if piece.is_empty() => Ok(None),
            Ok(piece) => Ok(Some(piece)),
            Err(ReadError::Damaged(damage)) => {
                self.places.clear();
                Err(StoreError::caused(ErrorKind::Corrupt, READ, damage))
            }
            Err(error) => Err(engine(READ, error)),
        }
    }

    fn piece_of(&self, payload: &Bytes) -> Option<Bytes> {
        let start = if self.is_whole {
            Head::body_start(payload)?
        } else {
            let chunk = Chunk::parse(payload)?;
            (chunk.number == self.given).then_some(Chunk::BODY_START)?
        };
        decode_piece(&payload.slice(start..), CHUNK)
    }
}

type ReadRecord = Result<(crate::segment::Header, Bytes), ReadError>;

/// Reads a record: at once when the page cache has it, else in a thread that may block.
async fn read_aside(
    file: Arc<dyn SegmentFile>,
    store: StoreId,
    extent: Extent,
) -> StoreResult<ReadRecord> {
    if let Some(read) = read_cached_record(&*file, store, extent) {
        return Ok(read);
    }
    let reading = move || read_record(&*file, store, extent);
    let read = tokio::task::spawn_blocking(reading).await;
    read.map_err(|error| engine(READ, error))
}

impl BodyReader for Reading {
    fn next(&mut self) -> Work<'_, Option<Bytes>> {
        Box::pin(self.next_piece())
    }
}
