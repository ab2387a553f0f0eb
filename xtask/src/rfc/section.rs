//! The number of a section.

use std::cmp::Ordering;
use std::fmt;

/// `4.1.1.4`, `appendix C`, `appendix B.2`; or the RFC as a whole, which has no sections of
/// interest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section(String);

/// How tables and references call an RFC without naming a section.
pub(super) const WHOLE: &str = "whole";

impl Section {
    /// Reads a number; none for a text that is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let numbers = text.strip_prefix("appendix ").unwrap_or(text);
        let is_number = |part: &str| {
            let is_letter = part.len() == 1 && part.bytes().all(|b| b.is_ascii_uppercase());
            let is_short = (1..=2).contains(&part.len());
            (is_short && part.bytes().all(|b| b.is_ascii_digit())) || is_letter
        };
        let is_section = numbers.split('.').all(is_number)
            && numbers.starts_with(|c: char| c.is_ascii_uppercase()) == (numbers != text);
        (is_section || text == WHOLE).then(|| Self(text.to_owned()))
    }

    /// The RFC as a whole.
    pub(super) fn whole() -> Self {
        Self(WHOLE.to_owned())
    }

    /// Whether this is the other one, or one above it.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let below = other.0.strip_prefix(&self.0);
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) || self.0 == WHOLE
    }

    /// What its numbers are sorted by; appendices come last.
    fn order(&self) -> Vec<u32> {
        let parts = self.0.split(['.', ' ']).map(|part| match part {
            "appendix" => 1000,
            WHOLE => 0,
            part => part
                .parse()
                .unwrap_or_else(|_| part.bytes().map(u32::from).sum()),
        });
        parts.collect()
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ord for Section {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Section {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(text: &str) -> Section {
        Section::parse(text).expect(text)
    }

    #[test]
    fn numbers_are_sorted_as_numbers() {
        let mut sections = ["appendix C", "10", "4.10", "4.9", "4", "appendix B.2"].map(section);
        sections.sort();
        let sorted = ["4", "4.9", "4.10", "10", "appendix B.2", "appendix C"];
        assert_eq!(sections, sorted.map(section));
    }

    #[test]
    fn what_is_no_number_of_a_section_is_none() {
        for text in ["", "4.", ".4", "250", "C", "appendix 4", "4.x", "4.1 "] {
            assert_eq!(Section::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_section_covers_those_below_it() {
        assert!(section("4.1").covers(&section("4.1.2")));
        assert!(section("4.1").covers(&section("4.1")));
        assert!(!section("4.1").covers(&section("4.10")));
        assert!(section(WHOLE).covers(&section("4.10")));
    }
}
