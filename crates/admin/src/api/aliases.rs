//! `/v1/aliases`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use cassmail_office::AliasLine;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::accounts::Page;
use super::request::{Asked, Body, Named};
use super::{Answer, Api, field, page_size};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/aliases", get(list).post(add))
        .route("/aliases/{address}", get(show).put(put).delete(remove))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Alias)]
pub(super) struct Shown {
    address: String,
    targets: Vec<String>,
}

impl From<AliasLine> for Shown {
    fn from(line: AliasLine) -> Self {
        let targets = line.targets.iter().map(ToString::to_string).collect();
        Self {
            address: line.address.to_string(),
            targets,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAlias)]
pub(super) struct Added {
    address: String,
    targets: Vec<String>,
}

#[utoipa::path(
    get,
    path = "/v1/aliases",
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
        .aliases(&domain, after, page_size(page.limit))
        .await?;
    Ok(Json(lines.into_iter().map(Shown::from).collect()))
}

#[utoipa::path(post, path = "/v1/aliases", request_body = Added, responses((status = 201)))]
pub(super) async fn add(State(api): State<Api>, Body(added): Body<Added>) -> Answer<StatusCode> {
    let targets = added.targets.iter().map(|text| field("targets", text));
    let targets = targets.collect::<Answer<Vec<_>>>()?;
    api.administration
        .add_alias(&field("address", &added.address)?, targets)
        .await?;
    Ok(StatusCode::CREATED)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Targets)]
pub(super) struct Targets {
    targets: Vec<String>,
}

#[utoipa::path(get, path = "/v1/aliases/{address}", responses((status = 200, body = Shown)))]
pub(super) async fn show(State(api): State<Api>, Named(address): Named) -> Answer<Json<Shown>> {
    let alias = api
        .administration
        .alias(&field("address", &address)?)
        .await?;
    Ok(Json(Shown::from(alias)))
}

#[utoipa::path(
    put,
    path = "/v1/aliases/{address}",
    request_body = Targets,
    responses((status = 204)),
)]
pub(super) async fn put(
    State(api): State<Api>,
    Named(address): Named,
    Body(new): Body<Targets>,
) -> Answer<StatusCode> {
    let targets = new.targets.iter().map(|text| field("targets", text));
    let targets = targets.collect::<Answer<Vec<_>>>()?;
    api.administration
        .add_alias(&field("address", &address)?, targets)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(delete, path = "/v1/aliases/{address}", responses((status = 204)))]
pub(super) async fn remove(State(api): State<Api>, Named(address): Named) -> Answer<StatusCode> {
    api.administration
        .remove_alias(&field("address", &address)?)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
