//! A maildrop that two nodes deliver to and that is fetched and emptied every hour, and what a
//! listing of it reads: rows and tombstones as Cassandra counts them when it traces.
//!
//! Beside it, with the same mails, the layout that this store does not have: all mails of a
//! maildrop in one partition.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cassmail_mail::{
    AccountId, Delivery, IdMinter, MessageId, NodeId, Owner, ReversePath, UnixTime,
};
use cassmail_store::{Accounts, Credentials, Maildrops, NewAccount, Patience};
use cassmail_store_cassandra::{Cassandra, Clock, Options};
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::response::query_result::QueryResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::Consistency;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::unprepared::Statement;
use scylla::value::CqlTimeuuid;
use uuid::Uuid;

use crate::clock::Turned;

/// An hour passes in so many steps of the clock, so that mails come at a pace. A prime number, or
/// what the nodes believe for ten minutes would always end with the hour.
const STEPS: usize = 13;
const STEP: Duration = Duration::from_secs(277);

/// So many messages are fetched at once.
const FETCHED_AT_ONCE: usize = 32;

/// So many rows are deleted by one request.
const IN_A_BATCH: usize = 100;

/// What fails in the other layout is tried again so often.
const TRIES: usize = 5;

const PATIENCE: Patience = Patience(Duration::from_mins(1));
const OCTETS: usize = 200;

const DIRECTORY: &str = "SELECT bucket, everywhere, life FROM mbox_dir WHERE uid = ?";
const BUCKET: &str = "SELECT id, size, nchunks, codec, blob, shared, rcpt, uidl, surrogate \
    FROM mbox WHERE uid = ? AND bucket = ?";
/// Made as the table of rows is.
const ONE_PARTITION: &str = "CREATE TABLE IF NOT EXISTS one_partition \
    (uid uuid, id timeuuid, size bigint, PRIMARY KEY (uid, id)) \
    WITH compaction = {'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'L4'} \
    AND compression = {'class': 'LZ4Compressor', 'chunk_length_in_kb': 4}";

/// The maildrop, and all that is done with it.
pub(crate) struct Emptied {
    pub(crate) writers: [Writer; 2],
    pub(crate) clock: Arc<Turned>,
    pub(crate) account: AccountId,
    pub(crate) one: OnePartition,
    pub(crate) session: Arc<Session>,
    /// So many times it was emptied.
    times: usize,
}

/// A node of ours.
pub(crate) struct Writer {
    pub(crate) store: Cassandra,
    minter: IdMinter,
}

/// What a listing reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) partitions: u64,
    pub(crate) rows: u64,
    pub(crate) tombstones: u64,
}

/// The other layout.
pub(crate) struct OnePartition {
    session: Arc<Session>,
    put: PreparedStatement,
    drop: PreparedStatement,
    list: PreparedStatement,
}

impl Emptied {
    /// An empty maildrop, in a keyspace whose tables are there.
    pub(crate) async fn begin(options: &Options, clock: &Arc<Turned>) -> Self {
        let builder = SessionBuilder::new().known_nodes(&options.contact_points);
        let builder = builder
            .use_keyspace(&options.keyspace, true)
            .tracing_info_fetch_attempts(NonZeroU32::new(100).expect("not zero"))
            .tracing_info_fetch_interval(Duration::from_millis(20));
        let session = Arc::new(builder.build().await.expect("a session"));
        let writers = [
            Writer::open(options, 1).await,
            Writer::open(options, 2).await,
        ];
        Self {
            account: writers[0].account("emptied").await,
            writers,
            clock: Arc::clone(clock),
            one: OnePartition::make(&session).await,
            session,
            times: 0,
        }
    }

    /// An hour in which mails come at an even pace, to both nodes in turn.
    pub(crate) async fn pass_an_hour(&self, mails: usize) {
        for step in 0..STEPS {
            let arrived = |step| mails * step / STEPS;
            let arrivals = (arrived(step)..arrived(step + 1)).map(async |number| {
                let id = self.deliver(self.account, number).await;
                self.one.put(self.account, id).await;
            });
            join_all(arrivals).await;
            self.clock.turn(STEP);
            // What is done in the background is done, however slow the cluster is today.
            for writer in &self.writers {
                writer.store.sweep().await.expect("a sweep");
                writer.store.settled().await;
            }
        }
    }

    /// A mail, by the one or the other node.
    pub(crate) async fn deliver(&self, account: AccountId, number: usize) -> MessageId {
        let writer = &self.writers[number % 2];
        let id = writer.minter.mint(self.clock.now());
        writer.deliver(account, id).await
    }

    /// Fetches and removes what there is, by the one node and the next time by the other; answers
    /// how many there were.
    pub(crate) async fn empty(&mut self) -> usize {
        let store = &self.writers[self.times % 2].store;
        self.times += 1;
        let listed = store.list(self.account).await.expect("a listing");
        let ids: Vec<_> = listed.into_iter().map(|entry| entry.id).collect();
        let fetches = ids
            .iter()
            .map(async |id| fetch(store, self.account, *id).await);
        let fetched: Vec<usize> = stream::iter(fetches)
            .buffer_unordered(FETCHED_AT_ONCE)
            .collect()
            .await;
        assert!(fetched.iter().all(|octets| *octets >= OCTETS));
        let removed = store.remove(self.account, ids.clone(), PATIENCE).await;
        assert_eq!(removed.expect("a receipt").count(), ids.len());
        self.one.drop(self.account, &ids).await;
        store.settled().await;
        ids.len()
    }

    /// What a listing reads now.
    pub(crate) async fn read(&self) -> Read {
        let uid = Uuid::from_bytes(self.account.to_key());
        let (directory, mut read) = traced(&self.session, DIRECTORY, &(uid,))
            .await
            .expect("a directory");
        let directory = directory.into_rows_result().expect("rows");
        let buckets = directory.rows::<(Option<CqlTimeuuid>, Option<bool>, Option<i8>)>();
        for row in buckets.expect("rows") {
            let (Some(bucket), ..) = row.expect("a row") else {
                continue;
            };
            let (_, of_bucket) = traced(&self.session, BUCKET, &(uid, bucket))
                .await
                .expect("a bucket");
            read.add(of_bucket);
        }
        read
    }
}

impl Writer {
    async fn open(options: &Options, node: u64) -> Self {
        let node = NodeId::from_random(node);
        let options = Options {
            minted_by: Some(Arc::new(IdMinter::new(node))),
            ..options.clone()
        };
        Self {
            store: Cassandra::open(&options).await.expect("opening"),
            minter: IdMinter::new(node),
        }
    }

    pub(crate) async fn account(&self, name: &str) -> AccountId {
        let new = NewAccount {
            address: format!("{name}@example.org").parse().expect("an address"),
            credentials: Credentials::of_hash("$argon2id$"),
            created_at: UnixTime::from_micros(0),
        };
        self.store.create_account(new).await.expect("an account")
    }

    async fn deliver(&self, account: AccountId, id: MessageId) -> MessageId {
        let mut writer = self.store.begin(id).await.expect("a writer");
        let body = Bytes::from_static(&[b'x'; OCTETS]);
        writer.write(body).await.expect("room");
        let delivery = Delivery {
            reverse_path: ReversePath::Null,
            received_at: id.minted_at(),
            surrogate_size: None,
            owners: vec![Owner {
                account,
                recipient: None,
                uidl: None,
            }],
        };
        let stored = writer.commit(delivery, PATIENCE).await.expect("a receipt");
        stored.id()
    }
}

async fn fetch(store: &Cassandra, account: AccountId, id: MessageId) -> usize {
    let mut body = store.open(account, id).await.expect("a reader");
    let mut octets = 0;
    while let Some(piece) = body.next().await.expect("a piece") {
        octets += piece.len();
    }
    octets
}

impl OnePartition {
    async fn make(session: &Arc<Session>) -> Self {
        let made = session.query_unpaged(ONE_PARTITION, ()).await;
        made.expect("a table");
        let prepare = async |text| {
            let mut statement = session.prepare(text).await.expect("a statement");
            statement.set_consistency(Consistency::LocalQuorum);
            statement.set_is_idempotent(true);
            statement
        };
        Self {
            put: prepare(
                "INSERT INTO one_partition (uid, id, size) VALUES (?, ?, ?) USING TIMESTAMP ?",
            )
            .await,
            drop: prepare("DELETE FROM one_partition USING TIMESTAMP ? WHERE uid = ? AND id = ?")
                .await,
            list: prepare(LIST_ONE).await,
            session: Arc::clone(session),
        }
    }

    async fn put(&self, account: AccountId, id: MessageId) {
        let uid = Uuid::from_bytes(account.to_key());
        let values = (uid, CqlTimeuuid::from(id.to_uuid()), 1_i64, micros(id));
        let put = tried(async || self.session.execute_unpaged(&self.put, &values).await);
        put.await.expect("a row");
    }

    async fn drop(&self, account: AccountId, ids: &[MessageId]) {
        let uid = Uuid::from_bytes(account.to_key());
        for some in ids.chunks(IN_A_BATCH) {
            let mut batch = Batch::new(BatchType::Unlogged);
            let mut rows = Vec::new();
            for id in some {
                batch.append_statement(self.drop.clone());
                rows.push((micros(*id) + 1, uid, CqlTimeuuid::from(id.to_uuid())));
            }
            let dropped = tried(async || self.session.batch(&batch, &rows).await);
            dropped.await.expect("deletions");
        }
    }

    /// How many rows a listing shows; none when it fails, as it does behind too many tombstones.
    pub(crate) async fn list(&self, account: AccountId) -> Option<usize> {
        let uid = Uuid::from_bytes(account.to_key());
        let listed = self
            .session
            .execute_unpaged(&self.list, (uid,))
            .await
            .ok()?;
        Some(listed.into_rows_result().expect("rows").rows_num())
    }

    /// What a listing reads; none when it fails.
    pub(crate) async fn read(&self, account: AccountId) -> Option<Read> {
        let uid = Uuid::from_bytes(account.to_key());
        let (_, read) = traced(&self.session, LIST_ONE, &(uid,)).await?;
        Some(read)
    }
}

/// The outcome, tried again while it fails: a busy machine may be too slow for Cassandra's own
/// limits, and the store tries again as well.
async fn tried<T, E>(attempt: impl AsyncFn() -> Result<T, E>) -> Result<T, E> {
    let mut outcome = attempt().await;
    for _ in 1..TRIES {
        if outcome.is_ok() {
            break;
        }
        outcome = attempt().await;
    }
    outcome
}

const LIST_ONE: &str = "SELECT id, size FROM one_partition WHERE uid = ?";

fn micros(id: MessageId) -> i64 {
    i64::try_from(id.minted_at().as_micros()).expect("fits")
}

impl Read {
    /// What Cassandra has to look at.
    pub(crate) fn all(self) -> u64 {
        self.rows + self.tombstones
    }

    fn add(&mut self, other: Self) {
        self.partitions += other.partitions;
        self.rows += other.rows;
        self.tombstones += other.tombstones;
    }

    /// An event of a trace: "Read 417 live rows and 12 tombstone cells".
    fn of_event(activity: &str) -> Option<Self> {
        let (rows, rest) = activity
            .strip_prefix("Read ")?
            .split_once(" live rows and ")?;
        let (tombstones, _) = rest.split_once(" tombstone cells")?;
        Some(Self {
            partitions: 1,
            rows: rows.parse().ok()?,
            tombstones: tombstones.parse().ok()?,
        })
    }
}

/// Reads a partition and what that meant for its replica; none when the read fails.
async fn traced(
    session: &Session,
    text: &str,
    values: &impl SerializeRow,
) -> Option<(QueryResult, Read)> {
    const ATTEMPTS: u32 = 20;
    let mut statement = Statement::new(text);
    statement.set_consistency(Consistency::LocalQuorum);
    statement.set_tracing(true);
    // A node that is busy drops what it would have written into traces.
    for _ in 0..ATTEMPTS {
        let result = session.query_unpaged(statement.clone(), values);
        let result = result.await.ok()?;
        let trace = result.tracing_id().expect("a trace");
        if let Some(read) = read_in(session, trace).await {
            return Some((result, read));
        }
    }
    panic!("no trace says what was read");
}

/// What a trace says, whose events come in some time after the result; none if they do not.
async fn read_in(session: &Session, trace: Uuid) -> Option<Read> {
    const ATTEMPTS: u32 = 20;
    for _ in 0..ATTEMPTS {
        let info = session.get_tracing_info(&trace).await.ok()?;
        let mut activities = info.events.iter().filter_map(|it| it.activity.as_deref());
        if let Some(read) = activities.find_map(Read::of_event) {
            return Some(read);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    None
}
