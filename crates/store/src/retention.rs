//! How long mail stays that its owner does not remove, where a domain or an account has it its own
//! way.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

/// What a domain or an account has otherwise than the rule above it: for an account that is its
/// domain, for a domain the configuration. The default has nothing otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Days after which mail is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<Bound>,
    /// Messages that stay, the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Bound>,
    /// Octets of messages that stay, the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub octets: Option<Bound>,
}

/// A bound, or that there is none; kept as a number, of which zero means the latter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub enum Bound {
    /// There is none, whatever the rule above says.
    None,
    /// This one.
    At(NonZeroU64),
}

impl Retention {
    /// Whether everything is as the rule above has it.
    pub fn is_as_above(&self) -> bool {
        *self == Self::default()
    }
}

impl From<u64> for Bound {
    fn from(number: u64) -> Self {
        NonZeroU64::new(number).map_or(Self::None, Self::At)
    }
}

impl From<Bound> for u64 {
    fn from(bound: Bound) -> Self {
        match bound {
            Bound::None => 0,
            Bound::At(number) => number.get(),
        }
    }
}
