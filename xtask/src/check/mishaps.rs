//! `docs/known-mishaps.md`: each mishap has an answer, and tests that are there.
//!
//! The form of an entry is fixed: `### 7. Title`, what happened, a paragraph that begins with
//! `**Answer.**`, and one that begins with `**Tests.**` and names, in backticks, transcripts
//! (`tests/transcripts/.../x.txt`) and functions (`crates/.../x.rs::name_of_the_test`).

use std::fs;

use anyhow::{Context as _, Result};

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

fn in_backticks(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Why a name is not that of a test.
fn test_fault(name: &str) -> Option<String> {
    let (path, function) = name.split_once("::").unwrap_or((name, ""));
    let Ok(text) = fs::read_to_string(root().join(path)) else {
        return Some(format!("{path} is not there"));
    };
    let is_test = match function {
        "" => path.starts_with("tests/transcripts/"),
        function => has_test(&text, function),
    };
    (!is_test).then(|| format!("{name} is not a test"))
}

/// Whether a source has a test of this name: the attribute, then perhaps others, then the function.
fn has_test(source: &str, function: &str) -> bool {
    let mut is_marked = false;
    for line in source.lines().map(str::trim_start) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_marked = true;
        } else if line.contains("fn ") {
            let named = line.split("fn ").nth(1).unwrap_or_default();
            if is_marked && named.starts_with(&format!("{function}(")) {
                return true;
            }
            is_marked = false;
        }
    }
    false
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

    #[test]
    fn only_what_is_marked_is_a_test() {
        let source = "#[test]\n#[ignore]\nfn kept() {\n}\nfn helper() {}\n";
        assert!(has_test(source, "kept"));
        assert!(!has_test(source, "helper"));
        assert!(!has_test(source, "kep"));
    }
}
