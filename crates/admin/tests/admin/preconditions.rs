//! `ETag`, `If-Match`, `If-None-Match` (RFC 9110 13).

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use crate::house::{Answer, House};

const BOB: &str = "/v1/accounts/bob%40here.example";

async fn sent(house: &House, method: &str, path: &str, field: (&str, &str), body: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .header(field.0, field.1);
    house
        .call(request.body(Body::from(body.to_owned())).unwrap())
        .await
}

#[tokio::test]
async fn what_has_not_changed_has_the_same_tag_and_need_not_be_sent_again() {
    let house = House::furnished().await;
    let first = house.get(BOB).await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with('"'), "{first:?}");
    assert_eq!(house.get(BOB).await.header("etag"), tag);
    let again = sent(&house, "GET", BOB, ("if-none-match", &tag), "").await;
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
    assert_eq!(again.header("etag"), tag);
}

#[tokio::test]
async fn a_change_of_what_is_no_longer_so_is_refused() {
    let house = House::furnished().await;
    let tag = house.get(BOB).await.header("etag").to_owned();
    let path = format!("{BOB}/state");
    let disable = json!({"state": "disabled"}).to_string();
    let done = sent(&house, "PUT", &path, ("if-match", &tag), &disable).await;
    assert_eq!(done.status, 204, "{done:?}");
    let now = done.header("etag").to_owned();
    assert_eq!(house.get(BOB).await.header("etag"), now);
    assert_ne!(now, tag);
    for (method, path) in [("PUT", path.as_str()), ("DELETE", BOB)] {
        let refused = sent(&house, method, path, ("if-match", &tag), &disable).await;
        refused.problem(412);
    }
    let gone = sent(&house, "DELETE", BOB, ("if-match", &now), "").await;
    assert_eq!(gone.status, 204, "{gone:?}");
    sent(&house, "DELETE", BOB, ("if-match", "*"), "")
        .await
        .problem(412);
}

#[tokio::test]
async fn what_must_not_be_there_yet_is_made_once() {
    let house = House::furnished().await;
    let path = "/v1/aliases/team%40here.example";
    let body = json!({"targets": ["bob@here.example"]}).to_string();
    let made = sent(&house, "PUT", path, ("if-none-match", "*"), &body).await;
    assert_eq!(made.status, 204, "{made:?}");
    sent(&house, "PUT", path, ("if-none-match", "*"), &body)
        .await
        .problem(412);
    // Without a condition it is the same again.
    assert_eq!(
        house
            .put(path, &json!({"targets": ["bob@here.example"]}))
            .await
            .status,
        204
    );
}

#[tokio::test]
async fn a_condition_on_what_has_no_tag_is_not_met() {
    let house = House::furnished().await;
    let body = json!({"name": "new.example"}).to_string();
    let refused = sent(&house, "POST", "/v1/domains", ("if-match", "\"x\""), &body).await;
    refused.problem(412);
    house.get("/v1/domains/new.example").await.problem(404);
}

#[tokio::test]
async fn of_two_who_change_the_same_at_once_one_is_told() {
    let house = House::furnished().await;
    let tag = house.get(BOB).await.header("etag").to_owned();
    let path = format!("{BOB}/retention");
    let changes = ["30", "60"].map(|days| json!({"days": days}).to_string());
    let [one, other] = changes;
    let (one, other) = tokio::join!(
        sent(&house, "PUT", &path, ("if-match", &tag), &one),
        sent(&house, "PUT", &path, ("if-match", &tag), &other),
    );
    let mut told = [one.status.as_u16(), other.status.as_u16()];
    told.sort_unstable();
    assert_eq!(told, [204, 412]);
}

#[tokio::test]
async fn other_methods_are_named() {
    let house = House::furnished().await;
    let answer = sent(&house, "PATCH", BOB, ("x-nothing", "x"), "").await;
    answer.problem(405);
    assert_eq!(answer.header("allow"), "GET, DELETE");
}
