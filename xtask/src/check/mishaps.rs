//! `docs/known-mishaps.md`: each mishap has an answer, and tests that are there.
//!
//! The form of an entry is fixed: `### 7. Title`, what happened, a paragraph that begins with
//! `**Answer.**`, and one that begins with `**Tests.**` and names, in backticks, transcripts
//! (`tests/transcripts/.../x.txt`) and functions (`crates/.../x.rs::name_of_the_test`).

use std::fs;

use anyhow::{Context as _, Result};

use super::pinned::{in_backticks, test_fault};
use crate::command::root;

const PATH: &str = "docs/known-mishaps.md";

/// Fewer than this, and somebody has torn out a page.
const LEAST: usize = 60;

/// Entries that lack something, and tests that are not there.
pub(super) fn faults() -> Result<Vec<String>> {
    let text = fs::read_to_string(root().join(PATH));
    let text = text.with_context(|| format!("failed to read {PATH}"))?;
    let entries: Vec<&str> = text.split("\n### ").skip(1).collect();
    let mut faults = Vec::new();
    for (place, entry) in (1..).zip(&entries) {
        let title = entry.lines().next().unwrap_or_default();
        let entry_faults = entry_faults(place, entry).into_iter();
        faults.extend(entry_faults.map(|fault| format!("{PATH}: {title}: {fault}")));
    }
    if entries.len() < LEAST {
        faults.push(format!(
            "{PATH} has {} mishaps, expected {LEAST}",
            entries.len()
        ));
    }
    Ok(faults)
}

fn entry_faults(place: usize, entry: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !entry.starts_with(&format!("{place}. ")) {
        faults.push(format!("its number is {place}"));
    }
    let paragraph = |opening: &str| {
        entry
            .split("\n\n")
            .find_map(|text| text.strip_prefix(opening))
    };
    if paragraph("**Answer.** ").is_none() {
        faults.push("no answer".to_owned());
    }
    let tests: Vec<&str> = paragraph("**Tests.** ")
        .map(in_backticks)
        .unwrap_or_default();
    if tests.is_empty() {
        faults.push("no test".to_owned());
    }
    faults.extend(tests.into_iter().filter_map(test_fault));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_that_the_mishaps_name_is_there() {
        assert_eq!(
            faults().expect("the document can be read"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn an_entry_without_answer_or_test_is_at_fault() {
        let faults = entry_faults(2, "1. Title\n\nWhat happened.\n");
        assert_eq!(faults, ["its number is 2", "no answer", "no test"]);
    }

    #[test]
    fn a_test_that_is_not_there_is_at_fault() {
        let entry = "1. Title\n\n**Answer.** None.\n\n**Tests.** `tests/transcripts/none.txt`\n";
        assert_eq!(
            entry_faults(1, entry),
            ["tests/transcripts/none.txt is not there"]
        );
    }
}
