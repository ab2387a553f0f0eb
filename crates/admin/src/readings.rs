//! What monitoring asks: alive, ready, figures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use cassmail_store::{Health, Store};
use cassmail_telemetry::Metrics;

use crate::{StoreKeeper, Traffic};

/// What the readings are taken from.
#[derive(Clone)]
pub struct Readings {
    /// Whose health is read.
    pub store: Arc<dyn Store>,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// Who knows what the back-end counts itself.
    pub keeper: Arc<dyn StoreKeeper>,
    /// Whether an administrator wants mail sent elsewhere.
    pub drained: Arc<AtomicBool>,
    /// What came in and went out lately.
    pub traffic: Arc<Traffic>,
}

/// `/healthz`: the process works. `/readyz`: it takes mail and gives it out. `/metrics`: figures.
pub fn readings(readings: Readings) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(readings)
}

async fn healthz(State(readings): State<Readings>) -> impl IntoResponse {
    match readings.store.health() {
        Health::Poisoned(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        _ => (StatusCode::OK, "ok\n".to_owned()),
    }
}

/// A full store is not ready: a load balancer should send mail elsewhere. A degraded one is.
async fn readyz(State(readings): State<Readings>) -> impl IntoResponse {
    if readings.drained.load(Ordering::Relaxed) {
        let text = "drained by an administrator\n".to_owned();
        return (StatusCode::SERVICE_UNAVAILABLE, text);
    }
    match readings.store.health() {
        Health::Well => (StatusCode::OK, "ready\n".to_owned()),
        Health::Degraded(how) => (StatusCode::OK, format!("ready, degraded: {how}\n")),
        Health::Full => (
            StatusCode::SERVICE_UNAVAILABLE,
            "no room for messages\n".to_owned(),
        ),
        Health::Unreachable(why) | Health::Poisoned(why) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"))
        }
    }
}

async fn metrics(State(readings): State<Readings>) -> impl IntoResponse {
    let health = readings.store.health();
    let metrics = &readings.metrics;
    metrics.store_full(health == Health::Full);
    metrics.store_degraded(matches!(health, Health::Degraded(_)));
    readings.keeper.count(metrics);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics.encode())
}
