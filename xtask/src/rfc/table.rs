//! What we say of the sections of an RFC: `docs/rfc/NNNN.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::section::Section;
use crate::command::root;

const FOLDER: &str = "docs/rfc";

/// The table of an RFC.
pub(super) struct Table {
    pub(super) number: u32,
    pub(super) title: String,
    pub(super) part: Part,
    pub(super) sections: BTreeMap<Section, Row>,
}

/// The part of the service that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Part {
    Smtp,
    Pop3,
    Both,
}

/// What we say of a section.
pub(super) struct Row {
    pub(super) title: String,
    pub(super) state: State,
    /// Why, or what is to be known; may be empty for `yes` and `informative`.
    pub(super) reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Yes,
    Partly,
    No,
    /// A duty of somebody else: the client, a relay, a certificate authority.
    Other,
    Informative,
}

impl State {
    pub(super) const ALL: [Self; 5] = [
        Self::Yes,
        Self::Partly,
        Self::No,
        Self::Other,
        Self::Informative,
    ];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Partly => "partly",
            Self::No => "no",
            Self::Other => "other",
            Self::Informative => "informative",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: String,
    part: Part,
    sections: BTreeMap<String, Vec<String>>,
}

/// All tables, by number.
pub(super) fn read_all() -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    let folder = root().join(FOLDER);
    for file in fs::read_dir(&folder).with_context(|| format!("failed to read {FOLDER}"))? {
        let path = file?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if let Ok(number) = stem.parse() {
            let table = read(&path, number);
            tables.push(table.with_context(|| format!("in {FOLDER}/{number}.toml"))?);
        }
    }
    tables.sort_by_key(|table| table.number);
    Ok(tables)
}

fn read(path: &Path, number: u32) -> Result<Table> {
    let file: File = toml::from_str(&fs::read_to_string(path)?)?;
    let rows = file.sections.into_iter().map(|(key, cells)| {
        let section = Section::parse(&key).with_context(|| format!("{key} is no section"))?;
        Ok((section, row(cells).with_context(|| format!("at {key}"))?))
    });
    Ok(Table {
        number,
        title: file.title,
        part: file.part,
        sections: rows.collect::<Result<_>>()?,
    })
}

/// `["yes", "title"]`, or with a reason behind the title.
fn row(cells: Vec<String>) -> Result<Row> {
    let mut cells = cells.into_iter();
    let (Some(word), Some(title)) = (cells.next(), cells.next()) else {
        bail!("a section has a state and a title");
    };
    let reason = cells.next().unwrap_or_default();
    let Some(state) = State::parse(&word) else {
        bail!("{word} is no state");
    };
    if cells.next().is_some() {
        bail!("a section has at most a state, a title and a reason");
    }
    Ok(Row {
        title,
        state,
        reason,
    })
}

/// RFCs that the sources name, and that are not about what we promise: number and title.
pub(super) fn read_others() -> Result<BTreeMap<u32, String>> {
    let text = fs::read_to_string(root().join(FOLDER).join("others.toml"))?;
    let named: BTreeMap<String, String> = toml::from_str(&text)?;
    let numbered = named
        .into_iter()
        .map(|(number, title)| Ok((number.parse()?, title)));
    numbered.collect()
}

/// What we speak that no RFC has: name, state and remark.
pub(super) fn read_beside() -> Result<BTreeMap<String, [String; 2]>> {
    let text = fs::read_to_string(root().join(FOLDER).join("beside.toml"))?;
    Ok(toml::from_str(&text)?)
}

/// What is not kept has a reason that can be looked up: a decision record, or what it waits for.
/// Records that are named are there.
pub(super) fn reason_faults(table: &Table) -> Vec<String> {
    let mut faults = Vec::new();
    for (section, row) in &table.sections {
        let has_decision = row.reason.contains("waits for ") || row.reason.contains("ADR ");
        let fault = match row.state {
            State::Partly | State::No if !has_decision => {
                Some("names neither a decision record (ADR 0004) nor what it waits for".to_owned())
            }
            State::Other if row.reason.is_empty() => Some("has no reason".to_owned()),
            _ => missing_record(&row.reason),
        };
        let name = format!("RFC {} {section} ({})", table.number, row.title);
        faults.extend(fault.map(|fault| format!("{name} {fault}")));
    }
    faults
}

fn missing_record(reason: &str) -> Option<String> {
    let (_, behind) = reason.split_once("ADR ")?;
    let number: String = behind.chars().take_while(char::is_ascii_digit).collect();
    let records = fs::read_dir(root().join("docs/adr"))
        .into_iter()
        .flatten()
        .flatten();
    let names = records.map(|file| file.file_name().to_string_lossy().into_owned());
    let is_there = names
        .into_iter()
        .any(|name| name.starts_with(&format!("{number}-")));
    (!is_there).then(|| format!("names the decision record {number}, which is not there"))
}
