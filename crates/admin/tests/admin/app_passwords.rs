//! `/v1/accounts/{address}/app-passwords`.

use serde_json::{Value, json};

use crate::house::House;

const BOBS: &str = "/v1/accounts/bob%40here.example/app-passwords";

async fn listed(house: &House) -> Vec<Value> {
    house.get(BOBS).await.json().as_array().unwrap().clone()
}

#[tokio::test]
async fn an_application_password_is_made_shown_once_listed_and_removed() {
    let house = House::furnished().await;
    let body = json!({ "name": "Bob's phone", "services": ["pop3", "submission"] });
    let made = house.post(BOBS, &body).await;
    assert_eq!(made.status.as_u16(), 201);
    let made = made.json();
    let password = made["password"].as_str().unwrap();
    assert_eq!(password.split('-').count(), 6, "{password}");
    let body = json!({ "name": "printer/2", "services": ["submission"] });
    house.post(BOBS, &body).await;
    let expected = json!([
        { "name": "Bob's phone", "services": ["pop3", "submission"], "created_at": 1_700_000_000 },
        { "name": "printer/2", "services": ["submission"], "created_at": 1_700_000_000 },
    ]);
    assert_eq!(Value::from(listed(&house).await), expected);
    let shown = house.get(BOBS).await;
    assert!(!shown.text.contains(password));
    let removed = house.delete(&format!("{BOBS}/Bob%27s%20phone")).await;
    assert_eq!(removed.status, 204);
    house.delete(&format!("{BOBS}/printer%2F2")).await;
    assert!(listed(&house).await.is_empty());
}

#[tokio::test]
async fn one_that_cannot_be_is_refused_with_the_reason() {
    let house = House::furnished().await;
    let both = json!(["pop3", "submission"]);
    let phone = json!({ "name": "phone", "services": both });
    assert_eq!(house.post(BOBS, &phone).await.status, 201);
    let long = "x".repeat(65);
    for (status, body, reason) in [
        (
            409,
            phone,
            "bob@here.example has an application password \"phone\" already",
        ),
        (
            422,
            json!({ "name": "", "services": both }),
            "the name of an application password",
        ),
        (
            422,
            json!({ "name": long, "services": both }),
            "the name of an application password",
        ),
        (
            422,
            json!({ "name": "a\nb", "services": both }),
            "the name of an application password",
        ),
        (
            422,
            json!({ "name": "x", "services": [] }),
            "an application password is for pop3",
        ),
        (
            422,
            json!({ "name": "x", "services": ["imap"] }),
            "Failed to deserialize",
        ),
    ] {
        let problem = house.post(BOBS, &body).await.problem(status);
        assert!(problem.starts_with(reason), "{problem}");
    }
    assert_eq!(listed(&house).await.len(), 1);
    let problem = house.delete(&format!("{BOBS}/tablet")).await.problem(404);
    assert!(
        problem.contains("no application password \"tablet\""),
        "{problem}"
    );
    let nobody = "/v1/accounts/nobody%40here.example/app-passwords";
    house.get(nobody).await.problem(404);
    house.delete(&format!("{nobody}/phone")).await.problem(404);
}

#[tokio::test]
async fn an_account_has_fifty_at_most() {
    let house = House::furnished().await;
    for number in 0..50 {
        let body = json!({ "name": format!("n{number}"), "services": ["pop3"] });
        assert_eq!(house.post(BOBS, &body).await.status, 201);
    }
    let body = json!({ "name": "one more", "services": ["pop3"] });
    let problem = house.post(BOBS, &body).await.problem(409);
    assert!(problem.contains("50 application passwords"), "{problem}");
}

#[tokio::test]
async fn a_new_password_of_the_account_leaves_them() {
    let house = House::furnished().await;
    let body = json!({ "name": "phone", "services": ["pop3"] });
    house.post(BOBS, &body).await;
    let path = "/v1/accounts/bob%40here.example/password";
    let new = json!({ "password": "another" });
    assert_eq!(house.put(path, &new).await.status, 204);
    assert_eq!(listed(&house).await.len(), 1);
}
