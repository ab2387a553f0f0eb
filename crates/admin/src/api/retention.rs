//! `.../retention`: how long mail stays, of domains and of accounts, and what is due.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use cassmail_mail::Address;
use cassmail_office::{Due, RetentionChange};
use cassmail_store::{Bound, Retention};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::accounts::Page;
use super::request::{Asked, Body, Named};
use super::{Answer, Api, field, page_size};
use crate::problem::Problem;

/// Each account of a page costs a listing.
const LARGEST_PAGE: usize = 100;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/domains/{name}/retention", put(set_of_domain))
        .route("/accounts/{address}/retention", put(set_of_account))
        .route("/retention", get(due))
}

/// A rule as it is shown: zero is no limit, what is left out is as above.
#[derive(Serialize, ToSchema)]
#[schema(as = Retention)]
pub(super) struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    octets: Option<u64>,
}

impl Shown {
    /// None if there is nothing to show.
    pub(super) fn of(retention: Retention) -> Option<Self> {
        let shown = Self {
            days: retention.days.map(u64::from),
            messages: retention.messages.map(u64::from),
            octets: retention.octets.map(u64::from),
        };
        (!retention.is_as_above()).then_some(shown)
    }
}

/// Each a number, `none` for no limit, or `default` for what is above; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RetentionChange)]
pub(super) struct Change {
    days: Option<String>,
    messages: Option<String>,
    octets: Option<String>,
}

/// What is due of an account.
#[derive(Serialize, ToSchema)]
#[schema(as = Due)]
pub(super) struct DueShown {
    address: String,
    messages: usize,
    due: usize,
    /// The rule as it is kept; what is left out is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    most_messages: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    most_octets: Option<u64>,
}

impl From<Due> for DueShown {
    fn from(due: Due) -> Self {
        Self {
            address: due.address.to_string(),
            messages: due.messages,
            due: due.ids.len(),
            days: due.limits.age.map(|days| days.0.get()),
            most_messages: due.limits.messages,
            most_octets: due.limits.octets,
        }
    }
}

#[utoipa::path(
    put,
    path = "/v1/domains/{name}/retention",
    request_body = Change,
    responses((status = 204)),
)]
pub(super) async fn set_of_domain(
    State(api): State<Api>,
    Named(name): Named,
    Body(change): Body<Change>,
) -> Answer<StatusCode> {
    let change = read(&api, &change)?;
    let name = field("name", &name)?;
    api.administration.set_retention_of(name, change).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(
    put,
    path = "/v1/accounts/{address}/retention",
    request_body = Change,
    responses((status = 204)),
)]
pub(super) async fn set_of_account(
    State(api): State<Api>,
    Named(address): Named,
    Body(change): Body<Change>,
) -> Answer<StatusCode> {
    let change = read(&api, &change)?;
    let address: Address = field("address", &address)?;
    api.administration.set_retention(&address, change).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(
    get,
    path = "/v1/retention",
    params(Page),
    responses((status = 200, body = Vec<DueShown>)),
)]
pub(super) async fn due(
    State(api): State<Api>,
    Asked(page): Asked<Page>,
) -> Answer<Json<Vec<DueShown>>> {
    let domain = field("domain", &page.domain)?;
    let after = page.after.map(|text| field("after", &text)).transpose()?;
    let limit = page_size(page.limit).min(LARGEST_PAGE);
    let lines = api.administration.accounts(&domain, after, limit).await?;
    let addresses = lines.into_iter().map(|line| line.address).collect();
    let due = api.janitor.due(&domain, addresses).await;
    let due = due.map_err(cassmail_office::AdministrationError::from)?;
    Ok(Json(due.into_iter().map(DueShown::from).collect()))
}

fn read(api: &Api, change: &Change) -> Answer<RetentionChange> {
    let bound = |name, text: &Option<String>| {
        let read = text.as_deref().map(|text| bound(name, text));
        read.transpose()
    };
    let change = RetentionChange {
        days: bound("days", &change.days)?,
        messages: bound("messages", &change.messages)?,
        octets: bound("octets", &change.octets)?,
    };
    let shortest = api.janitor.shortest_days();
    match change.days {
        Some(Some(Bound::At(days))) if days.get() < u64::from(shortest.get()) => {
            let text = format!("expected at least retention.shortest_days, {shortest}, got {days}");
            Err(Problem::invalid("days", text))
        }
        _ => Ok(change),
    }
}

/// Reads a number, `none` or `default`.
pub(super) fn bound(name: &str, text: &str) -> Answer<Option<Bound>> {
    match text {
        "default" => Ok(None),
        "none" => Ok(Some(Bound::None)),
        _ => match text.parse::<u64>() {
            Ok(number) if number > 0 => Ok(Some(Bound::from(number))),
            _ => {
                let text = format!("expected a number over 0, none or default, got {text:?}");
                Err(Problem::invalid(name, text))
            }
        },
    }
}
