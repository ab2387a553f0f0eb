//! `/v1/store`, `/v1/nodes`, `/v1/certificates`: how the service is.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use cassmail_store::Health;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::request::Body;
use super::{Answer, Api};
use crate::problem::Problem;
use crate::traffic::Minute;

/// What the process knows of itself beside the store; the binary connects it.
pub trait ServiceKeeper: Send + Sync {
    /// The certificates in use, the first for whoever asks for no name.
    fn certificates(&self) -> Vec<CertificateShown>;

    /// Loads the configuration and the certificates anew, as SIGHUP does; says what changed.
    fn reload(&self) -> Told<'_, ReloadShown>;
}

/// An answer in progress, or a sentence that says why there is none.
pub type Told<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'a>>;

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Certificate)]
pub struct CertificateShown {
    /// The names that it is for.
    pub names: Vec<String>,
    /// When it ends, in seconds since 1970; null if that cannot be read.
    pub not_after: Option<u64>,
    /// Whole days until then.
    pub days_left: Option<u64>,
}

/// What a reload changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Reload)]
pub struct ReloadShown {
    /// Settings that are in effect now.
    pub changed: Vec<String>,
    /// Settings that wait for a restart.
    pub needs_restart: Vec<String>,
}

/// A process that serves the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Node)]
pub struct NodeShown {
    /// Its id, new at each start.
    pub id: String,
    /// Its data center; null where there are none.
    pub data_center: Option<String>,
    /// When it last told that it lives, in seconds since 1970 on its own clock.
    pub seen_at: Option<u64>,
    /// alive, or silent.
    pub state: NodeState,
    /// Whether it is the one that answers.
    pub is_this: bool,
}

/// Whether a process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = NodeState)]
pub enum NodeState {
    /// It has told so lately.
    Alive,
    /// It has not, or has ended.
    Silent,
}

/// What the last scrub has come to.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Scrub)]
pub struct ScrubShown {
    /// When it wrote that down, in seconds since 1970.
    pub at: u64,
    /// How much of it is done, from 0 to 1.
    pub done: f64,
    /// Whether that is all.
    pub finished: bool,
    /// Whether everything was as it should be.
    pub well: bool,
    /// Whether an operator has to act.
    pub trouble: bool,
    /// What it counted.
    pub counts: std::collections::BTreeMap<String, u64>,
}

/// What the back-end counts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Cluster)]
pub struct ClusterShown {
    /// Requests that were sent to Cassandra.
    pub requests: u64,
    /// Messages that were acknowledged by fewer data centers than there are.
    pub acknowledged_by_fewer: u64,
    /// Partitions that a data center lacks until it is back.
    pub waiting_for_healing: u64,
    /// Nodes of Cassandra that acknowledge before the disk has it.
    pub periodic_commit_logs: u64,
}

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/store", get(store))
        .route("/store/scrub", get(scrub))
        .route("/nodes", get(nodes))
        .route("/nodes/this/drain", put(drain))
        .route("/traffic", get(traffic))
        .route("/certificates", get(certificates))
        .route("/certificates/reload", post(reload))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Store)]
pub(super) struct StoreShown {
    /// embedded, cassandra or memory.
    kind: &'static str,
    /// well, degraded, full, unreachable or poisoned.
    health: &'static str,
    /// How, in words.
    detail: Option<String>,
    /// Whether an administrator has drained this node.
    drained: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<ClusterShown>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Drain)]
pub(super) struct Drain {
    drained: bool,
}

#[utoipa::path(get, path = "/v1/store", responses((status = 200, body = StoreShown)))]
pub(super) async fn store(State(api): State<Api>) -> Json<StoreShown> {
    let (health, detail) = match api.figures.store.health() {
        Health::Well => ("well", None),
        Health::Full => ("full", None),
        Health::Degraded(how) => ("degraded", Some(how)),
        Health::Unreachable(why) => ("unreachable", Some(why)),
        Health::Poisoned(why) => ("poisoned", Some(why)),
    };
    Json(StoreShown {
        kind: api.keeper.kind(),
        health,
        detail,
        drained: api.figures.drained.load(Ordering::Relaxed),
        cluster: api.keeper.cluster(),
    })
}

#[utoipa::path(
    get,
    path = "/v1/store/scrub",
    responses((status = 200, body = Option<ScrubShown>)),
)]
pub(super) async fn scrub(State(api): State<Api>) -> Answer<Json<Option<ScrubShown>>> {
    told(api.keeper.last_scrub().await)
}

#[utoipa::path(get, path = "/v1/nodes", responses((status = 200, body = Vec<NodeShown>)))]
pub(super) async fn nodes(State(api): State<Api>) -> Answer<Json<Vec<NodeShown>>> {
    told(api.keeper.nodes().await)
}

#[utoipa::path(
    put,
    path = "/v1/nodes/this/drain",
    request_body = Drain,
    responses((status = 204)),
)]
pub(super) async fn drain(State(api): State<Api>, Body(drain): Body<Drain>) -> StatusCode {
    api.figures.drained.store(drain.drained, Ordering::Relaxed);
    StatusCode::NO_CONTENT
}

#[derive(Serialize, ToSchema)]
#[schema(as = Traffic)]
pub(super) struct TrafficShown {
    /// Of at most an hour, the oldest first.
    minutes: Vec<Minute>,
}

/// Of the process that answers.
#[utoipa::path(get, path = "/v1/traffic", responses((status = 200, body = TrafficShown)))]
pub(super) async fn traffic(State(api): State<Api>) -> Json<TrafficShown> {
    let minutes = api.figures.traffic.minutes();
    Json(TrafficShown { minutes })
}

#[utoipa::path(
    get,
    path = "/v1/certificates",
    responses((status = 200, body = Vec<CertificateShown>)),
)]
pub(super) async fn certificates(State(api): State<Api>) -> Json<Vec<CertificateShown>> {
    let service = api.service.as_ref();
    Json(service.map_or_else(Vec::new, |service| service.certificates()))
}

#[utoipa::path(
    post,
    path = "/v1/certificates/reload",
    responses((status = 200, body = ReloadShown)),
)]
pub(super) async fn reload(State(api): State<Api>) -> Answer<Json<ReloadShown>> {
    let Some(service) = &api.service else {
        let text = "no service runs here that could load anything anew";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, text));
    };
    // The old configuration is in effect: whoever wrote the new one has to mend it.
    let reloaded = service.reload().await;
    reloaded
        .map(Json)
        .map_err(|why| Problem::new(StatusCode::CONFLICT, why))
}

fn told<T>(told: Result<T, String>) -> Answer<Json<T>> {
    told.map(Json)
        .map_err(|why| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why))
}
