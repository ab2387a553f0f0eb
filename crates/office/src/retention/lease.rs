//! Who does the pass, and how far it has come: a note that all nodes share.
//!
//! One node at a time has the lease and renews it with each page; when it ends, another one goes on
//! behind the last page. The lease is for not doing work twice, not for safety: two nodes that both
//! believe to have it look at the same accounts and remove the same messages, which is harmless.

use std::time::Duration;

use cassmail_mail::{Address, UnixTime};
use serde::{Deserialize, Serialize};

/// A holder that notes nothing for so long has ended. Longer than a page takes.
const LEASE: Duration = Duration::from_mins(10);

/// The note.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Who wrote it.
    pub(super) holder: u64,
    /// When, in microseconds since 1970.
    pub(super) at: u64,
    /// Behind which address the pass goes on; none: at the beginning.
    #[serde(default)]
    pub(super) after: Option<String>,
    /// When the pass ended; none while it goes on.
    #[serde(default)]
    pub(super) ended_at: Option<u64>,
}

/// What a node has to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// A pass, from behind this address.
    Work(Option<Address>),
    /// Nothing for so long.
    Rest(Duration),
}

impl Note {
    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// A note that cannot be read is none: then a pass begins at the beginning.
    pub(super) fn decode(note: &[u8]) -> Self {
        serde_json::from_slice(note).unwrap_or_default()
    }

    /// What this node has to do now.
    pub(super) fn turn(&self, node: u64, now: UnixTime, every: Duration) -> Turn {
        if let Some(ended_at) = self.ended_at {
            let rested = now.since(UnixTime::from_micros(ended_at));
            return match every.saturating_sub(rested) {
                Duration::ZERO => Turn::Work(None),
                left => Turn::Rest(left),
            };
        }
        let silent_for = now.since(UnixTime::from_micros(self.at));
        if self.holder != node && silent_for < LEASE {
            return Turn::Rest(LEASE.saturating_sub(silent_for));
        }
        Turn::Work(self.after.as_ref().and_then(|after| after.parse().ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn at(minutes: u64) -> UnixTime {
        UnixTime::from_micros(minutes * 60_000_000)
    }

    fn note(holder: u64, minutes: u64) -> Note {
        Note {
            holder,
            at: at(minutes).as_micros(),
            after: Some("b@x.example".to_owned()),
            ended_at: None,
        }
    }

    #[test]
    fn the_first_pass_begins_at_once() {
        let none = Note::decode(b"");
        assert_eq!(none.turn(1, at(1_000_000), HOUR), Turn::Work(None));
    }

    #[test]
    fn the_holder_goes_on_and_others_wait_until_it_is_silent() {
        let after = Some("b@x.example".parse().unwrap());
        let held = Note::decode(&note(1, 100).encode());
        assert_eq!(held.turn(1, at(101), HOUR), Turn::Work(after.clone()));
        let rest = Turn::Rest(Duration::from_mins(9));
        assert_eq!(held.turn(2, at(101), HOUR), rest);
        assert_eq!(held.turn(2, at(110), HOUR), Turn::Work(after));
    }

    #[test]
    fn after_a_pass_everybody_rests_and_then_anybody_begins() {
        let ended = Note {
            ended_at: Some(at(100).as_micros()),
            ..note(1, 100)
        };
        for node in [1, 2] {
            let rest = Turn::Rest(Duration::from_mins(50));
            assert_eq!(ended.turn(node, at(110), HOUR), rest);
            assert_eq!(ended.turn(node, at(160), HOUR), Turn::Work(None));
        }
    }
}
