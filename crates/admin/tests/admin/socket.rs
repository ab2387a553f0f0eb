//! The administration on a Unix socket.

use std::os::unix::fs::PermissionsExt as _;

use axum::http::Method;
use cassmail_admin::{Client, ClientError, ServeError, bind_socket, serve_socket};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::house::House;

#[tokio::test]
async fn a_client_says_the_same_over_the_socket_and_in_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let house = House::furnished().await;
    let listener = bind_socket(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "for its owner alone");
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(serve_socket(listener, house.router.clone(), async {
        let _ = stopped.await;
    }));
    for client in [
        Client::Socket(path.clone()),
        Client::InProcess(house.router.clone()),
    ] {
        let domains: Value = client.get("/v1/domains").await.unwrap();
        assert_eq!(domains[0]["name"], "here.example");
        let body = json!({ "state": "disabled" });
        let state = "/v1/accounts/bob%40here.example/state";
        let nothing = client.send(Method::PUT, state, &body).await.unwrap();
        assert_eq!(nothing, Value::Null);
        let missing = client.send(Method::DELETE, "/v1/accounts/x%40y", &json!(null));
        let Err(ClientError::Refused(problem)) = missing.await else {
            panic!("a missing account is refused");
        };
        assert_eq!(problem.status, 404);
        let Err(error) = client.get::<Value>("/healthz").await else {
            panic!("ok is no JSON");
        };
        assert!(error.to_string().contains("of another version?"), "{error}");
    }
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_socket_that_is_served_is_not_taken_over_and_one_that_is_not_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let first = bind_socket(&path).unwrap();
    let Err(error @ ServeError::InUse(_)) = bind_socket(&path) else {
        panic!("somebody listens there");
    };
    assert!(error.to_string().contains("set run_dir"), "{error}");
    drop(first);
    assert!(path.exists(), "a socket outlives its listener");
    bind_socket(&path).unwrap();
}

#[tokio::test]
async fn a_path_that_is_too_long_or_nowhere_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("x".repeat(108));
    let error = bind_socket(&long).unwrap_err().to_string();
    assert!(
        error.contains("at most 107 bytes") && error.contains("set run_dir"),
        "{error}"
    );
    let nowhere = folder.path().join("nowhere").join("admin.sock");
    let error = bind_socket(&nowhere).unwrap_err().to_string();
    assert_eq!(error, format!("failed to listen on {}", nowhere.display()));
}

#[tokio::test]
async fn a_client_without_a_service_says_where_it_looked() {
    let client = Client::Socket("/nonexistent/admin.sock".into());
    let error = client.get::<Value>("/v1/domains").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to reach the service on /nonexistent/admin.sock"
    );
}
