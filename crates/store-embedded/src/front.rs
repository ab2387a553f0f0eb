//! What everybody sees of the store: the published snapshot, the inbox of the writer, how it is.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cassmail_store::{ErrorKind, Health, Reason, StoreError, StoreResult};
use tokio::sync::{oneshot, watch};

use crate::disk::Disk;
use crate::inbox::{Ended, Inbox};
use crate::index::{IndexError, Snapshot};
use crate::library::Library;
use crate::listings::Listings;
use crate::writer::{Group, Moment, More, Pending, Refusal, Request};
use crate::{Codec, Pace};

/// Shared by the writer, the sessions and the store itself.
pub(crate) struct Front {
    pub(crate) inbox: Inbox,
    pub(crate) library: Library,
    pub(crate) listings: Listings,
    pub(crate) codec: Codec,
    /// How much of a large message goes into one record.
    pub(crate) chunk: usize,
    pub(crate) disk: Arc<dyn Disk>,
    /// None when the store is closed.
    published: Mutex<Option<Arc<dyn Snapshot>>>,
    state: watch::Sender<State>,
    is_full: AtomicBool,
    /// There is maintenance to do.
    is_busy: AtomicBool,
    low_water: AtomicU64,
    attempts: AtomicU64,
}

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    Closing,
    Closed,
    /// Something failed after which nobody knows what is on disk; the text says what.
    Poisoned(Arc<str>),
}

/// What a verb does, in the words of its errors.
pub(crate) type Verb = &'static str;

impl Front {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        library: Library,
        chunk: usize,
        how: &crate::Options,
    ) -> Self {
        Self {
            inbox: Inbox::new(),
            library,
            listings: Listings::default(),
            codec: how.codec,
            chunk,
            disk,
            published: Mutex::default(),
            state: watch::Sender::new(State::Open),
            is_full: AtomicBool::new(false),
            is_busy: AtomicBool::new(false),
            low_water: AtomicU64::new(how.low_water),
            attempts: AtomicU64::new(0),
        }
    }

    /// The last state that is safe on disk.
    pub(crate) fn snapshot(&self, verb: Verb) -> StoreResult<Arc<dyn Snapshot>> {
        let published = self.published.lock();
        let published = published.unwrap_or_else(PoisonError::into_inner).clone();
        match *self.state.borrow() {
            State::Closing | State::Closed => Err(closing(verb)),
            // What is published was safe before the failure, and still is.
            State::Open | State::Poisoned(_) => published.ok_or_else(|| closing(verb)),
        }
    }

    /// Shows a state that is safe on disk; none lets go of the last one.
    pub(crate) fn publish(&self, snapshot: Option<Arc<dyn Snapshot>>) {
        let mut published = self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *published = snapshot;
    }

    /// Changes how the store is. What is poisoned or closed stays so.
    pub(crate) fn become_(&self, next: State) {
        self.state.send_if_modified(|state| {
            let is_allowed = match state {
                State::Open => true,
                State::Closing => next != State::Open,
                State::Closed => false,
                State::Poisoned(_) => next == State::Closed,
            };
            if is_allowed {
                *state = next;
            }
            is_allowed
        });
    }

    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Waits until the store is as `wanted` says.
    pub(crate) async fn until(&self, wanted: impl FnMut(&State) -> bool) -> State {
        let mut watched = self.state.subscribe();
        match watched.wait_for(wanted).await {
            Ok(state) => state.clone(),
            Err(_) => State::Closed,
        }
    }

    pub(crate) fn health(&self) -> Health {
        match self.state() {
            State::Poisoned(why) => Health::Poisoned(why.to_string()),
            _ if self.is_full() => Health::Full,
            _ => Health::Well,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    pub(crate) fn set_low_water(&self, octets: u64) {
        self.low_water.store(octets, Ordering::Relaxed);
        self.look_for_room();
    }

    /// Looks how much room there is. A disk that cannot say is not taken for a full one: writing
    /// will show.
    pub(crate) fn look_for_room(&self) {
        let free = self.disk.free_space().unwrap_or(u64::MAX);
        let low_water = self.low_water.load(Ordering::Relaxed);
        let is_full = free < low_water;
        if self.is_full.swap(is_full, Ordering::Relaxed) != is_full {
            if is_full {
                tracing::warn!(
                    event = crate::MAINTAINED,
                    free,
                    low_water,
                    "too little room: deliveries are refused"
                );
            } else {
                tracing::info!(
                    event = crate::MAINTAINED,
                    free,
                    low_water,
                    "there is room again"
                );
            }
        }
    }

    pub(crate) fn set_busy(&self, more: More) {
        self.is_busy.store(more == More::Yes, Ordering::Relaxed);
    }

    /// How long maintenance may wait. Without room nothing is more urgent.
    pub(crate) fn pause(&self, pace: Pace) -> Duration {
        match (self.is_busy.load(Ordering::Relaxed), self.is_full()) {
            (true, true) => Duration::from_millis(1),
            (true, false) => pace.busy,
            (false, _) => pace.idle,
        }
    }

    /// A number that no other attempt to write a message in this store has, if `first` is drawn
    /// anew at each opening.
    pub(crate) fn next_attempt(&self) -> u64 {
        self.attempts.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn begin_attempts_at(&self, first: u64) {
        self.attempts.store(first, Ordering::Relaxed);
    }

    /// Has the writer do a step and answers when it is safe on disk.
    ///
    /// Dropping the future leaves the step to the writer once it is in the inbox.
    pub(crate) async fn change<T, F>(&self, verb: Verb, octets: usize, step: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Group<'_>) -> Result<T, Refusal> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let pending = Pending::new(verb, step, answer);
        self.ask(verb, octets, Request::Change(Box::new(pending)))
            .await?;
        answered
            .await
            .unwrap_or_else(|_| Err(StoreError::new(ErrorKind::Indeterminate, verb)))
    }

    /// The store at one moment, with nothing removed as long as the answer lives.
    pub(crate) async fn moment(&self, verb: Verb) -> StoreResult<Moment> {
        let (answer, answered) = oneshot::channel();
        self.ask(verb, 0, Request::Moment(answer)).await?;
        answered.await.map_err(|_| closing(verb))
    }

    /// Puts a request in.
    pub(crate) async fn ask(&self, verb: Verb, octets: usize, request: Request) -> StoreResult<()> {
        if let State::Poisoned(_) = self.state() {
            return Err(engine(verb, "the store failed before"));
        }
        let put = self.inbox.put(request, octets).await;
        put.map_err(|Ended| match self.state() {
            State::Poisoned(_) => engine(verb, "the store failed before"),
            _ => closing(verb),
        })
    }
}

pub(crate) fn closing(verb: Verb) -> StoreError {
    StoreError::new(ErrorKind::Unavailable(Reason::Closing), verb)
}

pub(crate) fn engine(verb: Verb, source: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
    StoreError::caused(ErrorKind::Unavailable(Reason::Engine), verb, source)
}

/// The index could not be read.
pub(crate) fn unreadable(verb: Verb, error: IndexError) -> StoreError {
    engine(verb, error)
}

/// A row of the index cannot be understood.
pub(crate) fn damaged_row(verb: Verb) -> StoreError {
    StoreError::caused(ErrorKind::Corrupt, verb, "a row of the index is damaged")
}
