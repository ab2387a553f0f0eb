//! Rates: so many in so long, at once if it must be, and then at that pace. Time comes from
//! outside.

use std::time::Duration;

use crate::caller::Moment;

/// So many in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub most: u32,
    /// In how long.
    pub within: Duration,
}

impl Rate {
    /// So many in a minute.
    pub const fn per_minute(most: u32) -> Self {
        Self {
            most,
            within: Duration::from_mins(1),
        }
    }

    /// So many in an hour.
    pub const fn per_hour(most: u32) -> Self {
        Self {
            most,
            within: Duration::from_hours(1),
        }
    }

    /// The time that one of them takes at an even pace.
    fn step(&self) -> Duration {
        self.within.checked_div(self.most).unwrap_or(Duration::MAX)
    }
}

/// What somebody has used of a [`Rate`]. Nothing, to begin with; what was used comes back with
/// time, at the pace of the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// When everything would have come if it had come at an even pace; ahead of the time while it
    /// comes faster.
    on_schedule: Moment,
}

impl Used {
    /// Uses one more, if the rate allows it.
    pub fn spend(&mut self, rate: &Rate, now: Moment) -> bool {
        let schedule = self.on_schedule.max(now).after(rate.step());
        let is_allowed = schedule.since(now) <= rate.within;
        if is_allowed {
            self.on_schedule = schedule;
        }
        is_allowed
    }

    /// Whether one more is allowed.
    pub fn has_room(&self, rate: &Rate, now: Moment) -> bool {
        self.clone().spend(rate, now)
    }

    /// Gives one back that was used for nothing.
    pub fn give_back(&mut self, rate: &Rate) {
        self.on_schedule = Moment(self.on_schedule.0.saturating_sub(rate.step()));
    }

    /// How many are used now; one that is half back counts.
    pub fn count(&self, rate: &Rate, now: Moment) -> u32 {
        let ahead = self.on_schedule.since(now).as_nanos();
        let step = rate.step().as_nanos().max(1);
        u32::try_from(ahead.div_ceil(step)).unwrap_or(u32::MAX)
    }

    /// Whether anything is used still.
    pub fn is_nothing(&self, now: Moment) -> bool {
        self.on_schedule <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Moment = Moment(Duration::from_secs(1000));

    #[test]
    fn a_rate_allows_a_burst_and_then_its_pace() {
        let rate = Rate::per_minute(3);
        let mut used = Used::default();
        for count in 0..3 {
            assert_eq!(used.count(&rate, START), count);
            assert!(used.spend(&rate, START));
        }
        assert!(!used.spend(&rate, START));
        let later = START.after(Duration::from_secs(20));
        assert!(used.has_room(&rate, later));
        assert!(used.spend(&rate, later));
        assert!(!used.has_room(&rate, later));
        assert_eq!(used.count(&rate, later), 3);
        assert!(used.is_nothing(later.after(Duration::from_mins(1))));
    }

    #[test]
    fn what_is_given_back_can_be_used_again() {
        let rate = Rate::per_hour(2);
        let mut used = Used::default();
        assert!(used.spend(&rate, START) && used.spend(&rate, START));
        used.give_back(&rate);
        assert_eq!(used.count(&rate, START), 1);
        assert!(used.spend(&rate, START));
        assert!(!used.spend(&rate, START));
    }

    #[test]
    fn a_rate_of_none_allows_none() {
        let mut used = Used::default();
        assert!(!used.spend(&Rate::per_minute(0), START));
        used.give_back(&Rate::per_minute(0));
        assert_eq!(used, Used::default());
    }
}
