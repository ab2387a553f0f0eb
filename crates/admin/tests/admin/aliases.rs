//! `/v1/aliases`.

use serde_json::{Value, json};

use crate::house::House;

async fn add(house: &House, address: &str, targets: &[&str]) -> u16 {
    let body = json!({ "address": address, "targets": targets });
    house.post("/v1/aliases", &body).await.status.as_u16()
}

async fn listed(house: &House, query: &str) -> Value {
    house.get(&format!("/v1/aliases?{query}")).await.json()
}

#[tokio::test]
async fn an_alias_is_added_changed_listed_and_removed() {
    let house = House::furnished().await;
    let both = ["bob@here.example", "carol@here.example"];
    assert_eq!(add(&house, "Team@here.example", &both[..1]).await, 201);
    assert_eq!(add(&house, "team@here.example", &both).await, 201);
    let shown = json!([{ "address": "team@here.example", "targets": both }]);
    assert_eq!(listed(&house, "domain=here.example").await, shown);
    let path = "/v1/aliases/TEAM%40here.example";
    assert_eq!(house.delete(path).await.status, 204);
    assert_eq!(listed(&house, "domain=here.example").await, json!([]));
    let problem = house.delete(path).await.problem(404);
    assert!(problem.starts_with("there is no alias team@here.example"));
}

#[tokio::test]
async fn aliases_are_listed_in_pages_without_accounts() {
    let house = House::furnished().await;
    for name in ["a@here.example", "z@here.example"] {
        assert_eq!(add(&house, name, &["bob@here.example"]).await, 201);
    }
    let first = listed(&house, "domain=here.example&limit=1").await;
    assert_eq!(first[0]["address"], "a@here.example");
    let rest = listed(&house, "domain=here.example&after=a").await;
    assert_eq!(rest.as_array().unwrap().len(), 1);
    assert_eq!(rest[0]["address"], "z@here.example");
    house
        .get("/v1/aliases?domain=far.example")
        .await
        .problem(404);
}

#[tokio::test]
async fn an_alias_that_cannot_be_is_refused_with_the_reason() {
    let house = House::furnished().await;
    for (status, address, targets, reason) in [
        (
            409,
            "bob@here.example",
            vec!["carol@here.example"],
            "bob@here.example is an account",
        ),
        (
            404,
            "x@far.example",
            vec!["bob@here.example"],
            "domain far.example is not served",
        ),
        (
            422,
            "x@here.example",
            vec![],
            "an alias needs at least one address",
        ),
        (
            422,
            "x@here.example",
            vec!["x@far.example"],
            "x@far.example is not in a domain",
        ),
        (
            422,
            "x@here.example",
            vec!["X@here.example"],
            "x@here.example would lead to itself",
        ),
        (422, "x@here.example", vec!["bob"], "targets: \"bob\": "),
        (422, "x", vec!["bob@here.example"], "address: \"x\": "),
    ] {
        let body = json!({ "address": address, "targets": targets });
        let problem = house.post("/v1/aliases", &body).await.problem(status);
        assert!(problem.starts_with(reason), "{problem}");
    }
    assert_eq!(listed(&house, "domain=here.example").await, json!([]));
}

#[tokio::test]
async fn an_account_is_no_alias_to_be_removed() {
    let house = House::furnished().await;
    house
        .delete("/v1/aliases/bob%40here.example")
        .await
        .problem(404);
    add(&house, "team@here.example", &["bob@here.example"]).await;
    house
        .delete("/v1/accounts/team%40here.example")
        .await
        .problem(404);
}
