//! `deploy`: alerts and panels ask for metrics that there are, and each alert has its section in
//! `docs/operations/alerts.md`.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result};

use crate::command::root;

const RULES: &str = "deploy/prometheus-rules.yaml";
const DASHBOARD: &str = "deploy/grafana.json";
const METRICS: &str = "docs/metrics.md";
const RUNBOOK: &str = "docs/operations/alerts.md";

/// What the text format makes of a histogram.
const PARTS: [&str; 3] = ["_bucket", "_count", "_sum"];

/// Alerts and panels that are about nothing, and alerts that nobody explains.
pub(super) fn faults() -> Result<Vec<String>> {
    let [rules, dashboard, metrics, runbook] = [RULES, DASHBOARD, METRICS, RUNBOOK].map(|path| {
        let text = fs::read_to_string(root().join(path));
        text.with_context(|| format!("failed to read {path}"))
    });
    let (rules, dashboard, metrics, runbook) = (rules?, dashboard?, metrics?, runbook?);
    let there = documented(&metrics);
    let mut faults = unknown(RULES, &rules, &there);
    faults.extend(unknown(DASHBOARD, &dashboard, &there));
    faults.extend(unexplained(&rules, &runbook));
    if let Err(error) = serde_json::from_str::<serde_json::Value>(&dashboard) {
        faults.push(format!("{DASHBOARD}: {error}"));
    }
    Ok(faults)
}

/// The metrics of the table.
fn documented(metrics: &str) -> BTreeSet<&str> {
    let rows = metrics.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next()).collect()
}

fn unknown(path: &str, text: &str, there: &BTreeSet<&str>) -> Vec<String> {
    let is_there = |name: &&str| {
        let whole = PARTS.iter().find_map(|part| name.strip_suffix(part));
        there.contains(name) || whole.is_some_and(|whole| there.contains(whole))
    };
    let unknown: BTreeSet<_> = named(text).filter(|name| !is_there(name)).collect();
    let fault = |name| format!("{path}: there is no metric {name}");
    unknown.into_iter().map(fault).collect()
}

/// Words that look like metrics of ours.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let words = text.split(move |c| !is_letter(c));
    words.filter(|word| word.starts_with("cassmail_") || word.starts_with("process_"))
}

/// Each alert names the section with its name in small letters, and that is there.
fn unexplained(rules: &str, runbook: &str) -> Vec<String> {
    let names = rules
        .lines()
        .filter_map(|line| line.split("- alert: ").nth(1));
    let sections: BTreeSet<_> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let mut faults = Vec::new();
    for name in names {
        let link = format!("runbook: {RUNBOOK}#{}\n", name.to_lowercase());
        if !rules.contains(&link) || !sections.contains(name) {
            faults.push(format!("{RULES}: {name} has no section in {RUNBOOK}"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_and_panels_are_about_metrics_that_there_are() {
        let faults = faults().expect("the files can be read");
        assert_eq!(faults, Vec::<String>::new());
    }

    #[test]
    fn a_metric_that_is_not_there_is_found_and_parts_of_a_histogram_are_known() {
        let there = documented("| `cassmail_x_seconds` | histogram |\n");
        let text = "rate(cassmail_x_seconds_bucket[5m]) + cassmail_y_total{a=\"b\"}";
        assert_eq!(
            unknown("f", text, &there),
            ["f: there is no metric cassmail_y_total"]
        );
    }

    #[test]
    fn an_alert_without_its_section_is_found() {
        let rules = "- alert: Down\n  runbook: docs/operations/alerts.md#down\n";
        assert_eq!(
            unexplained(rules, "# Alerts\n\n## Down\n"),
            Vec::<String>::new()
        );
        assert_eq!(unexplained(rules, "# Alerts\n").len(), 1);
    }
}
