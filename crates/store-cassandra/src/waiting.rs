//! Partitions that a data center lacks, in the order in which they are tried.
//!
//! Each is kept once, however often it was changed; one that was changed again while it was read
//! back stays. What cannot be healed yet goes behind the others, so that none holds up the rest.

use std::collections::{HashMap, VecDeque};

use scylla::value::{CqlValue, MaybeUnset};
use xxhash_rust::xxh3::Xxh3;

use crate::engine::Change;
use crate::rows::Row;
use crate::statements::{Cql, Healing};

/// So many partitions are remembered, some 200 octets each; what is more is left to hints and
/// repair, and said.
const MOST: usize = 100_000;

/// Read and key, as a hash: two partitions with the same one will not be met.
type Name = u128;

#[derive(Default)]
pub(crate) struct Waiting {
    partitions: HashMap<Name, Partition>,
    /// The next one in front. Names of those that are healed meanwhile are passed over.
    order: VecDeque<Name>,
    changes: u64,
    healed: u64,
    has_overflown: bool,
}

struct Partition {
    read: Cql,
    key: Row,
    /// Which change was the last one.
    change: u64,
}

/// A partition that is to be read back now.
pub(crate) struct Due {
    name: Name,
    pub(crate) read: Cql,
    pub(crate) key: Row,
    change: u64,
}

impl Waiting {
    pub(crate) fn len(&self) -> usize {
        self.partitions.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    pub(crate) fn has_overflown(&self) -> bool {
        self.has_overflown
    }

    /// Remembers what a change has touched. True when that is too much, for the first time.
    pub(crate) fn add(&mut self, change: &Change) -> bool {
        self.changes += 1;
        let mut overflows = false;
        for (cql, row) in change {
            if let Some(Healing { read, key }) = cql.healing() {
                let key = key.iter().filter_map(|&at| row.get(at).cloned()).collect();
                overflows |= self.add_partition(read, key);
            }
        }
        overflows
    }

    fn add_partition(&mut self, read: Cql, key: Row) -> bool {
        let name = name_of(read, &key);
        if let Some(known) = self.partitions.get_mut(&name) {
            known.change = self.changes;
            return false;
        }
        if self.partitions.len() >= MOST {
            return !std::mem::replace(&mut self.has_overflown, true);
        }
        let change = self.changes;
        self.partitions
            .insert(name, Partition { read, key, change });
        self.order.push_back(name);
        false
    }

    /// The next partitions; they go behind the others.
    pub(crate) fn next(&mut self, most: usize) -> Vec<Due> {
        let mut due = Vec::new();
        for _ in 0..self.order.len() {
            let Some(name) = self.order.pop_front() else {
                break;
            };
            let Some(partition) = self.partitions.get(&name) else {
                continue;
            };
            self.order.push_back(name);
            due.push(Due {
                name,
                read: partition.read,
                key: partition.key.clone(),
                change: partition.change,
            });
            if due.len() == most {
                break;
            }
        }
        due
    }

    /// Forgets a partition that was read back, unless it was changed meanwhile. With the last one,
    /// how many there were.
    pub(crate) fn remove(&mut self, due: &Due) -> Option<u64> {
        let is_same = |partition: &Partition| partition.change == due.change;
        if !self.partitions.get(&due.name).is_some_and(is_same) {
            return None;
        }
        self.partitions.remove(&due.name);
        self.healed += 1;
        if !self.partitions.is_empty() {
            return None;
        }
        self.order.clear();
        self.has_overflown = false;
        Some(std::mem::take(&mut self.healed))
    }
}

fn name_of(read: Cql, key: &Row) -> Name {
    let mut hash = Xxh3::new();
    hash.update(read.text().as_bytes());
    for value in key {
        match value {
            MaybeUnset::Set(CqlValue::Text(text)) => hash.update(text.as_bytes()),
            MaybeUnset::Set(CqlValue::Uuid(id)) => hash.update(id.as_bytes()),
            MaybeUnset::Set(CqlValue::Timeuuid(id)) => hash.update(id.as_bytes()),
            other => hash.update(format!("{other:?}").as_bytes()),
        }
        // Where a value ends belongs to the name.
        hash.update(&[0xff]);
    }
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::row;

    fn change(name: &str) -> Change {
        vec![(Cql::PutDomain, row![name, "entry".as_bytes(), 7_i64])]
    }

    fn names(due: &[Due]) -> Vec<String> {
        let name = |due: &Due| match &due.key[0] {
            MaybeUnset::Set(CqlValue::Text(name)) => name.clone(),
            other => panic!("{other:?}"),
        };
        due.iter().map(name).collect()
    }

    #[test]
    fn a_partition_waits_once_however_often_it_was_changed() {
        let mut waiting = Waiting::default();
        for name in ["a", "b", "a"] {
            waiting.add(&change(name));
        }
        assert_eq!(names(&waiting.next(9)), ["a", "b"]);
    }

    #[test]
    fn what_was_changed_while_it_was_read_back_still_waits() {
        let mut waiting = Waiting::default();
        waiting.add(&change("a"));
        let first = waiting.next(1).remove(0);
        waiting.add(&change("a"));
        assert_eq!(waiting.remove(&first), None);
        assert_eq!(waiting.len(), 1);
        let second = waiting.next(1).remove(0);
        assert_eq!(waiting.remove(&second), Some(1));
        assert!(waiting.is_empty());
    }

    #[test]
    fn what_cannot_be_healed_does_not_hold_up_the_others() {
        let mut waiting = Waiting::default();
        for name in ["a", "b", "c"] {
            waiting.add(&change(name));
        }
        let tried: Vec<_> = (0..4).flat_map(|_| names(&waiting.next(1))).collect();
        assert_eq!(tried, ["a", "b", "c", "a"]);
        let b = waiting.next(1).remove(0);
        assert_eq!(waiting.remove(&b), None);
        assert_eq!(names(&waiting.next(9)), ["c", "a"]);
    }

    #[test]
    fn what_is_too_much_is_said_once_and_is_forgotten_when_all_is_healed() {
        let mut waiting = Waiting::default();
        let mut said = 0;
        for n in 0..MOST + 5 {
            said += usize::from(waiting.add(&change(&n.to_string())));
        }
        assert_eq!((said, waiting.len()), (1, MOST));
        assert!(waiting.has_overflown());
        let due = waiting.next(usize::MAX);
        let ends: Vec<_> = due.iter().filter_map(|due| waiting.remove(due)).collect();
        assert_eq!(ends, [u64::try_from(MOST).unwrap()]);
        assert!(!waiting.has_overflown());
    }
}
