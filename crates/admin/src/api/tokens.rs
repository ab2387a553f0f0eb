//! `/v1/tokens`: programs that administer.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use cassmail_store::{AdminName, Token};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::administrators::RightsShown;
use super::request::{Asked, Body, Named, Rest};
use super::{Answer, Api, field};
use crate::access::Caller;
use crate::problem::Problem;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/tokens", get(list).post(add))
        .route("/tokens/{id}", get(show).delete(revoke))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
pub(super) struct Shown {
    id: String,
    label: String,
    #[serde(flatten)]
    rights: RightsShown,
    /// Who made it; null for the owner of the service.
    owner: Option<String>,
    /// In seconds since 1970.
    created_at: u64,
    /// In seconds since 1970.
    expires_at: Option<u64>,
}

impl From<Token> for Shown {
    fn from(token: Token) -> Self {
        Self {
            id: token.id.to_string(),
            label: token.label,
            rights: RightsShown::from(&token.rights),
            owner: token.owner.as_ref().map(AdminName::to_string),
            created_at: token.created_at.as_secs(),
            expires_at: token.expires_at.map(cassmail_mail::UnixTime::as_secs),
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewToken)]
pub(super) struct Added {
    label: String,
    /// After so many days it is worth nothing.
    days: u32,
    #[serde(default)]
    scopes: Option<Vec<String>>,
    #[serde(default)]
    domains: Option<Vec<String>>,
}

/// What was made; the token is never shown again.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeToken)]
pub(super) struct Made {
    id: String,
    token: String,
    /// In seconds since 1970.
    expires_at: u64,
}

/// Ten years: a token that nobody remembers ends at some time.
const MOST_DAYS: u32 = 3650;

#[utoipa::path(
    get,
    path = "/v1/tokens",
    params(Rest),
    responses((status = 200, body = Vec<Shown>)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(by): Caller,
    Asked(rest): Asked<Rest>,
) -> Answer<Json<Vec<Shown>>> {
    let all = api.admins.tokens(&by).await?;
    let page = rest.page(all, |token| token.id.as_str());
    Ok(Json(page.into_iter().map(Shown::from).collect()))
}

#[utoipa::path(get, path = "/v1/tokens/{id}", responses((status = 200, body = Shown)))]
pub(super) async fn show(
    State(api): State<Api>,
    Caller(by): Caller,
    Named(id): Named,
) -> Answer<Json<Shown>> {
    let token = api.admins.token(&by, &field("id", &id)?).await?;
    Ok(Json(Shown::from(token)))
}

#[utoipa::path(
    post,
    path = "/v1/tokens",
    request_body = Added,
    responses((status = 201, body = Made)),
)]
pub(super) async fn add(
    State(api): State<Api>,
    Caller(by): Caller,
    Body(added): Body<Added>,
) -> Answer<(StatusCode, Json<Made>)> {
    if !(1..=MOST_DAYS).contains(&added.days) {
        let text = format!("expected 1 to {MOST_DAYS} days, got {}", added.days);
        return Err(Problem::invalid("days", text));
    }
    let rights = RightsShown {
        scopes: added.scopes,
        domains: added.domains,
    };
    let rights = rights.read(&by.rights)?;
    let lasts = Duration::from_hours(24 * u64::from(added.days));
    let made = api
        .admins
        .add_token(&by, &added.label, rights, lasts)
        .await?;
    let made = Made {
        id: made.id.to_string(),
        token: made.text.expose().to_owned(),
        expires_at: made.expires_at.as_secs(),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

#[utoipa::path(delete, path = "/v1/tokens/{id}", responses((status = 204)))]
pub(super) async fn revoke(
    State(api): State<Api>,
    Caller(by): Caller,
    Named(id): Named,
) -> Answer<StatusCode> {
    api.admins.revoke(&by, &field("id", &id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
