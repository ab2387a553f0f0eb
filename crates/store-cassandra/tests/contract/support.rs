//! A real Cassandra for tests: keyspaces, a clock that can be turned, damage.

use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use cassmail_mail::{
    AccountId, Delivery, IdMinter, MessageId, NodeId, Owner, ReversePath, UnixTime,
};
use cassmail_store::{Accounts, Credentials, Maildrops, NewAccount, Patience};
use cassmail_store_cassandra::{Cassandra, Clock, Options, Replication, init};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;

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

/// The real time, and what it was turned on by.
pub(crate) struct Turned {
    start: Instant,
    turned: Mutex<Duration>,
}

impl Default for Turned {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn default() -> Self {
        Self {
            start: Instant::now(),
            turned: Mutex::default(),
        }
    }
}

impl Turned {
    pub(crate) fn turn(&self, by: Duration) {
        *self.turned.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    fn turned(&self) -> Duration {
        *self.turned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for Turned {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> UnixTime {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let since = since.expect("after 1970") + self.turned();
        UnixTime::from_micros(u64::try_from(since.as_micros()).expect("fits"))
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed() + self.turned()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            let end = self.elapsed() + duration;
            while self.elapsed() < end {
                let left = end.saturating_sub(self.elapsed());
                tokio::time::sleep(left.min(Duration::from_millis(20))).await;
            }
        })
    }
}

/// A keyspace that nobody else uses as long as this lives.
pub(crate) struct Keyspace {
    name: String,
}

/// Keyspaces that are made and not in use.
static IDLE: Mutex<Vec<String>> = Mutex::new(Vec::new());
static MADE: AtomicU32 = AtomicU32::new(0);

pub(crate) const TABLES: [&str; 14] = [
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
];

impl Keyspace {
    pub(crate) async fn empty() -> Self {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(name) = idle {
            let keyspace = Self { name };
            // What the last test had under way arrives first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let session = keyspace.session().await;
            for table in TABLES {
                let statement = format!("TRUNCATE {table}");
                let emptied = session.query_unpaged(statement, ()).await;
                emptied.expect("an empty table");
            }
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
        let replication = Replication(vec![("dc1".to_owned(), 1)]);
        init(&options, &replication).await.expect("a schema");
        keyspace
    }

    pub(crate) fn options(&self, clock: Arc<Turned>) -> Options {
        Options::new(contact_points(), "dc1", self.name.clone(), clock)
    }

    pub(crate) async fn session(&self) -> Session {
        let builder = SessionBuilder::new().known_nodes(contact_points());
        let builder = builder.use_keyspace(&self.name, true);
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
            minted_by: Some(node),
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
        let new = NewAccount {
            address: format!("{name}@example.org").parse().expect("an address"),
            credentials: Credentials {
                password_hash: "$argon2id$".into(),
                scram_sha_256: None,
            },
            created_at: UnixTime::from_micros(0),
        };
        self.store.create_account(new).await.expect("an account")
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
