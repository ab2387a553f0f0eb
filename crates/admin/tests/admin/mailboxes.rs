//! `/v1/mailboxes`.

use cassmail_mail::{Delivery, IdMinter, MessageId, NodeId, Owner, ReversePath, UnixTime};
use cassmail_store::{At, ErrorKind, Fault, Patience, Verb};
use serde_json::json;

use crate::house::House;

const BOB: &str = "/v1/mailboxes/bob%40here.example";

/// Delivers a message to bob that came so many seconds after the others.
pub(crate) async fn deliver(house: &House, second: u64, body: &str) -> MessageId {
    let bob = "bob@here.example".parse().unwrap();
    let entry = house.store.resolve(bob).await.unwrap().unwrap();
    let cassmail_store::AddressEntry::Account { id: account, .. } = entry else {
        panic!("an account");
    };
    let at = UnixTime::from_micros((1_700_000_000 + second) * 1_000_000);
    let id = IdMinter::new(NodeId::from_random(second)).mint(at);
    let mut writer = house.store.begin(id).await.unwrap();
    writer.write(body.to_owned().into()).await.unwrap();
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
    id
}

#[tokio::test]
async fn a_mailbox_is_summed_up() {
    let house = House::furnished().await;
    let empty = json!({ "address": "bob@here.example", "messages": 0, "octets": 0 });
    assert_eq!(house.get(BOB).await.json(), empty);
    for second in [7, 3, 5] {
        deliver(&house, second, "ten octets").await;
    }
    let quota = "/v1/accounts/bob%40here.example/quota";
    house.put(quota, &json!({ "octets": "100" })).await;
    assert_eq!(
        house.get(BOB).await.json(),
        json!({
            "address": "bob@here.example", "messages": 3, "octets": 30,
            "oldest": 1_700_000_003, "newest": 1_700_000_007,
            "quota": {
                "limits": { "octets": 100 }, "used": { "messages": 3, "octets": 30 },
                "fullness": "ample",
            },
        })
    );
}

#[tokio::test]
async fn messages_are_listed_in_pages_that_join() {
    let house = House::furnished().await;
    let mut ids = Vec::new();
    for second in 0..5 {
        ids.push(deliver(&house, second, "ten octets").await.to_string());
    }
    let mut seen = Vec::new();
    let mut path = format!("{BOB}/messages?limit=2");
    loop {
        let page = house.get(&path).await.json();
        let page = page.as_array().unwrap().clone();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 2);
        path = format!(
            "{BOB}/messages?limit=2&after={}",
            last["id"].as_str().unwrap()
        );
        seen.extend(page);
    }
    let listed: Vec<_> = seen
        .iter()
        .map(|line| line["id"].as_str().unwrap())
        .collect();
    assert_eq!(listed, ids);
    assert_eq!(
        seen[1],
        json!({ "id": ids[1], "uidl": ids[1], "octets": 10, "came_at": 1_700_000_001 })
    );
}

#[tokio::test]
async fn a_message_is_shown_as_its_owner_gets_it() {
    let house = House::furnished().await;
    let text = "Subject: a\u{fc}\r\nX: <script>\r\n\r\nbody\r\n";
    let id = deliver(&house, 1, text).await;
    let headers = house
        .get(&format!("{BOB}/messages/{id}/headers"))
        .await
        .json();
    let header = "Subject: a\u{fc}\r\nX: <script>\r\n";
    assert_eq!(headers, json!({ "header": header, "is_cut": false }));
    let raw = house.get(&format!("{BOB}/messages/{id}/raw")).await;
    assert_eq!(raw.status, 200);
    assert_eq!(raw.kind, "message/rfc822");
    assert_eq!(raw.text, text);
}

#[tokio::test]
async fn a_header_without_end_is_cut() {
    let house = House::furnished().await;
    let id = deliver(&house, 1, &"X: y\r\n".repeat(100_000)).await;
    let headers = house
        .get(&format!("{BOB}/messages/{id}/headers"))
        .await
        .json();
    assert_eq!(headers["is_cut"], true);
    assert_eq!(headers["header"].as_str().unwrap().len(), 256 * 1024);
}

#[tokio::test]
async fn messages_are_removed_and_make_room() {
    let house = House::furnished().await;
    let quota = "/v1/accounts/bob%40here.example/quota";
    house.put(quota, &json!({ "messages": "4" })).await;
    let mut ids = Vec::new();
    for second in 0..4 {
        ids.push(deliver(&house, second, "ten octets").await.to_string());
    }
    let path = format!("{BOB}/messages/{}", ids[0]);
    assert_eq!(house.delete(&path).await.status, 204);
    house.delete(&path).await.problem(404);
    let remove = format!("{BOB}/remove");
    // One that is gone: nothing is removed.
    let body = json!({ "ids": [ids[1], ids[0]] });
    let reason = house.post(&remove, &body).await.problem(404);
    assert!(reason.contains(&ids[0]), "{reason}");
    let removed = house
        .post(&remove, &json!({ "ids": [ids[1], ids[2]] }))
        .await;
    assert_eq!(removed.json(), json!({ "removed": 2 }));
    let accounts = house.get("/v1/accounts?domain=here.example").await.json();
    assert_eq!(accounts[0]["used"], json!({ "messages": 1, "octets": 10 }));
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let house = House::furnished().await;
    let id = deliver(&house, 1, "ten octets").await;
    let nobody = "/v1/mailboxes/nobody%40here.example";
    for rest in ["", "/messages"] {
        house.get(&format!("{nobody}{rest}")).await.problem(404);
    }
    let carol = "/v1/mailboxes/carol%40here.example";
    for end in ["headers", "raw"] {
        let path = format!("{carol}/messages/{id}/{end}");
        house.get(&path).await.problem(404);
        let path = format!("{BOB}/messages/what/{end}");
        let reason = house.get(&path).await.problem(422);
        assert!(reason.starts_with("id: \"what\": "), "{reason}");
    }
    house
        .delete(&format!("{carol}/messages/{id}"))
        .await
        .problem(404);
    assert_eq!(house.get(BOB).await.json()["messages"], 1);
}

#[tokio::test]
async fn a_removal_that_fails_is_told_and_nothing_is_claimed() {
    let house = House::furnished().await;
    let id = deliver(&house, 1, "ten octets").await;
    house.script.restart();
    let fault = Fault::Before(ErrorKind::Indeterminate);
    house.script.fail(At::Every(Verb::Remove), fault);
    house
        .delete(&format!("{BOB}/messages/{id}"))
        .await
        .problem(503);
    house.script.restart();
    assert_eq!(
        house.delete(&format!("{BOB}/messages/{id}")).await.status,
        204
    );
}
