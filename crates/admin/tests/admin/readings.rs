//! `/healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;

use cassmail_admin::{Readings, readings};
use cassmail_store::Health;

use crate::house::House;

#[tokio::test]
async fn health_and_readiness_are_what_the_store_says() {
    let house = House::empty();
    let degraded = Health::Degraded("one disk is slow".to_owned());
    for (health, alive, ready, text) in [
        (Health::Well, 200, 200, "ready\n"),
        (degraded, 200, 200, "ready, degraded: one disk is slow\n"),
        (Health::Full, 200, 503, "no room for messages\n"),
        (
            Health::Unreachable("nobody answers".to_owned()),
            200,
            503,
            "nobody answers\n",
        ),
        (
            Health::Poisoned("a sync failed".to_owned()),
            503,
            503,
            "a sync failed\n",
        ),
    ] {
        house.script.set_health(Some(health));
        assert_eq!(house.get("/healthz").await.status, alive);
        let answer = house.get("/readyz").await;
        assert_eq!(
            (answer.status.as_u16(), answer.text.as_str()),
            (ready, text)
        );
    }
}

#[tokio::test]
async fn figures_are_in_the_format_of_open_metrics() {
    let house = House::empty();
    let figures = house.get("/metrics").await;
    assert_eq!(figures.status, 200);
    assert!(
        figures
            .kind
            .starts_with("application/openmetrics-text; version=1.0.0")
    );
    assert!(
        figures.text.contains("cassmail_panics_total 0\n"),
        "{}",
        figures.text
    );
    assert!(figures.text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn the_figures_have_what_the_back_end_counts_itself() {
    let house = House::furnished().await;
    let figures = house.get("/metrics").await.text;
    for line in [
        "cassmail_store_requests_total 7\n",
        "cassmail_store_acknowledged_by_fewer_total 3\n",
        "cassmail_store_waiting_for_healing 2\n",
        "cassmail_store_periodic_commit_logs 1\n",
        "cassmail_store_degraded 0\n",
    ] {
        assert!(figures.contains(line), "{line}{figures}");
    }
}

#[tokio::test]
async fn what_is_shown_on_a_port_can_change_nothing() {
    let mut house = House::furnished().await;
    house.router = readings(Readings {
        drained: Arc::default(),
        traffic: Arc::default(),
        store: house.store.clone(),
        metrics: house.metrics.clone(),
        keeper: house.keeper.clone(),
    });
    assert_eq!(house.get("/healthz").await.status, 200);
    assert_eq!(house.get("/v1/domains").await.status, 404);
    assert_eq!(house.delete("/v1/domains/here.example").await.status, 404);
}
