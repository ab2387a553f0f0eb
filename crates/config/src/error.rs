//! What is wrong with a configuration: one line each, with file, line, key and expectation.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `FILE:LINE` or the name of a variable.
    pub place: String,
    /// Which setting, such as `smtp.max_recipients`; empty when it is the file as a whole.
    pub key: String,
    /// What was expected, what was found, and how to mend it.
    pub text: String,
}

/// All that is wrong with a configuration, at least one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.text)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The known name that somebody may have meant: one that looks like it, else one of another table.
pub(crate) fn closest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut rated: Vec<_> = known.map(|name| (distance(unknown, name), name)).collect();
    rated.sort_unstable();
    let last = |name: &str| name.rsplit('.').next().map(str::to_owned);
    let (distance, nearest) = *rated.first()?;
    if distance <= 3.max(unknown.len() / 3) {
        return Some(nearest);
    }
    let elsewhere = rated.iter().find(|(_, name)| last(name) == last(unknown));
    elsewhere.map(|(_, name)| *name)
}

/// How many letters have to be changed, added or left out.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in to.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognized_and_nonsense_is_not() {
        let known = ["smtp.max_recipients", "smtp.max_errors", "pop3.exclusive"];
        let closest = |unknown| closest(unknown, known.into_iter());
        assert_eq!(closest("smtp.max_recipient"), Some("smtp.max_recipients"));
        assert_eq!(closest("smtp.maxerrors"), Some("smtp.max_errors"));
        assert_eq!(closest("exclusive"), Some("pop3.exclusive"));
        assert_eq!(closest("max_recipients"), Some("smtp.max_recipients"));
        assert_eq!(closest("zzzzzzz"), None);
    }
}
