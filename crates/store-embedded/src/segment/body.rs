//! A piece of a body as it is kept: each for itself, so that memory stays bounded.

use crate::Codec;
use crate::bytes_in::Take;

const PLAIN: u8 = 0;
const LZ4: u8 = 1;

/// Says how a piece is kept and how long it is.
const PIECE_HEADER: usize = 5;

/// A piece as it is kept.
#[derive(Debug, Clone, Copy)]
struct Piece<'a> {
    codec: u8,
    length: usize,
    bytes: &'a [u8],
}

/// Appends a piece to a record. What does not get smaller is kept as it is.
pub(crate) fn encode_piece(out: &mut Vec<u8>, plain: &[u8], codec: Codec) {
    let start = out.len();
    let length = u32::try_from(plain.len()).unwrap_or(u32::MAX);
    out.push(LZ4);
    out.extend_from_slice(&length.to_be_bytes());
    if codec == Codec::Lz4 && compress(out, plain) {
        return;
    }
    out.truncate(start);
    out.push(PLAIN);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(plain);
}

/// Whether it got smaller by at least a sixteenth: less is not worth the time to read it again.
fn compress(out: &mut Vec<u8>, plain: &[u8]) -> bool {
    let start = out.len();
    let worth = plain.len().saturating_sub(plain.len() / 16);
    let most = lz4_flex::block::get_maximum_output_size(plain.len());
    out.resize(start.saturating_add(most), 0);
    let room = out.get_mut(start..).unwrap_or_default();
    let written = lz4_flex::block::compress_into(plain, room);
    match written {
        Ok(written) if written < worth => {
            out.truncate(start.saturating_add(written));
            true
        }
        _ => false,
    }
}

impl<'a> Piece<'a> {
    /// Reads the rest of a record.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut take = Take(bytes);
        Some(Self {
            codec: take.u8()?,
            length: usize::try_from(take.u32()?).ok()?,
            bytes: take.0,
        })
    }
}

/// Decodes a piece of at most `most` octets; none if it is no piece. A plain piece is not copied.
pub(crate) fn decode_piece(bytes: &bytes::Bytes, most: usize) -> Option<bytes::Bytes> {
    let piece = Piece::parse(bytes)?;
    if piece.length > most {
        return None;
    }
    match piece.codec {
        PLAIN if piece.bytes.len() == piece.length => Some(bytes.slice(PIECE_HEADER..)),
        LZ4 => {
            let plain = lz4_flex::block::decompress(piece.bytes, piece.length).ok()?;
            (plain.len() == piece.length).then(|| plain.into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn kept(plain: &[u8], codec: Codec) -> Bytes {
        let mut out = Vec::new();
        encode_piece(&mut out, plain, codec);
        out.into()
    }

    #[test]
    fn a_piece_comes_back_whatever_the_codec() {
        for plain in [&b""[..], b"a", &[b'x'; 5000]] {
            for codec in [Codec::Plain, Codec::Lz4] {
                let piece = decode_piece(&kept(plain, codec), 5000);
                assert_eq!(piece.as_deref(), Some(plain));
            }
        }
    }

    #[test]
    fn what_does_not_get_smaller_is_kept_as_it_is() {
        let noise: Vec<u8> = (0..1000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        assert_eq!(kept(&noise, Codec::Lz4), kept(&noise, Codec::Plain));
        assert!(kept(&[0; 1000], Codec::Lz4).len() < 100);
    }

    #[test]
    fn a_piece_that_claims_too_much_is_none() {
        assert_eq!(decode_piece(&kept(b"hello", Codec::Plain), 4), None);
        assert_eq!(
            decode_piece(&Bytes::from_static(&[1, 255, 255, 255, 255]), 100),
            None
        );
        assert_eq!(
            decode_piece(&Bytes::from_static(&[9, 0, 0, 0, 0]), 100),
            None
        );
        assert_eq!(decode_piece(&Bytes::from_static(&[0, 0]), 100), None);
    }
}
