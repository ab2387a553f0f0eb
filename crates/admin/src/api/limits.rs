//! `/v1/limits` and `/v1/sessions`: who is slowed and who is here, on this node.

use std::net::IpAddr;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use cassmail_mail::Address;
use cassmail_office::{AdministrationError, SessionLine, SlowedLine, SlowedOne, TriedAt, Watch};
use cassmail_store::{AdminName, Service};
use serde::Serialize;
use utoipa::ToSchema;

use super::request::{Asked, Named, Rest};
use super::{Answer, Api, field};
use crate::access::Caller;
use crate::problem::Problem;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/limits", get(list))
        .route("/limits/sources/{source}", delete(forgive_source))
        .route("/limits/accounts/{address}", delete(forgive_account))
        .route(
            "/limits/administrators/{name}",
            delete(forgive_administrator),
        )
        .route("/sessions", get(sessions))
}

/// Somebody whose wrong passwords are counted.
#[derive(Serialize, ToSchema)]
#[schema(as = Slowed)]
pub(super) struct Shown {
    /// source, account, administrator, or friend: a source that has logged in to what `of` names
    /// before, and has an allowance of its own for that.
    kind: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<String>,
    /// mail or administration.
    at: &'static str,
    /// Wrong passwords that count now; each stops counting after a while.
    used: u32,
    most: u32,
    /// Whether nothing more of him is looked at for now.
    blocked: bool,
}

impl From<SlowedLine> for Shown {
    fn from(line: SlowedLine) -> Self {
        let (kind, name, of) = match line.who {
            SlowedOne::Source(network) => ("source", network.to_string(), None),
            SlowedOne::Account(address) => ("account", address.to_string(), None),
            SlowedOne::Administrator(name) => ("administrator", name.to_string(), None),
            SlowedOne::FriendOf(network, address) => {
                ("friend", network.to_string(), Some(address.to_string()))
            }
            SlowedOne::FriendOfAdministrator(network, name) => {
                ("friend", network.to_string(), Some(name.to_string()))
            }
        };
        Self {
            kind,
            name,
            of,
            at: match line.at {
                TriedAt::Mail => "mail",
                TriedAt::Administration => "administration",
            },
            used: line.used,
            most: line.most,
            blocked: line.used >= line.most,
        }
    }
}

/// The sessions of an account on this node.
#[derive(Serialize, ToSchema)]
#[schema(as = Sessions)]
pub(super) struct SessionShown {
    address: String,
    #[schema(value_type = String)]
    service: Service,
    open: usize,
}

impl From<SessionLine> for SessionShown {
    fn from(line: SessionLine) -> Self {
        Self {
            address: line.address.to_string(),
            service: line.service,
            open: line.open,
        }
    }
}

/// Without a service nobody is slowed and nobody is here.
fn watch(api: &Api) -> Answer<&Watch> {
    api.watch.as_ref().ok_or_else(|| {
        let text = "no service runs here, and only that knows";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, text)
    })
}

#[utoipa::path(
    get,
    path = "/v1/limits",
    params(Rest),
    responses((status = 200, body = Vec<Shown>)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(by): Caller,
    Asked(rest): Asked<Rest>,
) -> Answer<Json<Vec<Shown>>> {
    let slowed = watch(&api)?.slowed(&by.rights.realm).await;
    let slowed = slowed.map_err(AdministrationError::from)?;
    let mut shown: Vec<_> = slowed.into_iter().map(Shown::from).collect();
    shown.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Json(rest.page(shown, |one| &one.name)))
}

#[utoipa::path(delete, path = "/v1/limits/sources/{source}", responses((status = 204)))]
pub(super) async fn forgive_source(
    State(api): State<Api>,
    Named(source): Named,
) -> Answer<StatusCode> {
    let source: IpAddr = field("source", &source)?;
    forgiven(watch(&api)?.forgive_source(source))
}

#[utoipa::path(delete, path = "/v1/limits/accounts/{address}", responses((status = 204)))]
pub(super) async fn forgive_account(
    State(api): State<Api>,
    Named(address): Named,
) -> Answer<StatusCode> {
    let address: Address = field("address", &address)?;
    let done = watch(&api)?.forgive_account(&address).await;
    forgiven(done.map_err(AdministrationError::from)?)
}

#[utoipa::path(delete, path = "/v1/limits/administrators/{name}", responses((status = 204)))]
pub(super) async fn forgive_administrator(
    State(api): State<Api>,
    Named(name): Named,
) -> Answer<StatusCode> {
    let name: AdminName = field("name", &name)?;
    forgiven(watch(&api)?.forgive_administrator(&name))
}

fn forgiven(was_anything: bool) -> Answer<StatusCode> {
    if was_anything {
        return Ok(StatusCode::NO_CONTENT);
    }
    let text = "no wrong password counts there now, on this node";
    Err(Problem::new(StatusCode::NOT_FOUND, text))
}

#[utoipa::path(
    get,
    path = "/v1/sessions",
    params(Rest),
    responses((status = 200, body = Vec<SessionShown>)),
)]
pub(super) async fn sessions(
    State(api): State<Api>,
    Caller(by): Caller,
    Asked(rest): Asked<Rest>,
) -> Answer<Json<Vec<SessionShown>>> {
    let lines = watch(&api)?.sessions(&by.rights.realm).await;
    let lines = lines.map_err(AdministrationError::from)?;
    let shown = lines.into_iter().map(SessionShown::from).collect();
    Ok(Json(rest.page(shown, |one| &one.address)))
}
