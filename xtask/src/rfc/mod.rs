//! `docs/rfc-coverage.md`: what we say of each section of each RFC, and what in the tree names it.
//!
//! What we say stands in `docs/rfc/NNNN.toml`, written by hand; what names a section is found in
//! the sources. The two are held against each other: a section that is said to be kept is named in
//! code and in a test, and nothing names a section that its table does not have.

mod page;
mod reference;
mod section;
mod table;
mod tree;

use anyhow::{Result, bail};

use table::{State, Table};
use tree::Mentions;

/// The document.
///
/// # Errors
/// Everything that does not fit together, a line each.
pub(crate) fn coverage() -> Result<String> {
    let tables = table::read_all()?;
    let others = table::read_others()?;
    let mentions = tree::read()?;
    let mut faults: Vec<String> = tables.iter().flat_map(|t| unkept(t, &mentions)).collect();
    faults.extend(tables.iter().flat_map(table::reason_faults));
    faults.extend(mentions.unknown(&tables, &others));
    if faults.is_empty() {
        let beside = table::read_beside()?;
        return Ok(page::write(
            &tables,
            &beside,
            &mentions,
            tree::transcripts()?,
        ));
    }
    bail!("docs/rfc does not fit the sources:\n{}", faults.join("\n"))
}

/// Sections that are said to be kept, and that no code or no test names.
fn unkept(table: &Table, mentions: &Mentions) -> Vec<String> {
    let mut faults = Vec::new();
    let kept = table
        .sections
        .iter()
        .filter(|(_, row)| row.state == State::Yes);
    for (section, row) in kept {
        let found = mentions.below(table.number, section);
        let name = format!("RFC {} {section} ({})", table.number, row.title);
        if found.code.is_empty() {
            faults.push(format!("{name} is `yes`, but no code names it"));
        }
        if found.tests.is_empty() {
            faults.push(format!(
                "{name} is `yes`, but no transcript and no test names it"
            ));
        }
    }
    faults
}
