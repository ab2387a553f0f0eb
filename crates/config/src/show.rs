//! The settings in effect, with their origin.

use std::fmt::Write as _;

use crate::layer::{Entry, Loaded, Origin};

/// Which settings to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// All of them.
    All,
    /// Only those that are not the default.
    Changed,
}

/// Writes settings, one a line, as a file that would have the same effect: key, value, and the origin
/// as a comment.
pub fn show(loaded: &Loaded, shown: Shown) -> String {
    let wanted = |origin: &Origin| shown == Shown::All || *origin != Origin::Default;
    let mut text = String::new();
    for (key, placed) in &loaded.layer.values {
        if wanted(&placed.origin) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{key} = {}    # {}", placed.raw, placed.origin);
        }
    }
    for entry in &loaded.layer.listeners {
        if wanted(&entry.origin) {
            listener(&mut text, entry);
        }
    }
    text
}

fn listener(text: &mut String, entry: &Entry) {
    let _ = writeln!(text, "\n[[listener]]    # {}", entry.origin);
    for (key, placed) in &entry.keys {
        let _ = writeln!(text, "{key} = {}", placed.raw);
    }
}
