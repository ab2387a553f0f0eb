//! What real clusters go through, and what is left of the promise afterwards: 2x3 nodes of
//! Cassandra, two processes of ours in each data center, clients that deliver, fetch and remove on
//! both sides, and ledgers of all that was acknowledged.

mod fault;
mod rig;
mod watch;

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::machine::Machine;
use super::options::Options;
use super::place::{Build, Place};
use super::report::{Table, write_json, write_section};
use crate::command::say;
use fault::Fault;
use rig::{Outcome, Rig};

/// Goes through all faults, or those that are named; fails when a promise was broken.
pub(super) fn run(options: &Options, names: &[&str]) -> Result<()> {
    let faults = chosen(names)?;
    let build = if options.quick {
        Build::Debug
    } else {
        Build::Release
    };
    let place = Place::prepare_built(&options.folder, build)?;
    let machine = Machine::look(place.path())?;
    let mut outcomes = Vec::new();
    let mut rig = Rig::new(&place)?;
    for fault in faults {
        say(&format!("fault: {}", fault.title()));
        match rig.go_through(fault, options.quick) {
            Ok(outcome) => {
                say(&format!("{}: {}", fault.name(), outcome.line()));
                outcomes.push(outcome);
            }
            Err(error) => {
                drop(rig);
                place.keep();
                return Err(error.context(fault.name()));
            }
        }
    }
    drop(rig);
    let text = table(&outcomes, &machine);
    say(&format!("\n{text}"));
    let json = json!({
        "machine": machine.json(),
        "faults": outcomes.iter().map(Outcome::json).collect::<Vec<_>>(),
    });
    let beside = place.target.join("bench-faults.json");
    write_json(options.json.as_deref().unwrap_or(&beside), &json)?;
    if options.write {
        write_section("faults", &text)?;
    }
    Ok(())
}

fn chosen(names: &[&str]) -> Result<Vec<Fault>> {
    if names.is_empty() {
        return Ok(fault::ALL.into());
    }
    let found = names.iter().map(|name| {
        let all: Vec<&str> = fault::ALL.iter().map(|fault| fault.name()).collect();
        Fault::named(name).with_context(|| format!("no fault is called {name}: {}", all.join(", ")))
    });
    found.collect()
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn table(outcomes: &[Outcome], machine: &Machine) -> String {
    let mut faults = Table::new(&[
        "fault",
        "lasted",
        "acknowledged",
        "removed",
        "errors",
        "longest gap dc1 / dc2",
        "healed after",
        "lost, back, corrupt",
    ]);
    for outcome in outcomes {
        faults.row(outcome.cells());
    }
    format!("{}\n{}", faults.text(), machine.table().text())
}
