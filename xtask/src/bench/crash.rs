//! Rounds of `kill -9` in the middle of deliveries and removals, and the many histories with losses
//! of power that the embedded store simulates for itself.
//!
//! A kill loses what the process knew and nothing that it wrote: the system's cache stays. What a
//! loss of power takes, the histories take, page by page and in any order.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use super::cassmail::{Cassmail, Service};
use super::generator::{BROKEN, Generator, Load};
use super::machine::Machine;
use super::options::Options;
use super::place::Place;
use super::process::Process;
use super::report::{Table, write_json, write_section};
use crate::command::{cargo, say};

const PATIENCE: Duration = Duration::from_mins(5);
/// 10 000 histories are more than a run of the tests has.
const PATIENCE_FOR_HISTORIES: Duration = Duration::from_hours(2);
/// Rounds after which everything is removed, so that mailboxes stay small enough to be read whole
/// after each round.
const ROUNDS_OF_AN_EPOCH: u32 = 10;
/// Segments as small as they may be in practice, so that they change and are cleaned all the time.
const SMALL_SEGMENTS: &str = "[store.embedded]\nsegment_size = \"16 MiB\"\n";

/// What is counted at the end of an epoch.
const COUNTED: [&str; 5] = [
    "acknowledged",
    "sound",
    "removed",
    "uncertain_present",
    "uncertain_absent",
];

/// Kills, verifies, and simulates; fails when a promise was broken.
pub(super) fn run(options: &Options) -> Result<()> {
    let (rounds, histories) = if options.quick {
        (options.number(0, 3), options.number(1, 100))
    } else {
        (options.number(0, 200), options.number(1, 10_000))
    };
    let place = Place::prepare(&options.folder)?;
    let machine = Machine::look(place.path())?;
    let mut rig = Rig::new(&place, &options.store)?;
    for number in 1..=rounds {
        if let Err(error) = rig.round(number, number == rounds) {
            place.keep();
            return Err(error.context(format!("round {number}")));
        }
        if number.is_multiple_of(ROUNDS_OF_AN_EPOCH) || number == rounds {
            say(&format!("{number} of {rounds} rounds: {}", rig.sums()));
        }
    }
    let simulated = simulate(&place, histories)?;

    let text = tables(rounds, &rig, &machine, &simulated);
    say(&format!("\n{text}"));
    let json = json!({
        "store": options.store,
        "machine": machine.json(),
        "rounds": rounds,
        "counts": rig.counts,
        "faults": 0,
        "starts_seconds": rig.starts.iter().map(Duration::as_secs_f64).collect::<Vec<_>>(),
        "histories": histories,
        "simulated": simulated,
    });
    let beside = place.target.join("bench-crash.json");
    write_json(options.json.as_deref().unwrap_or(&beside), &json)?;
    if options.write {
        write_section("crash", &text)?;
    }
    Ok(())
}

/// What stays from one kill to the next.
struct Rig {
    generator: Generator,
    cassmail: Cassmail,
    folder: PathBuf,
    epoch: u32,
    counts: BTreeMap<&'static str, u64>,
    starts: Vec<Duration>,
    random: Random,
}

impl Rig {
    fn new(place: &Place, store: &str) -> Result<Self> {
        let cassmail = Cassmail::install(place, store, None, SMALL_SEGMENTS)?;
        cassmail.start_first()?.stop()?;
        Ok(Self {
            generator: Generator::new(place)?,
            cassmail,
            folder: place.path().to_owned(),
            epoch: 1,
            counts: BTreeMap::new(),
            starts: Vec::new(),
            random: Random(1),
        })
    }

    /// Load, kill, start, verify; at the end of an epoch everything is removed and stays away.
    fn round(&mut self, number: u32, is_last: bool) -> Result<()> {
        let service = self.start()?;
        self.kill_under_load(service, number)?;
        let service = self.start()?;
        self.verify(&service)?;
        if !number.is_multiple_of(ROUNDS_OF_AN_EPOCH) && !is_last {
            return self.kill(service);
        }
        let words = format!(
            "--login user{{n}}@example.org --users 5 --mode drain --pipeline --connections 5 \
             --ledger {}",
            self.ledger().display()
        );
        let pop3 = [service.target.pop3];
        self.generator.visit(&pop3, &words, PATIENCE)?;
        self.kill(service)?;
        let service = self.start()?;
        let found = self.verify(&service)?;
        for what in COUNTED {
            *self.counts.entry(what).or_default() += found.number(what);
        }
        self.epoch += 1;
        service.stop()
    }

    fn start(&mut self) -> Result<Service> {
        let service = self.cassmail.start()?;
        self.starts.push(service.started_in);
        Ok(service)
    }

    fn kill(&mut self, mut service: Service) -> Result<()> {
        *self.counts.entry("kills").or_default() += 1;
        service.process.kill()
    }

    /// Mails of all sizes to one and to several, by DATA and by BDAT, while three of the five
    /// mailboxes are emptied again and again.
    fn kill_under_load(&mut self, service: Service, number: u32) -> Result<()> {
        let ledger = self.ledger();
        let chunks = if number.is_multiple_of(2) {
            "--bdat"
        } else {
            ""
        };
        let common = format!(
            "--users 5 --duration 60s --timeout 5s --allow-errors --seed {number} --ledger {}",
            ledger.display()
        );
        let words = format!(
            "--to user{{n}}@example.org --size spec --recipients spec --connections 16 {chunks} \
             {common}"
        );
        let smtp = [service.target.smtp];
        let sending = self.generator.start_delivery(&smtp, &words)?;
        let common = common.replace("--users 5", "--users 3");
        let words = format!(
            "--login user{{n}}@example.org --mode drain --pipeline --connections 3 {common}"
        );
        let pop3 = [service.target.pop3];
        let removing = self.generator.start_visits(&pop3, &words)?;
        thread::sleep(Duration::from_millis(self.random.between(50, 1000)));
        self.kill(service)?;
        sending.stop(PATIENCE)?;
        removing.stop(PATIENCE)?;
        Ok(())
    }

    fn verify(&self, service: &Service) -> Result<Load> {
        let ledger = self.ledger();
        let pop3 = [service.target.pop3];
        let found = self.generator.verify(&pop3, &ledger, PATIENCE)?;
        found.judge()?;
        Ok(found)
    }

    fn ledger(&self) -> PathBuf {
        self.folder.join(format!("epoch-{}.ledger", self.epoch))
    }

    fn sums(&self) -> String {
        let sums = self.counts.iter();
        let sums: Vec<String> = sums
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        sums.join(", ").replace('_', " ")
    }

    /// The median and the longest start, in milliseconds; all but the first come after a kill.
    fn start_times(&self) -> (f64, f64) {
        let mut starts = self.starts.clone();
        starts.sort_unstable();
        let at = |place: usize| starts.get(place).map_or(0.0, |it| it.as_secs_f64() * 1e3);
        (at(starts.len() / 2), at(starts.len().saturating_sub(1)))
    }
}

/// The moments of the kills are the same in every run.
#[derive(Debug)]
struct Random(u64);

impl Random {
    /// A number from the first to below the second; a step of Knuth's generator for MMIX.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        const FACTOR: u64 = 6_364_136_223_846_793_005;
        const SUMMAND: u64 = 1_442_695_040_888_963_407;
        self.0 = self.0.wrapping_mul(FACTOR).wrapping_add(SUMMAND);
        low + (self.0 >> 33) % (high - low)
    }
}

/// Runs the histories of the embedded store; what they print.
fn simulate(place: &Place, histories: u32) -> Result<String> {
    say(&format!("{histories} histories with losses of power"));
    let words = "test --release --package cassmail-store-embedded histories -- --nocapture";
    let words: Vec<&str> = words.split(' ').collect();
    let mut command = cargo(&words);
    command.env("CASSMAIL_HISTORIES", histories.to_string());
    // What the tests print is apart from what the compiler does.
    let (output, complaints) = (
        place.path().join("histories"),
        place.path().join("compiler"),
    );
    let mut running = Process::start_apart("the histories", command, &output, &complaints)?;
    let status = running.wait(PATIENCE_FOR_HISTORIES)?;
    let said = fs::read_to_string(&output).context("the histories said nothing")?;
    if !status.success() {
        let complaints = fs::read_to_string(&complaints).unwrap_or_default();
        bail!("a history went wrong:\n{said}\n{complaints}");
    }
    let figures = figures(&said);
    if passed(&said) == 0 || figures.is_empty() {
        bail!("the embedded store has no test of histories that says how many there were");
    }
    Ok(figures)
}

/// How many tests passed, of all test programs.
fn passed(said: &str) -> u32 {
    let counts = said.lines().filter_map(|line| {
        let (_, counts) = line.split_once("test result: ok. ")?;
        counts.split(' ').next()?.parse::<u32>().ok()
    });
    counts.sum()
}

/// The lines that are the tests' own and not the test program's.
fn figures(said: &str) -> String {
    let framing = [
        "running ",
        "test ",
        "Compiling",
        "Finished",
        "Running",
        "Doc-tests",
    ];
    let is_framing = |line: &str| {
        framing
            .iter()
            .any(|word| line.trim_start().starts_with(word))
    };
    let lines = said.lines().map(str::trim_end);
    let lines: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !is_framing(line))
        .collect();
    lines.join("\n")
}

fn tables(rounds: u32, rig: &Rig, machine: &Machine, simulated: &str) -> String {
    let mut kills = Table::new(&["kill -9", "copies"]);
    let of = |what: &str| rig.counts.get(what).copied().unwrap_or(0).to_string();
    for (shown, what) in [
        ("acknowledged", "acknowledged"),
        ("removed by an acknowledged QUIT", "removed"),
        ("sent without an answer, and there", "uncertain_present"),
        ("sent without an answer, and not there", "uncertain_absent"),
    ] {
        kills.row(vec![shown.to_owned(), of(what)]);
    }
    for fault in BROKEN {
        kills.row(vec![fault.replace('_', " but "), "0".to_owned()]);
    }
    let (median, longest) = rig.start_times();
    format!(
        "{rounds} rounds, {} kills. From the start of the process to the first 220: median \
         {median:.0} ms, longest {longest:.0} ms.\n\n{}\nSimulated losses of power:\n\n```text\n\
         {simulated}\n```\n\n{}",
        of("kills"),
        kills.text(),
        machine.table().text()
    )
}

#[cfg(test)]
mod tests {
    use super::{Random, figures, passed};

    #[test]
    fn the_figures_of_a_test_are_told_from_what_surrounds_them() {
        let said = "running 1 test\n10000 histories, 3 crashes each\n\
                    test histories::hold ... ok\n\ntest result: ok. 1 passed; 0 failed\n\
                    running 0 tests\ntest result: ok. 0 passed; 0 failed\n";
        assert_eq!(figures(said), "10000 histories, 3 crashes each");
        assert_eq!(passed(said), 1);
        assert_eq!(passed("test result: ok. 0 passed; 0 failed"), 0);
    }

    #[test]
    fn moments_are_spread_and_the_same_in_every_run() {
        let moments = |mut random: Random| [(); 50].map(|()| random.between(50, 1000));
        let first = moments(Random(1));
        assert_eq!(first, moments(Random(1)));
        assert!(first.iter().all(|moment| (50..1000).contains(moment)));
        assert!(first.iter().any(|moment| *moment < 200));
        assert!(first.iter().any(|moment| *moment > 800));
    }
}
