//! Who somebody is.

use std::time::Duration;

use cassmail_mail::Secret;
use cassmail_office::{LoginFailure, NewPassword};
use cassmail_wire::sasl::Claim;

use crate::house::{House, PASSWORD, address};

fn claim(user: &str, password: &str) -> Claim {
    Claim {
        user: user.to_owned(),
        password: Secret::new(password.to_owned()),
    }
}

async fn reason(house: &House, user: &str, password: &str) -> &'static str {
    match house.logins.check(claim(user, password)).await {
        Ok(_) => "in",
        Err(LoginFailure::Wrong(reason)) => reason,
        Err(_) => "fault",
    }
}

#[tokio::test]
async fn users_log_in_with_and_without_their_domain() {
    let house = House::build().await;
    for user in ["bob", "bob@here.example", "BOB@HERE.example", "Bob"] {
        assert_eq!(reason(&house, user, PASSWORD).await, "in", "{user}");
    }
}

#[tokio::test]
async fn a_refusal_takes_the_same_time_for_every_reason() {
    let house = House::build().await;
    assert_eq!(reason(&house, "bob", "open Sesame").await, "wrong password");
    assert_eq!(reason(&house, "nobody", PASSWORD).await, "no such account");
    assert_eq!(
        reason(&house, "not an address", PASSWORD).await,
        "no such account"
    );
    assert_eq!(
        reason(&house, "dave", PASSWORD).await,
        "account is disabled"
    );
    assert_eq!(reason(&house, "dave", "wrong").await, "wrong password");
    assert_eq!(
        *house.clock.slept.lock().unwrap(),
        [Duration::from_secs(1); 5]
    );
}

#[tokio::test]
async fn a_changed_password_counts_at_once_although_the_old_one_was_remembered() {
    let house = House::build().await;
    assert_eq!(reason(&house, "bob", PASSWORD).await, "in");
    let new = NewPassword::Clear(Secret::new("another".to_owned()));
    house
        .administration
        .set_password(&address("bob@here.example"), new)
        .await
        .unwrap();
    assert_eq!(reason(&house, "bob", PASSWORD).await, "wrong password");
    assert_eq!(reason(&house, "bob", "another").await, "in");
}

#[tokio::test]
async fn a_full_memory_of_logins_refuses_nobody() {
    let house = House::build().await;
    for person in ["erin", "frank", "grace"] {
        house.settle(&format!("{person}@here.example")).await;
    }
    for _ in 0..3 {
        for user in ["bob", "carol", "erin", "frank", "grace"] {
            assert_eq!(reason(&house, user, PASSWORD).await, "in");
        }
    }
}

#[tokio::test]
async fn an_address_that_is_created_again_has_its_own_password() {
    let house = House::build().await;
    let bob = address("bob@here.example");
    assert_eq!(reason(&house, "bob", PASSWORD).await, "in");
    house.administration.remove_account(&bob).await.unwrap();
    assert_eq!(reason(&house, "bob", PASSWORD).await, "no such account");
    let new = NewPassword::Clear(Secret::new("another".to_owned()));
    house.administration.add_account(&bob, new).await.unwrap();
    assert_eq!(reason(&house, "bob", PASSWORD).await, "wrong password");
}

#[tokio::test]
async fn passwords_that_no_client_could_send_are_refused() {
    let house = House::build().await;
    for bad in ["", "a\0b", "a\r\nb", &"x".repeat(1025)] {
        let password = NewPassword::Clear(Secret::new(bad.to_owned()));
        let made = house
            .administration
            .add_account(&address("new@here.example"), password)
            .await;
        assert!(made.is_err(), "{bad:?}");
    }
}
