//! What the process may hold for its peers, and how full that makes it.
//!
//! Octets are in flight while they wait in memory for somebody slow: input behind a command that is
//! being answered, output that a peer does not read, pieces of messages in front of the store. Each
//! connection has limits of its own; this is about all of them together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use cassmail_telemetry::{Gauge, event};
use cassmail_wire::Load;

use crate::stop::Herald;

/// The budgets of the process. Clones are the same.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connections: usize,
    octets: usize,
    open: AtomicUsize,
    in_flight: Gauge,
    load: AtomicU8,
    herald: Herald,
}

/// From which share of a budget on the process is under load, in hundredths, and from which share
/// down it is not any more. The room between keeps the word from flapping.
struct Mark {
    reached: usize,
    left: usize,
}

const CONNECTIONS_HIGH: Mark = Mark {
    reached: 80,
    left: 70,
};
const OCTETS_HIGH: Mark = Mark {
    reached: 50,
    left: 40,
};
const OCTETS_FULL: Mark = Mark {
    reached: 100,
    left: 80,
};

impl Budget {
    /// Budgets of so many connections and octets; the gauge shows the octets.
    pub(crate) fn new(connections: usize, octets: usize, in_flight: Gauge, herald: Herald) -> Self {
        Self(Arc::new(Inner {
            connections,
            octets,
            open: AtomicUsize::new(0),
            in_flight,
            load: AtomicU8::new(Load::Usual as u8),
            herald,
        }))
    }

    /// One that is never used up.
    pub fn without_end() -> Self {
        Self::new(usize::MAX, usize::MAX, Gauge::default(), Herald::default())
    }

    /// The connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }

    /// The octets that are in flight.
    pub fn in_flight(&self) -> usize {
        usize::try_from(self.0.in_flight.get()).unwrap_or(0)
    }

    /// Counts a connection, unless there are as many as there may be.
    pub(crate) fn open_one(&self) -> bool {
        let most = self.0.connections;
        let one_more = |open: usize| (open < most).then(|| open.saturating_add(1));
        let counted = self
            .0
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .is_ok();
        self.weigh();
        counted
    }

    /// One that was counted has ended.
    pub(crate) fn close_one(&self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.weigh();
    }

    /// How full the process is.
    pub(crate) fn load(&self) -> Load {
        level(self.0.load.load(Ordering::Relaxed))
    }

    /// The share of one connection.
    pub(crate) fn share(&self) -> Share {
        Share {
            budget: self.clone(),
            held: 0,
        }
    }

    /// Tells everybody when the load is another one. Two who weigh at once may tell the older load
    /// last; whoever weighs next puts it right.
    fn weigh(&self) {
        let inner = &*self.0;
        let now = self.load();
        let octets = self.in_flight();
        let is_over = |used: usize, most: usize, mark: &Mark, was: bool| {
            let share = if was { mark.left } else { mark.reached };
            used.saturating_mul(100) >= most.saturating_mul(share)
        };
        let next = if is_over(octets, inner.octets, &OCTETS_FULL, now == Load::Full) {
            Load::Full
        } else if is_over(octets, inner.octets, &OCTETS_HIGH, now >= Load::High)
            || is_over(
                self.open(),
                inner.connections,
                &CONNECTIONS_HIGH,
                now >= Load::High,
            )
        {
            Load::High
        } else {
            Load::Usual
        };
        if next != now && inner.load.swap(next as u8, Ordering::Relaxed) != next as u8 {
            inner.herald.load(next);
            self.report(next, octets);
        }
    }

    fn report(&self, load: Load, octets: usize) {
        let (open, load) = (self.open(), format!("{load:?}").to_lowercase());
        tracing::warn!(
            event = event::LOAD_CHANGED,
            load,
            connections = open,
            octets
        );
    }
}

fn level(number: u8) -> Load {
    const HIGH: u8 = Load::High as u8;
    const FULL: u8 = Load::Full as u8;
    match number {
        HIGH => Load::High,
        FULL => Load::Full,
        _ => Load::Usual,
    }
}

/// What one connection holds of the budget; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Budget,
    held: usize,
}

impl Share {
    /// Says how many octets the connection holds now. Small ones are not worth counting: an idle
    /// connection has some too.
    pub(crate) fn hold(&mut self, octets: usize) {
        const WORTH: usize = 2048;
        let octets = if octets < WORTH { 0 } else { octets };
        if octets == self.held {
            return;
        }
        let gauge = &self.budget.0.in_flight;
        gauge.inc_by(signed(octets).saturating_sub(signed(self.held)));
        self.held = octets;
        self.budget.weigh();
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.hold(0);
    }
}

fn signed(octets: usize) -> i64 {
    i64::try_from(octets).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    fn budget(connections: usize, octets: usize) -> Budget {
        Budget::new(connections, octets, Gauge::default(), Herald::default())
    }

    #[test]
    fn connections_over_the_budget_are_not_counted() {
        let budget = budget(2, usize::MAX);
        assert!(budget.open_one() && budget.open_one());
        assert!(!budget.open_one());
        budget.close_one();
        assert!(budget.open_one());
        assert_eq!(budget.open(), 2);
    }

    #[test]
    fn the_load_is_high_from_four_fifths_of_the_connections_on() {
        let budget = budget(100, usize::MAX);
        for _ in 0..79 {
            budget.open_one();
        }
        assert_eq!(budget.load(), Load::Usual);
        budget.open_one();
        assert_eq!(budget.load(), Load::High);
        for _ in 0..10 {
            budget.close_one();
            assert_eq!(budget.load(), Load::High);
        }
        budget.close_one();
        assert_eq!(budget.load(), Load::Usual);
    }

    #[test]
    fn octets_in_flight_load_and_fill_the_process() {
        let budget = budget(100, 1000 * KIB);
        let (mut one, mut other) = (budget.share(), budget.share());
        one.hold(499 * KIB);
        assert_eq!(budget.load(), Load::Usual);
        other.hold(13 * KIB + 500);
        assert_eq!(budget.load(), Load::High);
        one.hold(1001 * KIB);
        assert_eq!(budget.load(), Load::Full);
        one.hold(799 * KIB);
        assert_eq!(budget.load(), Load::Full);
        drop(other);
        one.hold(780 * KIB);
        assert_eq!(budget.load(), Load::High);
        drop(one);
        assert_eq!((budget.load(), budget.in_flight()), (Load::Usual, 0));
    }

    #[test]
    fn what_an_idle_connection_keeps_is_not_in_flight() {
        let budget = budget(1, KIB);
        let mut share = budget.share();
        share.hold(KIB);
        assert_eq!(budget.in_flight(), 0);
    }
}
