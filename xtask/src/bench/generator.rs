//! Runs `cassmail-bench` and reads what it reports.

use std::cell::Cell;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;
use serde_json::Value;

use super::place::Place;
use super::process::Process;

/// The mailboxes that everybody has, and their password.
pub(super) const USERS: [&str; 5] = [
    "user1@example.org",
    "user2@example.org",
    "user3@example.org",
    "user4@example.org",
    "user5@example.org",
];
pub(super) const PASSWORD: &str = "of-the-benchmark";

/// A server as the generator sees it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) smtp: Door,
    pub(super) pop3: Door,
}

/// A port, and the process whose CPU time is that of what is behind it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Door {
    pub(super) port: u16,
    pub(super) process: u32,
}

/// The load generator.
#[derive(Debug)]
pub(super) struct Generator {
    program: PathBuf,
    folder: PathBuf,
    runs: Cell<u32>,
}

/// What the generator reports of a run.
#[derive(Debug, Clone)]
pub(super) struct Load(pub(super) Value);

/// The columns of [`Load::delivery_cells`].
pub(super) const DELIVERY: [&str; 4] = ["mails/s", "p50", "p99", "CPU per mail"];

/// What breaks a promise, as `cassmail-bench verify` names it. Mails of an epoch that was emptied
/// before are foreign to the next one, so none may come back either.
pub(super) const BROKEN: [&str; 9] = [
    "lost",
    "duplicated",
    "corrupt",
    "unreadable",
    "resurrected",
    "misdelivered",
    "refused_present",
    "phantom",
    "foreign",
];

/// A run that has not ended.
#[derive(Debug)]
pub(super) struct Running {
    process: Process,
    report: PathBuf,
}

impl Generator {
    pub(super) fn new(place: &Place) -> Result<Self> {
        Ok(Self {
            program: place.program("cassmail-bench"),
            folder: place.folder("reports")?,
            runs: Cell::new(0),
        })
    }

    /// Delivers mails over connections that stay open, pipelined; several doors take turns.
    pub(super) fn deliver(&self, doors: &[Door], words: &str, patience: Duration) -> Result<Load> {
        self.start_delivery(doors, words)?.load(patience)
    }

    pub(super) fn start_delivery(&self, doors: &[Door], words: &str) -> Result<Running> {
        let mut command = self.command("smtp", doors);
        command.arg("--pipeline").args(words.split_whitespace());
        watch(&mut command, doors);
        self.start(command)
    }

    /// Visits mailboxes; several doors take turns.
    pub(super) fn visit(&self, doors: &[Door], words: &str, patience: Duration) -> Result<Load> {
        self.start_visits(doors, words)?.load(patience)
    }

    pub(super) fn start_visits(&self, doors: &[Door], words: &str) -> Result<Running> {
        let mut command = self.command("pop3", doors);
        command.args(["--password", PASSWORD]);
        command.args(words.split_whitespace());
        watch(&mut command, doors);
        self.start(command)
    }

    /// Opens one mailbox again and again.
    pub(super) fn open(&self, door: Door, words: &str, patience: Duration) -> Result<Load> {
        let mut command = self.command("mailbox", &[door]);
        command.args(["--password", PASSWORD]);
        command.args(words.split_whitespace());
        self.start(command)?.load(patience)
    }

    /// Compares what is there with a ledger; broken promises are in the report, not an error.
    pub(super) fn verify(&self, doors: &[Door], ledger: &Path, patience: Duration) -> Result<Load> {
        let mut command = self.command("verify", doors);
        command.args(["--password", PASSWORD, "--pipeline", "--ledger"]);
        command.arg(ledger);
        self.start(command)?.report(patience)
    }

    /// The same with several ledgers; what may be under way still is waited for.
    pub(super) fn verify_all(
        &self,
        door: Door,
        ledgers: &[PathBuf],
        patience: Duration,
    ) -> Result<Load> {
        let mut command = self.command("verify", &[door]);
        command.args(["--password", PASSWORD, "--pipeline", "--wait", "90s"]);
        for ledger in ledgers {
            command.arg("--ledger").arg(ledger);
        }
        self.start(command)?.report(patience)
    }

    fn command(&self, what: &str, doors: &[Door]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(what);
        for door in doors {
            command.args(["--target", &format!("127.0.0.1:{}", door.port)]);
        }
        command
    }

    fn start(&self, mut command: Command) -> Result<Running> {
        let number = self.runs.get();
        self.runs.set(number + 1);
        let report = self.folder.join(format!("{number}.json"));
        command.arg("--json").arg(&report);
        let process = Process::start_in_sight("cassmail-bench", command)?;
        Ok(Running { process, report })
    }
}

/// The CPU time of all that is behind these doors is that of the server.
fn watch(command: &mut Command, doors: &[Door]) {
    for door in doors {
        command.args(["--pid", &door.process.to_string()]);
    }
}

impl Running {
    /// Waits for the report of a run that must succeed.
    fn load(mut self, patience: Duration) -> Result<Load> {
        let status = self.process.wait(patience)?;
        let load = self.read();
        if !status.success() {
            let errors = load.map(|load| load.0["errors"].to_string());
            bail!("cassmail-bench failed: {}", errors.unwrap_or_default());
        }
        load
    }

    /// Waits for a report, whatever it says.
    pub(super) fn report(mut self, patience: Duration) -> Result<Load> {
        let status = self.process.wait(patience)?;
        self.read()
            .with_context(|| format!("it ended with {status}"))
    }

    /// Ends it when it has finished what it is at, and gives its report, whatever that says.
    pub(super) fn finish(mut self, patience: Duration) -> Result<Load> {
        self.process.terminate()?;
        self.report(patience)
    }

    /// Lets it finish what it is at, whatever came of that. On a busy machine it may be told before
    /// it listens for signals; then it has not begun.
    pub(super) fn stop(mut self, patience: Duration) -> Result<()> {
        self.process.terminate()?;
        let status = self.process.wait(patience)?;
        if status.signal() == Some(Signal::TERM.as_raw()) {
            return Ok(());
        }
        self.read()
            .with_context(|| format!("it ended with {status}"))
            .map(drop)
    }

    fn read(&self) -> Result<Load> {
        let text = fs::read_to_string(&self.report).context("cassmail-bench reported nothing")?;
        Ok(Load(serde_json::from_str(&text)?))
    }
}

impl Load {
    /// How often something happened in a second.
    pub(super) fn rate(&self, what: &str) -> f64 {
        real(&self.0["per_second"][what])
    }

    /// Mails in a second until the server had finished with them.
    pub(super) fn rate_to_idle(&self) -> Option<f64> {
        self.0["succeeded_per_second_to_idle"].as_f64()
    }

    /// CPU time of the server for each of these, in milliseconds.
    pub(super) fn cpu_per(&self, what: &str) -> f64 {
        let server = &self.0["server"];
        let seconds = real(&server["user_seconds"]) + real(&server["system_seconds"]);
        seconds * 1e3 / real(&self.0["counts"][what]).max(1.0)
    }

    /// What a table says of a delivery.
    pub(super) fn delivery_cells(&self) -> [String; DELIVERY.len()] {
        [
            format!("{:.0}", self.rate("mails")),
            format!("{:.1} ms", self.latency("mail", "p50")),
            format!("{:.1} ms", self.latency("mail", "p99")),
            format!("{:.3} ms", self.cpu_per("mails")),
        ]
    }

    /// A latency in milliseconds, such as `("mail", "p50")`.
    pub(super) fn latency(&self, what: &str, which: &str) -> f64 {
        real(&self.0["latency_ms"][what][which])
    }

    /// How often something happened.
    pub(super) fn count(&self, what: &str) -> u64 {
        self.0["counts"][what].as_u64().unwrap_or(0)
    }

    /// Fails when a verification found a promise broken.
    pub(super) fn judge(&self) -> Result<()> {
        let broken = BROKEN.iter().filter(|what| self.number(what) > 0);
        let broken: Vec<String> = broken
            .map(|what| format!("{} {what}", self.number(what)))
            .collect();
        if !broken.is_empty() {
            bail!("{}: {}", broken.join(", "), self.0["examples"]);
        }
        Ok(())
    }

    /// A number at the top of the report.
    pub(super) fn number(&self, what: &str) -> u64 {
        self.0[what].as_u64().unwrap_or(0)
    }
}

fn real(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Load;

    #[test]
    fn figures_are_read_from_the_report() {
        let load = Load(json!({
            "per_second": { "mails": 20.5 },
            "counts": { "mails": 1000 },
            "server": { "user_seconds": 1.5, "system_seconds": 0.5 },
            "latency_ms": { "mail": { "p50": 3.25 } },
            "succeeded": 7,
        }));
        let close = |found: f64, expected: f64| (found - expected).abs() < 1e-9;
        assert!(close(load.rate("mails"), 20.5));
        assert!(close(load.cpu_per("mails"), 2.0));
        assert!(close(load.latency("mail", "p50"), 3.25));
        assert_eq!(load.number("succeeded"), 7);
        assert_eq!(load.rate_to_idle(), None);
    }
}
