//! What is looked for, and how it is gathered from pages that may lie in any order.

use std::collections::BTreeMap;

use cassmail_mail::UnixTime;

use super::{EventId, TraceEvent, TraceKey};

/// What is looked for. The time has to be bounded: a back-end may have to look at each hour of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceQuery {
    /// By which key; none finds everything.
    pub key: Option<TraceKey>,
    /// Nothing that happened before.
    pub from: UnixTime,
    /// Nothing that happened then or later.
    pub until: UnixTime,
    /// Only what is older than this event: the next page.
    pub before: Option<EventId>,
    /// At most so many.
    pub limit: usize,
}

impl TraceQuery {
    /// Whether an event is looked for.
    pub fn finds(&self, event: &TraceEvent) -> bool {
        let at = event.at();
        at >= self.from
            && at < self.until
            && self.before.is_none_or(|before| event.id < before)
            && self.key.as_ref().is_none_or(|key| event.has(key))
    }

    /// Whether something between these two may be looked for.
    pub fn may_find_between(&self, oldest: EventId, newest: EventId) -> bool {
        newest.at() >= self.from
            && oldest.at() < self.until
            && self.before.is_none_or(|before| oldest < before)
    }
}

/// The newest events of those that are offered, each once.
#[derive(Debug)]
pub struct Search {
    query: TraceQuery,
    found: BTreeMap<EventId, TraceEvent>,
}

impl Search {
    /// Nothing is found yet.
    pub fn new(query: TraceQuery) -> Self {
        Self {
            query,
            found: BTreeMap::new(),
        }
    }

    /// What is looked for.
    pub fn query(&self) -> &TraceQuery {
        &self.query
    }

    /// Takes events, if they are looked for.
    pub fn offer(&mut self, events: impl IntoIterator<Item = TraceEvent>) {
        for event in events {
            if self.query.finds(&event) {
                self.found.insert(event.id, event);
            }
            if self.found.len() > self.query.limit {
                self.found.pop_first();
            }
        }
    }

    /// Whether nothing that is as old as this, or older, can be among what is answered.
    pub fn is_full_above(&self, newest: EventId) -> bool {
        let oldest = self.found.first_key_value().map(|(id, _)| *id);
        self.found.len() >= self.query.limit && oldest.is_none_or(|oldest| newest < oldest)
    }

    /// The same for everything that happened before this.
    pub fn is_full_since(&self, at: UnixTime) -> bool {
        let oldest = self.found.first_key_value().map(|(id, _)| *id);
        self.found.len() >= self.query.limit && oldest.is_none_or(|oldest| oldest.at() >= at)
    }

    /// The newest first.
    pub fn finish(self) -> Vec<TraceEvent> {
        self.found.into_values().rev().collect()
    }
}
