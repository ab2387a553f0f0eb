//! `/v1/domains`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use cassmail_store::DomainEntry;
use serde::{Deserialize, Serialize};

use super::request::{Body, Named};
use super::{Answer, Api, field, retention};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/domains", get(list).post(add))
        .route("/domains/{name}", axum::routing::delete(remove))
        .route("/domains/{name}/catch-all", put(set_catch_all))
}

#[derive(Serialize)]
struct Shown {
    name: String,
    postmaster: Option<String>,
    catch_all: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention: Option<retention::Shown>,
}

impl From<DomainEntry> for Shown {
    fn from(entry: DomainEntry) -> Self {
        Self {
            name: entry.name.to_string(),
            postmaster: entry.postmaster.map(|address| address.to_string()),
            catch_all: entry.catch_all.map(|address| address.to_string()),
            retention: retention::Shown::of(entry.retention),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Added {
    name: String,
    postmaster: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatchAll {
    target: Option<String>,
}

async fn list(State(api): State<Api>) -> Answer<Json<Vec<Shown>>> {
    let domains = api.administration.domains().await?;
    Ok(Json(domains.into_iter().map(Shown::from).collect()))
}

async fn add(State(api): State<Api>, Body(added): Body<Added>) -> Answer<StatusCode> {
    let name = field("name", &added.name)?;
    let postmaster = added
        .postmaster
        .map(|text| field("postmaster", &text))
        .transpose()?;
    api.administration.add_domain(name, postmaster).await?;
    Ok(StatusCode::CREATED)
}

async fn remove(State(api): State<Api>, Named(name): Named) -> Answer<StatusCode> {
    api.administration
        .remove_domain(field("name", &name)?)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_catch_all(
    State(api): State<Api>,
    Named(name): Named,
    Body(catch_all): Body<CatchAll>,
) -> Answer<StatusCode> {
    let target = catch_all
        .target
        .map(|text| field("target", &text))
        .transpose()?;
    api.administration
        .set_catch_all(field("name", &name)?, target)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
