//! Checks that need no test run.

mod alerts;
mod behaviour;
mod contract;
mod dependencies;
mod mishaps;
mod pinned;
mod receipts;
mod sources;

use anyhow::{Result, bail};

use crate::command::{cargo, run as run_command, say};
use crate::docs;

pub(crate) use sources::{Source, tracked};

/// Format, lints, the rules of the house, and whether documents are up to date.
pub(crate) fn run() -> Result<()> {
    run_command(cargo(&["fmt", "--all", "--check"]))?;
    run_command(cargo(&[
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]))?;
    let mut faults = sources::faults()?;
    faults.extend(receipts::faults()?);
    faults.extend(dependencies::faults()?);
    faults.extend(contract::faults()?);
    faults.extend(mishaps::faults()?);
    faults.extend(behaviour::faults()?);
    faults.extend(alerts::faults()?);
    if faults.is_empty() {
        say("the rules of the house hold");
        return docs::check();
    }
    for fault in &faults {
        say(fault);
    }
    bail!("{} rules of the house are broken", faults.len())
}
