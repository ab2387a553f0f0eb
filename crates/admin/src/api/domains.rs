//! `/v1/domains`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use cassmail_mail::Domain;
use cassmail_store::DomainEntry;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::request::{Asked, Body, Named, Rest};
use super::{Answer, Api, field, page_size, quota, retention};
use crate::access::Caller;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/domains", get(list).post(add))
        .route(
            "/domains/{name}",
            get(show).put(set_postmaster).delete(remove),
        )
        .route("/domains/{name}/catch-all", put(set_catch_all))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Domain)]
pub(super) struct Shown {
    name: String,
    postmaster: Option<String>,
    catch_all: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention: Option<retention::Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<quota::Rule>,
}

impl From<DomainEntry> for Shown {
    fn from(entry: DomainEntry) -> Self {
        Self {
            name: entry.name.to_string(),
            postmaster: entry.postmaster.map(|address| address.to_string()),
            catch_all: entry.catch_all.map(|address| address.to_string()),
            retention: retention::Shown::of(entry.retention),
            quota: quota::Rule::of(entry.quota),
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewDomain)]
pub(super) struct Added {
    name: String,
    postmaster: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CatchAll)]
pub(super) struct CatchAll {
    target: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Postmaster)]
pub(super) struct Postmaster {
    postmaster: Option<String>,
}

/// Those of the caller.
#[utoipa::path(
    get,
    path = "/v1/domains",
    params(Rest),
    responses((status = 200, body = Vec<Shown>)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(by): Caller,
    Asked(rest): Asked<Rest>,
) -> Answer<Json<Vec<Shown>>> {
    let after: Option<Domain> = rest.after.map(|text| field("after", &text)).transpose()?;
    let domains = api.administration.domains().await?;
    let is_asked = |entry: &DomainEntry| {
        let is_behind = after.as_ref().is_none_or(|after| entry.name > *after);
        is_behind && by.rights.realm.has(&entry.name)
    };
    let page = domains.into_iter().filter(is_asked);
    let page = page.take(page_size(rest.limit));
    Ok(Json(page.map(Shown::from).collect()))
}

#[utoipa::path(get, path = "/v1/domains/{name}", responses((status = 200, body = Shown)))]
pub(super) async fn show(State(api): State<Api>, Named(name): Named) -> Answer<Json<Shown>> {
    let entry = api.administration.domain(&field("name", &name)?).await?;
    Ok(Json(Shown::from(entry)))
}

#[utoipa::path(
    put,
    path = "/v1/domains/{name}",
    request_body = Postmaster,
    responses((status = 204)),
)]
pub(super) async fn set_postmaster(
    State(api): State<Api>,
    Named(name): Named,
    Body(new): Body<Postmaster>,
) -> Answer<StatusCode> {
    let postmaster = new
        .postmaster
        .map(|text| field("postmaster", &text))
        .transpose()?;
    api.administration
        .set_postmaster(field("name", &name)?, postmaster)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(post, path = "/v1/domains", request_body = Added, responses((status = 201)))]
pub(super) async fn add(State(api): State<Api>, Body(added): Body<Added>) -> Answer<StatusCode> {
    let name = field("name", &added.name)?;
    let postmaster = added
        .postmaster
        .map(|text| field("postmaster", &text))
        .transpose()?;
    api.administration.add_domain(name, postmaster).await?;
    Ok(StatusCode::CREATED)
}

#[utoipa::path(delete, path = "/v1/domains/{name}", responses((status = 204)))]
pub(super) async fn remove(State(api): State<Api>, Named(name): Named) -> Answer<StatusCode> {
    api.administration
        .remove_domain(field("name", &name)?)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(
    put,
    path = "/v1/domains/{name}/catch-all",
    request_body = CatchAll,
    responses((status = 204)),
)]
pub(super) async fn set_catch_all(
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
