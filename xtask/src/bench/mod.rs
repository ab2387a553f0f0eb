//! Benchmarks and long crash tests; each prints its verdict.

mod administration;
mod budgets;
mod cassandra;
mod cassmail;
mod clock;
mod cluster;
mod crash;
mod dovecot;
mod embedded;
mod faults;
mod generator;
mod hostile;
mod james;
mod machine;
mod measure;
mod options;
mod peers;
mod place;
mod postfix;
mod process;
mod report;
mod tombstones;
mod trace;

use anyhow::Result;

use options::Options;
pub(crate) use report::write_section;

/// The budgets of the embedded store.
pub(crate) fn embedded(words: &[&str]) -> Result<()> {
    embedded::run(&Options::parse(words)?.at_most(1)?)
}

/// The budgets of the store on Cassandra.
pub(crate) fn cassandra(words: &[&str]) -> Result<()> {
    cassandra::run(&Options::parse(words)?.at_most(1)?)
}

/// What strangers do.
pub(crate) fn hostile(words: &[&str]) -> Result<()> {
    let exempt = if words.contains(&"--exempt") {
        hostile::Exempt::Everybody
    } else {
        hostile::Exempt::Nobody
    };
    let others: Vec<&str> = words
        .iter()
        .filter(|word| **word != "--exempt")
        .copied()
        .collect();
    hostile::run(&Options::parse(&others)?.at_most(1)?, exempt)
}

/// What a cluster goes through.
pub(crate) fn faults(words: &[&str]) -> Result<()> {
    let is_name = |word: &&&str| word.contains('-') && !word.starts_with("--") || **word == "cut";
    let names: Vec<&str> = words.iter().filter(is_name).copied().collect();
    let others: Vec<&str> = words
        .iter()
        .filter(|word| !is_name(word))
        .copied()
        .collect();
    faults::run(&Options::parse(&others)?.at_most(0)?, &names)
}

/// Ten days of a mailbox that is emptied every hour.
pub(crate) fn tombstones(words: &[&str]) -> Result<()> {
    tombstones::run(&Options::parse(words)?.at_most(2)?)
}

/// The experiment of Apache James.
pub(crate) fn james(words: &[&str]) -> Result<()> {
    james::run(&Options::parse(words)?.at_most(1)?)
}

/// What an administrator waits for in a large store.
pub(crate) fn administration(words: &[&str]) -> Result<()> {
    administration::run(&Options::parse(words)?.at_most(0)?)
}

/// What the message trace costs.
pub(crate) fn trace(words: &[&str]) -> Result<()> {
    trace::run(&Options::parse(words)?.at_most(1)?)
}

/// The long forms of the crash tests.
pub(crate) fn crash(words: &[&str]) -> Result<()> {
    crash::run(&Options::parse(words)?.at_most(2)?)
}
