//! Who may see whom, and what may come from outside.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::command::{cargo, output};

/// What each crate of ours may use of ours, and what it must never see of others, in its shipped
/// code. A crate that is not named here breaks the rule.
const RULES: [(&str, &[&str], &[&str]); 20] = [
    ("cassmail-mail", &[], RUNTIMES),
    ("cassmail-wire", &["mail"], RUNTIMES),
    ("cassmail-smtp", &["mail", "wire"], RUNTIMES),
    ("cassmail-pop3", &["mail", "wire"], RUNTIMES),
    ("cassmail-surrogate", &[], RUNTIMES),
    ("cassmail-store", &["mail"], &["fjall", "scylla"]),
    (
        "cassmail-store-contract",
        &["mail", "store"],
        &["fjall", "scylla"],
    ),
    (
        "cassmail-store-embedded",
        &["mail", "store"],
        &["scylla", "axum", "toml"],
    ),
    (
        "cassmail-store-cassandra",
        &["mail", "store"],
        &["fjall", "axum", "toml"],
    ),
    (
        "cassmail-transcript",
        &["mail", "wire"],
        &["fjall", "scylla", "axum"],
    ),
    (
        "cassmail-office",
        &[
            "mail",
            "wire",
            "smtp",
            "pop3",
            "store",
            "surrogate",
            "telemetry",
        ],
        &["fjall", "scylla", "toml", "axum", "rustls", "socket2"],
    ),
    (
        "cassmail-net",
        &["wire", "telemetry"],
        &["fjall", "scylla", "toml", "axum"],
    ),
    (
        "cassmail-config",
        &["mail"],
        &["tokio", "fjall", "scylla", "axum", "rustls"],
    ),
    (
        "cassmail-telemetry",
        &[],
        &["tokio", "fjall", "scylla", "axum", "rustls", "toml"],
    ),
    (
        "cassmail-admin",
        &["mail", "store", "office", "telemetry"],
        &["fjall", "scylla", "rustls", "toml"],
    ),
    (
        "cassmail",
        &[
            "mail",
            "wire",
            "smtp",
            "pop3",
            "store",
            "store-cassandra",
            "store-embedded",
            "office",
            "net",
            "config",
            "telemetry",
            "admin",
        ],
        &[],
    ),
    ("cassmail-bench", &[], &["fjall", "scylla", "axum"]),
    ("cassmail-e2e", &[], &["fjall", "scylla", "axum"]),
    (
        "cassmail-fuzz",
        &[
            "mail",
            "wire",
            "smtp",
            "pop3",
            "store",
            "store-cassandra",
            "store-embedded",
            "office",
            "surrogate",
            "net",
            "config",
            "telemetry",
            "transcript",
        ],
        &["axum"],
    ),
    (
        "xtask",
        &["config", "telemetry"],
        &["tokio", "fjall", "scylla", "axum"],
    ),
];

/// What a pure crate must never see: I/O, clocks, a runtime, storage formats, logging.
const RUNTIMES: &[&str] = &[
    "tokio", "fjall", "scylla", "axum", "rustls", "toml", "serde", "tracing", "rustix",
];

/// Licences that may be linked into the binary.
const LICENCES: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "MIT",
    "MIT-0",
    "ISC",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "Zlib",
    "Unicode-3.0",
    "Unlicense",
    "CDLA-Permissive-2.0",
];

/// Crates that may be there in two versions, each with its reason.
const TWICE: [(&str, &str); 6] = [
    ("getrandom", "ring, below rustls, has the older one"),
    (
        "hashbrown",
        "fjall's dashmap and quick_cache have older ones",
    ),
    (
        "syn",
        "only at build time: fjall's enum_dispatch has the older one",
    ),
    ("rand", "scylla, the driver of Cassandra, has the older one"),
    ("rand_core", "the same"),
    ("synstructure", "only at build time, below scylla"),
];

/// What breaks the rules.
pub(super) fn faults() -> Result<Vec<String>> {
    let platform = ["--filter-platform", "x86_64-unknown-linux-gnu"];
    let arguments = ["metadata", "--format-version", "1", "--locked"];
    let metadata = output(cargo(&[&arguments[..], &platform[..]].concat()))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata is not JSON")?;
    let used = used_packages(&metadata);
    let mut faults = Vec::new();
    for package in list(&metadata["packages"]).filter(|package| used.contains(text(&package["id"])))
    {
        if package["source"].is_null() {
            faults.extend(crate_faults(package));
        } else {
            faults.extend(origin_fault(package));
            faults.extend(licence_fault(package));
        }
    }
    faults.extend(twice_faults(&metadata, &used));
    Ok(faults)
}

/// The packages that something in the workspace uses on this platform.
fn used_packages(metadata: &Value) -> BTreeSet<&str> {
    let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"]["nodes"])
        .map(|node| (text(&node["id"]), node))
        .collect();
    let mut waiting: Vec<&str> = list(&metadata["workspace_members"]).map(text).collect();
    let mut used = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if used.insert(id) {
            let node = nodes.get(id).copied().unwrap_or(&Value::Null);
            waiting.extend(list(&node["deps"]).map(|dependency| text(&dependency["pkg"])));
        }
    }
    used
}

fn crate_faults(package: &Value) -> Vec<String> {
    let name = text(&package["name"]);
    let Some((_, ours, forbidden)) = RULES.iter().find(|(rule, _, _)| *rule == name) else {
        return vec![format!(
            "{name}: no rule says what it may see; add one in xtask"
        )];
    };
    let shipped = list(&package["dependencies"]).filter(|dependency| dependency["kind"].is_null());
    let fault = |dependency: &Value| {
        let other = text(&dependency["name"]);
        let is_allowed = match other.strip_prefix("cassmail-") {
            Some(short) => ours.contains(&short),
            None => !forbidden.contains(&other),
        };
        (!is_allowed).then(|| format!("{name} must not see {other} (architecture invariant)"))
    };
    shipped.filter_map(fault).collect()
}

fn origin_fault(package: &Value) -> Option<String> {
    let from_registry = text(&package["source"]).starts_with("registry+");
    (!from_registry).then(|| format!("{} does not come from the registry", text(&package["name"])))
}

/// A licence is fine when one of its alternatives is.
fn licence_fault(package: &Value) -> Option<String> {
    let licence = text(&package["license"]).replace('/', " OR ");
    let is_allowed = |name: &str| LICENCES.contains(&name.trim().trim_matches(['(', ')']));
    let fine = licence
        .split(" OR ")
        .any(|one| one.split(" AND ").all(is_allowed));
    // `(A OR B) AND C` needs one of the first and the last.
    let fine = fine
        || licence.split(" AND ").all(|part| {
            part.trim_matches(['(', ')', ' '])
                .split(" OR ")
                .any(is_allowed)
        });
    let name = text(&package["name"]);
    (!fine).then(|| format!("{name} has the licence {licence}, which is not in the list"))
}

fn twice_faults(metadata: &Value, used: &BTreeSet<&str>) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in list(&metadata["packages"]).filter(|package| used.contains(text(&package["id"])))
    {
        versions
            .entry(text(&package["name"]))
            .or_default()
            .insert(text(&package["version"]));
    }
    let twice = versions.into_iter().filter(|(name, versions)| {
        versions.len() > 1 && !TWICE.iter().any(|(allowed, _)| allowed == name)
    });
    twice
        .map(|(name, versions)| format!("{name} is there in several versions: {versions:?}"))
        .collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
