//! Benchmarks and long crash tests; each prints its verdict.

mod budgets;
mod cassandra;
mod cassmail;
mod clock;
mod cluster;
mod crash;
mod dovecot;
mod embedded;
mod generator;
mod machine;
mod measure;
mod options;
mod peers;
mod place;
mod postfix;
mod process;
mod report;

use anyhow::Result;

use options::Options;

/// The budgets of the embedded store.
pub(crate) fn embedded(words: &[&str]) -> Result<()> {
    embedded::run(&Options::parse(words)?.at_most(1)?)
}

/// The budgets of the store on Cassandra.
pub(crate) fn cassandra(words: &[&str]) -> Result<()> {
    cassandra::run(&Options::parse(words)?.at_most(1)?)
}

/// The long forms of the crash tests.
pub(crate) fn crash(words: &[&str]) -> Result<()> {
    crash::run(&Options::parse(words)?.at_most(2)?)
}
