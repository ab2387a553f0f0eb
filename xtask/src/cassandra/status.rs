//! How a cluster is, for people and for programs.

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::keeper;
use super::layout::Net;
use super::process::Process;
use super::settings::Logins;
use crate::command::say;

/// How it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    /// One object, for tests of other crates.
    Json,
}

/// Says it on standard output.
pub(super) fn show(cluster: &Cluster, form: Form) {
    let status = read(cluster);
    match form {
        Form::Json => say(&status.to_string()),
        Form::Text => say(&text(&status)),
    }
}

/// No cluster is a status, too.
pub(super) fn show_none(net: Net, form: Form) {
    let status = json!({ "net": net.0, "nodes": [], "contact_points": [] });
    match form {
        Form::Json => say(&status.to_string()),
        Form::Text => say("no cluster here"),
    }
}

/// The settings, and beside them what is true at this moment.
fn read(cluster: &Cluster) -> Value {
    let settings = &cluster.settings;
    let away = keeper::away(&cluster.place).unwrap_or_default();
    let nodes = settings.layout.nodes().into_iter();
    let nodes: Vec<Value> = nodes.map(|node| read_node(cluster, node, &away)).collect();
    let running = nodes.iter().filter(|node| node["state"] == "running");
    let contact_points: Vec<&Value> = running.map(|node| &node["address"]).collect();
    json!({
        "layout": settings.layout.name(),
        "net": cluster.place.net.0,
        "sync": settings.sync.name(),
        "jit": settings.jit.name(),
        "logins": settings.logins == Logins::On,
        "keeper": keeper::find(&cluster.place).map(|keeper| keeper.id),
        "contact_points": contact_points,
        "nodes": nodes,
    })
}

fn read_node(cluster: &Cluster, node: usize, away: &[usize]) -> Value {
    let layout = cluster.settings.layout;
    let process = cluster.process(node);
    json!({
        "node": node,
        "address": cluster.place.net.cql(node).to_string(),
        "data_center": format!("dc{}", layout.center_of(node)),
        "rack": format!("r{}", layout.seat_of(node) + 1),
        "state": state(process),
        "pid": process.map(|process| process.id),
        "resident_mib": process.map_or(0, Process::resident_mib),
        "cut_off": away.contains(&node),
        "log": cluster.place.node(node).log().display().to_string(),
    })
}

fn state(process: Option<Process>) -> &'static str {
    match process {
        None => "down",
        Some(process) if process.is_paused() => "paused",
        Some(_) => "running",
    }
}

fn text(status: &Value) -> String {
    let mut lines = vec![format!(
        "{}, commit log {}, {}",
        word(&status["layout"]),
        word(&status["sync"]),
        word(&status["jit"])
    )];
    let nodes = status["nodes"].as_array().into_iter().flatten();
    lines.extend(nodes.map(line));
    lines.join("\n")
}

fn line(node: &Value) -> String {
    let cut_off = if node["cut_off"] == true {
        ", cut off"
    } else {
        ""
    };
    format!(
        "node {} {} {} {}{cut_off}, process {}, {} MiB",
        node["node"],
        word(&node["data_center"]),
        word(&node["address"]),
        word(&node["state"]),
        node["pid"],
        node["resident_mib"],
    )
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

/// The memory of all nodes, in MiB.
pub(super) fn resident_mib(cluster: &Cluster) -> u64 {
    let nodes = cluster.settings.layout.nodes().into_iter();
    let processes = nodes.filter_map(|node| cluster.process(node));
    processes.map(Process::resident_mib).sum()
}

#[cfg(test)]
mod tests {
    use super::super::layout::Layout;
    use super::super::place::Place;
    use super::super::settings::Settings;
    use super::*;

    #[test]
    fn a_program_finds_addresses_data_centers_and_states() {
        let cluster = Cluster {
            place: Place::of(Net(249)),
            settings: Settings::new(Layout::TwoCenters),
            owner: None,
        };
        let status = read(&cluster);
        assert_eq!(status["nodes"][3]["address"], "127.0.249.4:9042");
        assert_eq!(status["nodes"][3]["data_center"], "dc2");
        assert_eq!(status["nodes"][3]["state"], "down");
        assert_eq!(status["contact_points"], json!([]));
    }
}
