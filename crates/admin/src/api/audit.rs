//! `/v1/audit`: what was changed by whom.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use cassmail_mail::UnixTime;
use cassmail_office::{AdministrationError, AuditQuestion};
use cassmail_store::AuditRecord;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::request::{Asked, AuditPage};
use super::{Answer, Api, field, page_size};
use crate::access::Caller;

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/audit", get(list))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Change)]
pub(super) struct Shown {
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

#[utoipa::path(
    get,
    path = "/v1/audit",
    params(AuditPage),
    responses((status = 200, body = Vec<Shown>)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(by): Caller,
    Asked(question): Asked<AuditPage>,
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
