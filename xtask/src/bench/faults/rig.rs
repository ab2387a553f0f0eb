//! The cluster, the servers, the clients; one fault after the other.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::super::cassmail::Service;
use super::super::clock;
use super::super::cluster::{Nodes, Ring, Site};
use super::super::generator::{Generator, Load, Running};
use super::super::place::Place;
use super::super::process::complete;
use super::fault::Fault;
use super::seconds;
use super::watch::Watch;
use crate::setup;

/// A net of its own.
const NET: u8 = 246;

const KEYSPACE: &str = "faults";

const USERS: u32 = 5;

/// Two processes in each data center.
const CENTERS: [&str; 4] = ["dc1", "dc1", "dc2", "dc2"];

/// Clients begin so long before the fault, and go on so long after it is mended; in the short form
/// a third of it.
const AROUND: Duration = Duration::from_secs(15);

/// For whatever has an end of its own.
const PATIENCE: Duration = Duration::from_mins(10);

/// When all data centers are back, mail is acknowledged by all of them again, and what one of them
/// lacked is healed.
const HEALED: Duration = Duration::from_mins(3);

/// Mails and sessions in a second, on each side: enough to meet the fault, and little enough for
/// six nodes on two processors.
const MAILS: u32 = 12;
const SESSIONS: u32 = 2;

pub(super) struct Rig {
    generator: Generator,
    /// None where one is down.
    services: Vec<Option<Service>>,
    nodes: Arc<Nodes>,
    ring: Ring,
    folder: PathBuf,
    faketime: Option<PathBuf>,
}

/// What became of the promise in one fault.
pub(super) struct Outcome {
    fault: Fault,
    lasted: Duration,
    acknowledged: u64,
    removed: u64,
    errors: u64,
    gaps: [Duration; 2],
    healed: Duration,
}

/// The clients of one side.
struct Side {
    sending: Running,
    draining: Running,
    watch: Watch,
}

impl Rig {
    pub(super) fn new(place: &Place) -> Result<Self> {
        let ring = Ring::start(NET, "2x3", &[])?;
        let site = Site {
            ring: &ring,
            keyspace: KEYSPACE,
            centers: &CENTERS,
            users: USERS,
        };
        let nodes = Nodes::install(place, site)?;
        nodes.init()?;
        let services = nodes.start_first()?;
        Ok(Self {
            generator: Generator::new(place)?,
            services: services.into_iter().map(Some).collect(),
            nodes: Arc::new(nodes),
            ring,
            folder: place.path().to_owned(),
            faketime: faketime(),
        })
    }

    /// Clients on both sides; the fault; its end; then everything that was acknowledged is looked
    /// for in both data centers, and removed.
    pub(super) fn go_through(&mut self, fault: Fault, is_short: bool) -> Result<Outcome> {
        let ledgers = [self.ledger(fault, 1), self.ledger(fault, 2)];
        let sides = [self.begin(0, &ledgers[0])?, self.begin(2, &ledgers[1])?];
        let around = if is_short { AROUND / 3 } else { AROUND };
        thread::sleep(around);
        let struck = clock::now();
        fault.strike(self)?;
        thread::sleep(fault.holds(is_short));
        fault.mend(self)?;
        let mended = clock::now();
        thread::sleep(around);
        let (mut errors, mut gaps) = (0, [Duration::ZERO; 2]);
        for (side, gap) in sides.into_iter().zip(&mut gaps) {
            *gap = side.watch.longest_gap();
            errors += side.sending.finish(PATIENCE)?.number("failed");
            errors += side.draining.finish(PATIENCE)?.number("failed");
        }
        self.wait_until_healed()?;
        let healed = clock::now().duration_since(mended);
        if fault.wants_repair() {
            self.repair()?;
        }
        let found = self.verify(&ledgers)?;
        self.scrub()?;
        self.remove_all(&ledgers)?;
        Ok(Outcome {
            fault,
            lasted: mended.duration_since(struck),
            acknowledged: found.number("acknowledged"),
            removed: found.number("removed"),
            errors,
            gaps,
            healed,
        })
    }

    /// Mails of all sizes to one and to several, while two of the five mailboxes are emptied on
    /// each side, and nobody empties the fifth.
    fn begin(&self, first: usize, ledger: &Path) -> Result<Side> {
        let seed = first + 1;
        let targets = [
            &self.service(first)?.target,
            &self.service(first + 1)?.target,
        ];
        let common = format!(
            "--duration 30m --timeout 90s --allow-errors --seed {seed} --ledger {}",
            ledger.display()
        );
        let words = format!(
            "--to user{{n}}@example.org --users {USERS} --size spec --recipients \
             spec --connections 24 --rate {MAILS} {common}"
        );
        let sending = self
            .generator
            .start_delivery(&targets.map(|target| target.smtp), &words)?;
        let words = format!(
            "--login user{{n}}@example.org --users 2 --first {seed} --mode \
             drain --pipeline --connections 1 --rate {SESSIONS} {common}"
        );
        let draining = self
            .generator
            .start_visits(&targets.map(|target| target.pop3), &words)?;
        Ok(Side {
            sending,
            draining,
            watch: Watch::begin(Arc::clone(&self.nodes), first..first + 2),
        })
    }

    /// A command for the cluster.
    pub(super) fn cassandra(&self, words: &[&str]) -> Result<()> {
        self.ring.run(words)
    }

    pub(super) fn kill_server(&mut self, number: usize) -> Result<()> {
        self.take(number)?.process.kill()
    }

    pub(super) fn start_server(&mut self, number: usize) -> Result<()> {
        self.services[number] = Some(self.nodes.start(number)?);
        Ok(())
    }

    pub(super) fn restart_server(&mut self, number: usize) -> Result<()> {
        self.take(number)?.stop()?;
        self.start_server(number)
    }

    fn service(&self, number: usize) -> Result<&Service> {
        let service = self.services.get(number).and_then(Option::as_ref);
        service.with_context(|| format!("server {number} does not run"))
    }

    fn take(&mut self, number: usize) -> Result<Service> {
        let service = self.services.get_mut(number).and_then(Option::take);
        service.with_context(|| format!("server {number} does not run"))
    }

    /// Its wall clock is an hour ahead; the clock that measures durations is right.
    pub(super) fn restart_server_ahead(&mut self, number: usize) -> Result<()> {
        let library = self.faketime.as_ref().context("libfaketime is missing")?;
        let library = library.display().to_string();
        self.take(number)?.stop()?;
        let environment = [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME", "+3600s"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ];
        self.services[number] = Some(self.nodes.start_with(number, &environment)?);
        Ok(())
    }

    pub(super) fn restart_each_node(&self) -> Result<()> {
        for node in ["1", "2", "3", "4", "5", "6"] {
            self.cassandra(&["nodetool", node, "drain"])?;
            self.cassandra(&["kill", node])?;
            self.cassandra(&["up", node])?;
        }
        Ok(())
    }

    /// Every server says that no data center lacks anything that it knows of.
    fn wait_until_healed(&self) -> Result<()> {
        let end = clock::now() + HEALED;
        loop {
            let mut waiting = 0.0;
            for number in 0..CENTERS.len() {
                waiting += self.nodes.metric(number, "cassmail_store_degraded")?;
                waiting += self
                    .nodes
                    .metric(number, "cassmail_store_waiting_for_healing")?;
            }
            if waiting < 0.5 {
                return Ok(());
            }
            if clock::now() > end {
                bail!(
                    "not healed within {}: {waiting} partitions wait",
                    seconds(HEALED)
                );
            }
            thread::sleep(Duration::from_millis(500));
        }
    }

    fn repair(&self) -> Result<()> {
        for node in ["1", "2", "3", "4", "5", "6"] {
            self.cassandra(&["nodetool", node, "repair", "-full", "-pr", KEYSPACE])?;
        }
        Ok(())
    }

    /// Both data centers have what was acknowledged, once, and nothing that was removed.
    fn verify(&self, ledgers: &[PathBuf]) -> Result<Load> {
        let mut last = None;
        for number in [0, 2] {
            let door = self.service(number)?.target.pop3;
            let found = self.generator.verify_all(door, ledgers, PATIENCE)?;
            found
                .judge()
                .with_context(|| format!("seen from {}", CENTERS[number]))?;
            last = Some(found);
        }
        last.context("no data center was looked at")
    }

    /// Every listed message has its body, and nothing is wrong that a scrub would not mend.
    fn scrub(&self) -> Result<()> {
        let command = self
            .nodes
            .command(0, &["scrub", "--verify", "--rate", "100000"])?;
        complete(
            "cassmail scrub",
            command,
            &self.folder.join("scrub"),
            PATIENCE,
        )
    }

    /// Empties all mailboxes, so that what comes back later is seen.
    fn remove_all(&self, ledgers: &[PathBuf]) -> Result<()> {
        let ledger = ledgers[0].display();
        let words = format!(
            "--login user{{n}}@example.org --users {USERS} --mode drain --pipeline --connections 5 \
             --timeout 90s --ledger {ledger}"
        );
        let door = self.service(0)?.target.pop3;
        self.generator.visit(&[door], &words, PATIENCE)?;
        self.verify(ledgers).map(drop)
    }

    fn ledger(&self, fault: Fault, side: u32) -> PathBuf {
        self.folder.join(format!("{}-{side}.ledger", fault.name()))
    }
}

/// The library that turns clocks, installed if it can be.
fn faketime() -> Option<PathBuf> {
    let find = || {
        let folders = [
            "/usr/lib/x86_64-linux-gnu",
            "/usr/lib/aarch64-linux-gnu",
            "/usr/lib",
        ];
        let places = folders.map(|folder| Path::new(folder).join("faketime/libfaketime.so.1"));
        places.into_iter().find(|place| place.exists())
    };
    find().or_else(|| {
        if let Err(error) = setup::run_apt(&["libfaketime"]) {
            crate::command::say(&format!("{error:#}"));
        }
        find()
    })
}

impl Outcome {
    pub(super) fn line(&self) -> String {
        format!(
            "{} acknowledged, {} removed, {} errors, longest gap {} / {}, healed after {}",
            self.acknowledged,
            self.removed,
            self.errors,
            seconds(self.gaps[0]),
            seconds(self.gaps[1]),
            seconds(self.healed)
        )
    }

    pub(super) fn cells(&self) -> Vec<String> {
        vec![
            self.fault.title().to_owned(),
            seconds(self.lasted),
            self.acknowledged.to_string(),
            self.removed.to_string(),
            self.errors.to_string(),
            format!("{} / {}", seconds(self.gaps[0]), seconds(self.gaps[1])),
            seconds(self.healed),
            "0, 0, 0".to_owned(),
        ]
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "fault": self.fault.name(),
            "lasted_seconds": self.lasted.as_secs_f64(),
            "acknowledged": self.acknowledged,
            "removed": self.removed,
            "errors": self.errors,
            "longest_gap_seconds": self.gaps.map(|gap| gap.as_secs_f64()),
            "healed_after_seconds": self.healed.as_secs_f64(),
            "broken_promises": 0,
        })
    }
}
