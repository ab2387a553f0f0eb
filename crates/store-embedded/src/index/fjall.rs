//! The index in `fjall`: one keyspace, in which each space has its own first octet.
//!
//! One and not ten, since a journal can go only when every keyspace that has something in it has
//! written that to a table. Quiet keyspaces would keep long journals, which an opening has to read;
//! and each keyspace costs some fifteen syncs when a store is made.

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use fjall::config::PartitioningPolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};

use crate::disk::make_private_folder;

use super::{Change, Index, IndexError, Snapshot, Space, Visit, behind_prefix, journal};

const MIB: u64 = 1024 * 1024;

/// What was written and is not sorted into tables yet: the larger, the more memory, and the more
/// there is to read when opening after a crash; the smaller, the more tables.
const MEMTABLE: u64 = 4 * MIB;

/// Bounds the journals; the smallest that fjall takes. It begins a new one after 64 MB, whatever
/// the memtable: an opening after a crash reads up to so much, some 0.2 s of processor time for
/// each 10 MiB. After an orderly end there is nothing to read, see [`FjallIndex::settle`].
const JOURNALS: u64 = 64 * MIB;

pub(crate) struct FjallIndex {
    rows: Rows,
    database: Database,
    /// Ends when the last snapshot is dropped.
    last_reader: Mutex<Receiver<()>>,
    folder: PathBuf,
    /// Everything that the journal has is in tables, too.
    is_settled: AtomicBool,
}

#[derive(Clone)]
struct Rows {
    keyspace: Keyspace,
    _alive: SyncSender<()>,
}

impl FjallIndex {
    /// Whether there is an index in a folder; making one was finished when it is.
    pub(crate) fn is_at(folder: &Path) -> bool {
        folder.join("version").is_file()
    }

    /// Opens the index in a folder; makes one if there is none.
    pub(crate) fn open(folder: &Path, cache: u64) -> Result<Self, IndexError> {
        let failed = |error: fjall::Error| IndexError::new("open", error);
        // fjall lets others read its files.
        make_private_folder(folder).map_err(|error| IndexError::new("make", error))?;
        journal::make_whole(folder).map_err(|error| IndexError::new("open", error))?;
        let database = Database::builder(folder)
            .cache_size(cache)
            .max_cached_files(Some(64))
            .max_journaling_size(JOURNALS)
            .manual_journal_persist(true)
            .worker_threads(1)
            .open()
            .map_err(failed)?;
        let keyspace = database.keyspace("rows", options).map_err(failed)?;
        let (alive, last_reader) = sync_channel(0);
        Ok(Self {
            rows: Rows {
                keyspace,
                _alive: alive,
            },
            database,
            last_reader: Mutex::new(last_reader),
            folder: folder.to_owned(),
            is_settled: AtomicBool::new(false),
        })
    }
}

/// Filters and indexes of merged tables are in parts of 4 KiB. As single blocks they grow with the
/// table, do not stay in a small cache, and are read and verified again by each look: a delivery
/// took 0.81 ms of processor time with 250 000 messages for 90 000 accounts, with parts 0.14 ms.
/// Tables that are not merged are small and have theirs in memory.
///
/// fjall keeps these options with the index: one that was made with others keeps those.
fn options() -> KeyspaceCreateOptions {
    const IN_PARTS: [bool; 2] = [false, true];
    KeyspaceCreateOptions::default()
        .max_memtable_size(MEMTABLE)
        .filter_block_partitioning_policy(PartitioningPolicy::new(IN_PARTS))
        .index_block_partitioning_policy(PartitioningPolicy::new(IN_PARTS))
}

impl Rows {
    /// Writes the memtable to tables, which fjall syncs; answers whether that was done in time.
    fn write_tables(&self) -> fjall::Result<bool> {
        const LOOKS: u32 = 2000;
        let is_written = || self.keyspace.sealed_memtable_count() == 0;
        let in_time = || {
            (0..LOOKS).any(|_| {
                // Nothing tells when fjall's worker has written a table.
                let written = is_written();
                if !written {
                    thread::sleep(Duration::from_millis(1));
                }
                written
            })
        };
        // The first rotation takes what is there; when another finds nothing, all of it is written.
        while self.keyspace.rotate_memtable()? {
            if !in_time() {
                return Ok(false);
            }
        }
        Ok(in_time())
    }
}

/// A key as fjall has it.
fn whole(space: Space, key: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(key.len().saturating_add(1));
    whole.push(space.tag());
    whole.extend_from_slice(key);
    whole
}

impl Index for FjallIndex {
    fn apply(&self, changes: Vec<Change>) -> Result<(), IndexError> {
        self.is_settled.store(false, Ordering::Relaxed);
        let mut batch = fjall::OwnedWriteBatch::with_capacity(self.database.clone(), changes.len());
        for ((space, key), value) in changes {
            let key = whole(space, &key);
            match value {
                Some(value) => batch.insert(&self.rows.keyspace, key, value),
                None => batch.remove(&self.rows.keyspace, key),
            }
        }
        batch
            .commit()
            .map_err(|error| IndexError::new("write to", error))
    }

    fn sync(&self) -> Result<(), IndexError> {
        self.database
            .persist(PersistMode::SyncData)
            .map_err(|error| IndexError::new("sync", error))
    }

    fn snapshot(&self) -> Arc<dyn Snapshot> {
        Arc::new(FjallSnapshot {
            rows: self.rows.clone(),
            snapshot: self.database.snapshot(),
        })
    }

    fn settle(&self) {
        match self.rows.write_tables() {
            Ok(is_written) => self.is_settled.store(is_written, Ordering::Relaxed),
            Err(error) => journal_stays(&error),
        }
    }

    /// fjall's own lock is released with the last keyspace, and every snapshot has those.
    fn close(self: Box<Self>) {
        let Self {
            rows,
            database,
            last_reader,
            folder,
            is_settled,
        } = *self;
        drop(rows);
        let readers = last_reader
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let _all_senders_are_gone = readers.recv();
        drop(database);
        if is_settled.into_inner()
            && let Err(error) = journal::empty(&folder)
        {
            journal_stays(&error);
        }
    }
}

fn journal_stays(error: &dyn std::error::Error) {
    let text = "the next opening reads the journal again";
    tracing::warn!(event = crate::MAINTAINED, %error, "{text}");
}

struct FjallSnapshot {
    snapshot: fjall::Snapshot,
    rows: Rows,
}

impl Snapshot for FjallSnapshot {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        let found = self.snapshot.get(&self.rows.keyspace, whole(space, key));
        let found = found.map_err(|error| IndexError::new("read", error))?;
        Ok(found.map(|value| value.to_vec()))
    }

    fn scan(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: Visit<'_>,
    ) -> Result<(), IndexError> {
        let from = match after {
            Some(after) => Bound::Excluded(whole(space, after)),
            None => Bound::Included(whole(space, prefix)),
        };
        let to = behind_prefix(&whole(space, prefix)).map_or(Bound::Unbounded, Bound::Excluded);
        for pair in self.snapshot.range(&self.rows.keyspace, (from, to)) {
            let (key, value) = pair
                .into_inner()
                .map_err(|error| IndexError::new("read", error))?;
            if visit(key.get(1..).unwrap_or_default(), &value).is_break() {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CACHE: u64 = MIB;

    fn row(number: u32) -> Change {
        let key = (Space::Message, number.to_be_bytes().to_vec());
        (key, Some(vec![7; 100]))
    }

    fn count(index: &FjallIndex) -> usize {
        let mut rows = 0;
        let visit: Visit<'_> = &mut |_, _| {
            rows += 1;
            std::ops::ControlFlow::Continue(())
        };
        index
            .snapshot()
            .scan(Space::Message, &[], None, visit)
            .unwrap();
        rows
    }

    fn journal_length(folder: &Path) -> u64 {
        folder.join("0.jnl").metadata().unwrap().len()
    }

    #[test]
    fn after_settling_the_next_opening_has_no_journal_to_read() {
        let folder = tempfile::tempdir().unwrap();
        for life in 1..=3_u32 {
            let index = FjallIndex::open(folder.path(), CACHE).unwrap();
            assert_eq!(count(&index), 50 * (life as usize - 1));
            for number in 0..50 {
                index.apply(vec![row(1000 * life + number)]).unwrap();
            }
            index.sync().unwrap();
            index.settle();
            Box::new(index).close();
            assert_eq!(journal_length(folder.path()), 0);
        }
    }

    #[test]
    fn what_was_applied_after_settling_keeps_its_journal() {
        let folder = tempfile::tempdir().unwrap();
        let index = FjallIndex::open(folder.path(), CACHE).unwrap();
        index.apply(vec![row(1)]).unwrap();
        index.settle();
        index.apply(vec![row(2)]).unwrap();
        index.sync().unwrap();
        Box::new(index).close();
        assert!(journal_length(folder.path()) > 0);
        let index = FjallIndex::open(folder.path(), CACHE).unwrap();
        assert_eq!(count(&index), 2);
    }

    /// Octets that this thread has read from files so far.
    fn read_so_far() -> u64 {
        let told = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        let read = told.lines().find_map(|line| line.strip_prefix("rchar: "));
        read.unwrap().parse().unwrap()
    }

    #[test]
    fn a_look_reads_a_few_blocks_however_many_rows_there_are() {
        const ROWS: u32 = 300_000;
        const LOOKS: u32 = 1000;
        /// Of all tables that may have the row: part of the filter, part of the index, the rows.
        const MOST: u64 = 32 * 1024;
        let folder = tempfile::tempdir().unwrap();
        let index = FjallIndex::open(folder.path(), CACHE).unwrap();
        // In no order, so that tables have to be merged.
        let rows: Vec<u32> = (0..ROWS).map(|row| row * 7919 % ROWS).collect();
        for rows in rows.chunks(1000) {
            index
                .apply(rows.iter().copied().map(row).collect())
                .unwrap();
        }
        index.settle();
        let before = read_so_far();
        for look in 0..LOOKS {
            let number = look.wrapping_mul(2_654_435_761) % ROWS;
            let (key, value) = row(number);
            let found = index.snapshot().get(key.0, &key.1).unwrap();
            assert_eq!(found, value, "{number}");
        }
        let each = (read_so_far() - before) / u64::from(LOOKS);
        assert!(each <= MOST, "a look reads {each} octets");
    }
}
