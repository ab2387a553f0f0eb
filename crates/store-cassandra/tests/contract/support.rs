//! A real Cassandra for tests: keyspaces, damage, a store.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cassmail_mail::{
    AccountId, Delivery, IdMinter, MessageId, NodeId, Owner, ReversePath, UnixTime,
};
use cassmail_store::{Accounts, Credentials, Maildrops, NewAccount, Patience};
use cassmail_store_cassandra::{Cassandra, Clock as _, Options, Replication, init};
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::statement::Consistency;

pub(crate) use crate::clock::Turned;

/// Contact points, separated by commas.
const VARIABLE: &str = "CASSMAIL_CASSANDRA";

/// The nodes to test with. Without any, the whole file is left out, and says so.
#[expect(
    clippy::disallowed_methods,
    reason = "tests have no configuration, and leave as one"
)]
pub(crate) fn contact_points() -> Vec<String> {
    match std::env::var(VARIABLE) {
        Ok(points) => points.split(',').map(str::to_owned).collect(),
        Err(_) => {
            let left_out = format!("left out: {VARIABLE} does not name contact points\n");
            // Not by macro: that would be captured.
            let _ = std::io::stderr().write_all(left_out.as_bytes());
            std::process::exit(0)
        }
    }
}

/// Three replicas in each data center of the cluster, or as many as it has nodes.
pub(crate) async fn replication() -> Replication {
    const MOST: u32 = 3;
    let builder = SessionBuilder::new().known_nodes(contact_points());
    let session = builder.build().await.expect("a session");
    let mut centers = BTreeMap::<String, u32>::new();
    for node in session.get_cluster_state().get_nodes_info() {
        let center = node.datacenter.clone().expect("a data center");
        *centers.entry(center).or_default() += 1;
    }
    let replicas = |(center, nodes): (String, u32)| (center, nodes.min(MOST));
    Replication(centers.into_iter().map(replicas).collect())
}

/// A keyspace that nobody else uses as long as this lives.
pub(crate) struct Keyspace {
    name: String,
}

/// Keyspaces that are made and not in use.
static IDLE: Mutex<Vec<String>> = Mutex::new(Vec::new());
static MADE: AtomicU32 = AtomicU32::new(0);

pub(crate) const TABLES: [&str; 20] = [
    "address",
    "address_by_domain",
    "account",
    "domain",
    "mbox_dir",
    "mbox",
    "mbox_body",
    "blob",
    "blob_ref",
    "spool",
    "spool_mark",
    "node",
    "scrub_run",
    "scrub_suspect",
    "admin",
    "audit",
    "worker",
    "usage",
    "trace_page",
    "trace_index",
];

/// Where a tombstone may be later than the next test's clock.
const DELETED_BY_THE_CLOCK: [&str; 3] = ["address_by_domain", "scrub_run", "scrub_suspect"];

impl Keyspace {
    pub(crate) async fn empty() -> Self {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(name) = idle {
            let keyspace = Self { name };
            // What the last test had under way arrives first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            keyspace.empty_tables().await;
            return keyspace;
        }
        let keyspace = Self {
            name: format!(
                "contract_{}_{}",
                std::process::id(),
                MADE.fetch_add(1, Ordering::SeqCst)
            ),
        };
        let options = keyspace.options(Arc::new(Turned::default()));
        let made = init(&options, &replication().await).await;
        made.expect("a schema");
        keyspace
    }

    /// A TRUNCATE takes all nodes a good part of a second, so those that change nothing are spared,
    /// and the others go at once.
    async fn empty_tables(&self) {
        let session = &self.session().await;
        let empty = |table| async move {
            let look = format!("SELECT * FROM {table} LIMIT 1");
            let found = session.query_unpaged(look, ()).await.expect("a look");
            let has_rows = found.into_rows_result().expect("rows").rows_num() > 0;
            if has_rows || DELETED_BY_THE_CLOCK.contains(&table) {
                let emptied = session.query_unpaged(format!("TRUNCATE {table}"), ());
                emptied.await.expect("an empty table");
            }
        };
        futures_util::future::join_all(TABLES.map(empty)).await;
    }

    pub(crate) fn options(&self, clock: Arc<Turned>) -> Options {
        Options::new(contact_points(), "dc1", self.name.clone(), clock)
    }

    pub(crate) async fn session(&self) -> Session {
        let profile = ExecutionProfile::builder()
            .consistency(Consistency::All)
            .request_timeout(Some(Duration::from_mins(1)));
        let builder = SessionBuilder::new()
            .known_nodes(contact_points())
            .default_execution_profile_handle(profile.build().into_handle())
            .use_keyspace(&self.name, true);
        builder.build().await.expect("a session")
    }

    /// Runs statements of tests alone.
    pub(crate) async fn run(&self, statements: &[&str]) {
        let session = self.session().await;
        for &statement in statements {
            let done = session.query_unpaged(statement, ()).await;
            done.expect(statement);
        }
    }

    /// How many live rows a table has.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        let session = self.session().await;
        let statement = format!("SELECT COUNT(*) FROM {table}");
        let found = session
            .query_unpaged(statement, ())
            .await
            .expect("a number");
        let found = found.into_rows_result().expect("rows");
        found.single_row::<(i64,)>().expect("a number").0
    }

    /// Inverts what is kept of all bodies.
    pub(crate) async fn damage_bodies(&self) {
        use scylla::value::CqlTimeuuid;
        use uuid::Uuid;
        let session = self.session().await;
        let select = "SELECT uid, bucket, id, d FROM mbox_body";
        let found = session.query_unpaged(select, ()).await.expect("bodies");
        let found = found.into_rows_result().expect("rows");
        let update = "UPDATE mbox_body SET d = ? WHERE uid = ? AND bucket = ? AND id = ?";
        for row in found
            .rows::<(Uuid, CqlTimeuuid, CqlTimeuuid, Vec<u8>)>()
            .expect("rows")
        {
            let (uid, bucket, id, octets) = row.expect("a row");
            let values = (inverted(octets), uid, bucket, id);
            session.query_unpaged(update, values).await.expect("damage");
        }
        let select = "SELECT id, n, d FROM blob";
        let found = session.query_unpaged(select, ()).await.expect("chunks");
        let found = found.into_rows_result().expect("rows");
        let update = "UPDATE blob SET d = ? WHERE id = ? AND n = ?";
        for row in found.rows::<(CqlTimeuuid, i16, Vec<u8>)>().expect("rows") {
            let (id, n, octets) = row.expect("a row");
            let values = (inverted(octets), id, n);
            session.query_unpaged(update, values).await.expect("damage");
        }
    }
}

fn inverted(octets: Vec<u8>) -> Vec<u8> {
    octets.into_iter().map(|octet| !octet).collect()
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.name);
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(name);
    }
}

pub(crate) const PATIENCE: Patience = Patience(Duration::from_mins(1));

pub(crate) fn new_account(name: &str) -> NewAccount {
    NewAccount {
        address: format!("{name}@example.org").parse().expect("an address"),
        credentials: Credentials::of_hash("$argon2id$"),
        created_at: UnixTime::from_micros(0),
    }
}

/// A store whose ids are minted here, as a server's are.
pub(crate) struct Server {
    pub(crate) store: Cassandra,
    pub(crate) minter: IdMinter,
    pub(crate) clock: Arc<Turned>,
    pub(crate) keyspace: Keyspace,
}

impl Server {
    pub(crate) async fn fresh() -> Self {
        let node = NodeId::from_random(0xca55);
        let clock = Arc::new(Turned::default());
        let keyspace = Keyspace::empty().await;
        let options = Options {
            minted_by: Some(Arc::new(IdMinter::new(node))),
            ..keyspace.options(Arc::clone(&clock))
        };
        Self {
            store: Cassandra::open(&options).await.expect("opening"),
            minter: IdMinter::new(node),
            clock,
            keyspace,
        }
    }

    pub(crate) async fn account(&self, name: &str) -> AccountId {
        let made = self.store.create_account(new_account(name)).await;
        made.expect("an account")
    }

    pub(crate) async fn deliver(&self, accounts: &[AccountId], body: Bytes) -> MessageId {
        let id = self.minter.mint(self.clock.now());
        let mut writer = self.store.begin(id).await.expect("a writer");
        writer.write(body).await.expect("room");
        let owner = |&account| Owner {
            account,
            recipient: Some("alice@example.org".parse().expect("an address")),
            uidl: None,
        };
        let delivery = Delivery {
            reverse_path: ReversePath::Null,
            received_at: id.minted_at(),
            surrogate_size: None,
            owners: accounts.iter().map(owner).collect(),
        };
        let stored = writer.commit(delivery, PATIENCE).await.expect("a receipt");
        stored.id()
    }

    pub(crate) async fn read(&self, account: AccountId, id: MessageId) -> usize {
        let mut body = self.store.open(account, id).await.expect("a reader");
        let mut octets = 0;
        while let Some(piece) = body.next().await.expect("a piece") {
            octets += piece.len();
        }
        octets
    }

    /// How many requests a step costs, with what it leaves to the background.
    pub(crate) async fn cost(&self, step: impl Future<Output = ()>) -> u64 {
        let before = self.store.requests_sent();
        step.await;
        self.store.settled().await;
        self.store.requests_sent() - before
    }
}

/// Octets that do not compress.
pub(crate) fn noise(octets: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let random = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    random.flatten().take(octets).collect()
}
