//! The index in `fjall`.

use std::ops::Bound;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};

use super::{Change, Index, IndexError, Snapshot, Space, Visit, behind_prefix};

const MIB: u64 = 1024 * 1024;

/// Written and not yet sorted into tables: the larger, the more memory; the smaller, the more tables.
const BUSY_MEMTABLE: u64 = 4 * MIB;
const QUIET_MEMTABLE: u64 = MIB;

/// Bounds what opening has to read again; the smallest that fjall takes.
const JOURNALS: u64 = 64 * MIB;

pub(crate) struct FjallIndex {
    spaces: Spaces,
    database: Database,
    /// Ends when the last snapshot is dropped.
    last_reader: Mutex<Receiver<()>>,
}

#[derive(Clone)]
struct Spaces {
    /// In the order of [`Space::ALL`].
    keyspaces: Arc<Vec<Keyspace>>,
    _alive: SyncSender<()>,
}

impl FjallIndex {
    pub(crate) fn open(folder: &Path, cache: u64) -> Result<Self, IndexError> {
        let failed = |error: fjall::Error| IndexError::new("open", error);
        let database = Database::builder(folder)
            .cache_size(cache)
            .max_cached_files(Some(64))
            .max_journaling_size(JOURNALS)
            .manual_journal_persist(true)
            .worker_threads(1)
            .open()
            .map_err(failed)?;
        let keyspaces = Space::ALL
            .iter()
            .map(|&space| database.keyspace(space.name(), || options(space)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        let (alive, last_reader) = sync_channel(0);
        Ok(Self {
            spaces: Spaces {
                keyspaces: Arc::new(keyspaces),
                _alive: alive,
            },
            database,
            last_reader: Mutex::new(last_reader),
        })
    }
}

fn options(space: Space) -> KeyspaceCreateOptions {
    let memtable = match space {
        Space::Maildrop | Space::Message => BUSY_MEMTABLE,
        _ => QUIET_MEMTABLE,
    };
    KeyspaceCreateOptions::default().max_memtable_size(memtable)
}

impl Spaces {
    fn of(&self, space: Space) -> Result<&Keyspace, IndexError> {
        let at = Space::ALL.iter().position(|&other| other == space);
        at.and_then(|at| self.keyspaces.get(at))
            .ok_or_else(|| IndexError::new("read", "a keyspace is missing"))
    }
}

impl Index for FjallIndex {
    fn apply(&self, changes: Vec<Change>) -> Result<(), IndexError> {
        let mut batch = fjall::OwnedWriteBatch::with_capacity(self.database.clone(), changes.len());
        for ((space, key), value) in changes {
            let keyspace = self.spaces.of(space)?;
            match value {
                Some(value) => batch.insert(keyspace, key, value),
                None => batch.remove(keyspace, key),
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
            spaces: self.spaces.clone(),
            snapshot: self.database.snapshot(),
        })
    }

    /// fjall's own lock is released with the last keyspace, and every snapshot has those.
    fn close(self: Box<Self>) {
        let Self {
            spaces,
            database,
            last_reader,
        } = *self;
        drop(spaces);
        let readers = last_reader
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let _all_senders_are_gone = readers.recv();
        drop(database);
    }
}

struct FjallSnapshot {
    snapshot: fjall::Snapshot,
    spaces: Spaces,
}

impl Snapshot for FjallSnapshot {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        let found = self.snapshot.get(self.spaces.of(space)?, key);
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
            Some(after) => Bound::Excluded(after.to_vec()),
            None => Bound::Included(prefix.to_vec()),
        };
        let to = behind_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        for pair in self.snapshot.range(self.spaces.of(space)?, (from, to)) {
            let (key, value) = pair
                .into_inner()
                .map_err(|error| IndexError::new("read", error))?;
            if visit(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }
}
