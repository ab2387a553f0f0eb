//! Whether Cassandra answers here at all.
//!
//! The rule: it does not when requests that need only this data center have failed for five
//! seconds, the last of them at the end of that time, and none has succeeded in between. One
//! failure is an accident, silence without requests is none; the beats of `nodes.rs` make sure that
//! there are requests.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// So long only failures is silence.
const LONG: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(crate) struct Pulse {
    failing: Mutex<Option<Failing>>,
}

/// Requests fail, and none has succeeded since.
#[derive(Clone, Copy)]
struct Failing {
    since: Duration,
    last: Duration,
}

impl Failing {
    fn is_long(self) -> bool {
        self.last.saturating_sub(self.since) >= LONG
    }
}

impl Pulse {
    /// A quorum of this data center has answered.
    pub(crate) fn felt(&self) {
        let before = self.with(Option::take);
        if before.is_some_and(Failing::is_long) {
            tracing::info!(event = crate::REACH, "Cassandra answers again");
        }
    }

    /// There was none.
    pub(crate) fn missed(&self, now: Duration) {
        let (before, after) = self.with(|failing| {
            let before = *failing;
            let since = before.map_or(now, |before| before.since);
            let after = Failing { since, last: now };
            *failing = Some(after);
            (before, after)
        });
        if after.is_long() && !before.is_some_and(Failing::is_long) {
            tracing::error!(
                event = crate::REACH,
                "Cassandra does not answer in this data center: nothing can be kept or read"
            );
        }
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.with(|failing| failing.is_some_and(Failing::is_long))
    }

    fn with<T>(&self, step: impl FnOnce(&mut Option<Failing>) -> T) -> T {
        step(&mut self.failing.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn failures_over_five_seconds_are_silence_until_one_request_succeeds() {
        let pulse = Pulse::default();
        for (now, is_silent) in [(100, false), (104, false), (105, true), (110, true)] {
            pulse.missed(at(now));
            assert_eq!(pulse.is_silent(), is_silent, "{now}");
        }
        pulse.felt();
        assert!(!pulse.is_silent());
    }

    #[test]
    fn a_success_in_between_begins_the_five_seconds_anew() {
        let pulse = Pulse::default();
        pulse.missed(at(100));
        pulse.felt();
        pulse.missed(at(106));
        assert!(!pulse.is_silent());
    }
}
