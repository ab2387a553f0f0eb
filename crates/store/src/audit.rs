//! What was changed by whom: a log that only grows, until it has become old.

use std::time::Duration;

use cassmail_mail::{Domain, MessageId, UnixTime};
use serde::{Deserialize, Serialize};

use crate::Work;
use crate::record::{RecordError, decode, encode, parse};

/// One change that was asked for. It is written before anything is done, and again with what came
/// of it; one without an outcome is of a process that ended in between, or of a change that is
/// under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its id, of the kind that messages have: it says when.
    pub id: MessageId,
    /// Who asked.
    pub who: String,
    /// From where.
    pub from: String,
    /// What for: a method of HTTP.
    pub action: String,
    /// Of what: a path of the API.
    pub resource: String,
    /// The domain that it belongs to, if it belongs to one.
    pub domain: Option<Domain>,
    /// What was there before, as JSON without secrets.
    pub old: Option<String>,
    /// What it was to become, as JSON without secrets.
    pub new: Option<String>,
    /// What came of it.
    pub outcome: Option<AuditOutcome>,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditOutcome {
    /// The status of HTTP.
    pub status: u16,
    /// Why it was not done, if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Which records are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditSpan {
    /// None that was made earlier.
    pub from: UnixTime,
    /// None that was made then or later.
    pub until: UnixTime,
    /// Behind this one, which came last on the page before.
    pub behind: Option<MessageId>,
    /// How many at most.
    pub limit: usize,
}

/// The audit log.
pub trait Audit: Send + Sync {
    /// Adds a record, or says what came of one that is there.
    ///
    /// *Promise*: durable with the answer. A record with an outcome is never replaced by one
    /// without. It may be forgotten when others are put that are more than `kept_for` younger, and
    /// is forgotten in the end. *Retry*: harmless. *Crash*: before the answer, it is there or not.
    /// *Cancel*: it may have happened.
    fn put_audit(&self, record: AuditRecord, kept_for: Duration) -> Work<'_, ()>;

    /// Records of a time, the latest first.
    ///
    /// *Promise*: every record that was acknowledged before the call is seen; pages that join have
    /// each once.
    fn audit(&self, span: AuditSpan) -> Work<'_, Vec<AuditRecord>>;
}

impl AuditSpan {
    /// Whether a record of this id is asked for.
    pub fn has(&self, id: MessageId) -> bool {
        let made_at = id.minted_at();
        let is_behind = self.behind.is_none_or(|last| id < last);
        is_behind && self.from <= made_at && made_at < self.until
    }
}

mod form {
    use super::{AuditOutcome, Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    pub(super) struct Record {
        pub(super) id: String,
        pub(super) who: String,
        pub(super) from: String,
        pub(super) action: String,
        pub(super) resource: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub(super) domain: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub(super) old: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub(super) new: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub(super) outcome: Option<AuditOutcome>,
    }
}

impl AuditRecord {
    /// The record.
    pub fn encode(&self) -> Vec<u8> {
        let this = self.clone();
        encode(&form::Record {
            id: this.id.to_string(),
            who: this.who,
            from: this.from,
            action: this.action,
            resource: this.resource,
            domain: this.domain.map(|domain| domain.to_string()),
            old: this.old,
            new: this.new,
            outcome: this.outcome,
        })
    }

    /// Reads a record.
    pub fn decode(record: &[u8]) -> Result<Self, RecordError> {
        const WHAT: &str = "a change in the audit log";
        let form: form::Record = decode(WHAT, record)?;
        let domain = form.domain.map(|name| parse(WHAT, &name)).transpose()?;
        Ok(Self {
            id: parse(WHAT, &form.id)?,
            who: form.who,
            from: form.from,
            action: form.action,
            resource: form.resource,
            domain,
            old: form.old,
            new: form.new,
            outcome: form.outcome,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_were() {
        let begun = AuditRecord {
            id: MessageId::from_key([1; 16]),
            who: "alice".to_owned(),
            from: "192.0.2.1".to_owned(),
            action: "PUT".to_owned(),
            resource: "/v1/domains/x.example".to_owned(),
            domain: "x.example".parse().ok(),
            old: Some("{}".to_owned()),
            new: None,
            outcome: None,
        };
        let ended = AuditRecord {
            outcome: Some(AuditOutcome {
                status: 409,
                problem: Some("somebody else was first".to_owned()),
            }),
            ..begun.clone()
        };
        for record in [begun, ended] {
            assert_eq!(AuditRecord::decode(&record.encode()).unwrap(), record);
        }
    }
}
