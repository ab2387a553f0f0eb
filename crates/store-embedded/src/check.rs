//! Reads everything and verifies it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use cassmail_mail::MessageId;
use xxhash_rust::xxh3::Xxh3;

use crate::disk::{Disk, SegmentNumber};
use crate::index::{IndexError, Snapshot, Space};
use crate::rows::{MessageRow, decode_number, listed_id};
use crate::segment::{
    CHUNK, Chunk, Damage, Extent, Head, ReadError, StoreId, decode_piece, read_record,
};
use crate::writer::Moment;
use crate::{Embedded, OpenError};

/// What a check found.
#[derive(Debug, Default)]
pub struct Checked {
    /// Messages whose bodies were read.
    pub messages: u64,
    /// The octets of those bodies, as they were written.
    pub octets: u64,
    /// How many maildrops list them.
    pub listed: u64,
    /// Everything that is wrong; nothing is wrong when it is empty.
    pub faults: Vec<Fault>,
}

/// Something that is not as it should be.
#[derive(Debug)]
pub enum Fault {
    /// Octets on disk are not those that were written.
    Damaged(MessageId, Damage),
    /// A segment could not be read.
    Unreadable(MessageId, io::Error),
    /// Every record verifies, but together they are not the body that was written.
    OtherBody(MessageId),
    /// More or fewer maildrops list a message than its row says.
    Owners {
        /// Which message.
        message: MessageId,
        /// How many list it.
        counted: u64,
        /// How many its row says.
        noted: u64,
    },
    /// More or fewer octets of a segment belong to messages than its row says.
    Live {
        /// The file, in the folder `bodies`.
        segment: String,
        /// How many belong to messages.
        counted: u64,
        /// How many its row says.
        noted: u64,
    },
    /// A row of the index cannot be understood; the text says of what.
    Row(&'static str),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(id, damage) => write!(f, "message {id}: {damage}"),
            Self::Unreadable(id, error) => write!(f, "message {id}: {error}"),
            Self::OtherBody(id) => write!(f, "message {id}: the body is not what was written"),
            Self::Owners {
                message,
                counted,
                noted,
            } => write!(
                f,
                "message {message}: {counted} maildrops list it, its row says {noted}"
            ),
            Self::Live {
                segment,
                counted,
                noted,
            } => write!(
                f,
                "{segment}: {counted} octets belong to messages, its row says {noted}"
            ),
            Self::Row(what) => write!(f, "a row of {what} is damaged"),
        }
    }
}

impl Embedded {
    /// Reads every body and compares it with what was written; counts owners and living octets.
    ///
    /// Works on one moment of the store, which goes on meanwhile; nothing is removed from disk
    /// until it has ended. Dropping the future leaves the check to end in the background.
    ///
    /// # Errors
    /// The index cannot be read at all. Everything else that is wrong is a [`Fault`].
    pub async fn check(&self) -> Result<Checked, OpenError> {
        const CHECKING: &str = "check the store";
        let moment = self.front.moment(CHECKING).await;
        let moment = moment.map_err(OpenError::other(CHECKING))?;
        let disk = Arc::clone(&self.front.disk);
        let store = self.front.library.store;
        let checking = move || check(&moment, &*disk, store);
        let checked = tokio::task::spawn_blocking(checking).await;
        let checked = checked.map_err(OpenError::other(CHECKING))?;
        checked.map_err(OpenError::other(CHECKING))
    }
}

pub(crate) fn check(
    moment: &Moment,
    disk: &dyn Disk,
    store: StoreId,
) -> Result<Checked, IndexError> {
    let snapshot = &*moment.snapshot;
    let mut checked = Checked::default();
    let mut owners = count_owners(snapshot, &mut checked)?;
    let mut live: BTreeMap<SegmentNumber, u64> = BTreeMap::new();
    each(snapshot, Space::Message, &mut |key, value| {
        let id = listed_id(key);
        let Some((id, row)) = id.and_then(|id| Some((id, MessageRow::decode(value)?))) else {
            checked.faults.push(Fault::Row("a message"));
            return;
        };
        let counted = owners.remove(&id).unwrap_or(0);
        if counted != row.owners {
            checked.faults.push(Fault::Owners {
                message: id,
                counted,
                noted: row.owners,
            });
        }
        for extent in &row.extents {
            *live.entry(extent.segment).or_default() += extent.length;
        }
        checked.messages += 1;
        checked.octets += row.size;
        checked.faults.extend(verify(disk, store, id, &row).err());
    })?;
    for (message, counted) in owners {
        checked.faults.push(Fault::Owners {
            message,
            counted,
            noted: 0,
        });
    }
    compare_live(snapshot, live, &mut checked)?;
    Ok(checked)
}

/// How many maildrops list each message.
fn count_owners(
    snapshot: &dyn Snapshot,
    checked: &mut Checked,
) -> Result<BTreeMap<MessageId, u64>, IndexError> {
    let mut owners = BTreeMap::new();
    each(snapshot, Space::Maildrop, &mut |key, _| {
        checked.listed += 1;
        match listed_id(key) {
            Some(id) => *owners.entry(id).or_default() += 1,
            None => checked.faults.push(Fault::Row("a maildrop")),
        }
    })?;
    Ok(owners)
}

fn compare_live(
    snapshot: &dyn Snapshot,
    mut live: BTreeMap<SegmentNumber, u64>,
    checked: &mut Checked,
) -> Result<(), IndexError> {
    let mut differing = Vec::new();
    each(snapshot, Space::Segment, &mut |key, value| {
        let number = decode_number(key).map(SegmentNumber);
        let Some((number, noted)) = number.zip(decode_number(value)) else {
            checked.faults.push(Fault::Row("a segment"));
            return;
        };
        let counted = live.remove(&number).unwrap_or(0);
        if counted != noted {
            differing.push((number, counted, noted));
        }
    })?;
    differing.extend(
        live.into_iter()
            .map(|(number, counted)| (number, counted, 0)),
    );
    for (number, counted, noted) in differing {
        checked.faults.push(Fault::Live {
            segment: number.to_string(),
            counted,
            noted,
        });
    }
    Ok(())
}

fn each(
    snapshot: &dyn Snapshot,
    space: Space,
    visit: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<(), IndexError> {
    snapshot.scan(space, &[], None, &mut |key, value| {
        visit(key, value);
        ControlFlow::Continue(())
    })
}

/// Reads a body and compares it with its hash.
fn verify(disk: &dyn Disk, store: StoreId, id: MessageId, row: &MessageRow) -> Result<(), Fault> {
    let mut hash = Xxh3::new();
    for (number, extent) in row.extents.iter().enumerate() {
        let is_head = number == 0;
        let piece = read_piece(disk, store, *extent, is_head, row.extents.len() > 1);
        let piece = piece.map_err(|error| match error {
            ReadError::Damaged(damage) => Fault::Damaged(id, damage),
            ReadError::Read(_, error) => Fault::Unreadable(id, error),
        })?;
        hash.update(&piece);
    }
    let is_same = hash.digest128() == row.hash;
    is_same.then_some(()).ok_or(Fault::OtherBody(id))
}

/// The part of a body that a record has; a head of a message with chunks has none.
fn read_piece(
    disk: &dyn Disk,
    store: StoreId,
    extent: Extent,
    is_head: bool,
    has_chunks: bool,
) -> Result<bytes::Bytes, ReadError> {
    let file = disk
        .open(extent.segment)
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Damage::new(extent.start(), "the file is missing").into(),
            _ => ReadError::Read(extent.start(), error),
        })?;
    let (_, payload) = read_record(&*file, store, extent)?;
    let start = match (is_head, has_chunks) {
        (true, true) => return Ok(bytes::Bytes::new()),
        (true, false) => Head::body_start(&payload),
        (false, _) => Chunk::parse(&payload).map(|_| Chunk::BODY_START),
    };
    start
        .and_then(|start| decode_piece(&payload.slice(start..), CHUNK))
        .ok_or_else(|| Damage::new(extent.start(), "the record cannot be decoded").into())
}
