//! Which files name which sections.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::reference::{Reference, references};
use super::section::Section;
use super::table::Table;
use crate::check::{Source, tracked};

/// Where a section is named: files, in the order of their names.
#[derive(Debug, Default, Clone)]
pub(super) struct Places {
    pub(super) code: BTreeSet<String>,
    pub(super) tests: BTreeSet<String>,
}

/// All references of the tree.
#[derive(Default)]
pub(super) struct Mentions {
    places: BTreeMap<Reference, Places>,
    /// References that prove nothing, but that may not be wrong either.
    asides: BTreeMap<Reference, String>,
}

/// What a file says by naming a section.
#[derive(Clone, Copy)]
enum Weight {
    Code,
    Test,
    /// The tools of the house are neither.
    Aside,
}

/// Reads the tree.
pub(super) fn read() -> Result<Mentions> {
    let mut mentions = Mentions::default();
    for ending in ["rs", "toml", "cql", "txt", "md"] {
        for source in tracked(ending)? {
            mentions.take(&source);
        }
    }
    Ok(mentions)
}

/// How many transcripts there are.
pub(super) fn transcripts() -> Result<usize> {
    let files = tracked("txt")?;
    let is_transcript = |source: &&Source| source.path.starts_with("tests/transcripts");
    Ok(files.iter().filter(is_transcript).count())
}

impl Mentions {
    /// Where a section, or one below it, is named.
    pub(super) fn below(&self, rfc: u32, section: &Section) -> Places {
        let covered = |(reference, _): &(&Reference, &Places)| {
            reference.rfc == rfc && section.covers(&reference.section)
        };
        let mut all = Places::default();
        for (_, places) in self.places.iter().filter(covered) {
            all.code.extend(places.code.iter().cloned());
            all.tests.extend(places.tests.iter().cloned());
        }
        all
    }

    /// Where exactly this is named.
    pub(super) fn at(&self, rfc: u32, section: &Section) -> Places {
        let section = section.clone();
        let places = self.places.get(&Reference { rfc, section });
        places.cloned().unwrap_or_default()
    }

    /// References to what no table has.
    pub(super) fn unknown(&self, tables: &[Table], others: &BTreeMap<u32, String>) -> Vec<String> {
        let is_known = |reference: &Reference| {
            let table = tables.iter().find(|table| table.number == reference.rfc);
            match table {
                Some(table) => {
                    reference.section == Section::whole()
                        || table.sections.contains_key(&reference.section)
                }
                None => others.contains_key(&reference.rfc),
            }
        };
        let first = |places: &Places| places.code.union(&places.tests).next().cloned();
        let named = self
            .places
            .iter()
            .map(|(r, places)| (r, first(places).unwrap_or_default()));
        let aside = self.asides.iter().map(|(r, path)| (r, path.clone()));
        let unknown = named
            .chain(aside)
            .filter(|(reference, _)| !is_known(reference));
        let line = |(Reference { rfc, section }, path): (&Reference, String)| {
            format!("{path} names RFC {rfc} {section}, which no table in docs/rfc has")
        };
        unknown.map(line).collect()
    }

    /// Takes in what a file names.
    pub(super) fn take(&mut self, source: &Source) {
        let path = source.path.to_string_lossy().into_owned();
        let Some(weight) = weight(&path) else {
            return;
        };
        match weight {
            Weight::Code => {
                let tests = source
                    .text
                    .find("#[cfg(test)]")
                    .unwrap_or(source.text.len());
                let (code, tests) = source.text.split_at(tests);
                self.put(code, &path, Weight::Code);
                self.put(tests, &path, Weight::Test);
            }
            weight => self.put(&source.text, &path, weight),
        }
    }

    fn put(&mut self, text: &str, path: &str, weight: Weight) {
        for reference in references(text) {
            match weight {
                Weight::Code => self.places(reference).code.insert(path.to_owned()),
                Weight::Test => self.places(reference).tests.insert(path.to_owned()),
                Weight::Aside => self.asides.insert(reference, path.to_owned()).is_none(),
            };
        }
    }

    fn places(&mut self, reference: Reference) -> &mut Places {
        self.places.entry(reference).or_default()
    }
}

/// None for files that are about something else.
fn weight(path: &str) -> Option<Weight> {
    let of_tools = ["crates/transcript/", "crates/bench/", "docs/adr/"];
    if of_tools.iter().any(|folder| path.starts_with(folder)) {
        return Some(Weight::Aside);
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_test = path.starts_with("tests/")
        || path.starts_with("crates/store-contract/")
        || path.split('/').any(|part| part == "tests")
        || name == "tests.rs";
    let is_manifest = name == "Cargo.toml";
    match () {
        () if is_manifest => None,
        () if is_test => Some(Weight::Test),
        () if path.starts_with("crates/") => Some(Weight::Code),
        () => None,
    }
}
