//! `/v1/store`, `/v1/nodes`, `/v1/certificates`, `/v1/limits`, `/v1/sessions`.

use cassmail_store::{Health, Service};
use cassmail_wire::Source;
use cassmail_wire::sasl::Claim;
use serde_json::{Value, json};

use crate::house::House;

#[tokio::test]
async fn the_store_is_shown_as_it_is() {
    let house = House::empty();
    let shown = house.get("/v1/store").await.json();
    let well = json!({"kind": "memory", "health": "well", "detail": null, "drained": false});
    assert_eq!(shown, well);
    let away = "dc2 is away".to_owned();
    house.script.set_health(Some(Health::Degraded(away)));
    let shown = house.get("/v1/store").await.json();
    assert_eq!(shown["health"], "degraded");
    assert_eq!(shown["detail"], "dc2 is away");
    assert_eq!(house.get("/v1/store/scrub").await.json(), Value::Null);
}

#[tokio::test]
async fn a_drained_node_is_not_ready_until_it_is_filled_again() {
    let house = House::empty();
    for (drained, ready) in [(true, 503), (true, 503), (false, 200)] {
        let body = json!({ "drained": drained });
        assert_eq!(house.put("/v1/nodes/this/drain", &body).await.status, 204);
        assert_eq!(house.get("/readyz").await.status, ready);
        assert_eq!(house.get("/healthz").await.status, 200);
        assert_eq!(house.get("/v1/store").await.json()["drained"], drained);
    }
    let nodes = house.get("/v1/nodes").await.json();
    assert_eq!(nodes[0]["state"], "alive");
}

#[tokio::test]
async fn traffic_is_shown_minute_by_minute() {
    let house = House::empty();
    assert_eq!(
        house.get("/v1/traffic").await.json(),
        json!({"minutes": []})
    );
    house.traffic.take(&house.metrics);
    house.metrics.pop3_retrieved(2);
    house.traffic.take(&house.metrics);
    let minute = json!({"accepted": 0, "refused": 0, "retrieved": 2});
    let shown = house.get("/v1/traffic").await.json();
    assert_eq!(shown, json!({ "minutes": [minute] }));
}

#[tokio::test]
async fn certificates_are_listed_and_loaded_anew() {
    let house = House::empty();
    let listed = house.get("/v1/certificates").await.json();
    assert_eq!(listed[0]["names"], json!(["mx.example"]));
    let reloaded = house.post("/v1/certificates/reload", &Value::Null).await;
    assert_eq!(reloaded.json()["changed"], json!(["log.level"]));
    *house.service.is_wrong.lock().unwrap() = true;
    let refused = house.post("/v1/certificates/reload", &Value::Null).await;
    assert!(refused.problem(409).contains("cassmail.toml:3"));
    assert_eq!(*house.service.reloads.lock().unwrap(), 2);
}

async fn guess(house: &House, count: u8) {
    for number in 0..count {
        let claim = Claim::of_password("bob@here.example", format!("guess {number}").as_str());
        let source = Source::of([192, 0, 2, 9].into());
        house
            .users
            .check(claim, Service::Pop3, source)
            .await
            .unwrap_err();
    }
}

#[tokio::test]
async fn who_guesses_is_listed_and_forgiven() {
    let house = House::furnished().await;
    assert_eq!(house.get("/v1/limits").await.json(), json!([]));
    guess(&house, 5).await;
    let line = |kind, name| {
        json!({
            "kind": kind, "name": name, "at": "mail", "used": 5, "most": 100, "blocked": false
        })
    };
    let listed = house.get("/v1/limits").await.json();
    let both = json!([
        line("source", "192.0.2.9"),
        line("account", "bob@here.example")
    ]);
    assert_eq!(listed, both);
    let page = house.get("/v1/limits?limit=1&after=192.0.2.9").await.json();
    assert_eq!(page[0]["kind"], "account");
    for path in ["sources/192.0.2.9", "accounts/bob%40here.example"] {
        let path = format!("/v1/limits/{path}");
        assert_eq!(house.delete(&path).await.status, 204, "{path}");
        house.delete(&path).await.problem(404);
    }
    assert_eq!(house.get("/v1/limits").await.json(), json!([]));
    house
        .delete("/v1/limits/sources/nonsense")
        .await
        .problem(422);
}

#[tokio::test]
async fn guesses_at_administrators_are_listed_beside_them() {
    let house = House::furnished().await;
    let body = json!({"name": "alice", "password": "correct horse battery"});
    assert_eq!(house.post("/v1/administrators", &body).await.status, 201);
    let wrong = [("authorization", "Basic YWxpY2U6d3Jvbmc=")];
    house
        .remote("GET", "/v1/self", &wrong, "")
        .await
        .problem(401);
    let listed = house.get("/v1/limits").await.json();
    assert_eq!(listed[1]["kind"], "administrator");
    assert_eq!(listed[1]["name"], "alice");
    assert_eq!(listed[1]["at"], "administration");
    let right = [(
        "authorization",
        "Basic YWxpY2U6Y29ycmVjdCBob3JzZSBiYXR0ZXJ5",
    )];
    let answer = house.remote("GET", "/v1/self", &right, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let other = [("authorization", "Basic YWxpY2U6YW5vdGhlciBndWVzcw==")];
    house
        .remote("GET", "/v1/self", &other, "")
        .await
        .problem(401);
    let listed = house.get("/v1/limits").await.json();
    let mut lines = listed.as_array().unwrap().iter();
    let friend = lines.find(|one| one["kind"] == "friend");
    let friend = friend.expect("who has logged in before has an allowance of his own");
    assert_eq!(friend["name"], "192.0.2.7");
    assert_eq!(friend["of"], "alice");
    assert_eq!(
        house.delete("/v1/limits/administrators/alice").await.status,
        204
    );
    house
        .delete("/v1/limits/administrators/alice")
        .await
        .problem(404);
}

#[tokio::test]
async fn nobody_is_here_before_somebody_comes() {
    let house = House::furnished().await;
    assert_eq!(house.get("/v1/sessions").await.json(), json!([]));
}
