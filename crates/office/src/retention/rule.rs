//! The rule: what stays, and what is due.

use std::num::NonZeroU32;
use std::time::Duration;

use cassmail_mail::{Entry, MessageId, UnixTime};
use cassmail_store::{Bound, Retention};

/// Whole days, at least one: EXPIRE 0 means something else (RFC 2449 6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Days(pub NonZeroU32);

/// Whether rules are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionMode {
    /// Nothing is ever removed but by its owner.
    Off,
    /// The same, and the log tells what would be.
    Observe,
    /// What is due is removed.
    Remove,
}

/// How long mail stays.
#[derive(Debug, Clone)]
pub struct RetentionOptions {
    /// Whether rules are kept.
    pub mode: RetentionMode,
    /// No mail is removed before it is so old, whatever the rules say.
    pub shortest: Days,
    /// The rule where neither domain nor account has one.
    pub standard: Limits,
    /// How long a pass rests after the one before.
    pub every: Duration,
    /// How many accounts are looked at in a second.
    pub accounts_per_second: u32,
}

/// What may stay in a maildrop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Mail of this age is due.
    pub age: Option<Days>,
    /// So many messages may stay.
    pub messages: Option<u64>,
    /// So many octets may stay.
    pub octets: Option<u64>,
}

/// The rule of an account, with the shortest time that holds for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retaining {
    limits: Limits,
    shortest: Days,
}

impl Days {
    fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0.get()) * 24 * 60 * 60)
    }
}

impl Limits {
    /// These limits, but for what is otherwise below.
    fn under(self, retention: Retention) -> Self {
        let number = |above: Option<u64>, own: Option<Bound>| match own {
            None => above,
            Some(Bound::None) => None,
            Some(Bound::At(number)) => Some(number.get()),
        };
        Self {
            age: match retention.days {
                None => self.age,
                Some(Bound::None) => None,
                // More days than fit are as good as for ever, and shorter than that all the same.
                Some(Bound::At(days)) => Some(Days(days.try_into().unwrap_or(NonZeroU32::MAX))),
            },
            messages: number(self.messages, retention.messages),
            octets: number(self.octets, retention.octets),
        }
    }

    fn are_none(self) -> bool {
        self == Self::default()
    }
}

impl RetentionOptions {
    /// The rule of an account.
    pub fn of(&self, domain: Retention, account: Retention) -> Retaining {
        let mut limits = self.standard.under(domain).under(account);
        limits.age = limits.age.map(|age| age.max(self.shortest));
        Retaining {
            limits,
            shortest: self.shortest,
        }
    }

    /// What EXPIRE says before login: the least days that any account may have.
    pub fn least_days(&self) -> Option<NonZeroU32> {
        (self.mode == RetentionMode::Remove).then_some(self.shortest.0)
    }

    /// What EXPIRE says to an account.
    pub fn days_of(&self, domain: Retention, account: Retention) -> Option<NonZeroU32> {
        let rule = self.of(domain, account);
        self.least_days().and_then(|_| rule.kept_for())
    }
}

impl Retaining {
    /// The limits, as they are kept.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// For how many days all mail stays at least; none: for good.
    pub fn kept_for(&self) -> Option<NonZeroU32> {
        let is_counted = self.limits.messages.is_some() || self.limits.octets.is_some();
        if is_counted {
            return Some(self.shortest.0);
        }
        self.limits.age.map(|age| age.0)
    }

    /// Whether everything stays for good.
    pub fn keeps_all(&self) -> bool {
        self.limits.are_none()
    }

    /// What is due of a maildrop, given in the order of arrival: what is too old, and of the rest
    /// the oldest, as long as there is too much and they are old enough.
    pub fn due(&self, entries: &[Entry], now: UnixTime) -> Vec<MessageId> {
        let is_older = |entry: &Entry, days: Days| {
            let age = now.since(entry.id.minted_at());
            age >= days.duration()
        };
        let mut messages = entries.len() as u64;
        let sizes = entries.iter().map(|entry| entry.size);
        let mut octets = sizes.fold(0_u64, u64::saturating_add);
        let mut due = Vec::new();
        for entry in entries {
            let is_too_old = self.limits.age.is_some_and(|age| is_older(entry, age));
            let too_many = self.limits.messages.is_some_and(|most| messages > most);
            let too_much = self.limits.octets.is_some_and(|most| octets > most);
            let is_crowded = (too_many || too_much) && is_older(entry, self.shortest);
            if is_too_old || is_crowded {
                messages -= 1;
                octets = octets.saturating_sub(entry.size);
                due.push(entry.id);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use cassmail_mail::{IdMinter, NodeId};

    use super::*;

    const DAY: u64 = 24 * 60 * 60 * 1_000_000;

    fn days(count: u32) -> Days {
        Days(NonZeroU32::new(count).unwrap())
    }

    fn options(standard: Limits) -> RetentionOptions {
        RetentionOptions {
            mode: RetentionMode::Remove,
            shortest: days(7),
            standard,
            every: Duration::from_secs(1),
            accounts_per_second: 1,
        }
    }

    fn rule(limits: Limits) -> Retaining {
        options(limits).of(Retention::default(), Retention::default())
    }

    const NONE: [u64; 0] = [];

    const NOW: u64 = 1000 * DAY;

    /// Messages of these ages in days, each of ten octets; the oldest come first.
    fn maildrop(ages: &[u64]) -> Vec<Entry> {
        let minter = IdMinter::new(NodeId::from_random(1));
        let entry = |age: &u64| Entry {
            id: minter.mint(UnixTime::from_micros(NOW - age * DAY)),
            size: 10,
            surrogate_size: None,
            imported_uidl: None,
        };
        ages.iter().map(entry).collect()
    }

    /// The ages of what is due.
    fn due(limits: Limits, ages: &[u64]) -> Vec<u64> {
        let entries = maildrop(ages);
        let due = rule(limits).due(&entries, UnixTime::from_micros(NOW));
        let position = |id| entries.iter().position(|entry| entry.id == id).unwrap();
        due.into_iter().map(|id| ages[position(id)]).collect()
    }

    #[test]
    fn without_limits_nothing_is_ever_due() {
        assert!(rule(Limits::default()).keeps_all());
        assert_eq!(rule(Limits::default()).kept_for(), None);
        assert_eq!(due(Limits::default(), &[999, 500, 1]), NONE);
    }

    #[test]
    fn mail_is_due_when_it_is_as_old_as_the_limit() {
        let limits = Limits {
            age: Some(days(30)),
            ..Limits::default()
        };
        assert_eq!(rule(limits).kept_for().unwrap().get(), 30);
        assert_eq!(due(limits, &[31, 30, 29, 1]), [31, 30]);
    }

    #[test]
    fn of_too_many_the_oldest_are_due_but_never_before_the_shortest_time() {
        let limits = Limits {
            messages: Some(2),
            ..Limits::default()
        };
        assert_eq!(rule(limits).kept_for().unwrap().get(), 7);
        assert_eq!(due(limits, &[50, 40, 30, 20]), [50, 40]);
        assert_eq!(due(limits, &[50, 6, 5, 4, 3]), [50]);
        assert_eq!(due(limits, &[7, 6, 5]), [7]);
        assert_eq!(due(limits, &[50, 40]), NONE);
    }

    #[test]
    fn of_too_much_the_oldest_are_due() {
        let limits = Limits {
            octets: Some(25),
            ..Limits::default()
        };
        assert_eq!(due(limits, &[50, 40, 30]), [50]);
        assert_eq!(due(limits, &[50, 40]), NONE);
        let nothing = Limits {
            octets: Some(1),
            ..Limits::default()
        };
        assert_eq!(due(nothing, &[50, 40, 6]), [50, 40]);
    }

    #[test]
    fn what_age_takes_counts_no_more() {
        let limits = Limits {
            age: Some(days(30)),
            messages: Some(2),
            octets: None,
        };
        assert_eq!(due(limits, &[50, 40, 20, 10]), [50, 40]);
        assert_eq!(due(limits, &[50, 20, 10, 9]), [50, 20]);
    }

    #[test]
    fn no_age_is_below_the_shortest_time() {
        let limits = Limits {
            age: Some(days(1)),
            ..Limits::default()
        };
        assert_eq!(rule(limits).kept_for().unwrap().get(), 7);
        assert_eq!(due(limits, &[8, 7, 6]), [8, 7]);
    }

    #[test]
    fn mail_of_a_clock_that_is_ahead_is_not_old() {
        let limits = Limits {
            age: Some(days(7)),
            messages: Some(1),
            octets: Some(1),
        };
        let entries = maildrop(&[1, 0]);
        let before = UnixTime::from_micros(NOW - 500 * DAY);
        assert_eq!(rule(limits).due(&entries, before), []);
    }

    #[test]
    fn the_nearest_rule_counts_for_each_limit() {
        let standard = Limits {
            age: Some(days(30)),
            messages: Some(100),
            octets: None,
        };
        let domain = Retention {
            days: Some(Bound::from(60)),
            octets: Some(Bound::from(5)),
            messages: None,
        };
        let account = Retention {
            days: Some(Bound::None),
            octets: None,
            messages: Some(Bound::from(9)),
        };
        let limits = |domain, account| options(standard).of(domain, account).limits();
        let neither = Retention::default();
        assert_eq!(limits(neither, neither), standard);
        let of_domain = Limits {
            age: Some(days(60)),
            messages: Some(100),
            octets: Some(5),
        };
        assert_eq!(limits(domain, neither), of_domain);
        let of_both = Limits {
            age: None,
            messages: Some(9),
            octets: Some(5),
        };
        assert_eq!(limits(domain, account), of_both);
    }

    #[test]
    fn expire_is_told_only_where_mail_is_removed() {
        let mut options = options(Limits {
            age: Some(days(30)),
            ..Limits::default()
        });
        let neither = Retention::default();
        let forever = Retention {
            days: Some(Bound::None),
            ..neither
        };
        assert_eq!(options.least_days().map(NonZeroU32::get), Some(7));
        let own = options.days_of(neither, neither);
        assert_eq!(own.map(NonZeroU32::get), Some(30));
        assert_eq!(options.days_of(neither, forever), None);
        for mode in [RetentionMode::Off, RetentionMode::Observe] {
            options.mode = mode;
            assert_eq!(options.least_days(), None);
            assert_eq!(options.days_of(neither, neither), None);
        }
    }
}
