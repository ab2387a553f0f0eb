//! The form of a body: frames, each compressed and checked for itself.
//!
//! A frame holds at most 64 KiB less a little of the body: two that do not compress fill a chunk.
//! It begins with its codec (1 octet), its length as it was written (4), the xxh3 sum of that (8)
//! and its length as it is kept (4). So a reader gives out nothing that was not checked, one frame
//! at a time, and keeps no state over chunks.
//!
//! LZ4, since it is here already, is plain Rust, and costs a tenth of what zstd does: most octets
//! of mail are encoded attachments, where the better ratio of zstd gains little. The octet of the
//! codec leaves the choice.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

/// So much of a body is in one frame.
pub(crate) const FRAME: usize = 64 * 1024 - 64;

/// So large a chunk gets: what Cassandra likes in one cell.
pub(crate) const CHUNK: usize = 128 * 1024;

/// What a body is kept in, as the listing row says it.
pub(crate) const FORMAT: i8 = 1;

const PLAIN: u8 = 0;
const LZ4: u8 = 1;
const PREAMBLE: usize = 17;

/// Appends a frame.
pub(crate) fn put(out: &mut Vec<u8>, plain: &[u8]) {
    let packed = lz4_flex::block::compress(plain);
    let (codec, data) = if packed.len() < plain.len() {
        (LZ4, &packed[..])
    } else {
        (PLAIN, plain)
    };
    let length = u32::try_from(plain.len()).unwrap_or(u32::MAX);
    out.reserve(PREAMBLE + data.len());
    out.push(codec);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&xxh3_64(plain).to_be_bytes());
    out.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(data);
}

/// Octets that are no frame, or not the ones that were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the octets of the body do not verify")]
pub(crate) struct Damaged;

/// Takes the next frame off the front of a chunk; none at its end.
pub(crate) fn take(chunk: &mut Bytes) -> Result<Option<Bytes>, Damaged> {
    if chunk.is_empty() {
        return Ok(None);
    }
    let mut front = &chunk[..];
    let [codec] = array(&mut front)?;
    let length = size(u32::from_be_bytes(array(&mut front)?))?;
    let sum = u64::from_be_bytes(array(&mut front)?);
    let packed = size(u32::from_be_bytes(array(&mut front)?))?;
    if length > FRAME || packed > front.len() {
        return Err(Damaged);
    }
    let start = chunk.len() - front.len();
    let data = chunk.slice(start..start + packed);
    let plain = match codec {
        PLAIN => data,
        LZ4 => Bytes::from(lz4_flex::block::decompress(&data, length).map_err(|_| Damaged)?),
        _ => return Err(Damaged),
    };
    if plain.len() != length || xxh3_64(&plain) != sum {
        return Err(Damaged);
    }
    *chunk = chunk.slice(start + packed..);
    Ok(Some(plain))
}

fn array<const N: usize>(front: &mut &[u8]) -> Result<[u8; N], Damaged> {
    let (first, rest) = front.split_first_chunk::<N>().ok_or(Damaged)?;
    *front = rest;
    Ok(*first)
}

fn size(length: u32) -> Result<usize, Damaged> {
    usize::try_from(length).map_err(|_| Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk() -> Vec<u8> {
        let mut chunk = Vec::new();
        put(&mut chunk, b"to be, or not to be, to be, or not to be");
        put(&mut chunk, b"x");
        chunk
    }

    #[test]
    fn frames_come_back_one_by_one() {
        let mut rest = Bytes::from(chunk());
        let first = take(&mut rest).unwrap().unwrap();
        assert!(first.starts_with(b"to be"));
        assert_eq!(take(&mut rest).unwrap().unwrap(), "x");
        assert_eq!(take(&mut rest), Ok(None));
    }

    /// Compressed octets can say the same in two ways; what counts is what comes out.
    #[test]
    fn a_flipped_bit_anywhere_is_damage_or_changes_nothing() {
        let whole = chunk();
        let written = "to be, or not to be, to be, or not to bex";
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                let mut rest = Bytes::from(flipped);
                let mut out = Vec::new();
                let end = loop {
                    match take(&mut rest) {
                        Ok(Some(frame)) => out.extend_from_slice(&frame),
                        other => break other,
                    }
                };
                assert!(end.is_err() || out == written.as_bytes(), "{at} {bit}");
                assert!(written.as_bytes().starts_with(&out), "{at} {bit}");
            }
        }
    }

    #[test]
    fn what_ends_early_is_damage() {
        let whole = Bytes::from(chunk());
        let mut rest = whole.clone();
        take(&mut rest).unwrap();
        let first = whole.len() - rest.len();
        for end in (1..whole.len()).filter(|&end| end != first) {
            let mut cut = whole.slice(..end);
            while let Ok(Some(_)) = take(&mut cut) {}
            assert!(take(&mut cut).is_err(), "{end}");
        }
    }

    #[test]
    fn two_frames_that_do_not_compress_fit_into_a_chunk() {
        let noise: Vec<u8> = (0..FRAME as u64)
            .map(|n| xxh3_64(&n.to_be_bytes()).to_be_bytes()[0])
            .collect();
        let mut chunk = Vec::new();
        put(&mut chunk, &noise);
        put(&mut chunk, &noise);
        assert!(chunk.len() <= CHUNK);
    }
}
