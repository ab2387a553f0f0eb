//! Reading from segments: nothing is given out before it verified.

use std::io;

use bytes::Bytes;

use super::record::MAGIC;
use super::{Damage, Extent, HEADER, Header, PREAMBLE, Position, StoreId, preamble};
use crate::bytes_in::octets;
use crate::disk::SegmentFile;

/// A record could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("failed to read {0:?}")]
    Read(Position, #[source] io::Error),
    #[error("stored data is damaged")]
    Damaged(#[source] Damage),
}

impl From<Damage> for ReadError {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

impl ReadError {
    /// A file that ends early is damage, everything else is trouble with reading.
    fn of(at: Position, error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            Self::Damaged(Damage::new(at, "the file ends early"))
        } else {
            Self::Read(at, error)
        }
    }
}

/// Reads and verifies the record at an extent; answers its header and its payload.
pub(crate) fn read_record(
    file: &dyn SegmentFile,
    store: StoreId,
    at: Extent,
) -> Result<(Header, Bytes), ReadError> {
    let mut bytes = room_for(at)?;
    file.read_at(&mut bytes, at.offset)
        .map_err(|error| ReadError::of(at.start(), error))?;
    verify(bytes, store, at)
}

/// Reads and verifies a record if that takes no waiting for a disk; none if it would.
pub(crate) fn read_cached_record(
    file: &dyn SegmentFile,
    store: StoreId,
    at: Extent,
) -> Option<Result<(Header, Bytes), ReadError>> {
    let mut bytes = room_for(at).ok()?;
    file.read_cached_at(&mut bytes, at.offset)
        .then(|| verify(bytes, store, at))
}

/// No record is longer than a chunk, or a head with very many owners; the length comes from the
/// index and is not trusted with memory.
fn room_for(at: Extent) -> Result<Vec<u8>, ReadError> {
    const MOST: usize = 256 * 1024 * 1024;
    let length = usize::try_from(at.length).ok();
    match length.filter(|length| (HEADER..=MOST).contains(length)) {
        Some(length) => Ok(vec![0; length]),
        None => Err(Damage::new(at.start(), "no record has this length").into()),
    }
}

fn verify(bytes: Vec<u8>, store: StoreId, at: Extent) -> Result<(Header, Bytes), ReadError> {
    let start = at.start();
    let damage = |what| Damage::new(start, what);
    let header = bytes.first_chunk::<HEADER>();
    let header = header.ok_or_else(|| damage("the record is shorter than its header"))?;
    let header = Header::parse(header, store, start)?;
    if header.length() != at.length {
        return Err(damage("the record has another length").into());
    }
    let payload = Bytes::from(bytes).slice(HEADER..);
    header.verify(&payload, start)?;
    Ok((header, payload))
}

/// Reads and verifies the header at a position.
pub(crate) fn read_header(
    file: &dyn SegmentFile,
    store: StoreId,
    at: Position,
) -> Result<Header, ReadError> {
    let mut bytes = [0; HEADER];
    file.read_at(&mut bytes, at.offset)
        .map_err(|error| ReadError::of(at, error))?;
    Ok(Header::parse(&bytes, store, at)?)
}

/// The first header at or behind a position whose record lies before `end`; none if there is none.
/// A header is bound to its place and to its store, so nothing else can be taken for one.
pub(crate) fn next_header(
    file: &dyn SegmentFile,
    store: StoreId,
    from: Position,
    end: u64,
) -> io::Result<Option<(Position, Header)>> {
    const STEP: u64 = 1024 * 1024;
    let header = octets(HEADER);
    let mut at = from;
    while at.offset.saturating_add(header) <= end {
        let length = STEP.saturating_add(header).min(end - at.offset);
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        file.read_at(&mut bytes, at.offset)?;
        for found in memchr::memmem::find_iter(&bytes, &MAGIC) {
            let place = Position {
                segment: at.segment,
                offset: at.offset.saturating_add(octets(found)),
            };
            let parsed = bytes.get(found..).and_then(|rest| rest.first_chunk());
            let parsed = parsed.and_then(|bytes| Header::parse(bytes, store, place).ok());
            if let Some(header) = parsed {
                return Ok(Some((place, header)));
            }
        }
        at.offset = at.offset.saturating_add(STEP);
    }
    Ok(None)
}

/// The id of the store whose segment this is; damage if it is none, or another one.
pub(crate) fn read_preamble(file: &dyn SegmentFile, at: Position) -> Result<StoreId, ReadError> {
    let mut bytes = [0; PREAMBLE];
    file.read_at(&mut bytes, 0)
        .map_err(|error| ReadError::of(at, error))?;
    let id = bytes.get(32..48).and_then(|id| id.try_into().ok());
    match id.map(StoreId) {
        Some(store) if preamble(store, at) == bytes => Ok(store),
        _ => Err(Damage::new(
            at,
            "the file does not begin as a segment of this number does",
        )
        .into()),
    }
}
