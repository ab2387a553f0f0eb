//! The form of what is in a segment.
//!
//! A record is a header and a payload. The header has a checksum of the payload, which sessions
//! compute on their own time, and one of itself that also covers the id of the store, the number of
//! the segment and the offset, so that bytes of another place or another time never verify.
//!
//! | record | payload |
//! |---|---|
//! | head | length of what follows up to the body; attempt, time, size, number of chunks, hash, |
//! |      | reverse path, owners, the surrogate's size if there is one; then, if there are no |
//! |      | chunks, the body as one piece |
//! | chunk | attempt, number of the chunk, then a piece of the body |
//!
//! Owners and times in heads are for salvage only: the index is the truth.

use cassmail_mail::{AccountId, Delivery, MessageId, Owner, ReversePath, UnixTime};
use xxhash_rust::xxh3::xxh3_64;

use super::{Damage, Position, StoreId};
use crate::bytes_in::{Take, octets, put_text, put_varint};

/// The length of a record's header.
pub(crate) const HEADER: usize = 44;

/// The length of a segment's preamble.
pub(crate) const PREAMBLE: usize = 64;

pub(super) const MAGIC: [u8; 4] = *b"CmR1";
const PREAMBLE_TITLE: [u8; 32] = *b"cassmail segment, format 1......";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Head,
    Chunk,
}

/// A record that is not yet, or no longer, at a place.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) kind: Kind,
    pub(crate) id: MessageId,
    pub(crate) payload: Vec<u8>,
    pub(crate) checksum: u64,
}

/// A header that verified.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) id: MessageId,
    pub(crate) payload: u32,
    pub(crate) checksum: u64,
}

impl Record {
    pub(crate) fn new(kind: Kind, id: MessageId, payload: Vec<u8>) -> Self {
        let checksum = xxh3_64(&payload);
        Self {
            kind,
            id,
            payload,
            checksum,
        }
    }

    /// The length on disk.
    pub(crate) fn length(&self) -> u64 {
        octets(HEADER.saturating_add(self.payload.len()))
    }

    /// Writes the record as it is at its place.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>, store: StoreId, at: Position) {
        let header = Header {
            kind: self.kind,
            id: self.id,
            payload: u32::try_from(self.payload.len()).unwrap_or(u32::MAX),
            checksum: self.checksum,
        };
        out.extend_from_slice(&header.encode(store, at));
        out.extend_from_slice(&self.payload);
    }
}

impl Header {
    fn encode(&self, store: StoreId, at: Position) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(&MAGIC);
        let kind = match self.kind {
            Kind::Head => 1,
            Kind::Chunk => 2,
        };
        bytes.extend_from_slice(&[kind, 0, 0, 0]);
        bytes.extend_from_slice(&self.payload.to_be_bytes());
        bytes.extend_from_slice(&self.id.to_key());
        bytes.extend_from_slice(&self.checksum.to_be_bytes());
        let seal = seal(&bytes, store, at);
        bytes.extend_from_slice(&seal.to_be_bytes());
        bytes
    }

    pub(crate) fn parse(
        bytes: &[u8; HEADER],
        store: StoreId,
        at: Position,
    ) -> Result<Self, Damage> {
        let damage = |what| Damage::new(at, what);
        let found = Self::fields(bytes).ok_or_else(|| damage("there is no record"))?;
        if found.encode(store, at) == bytes {
            Ok(found)
        } else {
            Err(damage("the header's checksum differs"))
        }
    }

    fn fields(bytes: &[u8; HEADER]) -> Option<Self> {
        let mut take = Take(bytes);
        if take.array()? != MAGIC {
            return None;
        }
        let kind = match take.array()? {
            [1, 0, 0, 0] => Kind::Head,
            [2, 0, 0, 0] => Kind::Chunk,
            _ => return None,
        };
        Some(Self {
            kind,
            payload: take.u32()?,
            id: MessageId::from_key(take.array()?),
            checksum: take.u64()?,
        })
    }

    /// The length on disk.
    pub(crate) fn length(&self) -> u64 {
        u64::from(self.payload).saturating_add(octets(HEADER))
    }

    pub(crate) fn verify(&self, payload: &[u8], at: Position) -> Result<(), Damage> {
        if xxh3_64(payload) == self.checksum {
            Ok(())
        } else {
            Err(Damage::new(at, "the checksum differs"))
        }
    }
}

/// Binds bytes to their place.
fn seal(bytes: &[u8], store: StoreId, at: Position) -> u64 {
    let mut bound = Vec::with_capacity(HEADER.saturating_add(32));
    bound.extend_from_slice(bytes);
    bound.extend_from_slice(&store.0);
    bound.extend_from_slice(&at.segment.0.to_be_bytes());
    bound.extend_from_slice(&at.offset.to_be_bytes());
    xxh3_64(&bound)
}

/// The first bytes of a segment: what it is, whose it is, which it is.
pub(crate) fn preamble(store: StoreId, at: Position) -> Vec<u8> {
    let mut bytes = PREAMBLE_TITLE.to_vec();
    bytes.extend_from_slice(&store.0);
    bytes.extend_from_slice(&at.segment.0.to_be_bytes());
    let seal = seal(&bytes, store, at);
    bytes.extend_from_slice(&seal.to_be_bytes());
    bytes
}

/// What a head record says beside the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// Unique in the store: tells chunks of two tries with the same id apart.
    pub(crate) attempt: u64,
    pub(crate) size: u64,
    pub(crate) hash: u128,
    /// Zero: the body is in the head.
    pub(crate) chunks: u64,
    pub(crate) delivery: Delivery,
}

impl Head {
    /// The beginning of a head's payload.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        for number in [
            self.attempt,
            self.delivery.received_at.as_micros(),
            self.size,
            self.chunks,
        ] {
            put_varint(&mut bytes, number);
        }
        bytes.extend_from_slice(&self.hash.to_be_bytes());
        match &self.delivery.reverse_path {
            ReversePath::Null => put_text(&mut bytes, ""),
            ReversePath::Mailbox(address) => put_text(&mut bytes, &address.to_string()),
        }
        put_varint(&mut bytes, octets(self.delivery.owners.len()));
        for owner in &self.delivery.owners {
            bytes.extend_from_slice(&owner.account.to_key());
            put_text(&mut bytes, &optional(owner.recipient.as_ref()));
            put_text(&mut bytes, &optional(owner.uidl.as_ref()));
        }
        if let Some(size) = self.delivery.surrogate_size {
            put_varint(&mut bytes, size);
        }
        let length = u32::try_from(bytes.len().saturating_sub(4)).unwrap_or(u32::MAX);
        for (to, from) in bytes.iter_mut().zip(length.to_be_bytes()) {
            *to = from;
        }
        bytes
    }

    /// Where the body begins in a head's payload.
    pub(crate) fn body_start(payload: &[u8]) -> Option<usize> {
        let length = usize::try_from(Take(payload).u32()?).ok()?;
        length
            .checked_add(4)
            .filter(|&start| start <= payload.len())
    }

    /// Reads a head's payload up to the body.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let mut take = Take(payload.get(4..Self::body_start(payload)?)?);
        let (attempt, received_at) = (take.varint()?, take.varint()?);
        let (size, chunks) = (take.varint()?, take.varint()?);
        let hash = u128::from_be_bytes(take.array()?);
        let reverse_path = match take.text()? {
            "" => ReversePath::Null,
            address => ReversePath::Mailbox(address.parse().ok()?),
        };
        let mut owners = Vec::new();
        for _ in 0..take.varint()? {
            owners.push(Owner {
                account: AccountId::from_key(take.array()?),
                recipient: parse_optional(take.text()?)?,
                uidl: parse_optional(take.text()?)?,
            });
        }
        // Heads from before there were surrogates end here.
        let surrogate_size = if take.is_empty() {
            None
        } else {
            Some(take.varint()?)
        };
        Some(Self {
            attempt,
            size,
            hash,
            chunks,
            delivery: Delivery {
                reverse_path,
                received_at: UnixTime::from_micros(received_at),
                surrogate_size,
                owners,
            },
        })
    }
}

pub(crate) fn optional(value: Option<&impl ToString>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

/// `Some(None)` for an empty text, `None` for a wrong one.
#[expect(clippy::option_option, reason = "absent and wrong are not the same")]
pub(crate) fn parse_optional<T: std::str::FromStr>(text: &str) -> Option<Option<T>> {
    if text.is_empty() {
        return Some(None);
    }
    text.parse().ok().map(Some)
}

/// What a chunk says beside its piece of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) attempt: u64,
    pub(crate) number: u64,
}

impl Chunk {
    /// The beginning of a chunk's payload.
    pub(crate) fn encode(self) -> Vec<u8> {
        [self.attempt.to_be_bytes(), self.number.to_be_bytes()].concat()
    }

    /// Where the piece begins in a chunk's payload.
    pub(crate) const BODY_START: usize = 16;

    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let mut take = Take(payload);
        Some(Self {
            attempt: take.u64()?,
            number: take.u64()?,
        })
    }
}
