//! What no endpoint can make sense of, and faults of the store.

use axum::body::Body;
use axum::http::{Method, Request};
use cassmail_store::{At, ErrorKind, Fault, Reason};
use serde_json::json;

use crate::house::House;

/// Every endpoint that takes a body, with one that it takes.
const BODIES: [(&str, &str, &str); 8] = [
    ("POST", "/v1/domains", r#"{"name":"new.example"}"#),
    (
        "PUT",
        "/v1/domains/here.example/catch-all",
        r#"{"target":null}"#,
    ),
    (
        "POST",
        "/v1/accounts",
        r#"{"address":"new@here.example","password":"x"}"#,
    ),
    (
        "POST",
        "/v1/accounts/import",
        r#"[{"address":"newer@here.example","password":"x"}]"#,
    ),
    (
        "PUT",
        "/v1/accounts/bob%40here.example/password",
        r#"{"password":"x"}"#,
    ),
    (
        "PUT",
        "/v1/accounts/bob%40here.example/state",
        r#"{"state":"enabled"}"#,
    ),
    (
        "POST",
        "/v1/aliases",
        r#"{"address":"team@here.example","targets":["bob@here.example"]}"#,
    ),
    ("POST", "/v1/store/backup", r#"{"folder":"/backup"}"#),
];

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

#[tokio::test]
async fn a_field_that_nobody_knows_is_refused_everywhere_and_named() {
    let house = House::furnished().await;
    for (verb, path, body) in BODIES {
        let unknown = body.replacen('{', r#"{"colour":"red","#, 1);
        let refused = house.send(method(verb), path, &unknown).await;
        let problem = refused.problem(422);
        assert!(problem.contains("colour"), "{path}: {problem}");
    }
    for listing in ["accounts", "aliases"] {
        let path = format!("/v1/{listing}?domain=here.example&colour=red");
        let problem = house.get(&path).await.problem(400);
        assert!(problem.contains("colour"), "{problem}");
        house.get(&format!("/v1/{listing}")).await.problem(400);
    }
    for (verb, path, body) in BODIES {
        let taken = house.send(method(verb), path, body).await;
        assert!(taken.status.is_success(), "{path}: {taken:?}");
    }
}

#[tokio::test]
async fn what_is_no_json_is_refused_everywhere_as_a_problem() {
    let house = House::furnished().await;
    for (verb, path, body) in BODIES {
        for broken in ["", "\u{0}", &body[..body.len() - 1]] {
            house.send(method(verb), path, broken).await.problem(400);
        }
        for other in ["null", "1", "{}"] {
            let answer = house.send(method(verb), path, other).await;
            // A catch-all without a target is none.
            if !(other == "{}" && path.ends_with("catch-all")) {
                answer.problem(422);
            }
        }
        let request = Request::builder().method(verb).uri(path);
        let plain = request.body(Body::from(body)).unwrap();
        house.call(plain).await.problem(415);
    }
}

#[tokio::test]
async fn paths_and_methods_that_mean_nothing_are_problems_too() {
    let house = House::furnished().await;
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/mailboxes",
        "/v2/domains",
        "/v1/domains/a/b",
    ] {
        let problem = house.get(path).await.problem(404);
        assert!(problem.contains(path), "{problem}");
    }
    let problem = house.delete("/v1/domains").await.problem(405);
    assert_eq!(problem, "DELETE means nothing to /v1/domains");
    house.post("/healthz", &json!(null)).await.problem(405);
    house
        .delete("/v1/accounts/%ff%40here.example")
        .await
        .problem(400);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_a_problem() {
    let house = House::empty();
    let large = json!({ "name": "x".repeat(9 << 20) });
    house.post("/v1/domains", &large).await.problem(413);
}

#[tokio::test]
async fn a_fault_of_the_store_is_not_the_clients_and_tells_no_cause() {
    let engine = ErrorKind::Unavailable(Reason::Engine);
    for (fault, status) in [
        (Fault::Before(engine), 503),
        (Fault::Before(ErrorKind::Indeterminate), 503),
        (Fault::Before(ErrorKind::Corrupt), 500),
    ] {
        let house = House::furnished().await;
        house.script.fail(At::All, fault);
        for path in [
            "/v1/domains",
            "/v1/accounts?domain=here.example",
            "/v1/aliases?domain=here.example",
        ] {
            house.get(path).await.problem(status);
        }
        for (verb, path, body) in BODIES {
            // An import tells each outcome in its list; backups do not go through the store.
            if path.ends_with("/import") || path.ends_with("/backup") {
                continue;
            }
            let problem = house.send(method(verb), path, body).await.problem(status);
            assert!(problem.starts_with("failed to "), "{problem}");
        }
    }
}
