//! `/v1/accounts`.

use std::collections::HashSet;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use cassmail_mail::{Address, Secret};
use cassmail_office::{AccountLine, NewPassword};
use cassmail_store::AccountState;
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(super) use super::request::Page;
use super::request::{Asked, Body, Named};
use super::{Answer, Api, field, page_size, quota, retention};
use crate::problem::Problem;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/accounts", get(list).post(add))
        .route("/accounts/import", post(import))
        .route("/accounts/{address}", get(show).delete(remove))
        .route("/accounts/{address}/password", put(set_password))
        .route("/accounts/{address}/state", put(set_state))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub(super) struct Shown {
    address: String,
    #[schema(value_type = String)]
    state: AccountState,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention: Option<retention::Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<quota::Rule>,
    #[serde(flatten)]
    filled: Option<quota::Fill>,
}

impl From<AccountLine> for Shown {
    fn from(line: AccountLine) -> Self {
        Self {
            address: line.address.to_string(),
            state: line.state,
            retention: retention::Shown::of(line.retention),
            quota: quota::Rule::of(line.quota),
            filled: line.filled.and_then(quota::Fill::of),
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAccount)]
pub(super) struct Added {
    address: String,
    password: Option<String>,
    password_hash: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPassword)]
pub(super) struct Password {
    password: Option<String>,
    password_hash: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewState)]
pub(super) struct NewState {
    #[schema(value_type = String)]
    state: AccountState,
}

/// What became of one line of an import.
#[derive(Serialize, ToSchema)]
#[schema(as = Imported)]
pub(super) struct Imported {
    address: String,
    problem: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/accounts",
    params(Page),
    responses((status = 200, body = Vec<Shown>)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    Asked(page): Asked<Page>,
) -> Answer<Json<Vec<Shown>>> {
    let domain = field("domain", &page.domain)?;
    let after = page.after.map(|text| field("after", &text)).transpose()?;
    let lines = api
        .administration
        .accounts(&domain, after, page_size(page.limit))
        .await?;
    Ok(Json(lines.into_iter().map(Shown::from).collect()))
}

#[utoipa::path(get, path = "/v1/accounts/{address}", responses((status = 200, body = Shown)))]
pub(super) async fn show(State(api): State<Api>, Named(address): Named) -> Answer<Json<Shown>> {
    let address = field("address", &address)?;
    let line = api.administration.account_line(&address).await?;
    Ok(Json(Shown::from(line)))
}

#[utoipa::path(post, path = "/v1/accounts", request_body = Added, responses((status = 201)))]
pub(super) async fn add(State(api): State<Api>, Body(added): Body<Added>) -> Answer<StatusCode> {
    add_one(&api, added).await?;
    Ok(StatusCode::CREATED)
}

async fn add_one(api: &Api, added: Added) -> Answer<()> {
    let address: Address = field("address", &added.address)?;
    let password = new_password(added.password, added.password_hash)?;
    Ok(api.administration.add_account(&address, password).await?)
}

/// Makes many accounts; each has its own outcome, in the order of the request. Of those with one
/// address the first is made, however the hashes of their passwords race.
#[utoipa::path(
    post,
    path = "/v1/accounts/import",
    request_body = Vec<Added>,
    responses((status = 200, body = Vec<Imported>)),
)]
pub(super) async fn import(
    State(api): State<Api>,
    Body(accounts): Body<Vec<Added>>,
) -> Json<Vec<Imported>> {
    // Enough to share syncs of the store; few enough that logins do not wait long behind hashes.
    const AT_ONCE: usize = 16;
    let mut seen = HashSet::new();
    let imported = accounts.into_iter().map(|added| {
        let is_first = seen.insert(api.administration.comparable(&added.address));
        (added, is_first)
    });
    let imported = futures_util::stream::iter(imported).map(|(added, is_first)| {
        let api = &api;
        async move {
            let address = added.address.clone();
            if !is_first {
                let problem =
                    Some("the address came earlier in this import; nothing was changed".into());
                return Imported { address, problem };
            }
            let problem = add_one(api, added)
                .await
                .err()
                .map(|problem| problem.detail);
            Imported { address, problem }
        }
    });
    Json(imported.buffered(AT_ONCE).collect().await)
}

#[utoipa::path(delete, path = "/v1/accounts/{address}", responses((status = 204)))]
pub(super) async fn remove(State(api): State<Api>, Named(address): Named) -> Answer<StatusCode> {
    api.administration
        .remove_account(&field("address", &address)?)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(
    put,
    path = "/v1/accounts/{address}/password",
    request_body = Password,
    responses((status = 204)),
)]
pub(super) async fn set_password(
    State(api): State<Api>,
    Named(address): Named,
    Body(new): Body<Password>,
) -> Answer<StatusCode> {
    let password = new_password(new.password, new.password_hash)?;
    api.administration
        .set_password(&field("address", &address)?, password)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(
    put,
    path = "/v1/accounts/{address}/state",
    request_body = NewState,
    responses((status = 204)),
)]
pub(super) async fn set_state(
    State(api): State<Api>,
    Named(address): Named,
    Body(new): Body<NewState>,
) -> Answer<StatusCode> {
    api.administration
        .set_state(&field("address", &address)?, new.state)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn new_password(clear: Option<String>, hash: Option<String>) -> Answer<NewPassword> {
    match (clear, hash) {
        (Some(clear), None) => Ok(NewPassword::Clear(Secret::new(clear))),
        (None, Some(hash)) => Ok(NewPassword::Hash(hash)),
        _ => Err(Problem::invalid(
            "password",
            "expected either a password or a password_hash",
        )),
    }
}
