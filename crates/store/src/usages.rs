//! How full maildrops are, as it is noted: a count now and then, and what each writer brought
//! since.
//!
//! A figure that is near the truth without a counter: whoever has listed a maildrop notes how much
//! there is, with how much each writer had brought by then; each writer notes in a row of its own
//! how much it has brought in all. Every value is absolute, so each write can be repeated, and the
//! sum of what was brought since the count is added when somebody reads.
//!
//! It serves policy, never safety: what cannot be read, or was lost, is counted again.

use std::collections::BTreeMap;

use cassmail_mail::{AccountId, Entry, UnixTime};
use serde::{Deserialize, Serialize};

use crate::Work;

/// Messages, and the octets that their owner is given for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// How many messages.
    pub messages: u64,
    /// How many octets.
    pub octets: u64,
}

/// Who notes what it brings: a process that delivers. No two that run at once are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Writer(pub u64);

/// A count: what a listing showed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// What was there.
    pub usage: Usage,
    /// When, in microseconds since 1970.
    pub at: u64,
    /// Since when mail is refused for want of room; none while there is some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_since: Option<u64>,
    /// What each writer had brought by then, which is in the count.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub seen: BTreeMap<Writer, Usage>,
}

/// What is noted of one maildrop.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageNotes {
    /// The last count; none if there was none lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<Counted>,
    /// What each writer has brought in all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub brought: BTreeMap<Writer, Usage>,
}

/// The notes of how full maildrops are.
pub trait Usages: Send + Sync {
    /// What is noted of a maildrop.
    ///
    /// *Promise*: the last count and the last note of each writer that were acknowledged before the
    /// call, or later ones; notes that nobody renewed for weeks may be gone, and so may those that
    /// cannot be read. A new account has none. *Cancel*: harmless.
    fn usage(&self, account: AccountId) -> Work<'_, UsageNotes>;

    /// Notes what a writer has brought in all, in place of what it noted before.
    ///
    /// *Promise*: durable with the answer, if the account exists; no note of another writer and no
    /// count is touched. *Retry*: harmless. *Cancel*: it may have happened.
    fn put_brought(&self, account: AccountId, writer: Writer, brought: Usage) -> Work<'_, ()>;

    /// Notes a count in place of the last one.
    ///
    /// *Promise*: durable with the answer, if the account exists; of two that are noted at once one
    /// stays, whole; no note of a writer is touched. *Retry*: harmless. *Cancel*: it may have
    /// happened.
    fn put_counted(&self, account: AccountId, counted: Counted) -> Work<'_, ()>;
}

impl Usage {
    /// One message.
    pub fn of_one(octets: u64) -> Self {
        Self {
            messages: 1,
            octets,
        }
    }

    /// The record.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a record; one that cannot be read is none.
    pub fn decode(record: &[u8]) -> Option<Self> {
        serde_json::from_slice(record).ok()
    }

    /// What a listing shows.
    pub fn of(entries: &[Entry]) -> Self {
        let add = |sum: Self, entry: &Entry| sum.plus(Self::of_one(entry.size));
        entries.iter().fold(Self::default(), add)
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            messages: self.messages.saturating_add(other.messages),
            octets: self.octets.saturating_add(other.octets),
        }
    }

    /// What is left without the other; never less than nothing.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            messages: self.messages.saturating_sub(other.messages),
            octets: self.octets.saturating_sub(other.octets),
        }
    }
}

impl Counted {
    /// The record.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a record; one that cannot be read is none.
    pub fn decode(record: &[u8]) -> Option<Self> {
        serde_json::from_slice(record).ok()
    }

    /// When it was.
    pub fn at(&self) -> UnixTime {
        UnixTime::from_micros(self.at)
    }
}

impl UsageNotes {
    /// The record, where all notes of a maildrop are one.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a record; one that cannot be read says nothing.
    pub fn decode(record: &[u8]) -> Self {
        serde_json::from_slice(record).unwrap_or_default()
    }

    /// How much there is by these notes: the count and what was brought since; none without a
    /// count.
    pub fn estimate(&self) -> Option<Usage> {
        let counted = self.counted.as_ref()?;
        let since = self.brought.iter().map(|(writer, brought)| {
            let seen = counted.seen.get(writer).copied().unwrap_or_default();
            brought.minus(seen)
        });
        Some(since.fold(counted.usage, Usage::plus))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(messages: u64, octets: u64) -> Usage {
        Usage { messages, octets }
    }

    #[test]
    fn what_was_brought_since_the_count_is_added_and_what_is_in_it_is_not() {
        let counted = Counted {
            usage: usage(10, 1000),
            seen: [(Writer(1), usage(4, 400))].into(),
            ..Counted::default()
        };
        let mut notes = UsageNotes {
            counted: Some(counted),
            brought: [(Writer(1), usage(5, 450)), (Writer(2), usage(2, 20))].into(),
        };
        assert_eq!(notes.estimate(), Some(usage(13, 1070)));
        // A note of before the count, which came late.
        notes.brought.insert(Writer(1), usage(3, 300));
        assert_eq!(notes.estimate(), Some(usage(12, 1020)));
        notes.counted = None;
        assert_eq!(notes.estimate(), None);
    }

    #[test]
    fn records_come_back_and_damaged_ones_say_nothing() {
        let counted = Counted {
            usage: usage(1, 2),
            at: 3,
            full_since: Some(4),
            seen: [(Writer(u64::MAX), usage(5, 6))].into(),
        };
        assert_eq!(Counted::decode(&counted.encode()), Some(counted.clone()));
        let notes = UsageNotes {
            counted: Some(counted),
            brought: [(Writer(7), usage(8, 9))].into(),
        };
        assert_eq!(UsageNotes::decode(&notes.encode()), notes);
        assert_eq!(Counted::decode(b"{"), None);
        assert_eq!(UsageNotes::decode(b"\xff"), UsageNotes::default());
    }
}
