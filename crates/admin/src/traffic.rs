//! What came in and went out of this process in the last hour, minute by minute.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cassmail_office::Clock;
use cassmail_telemetry::{Duty, Label as _, Metrics, Outcome, Protocol};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;

/// What was counted until some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Totals {
    accepted: u64,
    refused: u64,
    retrieved: u64,
}

/// What happened in one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Minute {
    /// Messages that were stored.
    pub(crate) accepted: u64,
    /// Replies that refused something, of SMTP and of POP3.
    pub(crate) refused: u64,
    /// Messages that were given out whole.
    pub(crate) retrieved: u64,
}

/// Remembers the figures of an hour.
#[derive(Debug, Default)]
pub struct Traffic(Mutex<VecDeque<Totals>>);

const MINUTES: usize = 60;

impl Traffic {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the figures each minute, until it is told to stop.
    pub async fn keep(
        self: Arc<Self>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
        mut stopped: watch::Receiver<bool>,
    ) {
        loop {
            self.take(&metrics);
            // Both branches are cancel safe.
            tokio::select! {
                biased;
                // When the sender is gone the process ends anyway.
                _ = stopped.wait_for(|stopped| *stopped) => return,
                () = clock.sleep(Duration::from_mins(1)) => {}
            }
        }
    }

    /// Takes the figures once: a minute has passed.
    pub fn take(&self, metrics: &Metrics) {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.push_back(Totals::of(metrics));
        while taken.len() > MINUTES + 1 {
            taken.pop_front();
        }
    }

    /// The minutes that are known, the oldest first.
    pub(crate) fn minutes(&self) -> Vec<Minute> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs = taken.iter().zip(taken.iter().skip(1));
        pairs.map(|(from, until)| until.since(from)).collect()
    }
}

impl Totals {
    fn of(metrics: &Metrics) -> Self {
        let refused = Protocol::ALL.iter().flat_map(|protocol| {
            let of = |duty: &Duty| metrics.refusals_total.of(*protocol, *duty).get();
            Duty::ALL.iter().map(of)
        });
        Self {
            accepted: metrics.messages_total.of(Outcome::Ok).get(),
            refused: refused.sum(),
            retrieved: metrics.pop3_retrieved_total.get(),
        }
    }

    fn since(&self, before: &Self) -> Minute {
        Minute {
            accepted: self.accepted.saturating_sub(before.accepted),
            refused: self.refused.saturating_sub(before.refused),
            retrieved: self.retrieved.saturating_sub(before.retrieved),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_minute_has_what_was_counted_in_it_and_an_hour_is_kept() {
        let (metrics, traffic) = (Metrics::new(), Traffic::new());
        traffic.take(&metrics);
        assert_eq!(traffic.minutes(), []);
        metrics.message_accepted(Outcome::Ok, 100, Duration::from_millis(1));
        metrics.message_accepted(Outcome::Failed, 100, Duration::from_millis(1));
        metrics.refusal(Protocol::Smtp, true);
        metrics.refusal(Protocol::Pop3, false);
        metrics.pop3_retrieved(3);
        traffic.take(&metrics);
        let minute = Minute {
            accepted: 1,
            refused: 2,
            retrieved: 3,
        };
        assert_eq!(traffic.minutes(), [minute]);
        for _ in 0..59 {
            traffic.take(&metrics);
        }
        assert_eq!(traffic.minutes().len(), 60);
        assert_eq!(traffic.minutes()[0], minute);
        traffic.take(&metrics);
        assert_eq!(traffic.minutes().len(), 60);
        assert_eq!(traffic.minutes()[0].accepted, 0);
    }
}
