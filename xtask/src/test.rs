//! The tests.

use anyhow::Result;

use crate::command::{cargo, run as run_command};
use crate::setup;

/// Runs all tests. The binary is built first: the end-to-end tests start it.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    run_cargo(&["build", "--workspace"])?;
    let mut words = vec!["test", "--workspace", "--no-fail-fast"];
    words.extend(arguments);
    let tested = run_cargo(&words);
    setup::remind();
    tested?;
    if arguments.is_empty() {
        in_memory()?;
    }
    Ok(())
}

/// The transcripts once more, with the store that keeps nothing. With the embedded one they are
/// among all tests, with Cassandra among the tests on clusters.
fn in_memory() -> Result<()> {
    let mut command = cargo(&["test", "--workspace", "--test", "transcripts"]);
    command.env("CASSMAIL_STORE", "memory");
    run_command(command)
}

/// Runs the transcripts in the mode that rewrites their `S:` lines.
pub(crate) fn bless() -> Result<()> {
    for package in ["cassmail-smtp", "cassmail-pop3"] {
        let mut command = cargo(&["test", "--package", package, "transcripts"]);
        command.env("CASSMAIL_BLESS", "1");
        run_command(command)?;
    }
    Ok(())
}

fn run_cargo(words: &[&str]) -> Result<()> {
    run_command(cargo(words))
}
