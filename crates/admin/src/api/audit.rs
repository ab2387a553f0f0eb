//! `/v1/audit`: what was changed by whom.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use cassmail_mail::UnixTime;
use cassmail_office::{AdministrationError, AuditQuestion};
use cassmail_store::AuditRecord;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::request::Asked;
use super::{Answer, Api, field, page_size};
use crate::access::Caller;

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/audit", get(list))
}

/// Which records; all that is left out is not asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// In seconds since 1970: nothing that is earlier.
    from: Option<u64>,
    /// In seconds since 1970: nothing from then on.
    until: Option<u64>,
    /// A part of who asked.
    who: Option<String>,
    /// A part of the path.
    resource: Option<String>,
    /// The domain.
    domain: Option<String>,
    /// The id of the last record of the page before.
    after: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Shown {
    id: String,
    /// In microseconds since 1970.
    at: u64,
    who: String,
    from: String,
    action: String,
    resource: String,
    domain: Option<String>,
    /// What was there.
    old: Option<Value>,
    /// What was asked for, without secrets.
    new: Option<Value>,
    /// The status of the answer; null: nobody knows what came of it.
    status: Option<u16>,
    /// Why it was not done.
    problem: Option<String>,
}

impl From<AuditRecord> for Shown {
    fn from(record: AuditRecord) -> Self {
        let value = |text: Option<String>| {
            text.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)))
        };
        let (status, problem) = record
            .outcome
            .map(|outcome| (outcome.status, outcome.problem))
            .unzip();
        Self {
            id: record.id.to_string(),
            at: record.id.minted_at().as_micros(),
            who: record.who,
            from: record.from,
            action: record.action,
            resource: record.resource,
            domain: record.domain.map(|domain| domain.to_string()),
            old: value(record.old),
            new: value(record.new),
            status,
            problem: problem.flatten(),
        }
    }
}

async fn list(
    State(api): State<Api>,
    Caller(by): Caller,
    Asked(question): Asked<Question>,
) -> Answer<Json<Vec<Shown>>> {
    let seconds = |seconds: u64| UnixTime::from_micros(seconds.saturating_mul(1_000_000));
    let domain = question.domain.map(|text| field("domain", &text));
    let behind = question.after.map(|text| field("after", &text));
    let asked = AuditQuestion {
        from: question.from.map(seconds),
        until: question.until.map(seconds),
        behind: behind.transpose()?,
        who: question.who,
        resource: question.resource,
        domain: domain.transpose()?,
        limit: page_size(question.limit),
    };
    let records = api.audit.read(&asked, &by.rights.realm).await;
    let records = records.map_err(AdministrationError::from)?;
    Ok(Json(records.into_iter().map(Shown::from).collect()))
}
