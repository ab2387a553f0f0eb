//! When the next operation begins: at once (closed loop) or when its time has come (open loop).
//!
//! In the open loop the arrivals are exponential and do not slow down when the server does. A
//! connection that comes back late takes an arrival whose time is long past, and its latency
//! counts from that time, so that a stall of the server is seen by all who would have waited.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock;
use crate::random::Random;

/// How long a sleeping connection takes to notice that the run was stopped.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// How much is to be done, and how fast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) count: Option<u64>,
    pub(crate) duration: Option<Duration>,
    /// Operations per second of the open loop.
    pub(crate) rate: Option<f64>,
    pub(crate) seed: u64,
}

/// Gives out the operations of a run, to all connections of all threads.
#[derive(Debug)]
pub(crate) struct Arrivals {
    begin: Instant,
    end: Option<Instant>,
    count: u64,
    taken: AtomicU64,
    stopped: AtomicBool,
    schedule: Option<Mutex<Schedule>>,
}

#[derive(Debug)]
struct Schedule {
    next: Instant,
    mean_gap: f64,
    random: Random,
}

/// The right to perform one operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    /// Counts from 0 over the whole run.
    pub(crate) number: u64,
    /// When it begins in the open loop.
    pub(crate) due: Option<Instant>,
}

impl Arrivals {
    pub(crate) fn new(plan: &Plan) -> Self {
        let begin = clock::now();
        Self {
            begin,
            end: plan
                .duration
                .and_then(|duration| begin.checked_add(duration)),
            count: plan.count.unwrap_or(u64::MAX),
            taken: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            schedule: plan
                .rate
                .map(|rate| Mutex::new(Schedule::new(begin, rate, plan.seed))),
        }
    }

    pub(crate) fn begin(&self) -> Instant {
        self.begin
    }

    /// The next operation, or none when the run is over.
    pub(crate) fn take(&self) -> Option<Ticket> {
        let now = clock::now();
        if self.is_stopped() || self.end.is_some_and(|end| now >= end) {
            return None;
        }
        let due = match &self.schedule {
            None => None,
            Some(schedule) => {
                let due = schedule.lock().ok()?.advance();
                if self.end.is_some_and(|end| due >= end) {
                    return None;
                }
                Some(due)
            }
        };
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        (number < self.count).then_some(Ticket { number, due })
    }

    /// Waits until the operation is due; the time from which its latency counts.
    ///
    /// That is the scheduled time, or, for a connection that was free before it, the time of waking
    /// up: the coarseness of our own timer is not the server's. None when the run was stopped.
    pub(crate) async fn wait(&self, ticket: &Ticket) -> Option<Instant> {
        let mut now = clock::now();
        let Some(due) = ticket.due.filter(|due| *due > now) else {
            return Some(ticket.due.unwrap_or(now));
        };
        while now < due {
            if self.is_stopped() {
                return None;
            }
            tokio::time::sleep_until(due.min(now + LONGEST_SLEEP).into()).await;
            now = clock::now();
        }
        Some(now)
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Arrivals that were scheduled within the run and that no connection was free to take.
    pub(crate) fn missed(&self) -> u64 {
        let (Some(schedule), Some(end)) = (&self.schedule, self.end) else {
            return 0;
        };
        let Ok(mut schedule) = schedule.lock() else {
            return 0;
        };
        let mut missed = 0;
        while !self.is_stopped() && schedule.advance() < end {
            missed += 1;
        }
        missed
    }
}

impl Schedule {
    fn new(begin: Instant, rate: f64, seed: u64) -> Self {
        let mean_gap = 1.0 / rate;
        Self {
            next: begin,
            mean_gap,
            random: Random::seeded(seed),
        }
    }

    fn advance(&mut self) -> Instant {
        let due = self.next;
        let gap = Duration::try_from_secs_f64(self.random.exponential(self.mean_gap));
        self.next += gap.unwrap_or(LONGEST_SLEEP);
        due
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Arrivals, Plan};

    const PLAN: Plan = Plan {
        count: None,
        duration: None,
        rate: None,
        seed: 1,
    };

    #[test]
    fn a_closed_loop_ends_at_its_count() {
        let arrivals = Arrivals::new(&Plan {
            count: Some(3),
            ..PLAN
        });
        let numbers: Vec<u64> = std::iter::from_fn(|| arrivals.take())
            .map(|t| t.number)
            .collect();
        assert_eq!(numbers, [0, 1, 2]);
    }

    #[test]
    fn an_open_loop_offers_its_rate_whatever_is_taken() {
        let duration = Some(Duration::from_secs(100));
        let arrivals = Arrivals::new(&Plan {
            duration,
            rate: Some(100.0),
            ..PLAN
        });
        assert!(arrivals.take().is_some_and(|ticket| ticket.due.is_some()));
        let missed = arrivals.missed();
        assert!((9_600..10_400).contains(&missed), "{missed}");
    }

    #[test]
    fn a_stopped_run_gives_out_nothing() {
        let arrivals = Arrivals::new(&PLAN);
        assert!(arrivals.take().is_some());
        arrivals.stop();
        assert!(arrivals.take().is_none());
    }
}
