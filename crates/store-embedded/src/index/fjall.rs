//! The index in `fjall`: one keyspace, in which each space has its own first octet.
//!
//! One and not ten, since a journal can go only when every keyspace that has something in it has
//! written that to a table. Quiet keyspaces would keep long journals, which an opening has to read;
//! and each keyspace costs some fifteen syncs when a store is made.

use std::ops::Bound;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};

use crate::disk::make_private_folder;

use super::{Change, Index, IndexError, Snapshot, Space, Visit, behind_prefix, journal};

const MIB: u64 = 1024 * 1024;

/// What was written and is not sorted into tables yet: the larger, the more memory, and the more
/// there is to read when opening after a crash; the smaller, the more tables.
const MEMTABLE: u64 = 4 * MIB;

/// Bounds the journals; the smallest that fjall takes. The memtable keeps them far below it.
const JOURNALS: u64 = 64 * MIB;

pub(crate) struct FjallIndex {
    rows: Rows,
    database: Database,
    /// Ends when the last snapshot is dropped.
    last_reader: Mutex<Receiver<()>>,
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
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE);
        let keyspace = database.keyspace("rows", options).map_err(failed)?;
        let (alive, last_reader) = sync_channel(0);
        Ok(Self {
            rows: Rows {
                keyspace,
                _alive: alive,
            },
            database,
            last_reader: Mutex::new(last_reader),
        })
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

    /// fjall's own lock is released with the last keyspace, and every snapshot has those.
    fn close(self: Box<Self>) {
        let Self {
            rows,
            database,
            last_reader,
        } = *self;
        drop(rows);
        let readers = last_reader
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let _all_senders_are_gone = readers.recv();
        drop(database);
    }
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
