//! Who somebody is.

use std::time::Duration;

use cassmail_mail::Secret;
use cassmail_office::{LoginFailure, NewPassword};
use cassmail_store::Service;
use cassmail_telemetry::Label as _;
use cassmail_wire::Source;
use cassmail_wire::sasl::Claim;

use crate::house::{House, PASSWORD, address};

async fn reason(house: &House, user: &str, password: &str) -> &'static str {
    reason_from(house, 7, user, password).await
}

async fn check(
    house: &House,
    user: &str,
    password: &str,
    source: Source,
) -> Result<(), LoginFailure> {
    let claim = Claim::of_password(user, password);
    let checked = house.logins.check(claim, Service::Pop3, source).await;
    checked.map(drop)
}

/// What somebody is told who connects from `192.0.2.last`.
async fn reason_from(house: &House, last: u8, user: &str, password: &str) -> &'static str {
    let source = Source::of([192, 0, 2, last].into());
    match check(house, user, password, source).await {
        Ok(()) => "in",
        Err(LoginFailure::Wrong(reason)) => reason,
        Err(LoginFailure::TooMany(limit)) => limit.text(),
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

/// RFC 6856 2.2: names are prepared (RFC 4013), here from letters of full width and a soft hyphen.
#[tokio::test]
async fn a_name_is_the_same_from_every_keyboard() {
    let house = House::build().await;
    for user in ["\u{ff42}\u{ff4f}\u{ff42}", "bo\u{ad}b@here.example"] {
        assert_eq!(reason(&house, user, PASSWORD).await, "in", "{user}");
    }
}

#[tokio::test]
async fn a_refusal_takes_the_same_time_for_every_reason() {
    for (user, password, why) in [
        ("bob", "open Sesame", "wrong password"),
        ("nobody", PASSWORD, "no such account"),
        ("not an address", PASSWORD, "no such account"),
        ("dave", PASSWORD, "account is disabled"),
        ("dave", "wrong", "wrong password"),
    ] {
        let house = House::build().await;
        assert_eq!(reason(&house, user, password).await, why);
        assert_eq!(reason(&house, user, password).await, why);
        assert_eq!(reason(&house, user, &[password, "x"].concat()).await, {
            if why == "account is disabled" {
                "wrong password"
            } else {
                why
            }
        });
        // The same one again is no new guess; another one is, and waits longer.
        let slept = house.clock.slept.lock().unwrap().clone();
        let second = Duration::from_secs(1);
        assert_eq!(slept[..2], [second; 2], "{user}");
        let later = second + Duration::from_secs(9).mul_f64(1.0 / 99.0);
        assert_eq!(slept[2..], [later], "{user}");
    }
}

#[tokio::test]
async fn who_guesses_is_refused_unseen_and_the_owner_logs_in_all_the_same() {
    let house = House::build().await;
    assert_eq!(reason_from(&house, 1, "bob", PASSWORD).await, "in");
    for number in 0..100 {
        let guess = number.to_string();
        assert_eq!(
            reason_from(&house, 2, "bob", &guess).await,
            "wrong password"
        );
    }
    let refused = reason_from(&house, 2, "carol", PASSWORD).await;
    assert_eq!(refused, "guesses_per_source");
    let refused = reason_from(&house, 3, "bob", PASSWORD).await;
    assert_eq!(refused, "guesses_per_account");
    assert_eq!(reason_from(&house, 1, "bob", PASSWORD).await, "in");
    assert_eq!(reason_from(&house, 3, "carol", PASSWORD).await, "in");
    house.turn(Duration::from_mins(2));
    assert_eq!(reason_from(&house, 3, "bob", PASSWORD).await, "in");
}

#[tokio::test]
async fn both_protocols_tell_a_source_over_its_limit_to_try_later() {
    let house = House::build().await;
    for number in 0..100 {
        reason(&house, "bob", &number.to_string()).await;
    }
    let told = house
        .pop3(b"USER bob\r\nPASS open sesame\r\nQUIT\r\n")
        .await;
    assert!(told.contains("-ERR [SYS/TEMP] too many logins"), "{told}");
    let told = house
        .submission(b"EHLO c\r\nAUTH PLAIN AGJvYgBvcGVuIHNlc2FtZQ==\r\nQUIT\r\n")
        .await;
    assert!(told.contains("454 4.7.0 too many logins"), "{told}");
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
