//! Requests that are lost, late, or refused on their way: each request of a flow, one after the
//! other, once and for good. Whatever the verb answers, its repetition has the outcome, once.
//!
//! A proxy stands between the store and a single node (the driver would find the way around it to
//! others). Time runs faster for the store, so that its patience ends soon.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cassmail_mail::{AccountId, Delivery, IdMinter, MessageId, NodeId, Owner, ReversePath};
use cassmail_store::{
    Accounts, Credentials, DomainEntry, ErrorKind, Maildrops, Patience, StoreResult,
};
use cassmail_store_cassandra::{Cassandra, Clock, Options};
use futures_util::{StreamExt, stream};
use scylla_proxy::{
    Condition, Node, Proxy, Reaction, RequestOpcode, RequestReaction, RequestRule, ResponseOpcode,
    ResponseReaction, ResponseRule, RunningProxy, ShardAwareness, example_db_errors,
};
use tokio::task::JoinHandle;

use crate::support::{Keyspace, Turned, contact_points, new_account, noise, replication};

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It does not arrive.
    Drop,
    /// It arrives when nobody waits for it any more.
    Delay,
    /// It arrives, and the answer does not.
    LoseAnswer,
    /// The connection breaks.
    Break,
    Unavailable,
    Timeout,
    Overloaded,
    ServerError,
}

const FAULTS: [Fault; 8] = [
    Fault::Drop,
    Fault::Delay,
    Fault::LoseAnswer,
    Fault::Break,
    Fault::Unavailable,
    Fault::Timeout,
    Fault::Overloaded,
    Fault::ServerError,
];

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    Once,
    /// From there on, until it is repaired.
    Always,
}

/// As the store sees it.
const PATIENCE: Patience = Patience(Duration::from_secs(10));

/// Longer than any patience, in real time.
const LATE: Duration = Duration::from_secs(4);

/// So many flows run at once.
const AT_ONCE: usize = 16;

impl Fault {
    /// A node that refuses has done nothing, and the verb must know.
    fn is_refusal(self) -> bool {
        matches!(self, Self::Unavailable | Self::Overloaded)
    }

    /// So much faster time runs. What is answered at once must not seem late only because this
    /// machine is slow: then it would be uncertain, and rightly so.
    fn faster(self) -> u32 {
        if self.is_refusal() { 2 } else { 8 }
    }

    fn reaction(self) -> RequestReaction {
        match self {
            Self::Drop => RequestReaction::drop_frame(),
            Self::Delay => RequestReaction::delay(LATE),
            Self::LoseAnswer => RequestReaction::noop(),
            Self::Break => RequestReaction::drop_connection(),
            Self::Unavailable => {
                RequestReaction::forge_with_error(example_db_errors::unavailable())
            }
            Self::Timeout => RequestReaction::forge_with_error(example_db_errors::write_timeout()),
            Self::Overloaded => RequestReaction::forge_with_error(example_db_errors::overloaded()),
            Self::ServerError => {
                RequestReaction::forge_with_error(example_db_errors::server_error())
            }
        }
    }
}

/// A node behind a proxy.
struct Wire {
    address: SocketAddr,
    proxy: RunningProxy,
}

impl Wire {
    /// On the node's own address: the driver goes where the node says that it is, at the port where
    /// it was met.
    async fn open(node: SocketAddr) -> Self {
        let free = TcpListener::bind((node.ip(), 0)).expect("a port");
        let address = free.local_addr().expect("its address");
        drop(free);
        let unaware = ShardAwareness::Unaware;
        let node = Node::new(node, address, unaware, None, None);
        let proxy = Proxy::new([node]).run().await.expect("a proxy");
        Self { address, proxy }
    }

    /// Lets so many requests pass, and fails the next one, or all that come then.
    fn fail(&mut self, behind: usize, fault: Fault, times: Times) {
        let node = &mut self.proxy.running_nodes[0];
        let passed = Condition::not(Condition::TrueForLimitedTimes(behind));
        let those = match times {
            Times::Once => passed.and(Condition::TrueForLimitedTimes(1)),
            Times::Always => passed,
        };
        if fault == Fault::LoseAnswer {
            let answers = Condition::ResponseOpcode(ResponseOpcode::Result);
            let rule = ResponseRule(answers.and(those), ResponseReaction::drop_frame());
            return node.change_response_rules(Some(vec![rule]));
        }
        let requests = Condition::RequestOpcode(RequestOpcode::Execute)
            .or(Condition::RequestOpcode(RequestOpcode::Batch));
        let rule = RequestRule(requests.and(those), fault.reaction());
        node.change_request_rules(Some(vec![rule]));
    }

    fn repair(&mut self) {
        self.proxy.turn_off_rules();
    }
}

/// Makes a clock run faster as long as it lives.
struct Faster(JoinHandle<()>);

impl Faster {
    fn run(clock: &Arc<Turned>, times: u32) -> Self {
        const STEP: Duration = Duration::from_millis(10);
        let clock = Arc::clone(clock);
        Self(tokio::spawn(async move {
            loop {
                let before = clock.real();
                tokio::time::sleep(STEP).await;
                let passed = clock.real().saturating_sub(before);
                clock.turn(passed * (times - 1));
            }
        }))
    }
}

impl Drop for Faster {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A store behind the proxy, and its ids.
struct Client {
    wire: Wire,
    store: Cassandra,
    minter: IdMinter,
    clock: Arc<Turned>,
    _faster: Faster,
}

impl Client {
    async fn open(keyspace: &Keyspace, fault: Fault) -> Self {
        let node = contact_points()[0].parse().expect("an address and a port");
        let wire = Wire::open(node).await;
        let clock = Arc::new(Turned::default());
        let minted_by = NodeId::from_random(getrandom::u64().expect("random bits"));
        let options = Options {
            contact_points: vec![wire.address.to_string()],
            minted_by: Some(Arc::new(IdMinter::new(minted_by))),
            ..keyspace.options(Arc::clone(&clock))
        };
        let store = Cassandra::open(&options).await.expect("opening");
        let faster = Faster::run(&clock, fault.faster());
        Self {
            wire,
            store,
            minter: IdMinter::new(minted_by),
            clock,
            _faster: faster,
        }
    }

    /// Does a step, and after a failure again without the fault.
    async fn insist<T, W>(&mut self, fault: Fault, step: impl Fn(Cassandra) -> W) -> (T, Outcome)
    where
        W: Future<Output = StoreResult<T>>,
    {
        let first = step(self.store.clone()).await;
        let kind = match first {
            Ok(value) => return (value, Outcome::Done),
            Err(error) => error.kind(),
        };
        match kind {
            ErrorKind::Unavailable(_) => {}
            ErrorKind::Indeterminate => assert!(!fault.is_refusal(), "{fault:?}: uncertain"),
            ErrorKind::Conflict | ErrorKind::Missing | ErrorKind::Corrupt => {
                panic!("{fault:?}: {kind:?}")
            }
        }
        self.wire.repair();
        // A connection that broke comes back soon.
        for _ in 0..50 {
            if let Ok(value) = step(self.store.clone()).await {
                return (value, Outcome::Failed(kind));
            }
        }
        panic!("{fault:?}: the repetition fails, too");
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    /// At first.
    Failed(ErrorKind),
}

/// What happened in all flows.
#[derive(Default)]
struct Count {
    flows: AtomicU64,
    unavailable: AtomicU64,
    indeterminate: AtomicU64,
}

impl Count {
    fn add(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Done => return,
            Outcome::Failed(ErrorKind::Indeterminate) => &self.indeterminate,
            Outcome::Failed(_) => &self.unavailable,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

async fn deliver(
    store: Cassandra,
    id: MessageId,
    accounts: Vec<AccountId>,
    body: Bytes,
) -> StoreResult<()> {
    let mut writer = store.begin(id).await?;
    writer.write(body).await?;
    let owner = |account| Owner {
        account,
        recipient: None,
        uidl: None,
    };
    let delivery = Delivery {
        reverse_path: ReversePath::Null,
        received_at: id.minted_at(),
        surrogate_size: None,
        owners: accounts.into_iter().map(owner).collect(),
    };
    writer.commit(delivery, PATIENCE).await.map(drop)
}

async fn ids(store: &Cassandra, account: AccountId) -> StoreResult<Vec<MessageId>> {
    let listed = store.list(account).await?;
    Ok(listed.into_iter().map(|entry| entry.id).collect())
}

async fn read(store: Cassandra, account: AccountId, id: MessageId) -> StoreResult<usize> {
    let mut body = store.open(account, id).await?;
    let mut octets = 0;
    while let Some(piece) = body.next().await? {
        octets += piece.len();
    }
    Ok(octets)
}

/// What a flow is about.
struct Flow<'a> {
    keyspace: &'a Keyspace,
    /// Behind no proxy.
    plain: &'a Cassandra,
    count: &'a Count,
    fault: Fault,
    times: Times,
    behind: usize,
}

impl Flow<'_> {
    fn name(&self) -> String {
        let Self {
            fault,
            times,
            behind,
            ..
        } = self;
        format!("{fault:?}-{times:?}-{behind}").to_lowercase()
    }

    async fn client(&self) -> Client {
        let mut client = Client::open(self.keyspace, self.fault).await;
        client.wire.fail(self.behind, self.fault, self.times);
        self.count.flows.fetch_add(1, Ordering::Relaxed);
        client
    }

    /// Waits until an owner has all of it: a row that could not be put is put by a sweep, of which
    /// there is one in ten of the store's seconds.
    async fn is_listed(&self, client: &mut Client, account: AccountId, wanted: &[MessageId]) {
        const LONGEST: Duration = Duration::from_mins(1);
        let until = client.clock.real() + LONGEST;
        loop {
            let step = |store: Cassandra| async move { ids(&store, account).await };
            let (listed, outcome) = client.insist(self.fault, step).await;
            self.count.add(outcome);
            if listed == wanted {
                return;
            }
            assert!(client.clock.real() < until, "{}: {listed:?}", self.name());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Mail of three kinds is delivered, listed, read, and two of three removed.
    async fn mail(&self) {
        const SIZES: [usize; 3] = [1_000, 300_000, 2_000];
        let name = self.name();
        let [a, b] = ["a", "b"].map(|who| new_account(&format!("{name}-{who}")));
        let a = self.plain.create_account(a).await.expect("an account");
        let b = self.plain.create_account(b).await.expect("an account");
        let mut client = self.client().await;
        let own = [(); 3].map(|()| client.minter.mint(client.clock.now()));
        let owners = [vec![a], vec![a], vec![a, b]];
        for ((id, owners), octets) in own.into_iter().zip(owners).zip(SIZES) {
            let step = |store| deliver(store, id, owners.clone(), noise(octets));
            let ((), outcome) = client.insist(self.fault, step).await;
            self.count.add(outcome);
        }
        self.is_listed(&mut client, a, &own).await;
        self.is_listed(&mut client, b, &own[2..]).await;
        for (id, octets) in own.into_iter().zip(SIZES) {
            let step = |store| read(store, a, id);
            let (read, outcome) = client.insist(self.fault, step).await;
            self.count.add(outcome);
            assert_eq!(read, octets, "{name}");
        }
        let gone = vec![own[0], own[2]];
        let step = |store: Cassandra| {
            let gone = gone.clone();
            async move { store.remove(a, gone, PATIENCE).await }
        };
        let (removed, outcome) = client.insist(self.fault, step).await;
        self.count.add(outcome);
        assert_eq!(removed.count(), 2);
        client.wire.repair();
        if self.fault == Fault::Delay {
            // What was late arrives now.
            tokio::time::sleep(LATE).await;
        }
        client.store.settled().await;
        assert_eq!(
            ids(self.plain, a).await.expect("a listing"),
            [own[1]],
            "{name}"
        );
        assert_eq!(
            ids(self.plain, b).await.expect("a listing"),
            [own[2]],
            "{name}"
        );
        for (account, id, octets) in [(a, own[1], SIZES[1]), (b, own[2], SIZES[2])] {
            let read = read(self.plain.clone(), account, id).await;
            assert_eq!(read.expect("a body"), octets, "{name}");
        }
    }

    /// A domain, an account and an alias are made, changed, listed; account and alias removed.
    async fn accounts(&self) {
        let name = self.name();
        let mut client = self.client().await;
        let entry = DomainEntry::new(format!("{name}.example").parse().expect("a domain"));
        let step = |store: Cassandra| {
            let entry = entry.clone();
            async move { store.put_domain(entry).await }
        };
        let ((), outcome) = client.insist(self.fault, step).await;
        self.count.add(outcome);
        let local = format!("{name}-c");
        let account = new_account(&local);
        let step = |store: Cassandra| {
            let account = new_account(&local);
            async move { store.create_account(account).await }
        };
        let (id, outcome) = client.insist(self.fault, step).await;
        self.count.add(outcome);
        assert_eq!(
            id,
            AccountId::of(&account.address, 1),
            "{name}: one generation"
        );
        let other = || Credentials::of_hash("$other$");
        let step = |store: Cassandra| async move { store.put_credentials(id, other()).await };
        let ((), outcome) = client.insist(self.fault, step).await;
        self.count.add(outcome);
        let alias: cassmail_mail::Address = format!("{name}-d@example.org").parse().expect("one");
        let step = |store: Cassandra| {
            let (alias, target) = (alias.clone(), account.address.clone());
            async move { store.put_alias(alias, vec![target]).await }
        };
        let ((), outcome) = client.insist(self.fault, step).await;
        self.count.add(outcome);
        let step = |store: Cassandra| async move { store.account(id).await };
        let (found, outcome) = client.insist(self.fault, step).await;
        self.count.add(outcome);
        assert!(found.expect("the account").1 == other(), "{name}");
        client.wire.repair();
        if self.fault == Fault::Delay {
            tokio::time::sleep(LATE).await;
        }
        client.store.settled().await;
        let found = self.plain.account(id).await.expect("a look").expect("it");
        assert!(found.1 == other(), "{name}");
        let domain = self.plain.domain(entry.name.clone()).await.expect("a look");
        assert_eq!(domain, Some(entry), "{name}");
        assert!(self.plain.resolve(alias).await.expect("a look").is_some());
        let removed = self.plain.remove_account(account.address.clone()).await;
        removed.expect("it was there");
        assert_eq!(ids(self.plain, id).await.expect("a listing"), []);
    }
}

#[derive(Clone, Copy)]
enum What {
    Mail,
    Accounts,
}

/// Runs a flow with each fault at each of its requests.
async fn each_fault_at_each_request(what: What, requests: usize) {
    let replicas = replication().await.0;
    if replicas.iter().map(|(_, count)| count).sum::<u32>() > 1 {
        // The driver finds the other nodes, and they have no proxy.
        return;
    }
    let keyspace = &Keyspace::empty().await;
    let options = keyspace.options(Arc::new(Turned::default()));
    let plain = &Cassandra::open(&options).await.expect("opening");
    let count = &Count::default();
    let mut flows = Vec::new();
    for fault in FAULTS {
        for times in [Times::Once, Times::Always] {
            flows.extend((0..requests).map(|behind| Flow {
                keyspace,
                plain,
                count,
                fault,
                times,
                behind,
            }));
        }
    }
    let mut running = stream::iter(flows)
        .map(|flow| async move {
            match what {
                What::Mail => flow.mail().await,
                What::Accounts => flow.accounts().await,
            }
        })
        .buffer_unordered(AT_ONCE);
    while running.next().await.is_some() {}
    drop(running);
    let [flows, unavailable, indeterminate] =
        [&count.flows, &count.unavailable, &count.indeterminate]
            .map(|counter| counter.load(Ordering::Relaxed));
    crate::disturbed::say(&format!(
        "{flows} flows, {unavailable} verbs unavailable, {indeterminate} uncertain"
    ));
    assert!(unavailable > 0 && indeterminate > 0, "the faults were felt");
}

/// Twenty requests when nothing fails: two buckets chosen, eight chunks and rows, the record and
/// its slot, listings, bodies, removal.
#[tokio::test]
async fn whatever_fails_on_the_way_mail_is_listed_once_and_stays_removed() {
    each_fault_at_each_request(What::Mail, 26).await;
}

#[tokio::test]
async fn whatever_fails_on_the_way_accounts_are_made_and_changed_once() {
    each_fault_at_each_request(What::Accounts, 24).await;
}
