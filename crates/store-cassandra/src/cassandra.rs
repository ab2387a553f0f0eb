//! The store as the office sees it: opened, well or not, closed.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cassmail_mail::{IdMinter, MessageId, NodeId};
use cassmail_store::{Health, Store, StoreError, StoreResult, Work};

use crate::bodies::Pins;
use crate::buckets::Writing;
use crate::engine::Engine;
use crate::error::{OpenError, Verb};
use crate::freshness::Freshness;
use crate::listing::Places;
use crate::nodes::{Member, NodeSeen};
use crate::retiring::Retiring;
use crate::rows::row;
use crate::scrub::{KEY, LastScrub, read_last};
use crate::statements::Cql;
use crate::turns::Turns;
use crate::usages::LastNote;
use crate::{Clock, Options};

/// A store on Apache Cassandra.
#[derive(Clone)]
pub struct Cassandra {
    pub(crate) core: Arc<Core>,
}

/// What monitoring shows of a store; the rest says [`Store::health`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Requests that were sent to Cassandra so far; a batch is one.
    pub requests: u64,
    /// Messages that were acknowledged by fewer data centers than there are, counted for each
    /// owner.
    pub acknowledged_by_fewer: u64,
    /// Partitions that a data center lacks until it is back.
    pub waiting_for_healing: usize,
    /// Nodes that acknowledge a write before it is on their disk.
    pub periodic_commit_logs: usize,
}

/// Shared by the store and the tasks that finish what was begun.
pub(crate) struct Core {
    pub(crate) engine: Arc<Engine>,
    pub(crate) freshness: Freshness,
    /// Who mints the ids of messages in this process.
    minted_by: Option<Arc<IdMinter>>,
    pub(crate) turns: Turns,
    pub(crate) writing: Writing,
    pub(crate) places: Places,
    pub(crate) retiring: Retiring,
    pub(crate) pins: Pins,
    pub(crate) member: Member,
    pub(crate) last_note: LastNote,
    /// For ids of bodies, apart from those of messages.
    minter: Mutex<IdMinter>,
    /// Deliveries are refused: an operator says so.
    is_full: AtomicBool,
}

impl Cassandra {
    /// Opens a store whose keyspace and tables are there.
    pub async fn open(options: &Options) -> Result<Self, OpenError> {
        let core = Core::connect(options).await?;
        core.keep_beating();
        Ok(Self { core })
    }

    /// Refuses deliveries from now on as if there were no room, or takes them again. Reading and
    /// removing go on: for operators who need room before the disks are full.
    pub fn set_full(&self, is_full: bool) {
        self.core.is_full.store(is_full, Ordering::SeqCst);
    }

    /// How many requests were sent to Cassandra so far; a batch is one.
    pub fn requests_sent(&self) -> u64 {
        self.core.engine.requests().map(|(_, count)| count).sum()
    }

    /// Waits until nothing is done in the background any more: for tests and for an orderly look.
    pub async fn settled(&self) {
        self.core.engine.gate.until_empty().await;
    }

    /// What monitoring shows of the store.
    pub fn figures(&self) -> Figures {
        let engine = &self.core.engine;
        Figures {
            requests: self.requests_sent(),
            acknowledged_by_fewer: self.delivered_without_all(),
            waiting_for_healing: engine.breaker.waiting(),
            periodic_commit_logs: engine.commit_logs.periodic(),
        }
    }

    /// The processes that have told others lately that they live, of all data centers.
    pub async fn nodes(&self) -> StoreResult<Vec<NodeSeen>> {
        const VERB: &str = "list the nodes";
        let _pass = self.core.engine.enter(VERB)?;
        self.core.nodes_seen(VERB).await
    }

    /// What the last scrub that was to mend has written down of itself; none if there was none.
    pub async fn last_scrub(&self) -> StoreResult<Option<LastScrub>> {
        const VERB: &str = "read how far a scrub has come";
        type Cells = (Option<String>, Option<i64>);
        let _pass = self.core.engine.enter(VERB)?;
        let key = row![KEY];
        let read = self.core.engine.read::<Cells>(VERB, Cql::ReadScrub, key);
        let (state, at) = read.await?.pop().unwrap_or_default();
        Ok(state.zip(at).and_then(|(state, at)| read_last(&state, at)))
    }

    /// How many changes were acknowledged while a data center was away.
    pub fn acknowledged_without_all(&self) -> u64 {
        self.core.engine.breaker.changes_here()
    }

    /// How many messages were, counted for each owner: until they are healed they are in fewer data
    /// centers than they should be.
    pub fn delivered_without_all(&self) -> u64 {
        self.core.engine.breaker.rows_here()
    }

    /// Does now what is done every ten seconds: tells the other nodes that this one lives, and
    /// finishes what dead ones have begun; begins to retire buckets that are due.
    pub async fn sweep(&self) -> StoreResult<()> {
        let _pass = self.core.engine.enter("sweep")?;
        self.core.retire(None);
        self.core.beat_and_sweep().await
    }

    /// Stops as a crash would: nothing more is sent. Resolves when what was on its way has arrived.
    pub async fn abandon(&self) {
        let gate = &self.core.engine.gate;
        gate.kill();
        self.core.pins.stop_waiting();
        gate.until_empty().await;
    }
}

/// Bits of the operating system.
fn random() -> Result<u64, OpenError> {
    getrandom::u64().map_err(OpenError::other("draw random bits"))
}

impl Core {
    /// A store that the other nodes do not know of, as long as it does not beat.
    pub(crate) async fn connect(options: &Options) -> Result<Arc<Self>, OpenError> {
        let engine = Engine::open(options).await?;
        let core = Self {
            engine,
            freshness: Freshness::new(options.minted_by.as_ref().map(|minter| minter.node())),
            minted_by: options.minted_by.clone(),
            turns: Turns::default(),
            writing: Writing::new(NodeId::from_random(random()?), options.remembered),
            places: Places::new(options.remembered),
            retiring: Retiring::default(),
            pins: Pins::default(),
            member: Member::new(&options.data_center, [random()?, random()?]),
            last_note: LastNote::default(),
            minter: Mutex::new(IdMinter::new(NodeId::from_random(random()?))),
            is_full: AtomicBool::new(false),
        };
        Ok(Arc::new(core))
    }

    /// An id for a body.
    pub(crate) fn mint(&self) -> MessageId {
        let minter = self.minter.lock().unwrap_or_else(PoisonError::into_inner);
        minter.mint(self.clock().now())
    }

    /// From now on ids are made as by another process, those of messages, too; what was minted
    /// before is not believed to be fresh.
    pub(crate) fn mint_anew(&self, random: u64, messages: NodeId) {
        let minter = IdMinter::new(NodeId::from_random(random));
        *self.minter.lock().unwrap_or_else(PoisonError::into_inner) = minter;
        self.writing
            .mint_with(IdMinter::new(NodeId::from_random(!random)));
        if let Some(minter) = &self.minted_by {
            minter.renew(messages);
            self.freshness.renew(Some(messages));
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::SeqCst)
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.engine.clock
    }

    /// Does the work of a verb to its end, even if the caller goes away.
    pub(crate) fn carry_out<T, F, W>(self: &Arc<Self>, verb: Verb, work: F) -> Work<'static, T>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Self>) -> W + Send + 'static,
        W: Future<Output = StoreResult<T>> + Send + 'static,
    {
        let core = Arc::clone(self);
        Box::pin(async move {
            let pass = core.engine.enter(verb)?;
            let task = tokio::spawn(async move {
                let _pass = pass;
                work(core).await
            });
            let lost =
                |error| StoreError::caused(cassmail_store::ErrorKind::Indeterminate, verb, error);
            task.await.unwrap_or_else(|error| Err(lost(error)))
        })
    }

    /// Does work that nobody waits for; closing does.
    pub(crate) fn in_background<F, W>(self: &Arc<Self>, work: F)
    where
        F: FnOnce(Arc<Self>) -> W + Send + 'static,
        W: Future<Output = StoreResult<()>> + Send + 'static,
    {
        let core = Arc::clone(self);
        let Some(pass) = core.engine.gate.enter_further() else {
            return;
        };
        tokio::spawn(async move {
            let _pass = pass;
            if let Err(error) = work(core).await {
                tracing::info!(event = crate::MAINTAINED, ?error, "left to a scrub");
            }
        });
    }
}

impl Drop for Core {
    /// Whoever still mends or waits in the background ends.
    fn drop(&mut self) {
        self.engine.gate.shut();
        self.pins.stop_waiting();
    }
}

impl Store for Cassandra {
    fn health(&self) -> Health {
        if self.core.engine.is_silent() {
            return Health::Unreachable("Cassandra does not answer here".to_owned());
        }
        if self.core.is_full() {
            return Health::Full;
        }
        match self.core.engine.breaker.report() {
            Some(report) => Health::Degraded(report),
            None => Health::Well,
        }
    }

    /// Never: what one node of ours does not know, Cassandra still has.
    fn poisoned(&self) -> Pin<Box<dyn Future<Output = StoreError> + Send + '_>> {
        Box::pin(std::future::pending())
    }

    fn close(&self) -> Work<'_, ()> {
        Box::pin(async {
            let gate = &self.core.engine.gate;
            // Not behind a wait: the store closes even if the caller goes away at once.
            gate.shut();
            self.core.pins.stop_waiting();
            gate.until_empty().await;
            self.core.leave_cluster().await;
            Ok(())
        })
    }
}
