//! What octets in the tables say, in words: for tools that look at a store from outside, and for
//! tests that try any octets at all. Nothing that is read from the cluster may panic.

use bytes::Bytes;
use cassmail_mail::MessageId;
use scylla::value::CqlTimeuuid;
use uuid::Uuid;

use crate::listing::{self, Body};
use crate::{envelope, frames};

/// A form that octets can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The record of a message in the spool.
    Spool,
    /// A chunk of a body: frames.
    Chunk,
    /// The columns of a row of a listing, one after the other: id (16 octets), size (8), chunks
    /// (2), blob (16), shared (1), then the recipient and the unique id with a line feed between.
    ListingRow,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Spool, Self::Chunk, Self::ListingRow];
}

/// What octets say, and how it is written today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// In words.
    pub text: String,
    /// What was understood, encoded again; rows of listings are not.
    pub encoded: Option<Vec<u8>>,
}

/// Decodes octets of a form; none if they are not of it.
pub fn describe(form: Form, octets: &[u8]) -> Option<Described> {
    match form {
        Form::Spool => spool(octets),
        Form::Chunk => chunk(octets),
        Form::ListingRow => listing_row(octets),
    }
}

fn spool(octets: &[u8]) -> Option<Described> {
    let shares = envelope::decode(MessageId::from_key([0; 16]), octets)?;
    let body = shares.first().map(|share| share.listed.place.body);
    let encoded = match body {
        Some(Body::Chunks { blob, count, .. }) => Some(envelope::encode(blob, count, &shares)),
        _ => None,
    };
    let text = format!("{shares:?}");
    Some(Described { text, encoded })
}

fn chunk(octets: &[u8]) -> Option<Described> {
    let mut rest = Bytes::copy_from_slice(octets);
    let mut read = Vec::new();
    while let Some(frame) = frames::take(&mut rest).ok()? {
        read.push(frame);
    }
    let mut encoded = Vec::new();
    for frame in &read {
        frames::put(&mut encoded, frame);
    }
    let text = format!("{read:?}");
    let encoded = Some(encoded);
    Some(Described { text, encoded })
}

fn listing_row(octets: &[u8]) -> Option<Described> {
    let (id, rest) = octets.split_first_chunk::<16>()?;
    let (size, rest) = rest.split_first_chunk::<8>()?;
    let (count, rest) = rest.split_first_chunk::<2>()?;
    let (blob, rest) = rest.split_first_chunk::<16>()?;
    let ([shared], rest) = rest.split_first_chunk::<1>()?;
    let text = String::from_utf8_lossy(rest);
    let (recipient, uidl) = text.split_once('\n').unwrap_or((&text, ""));
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let timeuuid = |octets: &[u8; 16]| CqlTimeuuid::from(Uuid::from_bytes(*octets));
    let cells = (
        timeuuid(id),
        Some(i64::from_be_bytes(*size)),
        Some(i16::from_be_bytes(*count)),
        Some(frames::FORMAT),
        (shared & 2 == 0).then(|| timeuuid(blob)),
        Some(shared & 1 == 1),
        some(recipient),
        some(uidl),
        (shared & 4 == 4).then(|| i64::from_be_bytes(*size)),
    );
    let listed = listing::decode(MessageId::from_key([0; 16]), cells)?;
    let text = format!("{listed:?}");
    let encoded = None;
    Some(Described { text, encoded })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_described_or_are_of_another_form() {
        let mut octets = Vec::new();
        frames::put(&mut octets, b"to be");
        let chunk = describe(Form::Chunk, &octets).unwrap();
        assert_eq!(chunk.encoded.as_deref(), Some(&octets[..]));
        assert!(chunk.text.contains("to be"), "{}", chunk.text);
        for form in Form::ALL {
            assert_eq!(describe(form, &[0xff; 40]), None, "{form:?}");
        }
    }
}
