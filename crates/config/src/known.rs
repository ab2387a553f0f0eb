//! Which settings there are, and what to say to somebody who names another.

use crate::error::{Problem, closest};
use crate::layer::{LISTENER, Layer, Origin};
use crate::settings::LISTENER_KEYS;

/// The names in `default.toml`.
pub(crate) struct Known {
    keys: Vec<String>,
    tables: Vec<String>,
}

impl Known {
    /// The names of the base layer.
    pub(crate) fn of(base: &Layer) -> Self {
        Self {
            keys: base.values.keys().cloned().collect(),
            tables: base.tables.keys().cloned().collect(),
        }
    }

    /// What can be set as a whole: the settings, and the list of listeners.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(String::as_str).chain([LISTENER])
    }

    /// What a layer names that is not there, or that is something else.
    pub(crate) fn unknown_keys(&self, layer: &Layer) -> Vec<Problem> {
        let values = layer
            .values
            .iter()
            .map(|(key, placed)| (key, &placed.origin));
        let values = values.filter_map(|(key, origin)| self.unknown_value(key, origin));
        let tables = layer.tables.iter();
        let tables = tables.filter_map(|(key, origin)| self.unknown_table(key, origin, layer));
        let listeners = layer.listeners.iter().flat_map(|entry| &entry.keys);
        let listeners = listeners.filter(|(key, _)| !LISTENER_KEYS.contains(&key.as_str()));
        let listeners = listeners
            .map(|(key, placed)| no_such_setting(key, &placed.origin, LISTENER_KEYS.into_iter()));
        values.chain(tables).chain(listeners).collect()
    }

    fn unknown_value(&self, key: &str, origin: &Origin) -> Option<Problem> {
        if self.keys.iter().any(|known| known == key) {
            None
        } else if key == LISTENER {
            Some(problem(origin, key, LISTENERS_ARE_TABLES.to_owned()))
        } else if self.tables.iter().any(|known| known == key) {
            let text = format!("expected a table; write [{key}] above its settings");
            Some(problem(origin, key, text))
        } else if key.starts_with("listener.") {
            // Said once, of the table.
            None
        } else {
            Some(no_such_setting(key, origin, self.keys()))
        }
    }

    /// What is in an unknown table is unknown too, and says so; only an empty one has to be told
    /// of.
    fn unknown_table(&self, key: &str, origin: &Origin, layer: &Layer) -> Option<Problem> {
        let inside = format!("{key}.");
        let is_empty = !layer.values.keys().any(|value| value.starts_with(&inside));
        if key == LISTENER {
            Some(problem(origin, key, LISTENERS_ARE_TABLES.to_owned()))
        } else if is_empty && !self.tables.iter().any(|known| known == key) {
            let tables = self.tables.iter().map(String::as_str);
            Some(no_such_setting(key, origin, tables))
        } else {
            None
        }
    }
}

const LISTENERS_ARE_TABLES: &str =
    "expected a table for each listener; write [[listener]] above its name, role and addresses";

fn no_such_setting<'a>(
    key: &str,
    origin: &Origin,
    known: impl Iterator<Item = &'a str>,
) -> Problem {
    let text = match closest(key, known) {
        Some(name) => format!("there is no such setting; did you mean {name}?"),
        None => "there is no such setting; list them with: cassmail config default".to_owned(),
    };
    problem(origin, key, text)
}

fn problem(origin: &Origin, key: &str, text: String) -> Problem {
    Problem {
        place: origin.to_string(),
        key: key.to_owned(),
        text,
    }
}
