//! `.../quota`.

use serde_json::json;

use crate::house::House;
use crate::mailboxes::deliver;

const BOB: &str = "/v1/accounts/bob%40here.example/quota";
const DOMAIN: &str = "/v1/domains/here.example/quota";

#[tokio::test]
async fn a_quota_is_set_shown_and_left_to_the_one_above_again() {
    let house = House::furnished().await;
    let change = json!({ "messages": "10", "octets": "1000" });
    assert_eq!(house.put(DOMAIN, &change).await.status, 204);
    assert_eq!(
        house.put(BOB, &json!({ "octets": "none" })).await.status,
        204
    );
    let of_domain = house.get(DOMAIN).await.json();
    let rule = json!({ "messages": 10, "octets": 1000 });
    assert_eq!(of_domain, json!({ "own": rule, "limits": rule }));
    assert_eq!(
        house.get(BOB).await.json(),
        json!({
            "own": { "octets": 0 }, "domain": rule, "limits": { "messages": 10 },
            "used": { "messages": 0, "octets": 0 }, "fullness": "ample",
        })
    );
    let domains = house.get("/v1/domains").await.json();
    assert_eq!(domains[0]["quota"], rule);
    let change = json!({ "messages": "default", "octets": "default" });
    assert_eq!(house.put(BOB, &change).await.status, 204);
    assert_eq!(house.put(DOMAIN, &change).await.status, 204);
    let shown = house.get(BOB).await.json();
    assert!(shown.get("own").is_none() && shown.get("domain").is_none());
    assert_eq!(shown["limits"], json!({}));
    let domains = house.get("/v1/domains").await.json();
    assert!(domains[0].get("quota").is_none());
}

#[tokio::test]
async fn accounts_are_listed_with_what_they_use_of_their_limits() {
    let house = House::furnished().await;
    house.put(BOB, &json!({ "messages": "2" })).await;
    for n in 0..2 {
        deliver(&house, n, "ten octets").await;
    }
    // Shown at once, since the figure is counted.
    let shown = house.get(BOB).await.json();
    assert_eq!(shown["used"], json!({ "messages": 2, "octets": 20 }));
    assert_eq!(shown["fullness"], "full");
    let accounts = house.get("/v1/accounts?domain=here.example").await.json();
    assert_eq!(accounts[0]["used"], json!({ "messages": 2, "octets": 20 }));
    assert_eq!(accounts[0]["limits"], json!({ "messages": 2 }));
    assert_eq!(accounts[0]["fullness"], "full");
    // Of who has no limit nothing is counted.
    for key in ["used", "limits", "fullness", "quota"] {
        assert!(accounts[1].get(key).is_none(), "{key}");
    }
}

#[tokio::test]
async fn a_quota_that_is_none_is_refused_with_the_reason() {
    let house = House::furnished().await;
    for (change, reason) in [
        (
            json!({ "messages": "0" }),
            "messages: expected a number over 0, none or default, got \"0\"",
        ),
        (
            json!({ "octets": "-1" }),
            "octets: expected a number over 0, none or default, got \"-1\"",
        ),
    ] {
        for path in [BOB, DOMAIN] {
            assert_eq!(house.put(path, &change).await.problem(422), reason);
        }
    }
    let change = json!({ "messages": "1" });
    for path in [
        "/v1/accounts/nobody%40here.example/quota",
        "/v1/domains/no.example/quota",
    ] {
        house.put(path, &change).await.problem(404);
        house.get(path).await.problem(404);
    }
    assert_eq!(house.put(BOB, &json!({ "days": "1" })).await.status, 422);
}
