//! `.../quota`: how much mail an account may have, of domains and of accounts, and how full it is.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use cassmail_mail::Address;
use cassmail_office::{Filled, QuotaChange, QuotaLimits};
use cassmail_store::{Quota, Usage};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::request::{Body, Named};
use super::retention::bound;
use super::{Answer, Api, field};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/quota/recount", post(recount))
        .route("/domains/{name}/quota", get(of_domain).put(set_of_domain))
        .route(
            "/accounts/{address}/quota",
            get(of_account).put(set_of_account),
        )
}

/// A rule as it is shown: zero is no limit, what is left out is as above.
#[derive(Serialize, ToSchema)]
#[schema(as = Quota)]
pub(super) struct Rule {
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    octets: Option<u64>,
}

/// What is in force; what is left out is no limit.
#[derive(Serialize, ToSchema)]
#[schema(as = QuotaLimits)]
pub(super) struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    octets: Option<u64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Usage)]
pub(super) struct Used {
    messages: u64,
    octets: u64,
}

/// How full a maildrop is that has a limit.
#[derive(Serialize, ToSchema)]
#[schema(as = Filled)]
pub(super) struct Fill {
    limits: Limits,
    /// Left out while nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<Used>,
    /// `ample`, `nearly_full` (from nine tenths on) or `full`.
    fullness: &'static str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = QuotaOfDomain)]
pub(super) struct OfDomain {
    #[serde(skip_serializing_if = "Option::is_none")]
    own: Option<Rule>,
    limits: Limits,
}

#[derive(Serialize, ToSchema)]
#[schema(as = QuotaOfAccount)]
pub(super) struct OfAccount {
    #[serde(skip_serializing_if = "Option::is_none")]
    own: Option<Rule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<Rule>,
    limits: Limits,
    used: Used,
    fullness: &'static str,
}

/// Each a number, `none` for no limit, or `default` for what is above; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = QuotaChange)]
pub(super) struct Change {
    messages: Option<String>,
    octets: Option<String>,
}

impl Rule {
    /// None if there is nothing to show.
    pub(super) fn of(quota: Quota) -> Option<Self> {
        let shown = Self {
            messages: quota.messages.map(u64::from),
            octets: quota.octets.map(u64::from),
        };
        (!quota.is_as_above()).then_some(shown)
    }
}

impl From<QuotaLimits> for Limits {
    fn from(limits: QuotaLimits) -> Self {
        Self {
            messages: limits.messages,
            octets: limits.octets,
        }
    }
}

impl From<Usage> for Used {
    fn from(usage: Usage) -> Self {
        Self {
            messages: usage.messages,
            octets: usage.octets,
        }
    }
}

impl Fill {
    /// None where there is no limit: then nothing is counted.
    pub(super) fn of(filled: Filled) -> Option<Self> {
        (!filled.limits.are_none()).then(|| Self {
            limits: filled.limits.into(),
            used: filled.used.map(Used::from),
            fullness: filled.fullness().as_str(),
        })
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Recounted)]
pub(super) struct Recounted {
    counted: u64,
    mended: u64,
    full: u64,
}

#[utoipa::path(
    post,
    path = "/v1/quota/recount",
    responses((status = 200, body = Recounted)),
)]
pub(super) async fn recount(State(api): State<Api>) -> Answer<Json<Recounted>> {
    let found = api.administration.recount().await?;
    Ok(Json(Recounted {
        counted: found.counted,
        mended: found.mended,
        full: found.full,
    }))
}

#[utoipa::path(
    get,
    path = "/v1/domains/{name}/quota",
    responses((status = 200, body = OfDomain)),
)]
pub(super) async fn of_domain(
    State(api): State<Api>,
    Named(name): Named,
) -> Answer<Json<OfDomain>> {
    let (own, limits) = api.administration.quota_of(field("name", &name)?).await?;
    Ok(Json(OfDomain {
        own: Rule::of(own),
        limits: limits.into(),
    }))
}

#[utoipa::path(
    put,
    path = "/v1/domains/{name}/quota",
    request_body = Change,
    responses((status = 204)),
)]
pub(super) async fn set_of_domain(
    State(api): State<Api>,
    Named(name): Named,
    Body(change): Body<Change>,
) -> Answer<StatusCode> {
    let change = read(&change)?;
    let name = field("name", &name)?;
    api.administration.set_quota_of(name, change).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(
    get,
    path = "/v1/accounts/{address}/quota",
    responses((status = 200, body = OfAccount)),
)]
pub(super) async fn of_account(
    State(api): State<Api>,
    Named(address): Named,
) -> Answer<Json<OfAccount>> {
    let address: Address = field("address", &address)?;
    let report = api.administration.quota(&address).await?;
    Ok(Json(OfAccount {
        own: Rule::of(report.own),
        domain: Rule::of(report.of_domain),
        limits: report.filled.limits.into(),
        used: report.filled.used.unwrap_or_default().into(),
        fullness: report.filled.fullness().as_str(),
    }))
}

#[utoipa::path(
    put,
    path = "/v1/accounts/{address}/quota",
    request_body = Change,
    responses((status = 204)),
)]
pub(super) async fn set_of_account(
    State(api): State<Api>,
    Named(address): Named,
    Body(change): Body<Change>,
) -> Answer<StatusCode> {
    let change = read(&change)?;
    let address: Address = field("address", &address)?;
    api.administration.set_quota(&address, change).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn read(change: &Change) -> Answer<QuotaChange> {
    let bound = |name, text: &Option<String>| {
        let read = text.as_deref().map(|text| bound(name, text));
        read.transpose()
    };
    Ok(QuotaChange {
        messages: bound("messages", &change.messages)?,
        octets: bound("octets", &change.octets)?,
    })
}
