//! `/v1/administrators` and `/v1/self`: people who administer.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use cassmail_mail::Secret;
use cassmail_office::Who;
use cassmail_store::{Administrator, Realm, Rights, Scope};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::request::{Asked, Body, Named, Rest};
use super::{Answer, Api, field};
use crate::access::Caller;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/administrators", get(list).post(add))
        .route(
            "/administrators/{name}",
            get(show).put(change).delete(remove),
        )
        .route("/administrators/{name}/password", put(set_password))
        .route("/self", get(show_self))
        .route("/self/password", put(set_own_password))
}

/// What somebody may do; as it is asked for, what is left out is all that whoever asks has.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rights)]
pub(super) struct RightsShown {
    /// The names of scopes.
    #[serde(default)]
    pub(super) scopes: Option<Vec<String>>,
    /// The domains; as it is shown, null is all, and the service itself.
    #[serde(default)]
    pub(super) domains: Option<Vec<String>>,
}

impl From<&Rights> for RightsShown {
    fn from(rights: &Rights) -> Self {
        let domains = match &rights.realm {
            Realm::Everything => None,
            Realm::Domains(domains) => Some(domains.iter().map(ToString::to_string).collect()),
        };
        Self {
            scopes: Some(rights.scopes.iter().map(ToString::to_string).collect()),
            domains,
        }
    }
}

impl RightsShown {
    /// Reads them; what is left out is all that the one who gives them has.
    pub(super) fn read(&self, by: &Rights) -> Answer<Rights> {
        let scopes = match &self.scopes {
            None => by.scopes.clone(),
            Some(names) => {
                let scopes = names.iter().map(|name| field("scopes", name));
                scopes.collect::<Answer<_>>()?
            }
        };
        let realm = match &self.domains {
            None => by.realm.clone(),
            Some(names) => {
                let domains = names.iter().map(|name| field("domains", name));
                Realm::Domains(domains.collect::<Answer<_>>()?)
            }
        };
        Ok(Rights { scopes, realm })
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Administrator)]
pub(super) struct Shown {
    name: String,
    #[serde(flatten)]
    rights: RightsShown,
    /// In seconds since 1970.
    created_at: u64,
}

impl From<Administrator> for Shown {
    fn from(one: Administrator) -> Self {
        Self {
            name: one.name.to_string(),
            rights: RightsShown::from(&one.rights),
            created_at: one.created_at.as_secs(),
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAdministrator)]
pub(super) struct Added {
    name: String,
    password: String,
    #[serde(default)]
    scopes: Option<Vec<String>>,
    #[serde(default)]
    domains: Option<Vec<String>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAdminPassword)]
pub(super) struct NewPassword {
    password: String,
}

/// Whoever asks.
#[derive(Serialize, ToSchema)]
#[schema(as = Self)]
pub(super) struct SelfShown {
    who: String,
    /// The name of the administrator, if it is one.
    name: Option<String>,
    #[serde(flatten)]
    rights: RightsShown,
    /// All scopes that there are, with their meaning.
    all_scopes: Vec<ScopeShown>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Scope)]
pub(super) struct ScopeShown {
    scope: &'static str,
    meaning: &'static str,
}

#[utoipa::path(
    get,
    path = "/v1/administrators",
    params(Rest),
    responses((status = 200, body = Vec<Shown>)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(by): Caller,
    Asked(rest): Asked<Rest>,
) -> Answer<Json<Vec<Shown>>> {
    let all = api.admins.administrators(&by).await?;
    let page = rest.page(all, |one| one.name.as_str());
    Ok(Json(page.into_iter().map(Shown::from).collect()))
}

#[utoipa::path(get, path = "/v1/administrators/{name}", responses((status = 200, body = Shown)))]
pub(super) async fn show(
    State(api): State<Api>,
    Caller(by): Caller,
    Named(name): Named,
) -> Answer<Json<Shown>> {
    let one = api
        .admins
        .administrator(&by, &field("name", &name)?)
        .await?;
    Ok(Json(Shown::from(one)))
}

#[utoipa::path(post, path = "/v1/administrators", request_body = Added, responses((status = 201)))]
pub(super) async fn add(
    State(api): State<Api>,
    Caller(by): Caller,
    Body(added): Body<Added>,
) -> Answer<StatusCode> {
    let rights = RightsShown {
        scopes: added.scopes,
        domains: added.domains,
    };
    let rights = rights.read(&by.rights)?;
    let name = field("name", &added.name)?;
    let password = Secret::new(added.password);
    api.admins.add(&by, name, password, rights).await?;
    Ok(StatusCode::CREATED)
}

#[utoipa::path(
    put,
    path = "/v1/administrators/{name}",
    request_body = RightsShown,
    responses((status = 204)),
)]
pub(super) async fn change(
    State(api): State<Api>,
    Caller(by): Caller,
    Named(name): Named,
    Body(rights): Body<RightsShown>,
) -> Answer<StatusCode> {
    let rights = rights.read(&by.rights)?;
    let name = field("name", &name)?;
    api.admins.set_rights(&by, &name, rights).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(delete, path = "/v1/administrators/{name}", responses((status = 204)))]
pub(super) async fn remove(
    State(api): State<Api>,
    Caller(by): Caller,
    Named(name): Named,
) -> Answer<StatusCode> {
    api.admins.remove(&by, &field("name", &name)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(
    put,
    path = "/v1/administrators/{name}/password",
    request_body = NewPassword,
    responses((status = 204)),
)]
pub(super) async fn set_password(
    State(api): State<Api>,
    Caller(by): Caller,
    Named(name): Named,
    Body(new): Body<NewPassword>,
) -> Answer<StatusCode> {
    let (name, password) = (field("name", &name)?, Secret::new(new.password));
    api.admins.set_password(&by, &name, password).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(get, path = "/v1/self", responses((status = 200, body = SelfShown)))]
pub(super) async fn show_self(Caller(by): Caller) -> Json<SelfShown> {
    let name = match &by.who {
        Who::Administrator(name) => Some(name.to_string()),
        Who::Owner | Who::Anybody | Who::Token { .. } => None,
    };
    let scope = |scope: &Scope| ScopeShown {
        scope: scope.name(),
        meaning: scope.meaning().trim(),
    };
    Json(SelfShown {
        who: by.who.to_string(),
        name,
        rights: RightsShown::from(&by.rights),
        all_scopes: Scope::ALL.iter().map(scope).collect(),
    })
}

#[utoipa::path(
    put,
    path = "/v1/self/password",
    request_body = NewPassword,
    responses((status = 204)),
)]
pub(super) async fn set_own_password(
    State(api): State<Api>,
    Caller(by): Caller,
    Body(new): Body<NewPassword>,
) -> Answer<StatusCode> {
    let password = Secret::new(new.password);
    api.admins.set_own_password(&by, password).await?;
    Ok(StatusCode::NO_CONTENT)
}
