//! Reads typed values out of a layer, and collects what is wrong.

use std::ops::RangeInclusive;

use crate::error::Problem;
use crate::layer::{Layer, Placed};
use crate::value::{Measure, Value};

/// Reads one layer.
pub(crate) struct Reader<'a> {
    layer: &'a Layer,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(layer: &'a Layer) -> Self {
        Self {
            layer,
            problems: Vec::new(),
        }
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// A setting by its dotted key.
    pub(crate) fn value<T: Value>(&mut self, key: &str) -> Option<T> {
        self.read(key, T::read, &T::expected())
    }

    /// A setting by its dotted key, if it is between two bounds.
    pub(crate) fn measure<T: Measure>(
        &mut self,
        key: &str,
        bounds: &RangeInclusive<T>,
    ) -> Option<T> {
        let read = |raw: &_| T::read(raw).filter(|value| bounds.contains(value));
        let expected = T::expected_between(bounds.start(), bounds.end());
        self.read(key, read, &expected)
    }

    fn read<T>(
        &mut self,
        key: &str,
        read: impl Fn(&crate::layer::Raw) -> Option<T>,
        expected: &str,
    ) -> Option<T> {
        // The parity test keeps this from happening: every field is in `default.toml`.
        let Some(placed) = self.layer.values.get(key) else {
            self.missing("default.toml".to_owned(), key, expected);
            return None;
        };
        let value = read(&placed.raw);
        if value.is_none() {
            self.wrong(key, placed, expected);
        }
        value
    }

    /// How many listeners there are.
    pub(crate) fn listeners(&self) -> usize {
        self.layer.listeners.len()
    }

    /// A key of one listener; `absent` when it need not be named.
    pub(crate) fn of_listener<T: Value>(
        &mut self,
        index: usize,
        key: &str,
        absent: Option<T>,
    ) -> Option<T> {
        let entry = &self.layer.listeners[index];
        let path = format!("listener.{key}");
        let Some(placed) = entry.keys.get(key) else {
            if absent.is_none() {
                self.missing(entry.origin.to_string(), &path, &T::expected());
            }
            return absent;
        };
        let value = T::read(&placed.raw);
        if value.is_none() {
            self.wrong(&path, placed, &T::expected());
        }
        value
    }

    fn wrong(&mut self, key: &str, placed: &Placed, expected: &str) {
        self.problems.push(Problem {
            place: placed.origin.to_string(),
            key: key.to_owned(),
            text: format!("expected {expected}, got {}", placed.raw),
        });
    }

    fn missing(&mut self, place: String, key: &str, expected: &str) {
        self.problems.push(Problem {
            place,
            key: key.to_owned(),
            text: format!("is missing; expected {expected}"),
        });
    }
}
