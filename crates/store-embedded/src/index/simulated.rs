//! An index in memory; a crash leaves any prefix of its batches that contains the synced ones.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Change, Index, IndexError, Snapshot, Space, Visit};
use crate::disk::{Draw, Whole, World, injected};

type Rows = BTreeMap<(Space, Vec<u8>), Vec<u8>>;

/// The index of a simulated machine.
pub(crate) struct SimulatedIndex {
    world: World,
    rows: Mutex<Arc<Rows>>,
}

impl SimulatedIndex {
    /// Opens what the world kept.
    pub(crate) fn open(world: &World) -> Self {
        let mut rows = Rows::new();
        for batch in &world.state().batches {
            change(&mut rows, batch);
        }
        Self {
            world: world.clone(),
            rows: Mutex::new(Arc::new(rows)),
        }
    }
}

fn change(rows: &mut Rows, batch: &[Change]) {
    for (key, value) in batch {
        match value {
            Some(value) => rows.insert(key.clone(), value.clone()),
            None => rows.remove(key),
        };
    }
}

impl Index for SimulatedIndex {
    /// A batch that failed may be there or not.
    fn apply(&self, batch: Vec<Change>) -> Result<(), IndexError> {
        let mut state = self.world.state();
        let failed = |error| IndexError::new("write to", error);
        let whole = state.begin_operation().map_err(failed)?;
        let is_kept = whole == Whole::Yes || state.random().chance(2);
        if is_kept {
            let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
            change(Arc::make_mut(&mut rows), &batch);
            state.batches.push(batch);
        }
        match whole {
            Whole::Yes => Ok(()),
            Whole::No => Err(failed(injected())),
        }
    }

    fn sync(&self) -> Result<(), IndexError> {
        let mut state = self.world.state();
        let failed = |error| IndexError::new("sync", error);
        match state.begin_operation().map_err(failed)? {
            Whole::Yes => {
                state.synced_batches = state.batches.len();
                Ok(())
            }
            Whole::No => Err(failed(injected())),
        }
    }

    fn snapshot(&self) -> Arc<dyn Snapshot> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::new(SimulatedSnapshot {
            rows: Arc::clone(&rows),
        })
    }

    fn close(self: Box<Self>) {}
}

struct SimulatedSnapshot {
    rows: Arc<Rows>,
}

impl Snapshot for SimulatedSnapshot {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(self.rows.get(&(space, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: Visit<'_>,
    ) -> Result<(), IndexError> {
        let from = match after {
            Some(after) => Bound::Excluded((space, after.to_vec())),
            None => Bound::Included((space, prefix.to_vec())),
        };
        for ((found, key), value) in self.rows.range((from, Bound::Unbounded)) {
            let is_within = *found == space && key.starts_with(prefix);
            if !is_within || visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }
}
