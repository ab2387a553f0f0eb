//! Ten days of a mailbox that is fetched and emptied every hour, in minutes: a queue, and a queue
//! is what Cassandra is worst at.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::budgets::{self, Line, Verdict};
use super::cluster::Ring;
use super::machine::Machine;
use super::options::Options;
use super::place::{Build, Place};
use super::process::Process;
use super::report::{Table, write_json, write_section};
use crate::command::say;

const PATIENCE: Duration = Duration::from_hours(1);

/// Runs the days, prints the tables, and fails when a budget is missed.
pub(super) fn run(options: &Options) -> Result<()> {
    let (days, mails) = if options.quick {
        (options.number(0, 1), options.number(1, 2_000))
    } else {
        (options.number(0, 10), options.number(1, 10_000))
    };
    let words = "--package cassmail-store-cassandra --example tombstones";
    let words: Vec<&str> = words.split(' ').collect();
    let place = Place::prepare_for(&options.folder, Build::Release, &words)?;
    let machine = Machine::look(place.path())?;
    machine.say_doubts();
    let ring = Ring::start(options.net, "1x1", &["--jit", "full"])?;
    let lines = live(&place, &ring, days, mails)?;
    let (end, of_days) = lines.split_last().context("nothing was measured")?;

    let verdicts = verdicts(end, of_days);
    let text = tables(&verdicts, end, of_days, &machine);
    say(&format!("\n{text}"));
    let json = json!({
        "quick": options.quick,
        "machine": machine.json(),
        "mails_a_day": mails,
        "budgets": verdicts.iter().map(Line::json).collect::<Vec<_>>(),
        "days": of_days,
        "end": end,
    });
    let beside = place.target.join("bench-tombstones.json");
    write_json(options.json.as_deref().unwrap_or(&beside), &json)?;
    if options.write {
        write_section("tombstones", &text)?;
    }
    budgets::judge(&verdicts)
}

/// What the program says of each day, and at its end.
fn live(place: &Place, ring: &Ring, days: u32, mails: u32) -> Result<Vec<Value>> {
    let nodes = ring.nodes()?;
    let node = nodes.first().context("there is no node")?;
    say(&format!("{days} days of {mails} mails"));
    let mut command = Command::new(place.program("examples/tombstones"));
    command
        .arg(node.address.to_string())
        .arg("bench")
        .args([days.to_string(), mails.to_string()]);
    let (output, complaints) = (place.path().join("days"), place.path().join("complaints"));
    let mut running = Process::start_apart("tombstones", command, &output, &complaints)?;
    let status = running.wait(PATIENCE)?;
    if !status.success() {
        let said = fs::read_to_string(&complaints).unwrap_or_default();
        bail!("the days ended with {status}: {said}");
    }
    let said = fs::read_to_string(&output)?;
    let lines = said
        .lines()
        .map(|line| serde_json::from_str(line).context("no JSON"));
    lines.collect()
}

fn verdicts(end: &Value, days: &[Value]) -> Vec<Line> {
    let read = days.iter().filter_map(|day| day["read_most"].as_f64());
    let read = Line {
        budget: budgets::TOMBSTONES_READ,
        measured: read.max_by(f64::total_cmp),
    };
    let (used, fresh) = (end["used_ms"].as_f64(), end["fresh_ms"].as_f64());
    let quick = Line {
        budget: budgets::TOMBSTONES_QUICK,
        measured: used,
    };
    if quick.verdict() == Verdict::Met {
        return vec![read, quick];
    }
    let ratio = used.zip(fresh).map(|(used, fresh)| used / fresh);
    let ratio = Line {
        budget: budgets::TOMBSTONES_TIME,
        measured: ratio,
    };
    vec![read, ratio]
}

fn tables(verdicts: &[Line], end: &Value, days: &[Value], machine: &Machine) -> String {
    let held = budgets::table(verdicts);
    let mut table = Table::new(&[
        "day",
        "read, most",
        "read, mean",
        "buckets, most",
        "emptied: ms",
        "one partition: read",
        "emptied: ms",
    ]);
    for day in days {
        let whole = |what: &str| match day[what].as_f64() {
            Some(figure) => format!("{figure:.0}"),
            None => "fails".to_owned(),
        };
        let time = |what: &str| match day[what].as_f64() {
            Some(figure) => format!("{figure:.1}"),
            None => "fails".to_owned(),
        };
        table.row(vec![
            whole("day"),
            whole("read_most"),
            whole("read_mean"),
            whole("buckets_most"),
            time("listing_ms"),
            whole("one_partition_read"),
            time("one_partition_ms"),
        ]);
    }
    let figure = |what: &str| end[what].as_f64().unwrap_or_default();
    format!(
        "{}\nWith {:.0} mails that wait a listing takes {:.1} ms at the end, and {:.1} ms in a new \
         mailbox with as many.\n\n{}\n{}",
        held.text(),
        figure("mails"),
        figure("used_ms"),
        figure("fresh_ms"),
        table.text(),
        machine.table().text()
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Verdict, verdicts};

    #[test]
    fn a_listing_is_well_when_it_is_quick_or_as_quick_as_a_new_one() {
        let days = [json!({ "read_most": 900 }), json!({ "read_most": 1001 })];
        let of = |used: f64, fresh: f64| {
            let end = json!({ "used_ms": used, "fresh_ms": fresh });
            let lines = verdicts(&end, &days);
            lines.iter().map(super::Line::verdict).collect::<Vec<_>>()
        };
        assert_eq!(of(4.9, 1.0), [Verdict::Missed, Verdict::Met]);
        assert_eq!(of(9.0, 5.0), [Verdict::Missed, Verdict::Met]);
        assert_eq!(of(11.0, 5.0), [Verdict::Missed, Verdict::Missed]);
    }
}
