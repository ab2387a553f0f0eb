//! A file of traces.
//!
//! | part | octets |
//! |---|---|
//! | block | mark, 4; length of the rest, 4; its checksum, 8; oldest and newest event, 16 each; |
//! | | a page of events, compressed |
//! | table | of each block: offset, 8; length, 4; oldest and newest event, 16 each |
//! | pairs | digest of a key, 4; number of a block that has it, 4; sorted |
//! | end | mark, 8; offset of the table, 8; blocks, 4; pairs, 4; oldest and newest event, 16 each |
//!
//! Numbers are big-endian. A file that is appended to has blocks alone; the others are sealed.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use cassmail_mail::MessageId;
use cassmail_store::{EventId, Page, TraceEvent, TraceKey, unpack};
use xxhash_rust::xxh3::xxh3_64;

use crate::bytes_in::{Take, octets};

const BLOCK: [u8; 4] = *b"ctb1";
const END: [u8; 8] = *b"ctraces1";

const PREAMBLE: usize = 16;
const IN_TABLE: usize = 44;
const PAIR: usize = 8;
const AT_END: usize = 56;

/// A block has a page, of which a few events may be large: a thousand recipients take 100 KiB.
const LARGEST_BLOCK: usize = 4 * 1024 * 1024;

/// Pairs that are read at once when the right ones are near: one page of the disk.
const NEAR: u32 = 512;

/// Where a block is, and what it spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    offset: u64,
    /// With its preamble.
    length: u64,
    pub(super) oldest: EventId,
    pub(super) newest: EventId,
}

/// The file that is appended to.
#[derive(Debug)]
pub(super) struct Head {
    file: File,
    length: u64,
    blocks: Vec<Block>,
    pairs: Vec<(u32, u32)>,
    pub(super) events: usize,
}

/// A file that is no longer changed.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) length: u64,
    pub(super) oldest: EventId,
    pub(super) newest: EventId,
    table: u64,
    blocks: u32,
    pairs: u32,
}

/// What an existing file is.
pub(super) enum Found {
    Sealed(Sealed),
    Unsealed(Head),
}

/// Opens a file that was there. What a crash left behind the last whole block is cut off.
pub(super) fn open(path: &Path) -> io::Result<Found> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    match read_end(&file)? {
        Some(sealed) => Ok(Found::Sealed(sealed)),
        None => Head::recover(file).map(Found::Unsealed),
    }
}

fn read_end(file: &File) -> io::Result<Option<Sealed>> {
    let length = file.metadata()?.len();
    let Some(at) = length.checked_sub(octets(AT_END)) else {
        return Ok(None);
    };
    let mut end = [0; AT_END];
    file.read_exact_at(&mut end, at)?;
    let parse = || {
        let mut take = Take(&end);
        let mark = take.array::<8>()?;
        let sealed = Sealed {
            length,
            table: take.u64()?,
            blocks: take.u32()?,
            pairs: take.u32()?,
            oldest: take_id(&mut take)?,
            newest: take_id(&mut take)?,
        };
        let parts = many(sealed.blocks, IN_TABLE) + many(sealed.pairs, PAIR);
        let is_whole = mark == END && sealed.table.checked_add(parts) == Some(at);
        is_whole.then_some(sealed)
    };
    Ok(parse())
}

/// The octets of so many parts of this length.
fn many(count: u32, length: usize) -> u64 {
    u64::from(count).saturating_mul(octets(length))
}

fn take_id(take: &mut Take<'_>) -> Option<EventId> {
    take.array().map(|key| EventId(MessageId::from_key(key)))
}

impl Head {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Self::empty(file))
    }

    fn empty(file: File) -> Self {
        Self {
            file,
            length: 0,
            blocks: Vec::new(),
            pairs: Vec::new(),
            events: 0,
        }
    }

    /// Reads all blocks up to one that is not whole.
    fn recover(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let mut head = Self::empty(file);
        while let Some((block, events)) = read_next(&head.file, head.length, length)? {
            let number = u32::try_from(head.blocks.len()).unwrap_or(u32::MAX);
            let keys = events.iter().flat_map(TraceEvent::keys);
            let mut digests: Vec<_> = keys.map(|key| key.digest()).collect();
            digests.sort_unstable();
            digests.dedup();
            head.pairs
                .extend(digests.into_iter().map(|digest| (digest, number)));
            head.events += events.len();
            head.length += block.length;
            head.blocks.push(block);
        }
        if head.length < length {
            head.file.set_len(head.length)?;
        }
        Ok(head)
    }

    /// Appends pages. After an error nothing of them is there.
    pub(super) fn append(&mut self, pages: &[Page]) -> io::Result<()> {
        let mut written = Vec::new();
        let mut blocks = Vec::with_capacity(pages.len());
        for page in pages {
            let block = put_block(&mut written, page);
            blocks.push(Block {
                offset: self.length + block.offset,
                ..block
            });
        }
        if let Err(error) = self.file.write_all_at(&written, self.length) {
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += octets(written.len());
        for (block, page) in blocks.into_iter().zip(pages) {
            let number = u32::try_from(self.blocks.len()).unwrap_or(u32::MAX);
            let pairs = page.digests.iter().map(|&digest| (digest, number));
            self.pairs.extend(pairs);
            self.blocks.push(block);
            self.events += page.events;
        }
        Ok(())
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The oldest and the newest event; none without any.
    pub(super) fn span(&self) -> Option<(EventId, EventId)> {
        let oldest = self.blocks.iter().map(|block| block.oldest).min()?;
        let newest = self.blocks.iter().map(|block| block.newest).max()?;
        Some((oldest, newest))
    }

    /// Writes what finds the blocks. After an error the file is as it was.
    pub(super) fn seal(&mut self) -> io::Result<Option<Sealed>> {
        let Some((oldest, newest)) = self.span() else {
            return Ok(None);
        };
        self.pairs.sort_unstable();
        let mut written = Vec::new();
        for block in &self.blocks {
            written.extend(block.offset.to_be_bytes());
            written.extend(
                u32::try_from(block.length)
                    .unwrap_or(u32::MAX)
                    .to_be_bytes(),
            );
            written.extend(block.oldest.0.to_key());
            written.extend(block.newest.0.to_key());
        }
        for (digest, number) in &self.pairs {
            written.extend(digest.to_be_bytes());
            written.extend(number.to_be_bytes());
        }
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let sealed = Sealed {
            length: self.length + octets(written.len() + AT_END),
            oldest,
            newest,
            table: self.length,
            blocks: count(self.blocks.len()),
            pairs: count(self.pairs.len()),
        };
        written.extend(END);
        written.extend(sealed.table.to_be_bytes());
        written.extend(sealed.blocks.to_be_bytes());
        written.extend(sealed.pairs.to_be_bytes());
        written.extend(oldest.0.to_key());
        written.extend(newest.0.to_key());
        if let Err(error) = self.file.write_all_at(&written, self.length) {
            self.file.set_len(self.length)?;
            return Err(error);
        }
        Ok(Some(sealed))
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// The blocks that may have a key, or all.
    pub(super) fn blocks(&self, key: Option<&TraceKey>) -> Vec<Block> {
        let Some(key) = key else {
            return self.blocks.clone();
        };
        let digest = key.digest();
        let with_key = self.pairs.iter().filter(|(found, _)| *found == digest);
        let blocks = with_key.filter_map(|(_, number)| self.blocks.get(*number as usize));
        blocks.copied().collect()
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }
}

impl Sealed {
    /// The blocks that may have a key, or all.
    pub(super) fn blocks(&self, file: &File, key: Option<&TraceKey>) -> io::Result<Vec<Block>> {
        let numbers = match key {
            Some(key) => self.with_digest(file, key.digest())?,
            None => (0..self.blocks).collect(),
        };
        let mut blocks = Vec::with_capacity(numbers.len());
        for number in numbers {
            let mut row = [0; IN_TABLE];
            file.read_exact_at(&mut row, self.table + many(number, IN_TABLE))?;
            blocks.extend(Block::decode(&row));
        }
        Ok(blocks)
    }

    /// The numbers of blocks that have a digest: by halves until they are near, then at once.
    fn with_digest(&self, file: &File, digest: u32) -> io::Result<Vec<u32>> {
        let (mut low, mut high) = (0, self.pairs);
        while high - low > NEAR {
            let middle = low + (high - low) / 2;
            match self.pairs_at(file, middle, 1)?.first() {
                Some((found, _)) if *found < digest => low = middle,
                _ => high = middle,
            }
        }
        let mut numbers = Vec::new();
        let mut at = low;
        while at < self.pairs {
            let some = self.pairs_at(file, at, NEAR.min(self.pairs - at))?;
            let with_digest = some.iter().filter(|(found, _)| *found == digest);
            numbers.extend(with_digest.map(|(_, number)| *number));
            if some.last().is_none_or(|(last, _)| *last > digest) {
                break;
            }
            at += NEAR;
        }
        numbers.retain(|number| *number < self.blocks);
        Ok(numbers)
    }

    fn pairs_at(&self, file: &File, first: u32, count: u32) -> io::Result<Vec<(u32, u32)>> {
        let mut read = vec![0; PAIR.saturating_mul(count as usize)];
        let pairs = self.table + many(self.blocks, IN_TABLE);
        file.read_exact_at(&mut read, pairs + many(first, PAIR))?;
        let mut take = Take(&read);
        let next = || Some((take.u32()?, take.u32()?));
        Ok(std::iter::from_fn(next).collect())
    }
}

impl Block {
    /// A row of the table.
    fn decode(row: &[u8]) -> Option<Self> {
        let mut take = Take(row);
        Some(Self {
            offset: take.u64()?,
            length: take.u32()?.into(),
            oldest: take_id(&mut take)?,
            newest: take_id(&mut take)?,
        })
    }

    /// Its events; none if it is damaged.
    pub(super) fn read(&self, file: &File) -> io::Result<Option<Vec<TraceEvent>>> {
        let found = read_next(file, self.offset, u64::MAX);
        match found {
            Ok(found) => Ok(found.map(|(_, events)| events)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Appends a block; its offset is the one in `out`.
fn put_block(out: &mut Vec<u8>, page: &Page) -> Block {
    let offset = octets(out.len());
    let mut rest = Vec::with_capacity(32 + page.octets.len() / 2);
    rest.extend(page.oldest.0.to_key());
    rest.extend(page.newest.0.to_key());
    rest.extend(lz4_flex::block::compress_prepend_size(&page.octets));
    out.extend(BLOCK);
    out.extend(u32::try_from(rest.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(xxh3_64(&rest).to_be_bytes());
    out.extend(&rest);
    Block {
        offset,
        length: octets(out.len()) - offset,
        oldest: page.oldest,
        newest: page.newest,
    }
}

/// The block at an offset; none if there is no whole one that ends at `end` or before.
fn read_next(file: &File, offset: u64, end: u64) -> io::Result<Option<(Block, Vec<TraceEvent>)>> {
    let Some(room) = end.saturating_sub(offset).checked_sub(octets(PREAMBLE)) else {
        return Ok(None);
    };
    let mut preamble = [0; PREAMBLE];
    file.read_exact_at(&mut preamble, offset)?;
    let mut take = Take(&preamble);
    let (Some(mark), Some(length), Some(checksum)) = (take.array(), take.u32(), take.u64()) else {
        return Ok(None);
    };
    let length = length as usize;
    if mark != BLOCK || length > LARGEST_BLOCK || octets(length) > room {
        return Ok(None);
    }
    let mut rest = vec![0; length];
    file.read_exact_at(&mut rest, offset + octets(PREAMBLE))?;
    if xxh3_64(&rest) != checksum {
        return Ok(None);
    }
    Ok(parse_rest(&rest).map(|(oldest, newest, events)| {
        let block = Block {
            offset,
            length: octets(PREAMBLE + length),
            oldest,
            newest,
        };
        (block, events)
    }))
}

fn parse_rest(rest: &[u8]) -> Option<(EventId, EventId, Vec<TraceEvent>)> {
    let mut take = Take(rest);
    let (oldest, newest) = (take_id(&mut take)?, take_id(&mut take)?);
    let page = lz4_flex::block::decompress_size_prepended(take.0).ok()?;
    Some((oldest, newest, unpack(&page)?))
}
