//! How much mail an account may have, where a domain or an account has it its own way.

use serde::{Deserialize, Serialize};

use crate::retention::Bound;

/// What a domain or an account may have otherwise than the rule above it: for an account that is
/// its domain, for a domain the configuration. The default has nothing otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Bound>,
    /// Octets of messages, as their owner is given them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub octets: Option<Bound>,
}

impl Quota {
    /// Whether everything is as the rule above has it.
    pub fn is_as_above(&self) -> bool {
        *self == Self::default()
    }

    /// This one, and what it leaves open as the rule above has it.
    #[must_use]
    pub fn over(self, above: Self) -> Self {
        Self {
            messages: self.messages.or(above.messages),
            octets: self.octets.or(above.octets),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_rule_counts_for_each_bound() {
        let above = Quota {
            messages: Some(Bound::from(5)),
            octets: Some(Bound::from(100)),
        };
        let own = Quota {
            messages: Some(Bound::None),
            octets: None,
        };
        let both = Quota {
            messages: Some(Bound::None),
            octets: Some(Bound::from(100)),
        };
        assert_eq!(own.over(above), both);
        assert_eq!(Quota::default().over(above), above);
        assert!(Quota::default().is_as_above());
        assert!(!own.is_as_above());
    }
}
