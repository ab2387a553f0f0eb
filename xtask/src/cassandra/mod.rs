//! Real Apache Cassandra on one machine, for tests and measurements: one node, or one or two data
//! centers of three.
//!
//! The nodes are ordinary processes from ordinary jars, on loopback addresses, without containers
//! and without root. Each command does its work and ends; what stays are the nodes and the keeper.
//! The other crates' tests run `start` with `--for` and their own process number, and read what it
//! prints with `--json`.

mod arguments;
mod cluster;
mod configuration;
mod cql;
mod deadline;
mod encryption;
mod install;
mod java;
mod keeper;
mod layout;
mod link;
mod place;
mod process;
mod ready;
mod selftest;
mod settings;
mod status;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use crate::command::say;
use arguments::{Asked, Verb};
use cluster::Cluster;
use cql::{Connection, Rows};
use deadline::Stopwatch;
use keeper::Owner;
use layout::Net;
use place::Place;
use settings::Settings;
use status::Form;

pub(crate) use java::Lacking;

/// For statements that people type; some take long.
const STATEMENT: Duration = Duration::from_mins(2);

pub(crate) const HELP: &str = "\
cargo xtask cassandra COMMAND

  install            fetch Cassandra 5.0 with Maven and prepare quick starts; start does it, too
  start LAYOUT       1x1, 1x3 or 2x3, or again over the data of the last time:
    --sync MODE      commit log: batch (the default), group, periodic
    --jit WHICH      c1 (the default: for tests) or full (for measurements, after a warm-up)
    --auth           clients log in as cassmail, password cassmail
    --tls            clients may encrypt, and show certificates then: both are in the folder
                     target/cassandra/net-NET/encryption (authority.pem, client.pem, client.key)
    --for PID        the cluster ends with this process
    --heap MIB       of each node (512)
    --yaml LINE      for cassandra.yaml, --jvm OPTION for java; both may be repeated
    --json           print the status as JSON when the cluster is ready
  status [--json]    contact points, data centers, processes, states
  stop               end the nodes, keep the data
  wipe               end the nodes, remove the data
  kill|up NODES      end nodes with SIGKILL; start them again and wait; NODES is 2, or 1,3, or dc2
  replace NODE       take all data of a node away and start it anew in its own place
  pause|resume NODES SIGSTOP and SIGCONT
  cut NODES | heal   separate nodes from the others, both sides alive; join them (2x3)
  nodetool N ARGS    the tool of operators
  cql N STATEMENTS   with --level LEVEL (LOCAL_QUORUM); or --file FILE
  selftest [LAYOUTS] all of this on real clusters: 1x1 and 2x3, some minutes

Node N speaks CQL at 127.0.NET.N:9042. With --net NET (0 to 247; 0 if not given) each command means
another cluster. CASSANDRA_HOME is where the jars lie, target/cassandra if it is not set.
The exit code is 77 when Java or Maven is missing.
";

/// Does what was asked for.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    if let [] | ["help" | "--help"] = words {
        say(HELP);
        return Ok(());
    }
    let asked = Asked::parse(words)?;
    let place = Place::of(asked.net);
    match asked.verb {
        Verb::Keep { layout, owner } => keeper::keep(&place, layout, owner),
        Verb::Selftest(layouts) => selftest::run(&layouts),
        Verb::Install => install::ensure(&place),
        Verb::Status => show(&place, asked.form),
        Verb::Nodetool { node, words } => nodetool(&place, &node, &words),
        Verb::Cql { node, level, text } => type_cql(&place, &node, &level, &text),
        verb => change(&place, verb, asked.form),
    }
}

/// A node as those see it who use the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Where it speaks CQL.
    pub(crate) address: SocketAddr,
    pub(crate) center: String,
    /// None while it does not run.
    pub(crate) process: Option<u32>,
}

/// The nodes of a cluster, the first one first.
pub(crate) fn nodes(net: u8) -> Result<Vec<Node>> {
    let cluster = Cluster::open(Place::of(Net(net)))?;
    let layout = cluster.settings.layout;
    let node = |node| Node {
        address: cluster.place.net.cql(node),
        center: format!("dc{}", layout.center_of(node)),
        process: cluster.process(node).map(|process| process.id),
    };
    Ok(layout.nodes().into_iter().map(node).collect())
}

/// What changes a cluster is done one after the other.
fn change(place: &Place, verb: Verb, form: Form) -> Result<()> {
    let _lock = cluster::lock(place)?;
    match verb {
        Verb::Start { settings, owner } => start(place, settings, owner, form),
        Verb::Stop => {
            say(&format!("stopped {} nodes", cluster::stop(place)?));
            Ok(())
        }
        Verb::Wipe => {
            say(&format!(
                "stopped {} nodes, data removed",
                cluster::wipe(place)?
            ));
            Ok(())
        }
        verb => change_nodes(&Cluster::open(place.clone())?, &verb),
    }
}

fn change_nodes(cluster: &Cluster, verb: &Verb) -> Result<()> {
    let select = |nodes: &str| cluster.settings.layout.select(nodes);
    match verb {
        Verb::Kill(nodes) => cluster.kill(&select(nodes)?),
        Verb::Pause(nodes) => cluster.signal(&select(nodes)?, Signal::STOP),
        Verb::Resume(nodes) => cluster.signal(&select(nodes)?, Signal::CONT),
        Verb::Up(nodes) => cluster.up(&select(nodes)?),
        Verb::Replace(node) => cluster.replace(cluster.settings.layout.select_one(node)?),
        Verb::Cut(nodes) => cluster.cut(&select(nodes)?),
        Verb::Heal => cluster.cut(&[]),
        _ => bail!("not a command for nodes"),
    }
}

fn start(place: &Place, settings: Settings, owner: Owner, form: Form) -> Result<()> {
    install::ensure(place)?;
    let watch = Stopwatch::start();
    let cluster = Cluster::create(place.clone(), settings, owner)?;
    cluster.start()?;
    if form == Form::Text {
        say(&format!("ready after {}", watch.shown()));
    }
    status::show(&cluster, form);
    Ok(())
}

fn show(place: &Place, form: Form) -> Result<()> {
    if !place.settings().exists() {
        status::show_none(place.net, form);
        return Ok(());
    }
    status::show(&Cluster::open(place.clone())?, form);
    Ok(())
}

fn nodetool(place: &Place, node: &str, words: &[String]) -> Result<()> {
    let cluster = Cluster::open(place.clone())?;
    let node = cluster.settings.layout.select_one(node)?;
    let status = java::nodetool(place, node, words)?.status();
    let status = status.context("failed to start java")?;
    if !status.success() {
        bail!("nodetool ended with {status}");
    }
    Ok(())
}

/// Runs statements one after the other, to the first that is refused.
fn type_cql(place: &Place, node: &str, level: &str, text: &str) -> Result<()> {
    let cluster = Cluster::open(place.clone())?;
    let node = cluster.settings.layout.select_one(node)?;
    let mut connection = Connection::open(place.net.cql(node), STATEMENT)
        .with_context(|| format!("node {node} does not answer"))?;
    for statement in cql::split(text) {
        let rows = connection.query(&statement, level);
        let rows = rows.with_context(|| statement.clone())?;
        if rows.changed_schema {
            ready::agree(&mut connection)?;
        }
        show_rows(&rows);
    }
    Ok(())
}

/// With tabs between columns, names first.
fn show_rows(rows: &Rows) {
    if rows.columns.is_empty() {
        return;
    }
    say(&rows.columns.join("\t"));
    for row in &rows.values {
        say(&row.join("\t"));
    }
}
