//! `/v1/store`: what an operator does with the store as a whole.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use cassmail_telemetry::Metrics;

use super::request::Body;
use super::service::{ClusterShown, NodeShown, ScrubShown, Told};
use super::{Answer, Api};
use crate::problem::Problem;

/// Upkeep that depends on the back-end; the binary connects it.
pub trait StoreKeeper: Send + Sync {
    /// Copies everything that is durable now into a new folder.
    fn backup(&self, folder: &Path) -> Upkeep<'_>;

    /// Reads everything and verifies it.
    fn check(&self) -> Upkeep<'_>;

    /// Which kind of store it is.
    fn kind(&self) -> &'static str;

    /// What a back-end on a cluster counts itself.
    fn cluster(&self) -> Option<ClusterShown>;

    /// What the last scrub has come to, if there was one.
    fn last_scrub(&self) -> Told<'_, Option<ScrubShown>>;

    /// The processes that serve the store.
    fn nodes(&self) -> Told<'_, Vec<NodeShown>>;

    /// Brings what the back-end counts itself into the metrics, before they are shown.
    fn count(&self, metrics: &Metrics);
}

/// Upkeep in progress: a report for people, or a sentence that says why there is none.
pub type Upkeep<'a> = Pin<Box<dyn Future<Output = Result<Report, String>> + Send + 'a>>;

/// What upkeep found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Report)]
pub struct Report {
    /// Whether nothing is wrong.
    pub is_well: bool,
    /// Lines for people.
    pub lines: Vec<String>,
}

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/store/backup", post(backup))
        .route("/store/check", post(check))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Backup)]
pub(super) struct Backup {
    #[schema(value_type = String)]
    folder: PathBuf,
}

#[utoipa::path(
    post,
    path = "/v1/store/backup",
    request_body = Backup,
    responses((status = 200, body = Report)),
)]
pub(super) async fn backup(
    State(api): State<Api>,
    Body(backup): Body<Backup>,
) -> Answer<Json<Report>> {
    if !backup.folder.is_absolute() {
        return Err(Problem::invalid("folder", "expected an absolute path"));
    }
    report(api.keeper.backup(&backup.folder).await)
}

#[utoipa::path(post, path = "/v1/store/check", responses((status = 200, body = Report)))]
pub(super) async fn check(State(api): State<Api>) -> Answer<Json<Report>> {
    report(api.keeper.check().await)
}

fn report(outcome: Result<Report, String>) -> Answer<Json<Report>> {
    outcome
        .map(Json)
        .map_err(|why| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why))
}
