//! The promise can be audited: only stores make the receipts that a 250 and a +OK are made from.

use anyhow::Result;

use super::sources::{Source, tracked};

/// The constructors that only stores may call.
const CONSTRUCTORS: [&str; 2] = ["asserted_durable(", "asserted_gone("];

/// Where they may stand: their definition, the memory back-end, the other back-ends, and tests;
/// fuzzing is one.
const ALLOWED: [&str; 7] = [
    "crates/mail/src/receipt.rs",
    "crates/store/src/memory.rs",
    "crates/store-embedded/src/",
    "crates/store-cassandra/src/",
    "crates/smtp/tests/",
    "crates/pop3/tests/",
    "crates/fuzz/src/targets/",
];

/// Calls that stand anywhere else.
pub(super) fn faults() -> Result<Vec<String>> {
    let outside = |source: &Source| {
        let path = source.path.to_string_lossy();
        !path.starts_with("xtask/") && !ALLOWED.iter().any(|allowed| path.starts_with(allowed))
    };
    let calls = |source: &Source| {
        let shipped = source.text.split("#[cfg(test)]").next().unwrap_or_default();
        CONSTRUCTORS
            .into_iter()
            .find(|constructor| shipped.contains(constructor))
    };
    let fault = |source: &Source| {
        let constructor = calls(source)?;
        let path = source.path.display();
        Some(format!(
            "{path}: only stores may call {constructor}...): it is what 250 is made from"
        ))
    };
    Ok(tracked("rs")?
        .iter()
        .filter(|source| outside(source))
        .filter_map(fault)
        .collect())
}
