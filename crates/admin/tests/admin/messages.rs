//! `/v1/messages`.

use std::time::Duration;

use cassmail_mail::{AccountId, Address, IdMinter, MessageId, NodeId, ReversePath, UnixTime};
use cassmail_store::{
    AddressEntry, Arrival, EventId, Happened, Reached, Refusal, Remover, Rule, TraceEvent, Traced,
    Way,
};
use serde_json::{Value, json};

use crate::house::{House, Keeper};

const NOW: u64 = 1_700_000_000_000_000;
const HOUR: u64 = 3_600_000_000;

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// A message for sales, which is bob, and what became of it.
struct Story {
    house: House,
    minter: IdMinter,
    message: MessageId,
}

impl Story {
    async fn told() -> Self {
        let house = House::furnished().await;
        let minter = IdMinter::new(NodeId::from_random(3));
        let message = minter.mint(UnixTime::from_micros(NOW - 3 * HOUR));
        let story = Self {
            house,
            minter,
            message,
        };
        let bob = story.account("bob@here.example").await;
        let of = Traced {
            message,
            account: bob,
            user: address("bob@here.example"),
        };
        let removed = Happened::Removed {
            messages: vec![message],
            account: bob,
            user: address("bob@here.example"),
            by: Remover::Owner,
        };
        story.record(3, story.refusal()).await;
        story.record(3, story.arrival(bob)).await;
        story
            .record(2, Happened::Retrieved { of, octets: 1300 })
            .await;
        story.record(1, removed).await;
        story
    }

    async fn account(&self, text: &str) -> AccountId {
        let entry = self.house.store.resolve(address(text)).await.unwrap();
        let Some(AddressEntry::Account { id, .. }) = entry else {
            panic!("an account");
        };
        id
    }

    fn arrival(&self, account: AccountId) -> Happened {
        Happened::Accepted(Box::new(Arrival {
            message: self.message,
            way: Way {
                helo: "client.example".to_owned(),
                with: "ESMTPS".to_owned(),
                tls: Some("TLSv1.3".to_owned()),
            },
            user: None,
            reverse_path: ReversePath::Null,
            size: 1234,
            header_id: Some("m1@far.example".to_owned()),
            recipients: vec![Reached {
                named: Some(address("sales@here.example")),
                accounts: vec![account],
            }],
        }))
    }

    fn refusal(&self) -> Happened {
        Happened::Refused(Box::new(Refusal {
            command: "RCPT".to_owned(),
            message: Some(self.message),
            user: None,
            reverse_path: Some(ReversePath::Null),
            recipients: Vec::new(),
            about: Some("<nobody@here.example>".to_owned()),
            recipient: Some(address("nobody@here.example")),
            reply: "550 5.1.1 no such mailbox".to_owned(),
            rule: Rule::UnknownRecipient,
        }))
    }

    async fn record(&self, hours_ago: u64, what: Happened) {
        let at = UnixTime::from_micros(NOW - hours_ago * HOUR);
        let event = TraceEvent {
            id: EventId(self.minter.mint(at)),
            node: "mx.here.example".to_owned(),
            session: Some(0x2a),
            source: Some("192.0.2.7".parse().unwrap()),
            what,
        };
        let keep = Duration::from_hours(24);
        self.house.store.record([event].into(), keep).await.unwrap();
    }

    async fn search(&self, query: &str) -> Vec<Value> {
        let found = self.house.get(&format!("/v1/messages?{query}")).await;
        assert_eq!(found.status, 200, "{found:?}");
        assert!(found.json().get("next").is_none());
        found.json()["events"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn one_message_is_told_from_its_beginning_with_the_place_where_it_is() {
    let story = Story::told().await;
    let id = story.message;
    let told = story.house.get(&format!("/v1/messages/{id}")).await.json();
    assert_eq!(told["id"], id.to_string());
    let events = told["events"].as_array().unwrap();
    let words: Vec<_> = events.iter().map(|event| &event["event"]).collect();
    assert_eq!(words, ["refused", "accepted", "retrieved", "removed"]);
    let accepted = &events[1];
    assert_eq!(accepted["from"], "");
    assert_eq!(accepted["size"], 1234);
    assert_eq!(accepted["message_id"], "m1@far.example");
    assert_eq!(accepted["tls"], "TLSv1.3");
    assert_eq!(accepted["session"], "0000002a");
    assert_eq!(accepted["source"], "192.0.2.7");
    let recipient = json!({ "address": "sales@here.example", "accounts": ["bob@here.example"] });
    assert_eq!(accepted["recipients"][0], recipient);
    assert_eq!(events[0]["rule"], "unknown-recipient");
    assert_eq!(events[0]["reply"], "550 5.1.1 no such mailbox");
    assert_eq!(events[3]["by"], "owner");
    let place = &told["places"][0];
    assert_eq!(place["address"], "bob@here.example");
    assert_eq!(place["listed"], false);
}

#[tokio::test]
async fn messages_are_found_by_address_header_source_and_time() {
    let story = Story::told().await;
    for (query, count) in [
        ("", 4),
        ("address=bob%40here.example", 3),
        ("address=sales%40here.example", 1),
        ("address=nobody%40here.example", 1),
        ("address=carol%40here.example", 0),
        ("message_id=%3Cm1%40far.example%3E", 1),
        ("source=192.0.2.0%2F24", 4),
        ("source=192.0.2.8", 0),
        ("address=bob%40here.example&source=192.0.2.7", 3),
        ("from=1699992000", 2),
        ("until=1699992000", 2),
        ("address=bob%40here.example&until=1699992000", 1),
    ] {
        assert_eq!(story.search(query).await.len(), count, "{query}");
    }
}

#[tokio::test]
async fn pages_join() {
    let story = Story::told().await;
    let all = story.search("").await;
    let mut joined = Vec::new();
    let mut query = "/v1/messages?limit=1".to_owned();
    for _ in 0..10 {
        let page = story.house.get(&query).await.json();
        joined.extend_from_slice(page["events"].as_array().unwrap());
        let Some(next) = page["next"].as_str() else {
            break;
        };
        query = format!("/v1/messages?limit=1&after={next}");
    }
    assert_eq!(joined, all);
}

#[tokio::test]
async fn what_cannot_be_asked_is_said_in_a_sentence() {
    let house = House::furnished().await;
    for (path, status, expected) in [
        ("/v1/messages?source=192.0.0.0%2F8", 422, "at least 24 bits"),
        ("/v1/messages?address=nobody", 422, "address: "),
        ("/v1/messages?after=x", 422, "after: "),
        ("/v1/messages/short", 422, "a message id has 26"),
        ("/v1/messages?subject=x", 400, "subject"),
        (
            "/v1/messages/00000000000000000000000000",
            404,
            "trace.keep_days",
        ),
    ] {
        let problem = house.get(path).await.problem(status);
        assert!(problem.contains(expected), "{path}: {problem}");
    }
}

#[tokio::test]
async fn where_nothing_is_recorded_that_is_said() {
    let keeper = Keeper {
        has_no_trace: true,
        ..Keeper::default()
    };
    let house = House::kept_by(keeper);
    let problem = house
        .get("/v1/messages?source=192.0.2.7")
        .await
        .problem(409);
    assert!(problem.contains("set trace.keep_days"), "{problem}");
}
