//! What is done with a cluster as a whole, and with its nodes.

use std::fs::{self, File, OpenOptions};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use super::configuration::{self, Birth};
use super::deadline::{Look, wait};
use super::encryption;
use super::keeper::{self, Owner};
use super::layout::STORAGE_PORT;
use super::place::Place;
use super::process::Process;
use super::settings::{Encryption, Logins, Settings};
use super::{java, ready};

/// A node flushes its commit log and says farewell to the others.
const STOP: Duration = Duration::from_secs(45);

/// The others take a node for dead after some 20 s; then it fetches its data.
const REPLACED: Duration = Duration::from_mins(5);

/// After SIGKILL.
const END: Duration = Duration::from_secs(10);

/// How long ports of what has ended may stay taken.
const FREE: Duration = Duration::from_secs(10);

/// How many lines of a log tell why a process ended.
const TAIL: usize = 20;

/// A cluster that has settings, whether it runs or not.
pub(super) struct Cluster {
    pub(super) place: Place,
    pub(super) settings: Settings,
    /// Who waits while it starts.
    pub(super) owner: Owner,
}

impl Cluster {
    /// The cluster that was started here before.
    pub(super) fn open(place: Place) -> Result<Self> {
        let text = fs::read_to_string(place.settings())
            .context("no cluster here; begin with: cargo xtask cassandra start 1x1")?;
        let settings = Settings::from_json(&serde_json::from_str(&text)?)?;
        Ok(Self {
            place,
            settings,
            owner: None,
        })
    }

    /// A cluster that is about to start, over the data of an earlier one if there was one.
    pub(super) fn create(place: Place, settings: Settings, owner: Owner) -> Result<Self> {
        if keeper::find(&place).is_some() || !running(&place).is_empty() {
            bail!("the cluster runs already; end it with stop");
        }
        if let Ok(earlier) = Self::open(place.clone())
            && earlier.settings.layout != settings.layout
        {
            let layout = earlier.settings.layout.name();
            bail!("the data here are those of a {layout} cluster; remove them with wipe");
        }
        fs::create_dir_all(&place.cluster)?;
        fs::write(place.settings(), settings.to_json().to_string())?;
        Ok(Self {
            place,
            settings,
            owner,
        })
    }

    /// Starts all nodes at the same moment and waits until they are a cluster. A start that fails
    /// leaves nothing that runs.
    pub(super) fn start(&self) -> Result<()> {
        let nodes = self.settings.layout.nodes();
        self.check_free(&nodes)?;
        if self.settings.encryption == Encryption::Offered {
            encryption::prepare(&self.place, &self.settings)?;
        }
        let started = self.launch_all(&nodes);
        if started.is_err() {
            stop(&self.place)?;
        }
        started
    }

    fn launch_all(&self, nodes: &[usize]) -> Result<()> {
        keeper::start(&self.place, self.settings.layout, self.owner)?;
        for node in nodes {
            self.launch(*node, Birth::Member)?;
        }
        self.wait_until_ready(nodes)
    }

    fn wait_until_ready(&self, nodes: &[usize]) -> Result<()> {
        ready::wait_for_cql(self, nodes)?;
        ready::wait_for_ring(self, nodes)?;
        if !self.place.was_ready().exists() {
            ready::spread_system_keyspaces(self)?;
        }
        ready::wait_for_replicas(self, nodes)?;
        if self.settings.logins == Logins::On {
            ready::spread_roles(self, nodes)?;
        }
        fs::write(self.place.was_ready(), "")?;
        self.check_owner()
    }

    /// Nobody may be at the addresses that are about to be used. Said here, it has one line; said
    /// by a node, it has a page. A node that has just ended may hold its ports for a moment more,
    /// until the last of its threads is gone.
    fn check_free(&self, nodes: &[usize]) -> Result<()> {
        for node in nodes {
            let outer = self.place.net.outer(*node);
            for address in [self.place.net.cql(*node), (outer, STORAGE_PORT).into()] {
                let free = || {
                    Ok(match TcpListener::bind(address) {
                        Ok(_) => Look::Done,
                        Err(error) => Look::NotYet(error.to_string()),
                    })
                };
                wait("a free address", FREE, free).with_context(|| {
                    format!("{address} is taken; stop the cluster there, or take another --net")
                })?;
            }
        }
        Ok(())
    }

    /// Starts one node, with a configuration that is written anew, and does not wait.
    fn launch(&self, node: usize, birth: Birth) -> Result<()> {
        if self.process(node).is_some() {
            bail!("node {node} runs already");
        }
        configuration::write(&self.place, &self.settings, node, birth)?;
        let folder = self.place.node(node);
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.log())?;
        let java = java::node(&self.place, &self.settings, node, birth)?
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .context("failed to start java")?;
        let process = Process::find(java.id()).context("java ended at once")?;
        process.write(&folder.process())
    }

    /// The process of a node, if it lives.
    pub(super) fn process(&self, node: usize) -> Option<Process> {
        Process::read(&self.place.node(node).process())
    }

    pub(super) fn check_running(&self, node: usize) -> Result<()> {
        if self.process(node).is_some() {
            return Ok(());
        }
        let log = self.place.node(node).log();
        bail!(
            "node {node} ended; {} ends so:\n{}",
            log.display(),
            tail(&log)
        )
    }

    /// Who started the cluster for a process that has ended starts it for nobody.
    pub(super) fn check_owner(&self) -> Result<()> {
        match self.owner {
            Some(owner) if !owner.is_alive() => bail!("process {} has ended", owner.id),
            _ => Ok(()),
        }
    }

    /// Sends a signal to nodes, all of which must run.
    pub(super) fn signal(&self, nodes: &[usize], signal: Signal) -> Result<()> {
        for node in nodes {
            let process = self.process(*node);
            process
                .with_context(|| format!("node {node} does not run"))?
                .signal(signal)?;
        }
        Ok(())
    }

    /// Ends nodes without a warning, and waits until they are gone.
    pub(super) fn kill(&self, nodes: &[usize]) -> Result<()> {
        self.signal(nodes, Signal::KILL)?;
        wait("the end of the nodes", END, || Ok(self.look_for(nodes)))
    }

    fn look_for(&self, nodes: &[usize]) -> Look {
        let running = nodes.iter().find(|node| self.process(**node).is_some());
        running.map_or(Look::Done, |node| Look::NotYet(format!("node {node} runs")))
    }

    /// Starts nodes that had ended, and waits until they are nodes of the ring again.
    pub(super) fn up(&self, nodes: &[usize]) -> Result<()> {
        if keeper::find(&self.place).is_none() {
            bail!("the cluster is stopped; begin with start");
        }
        for node in nodes {
            self.launch(*node, Birth::Member)?;
        }
        ready::wait_for_cql(self, nodes)?;
        if self.is_whole() {
            ready::wait_for_replicas(self, nodes)?;
        }
        Ok(())
    }

    /// Ends a node, takes all its data away, and starts it in its own place: it serves when it has
    /// fetched what it has to have.
    pub(super) fn replace(&self, node: usize) -> Result<()> {
        if self.process(node).is_some() {
            self.kill(&[node])?;
        }
        wait("a replacement that the others let in", REPLACED, || {
            let folder = self.place.node(node);
            fs::remove_dir_all(folder.path()).context("failed to remove the data")?;
            self.launch(node, Birth::Replacement)?;
            match ready::wait_for_cql(self, &[node]) {
                Ok(()) => Ok(Look::Done),
                // Until they have noticed its end, the others take it for alive, and it gives up.
                Err(error) if self.process(node).is_none() => Ok(Look::NotYet(error.to_string())),
                Err(error) => Err(error),
            }
        })?;
        ready::wait_for_replicas(self, &[node])
    }

    /// Whether all nodes run and none is cut off.
    fn is_whole(&self) -> bool {
        let runs = |process: Process| !process.is_paused();
        let nodes = self.settings.layout.nodes();
        let all_run = nodes
            .iter()
            .all(|node| self.process(*node).is_some_and(runs));
        all_run && keeper::away(&self.place).is_ok_and(|away| away.is_empty())
    }

    /// Separates these nodes from the others; with none, joins all.
    pub(super) fn cut(&self, nodes: &[usize]) -> Result<()> {
        if !self.settings.layout.is_linked() {
            bail!("only a cluster of two data centers has a link that can be cut");
        }
        keeper::cut(&self.place, nodes)
    }
}

/// Only one command at a time changes a cluster. Ends with the value.
pub(super) fn lock(place: &Place) -> Result<File> {
    fs::create_dir_all(&place.cluster)?;
    let file = File::create(place.cluster.join("lock"))?;
    file.try_lock()
        .context("another command changes this cluster")?;
    Ok(file)
}

/// Stops whatever runs here; gives the number of nodes that did.
pub(super) fn stop(place: &Place) -> Result<usize> {
    let nodes = running(place);
    // Nodes that say farewell to those they cannot reach take longer than anybody waits. Without a
    // keeper there is no cut.
    drop(keeper::cut(place, &[]));
    for process in &nodes {
        // A process that is paused would not hear that it is to end.
        process.signal(Signal::CONT)?;
        process.signal(Signal::TERM)?;
    }
    if wait_for_end(place, STOP).is_err() {
        kill_all(place)?;
    }
    end_keeper(place)?;
    Ok(nodes.len())
}

fn end_keeper(place: &Place) -> Result<()> {
    if let Some(keeper) = keeper::find(place) {
        keeper.signal(Signal::KILL)?;
        wait("the end of the keeper", END, || {
            Ok(match keeper::find(place) {
                None => Look::Done,
                Some(_) => Look::NotYet("it runs".to_owned()),
            })
        })?;
    }
    Ok(())
}

/// Ends all nodes for an owner who ended, without ceremony: the data were his. A start that is
/// under way sees the same and ends, but may first have launched one more.
pub(super) fn end_for_lost_owner(place: &Place) -> Result<()> {
    for _ in 0..3 {
        kill_all(place)?;
        std::thread::sleep(Duration::from_secs(1));
    }
    kill_all(place)
}

fn kill_all(place: &Place) -> Result<()> {
    for process in running(place) {
        process.signal(Signal::KILL)?;
    }
    wait_for_end(place, END)
}

fn wait_for_end(place: &Place, limit: Duration) -> Result<()> {
    wait("the end of the nodes", limit, || {
        Ok(match running(place).len() {
            0 => Look::Done,
            count => Look::NotYet(format!("{count} run")),
        })
    })
}

/// All nodes that run here, of whatever layout.
fn running(place: &Place) -> Vec<Process> {
    let nodes = super::layout::Layout::TwoCenters.nodes();
    let processes = nodes
        .into_iter()
        .map(|node| Process::read(&place.node(node).process()));
    processes.flatten().collect()
}

/// Ends the nodes, whose farewell would be for nothing, and removes the data.
pub(super) fn wipe(place: &Place) -> Result<usize> {
    let count = running(place).len();
    kill_all(place)?;
    end_keeper(place)?;
    match fs::remove_dir_all(&place.cluster) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context("failed to remove the data")
        }
        _ => Ok(count),
    }
}

/// The last lines of a log.
pub(super) fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}
