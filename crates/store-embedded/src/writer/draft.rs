//! The index as it will be after the group: the last safe state, and the changes on top of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::index::{Change, IndexError, Key, Snapshot};

/// None removes the row.
type NewValue = Option<Vec<u8>>;

/// Changes that are made together or not at all.
pub(crate) struct Draft {
    base: Arc<dyn Snapshot>,
    changes: BTreeMap<Key, NewValue>,
    /// What the changes of the step in progress were before it.
    undo: Vec<(Key, Option<NewValue>)>,
}

impl Draft {
    pub(crate) fn new(base: Arc<dyn Snapshot>) -> Self {
        Self {
            base,
            changes: BTreeMap::new(),
            undo: Vec::new(),
        }
    }

    /// A step begins that can be undone.
    pub(crate) fn begin_step(&mut self) {
        self.undo.clear();
    }

    /// Takes back what was changed since the step began.
    pub(crate) fn undo_step(&mut self) {
        for (key, before) in self.undo.drain(..).rev() {
            match before {
                Some(value) => self.changes.insert(key, value),
                None => self.changes.remove(&key),
            };
        }
    }

    pub(crate) fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, IndexError> {
        match self.changes.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.base.get(key.0, &key.1),
        }
    }

    pub(crate) fn put(&mut self, key: Key, value: Vec<u8>) {
        self.change(key, Some(value));
    }

    pub(crate) fn remove(&mut self, key: Key) {
        self.change(key, None);
    }

    fn change(&mut self, key: Key, value: Option<Vec<u8>>) {
        let before = self.changes.insert(key.clone(), value);
        self.undo.push((key, before));
    }

    /// The state below the changes.
    pub(crate) fn base(&self) -> &Arc<dyn Snapshot> {
        &self.base
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(crate) fn into_changes(self) -> Vec<Change> {
        self.changes.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::World;
    use crate::index::{Index as _, SimulatedIndex, Space};

    #[test]
    fn a_step_that_is_undone_leaves_what_was_before_it() {
        let index = SimulatedIndex::open(&World::new(1));
        let key = |name: &str| (Space::Meta, name.as_bytes().to_vec());
        index.apply(vec![(key("old"), Some(vec![1]))]).unwrap();
        let mut draft = Draft::new(index.snapshot());
        draft.put(key("first"), vec![2]);
        draft.begin_step();
        draft.put(key("first"), vec![3]);
        draft.put(key("first"), vec![4]);
        draft.remove(key("old"));
        assert_eq!(draft.get(&key("old")).unwrap(), None);
        draft.undo_step();
        assert_eq!(draft.get(&key("old")).unwrap(), Some(vec![1]));
        assert_eq!(draft.into_changes(), [(key("first"), Some(vec![2]))]);
    }
}
