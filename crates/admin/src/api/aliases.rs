//! `/v1/aliases`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use cassmail_office::AliasLine;
use serde::{Deserialize, Serialize};

use super::accounts::Page;
use super::request::{Asked, Body, Named};
use super::{Answer, Api, field, page_size};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/aliases", get(list).post(add))
        .route("/aliases/{address}", get(show).put(put).delete(remove))
}

#[derive(Serialize)]
struct Shown {
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Added {
    address: String,
    targets: Vec<String>,
}

async fn list(State(api): State<Api>, Asked(page): Asked<Page>) -> Answer<Json<Vec<Shown>>> {
    let domain = field("domain", &page.domain)?;
    let after = page.after.map(|text| field("after", &text)).transpose()?;
    let lines = api
        .administration
        .aliases(&domain, after, page_size(page.limit))
        .await?;
    Ok(Json(lines.into_iter().map(Shown::from).collect()))
}

async fn add(State(api): State<Api>, Body(added): Body<Added>) -> Answer<StatusCode> {
    let targets = added.targets.iter().map(|text| field("targets", text));
    let targets = targets.collect::<Answer<Vec<_>>>()?;
    api.administration
        .add_alias(&field("address", &added.address)?, targets)
        .await?;
    Ok(StatusCode::CREATED)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Targets {
    targets: Vec<String>,
}

async fn show(State(api): State<Api>, Named(address): Named) -> Answer<Json<Shown>> {
    let alias = api
        .administration
        .alias(&field("address", &address)?)
        .await?;
    Ok(Json(Shown::from(alias)))
}

async fn put(
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

async fn remove(State(api): State<Api>, Named(address): Named) -> Answer<StatusCode> {
    api.administration
        .remove_alias(&field("address", &address)?)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
