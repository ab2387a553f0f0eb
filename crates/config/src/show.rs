//! The settings in effect, with their origin.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::layer::{Entry, Loaded, Raw, load};

/// Which settings to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// All of them.
    All,
    /// Only those that differ from the default.
    Changed,
}

/// Writes settings, one a line, as a file that would have the same effect: key, value, and the
/// origin as a comment.
pub fn show(loaded: &Loaded, shown: Shown) -> String {
    // The defaults are right by their own tests; without them everything would be shown.
    let defaults = load(None, [])
        .map(|defaults| defaults.layer)
        .unwrap_or_default();
    let layer = &loaded.layer;
    let mut text = String::new();
    for (key, placed) in &layer.values {
        let is_default = defaults
            .values
            .get(key)
            .is_some_and(|default| default.raw == placed.raw);
        if shown == Shown::All || !is_default {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{key} = {}    # {}", placed.raw, placed.origin);
        }
    }
    if shown == Shown::All || !are_same(&layer.listeners, &defaults.listeners) {
        for entry in &layer.listeners {
            listener(&mut text, entry);
        }
    }
    text
}

/// Whether listeners are the same, wherever they stand.
fn are_same(some: &[Entry], others: &[Entry]) -> bool {
    let raw = |entry: &Entry| -> BTreeMap<String, Raw> {
        let keys = entry.keys.iter();
        keys.map(|(key, placed)| (key.clone(), placed.raw.clone()))
            .collect()
    };
    some.iter().map(raw).eq(others.iter().map(raw))
}

fn listener(text: &mut String, entry: &Entry) {
    let _ = writeln!(text, "\n[[listener]]    # {}", entry.origin);
    for (key, placed) in &entry.keys {
        let _ = writeln!(text, "{key} = {}", placed.raw);
    }
}
