//! A table with a maximum that forgets what was not looked at for longest.

use std::collections::HashMap;
use std::hash::Hash;

/// What is known of each key that came lately.
///
/// Two halves: what is used moves to the young one; when that is full, the old one is forgotten and
/// the young one grows old. So between half of the maximum and all of it are remembered, the latest
/// always, and nothing is ever searched for what to forget.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// An empty table of at most so many.
    pub(crate) fn at_most(most: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half: most.div_ceil(2).max(1),
        }
    }

    /// What is known of a key, without remembering it for longer.
    pub(crate) fn peek(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// What is known of a key, to change it.
    pub(crate) fn find(&mut self, key: &K) -> Option<&mut V> {
        match self.young.get_mut(key) {
            Some(value) => Some(value),
            None => self.old.get_mut(key),
        }
    }

    /// All that is known, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.young.iter().chain(&self.old)
    }

    /// The same, to change it.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.young.iter_mut().chain(&mut self.old)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

impl<K: Eq + Hash + Clone, V: Default> Recent<K, V> {
    /// What is known of a key, nothing if it is new; remembered as the latest.
    pub(crate) fn entry(&mut self, key: &K) -> &mut V {
        if !self.young.contains_key(key) {
            let known = self.old.remove(key).unwrap_or_default();
            if self.young.len() >= self.half {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(key.clone(), known);
        }
        self.young.entry(key.clone()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_remembered_and_never_more_than_the_maximum() {
        let mut table: Recent<u32, u32> = Recent::at_most(10);
        for key in 0..1000 {
            *table.entry(&key) = key;
            assert!(table.len() <= 10);
            for late in key.saturating_sub(4)..=key {
                assert_eq!(table.peek(&late), Some(&late));
            }
        }
        assert_eq!(table.peek(&900), None);
    }

    #[test]
    fn who_is_looked_at_again_and_again_is_not_forgotten() {
        let mut table: Recent<u32, u32> = Recent::at_most(4);
        *table.entry(&7) = 70;
        for key in 100..200 {
            table.entry(&key);
            assert_eq!(*table.entry(&7), 70);
        }
        *table.find(&7).unwrap() = 71;
        assert_eq!(table.peek(&7), Some(&71));
    }
}
