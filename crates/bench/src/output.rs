//! The only place of this program that prints.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

/// Prints the table, and writes JSON where it is wanted.
pub(crate) fn present(report: &impl Serialize, table: &str, json: Option<&Path>) -> Result<()> {
    let Some(path) = json else {
        print(table);
        return Ok(());
    };
    let mut text = serde_json::to_string_pretty(report).context("cannot make JSON")?;
    text.push('\n');
    if path == Path::new("-") {
        print(&text);
        return Ok(());
    }
    print(table);
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Says why nothing came of it.
#[expect(clippy::print_stderr, reason = "the one place for errors")]
pub(crate) fn complain(error: &anyhow::Error) {
    eprintln!("cassmail-bench: {error:#}");
}

#[expect(clippy::print_stdout, reason = "the one place for results")]
fn print(text: &str) {
    print!("{text}");
}
