//! The settings in effect, with their origin.

use std::fmt::Write as _;

use crate::layer::{Loaded, Origin};

/// Which settings to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// All of them.
    All,
    /// Only those that are not the default.
    Changed,
}

/// Writes settings, one a line: key, value, origin.
pub fn show(loaded: &Loaded, shown: Shown) -> String {
    let mut text = String::new();
    let wanted = |origin: &Origin| shown == Shown::All || *origin != Origin::Default;
    for (key, placed) in loaded
        .layer
        .values
        .iter()
        .filter(|(_, p)| wanted(&p.origin))
    {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{key} = {}    # {}", placed.raw, placed.origin);
    }
    for entry in &loaded.layer.listeners {
        let is_default =
            matches!(&entry.origin, Origin::File { name, .. } if name == "default.toml");
        let origin = if is_default {
            Origin::Default
        } else {
            entry.origin.clone()
        };
        if !wanted(&origin) {
            continue;
        }
        let _ = writeln!(text, "\n[[listener]]    # {origin}");
        for (key, placed) in &entry.keys {
            let _ = writeln!(text, "{key} = {}", placed.raw);
        }
    }
    text
}
