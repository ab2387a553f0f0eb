//! Documents that are generated from the code, so that they cannot drift from it.

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::command::{cargo, root, run, say};
use crate::rfc;

/// The generated documents and their text.
fn documents() -> Result<[(&'static str, String); 3]> {
    Ok([
        ("docs/configuration.md", cassmail_config::documentation()),
        ("docs/metrics.md", cassmail_telemetry::documentation()),
        ("docs/rfc-coverage.md", rfc::coverage()?),
    ])
}

/// Writes them anew.
pub(crate) fn write() -> Result<()> {
    for (path, text) in documents()? {
        fs::write(root().join(path), text).with_context(|| format!("failed to write {path}"))?;
        say(&format!("wrote {path}"));
    }
    write_description()
}

/// The description of the API is made of its handlers, which this program need not be built with:
/// the test that compares it writes it.
fn write_description() -> Result<()> {
    const TEST: &str = "description::the_description_in_the_documentation_is_up_to_date";
    let mut command = cargo(&[
        "test",
        "--workspace",
        "--test",
        "admin",
        "--",
        "--exact",
        TEST,
    ]);
    command.env("CASSMAIL_BLESS", "1");
    run(command)?;
    say("wrote docs/api/openapi.json");
    Ok(())
}

/// Fails when one is not up to date.
pub(crate) fn check() -> Result<()> {
    for (path, text) in documents()? {
        let found = fs::read_to_string(root().join(path)).unwrap_or_default();
        if found != text {
            bail!("{path} is not up to date; write it anew with: cargo xtask docs");
        }
    }
    say("generated documents are up to date");
    Ok(())
}
