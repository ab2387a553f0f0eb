//! The rule: how much an account may have, and what that means for a message.

use std::time::Duration;

use cassmail_smtp::server::NoRoom;
use cassmail_store::{Bound, Quota, Usage};

/// How much an account may have; none: any number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuotaLimits {
    /// Messages.
    pub messages: Option<u64>,
    /// Octets of messages, as their owner is given them.
    pub octets: Option<u64>,
}

/// How near a maildrop is to its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fullness {
    /// There is room.
    Ample,
    /// Nine tenths of a limit are used: somebody should be told.
    Nearly,
    /// A limit is reached: the next message is refused.
    Full,
}

impl Fullness {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ample => "ample",
            Self::Nearly => "nearly_full",
            Self::Full => "full",
        }
    }
}

impl QuotaLimits {
    /// These limits, but for what is otherwise below.
    #[must_use]
    pub fn under(self, quota: Quota) -> Self {
        let limit = |above: Option<u64>, own: Option<Bound>| match own {
            None => above,
            Some(Bound::None) => None,
            Some(Bound::At(number)) => Some(number.get()),
        };
        Self {
            messages: limit(self.messages, quota.messages),
            octets: limit(self.octets, quota.octets),
        }
    }

    /// Whether there is none.
    pub fn are_none(self) -> bool {
        self == Self::default()
    }

    /// How near a maildrop is to these limits.
    pub fn fullness(self, used: Usage) -> Fullness {
        let is_at = |part: u64, whole: u64| {
            self.each(used)
                .any(|(used, most)| used.saturating_mul(whole) >= most.saturating_mul(part))
        };
        if is_at(1, 1) {
            Fullness::Full
        } else if is_at(9, 10) {
            Fullness::Nearly
        } else {
            Fullness::Ample
        }
    }

    /// Whether it is time to know better than by notes: four fifths of a limit are used.
    pub(super) fn are_near(self, used: Usage) -> bool {
        self.each(used)
            .any(|(used, most)| used.saturating_mul(5) >= most.saturating_mul(4))
    }

    /// Whether next to nothing fits any more, which is what counts as being full for long: the last
    /// octets of a large limit are seldom used up.
    pub(super) fn are_as_good_as_reached(self, used: Usage) -> bool {
        self.each(used)
            .any(|(used, most)| used.saturating_mul(20) >= most.saturating_mul(19))
    }

    /// Whether so much is a twentieth of a limit: so much a node takes before it tells the others
    /// and asks them again.
    pub(super) fn are_due_a_word(self, taken: Usage) -> bool {
        self.each(taken)
            .any(|(taken, most)| taken > 0 && taken.saturating_mul(20) >= most)
    }

    /// Whether a message fits; one of which the size is not known has one octet.
    pub(super) fn judge(self, used: Usage, octets: u64) -> Result<(), NoRoom> {
        if self.octets.is_some_and(|most| octets > most) {
            return Err(NoRoom::MessageTooLarge);
        }
        let with_it = used.plus(Usage::of_one(octets.max(1)));
        if self.each(with_it).any(|(used, most)| used > most) {
            return Err(NoRoom::Full);
        }
        Ok(())
    }

    fn each(self, used: Usage) -> impl Iterator<Item = (u64, u64)> {
        let messages = self.messages.map(|most| (used.messages, most));
        let octets = self.octets.map(|most| (used.octets, most));
        messages.into_iter().chain(octets)
    }
}

/// When a full mailbox is refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FullForLong {
    /// Never: senders try for days, and then tell whoever wrote.
    Never,
    /// When it has been full for so long.
    After(Duration),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(messages: u64, octets: u64) -> Usage {
        Usage { messages, octets }
    }

    const BOTH: QuotaLimits = QuotaLimits {
        messages: Some(10),
        octets: Some(1000),
    };

    #[test]
    fn the_nearest_rule_counts_for_each_limit() {
        let quota = Quota {
            messages: Some(Bound::None),
            octets: Some(Bound::from(5)),
        };
        let limits = BOTH.under(quota);
        assert_eq!((limits.messages, limits.octets), (None, Some(5)));
        assert_eq!(BOTH.under(Quota::default()), BOTH);
    }

    #[test]
    fn a_message_fits_up_to_the_last_octet_and_the_last_number() {
        assert_eq!(BOTH.judge(used(9, 900), 100), Ok(()));
        assert_eq!(BOTH.judge(used(9, 901), 100), Err(NoRoom::Full));
        assert_eq!(BOTH.judge(used(10, 0), 1), Err(NoRoom::Full));
        assert_eq!(BOTH.judge(used(0, 1000), 0), Err(NoRoom::Full));
        assert_eq!(BOTH.judge(used(0, 0), 1001), Err(NoRoom::MessageTooLarge));
        let none = QuotaLimits::default();
        assert_eq!(none.judge(used(u64::MAX, u64::MAX), u64::MAX), Ok(()));
    }

    #[test]
    fn the_fullest_limit_says_how_full_it_is() {
        assert_eq!(BOTH.fullness(used(8, 899)), Fullness::Ample);
        assert_eq!(BOTH.fullness(used(9, 0)), Fullness::Nearly);
        assert_eq!(BOTH.fullness(used(0, 900)), Fullness::Nearly);
        assert_eq!(BOTH.fullness(used(10, 0)), Fullness::Full);
        let none = QuotaLimits::default();
        assert_eq!(none.fullness(used(5, 5)), Fullness::Ample);
        assert!(BOTH.are_near(used(8, 0)) && !BOTH.are_near(used(7, 799)));
    }

    #[test]
    fn a_word_is_due_after_a_twentieth_or_after_each_message_of_a_small_limit() {
        assert!(BOTH.are_due_a_word(used(1, 1)));
        assert!(!BOTH.are_due_a_word(used(0, 0)));
        let large = QuotaLimits {
            messages: Some(1000),
            octets: None,
        };
        assert!(!large.are_due_a_word(used(49, 1 << 40)));
        assert!(large.are_due_a_word(used(50, 0)));
    }
}
