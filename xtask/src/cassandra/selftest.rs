//! The commands tried on real clusters. Takes minutes and, for six nodes, 6 GiB: runs only when
//! asked.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;

use super::cluster::{self, Cluster};
use super::cql::Rows;
use super::deadline::{Look, Stopwatch, wait};
use super::keeper::Owner;
use super::layout::{Layout, Net};
use super::place::Place;
use super::process::Process;
use super::settings::{Logins, Settings};
use super::{install, ready, status};
use crate::command::say;

/// A net of its own: a cluster that somebody works with stays as it is.
const NET: Net = Net(250);

/// The failure detector needs some 20 s to give up on the other side; a busy machine more.
const GOSSIP: Duration = Duration::from_secs(90);

/// The keeper looks, then ends the nodes.
const OWNER: Duration = Duration::from_secs(15);

/// Runs all trials on each layout, and leaves nothing behind.
pub(super) fn run(layouts: &[Layout]) -> Result<()> {
    let place = Place::of(NET);
    install::ensure(&place)?;
    let tried = try_all(&place, layouts);
    cluster::wipe(&place)?;
    tried
}

fn try_all(place: &Place, layouts: &[Layout]) -> Result<()> {
    for layout in layouts {
        cluster::wipe(place)?;
        try_layout(place, *layout).with_context(|| layout.name())?;
    }
    cluster::wipe(place)?;
    try_owner(place).context("the end of the owner")
}

fn try_layout(place: &Place, layout: Layout) -> Result<()> {
    let name = layout.name();
    let whole = Stopwatch::start();
    let me = Process::find(std::process::id());
    let mut settings = Settings::new(layout);
    settings.logins = Logins::On;
    let cluster = Cluster::create(place.clone(), settings, me)?;
    timed(name, "start, empty", || cluster.start())?;
    say(&format!(
        "{name}: {} MiB resident",
        status::resident_mib(&cluster)
    ));
    let trial = Trial { cluster: &cluster };
    trial.make_table()?;
    timed(name, "kill and up", || trial.try_kill())?;
    timed(name, "pause and resume", || trial.try_pause())?;
    if layout.is_linked() {
        timed(name, "cut and heal", || trial.try_cut())?;
    }
    say(&format!(
        "{name}: {} MiB resident",
        status::resident_mib(&cluster)
    ));
    timed(name, "stop", || stop(place, layout))?;
    timed(name, "start, with data", || cluster.start())?;
    trial.check_rows()?;
    timed(name, "stop", || stop(place, layout))?;
    say(&format!("{name}: all well, {}", whole.shown()));
    Ok(())
}

fn timed(layout: &str, what: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let watch = Stopwatch::start();
    work().with_context(|| what.to_owned())?;
    say(&format!("{layout}: {what}, {}", watch.shown()));
    Ok(())
}

fn stop(place: &Place, layout: Layout) -> Result<()> {
    let stopped = cluster::stop(place)?;
    let expected = layout.nodes().len();
    ensure!(
        stopped == expected,
        "{stopped} nodes stopped instead of {expected}"
    );
    Ok(())
}

/// A cluster with a table `t.t` of numbers.
struct Trial<'a> {
    cluster: &'a Cluster,
}

impl Trial<'_> {
    fn query(&self, node: usize, statement: &str, level: &str) -> Result<Rows> {
        ready::connect(self.cluster, node)?.query(statement, level)
    }

    fn make_table(&self) -> Result<()> {
        let replication = ready::replication(self.cluster.settings.layout);
        let mut connection = ready::connect(self.cluster, 1)?;
        for statement in [
            format!("CREATE KEYSPACE t WITH replication = {replication}"),
            "CREATE TABLE t.t (a int PRIMARY KEY, b int)".to_owned(),
        ] {
            connection.query(&statement, "ONE")?;
            ready::agree(&mut connection)?;
        }
        self.write(1, 1, "ALL")
    }

    fn write(&self, node: usize, number: usize, level: &str) -> Result<()> {
        let insert = format!("INSERT INTO t.t (a, b) VALUES ({number}, 0)");
        self.query(node, &insert, level).map(drop)
    }

    fn read(&self, node: usize, number: usize) -> Result<bool> {
        let select = format!("SELECT a FROM t.t WHERE a = {number}");
        Ok(!self.query(node, &select, "ALL")?.values.is_empty())
    }

    /// What was written before the stop.
    fn check_rows(&self) -> Result<()> {
        ensure!(self.read(1, 1)?, "the row is gone");
        Ok(())
    }

    /// A node that is killed answers no more; up again, it has what it had acknowledged.
    fn try_kill(&self) -> Result<()> {
        let last = self.last();
        self.cluster.kill(&[last])?;
        ensure!(self.write(last, 2, "ONE").is_err(), "a dead node answers");
        self.cluster.up(&[last])?;
        ensure!(self.read(last, 1)?, "the row is gone");
        Ok(())
    }

    /// A node that is paused is silent; resumed, it answers.
    fn try_pause(&self) -> Result<()> {
        let last = self.last();
        self.cluster.signal(&[last], Signal::STOP)?;
        ensure!(self.write(last, 3, "ONE").is_err(), "a paused node answers");
        self.cluster.signal(&[last], Signal::CONT)?;
        self.wait_for_write(last, 3, "LOCAL_QUORUM")
    }

    fn last(&self) -> usize {
        self.cluster.settings.layout.nodes().len()
    }

    /// The cut cuts: both sides work for themselves and neither with the other.
    fn try_cut(&self) -> Result<()> {
        for node in [1, 4] {
            self.wait_for_write(node, 10, "EACH_QUORUM")?;
        }
        self.cluster
            .cut(&self.cluster.settings.layout.select("dc2")?)?;
        self.try_apart()?;
        timed("2x3", "cut until both sides know", || {
            self.wait_for_unavailable(1)?;
            self.wait_for_unavailable(4)
        })?;
        self.try_apart()?;
        timed("2x3", "kill and up within the cut", || {
            self.try_kill_apart()
        })?;
        self.cluster.cut(&[])?;
        timed("2x3", "heal until EACH_QUORUM on both sides", || {
            self.wait_for_write(1, 30, "EACH_QUORUM")?;
            self.wait_for_write(4, 31, "EACH_QUORUM")
        })?;
        self.try_together()
    }

    /// A node that comes up during a cut finds those of its own side, and no others.
    fn try_kill_apart(&self) -> Result<()> {
        self.cluster.kill(&[5])?;
        self.cluster.up(&[5])?;
        self.wait_for_write(5, 23, "LOCAL_QUORUM")?;
        let both = self.write(5, 22, "EACH_QUORUM");
        ensure!(both.is_err(), "EACH_QUORUM by node 5 during the cut");
        Ok(())
    }

    /// Each side acknowledges rows of its own, and does not see those of the other.
    fn try_apart(&self) -> Result<()> {
        for (node, number) in [(1, 20), (4, 21)] {
            self.write(node, number, "LOCAL_QUORUM")
                .with_context(|| format!("LOCAL_QUORUM by node {node} during the cut"))?;
            let both = self.write(node, 22, "EACH_QUORUM");
            ensure!(both.is_err(), "EACH_QUORUM by node {node} during the cut");
        }
        let select = "SELECT a FROM t.t WHERE a = 20";
        let seen = self.query(4, select, "LOCAL_QUORUM")?.values;
        ensure!(seen.is_empty(), "a row has crossed the cut");
        Ok(())
    }

    /// Both sides have the rows of both.
    fn try_together(&self) -> Result<()> {
        for number in [20, 21, 23, 30, 31] {
            ensure!(self.read(1, number)?, "row {number} is lost");
        }
        Ok(())
    }

    fn wait_for_write(&self, node: usize, number: usize, level: &str) -> Result<()> {
        wait("a write", GOSSIP, || {
            Ok(match self.write(node, number, level) {
                Ok(()) => Look::Done,
                Err(error) => Look::NotYet(format!("{level} by node {node}: {error:#}")),
            })
        })
    }

    /// Until a node no longer tries to reach the other side: error 1000, Unavailable.
    fn wait_for_unavailable(&self, node: usize) -> Result<()> {
        wait("the failure detector", GOSSIP, || {
            match self.write(node, 22, "EACH_QUORUM") {
                Ok(()) => bail!("EACH_QUORUM by node {node} during the cut"),
                Err(error) if error.to_string().starts_with("1000 ") => Ok(Look::Done),
                Err(error) => Ok(Look::NotYet(format!("{error:#}"))),
            }
        })
    }
}

/// A cluster that was started for a process ends with it, however that ends.
fn try_owner(place: &Place) -> Result<()> {
    let mut sleep = Command::new("sleep").arg("600").spawn()?;
    let owner: Owner = Process::find(sleep.id());
    let cluster = Cluster::create(place.clone(), Settings::new(Layout::Single), owner)?;
    let started = cluster.start();
    sleep.kill()?;
    sleep.wait()?;
    started?;
    timed("1x1", "end with the owner", || {
        wait("the end of the cluster", OWNER, || {
            Ok(match (cluster.process(1), super::keeper::find(place)) {
                (None, None) => Look::Done,
                _ => Look::NotYet("it runs".to_owned()),
            })
        })
    })
}
