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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::section::Section;
    use super::table::{Part, Row};
    use super::*;

    fn table(state: State, reason: &str) -> Table {
        let row = Row {
            title: "Basic operation".to_owned(),
            state,
            reason: reason.to_owned(),
        };
        let section = Section::parse("3").expect("a section");
        Table {
            number: 1939,
            title: "POP3".to_owned(),
            part: Part::Pop3,
            sections: BTreeMap::from([(section, row)]),
        }
    }

    fn mentions(files: &[(&str, &str)]) -> Mentions {
        let mut mentions = Mentions::default();
        for (path, text) in files {
            mentions.take(&crate::check::Source {
                path: path.into(),
                text: (*text).to_owned(),
            });
        }
        mentions
    }

    #[test]
    fn what_we_say_fits_the_sources() {
        coverage().expect("nothing is wrong");
    }

    #[test]
    fn a_section_that_is_kept_is_named_in_code_and_in_a_test() {
        let table = table(State::Yes, "");
        let code = ("crates/pop3/src/reply.rs", "// RFC 1939 3. Replies.");
        let unit = ("crates/pop3/src/state.rs", "#[cfg(test)]\n// RFC 1939 3");
        let transcript = ("tests/transcripts/pop3/noop.txt", "# RFC 1939 3. Nothing.");
        assert_eq!(unkept(&table, &mentions(&[])).len(), 2);
        assert_eq!(unkept(&table, &mentions(&[code])).len(), 1);
        assert_eq!(unkept(&table, &mentions(&[transcript])).len(), 1);
        assert!(unkept(&table, &mentions(&[code, transcript])).is_empty());
        assert!(unkept(&table, &mentions(&[code, unit])).is_empty());
    }

    #[test]
    fn a_section_that_no_table_has_is_at_fault() {
        let tables = [table(State::Yes, "")];
        let unknown = |text: &str| {
            let mentions = mentions(&[("crates/pop3/src/reply.rs", text)]);
            mentions.unknown(&tables, &BTreeMap::from([(2045, "MIME".to_owned())]))
        };
        assert!(unknown("// RFC 1939, RFC 1939 3, RFC 2045 6.7").is_empty());
        assert_eq!(
            unknown("// RFC 1939 33"),
            ["crates/pop3/src/reply.rs names RFC 1939 33, which no table in docs/rfc has"]
        );
        assert_eq!(unknown("// RFC 1993").len(), 1);
    }

    #[test]
    fn what_is_not_kept_has_a_reason_that_can_be_looked_up() {
        for (state, reason, fits) in [
            (State::No, "", false),
            (State::No, "nobody asked", false),
            (State::No, "waits for the outbound queue", true),
            (State::Partly, "ADR 0004", true),
            (State::Partly, "ADR 9999", false),
            (State::Other, "", false),
            (State::Yes, "", true),
            (State::Yes, "but for ADR 9999", false),
        ] {
            let faults = table::reason_faults(&table(state, reason));
            assert_eq!(faults.is_empty(), fits, "{state:?} {reason:?}: {faults:?}");
        }
    }
}
