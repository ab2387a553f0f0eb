//! `/v1/accounts`.

use cassmail_store::AddressEntry;
use serde_json::{Value, json};

use crate::house::House;

const BOB: &str = "/v1/accounts/bob%40here.example";

/// A hash of another system.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA";

async fn listed(house: &House, query: &str) -> Vec<String> {
    let listed = house.get(&format!("/v1/accounts?{query}")).await.json();
    let line = |line: &Value| {
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        format!("{} {}", text("address"), text("state"))
    };
    listed.as_array().unwrap().iter().map(line).collect()
}

/// The stored hash of an account's password.
async fn stored_hash(house: &House, address: &str) -> String {
    let entry = house.store.resolve(address.parse().unwrap()).await.unwrap();
    let Some(AddressEntry::Account { id, .. }) = entry else {
        panic!("{address} is no account: {entry:?}");
    };
    let account = house.store.account(id).await.unwrap().unwrap();
    account.1.password_hash
}

#[tokio::test]
async fn an_account_is_added_listed_and_removed() {
    let house = House::furnished().await;
    let body = json!({ "address": "Dave@HERE.example", "password": "open sesame" });
    let made = house.post("/v1/accounts", &body).await;
    assert_eq!((made.status.as_u16(), made.text.as_str()), (201, ""));
    let all = [
        "bob@here.example enabled",
        "carol@here.example enabled",
        "dave@here.example enabled",
    ];
    assert_eq!(listed(&house, "domain=here.example").await, all);
    assert_eq!(house.delete(BOB).await.status, 204);
    assert_eq!(listed(&house, "domain=here.example").await, all[1..]);
    let problem = house.delete(BOB).await.problem(404);
    assert!(problem.starts_with("there is no account bob@here.example"));
}

#[tokio::test]
async fn a_listing_comes_in_pages() {
    let house = House::furnished().await;
    house.account("\"a b\"@here.example").await;
    let first = listed(&house, "domain=HERE.example&limit=1").await;
    assert_eq!(first, ["\"a b\"@here.example enabled"]);
    let second = listed(&house, "domain=here.example&limit=1&after=%22a%20b%22").await;
    assert_eq!(second, ["bob@here.example enabled"]);
    let rest = listed(&house, "domain=here.example&after=bob").await;
    assert_eq!(rest, ["carol@here.example enabled"]);
    assert!(
        listed(&house, "domain=here.example&after=carol")
            .await
            .is_empty()
    );
    assert_eq!(listed(&house, "domain=here.example&limit=0").await.len(), 1);
}

#[tokio::test]
async fn an_account_that_cannot_be_is_refused_with_the_reason() {
    let house = House::furnished().await;
    let long = "x".repeat(1025);
    for (status, body, reason) in [
        (
            409,
            json!({ "address": "BOB@here.example", "password": "x" }),
            "bob@here.example is an account or an alias already",
        ),
        (
            404,
            json!({ "address": "x@far.example", "password": "x" }),
            "domain far.example is not served here",
        ),
        (
            422,
            json!({ "address": "no address", "password": "x" }),
            "address: \"no address\": ",
        ),
        (
            422,
            json!({ "address": "x@here.example" }),
            "password: expected either a password or a password_hash",
        ),
        (
            422,
            json!({ "address": "x@here.example", "password": "x", "password_hash": HASH }),
            "password: expected either a password or a password_hash",
        ),
        (
            422,
            json!({ "address": "x@here.example", "password": "" }),
            "a password has 1 to 1024 bytes",
        ),
        (
            422,
            json!({ "address": "x@here.example", "password": long }),
            "a password has 1 to 1024 bytes",
        ),
        (
            422,
            json!({ "address": "x@here.example", "password": "a\nb" }),
            "a password has 1 to 1024 bytes",
        ),
        (
            422,
            json!({ "address": "x@here.example", "password_hash": "$1$old$hash" }),
            "expected a password, or an argon2id hash",
        ),
    ] {
        let problem = house.post("/v1/accounts", &body).await.problem(status);
        assert!(problem.starts_with(reason), "{problem}");
        assert!(!problem.contains(&long), "passwords are not repeated");
    }
    assert_eq!(listed(&house, "domain=here.example").await.len(), 2);
}

#[tokio::test]
async fn a_password_and_a_hash_replace_the_one_before() {
    let house = House::furnished().await;
    let before = stored_hash(&house, "bob@here.example").await;
    let path = format!("{BOB}/password");
    let new = json!({ "password": "another" });
    assert_eq!(house.put(&path, &new).await.status, 204);
    let after = stored_hash(&house, "bob@here.example").await;
    assert_ne!(after, before);
    let hash = json!({ "password_hash": HASH });
    assert_eq!(house.put(&path, &hash).await.status, 204);
    assert_eq!(stored_hash(&house, "bob@here.example").await, HASH);
    house.put(&path, &json!({})).await.problem(422);
    let nobody = "/v1/accounts/nobody%40here.example/password";
    house.put(nobody, &new).await.problem(404);
    house
        .put("/v1/accounts/bob/password", &new)
        .await
        .problem(422);
    assert_eq!(stored_hash(&house, "bob@here.example").await, HASH);
}

#[tokio::test]
async fn an_account_is_taken_out_of_service_and_put_back() {
    let house = House::furnished().await;
    let path = format!("{BOB}/state");
    for state in ["disabled", "disabled", "enabled"] {
        let set = house.put(&path, &json!({ "state": state })).await;
        assert_eq!(set.status, 204);
        let first = listed(&house, "domain=here.example").await.remove(0);
        assert_eq!(first, format!("bob@here.example {state}"));
    }
    let problem = house.put(&path, &json!({ "state": "asleep" })).await;
    let problem = problem.problem(422);
    assert!(
        problem.contains("asleep") && problem.contains("enabled"),
        "{problem}"
    );
    let nobody = "/v1/accounts/nobody%40here.example/state";
    let problem = house.put(nobody, &json!({ "state": "enabled" })).await;
    problem.problem(404);
}

#[tokio::test]
async fn an_import_tells_the_outcome_of_each_account_and_the_first_of_two_wins() {
    let house = House::furnished().await;
    let account = |address: &str, key: &str, value: &str| json!({ "address": address, key: value });
    let body = json!([
        account("dave@here.example", "password_hash", HASH),
        account("DAVE@here.example", "password", "too late"),
        account("bob@here.example", "password", "taken"),
        account("x@far.example", "password", "x"),
        account("erin@here.example", "password", ""),
        account("frank@here.example", "password", "x"),
        account("no address", "password", "x"),
    ]);
    let done = house.post("/v1/accounts/import", &body).await;
    assert_eq!(done.status, 200);
    let problems: Vec<_> = done.json().as_array().unwrap().clone();
    let problem = |index: usize| problems[index]["problem"].as_str();
    assert_eq!(problems.len(), 7);
    assert_eq!(problem(0), None);
    assert!(problem(1).unwrap().starts_with("the address came earlier"));
    assert!(problem(2).unwrap().contains("already"));
    assert!(problem(3).unwrap().contains("not served here"));
    assert!(problem(4).unwrap().contains("1 to 1024 bytes"));
    assert_eq!(problem(5), None);
    assert!(problem(6).unwrap().starts_with("address: "));
    assert_eq!(stored_hash(&house, "dave@here.example").await, HASH);
    assert_eq!(listed(&house, "domain=here.example").await.len(), 4);
}

#[tokio::test]
async fn a_thousand_accounts_with_the_longest_passwords_fit_into_one_import() {
    let house = House::furnished().await;
    // Each octet of the password takes six as JSON.
    let account =
        |n| json!({ "address": format!("u{n}@far.example"), "password": "\u{1}".repeat(1024) });
    let accounts: Vec<Value> = (0..1000).map(account).collect();
    let done = house.post("/v1/accounts/import", &json!(accounts)).await;
    assert_eq!(done.status, 200);
    assert_eq!(done.json().as_array().unwrap().len(), 1000);
}
