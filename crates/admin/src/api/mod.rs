//! `/v1/...`: what can be changed.

mod accounts;
mod administrators;
mod aliases;
mod app_passwords;
mod audit;
mod description;
mod domains;
mod limits;
mod mailboxes;
mod messages;
mod quota;
mod request;
mod retention;
mod service;
mod store;
mod tokens;

use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use cassmail_office::{AdminAccounts, Administration, AuditLog, Clock, Janitor, Lookup, Watch};

pub use description::description;
pub use service::{
    CertificateShown, ClusterShown, NodeShown, NodeState, ReloadShown, ScrubShown, ServiceKeeper,
    Told,
};
pub use store::{Report, StoreKeeper, Upkeep};

use crate::access::{AdminDoor, Gate, LARGEST_BODY, guarded, owned, pass};
use crate::page::{self, Ask, Front, Pages};
use crate::problem::Problem;
use crate::readings::{Readings, readings};

/// What the handlers work with.
#[derive(Clone)]
struct Api {
    administration: Administration,
    janitor: Arc<Janitor>,
    lookup: Lookup,
    keeper: Arc<dyn StoreKeeper>,
    admins: AdminAccounts,
    audit: AuditLog,
    watch: Option<Watch>,
    service: Option<Arc<dyn ServiceKeeper>>,
    figures: Readings,
}

/// The parts of the office that are administered.
#[derive(Clone)]
pub struct Administered {
    /// Who changes the directory.
    pub administration: Administration,
    /// Who knows what is due by the rules of retention.
    pub janitor: Arc<Janitor>,
    /// Who changes who administers.
    pub admins: AdminAccounts,
    /// Who remembers what was changed.
    pub audit: AuditLog,
    /// Who knows who is slowed and who is here; none without a service.
    pub watch: Option<Watch>,
    /// What the process knows of itself; none without a service.
    pub service: Option<Arc<dyn ServiceKeeper>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who finds out what became of messages.
    pub lookup: Lookup,
}

type Answer<T> = Result<T, Problem>;

/// Everything that can be administered, and the readings, for whoever owns the service: he reaches
/// the socket, or has opened the store.
pub fn administration(
    office: Administered,
    keeper: Arc<dyn StoreKeeper>,
    figures: Readings,
) -> Router {
    owned(everything(office, keeper, figures))
}

/// The same for people and programs who have to say who they are, and may do what they may do; with
/// pages for people in front of it, which are clients of it.
pub fn remote_administration(
    office: Administered,
    keeper: Arc<dyn StoreKeeper>,
    figures: Readings,
    door: AdminDoor,
    pages: Pages,
) -> Router {
    let (clock, source_of) = (Arc::clone(&office.clock), Arc::clone(&door.source_of));
    let inner = everything(office, keeper, figures);
    let api = guarded(inner.clone(), door);
    page::in_front_of(api, Front::new(pages, Ask::new(inner), clock, source_of))
}

fn everything(office: Administered, keeper: Arc<dyn StoreKeeper>, figures: Readings) -> Router {
    let Administered {
        administration,
        janitor,
        admins,
        audit,
        watch,
        service,
        clock,
        lookup,
    } = office;
    let api = Router::new()
        .merge(domains::routes())
        .merge(accounts::routes())
        .merge(aliases::routes())
        .merge(app_passwords::routes())
        .merge(retention::routes())
        .merge(quota::routes())
        .merge(mailboxes::routes())
        .merge(messages::routes())
        .merge(store::routes())
        .merge(administrators::routes())
        .merge(tokens::routes())
        .merge(audit::routes())
        .merge(limits::routes())
        .merge(service::routes())
        .merge(description::routes())
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(Api {
            administration,
            janitor,
            lookup,
            keeper,
            admins,
            audit: audit.clone(),
            watch,
            service,
            figures: figures.clone(),
        });
    let inner = Router::new()
        .nest("/v1", api)
        .merge(readings(figures))
        .method_not_allowed_fallback(no_such_method);
    let gate = Gate::new(inner.clone(), audit, clock);
    inner
        .layer(from_fn_with_state(gate, pass))
        .fallback(no_such_path)
}

async fn no_such_path(uri: Uri) -> Problem {
    let text = format!(
        "there is no {}; is this client of another version?",
        uri.path()
    );
    Problem::new(StatusCode::NOT_FOUND, text)
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let text = format!("{method} means nothing to {}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, text)
}

/// Reads a field, or says which one is wrong and what was expected.
fn field<T>(name: &str, text: &str) -> Answer<T>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error| Problem::invalid(name, format!("{text:?}: {error}")))
}

/// The largest page that a listing gives.
const LARGEST_PAGE: usize = 1000;

fn page_size(limit: Option<usize>) -> usize {
    limit.unwrap_or(LARGEST_PAGE).clamp(1, LARGEST_PAGE)
}
