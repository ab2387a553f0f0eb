//! What administrators asked for, and what came of it.
//!
//! A change is written down before it is made: one that cannot be is not made. Afterwards comes its
//! outcome; a record without one says that nobody knows.

use std::sync::Arc;
use std::time::Duration;

use cassmail_mail::{Domain, IdMinter, MessageId, UnixTime};
use cassmail_store::{AuditOutcome, AuditRecord, AuditSpan, Realm, Store, StoreError};

use crate::clock::Clock;

/// Writes the audit log and reads it.
#[derive(Clone)]
pub struct AuditLog {
    store: Arc<dyn Store>,
    ids: Arc<IdMinter>,
    clock: Arc<dyn Clock>,
    kept_for: Duration,
}

/// A change that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Who asks.
    pub who: String,
    /// From where.
    pub from: String,
    /// A method of HTTP.
    pub action: String,
    /// A path of the API.
    pub resource: String,
    /// The domain that it belongs to, if it belongs to one.
    pub domain: Option<Domain>,
    /// What is there, as JSON without secrets.
    pub old: Option<String>,
    /// What it shall become, as JSON without secrets.
    pub new: Option<String>,
}

/// What of the log is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuestion {
    /// Nothing that is earlier.
    pub from: Option<UnixTime>,
    /// Nothing from then on.
    pub until: Option<UnixTime>,
    /// Behind this record, which came last on the page before.
    pub behind: Option<MessageId>,
    /// Only of those in whose name this is.
    pub who: Option<String>,
    /// Only of resources in whose path this is.
    pub resource: Option<String>,
    /// Only of this domain.
    pub domain: Option<Domain>,
    /// How many at most.
    pub limit: usize,
}

/// So many records are read at once, and so many times at most for one question.
const PAGE: usize = 500;
const MOST_PAGES: usize = 100;

/// A longer text is left out: a record is one cell of a database.
const LONGEST: usize = 128 * 1024;

impl AuditLog {
    /// Keeps what is written for so long.
    pub fn new(
        store: Arc<dyn Store>,
        ids: Arc<IdMinter>,
        clock: Arc<dyn Clock>,
        kept_for: Duration,
    ) -> Self {
        Self {
            store,
            ids,
            clock,
            kept_for,
        }
    }

    /// Writes down what is about to be done.
    ///
    /// # Errors
    /// It could not be written down, so it must not be done.
    pub async fn begin(&self, change: Change) -> Result<AuditRecord, StoreError> {
        let record = AuditRecord {
            id: self.ids.mint(self.clock.wall()),
            who: change.who,
            from: change.from,
            action: change.action,
            resource: change.resource,
            domain: change.domain,
            old: change.old.map(shortened),
            new: change.new.map(shortened),
            outcome: None,
        };
        self.store.put_audit(record.clone(), self.kept_for).await?;
        Ok(record)
    }

    /// Writes down what came of it.
    ///
    /// # Errors
    /// It could not be written down: the record stays without an outcome.
    pub async fn end(&self, begun: AuditRecord, outcome: AuditOutcome) -> Result<(), StoreError> {
        let ended = AuditRecord {
            outcome: Some(outcome),
            ..begun
        };
        self.store.put_audit(ended, self.kept_for).await
    }

    /// Records that somebody may see, the latest first. Of a log in which the question finds little
    /// only so much is read; the last record says how far.
    pub async fn read(
        &self,
        question: &AuditQuestion,
        realm: &Realm,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        let now = self.clock.wall();
        let kept_for = u64::try_from(self.kept_for.as_micros()).unwrap_or(u64::MAX);
        let oldest = UnixTime::from_micros(now.as_micros().saturating_sub(kept_for));
        // Another node's clock may be ahead.
        let newest = UnixTime::from_micros(now.as_micros().saturating_add(60 * 60 * 1_000_000));
        let mut span = AuditSpan {
            from: question.from.map_or(oldest, |from| from.max(oldest)),
            until: question.until.unwrap_or(newest),
            behind: question.behind,
            limit: PAGE,
        };
        let mut found = Vec::new();
        for _ in 0..MOST_PAGES {
            let page = self.store.audit(span).await?;
            let is_last = page.len() < PAGE;
            span.behind = page.last().map(|record| record.id);
            let asked = page
                .into_iter()
                .filter(|record| is_asked(record, question) && is_seen(record, realm));
            found.extend(asked);
            if is_last || found.len() >= question.limit {
                break;
            }
        }
        found.truncate(question.limit);
        Ok(found)
    }
}

fn is_seen(record: &AuditRecord, realm: &Realm) -> bool {
    match (realm, &record.domain) {
        (Realm::Everything, _) => true,
        (Realm::Domains(_), Some(domain)) => realm.has(domain),
        (Realm::Domains(_), None) => false,
    }
}

fn is_asked(record: &AuditRecord, question: &AuditQuestion) -> bool {
    let has = |text: &str, part: &Option<String>| {
        part.as_ref()
            .is_none_or(|part| text.contains(part.as_str()))
    };
    let domain = &question.domain;
    has(&record.who, &question.who)
        && has(&record.resource, &question.resource)
        && (domain.is_none() || *domain == record.domain)
}

/// Stays JSON.
fn shortened(text: String) -> String {
    if text.len() <= LONGEST {
        return text;
    }
    format!("\"{} octets, too many to be kept here\"", text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_left_out() {
        assert_eq!(shortened("{}".to_owned()), "{}");
        let long = "x".repeat(LONGEST + 1);
        assert_eq!(
            shortened(long),
            "\"131073 octets, too many to be kept here\""
        );
    }
}
