//! A cluster of two data centers that is disturbed, and put right again whatever happens.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cassmail_mail::{AccountId, IdMinter, MessageId, NodeId};
use cassmail_store::{Accounts, Health, Store};
use cassmail_store_cassandra::{Cassandra, Clock, CommitLog, Options, Replication, init};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::support::{Turned, new_account};

/// The net of a cluster that `cargo xtask cassandra start 2x3 --net NET` has started.
const VARIABLE: &str = "CASSMAIL_CASSANDRA_FAULTS";

/// One disturbance at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

static KEYSPACE: OnceCell<String> = OnceCell::const_new();

/// What is disturbed, and has to be put right.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Wrong {
    Cut,
    Killed(String),
    Paused(String),
    NoHints,
}

pub(crate) struct Cluster {
    net: u8,
    wrong: BTreeSet<Wrong>,
    _alone: MutexGuard<'static, ()>,
}

/// A server in one data center.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) store: Cassandra,
    minter: IdMinter,
    pub(crate) clock: Arc<Turned>,
}

impl Cluster {
    /// None, and a word about it, when no cluster is named.
    pub(crate) async fn named() -> Option<Self> {
        let Some(net) = named_net() else {
            let left_out = format!("left out: {VARIABLE} does not name the net of a cluster\n");
            // Not by macro: that would be captured.
            let _ = std::io::stderr().write_all(left_out.as_bytes());
            return None;
        };
        Some(Self {
            net,
            wrong: BTreeSet::new(),
            _alone: ALONE.lock().await,
        })
    }

    fn options(&self, center: usize, keyspace: &str) -> Options {
        let first = (center - 1) * 3 + 1;
        let points = (first..first + 3).map(|node| format!("127.0.{}.{node}:9042", self.net));
        let clock = Arc::new(Turned::default());
        let options = Options::new(points.collect(), format!("dc{center}"), keyspace, clock);
        Options {
            commit_log: CommitLog::MustBeSynced,
            ..options
        }
    }

    async fn keyspace(&self) -> String {
        let make = || async {
            let name = format!("faults_{}", std::process::id());
            let centers = ["dc1", "dc2"].map(|center| (center.to_owned(), 3));
            let options = self.options(1, &name);
            let made = init(&options, &Replication(centers.to_vec())).await;
            made.expect("a schema");
            name
        };
        KEYSPACE.get_or_init(make).await.clone()
    }

    /// For a look at the tables.
    pub(crate) async fn session(&self) -> Session {
        let keyspace = self.keyspace().await;
        let node = format!("127.0.{}.1:9042", self.net);
        let builder = SessionBuilder::new().known_node(node);
        let builder = builder.use_keyspace(keyspace, true);
        builder.build().await.expect("a session")
    }

    /// A server in each data center.
    pub(crate) async fn sides(&self) -> [Side; 2] {
        [self.side(1).await, self.side(2).await]
    }

    pub(crate) async fn side(&self, center: usize) -> Side {
        let keyspace = self.keyspace().await;
        let clock = Arc::new(Turned::default());
        let node = NodeId::from_random(getrandom::u64().expect("random bits"));
        let options = Options {
            minted_by: Some(Arc::new(IdMinter::new(node))),
            clock: clock.clone(),
            ..self.options(center, &keyspace)
        };
        Side {
            name: ["dc1", "dc2"][center - 1],
            store: Cassandra::open(&options).await.expect("opening"),
            minter: IdMinter::new(node),
            clock,
        }
    }

    pub(crate) async fn cut(&mut self) {
        self.run(&["cut", "dc2"]).await;
        self.wrong.insert(Wrong::Cut);
    }

    pub(crate) async fn heal(&mut self) {
        self.run(&["heal"]).await;
        self.wrong.remove(&Wrong::Cut);
    }

    pub(crate) async fn kill(&mut self, nodes: &str) {
        self.wrong.insert(Wrong::Killed(nodes.to_owned()));
        self.run(&["kill", nodes]).await;
    }

    pub(crate) async fn start(&mut self, nodes: &str) {
        self.run(&["up", nodes]).await;
        self.wrong.remove(&Wrong::Killed(nodes.to_owned()));
    }

    pub(crate) async fn pause(&mut self, nodes: &str) {
        self.wrong.insert(Wrong::Paused(nodes.to_owned()));
        self.run(&["pause", nodes]).await;
    }

    pub(crate) async fn resume(&mut self, nodes: &str) {
        self.run(&["resume", nodes]).await;
        self.wrong.remove(&Wrong::Paused(nodes.to_owned()));
    }

    /// What a data center misses from now on comes to it by our healing, or not at all.
    pub(crate) async fn without_hints(&mut self) {
        self.wrong.insert(Wrong::NoHints);
        for node in ["1", "2", "3", "4", "5", "6"] {
            self.run(&["nodetool", node, "disablehandoff"]).await;
        }
    }

    async fn run(&self, words: &[&str]) {
        let mut command = self.command(words);
        let ended = tokio::task::spawn_blocking(move || command.output()).await;
        let output = ended.expect("a task").expect("a command");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}");
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        let (verb, rest) = words.split_first().expect("a verb");
        let net = self.net.to_string();
        command.args(["xtask", "cassandra", verb, "--net", &net]);
        command.args(rest);
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for wrong in std::mem::take(&mut self.wrong) {
            let mut commands = match &wrong {
                Wrong::Cut => vec![self.command(&["heal"])],
                Wrong::Killed(nodes) => vec![self.command(&["up", nodes])],
                Wrong::Paused(nodes) => vec![self.command(&["resume", nodes])],
                Wrong::NoHints => {
                    let nodes = ["1", "2", "3", "4", "5", "6"];
                    let words = |node| ["nodetool", node, "enablehandoff"];
                    nodes.map(|node| self.command(&words(node))).into()
                }
            };
            for command in &mut commands {
                // The next test will say if this did not work.
                let _ = command.output();
            }
        }
    }
}

impl Side {
    pub(crate) async fn account(&self, name: &str) -> AccountId {
        let made = self.store.create_account(new_account(name)).await;
        made.expect("an account")
    }

    pub(crate) fn mint(&self) -> MessageId {
        self.minter.mint(self.clock.now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Waits until the store is as it should be, and answers how long that took.
    pub(crate) async fn until(
        &self,
        what: &str,
        most: Duration,
        is_so: impl Fn(&Health) -> bool,
    ) -> Duration {
        let start = self.elapsed();
        loop {
            let so_far = self.elapsed().saturating_sub(start);
            let health = self.store.health();
            if is_so(&health) {
                return so_far;
            }
            assert!(so_far < most, "{}: not {what}, but {health:?}", self.name);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
fn named_net() -> Option<u8> {
    static NET: OnceLock<Option<u8>> = OnceLock::new();
    *NET.get_or_init(|| {
        let net = std::env::var(VARIABLE).ok()?;
        Some(net.parse().expect("the number of a net"))
    })
}

/// Figures of a run, for whoever reads them with `--nocapture`.
pub(crate) fn say(text: &str) {
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}
