//! Reads typed values out of a layer, and collects what is wrong.

use crate::error::Problem;
use crate::layer::{Layer, Placed};
use crate::value::Value;

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
        match self.layer.values.get(key) {
            Some(placed) => self.read(key, placed),
            None => {
                // The parity test keeps this from happening: every field is in `default.toml`.
                self.missing::<T>("default.toml".to_owned(), key);
                None
            }
        }
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
        match entry.keys.get(key) {
            Some(placed) => self.read(&format!("listener.{key}"), placed),
            None if absent.is_some() => absent,
            None => {
                self.missing::<T>(entry.origin.to_string(), &format!("listener.{key}"));
                None
            }
        }
    }

    fn read<T: Value>(&mut self, key: &str, placed: &Placed) -> Option<T> {
        let value = T::read(&placed.raw);
        if value.is_none() {
            self.problems.push(Problem {
                place: placed.origin.to_string(),
                key: key.to_owned(),
                text: format!("expected {}, got {}", T::EXPECTED, placed.raw),
            });
        }
        value
    }

    fn missing<T: Value>(&mut self, place: String, key: &str) {
        let text = format!("is missing; expected {}", T::EXPECTED);
        self.problems.push(Problem {
            place,
            key: key.to_owned(),
            text,
        });
    }
}
