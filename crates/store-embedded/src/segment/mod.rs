//! Segments: where bodies are.
//!
//! A segment is a file that begins with a preamble (what it is, whose it is) and goes on with
//! records. It is written from front to back, never changed, and removed whole.

mod body;
mod file;
mod record;

use std::fmt;

pub(crate) use body::{decode_piece, encode_piece};
pub(crate) use file::{
    ReadError, next_header, read_cached_record, read_header, read_preamble, read_record,
};
pub(crate) use record::{
    Chunk, HEADER, Head, Header, Kind, PREAMBLE, Record, optional, parse_optional, preamble,
};

use crate::disk::SegmentNumber;

/// A chunk of a large message, before it is encoded; a small message is one record.
pub(crate) const CHUNK: usize = 128 * 1024;

/// The id of a store: drawn at random when it is made, part of every checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreId(pub(crate) [u8; 16]);

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// A place in the sequence of all segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Position {
    pub(crate) segment: SegmentNumber,
    pub(crate) offset: u64,
}

/// Where a record is, its header included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Extent {
    pub(crate) segment: SegmentNumber,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

impl Extent {
    pub(crate) fn start(&self) -> Position {
        Position {
            segment: self.segment,
            offset: self.offset,
        }
    }

    pub(crate) fn end(&self) -> Position {
        Position {
            segment: self.segment,
            offset: self.offset.saturating_add(self.length),
        }
    }
}

/// Bytes that are not what was written there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{segment} at {offset}: {what}")]
pub struct Damage {
    /// The file, in the folder `bodies`.
    pub segment: String,
    /// Where in the file the record begins.
    pub offset: u64,
    /// What is wrong with it.
    pub what: &'static str,
}

impl Damage {
    pub(crate) fn new(at: Position, what: &'static str) -> Self {
        Self {
            segment: at.segment.to_string(),
            offset: at.offset,
            what,
        }
    }
}
