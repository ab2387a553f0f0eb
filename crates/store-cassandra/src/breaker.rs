//! What to do when a data center is away.
//!
//! A change is acknowledged by a quorum in every data center. When one cannot be reached, mail must
//! not stop: the same bytes then go out at the fallback level, and what was acknowledged so is
//! remembered (`waiting.rs`) and read back at the full level when the data center has returned,
//! which repairs it there (`mending.rs`). Cassandra says *unavailable* at once when it knows that
//! replicas are down; that request falls back alone. Until it knows, it says *timed out* after two
//! seconds each; so after some of these in a row the breaker opens and all changes fall back, while
//! probes repeat what failed. A change whose own partition lacks its quorum in one data center,
//! while others succeed, falls back alone after as many time limits.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::engine::Change;
use crate::pauses::Pauses;
use crate::statements::Cql;
use crate::waiting::{Due, Waiting};

/// So many time limits in a row, without any success ...
pub(crate) const FAILURES: u32 = 3;
/// ... over at least so long, open the breaker.
const OVER: Duration = Duration::from_secs(2);

/// Pauses between probes: from the first, doubled, to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(20);

/// So many partitions are read back in one step.
const IN_A_STEP: usize = 64;

/// How far an acknowledged change has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// A quorum in every data center has it.
    Everywhere,
    /// One data center lacks it until it is healed.
    Here,
}

/// Whether a change may be acknowledged while a data center is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fallback {
    Allowed,
    Refused,
}

#[derive(Default)]
pub(crate) struct Breaker {
    state: Mutex<State>,
}

struct State {
    /// Time limits in a row, and when the first one was.
    failures: u32,
    since: Option<Duration>,
    is_open: bool,
    /// What failed last: the probe.
    probe: Option<Arc<Change>>,
    waiting: Waiting,
    /// Somebody probes and heals.
    is_mending: bool,
    pauses: Pauses,
    changes_here: u64,
    rows_here: u64,
}

/// What the mender does next.
pub(crate) enum Mending {
    /// Repeats a change at the full level, to see whether all data centers are back.
    Probe(Arc<Change>),
    /// Reads these partitions back at the full level.
    Heal(Vec<Due>),
    /// Nothing.
    Done,
}

impl Default for State {
    fn default() -> Self {
        Self {
            failures: 0,
            since: None,
            is_open: false,
            probe: None,
            waiting: Waiting::default(),
            is_mending: false,
            pauses: first_pauses(),
            changes_here: 0,
            rows_here: 0,
        }
    }
}

fn first_pauses() -> Pauses {
    Pauses::new(FIRST_PAUSE, LAST_PAUSE)
}

impl Breaker {
    pub(crate) fn is_open(&self) -> bool {
        self.with(|state| state.is_open)
    }

    /// Whether anything is known to be away, or to lack somewhere.
    pub(crate) fn is_degraded(&self) -> bool {
        self.with(|state| state.is_open || !state.waiting.is_empty())
    }

    /// A change was acknowledged everywhere.
    pub(crate) fn succeeded(&self) {
        self.with(|state| {
            state.failures = 0;
            state.since = None;
        });
    }

    /// A change at the full level ran out of time.
    pub(crate) fn timed_out(&self, now: Duration, change: &Arc<Change>) {
        let opens = self.with(|state| {
            state.failures = state.failures.saturating_add(1);
            let since = *state.since.get_or_insert(now);
            state.probe = Some(Arc::clone(change));
            let is_long = now.saturating_sub(since) >= OVER;
            let opens = state.failures >= FAILURES && is_long && !state.is_open;
            if opens {
                state.is_open = true;
                state.pauses = first_pauses();
            }
            opens
        });
        if opens {
            tracing::warn!(
                event = crate::REACH,
                "a data center does not answer: changes are acknowledged without it"
            );
        }
    }

    /// A change was acknowledged without a data center.
    pub(crate) fn acknowledged_here(&self, change: &Arc<Change>) {
        let (is_first, overflows) = self.with(|state| {
            state.changes_here += 1;
            for (cql, _) in change.iter() {
                state.rows_here += u64::from(*cql == Cql::PutRow);
            }
            if state.probe.is_none() {
                state.probe = Some(Arc::clone(change));
            }
            let is_first = state.waiting.is_empty() && !state.is_open;
            (is_first, state.waiting.add(change))
        });
        if is_first {
            let text = "acknowledged without a data center: it will be healed there";
            tracing::warn!(event = crate::REACH, "{text}");
        }
        if overflows {
            let text = "too much waits to be healed: run a repair when all data centers are back";
            tracing::warn!(event = crate::REACH, "{text}");
        }
    }

    /// How many partitions a data center lacks.
    pub(crate) fn waiting(&self) -> usize {
        self.with(|state| state.waiting.len())
    }

    /// Whether the caller is to mend from now on.
    pub(crate) fn begin_mending(&self) -> bool {
        self.with(|state| {
            let has_work = state.is_open || !state.waiting.is_empty();
            let begins = has_work && !state.is_mending;
            if begins {
                state.is_mending = true;
                state.pauses = first_pauses();
            }
            begins
        })
    }

    /// How long to wait before the next step.
    pub(crate) fn next_pause(&self) -> Duration {
        self.with(|state| state.pauses.next())
    }

    /// The next step: healing begins when a probe has got through.
    pub(crate) fn next_step(&self) -> Mending {
        self.with(|state| {
            if state.is_open
                && let Some(probe) = &state.probe
            {
                return Mending::Probe(Arc::clone(probe));
            }
            let due = state.waiting.next(IN_A_STEP);
            if due.is_empty() {
                state.is_open = false;
                state.is_mending = false;
                state.probe = None;
                return Mending::Done;
            }
            Mending::Heal(due)
        })
    }

    /// All data centers are back.
    pub(crate) fn close(&self) {
        let closes = self.with(|state| {
            state.failures = 0;
            state.since = None;
            state.probe = None;
            state.pauses = first_pauses();
            std::mem::take(&mut state.is_open)
        });
        if closes {
            tracing::info!(event = crate::REACH, "all data centers answer again");
        }
    }

    /// A partition was read back.
    pub(crate) fn healed(&self, due: &Due) {
        let ended = self.with(|state| {
            state.pauses = first_pauses();
            state.waiting.remove(due)
        });
        if let Some(healed) = ended {
            let text = "what waited is in all data centers";
            tracing::info!(event = crate::REACH, healed, "{text}");
        }
    }

    /// Nobody mends any more: the store closes.
    pub(crate) fn stop_mending(&self) {
        let left = self.with(|state| {
            state.is_mending = false;
            state.waiting.len()
        });
        if left > 0 {
            let text = "closed before all was healed: run a repair when all data centers are back";
            tracing::warn!(event = crate::REACH, left, "{text}");
        }
    }

    /// How many changes were acknowledged without a data center, ever.
    pub(crate) fn changes_here(&self) -> u64 {
        self.with(|state| state.changes_here)
    }

    /// How many rows of listings were.
    pub(crate) fn rows_here(&self) -> u64 {
        self.with(|state| state.rows_here)
    }

    /// In words fit for strangers; none if everything is everywhere.
    pub(crate) fn report(&self) -> Option<String> {
        self.with(|state| {
            let waiting = state.waiting.len();
            let more = if state.waiting.has_overflown() {
                " or more"
            } else {
                ""
            };
            match (state.is_open, waiting) {
                (false, 0) => None,
                (true, _) => Some("a data center does not answer".to_owned()),
                (false, _) => Some(format!("{waiting}{more} partitions wait for a data center")),
            }
        })
    }

    fn with<T>(&self, step: impl FnOnce(&mut State) -> T) -> T {
        step(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::row;

    fn change(name: &str) -> Arc<Change> {
        Arc::new(vec![(
            Cql::PutDomain,
            row![name, "entry".as_bytes(), 7_i64],
        )])
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_breaker_opens_after_three_time_limits_over_two_seconds() {
        let breaker = Breaker::default();
        for now in [10, 11, 11] {
            breaker.timed_out(at(now), &change("a"));
            assert!(!breaker.is_open());
        }
        breaker.timed_out(at(12), &change("a"));
        assert!(breaker.is_open());
        assert!(breaker.report().is_some());
    }

    #[test]
    fn a_success_in_between_keeps_it_closed() {
        let breaker = Breaker::default();
        for now in [10, 12, 14, 16] {
            breaker.timed_out(at(now), &change("a"));
            breaker.succeeded();
        }
        assert!(!breaker.is_open());
    }

    #[test]
    fn what_was_acknowledged_here_is_healed_once_a_probe_gets_through() {
        let breaker = Breaker::default();
        for now in [10, 11, 12] {
            breaker.timed_out(at(now), &change("a"));
        }
        for name in ["a", "b", "a"] {
            breaker.acknowledged_here(&change(name));
        }
        assert!(breaker.begin_mending());
        assert!(!breaker.begin_mending(), "one mends");
        assert!(matches!(breaker.next_step(), Mending::Probe(_)));
        breaker.close();
        let Mending::Heal(waiting) = breaker.next_step() else {
            panic!("two domains wait");
        };
        assert_eq!(waiting.len(), 2);
        for due in waiting {
            assert_eq!((due.read, due.key.len()), (Cql::ReadDomain, 1));
            breaker.healed(&due);
        }
        assert!(matches!(breaker.next_step(), Mending::Done));
        assert_eq!(breaker.report(), None);
        assert_eq!(breaker.changes_here(), 3);
    }

    #[test]
    fn pauses_between_probes_grow_to_twenty_seconds() {
        let breaker = Breaker::default();
        breaker.acknowledged_here(&change("a"));
        assert!(breaker.begin_mending());
        let pauses: Vec<_> = (0..12).map(|_| breaker.next_pause()).collect();
        assert_eq!(pauses[0], Duration::from_millis(50));
        assert!(pauses.is_sorted());
        assert_eq!(pauses[11], at(20));
    }
}
