//! Tables, JSON, and the places of the tables in docs/benchmarks.md.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::command::{root, say};

/// The document with the tables.
const DOCUMENT: &str = "docs/benchmarks.md";

/// A table in Markdown, aligned so that it can be read as it is.
#[derive(Debug, Clone)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(head: &[&str]) -> Self {
        let head = head.iter().map(|&cell| cell.to_owned()).collect();
        Self { rows: vec![head] }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(super) fn text(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(String::len).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |cells: &[String]| {
            let cells = cells.iter().zip(&widths);
            let cells = cells.map(|(cell, width)| format!("| {cell:<width$} "));
            cells.collect::<String>() + "|\n"
        };
        let rule = widths
            .iter()
            .map(|width| format!("|{}", "-".repeat(width + 2)));
        let rule = rule.collect::<String>() + "|\n";
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            text += &line(row);
            if number == 0 {
                text += &rule;
            }
        }
        text
    }
}

/// The one in the middle; none of none.
pub(super) fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

/// Writes the figures where they were wanted, or else beside what was built.
pub(super) fn write_json(path: &Path, figures: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(figures).context("cannot make JSON")? + "\n";
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    say(&format!("figures are in {}", path.display()));
    Ok(())
}

/// Puts a text into its place in the document.
pub(crate) fn write_section(name: &str, text: &str) -> Result<()> {
    let path = root().join(DOCUMENT);
    let found = fs::read_to_string(&path).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let written = replaced(&found, name, text)
        .with_context(|| format!("{DOCUMENT} has no place for the figures of {name}"))?;
    fs::write(&path, written).with_context(|| format!("cannot write {DOCUMENT}"))?;
    say(&format!("wrote {DOCUMENT}"));
    Ok(())
}

/// The document with `text` between the marks of `name`; none without the marks.
fn replaced(document: &str, name: &str, text: &str) -> Option<String> {
    let (begin, end) = (
        format!("<!-- begin {name} -->\n"),
        format!("<!-- end {name} -->"),
    );
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!(
        "{before}{begin}\n{}\n\n{end}{after}",
        text.trim_end()
    ))
}

#[cfg(test)]
mod tests {
    use super::{DOCUMENT, Table, median, replaced};
    use crate::command::root;

    #[test]
    fn one_odd_round_does_not_move_the_median() {
        assert_eq!(median([2.0, 900.0, 1.0].into_iter()), Some(2.0));
        assert_eq!(median(std::iter::empty()), None);
    }

    #[test]
    fn a_table_is_aligned() {
        let mut table = Table::new(&["what", "n"]);
        table.row(vec!["mails".into(), "10".into()]);
        let expected = "| what  | n  |\n|-------|----|\n| mails | 10 |\n";
        assert_eq!(table.text(), expected);
    }

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let document = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n";
        let expected = "a\n<!-- begin x -->\n\nnew\n\n<!-- end x -->\nb\n";
        assert_eq!(replaced(document, "x", "new\n").as_deref(), Some(expected));
        assert_eq!(replaced(document, "y", "new"), None);
    }

    #[test]
    fn the_document_has_a_place_for_each_command() {
        let document = std::fs::read_to_string(root().join(DOCUMENT)).unwrap();
        for name in [
            "embedded",
            "crash",
            "fuzz",
            "cassandra",
            "tombstones",
            "james",
            "faults",
            "hostile",
        ] {
            assert!(replaced(&document, name, "").is_some(), "{name}");
        }
    }
}
