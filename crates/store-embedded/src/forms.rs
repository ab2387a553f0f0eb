//! What octets on disk say, in words: for tools that look at a store from outside, and for tests
//! that try any octets at all. Nothing that is read from disk may panic.

use std::fmt::Debug;

use bytes::Bytes;

use crate::Codec;
use crate::rows::{Added, MaildropRow, MessageRow, decode_added, encode_added};
use crate::segment::{CHUNK, Chunk, Head, Position, decode_piece, encode_piece};

/// A form that octets can have; `rows.rs` and `segment/record.rs` have the details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The payload of a head record, up to the body.
    Head,
    /// The payload of a chunk record, up to the piece.
    Chunk,
    /// A piece of a body.
    Piece,
    /// A place in the sequence of segments.
    Position,
    /// The messages that a group added.
    Added,
    /// A row of the space message.
    MessageRow,
    /// A row of the space maildrop.
    MaildropRow,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Head,
        Self::Chunk,
        Self::Piece,
        Self::Position,
        Self::Added,
        Self::MessageRow,
        Self::MaildropRow,
    ];
}

/// What octets say, and how it is written today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// In words.
    pub text: String,
    /// What was understood, encoded again.
    pub encoded: Vec<u8>,
}

impl Described {
    fn new(decoded: &impl Debug, encoded: Vec<u8>) -> Self {
        Self {
            text: format!("{decoded:?}"),
            encoded,
        }
    }
}

/// Decodes octets of a form; none if they are not of it.
pub fn describe(form: Form, octets: &[u8]) -> Option<Described> {
    Some(match form {
        Form::Head => {
            let head = Head::parse(octets)?;
            // Where the body begins is another answer to the same octets.
            let _ = Head::body_start(octets);
            Described::new(&head, head.encode())
        }
        Form::Chunk => {
            let chunk = Chunk::parse(octets)?;
            Described::new(&chunk, chunk.encode())
        }
        Form::Piece => {
            let piece = decode_piece(&Bytes::copy_from_slice(octets), CHUNK)?;
            let mut encoded = Vec::new();
            encode_piece(&mut encoded, &piece, Codec::Lz4);
            Described::new(&piece, encoded)
        }
        Form::Position => {
            let position = Position::decode(octets)?;
            Described::new(&position, position.encode().to_vec())
        }
        Form::Added => {
            let added: Vec<Added> = decode_added(octets)?;
            Described::new(&added, encode_added(&added))
        }
        Form::MessageRow => {
            let row = MessageRow::decode(octets)?;
            Described::new(&row, row.encode())
        }
        Form::MaildropRow => {
            let row = MaildropRow::decode(octets)?;
            Described::new(&row, row.encode())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_described_or_are_of_another_form() {
        let position = describe(Form::Position, &[0; 16]).unwrap();
        assert_eq!(position.encoded, [0; 16]);
        assert!(position.text.contains("offset: 0"), "{}", position.text);
        for form in Form::ALL {
            assert_eq!(describe(form, &[0xff; 7]), None, "{form:?}");
        }
    }
}
