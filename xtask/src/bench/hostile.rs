//! What strangers do to a server, and how somebody fares who is served beside them.
//!
//! The limits are the defaults, and the attackers come from many addresses, so that most of them
//! are let in; with `--exempt` no limit per source holds.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::budgets::{self, Line};
use super::cassmail::Cassmail;
use super::generator::{PASSWORD, USERS};
use super::machine::Machine;
use super::options::Options;
use super::place::{Place, free_ports};
use super::process::Process;
use super::report::{Table, write_json, write_section};
use crate::command::say;

const PATIENCE: Duration = Duration::from_mins(20);

/// Plays all scenes, prints the tables, and fails when a budget is missed.
pub(super) fn run(options: &Options, exempt: Exempt) -> Result<()> {
    let place = Place::prepare(&options.folder)?;
    let machine = Machine::look(place.path())?;
    machine.say_doubts();
    let seconds = options.number(0, if options.quick { 2 } else { 20 });
    let report = play(
        &place,
        exempt,
        seconds,
        if options.quick { 10 } else { 100 },
    )?;
    let verdicts = verdicts(&report);
    let text = tables(&verdicts, &report, &machine);
    say(&format!("\n{text}"));
    let json = json!({
        "quick": options.quick,
        "machine": machine.json(),
        "budgets": verdicts.iter().map(Line::json).collect::<Vec<_>>(),
        "report": report,
    });
    let beside = place.target.join("bench-hostile.json");
    write_json(options.json.as_deref().unwrap_or(&beside), &json)?;
    if options.write {
        write_section("hostile", &text)?;
    }
    budgets::judge(&verdicts)
}

/// Whether limits per source hold for the attackers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exempt {
    /// As by default.
    Nobody,
    /// Everybody is exempt from all limits but the budgets of the process.
    Everybody,
}

fn play(place: &Place, exempt: Exempt, seconds: u32, strength: u32) -> Result<Value> {
    let [readings] = free_ports()?;
    let more = format!(
        "{}[admin]\nreadings = \"127.0.0.1:{readings}\"\n",
        certificate(place.path())?
    );
    let cassmail = Cassmail::install(place, "embedded", None, &more)?;
    cassmail.start_first()?.stop()?;
    let nobody = [("CASSMAIL_LIMITS__EXEMPT", "[]")];
    let environment = match exempt {
        Exempt::Nobody => nobody.as_slice(),
        Exempt::Everybody => &[],
    };
    let service = cassmail.start_with(environment)?;
    let victims = USERS[1..].join(",");
    let target = &service.target;
    let report = place.path().join("hostile.json");
    let mut command = Command::new(place.program("cassmail-bench"));
    command
        .arg("hostile")
        .args(["--smtp", &format!("127.0.0.1:{}", target.smtp.port)])
        .args(["--pop3", &format!("127.0.0.1:{}", target.pop3.port)])
        .args(["--readings", &format!("127.0.0.1:{readings}")])
        .args(["--neighbour", USERS[0], "--victims", &victims])
        .args(["--password", PASSWORD])
        .args(["--pid", &service.process.id().to_string()])
        .args(["--seconds", &seconds.to_string()])
        .args(["--strength", &strength.to_string(), "--json"])
        .arg(&report);
    // What is not well is in the report, and fails there.
    let mut playing = Process::start("the attackers", command, &place.path().join("played"))?;
    playing.wait(PATIENCE)?;
    let said = fs::read_to_string(&report).context("the attackers left no report")?;
    service.stop()?;
    serde_json::from_str(&said).context("the report of the attackers")
}

/// Makes a certificate and gives the table of the configuration that names it.
fn certificate(folder: &Path) -> Result<String> {
    let (chain, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    fs::write(&chain, made.cert.pem())?;
    fs::write(&key, made.signing_key.serialize_pem())?;
    fs::set_permissions(&key, Permissions::from_mode(0o600))?;
    Ok(format!(
        "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n",
        chain.display(),
        key.display()
    ))
}

fn scenes(report: &Value) -> &[Value] {
    report["scenes"].as_array().map_or(&[], Vec::as_slice)
}

fn verdicts(report: &Value) -> Vec<Line> {
    let most = |figure: &dyn Fn(&Value) -> Option<f64>| {
        let figures = scenes(report).iter().map(figure);
        figures
            .collect::<Option<Vec<f64>>>()
            .and_then(|figures| figures.into_iter().max_by(f64::total_cmp))
    };
    let start = report["start"]["memory_mib"].as_f64();
    let is_idle = |scene: &&Value| {
        scene["name"]
            .as_str()
            .is_some_and(|name| name.contains("idle"))
    };
    let idle = scenes(report).iter().find(is_idle);
    let line = |budget, measured| Line { budget, measured };
    vec![
        line(
            budgets::HOSTILE_SLOWEST,
            most(&|scene| scene["neighbour"]["slowest_ms"].as_f64()),
        ),
        line(
            budgets::HOSTILE_FAILED,
            most(&|scene| scene["neighbour"]["failures"].as_f64()),
        ),
        line(
            budgets::HOSTILE_IDLE_MEMORY,
            idle.and_then(|scene| scene["peak"]["memory_mib"].as_f64()),
        ),
        line(
            budgets::HOSTILE_MEMORY,
            most(&|scene| scene["peak"]["memory_mib"].as_f64()),
        ),
        line(
            budgets::HOSTILE_RETURN,
            report["end"]["memory_mib"]
                .as_f64()
                .zip(start)
                .map(|(end, start)| end / start),
        ),
        line(
            budgets::HOSTILE_LEFT,
            most(&|scene| {
                scene["settled"]
                    .as_bool()
                    .map(|settled| f64::from(!settled))
            }),
        ),
    ]
}

fn tables(verdicts: &[Line], report: &Value, machine: &Machine) -> String {
    let held = budgets::table(verdicts);
    let mut table = Table::new(&[
        "scene",
        "attackers",
        "connections",
        "sent away",
        "served",
        "slowest, ms",
        "sockets, most",
        "MiB, most",
        "MiB after",
        "settled after",
    ]);
    for scene in scenes(report) {
        let whole = |value: &Value| format!("{:.0}", value.as_f64().unwrap_or(f64::NAN));
        let tenth = |value: &Value| format!("{:.1}", value.as_f64().unwrap_or(f64::NAN));
        let served = &scene["neighbour"];
        let count = |what: &str| served[what].as_u64().unwrap_or_default();
        table.row(vec![
            scene["name"].as_str().unwrap_or_default().to_owned(),
            whole(&scene["attackers"]),
            whole(&scene["connections"]),
            whole(&scene["sent_away"]),
            (count("deliveries") + count("polls")).to_string(),
            whole(&served["slowest_ms"]),
            whole(&scene["peak"]["sockets"]),
            tenth(&scene["peak"]["memory_mib"]),
            tenth(&scene["end"]["memory_mib"]),
            format!("{} s", tenth(&scene["settled_seconds"])),
        ]);
    }
    let memory = |when: &str| report[when]["memory_mib"].as_f64().unwrap_or(f64::NAN);
    format!(
        "{}\nMemory at the start, warm and at rest: {:.1} MiB; at the end, at rest again: \
         {:.1} MiB.\n\n\
         {}\n{}",
        held.text(),
        memory("start"),
        memory("end"),
        table.text(),
        machine.table().text()
    )
}
