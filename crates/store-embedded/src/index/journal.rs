//! The journals of fjall, looked at before fjall does.
//!
//! fjall takes the first octet that it does not understand for the end of a journal and cuts off
//! what lies behind it, so that one flipped bit would lose all later batches without a word; and a
//! batch whose checksum differs keeps it from opening, although a loss of power leaves just that.
//! Since every batch is synced before the next one is written, the two can be told apart: only the
//! last batch of the last journal may be torn, and then it was never acknowledged. It is cut off;
//! everything else is damage, and nothing is changed.
//!
//! | entry | octets |
//! |---|---|
//! | start | 1; how many items, 4; sequence number, 8 |
//! | item | 2; kind, codec; keyspace, 8; lengths: key, 2, value, 4, as kept, 4; key; value |
//! | clear | 4; keyspace, 8 |
//! | end | 3; checksum of the items, 8; a title, 4 |
//!
//! Numbers are little-endian.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const TITLE: [u8; 4] = *b"FJL\x03";

/// Cuts a torn batch off.
///
/// # Errors
/// A journal is damaged, which the text says, or cannot be read. Then nothing is changed.
pub(super) fn make_whole(folder: &Path) -> io::Result<()> {
    let mut journals = journals(folder)?;
    let Some((_, last)) = journals.pop() else {
        return Ok(());
    };
    for (_, sealed) in journals {
        let (whole, behind) = read(&sealed)?;
        if behind > 0 {
            return Err(damage(&sealed, whole));
        }
    }
    let (whole, behind) = read(&last)?;
    if behind > 1 {
        return Err(damage(&last, whole));
    }
    let file = OpenOptions::new().write(true).open(&last)?;
    if file.metadata()?.len() > whole {
        file.set_len(whole)?;
        file.sync_all()?;
    }
    Ok(())
}

/// Empties the journal of an index that is closed, when tables have all of it. More than one
/// journal are left to fjall, which knows what each is for.
pub(super) fn empty(folder: &Path) -> io::Result<()> {
    if let [(_, only)] = journals(folder)?.as_slice() {
        let file = OpenOptions::new().write(true).open(only)?;
        file.set_len(0)?;
        file.sync_all()?;
    }
    Ok(())
}

fn damage(journal: &Path, at: u64) -> io::Error {
    let name = journal.file_name().unwrap_or_default().to_string_lossy();
    let text = format!("{name} is damaged at {at}");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// With their numbers, the oldest first.
fn journals(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_suffix(".jnl")?.parse().ok());
        found.extend(number.map(|number| (number, path)));
    }
    found.sort();
    Ok(found)
}

/// Where the last of the whole batches ends, and how many ends of batches lie behind it.
fn read(journal: &Path) -> io::Result<(u64, usize)> {
    let file = File::open(journal)?;
    let length = file.metadata()?.len();
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    let (mut whole, mut last) = (0, None);
    // The checksum does not cover the number, but it only grows.
    while let Some(batch) = read_batch(&mut reader, length - whole)?
        && last < Some(batch.number)
    {
        whole += batch.length;
        last = Some(batch.number);
    }
    reader.seek(SeekFrom::Start(whole))?;
    Ok((whole, count_ends(&mut reader)?))
}

struct Batch {
    number: u64,
    length: u64,
}

/// The next batch; none if there is no whole one that is no longer than `room`.
fn read_batch(reader: &mut impl Read, room: u64) -> io::Result<Option<Batch>> {
    let mut counted = Counted { reader, read: 0 };
    match counted.batch(room) {
        Ok(number) => Ok(number.map(|number| Batch {
            number,
            length: counted.read,
        })),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

struct Counted<'r, R> {
    reader: &'r mut R,
    read: u64,
}

impl<R: Read> Counted<'_, R> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut octets = [0; N];
        self.reader.read_exact(&mut octets)?;
        self.read = self.read.saturating_add(N as u64);
        Ok(octets)
    }

    /// The number of a whole batch.
    fn batch(&mut self, room: u64) -> io::Result<Option<u64>> {
        if self.array()? != [START] {
            return Ok(None);
        }
        let items = u32::from_le_bytes(self.array()?);
        let number = u64::from_le_bytes(self.array()?);
        let mut checksum = Xxh3::new();
        let mut octets = Vec::new();
        for _ in 0..items {
            if !self.item(&mut octets, room)? {
                return Ok(None);
            }
            checksum.update(&octets);
        }
        let tag: [u8; 1] = self.array()?;
        let expected = u64::from_le_bytes(self.array()?);
        let title: [u8; 4] = self.array()?;
        let is_whole = tag == [END] && title == TITLE && expected == checksum.digest();
        Ok(is_whole.then_some(number))
    }

    /// Reads an item as it is.
    fn item(&mut self, octets: &mut Vec<u8>, room: u64) -> io::Result<bool> {
        octets.clear();
        let tag: [u8; 1] = self.array()?;
        octets.extend(tag);
        if tag == [CLEAR] {
            octets.extend(self.array::<8>()?);
            return Ok(true);
        }
        octets.extend(self.array::<10>()?);
        let (key, value, kept): ([u8; 2], [u8; 4], [u8; 4]) =
            (self.array()?, self.array()?, self.array()?);
        octets.extend(key.into_iter().chain(value).chain(kept));
        let length = u64::from(u16::from_le_bytes(key)) + u64::from(u32::from_le_bytes(kept));
        if tag != [ITEM] || length > room {
            return Ok(false);
        }
        let before = octets.len();
        self.reader.by_ref().take(length).read_to_end(octets)?;
        self.read = self.read.saturating_add(length);
        Ok((octets.len() - before) as u64 == length)
    }
}

/// How many batches end in the rest of a journal.
fn count_ends(reader: &mut impl Read) -> io::Result<usize> {
    const STEP: u64 = 1024 * 1024;
    const LENGTH: usize = 1 + 8 + TITLE.len();
    let mut octets = Vec::new();
    let mut ends = 0;
    loop {
        let before = octets.len();
        reader.by_ref().take(STEP).read_to_end(&mut octets)?;
        if octets.len() == before {
            return Ok(ends);
        }
        let is_end = |at: &usize| at.checked_sub(9).and_then(|tag| octets.get(tag)) == Some(&END);
        ends += memchr::memmem::find_iter(&octets, &TITLE)
            .filter(is_end)
            .count();
        // One that lies across the border is found once: the title must be whole.
        let kept = octets.len().min(LENGTH - 1);
        octets.drain(..octets.len() - kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(number: u64, value: &[u8]) -> Vec<u8> {
        let mut item = vec![ITEM, 0, 0];
        item.extend(7_u64.to_le_bytes());
        item.extend(3_u16.to_le_bytes());
        let length = u32::try_from(value.len()).unwrap();
        item.extend(length.to_le_bytes());
        item.extend(length.to_le_bytes());
        item.extend(b"key");
        item.extend(value);
        let mut batch = vec![START];
        batch.extend(1_u32.to_le_bytes());
        batch.extend(number.to_le_bytes());
        batch.extend(&item);
        batch.push(END);
        batch.extend(xxhash_rust::xxh3::xxh3_64(&item).to_le_bytes());
        batch.extend(TITLE);
        batch
    }

    fn journal(octets: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.jnl");
        fs::write(&path, octets).unwrap();
        (folder, path)
    }

    #[test]
    fn what_fjall_writes_is_understood() {
        let folder = tempfile::tempdir().unwrap();
        let database = fjall::Database::builder(folder.path()).open().unwrap();
        let options = fjall::KeyspaceCreateOptions::default;
        let keyspace = database.keyspace("some", options).unwrap();
        for n in 0..100_u8 {
            let mut batch = database.batch();
            batch.insert(&keyspace, [n], vec![n; 100]);
            batch.remove(&keyspace, [n / 2]);
            batch.commit().unwrap();
        }
        database.persist(fjall::PersistMode::SyncAll).unwrap();
        let (whole, behind) = read(&folder.path().join("0.jnl")).unwrap();
        assert!(whole > 100 * 150, "{whole}");
        assert_eq!(behind, 0);
    }

    #[test]
    fn the_last_batch_may_be_torn_anywhere() {
        let first = batch(8, b"first");
        let second = batch(9, &[b'x'; 300]);
        for at in 0..second.len() {
            let mut torn = second.clone();
            torn[at..].fill(0);
            let (folder, path) = journal(&[&first[..], &torn, &[0; 5000]].concat());
            make_whole(folder.path()).unwrap();
            assert_eq!(fs::read(&path).unwrap(), first);
            // A page in its middle was not written.
            let mut torn = second.clone();
            torn[at] ^= 0x40;
            let (folder, path) = journal(&[&first[..], &torn, &[0; 5000]].concat());
            make_whole(folder.path()).unwrap();
            let left = fs::read(&path).unwrap();
            let is_number = (5..13).contains(&at);
            assert!(left == first || is_number, "at {at}");
        }
    }

    #[test]
    fn damage_before_the_last_batch_is_reported_and_changes_nothing() {
        let first = batch(8, b"first");
        let rest = [batch(9, b"second"), batch(10, b"third"), batch(11, b"last")].concat();
        for at in 0..first.len() {
            let mut octets = [&first[..], &rest, &[0; 5000]].concat();
            octets[at] ^= 0x04;
            let (folder, path) = journal(&octets);
            let error = make_whole(folder.path()).unwrap_err().to_string();
            let place = if (5..13).contains(&at) {
                first.len()
            } else {
                0
            };
            assert_eq!(error, format!("0.jnl is damaged at {place}"));
            assert_eq!(fs::read(&path).unwrap(), octets);
        }
    }

    #[test]
    fn a_journal_that_is_not_the_last_is_whole() {
        let (folder, path) = journal(&[batch(1, b"first"), vec![0; 100]].concat());
        fs::write(folder.path().join("1.jnl"), batch(2, b"second")).unwrap();
        make_whole(folder.path()).unwrap();
        let mut octets = batch(1, b"first");
        octets[20] ^= 1;
        fs::write(path, octets).unwrap();
        make_whole(folder.path()).unwrap_err();
    }
}
