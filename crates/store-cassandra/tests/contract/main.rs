//! The contract, kept by a real Cassandra.
//!
//! Runs only when `CASSMAIL_CASSANDRA` names contact points (`127.0.0.1:9042`); the nodes must sync
//! their commit log. The data center is `dc1`. Each test has a keyspace for itself while it runs;
//! keyspaces are emptied and used again, since making one takes longer than most tests.
//!
//! Beside the contract: what an opening refuses (`opening`), what each operation costs in requests
//! (`requests`), what another process does meanwhile (`elsewhere`), who finishes the work of a dead
//! node (`sweeping`), how an older schema becomes ours (`migrating`), what is said of a cluster
//! (`surveying`), what a scrub mends and deletes (`scrubbing`), requests that fail on their way
//! (`wire`), what a cluster of two data centers goes through (`faults`), ten servers on it of which
//! most crash (`crowd`), and that a maildrop which is emptied again and again does not get dearer
//! (`tombstones`).

mod clock;
mod copying;
mod crowd;
mod disturbed;
mod elsewhere;
mod emptied;
mod faults;
mod ledger;
mod migrating;
mod opening;
mod requests;
mod scrubbing;
mod support;
mod surveying;
mod sweeping;
mod tombstones;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use cassmail_store::Store;
use cassmail_store_cassandra::Cassandra;
use cassmail_store_contract::{Subject, contract_tests};
use support::{Keyspace, Turned};

struct Node {
    store: Arc<Cassandra>,
    clock: Arc<Turned>,
    keyspace: Keyspace,
}

impl Node {
    async fn open(keyspace: &Keyspace, clock: &Arc<Turned>) -> Arc<Cassandra> {
        let options = keyspace.options(Arc::clone(clock));
        Arc::new(Cassandra::open(&options).await.expect("opening"))
    }
}

impl Subject for Node {
    const HISTORIES: u32 = 3;

    async fn fresh() -> Self {
        let clock = Arc::new(Turned::default());
        let keyspace = Keyspace::empty().await;
        Self {
            store: Self::open(&keyspace, &clock).await,
            clock,
            keyspace,
        }
    }

    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn reopen(&mut self) {
        self.store.close().await.expect("closing");
        self.store = Self::open(&self.keyspace, &self.clock).await;
    }

    /// The next process sees the last one fall silent, and finishes what it had begun.
    async fn crash(&mut self) {
        self.store.abandon().await;
        self.store = Self::open(&self.keyspace, &self.clock).await;
        self.store.sweep().await.expect("a first look");
        self.clock.turn(Duration::from_secs(100));
        self.store.sweep().await.expect("a sweep");
    }

    async fn exhaust(&mut self) {
        self.store.set_full(true);
    }

    async fn relieve(&mut self) {
        self.store.set_full(false);
    }

    async fn damage(&mut self) {
        self.keyspace.damage_bodies().await;
    }
}

contract_tests!(Node);
