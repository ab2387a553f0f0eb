//! `/v1/accounts/{address}/app-passwords`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use cassmail_office::AppPasswordLine;
use cassmail_store::Service;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::request::{Body, Named, NamedWithin};
use super::{Answer, Api, field};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/accounts/{address}/app-passwords", get(list).post(add))
        .route("/accounts/{address}/app-passwords/{name}", delete(remove))
}

#[derive(Serialize, ToSchema)]
#[schema(as = AppPassword)]
pub(super) struct Shown {
    name: String,
    #[schema(value_type = Vec<String>)]
    services: Vec<Service>,
    /// In seconds since 1970.
    created_at: u64,
}

impl From<AppPasswordLine> for Shown {
    fn from(line: AppPasswordLine) -> Self {
        Self {
            name: line.name,
            services: line.services,
            created_at: line.created_at.as_micros() / 1_000_000,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAppPassword)]
pub(super) struct Added {
    name: String,
    #[schema(value_type = Vec<String>)]
    services: Vec<Service>,
}

/// What was made; it is never shown again.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeAppPassword)]
pub(super) struct Made {
    password: String,
}

#[utoipa::path(
    get,
    path = "/v1/accounts/{address}/app-passwords",
    responses((status = 200, body = Vec<Shown>)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    Named(address): Named,
) -> Answer<Json<Vec<Shown>>> {
    let address = field("address", &address)?;
    let lines = api.administration.app_passwords(&address).await?;
    Ok(Json(lines.into_iter().map(Shown::from).collect()))
}

#[utoipa::path(
    post,
    path = "/v1/accounts/{address}/app-passwords",
    request_body = Added,
    responses((status = 201, body = Made)),
)]
pub(super) async fn add(
    State(api): State<Api>,
    Named(address): Named,
    Body(added): Body<Added>,
) -> Answer<(StatusCode, Json<Made>)> {
    let address = field("address", &address)?;
    let Added { name, services } = added;
    let made = api
        .administration
        .add_app_password(&address, &name, services)
        .await?;
    let password = made.expose().to_owned();
    Ok((StatusCode::CREATED, Json(Made { password })))
}

#[utoipa::path(
    delete,
    path = "/v1/accounts/{address}/app-passwords/{name}",
    responses((status = 204)),
)]
pub(super) async fn remove(
    State(api): State<Api>,
    NamedWithin(address, name): NamedWithin,
) -> Answer<StatusCode> {
    let address = field("address", &address)?;
    api.administration
        .remove_app_password(&address, &name)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
