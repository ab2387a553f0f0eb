//! References in comments: `RFC 5321 4.1.1.4`, `RFC 1939 4 and 5`, `RFC 5321 4.1.1.3, appendix C`,
//! `RFC 1939 4 (before login), 6 (UPDATE)`, or `RFC 2920` as a whole.

use super::section::Section;

/// A section that a text names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reference {
    pub(super) rfc: u32,
    pub(super) section: Section,
}

/// All references of a file. A comment may break its lines anywhere.
pub(super) fn references(text: &str) -> Vec<Reference> {
    let text = joined(text);
    let mut found = Vec::new();
    for (at, _) in text.match_indices("RFC ") {
        let rest = &text[at + "RFC ".len()..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let Ok(rfc) = rest[..digits].parse() else {
            continue;
        };
        let sections = sections(&rest[digits..]);
        found.extend(
            sections
                .into_iter()
                .map(|section| Reference { rfc, section }),
        );
    }
    found
}

/// The text as one line, without the signs in front of comments.
fn joined(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.trim_start();
        let comment = ["//!", "///", "//", "#"];
        let bare = comment.iter().find_map(|sign| line.strip_prefix(sign));
        bare.unwrap_or(line).trim()
    });
    lines.collect::<Vec<_>>().join(" ")
}

/// The sections behind the number of an RFC; the RFC as a whole where there are none.
fn sections(text: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut rest = text.strip_prefix(' ').unwrap_or_default().trim_start();
    while let Some((section, behind)) = first_section(rest) {
        sections.push(section);
        let Some(next) = behind_separator(behind) else {
            break;
        };
        rest = next;
    }
    if sections.is_empty() {
        sections.push(Section::whole());
    }
    sections
}

fn first_section(text: &str) -> Option<(Section, &str)> {
    let (name, numbers) = match text.strip_prefix("appendix ") {
        Some(numbers) => ("appendix ", numbers),
        None => ("", text),
    };
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '.';
    let end = numbers.find(|c| !is_part(c)).unwrap_or(numbers.len());
    let number = numbers[..end].trim_end_matches('.');
    let section = Section::parse(&format!("{name}{number}"))?;
    Some((section, &numbers[number.len()..]))
}

/// What follows a comma or an `and`; a remark in parentheses may stand in front of them.
fn behind_separator(text: &str) -> Option<&str> {
    let text = match text.strip_prefix(" (") {
        Some(remark) => remark.split_once(')')?.1,
        None => text,
    };
    text.strip_prefix(", ")
        .or_else(|| text.strip_prefix(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let found = references(text).into_iter();
        found.map(|r| format!("{} {}", r.rfc, r.section)).collect()
    }

    #[test]
    fn sections_are_read_as_people_write_them() {
        for (text, sections) in [
            ("RFC 5321 4.1.1.4. The end.", vec!["5321 4.1.1.4"]),
            ("(RFC 2920): all", vec!["2920 whole"]),
            ("RFC 1939 3 asks for 10 minutes", vec!["1939 3"]),
            ("RFC 1939 4 and 5.", vec!["1939 4", "1939 5"]),
            (
                "RFC 5321 2.3.8, 4.1.1.4.",
                vec!["5321 2.3.8", "5321 4.1.1.4"],
            ),
            (
                "RFC 5321 4.1.1.3, appendix C):",
                vec!["5321 4.1.1.3", "5321 appendix C"],
            ),
            ("RFC 1939 4 (before), 6 (UPDATE)", vec!["1939 4", "1939 6"]),
            ("RFC 8996, RFC 8997", vec!["8996 whole", "8997 whole"]),
            ("RFC 5322 3.3, in UTC", vec!["5322 3.3"]),
            ("RFC 1939's UPDATE", vec!["1939 whole"]),
            ("an RFC of old", vec![]),
        ] {
            assert_eq!(found(text), sections, "{text:?}");
        }
    }

    #[test]
    fn a_line_may_end_within_a_reference() {
        assert_eq!(found("//! see RFC\n//! 3206 4, and\n"), ["3206 4"]);
        assert_eq!(
            found("    /// RFC 5321 3.3,\n    /// 4.1.4: x\n"),
            ["5321 3.3", "5321 4.1.4"]
        );
    }
}
