//! The pause between two logins of one account (RFC 2449 6.5), on this node alone: nodes do not
//! tell each other, so a client that meets another one is let in.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cassmail_mail::AccountId;
use cassmail_wire::Moment;

/// When there are more, those whose pause is over are forgotten, and all if that does not help:
/// then nobody is kept waiting.
const MOST: usize = 100_000;

/// When accounts got their maildrops last.
pub(crate) struct Pauses {
    pause: Duration,
    last: Mutex<HashMap<AccountId, Moment>>,
}

impl Pauses {
    /// Accounts pause for so long.
    pub(crate) fn new(pause: Duration) -> Self {
        Self {
            pause,
            last: Mutex::default(),
        }
    }

    /// Whether the last login was a moment ago.
    pub(crate) fn is_pausing(&self, account: AccountId, now: Moment) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.get(&account)
            .is_some_and(|last| !self.is_over(*last, now))
    }

    /// The account got its maildrop: its pause begins.
    pub(crate) fn begin(&self, account: AccountId, now: Moment) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= MOST {
            last.retain(|_, last| !self.is_over(*last, now));
        }
        if last.len() >= MOST {
            last.clear();
        }
        last.insert(account, now);
    }

    fn is_over(&self, last: Moment, now: Moment) -> bool {
        now.since(last) >= self.pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(generation: u64) -> AccountId {
        AccountId::of(&"alice@example.org".parse().unwrap(), generation)
    }

    fn seconds(count: u64) -> Moment {
        Moment(Duration::from_secs(count))
    }

    #[test]
    fn an_account_pauses_for_as_long_as_was_said() {
        let pauses = Pauses::new(Duration::from_mins(1));
        assert!(!pauses.is_pausing(account(1), seconds(0)));
        pauses.begin(account(1), seconds(0));
        assert!(pauses.is_pausing(account(1), seconds(59)));
        assert!(!pauses.is_pausing(account(2), seconds(59)));
        assert!(!pauses.is_pausing(account(1), seconds(60)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let pauses = Pauses::new(Duration::from_mins(1));
        for generation in 0..(MOST as u64 + 10) {
            pauses.begin(account(generation), seconds(0));
        }
        assert!(pauses.last.lock().unwrap().len() <= MOST);
        pauses.begin(account(1), seconds(70));
        assert!(pauses.is_pausing(account(1), seconds(71)));
    }
}
