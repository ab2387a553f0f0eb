//! `.../retention`.

use cassmail_mail::{Delivery, IdMinter, NodeId, Owner, ReversePath, UnixTime};
use cassmail_store::Patience;
use serde_json::json;

use crate::house::House;

const DAY: u64 = 24 * 60 * 60 * 1_000_000;

/// Delivers a message to bob that is so many days old by the clock of the house.
async fn deliver(house: &House, minter: &IdMinter, days: u64) {
    let bob = "bob@here.example".parse().unwrap();
    let entry = house.store.resolve(bob).await.unwrap().unwrap();
    let cassmail_store::AddressEntry::Account { id: account, .. } = entry else {
        panic!("an account");
    };
    let at = UnixTime::from_micros(1_700_000_000_000_000 - days * DAY);
    let id = minter.mint(at);
    let mut writer = house.store.begin(id).await.unwrap();
    writer.write("ten octets".into()).await.unwrap();
    let owner = Owner {
        account,
        recipient: None,
        uidl: None,
    };
    let delivery = Delivery {
        reverse_path: ReversePath::Null,
        received_at: at,
        surrogate_size: None,
        owners: vec![owner],
    };
    let patience = Patience(std::time::Duration::from_secs(1));
    let _ = writer.commit(delivery, patience).await.unwrap();
}

#[tokio::test]
async fn a_rule_is_set_shown_and_left_to_the_one_above_again() {
    let house = House::furnished().await;
    for path in [
        "/v1/domains/here.example",
        "/v1/accounts/bob%40here.example",
    ] {
        let path = format!("{path}/retention");
        let change = json!({ "days": "30", "messages": "none" });
        assert_eq!(house.put(&path, &change).await.status, 204);
        // What is left out stays.
        let change = json!({ "octets": "1000" });
        assert_eq!(house.put(&path, &change).await.status, 204);
    }
    let rule = json!({ "days": 30, "messages": 0, "octets": 1000 });
    let domains = house.get("/v1/domains").await.json();
    assert_eq!(domains[0]["retention"], rule);
    let accounts = house.get("/v1/accounts?domain=here.example").await.json();
    assert_eq!(accounts[0]["retention"], rule);
    assert!(accounts[1].get("retention").is_none());
    let change = json!({ "days": "default", "messages": "default", "octets": "default" });
    let path = "/v1/accounts/bob%40here.example/retention";
    assert_eq!(house.put(path, &change).await.status, 204);
    let accounts = house.get("/v1/accounts?domain=here.example").await.json();
    assert!(accounts[0].get("retention").is_none());
}

#[tokio::test]
async fn a_rule_that_is_none_is_refused_with_the_reason() {
    let house = House::furnished().await;
    let path = "/v1/domains/here.example/retention";
    for (change, reason) in [
        (
            json!({ "days": "6" }),
            "days: expected at least retention.shortest_days, 7, got 6",
        ),
        (
            json!({ "messages": "0" }),
            "messages: expected a number over 0, none or default, got \"0\"",
        ),
        (
            json!({ "octets": "many" }),
            "octets: expected a number over 0, none or default, got \"many\"",
        ),
    ] {
        assert_eq!(house.put(path, &change).await.problem(422), reason);
    }
    let change = json!({ "days": "30" });
    let nobody = "/v1/accounts/nobody%40here.example/retention";
    house.put(nobody, &change).await.problem(404);
    let nowhere = "/v1/domains/no.example/retention";
    house.put(nowhere, &change).await.problem(404);
}

#[tokio::test]
async fn what_is_due_is_told_and_nothing_is_removed() {
    let house = House::furnished().await;
    let minter = IdMinter::new(NodeId::from_random(1));
    for days in [50, 40, 8, 1] {
        deliver(&house, &minter, days).await;
    }
    let path = "/v1/domains/here.example/retention";
    house.put(path, &json!({ "days": "40" })).await;
    let path = "/v1/accounts/bob%40here.example/retention";
    house.put(path, &json!({ "messages": "1" })).await;
    let due = |of_bob: u64| {
        json!([
            { "address": "bob@here.example", "messages": 4, "due": of_bob, "days": 40,
              "most_messages": 1 },
            { "address": "carol@here.example", "messages": 0, "due": 0, "days": 40 },
        ])
    };
    for _ in 0..2 {
        let told = house.get("/v1/retention?domain=here.example").await.json();
        assert_eq!(told, due(3));
    }
}
