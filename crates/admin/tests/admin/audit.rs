//! `/v1/audit`: what was changed by whom.

use axum::body::Body;
use axum::http::Request;
use cassmail_store::{At, ErrorKind, Fault, Reason, Side, Verb};
use serde_json::{Value, json};
use tower_service::Service as _;

use crate::house::House;

async fn log(house: &House, query: &str) -> Vec<Value> {
    let answer = house.get(&format!("/v1/audit{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json().as_array().unwrap().clone()
}

#[tokio::test]
async fn a_change_is_written_down_with_who_what_and_what_came_of_it() {
    let house = House::furnished().await;
    let body = json!({"state": "disabled"});
    let path = "/v1/accounts/bob%40here.example/state";
    assert_eq!(house.put(path, &body).await.status, 204);
    let log = log(&house, "?limit=1").await;
    let [change] = log.as_slice() else {
        panic!("{log:?}");
    };
    assert_eq!(change["who"], "owner");
    assert_eq!(change["from"], "the command line");
    assert_eq!(change["action"], "PUT");
    assert_eq!(change["resource"], "/v1/accounts/bob@here.example/state");
    assert_eq!(change["domain"], "here.example");
    let old = json!({"address": "bob@here.example", "state": "enabled"});
    assert_eq!(change["old"], old);
    assert_eq!(change["new"], body);
    assert_eq!(change["status"], 204);
    assert_eq!(change["problem"], Value::Null);
    assert_eq!(change["at"].as_u64().unwrap() / 1_000_000, 1_700_000_000);
}

#[tokio::test]
async fn what_is_refused_is_written_down_too_and_why() {
    let house = House::furnished().await;
    house.delete("/v1/domains/here.example").await.problem(409);
    let log = log(&house, "?limit=1").await;
    assert_eq!(log[0]["status"], 409);
    let why = log[0]["problem"].as_str().unwrap();
    assert!(why.contains("still has accounts"), "{why}");
}

#[tokio::test]
async fn no_secret_is_written_down() {
    let house = House::furnished().await;
    let secret = "open sesame, and more";
    let path = "/v1/accounts/bob%40here.example/password";
    house.put(path, &json!({"password": secret})).await;
    let body = json!({"name": "alice", "password": secret});
    assert_eq!(house.post("/v1/administrators", &body).await.status, 201);
    let body = json!([{"address": "x@here.example", "password": secret}]);
    house.post("/v1/accounts/import", &body).await;
    let token = house
        .post("/v1/tokens", &json!({"label": "x", "days": 1}))
        .await;
    let token = token.json()["token"].as_str().unwrap().to_owned();
    let whole = house.get("/v1/audit").await.text;
    for hidden in [secret, &token, "open sesame", "argon2"] {
        assert!(!whole.contains(hidden), "{whole}");
    }
    assert!(
        whole.contains("x@here.example") && whole.contains("alice"),
        "{whole}"
    );
}

#[tokio::test]
async fn looking_is_no_change() {
    let house = House::furnished().await;
    let before = log(&house, "").await.len();
    for path in ["/v1/domains", "/v1/audit", "/v1/nothing", "/healthz"] {
        house.get(path).await;
    }
    assert_eq!(log(&house, "").await.len(), before);
}

#[tokio::test]
async fn a_change_that_cannot_be_written_down_is_not_made() {
    let house = House::furnished().await;
    let gone = Fault::Before(ErrorKind::Unavailable(Reason::Engine));
    house.script.fail(At::Every(Verb::PutAudit), gone);
    let refused = house.delete("/v1/accounts/bob%40here.example").await;
    let text = refused.problem(503);
    assert!(text.contains("audit"), "{text}");
    house.script.restart();
    let bob = house.get("/v1/accounts/bob%40here.example").await;
    assert_eq!(bob.status, 200, "{bob:?}");
}

#[tokio::test]
async fn a_change_whose_outcome_cannot_be_written_down_says_so() {
    let house = House::furnished().await;
    house.script.restart();
    let gone = Fault::Before(ErrorKind::Unavailable(Reason::Engine));
    house.script.fail(At::Nth(Verb::PutAudit, 2), gone);
    let done = house.delete("/v1/accounts/bob%40here.example").await;
    assert_eq!(done.status, 204, "{done:?}");
    let log = log(&house, "?limit=1").await;
    assert_eq!(log[0]["resource"], "/v1/accounts/bob@here.example");
    assert_eq!(log[0]["status"], Value::Null);
}

#[tokio::test]
async fn the_log_is_asked_by_who_what_where_and_in_pages() {
    let house = House::furnished().await;
    house.domain("there.example").await;
    house.account("dave@there.example").await;
    let of = |log: &[Value]| -> Vec<String> {
        let new = log.iter().map(|one| one["new"].to_string());
        new.collect()
    };
    let there = log(&house, "?domain=there.example").await;
    assert_eq!(there.len(), 1, "{there:?}");
    assert!(of(&there)[0].contains("dave"));
    assert_eq!(log(&house, "?who=nobody").await.len(), 0);
    assert_eq!(log(&house, "?resource=domains").await.len(), 2);
    assert_eq!(log(&house, "?until=1000").await.len(), 0);
    let all = log(&house, "").await;
    let mut paged = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = log(&house, &query).await;
        let Some(last) = page.last() else { break };
        query = format!("?limit=2&after={}", last["id"].as_str().unwrap());
        paged.extend(page);
    }
    assert_eq!(paged, all);
    house.get("/v1/audit?after=nonsense").await.problem(422);
}

#[tokio::test]
async fn a_change_whose_caller_hangs_up_is_finished_and_written_down() {
    let house = House::furnished().await;
    let gate = house.script.hold(At::Every(Verb::PutDomain), Side::Before);
    let caller = tokio::spawn({
        let mut router = house.router.clone();
        let body = Body::from(r#"{"name":"new.example"}"#);
        let request = Request::post("/v1/domains").header("content-type", "application/json");
        let request = request.body(body).unwrap();
        async move { router.call(request).await }
    });
    gate.reached().await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    assert_eq!(log(&house, "?limit=1").await[0]["status"], Value::Null);
    gate.open();
    // Nobody tells when it is finished.
    for _ in 0..10_000 {
        if log(&house, "?limit=1").await[0]["status"] == 201 {
            assert_eq!(house.get("/v1/domains/new.example").await.status, 200);
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it was given up");
}
