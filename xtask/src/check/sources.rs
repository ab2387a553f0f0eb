//! Rules on source files: ASCII, 100 columns, nothing left to do.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::command::{command, output, root};

/// A source file of ours.
pub(crate) struct Source {
    /// Its path from the root.
    pub(crate) path: PathBuf,
    /// What it says.
    pub(crate) text: String,
}

/// Every file with this ending that git tracks.
pub(crate) fn tracked(ending: &str) -> Result<Vec<Source>> {
    let listed = output(command("git", &["ls-files", "-co", "--exclude-standard"]))?;
    let wanted = |path: &&str| {
        Path::new(path)
            .extension()
            .is_some_and(|found| found == ending)
    };
    let paths = listed
        .lines()
        .filter(wanted)
        .filter(|path| root().join(path).exists());
    paths.map(read).collect()
}

fn read(path: &str) -> Result<Source> {
    let text = fs::read_to_string(root().join(path));
    let text = text.with_context(|| format!("failed to read {path}"))?;
    Ok(Source {
        path: path.into(),
        text,
    })
}

/// What breaks the rules.
pub(super) fn faults() -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for source in tracked("rs")? {
        for (number, line) in source.text.lines().enumerate() {
            if let Some(fault) = fault_of(line) {
                faults.push(format!("{}:{}: {fault}", source.path.display(), number + 1));
            }
        }
    }
    Ok(faults)
}

fn fault_of(line: &str) -> Option<&'static str> {
    // Written in two halves, or this file would break its own rule.
    let unfinished = [concat!("TO", "DO"), concat!("FIX", "ME")];
    if !line.is_ascii() {
        Some("source is ASCII; write other characters as escapes")
    } else if line.len() > 100 {
        Some("longer than 100 columns")
    } else if unfinished.iter().any(|word| line.contains(word)) {
        Some("unfinished work belongs in an issue")
    } else {
        None
    }
}
