//! What a run says at its end, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::crew::Harvest;
use crate::measure::{Fault, Summary};
use crate::process::Used;
use crate::verify::Findings;

/// The result of a subcommand.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Report {
    Load(Box<LoadReport>),
    Verify(Box<VerifyReport>),
}

/// Figures of a load.
#[derive(Debug, Serialize)]
pub(crate) struct LoadReport {
    pub(crate) command: &'static str,
    pub(crate) begun_unix_micros: u64,
    pub(crate) seconds: f64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    /// Scheduled, but no connection was free in time.
    pub(crate) missed: u64,
    /// Of everything that is counted.
    pub(crate) per_second: BTreeMap<String, f64>,
    /// The same until the server was idle again.
    pub(crate) succeeded_per_second_to_idle: Option<f64>,
    pub(crate) counts: BTreeMap<String, u64>,
    pub(crate) latency_ms: BTreeMap<String, Summary>,
    /// Of mails, by the minute of the run in which they were due.
    pub(crate) minutes_ms: BTreeMap<u64, Summary>,
    pub(crate) errors: BTreeMap<String, Fault>,
    pub(crate) generator_cpu_ms_per_operation: f64,
    pub(crate) server: Option<Used>,
    pub(crate) server_cpu_ms_per_operation: Option<f64>,
    /// Operations that succeeded and that failed, second by second.
    pub(crate) timeline: Vec<(u64, u64)>,
}

/// Figures of a comparison with ledgers.
#[derive(Debug, Serialize)]
pub(crate) struct VerifyReport {
    pub(crate) command: &'static str,
    pub(crate) good: bool,
    #[serde(flatten)]
    pub(crate) findings: Findings,
}

impl Report {
    pub(crate) fn of_load(command: &'static str, harvest: Harvest) -> Self {
        let seconds = harvest.elapsed.as_secs_f64().max(1e-9);
        let counts = harvest.stats.counts();
        let per_second = counts
            .iter()
            .map(|(what, count)| (what.clone(), real(*count) / seconds))
            .collect();
        let per_operation = |cpu_seconds: f64| cpu_seconds * 1e3 / real(harvest.succeeded.max(1));
        let used = harvest.used;
        let server_cpu = used
            .as_ref()
            .map(|used| used.user_seconds + used.system_seconds);
        let idle = used.as_ref().and_then(|used| used.idle_after_seconds);
        Self::Load(Box::new(LoadReport {
            command,
            begun_unix_micros: harvest.begun_unix_micros,
            seconds,
            succeeded: harvest.succeeded,
            failed: harvest.failed,
            missed: harvest.missed,
            per_second,
            succeeded_per_second_to_idle: idle
                .map(|idle| real(harvest.succeeded) / idle.max(seconds)),
            counts,
            latency_ms: harvest.stats.latencies(),
            minutes_ms: harvest.stats.minutes(),
            errors: harvest.stats.errors(),
            generator_cpu_ms_per_operation: per_operation(harvest.own_cpu.as_secs_f64()),
            server_cpu_ms_per_operation: server_cpu.map(per_operation),
            server: used,
            timeline: harvest.timeline,
        }))
    }

    pub(crate) fn of_findings(findings: Findings) -> Self {
        let good = findings.is_good();
        Self::Verify(Box::new(VerifyReport {
            command: "verify",
            good,
            findings,
        }))
    }

    /// Whether everything went well.
    pub(crate) fn is_good(&self) -> bool {
        match self {
            Self::Load(load) => load.failed == 0 && load.succeeded > 0,
            Self::Verify(verify) => verify.good,
        }
    }

    /// A table for people.
    pub(crate) fn table(&self) -> String {
        let mut table = String::new();
        // Writing to a string does not fail.
        let _: std::fmt::Result = match self {
            Self::Load(load) => load.write(&mut table),
            Self::Verify(verify) => verify.write(&mut table),
        };
        table
    }
}

impl LoadReport {
    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "{}: {:.2} s", self.command, self.seconds)?;
        writeln!(out, "  {:<24}{:>14}", "succeeded", self.succeeded)?;
        writeln!(out, "  {:<24}{:>14}", "failed", self.failed)?;
        if self.missed > 0 {
            writeln!(out, "  {:<24}{:>14}", "missed (all busy)", self.missed)?;
        }
        for (what, count) in &self.counts {
            let rate = self.per_second.get(what).copied().unwrap_or(0.0);
            writeln!(out, "  {what:<24}{count:>14}{rate:>14.1} /s")?;
        }
        if let Some(rate) = self.succeeded_per_second_to_idle {
            writeln!(
                out,
                "  {:<24}{:>14}{rate:>14.1} /s",
                "until idle", self.succeeded
            )?;
        }
        self.write_latencies(out)?;
        self.write_cpu(out)?;
        for (what, fault) in &self.errors {
            writeln!(
                out,
                "  error {what}: {} times, first: {}",
                fault.count, fault.first
            )?;
        }
        Ok(())
    }

    fn write_latencies(&self, out: &mut String) -> std::fmt::Result {
        if self.latency_ms.is_empty() {
            return Ok(());
        }
        let columns = ["p50", "p90", "p99", "max", "mean", "first"];
        write!(out, "  {:<18}", "latency in ms")?;
        columns
            .iter()
            .try_for_each(|column| write!(out, "{column:>10}"))?;
        writeln!(out)?;
        for (what, summary) in &self.latency_ms {
            let Summary {
                p50,
                p90,
                p99,
                max,
                mean,
                first,
                ..
            } = summary;
            write!(out, "  {what:<18}")?;
            let figures = [p50, p90, p99, max, mean, first];
            figures
                .iter()
                .try_for_each(|figure| write!(out, "{figure:>10.3}"))?;
            writeln!(out)?;
        }
        Ok(())
    }

    fn write_cpu(&self, out: &mut String) -> std::fmt::Result {
        let own = self.generator_cpu_ms_per_operation;
        writeln!(
            out,
            "  CPU of the generator    {own:>14.4} ms per operation"
        )?;
        let (Some(used), Some(cpu)) = (&self.server, self.server_cpu_ms_per_operation) else {
            return Ok(());
        };
        writeln!(
            out,
            "  CPU of the server       {cpu:>14.4} ms per operation (user {:.2} s, system {:.2} s)",
            used.user_seconds, used.system_seconds,
        )?;
        let pss = used.pss_peak_bytes.map_or("unknown".to_owned(), mebibytes);
        writeln!(
            out,
            "  memory of the server    {:>14} RSS at most, PSS {pss}, {} processes",
            mebibytes(used.rss_peak_bytes),
            used.processes,
        )
    }
}

impl VerifyReport {
    fn write(&self, out: &mut String) -> std::fmt::Result {
        let findings = &self.findings;
        writeln!(
            out,
            "verify: {}",
            if self.good {
                "every promise was kept"
            } else {
                "BROKEN"
            }
        )?;
        let lines = [
            ("mailboxes", findings.mailboxes),
            ("acknowledged", findings.acknowledged),
            ("sound or removed", findings.sound),
            ("removed", findings.removed),
            ("lost", findings.lost),
            ("duplicated", findings.duplicated),
            ("corrupt", findings.corrupt),
            ("unreadable", findings.unreadable),
            ("resurrected", findings.resurrected),
            ("misdelivered", findings.misdelivered),
            ("refused but present", findings.refused_present),
            ("phantom", findings.phantom),
            ("foreign", findings.foreign),
            ("uncertain, present", findings.uncertain_present),
            ("uncertain, absent", findings.uncertain_absent),
        ];
        lines
            .iter()
            .try_for_each(|(what, count)| writeln!(out, "  {what:<24}{count:>14}"))?;
        for (kind, examples) in &findings.examples {
            examples
                .iter()
                .try_for_each(|example| writeln!(out, "  {kind}: {example}"))?;
        }
        Ok(())
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", real(bytes) / 1_048_576.0)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "figures for people need no more than 52 bits"
)]
fn real(count: u64) -> f64 {
    count as f64
}
