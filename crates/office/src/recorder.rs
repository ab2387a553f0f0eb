//! Records what becomes of messages, behind the replies.
//!
//! Whoever has something to record puts it into a bounded buffer and goes on: nothing here is
//! waited for by a peer. Once a second, or when there is much, the buffer goes to the store as one
//! batch. What does not fit is dropped and counted; refusals also above so many a second, so that
//! nobody fills the trace by being refused.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cassmail_mail::{IdMinter, UnixTime};
use cassmail_store::{ErrorKind, EventId, Happened, Reason, Store, StoreError, TraceEvent};
use cassmail_telemetry::{Metrics, TraceFate, chain, event};
use cassmail_wire::{Caller, Moment};
use tokio::sync::Notify;

use crate::clock::Clock;

/// Between two batches.
const EVERY: Duration = Duration::from_secs(1);

/// With so many the next batch does not wait.
const ENOUGH: usize = 4096;

/// So many octets wait, as far as can be told; of a second of a busy node some hundred KiB.
const MOST: usize = 8 * 1024 * 1024;

/// Refusals that are recorded in a second.
const REFUSALS: u32 = 200;

/// Between two looks for what is too old.
const EXPIRY: Duration = Duration::from_mins(10);

/// How long the end of the service waits for the last batch.
const LAST: Duration = Duration::from_secs(5);

/// How traces are recorded.
#[derive(Debug, Clone)]
pub struct RecorderOptions {
    /// How long they are kept.
    pub keep: Duration,
    /// The name of this host.
    pub node: String,
}

/// Records what becomes of messages.
pub struct Recorder {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    minter: Arc<IdMinter>,
    options: RecorderOptions,
    waiting: Mutex<Waiting>,
    is_enough: Notify,
    /// A batch that the store may not have yet.
    in_hand: tokio::sync::Mutex<InHand>,
}

#[derive(Default)]
struct Waiting {
    events: Vec<TraceEvent>,
    octets: usize,
    /// Since when refusals are counted, and how many there were.
    refusals: (Moment, u32),
}

#[derive(Default)]
struct InHand {
    batch: Option<Arc<[TraceEvent]>>,
    /// The store failed, and the log says so.
    is_failing: bool,
}

impl Recorder {
    /// A recorder into a store; `minter` is that of the process.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        minter: Arc<IdMinter>,
        options: RecorderOptions,
    ) -> Self {
        Self {
            store,
            clock,
            metrics,
            minter,
            options,
            waiting: Mutex::default(),
            is_enough: Notify::new(),
            in_hand: tokio::sync::Mutex::default(),
        }
    }

    /// Records what happened in a session. Never waits.
    pub(crate) fn in_session(&self, caller: &Caller, what: Happened) {
        self.put(Some(caller.session.0), Some(caller.peer.ip()), what);
    }

    /// Records what the service did by itself. Never waits.
    pub(crate) fn by_itself(&self, what: Happened) {
        self.put(None, None, what);
    }

    fn put(&self, session: Option<u64>, source: Option<IpAddr>, what: Happened) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let octets = weight(&what);
        let is_refusal = matches!(what, Happened::Refused(_));
        let is_over = waiting.octets.saturating_add(octets) > MOST
            || (is_refusal && waiting.is_over_rate(self.clock.now()));
        if is_over {
            self.metrics.trace_events(TraceFate::Dropped, 1);
            return;
        }
        // Under the lock, so that the events of a node are in their order.
        let id = EventId(self.minter.mint(self.clock.wall()));
        waiting.octets += octets;
        waiting.events.push(TraceEvent {
            id,
            node: self.options.node.clone(),
            session,
            source,
            what,
        });
        if waiting.events.len() == ENOUGH {
            self.is_enough.notify_one();
        }
    }

    /// Works until it is dropped, which is safe at any point; then [`Recorder::finish`] writes what
    /// is left.
    pub async fn run(&self) {
        let mut expired: Option<Moment> = None;
        loop {
            // Either may be dropped when the other is first.
            tokio::select! {
                () = self.clock.sleep(EVERY) => {}
                () = self.is_enough.notified() => {}
            }
            let _is_written = self.flush().await;
            let now = self.clock.now();
            if expired.is_none_or(|at| now.since(at) >= EXPIRY) {
                expired = Some(now);
                self.expire().await;
            }
        }
    }

    /// Writes what is left, if the store takes it in time.
    pub async fn finish(&self) {
        // Either may be dropped when the other is first.
        tokio::select! {
            _is_written = self.flush() => {}
            () = self.clock.sleep(LAST) => {}
        }
    }

    /// Gives everything that waits to the store; false when it could not take it now.
    pub async fn flush(&self) -> bool {
        let mut hand = self.in_hand.lock().await;
        loop {
            if hand.batch.is_none() {
                hand.batch = self.take();
            }
            let Some(batch) = hand.batch.clone() else {
                self.metrics.trace_backlog(0);
                return true;
            };
            let count = batch.len();
            let recorded = self.store.record(batch, self.options.keep).await;
            let fate = match recorded {
                Ok(()) => TraceFate::Written,
                Err(error) if is_for_good(&error) => TraceFate::Dropped,
                Err(error) => {
                    hand.tell(&error);
                    self.metrics
                        .trace_backlog(count.saturating_add(self.waiting()));
                    return false;
                }
            };
            hand.batch = None;
            hand.is_failing = false;
            self.metrics.trace_events(fate, count);
        }
    }

    fn take(&self) -> Option<Arc<[TraceEvent]>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.octets = 0;
        let events = std::mem::take(&mut waiting.events);
        (!events.is_empty()).then(|| events.into())
    }

    fn waiting(&self) -> usize {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.events.len()
    }

    async fn expire(&self) {
        let now = self.clock.wall().as_micros();
        let keep = u64::try_from(self.options.keep.as_micros()).unwrap_or(u64::MAX);
        let before = UnixTime::from_micros(now.saturating_sub(keep));
        if let Err(error) = self.store.expire_traces(before).await {
            tracing::warn!(event = event::TRACE_FAILED, error = %chain(&error));
        }
    }
}

impl InHand {
    /// Once, until it works again: a batch is tried every second.
    fn tell(&mut self, error: &StoreError) {
        if !self.is_failing {
            tracing::warn!(event = event::TRACE_FAILED, error = %chain(error));
        }
        self.is_failing = true;
    }
}

impl Waiting {
    fn is_over_rate(&mut self, now: Moment) -> bool {
        let (since, count) = &mut self.refusals;
        if now.since(*since) >= Duration::from_secs(1) {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count > REFUSALS
    }
}

/// There is no room, and mail comes first; or the store is closed.
fn is_for_good(error: &StoreError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unavailable(Reason::Full | Reason::Closing)
    )
}

/// About how much memory an event takes.
fn weight(what: &Happened) -> usize {
    const LEAST: usize = 400;
    const RECIPIENT: usize = 150;
    const MESSAGE: usize = 16;
    let more = match what {
        Happened::Accepted(accepted) => accepted.recipients.len().saturating_mul(RECIPIENT),
        Happened::Refused(refused) => refused.recipients.len().saturating_mul(RECIPIENT),
        Happened::Removed { messages, .. } => messages.len().saturating_mul(MESSAGE),
        Happened::Retrieved { .. } => 0,
    };
    LEAST.saturating_add(more)
}
