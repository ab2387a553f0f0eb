//! No second-class store: every back-end passes the same number of contract tests.

use anyhow::Result;

use crate::command::{cargo, output};

/// The packages and test binaries that instantiate the contract.
const BACK_ENDS: [(&str, &str); 3] = [
    ("cassmail-store-contract", "memory"),
    ("cassmail-store-embedded", "contract"),
    ("cassmail-store-cassandra", "contract"),
];

/// Fewer than this, and the suite has been cut down.
const LEAST: usize = 60;

/// Back-ends whose numbers differ, or are too small.
pub(super) fn faults() -> Result<Vec<String>> {
    let mut counts = Vec::new();
    for (package, test) in BACK_ENDS {
        counts.push((package, count(package, test)?));
    }
    let expected = counts
        .iter()
        .map(|(_, count)| *count)
        .max()
        .unwrap_or_default()
        .max(LEAST);
    let short = |(package, count): &(&str, usize)| {
        (*count < expected)
            .then(|| format!("{package} has {count} contract tests, expected {expected}"))
    };
    Ok(counts.iter().filter_map(short).collect())
}

fn count(package: &str, test: &str) -> Result<usize> {
    let arguments = [
        "test",
        "--quiet",
        "--package",
        package,
        "--test",
        test,
        "--",
        "--list",
    ];
    let listed = output(cargo(&arguments))?;
    Ok(listed
        .lines()
        .filter(|line| line.contains("contract::"))
        .count())
}
