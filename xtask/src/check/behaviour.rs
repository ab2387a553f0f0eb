//! `docs/behaviour.md`: each sentence names tests that are there.
//!
//! A line is `* Sentence: ` and names in backticks, as [`super::pinned`] reads them.

use std::fs;

use anyhow::{Context as _, Result};

use super::pinned::{in_backticks, test_fault};
use crate::command::root;

const PATH: &str = "docs/behaviour.md";

/// Fewer than this, and somebody has torn out a page.
const LEAST: usize = 100;

/// Sentences without a test, and tests that are not there.
pub(super) fn faults() -> Result<Vec<String>> {
    let text = fs::read_to_string(root().join(PATH));
    let text = text.with_context(|| format!("failed to read {PATH}"))?;
    let sentences: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("* "))
        .collect();
    let mut faults: Vec<String> = sentences
        .iter()
        .copied()
        .flat_map(sentence_faults)
        .collect();
    if sentences.len() < LEAST {
        let count = sentences.len();
        faults.push(format!("{PATH} has {count} sentences, expected {LEAST}"));
    }
    Ok(faults)
}

fn sentence_faults(sentence: &str) -> Vec<String> {
    let about = sentence.split('`').next().unwrap_or_default().trim_end();
    let tests = in_backticks(sentence);
    let mut faults: Vec<String> = tests.iter().copied().filter_map(test_fault).collect();
    if tests.is_empty() {
        faults.push("no test".to_owned());
    }
    faults
        .into_iter()
        .map(|fault| format!("{PATH}: {about} {fault}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_that_the_behaviour_names_is_there() {
        let faults = faults().expect("the document can be read");
        assert_eq!(faults, Vec::<String>::new());
    }

    #[test]
    fn a_sentence_without_a_test_or_with_one_that_is_not_there_is_at_fault() {
        let none = sentence_faults("It works.");
        assert_eq!(none, [format!("{PATH}: It works. no test")]);
        let gone = sentence_faults("It works: `smtp/none`.");
        let expected = "It works: tests/transcripts/smtp/none.txt is not there";
        assert_eq!(gone, [format!("{PATH}: {expected}")]);
    }
}
