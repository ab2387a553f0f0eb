//! `/v1/domains`.

use serde_json::json;

use crate::house::House;

#[tokio::test]
async fn a_domain_is_added_listed_and_removed() {
    let house = House::empty();
    assert_eq!(house.get("/v1/domains").await.json(), json!([]));
    let body = json!({ "name": "Here.EXAMPLE", "postmaster": "Bob@here.example" });
    let made = house.post("/v1/domains", &body).await;
    assert_eq!((made.status.as_u16(), made.text.as_str()), (201, ""));
    let shown = json!([{
        "name": "here.example", "postmaster": "bob@here.example", "catch_all": null
    }]);
    assert_eq!(house.get("/v1/domains").await.json(), shown);
    let removed = house.delete("/v1/domains/HERE.example").await;
    assert_eq!((removed.status.as_u16(), removed.text.as_str()), (204, ""));
    assert_eq!(house.get("/v1/domains").await.json(), json!([]));
}

#[tokio::test]
async fn a_domain_that_is_there_is_a_conflict_unless_its_postmaster_changes() {
    let house = House::furnished().await;
    let again = json!({ "name": "here.example" });
    assert_eq!(
        house.post("/v1/domains", &again).await.problem(409),
        "domain here.example is served already; nothing was changed"
    );
    let catch_all = json!({ "target": "bob@here.example" });
    let path = "/v1/domains/here.example/catch-all";
    assert_eq!(house.put(path, &catch_all).await.status, 204);
    let body = json!({ "name": "here.example", "postmaster": "carol@here.example" });
    assert_eq!(house.post("/v1/domains", &body).await.status, 201);
    let shown = json!([{
        "name": "here.example", "postmaster": "carol@here.example",
        "catch_all": "bob@here.example"
    }]);
    assert_eq!(house.get("/v1/domains").await.json(), shown);
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_with_the_reason() {
    let house = House::empty();
    for (name, reason) in [
        ("", "name: \"\": a domain needs at least one character"),
        (
            "a..b",
            "name: \"a..b\": a domain needs at least one character",
        ),
        ("a b", "name: \"a b\": a domain has letters, digits"),
        ("[192.0.2.1]", "[192.0.2.1] is an address literal; a domain"),
    ] {
        let refused = house.post("/v1/domains", &json!({ "name": name })).await;
        let problem = refused.problem(422);
        assert!(problem.starts_with(reason), "{problem}");
    }
    let body = json!({ "name": "here.example", "postmaster": "bob" });
    let problem = house.post("/v1/domains", &body).await.problem(422);
    assert!(problem.starts_with("postmaster: \"bob\": "), "{problem}");
    assert_eq!(house.get("/v1/domains").await.json(), json!([]));
}

#[tokio::test]
async fn a_domain_that_has_addresses_or_is_not_there_is_not_removed() {
    let house = House::furnished().await;
    let problem = house.delete("/v1/domains/here.example").await.problem(409);
    assert!(problem.contains("such as bob@here.example"), "{problem}");
    let problem = house.delete("/v1/domains/gone.example").await.problem(404);
    assert!(
        problem.ends_with("add it with: cassmail domain add gone.example"),
        "{problem}"
    );
    let problem = house.delete("/v1/domains/a..b").await.problem(422);
    assert!(problem.starts_with("name: \"a..b\": "), "{problem}");
}

#[tokio::test]
async fn a_catch_all_is_set_and_taken_away_and_leads_to_somebody_here() {
    let house = House::furnished().await;
    let path = "/v1/domains/here.example/catch-all";
    let shown = async || house.get("/v1/domains").await.json()[0]["catch_all"].clone();
    let bob = json!({ "target": "BOB@here.example" });
    assert_eq!(house.put(path, &bob).await.status, 204);
    assert_eq!(shown().await, json!("bob@here.example"));
    let far = json!({ "target": "x@far.example" });
    let problem = house.put(path, &far).await.problem(422);
    assert!(problem.starts_with("x@far.example is not in a domain"));
    assert_eq!(shown().await, json!("bob@here.example"));
    let none = json!({ "target": null });
    assert_eq!(house.put(path, &none).await.status, 204);
    assert_eq!(shown().await, json!(null));
    let elsewhere = "/v1/domains/gone.example/catch-all";
    house.put(elsewhere, &none).await.problem(404);
}
