//! Who could be taken for somebody else.

use cassmail_mail::Secret;
use cassmail_office::{NewPassword, Resolution};

use crate::house::{House, PASSWORD, address};

/// What the POP3 port says to a name and a password, if it is not no.
async fn logged_in(house: &House, user: &str, password: &str) -> Option<String> {
    let lines = format!("USER {user}\r\nPASS {password}\r\nQUIT\r\n");
    let answers = house.pop3(lines.as_bytes()).await;
    let mut lines = answers.lines();
    lines
        .find(|line| line.starts_with("+OK maildrop has "))
        .map(str::to_owned)
}

/// A memory of logins that asks only for the password finds whoever came first.
#[tokio::test]
async fn two_people_with_one_password_are_two() {
    let house = House::build().await;
    house.deliver(&["carol@here.example"], "text\r\n").await;
    for _ in 0..2 {
        let bob = logged_in(&house, "bob@here.example", PASSWORD)
            .await
            .unwrap();
        assert!(bob.starts_with("+OK maildrop has 0 messages"), "{bob}");
        let carol = logged_in(&house, "carol@here.example", PASSWORD)
            .await
            .unwrap();
        assert!(carol.starts_with("+OK maildrop has 1 message "), "{carol}");
    }
}

/// DES looked at 8 characters of a password, bcrypt at 72 octets.
#[tokio::test]
async fn a_long_password_counts_to_its_end() {
    let house = House::build().await;
    let bob = address("bob@here.example");
    let password = "x".repeat(100);
    let new = NewPassword::Clear(Secret::new(password.clone()));
    house.administration.set_password(&bob, new).await.unwrap();
    for wrong in [&password[..99], &password[..72], &password[..8]] {
        assert_eq!(logged_in(&house, "bob", wrong).await, None);
    }
    assert_eq!(
        logged_in(&house, "bob", &format!("{}y", &password[..99])).await,
        None
    );
    assert!(logged_in(&house, "bob", &password).await.is_some());
}

#[tokio::test]
async fn an_empty_password_is_nobodys() {
    let house = House::build().await;
    for user in [
        "bob",
        "carol@here.example",
        "dave",
        "nobody",
        "postmaster",
        "",
    ] {
        assert_eq!(logged_in(&house, user, "").await, None, "{user}");
    }
}

/// Cyrillic, full width, a joiner of no width: other people. What only another keyboard makes
/// different (RFC 4013) logs in as somebody, until somebody has that very name. What differs in
/// case alone, in the whole of Unicode (the Kelvin sign is a K), is one mailbox for mail, for
/// logins and for administration alike, so that nobody can have the half of it.
#[tokio::test]
async fn who_looks_like_somebody_is_not_somebody() {
    let house = House::build().await;
    house.settle("kate@here.example").await;
    let resolve = async |name: &str| house.directory.resolve(&address(name)).await.unwrap();
    for other in ["b\u{43e}b", "\u{ff42}ob", "bo\u{200d}b", "bob\u{2028}"] {
        let there = resolve(&format!("{other}@here.example")).await;
        assert_eq!(there, Resolution::Unknown, "{other:?}");
        let keyboard = ["\u{ff42}ob", "bo\u{200d}b"].contains(&other);
        let is_in = logged_in(&house, other, PASSWORD).await.is_some();
        assert_eq!(is_in, keyboard, "{other:?}");
    }
    house.deliver(&["bob@here.example"], "for bob\r\n").await;
    house.settle("\u{ff42}ob@here.example").await;
    let wide = logged_in(&house, "\u{ff42}ob", PASSWORD).await.unwrap();
    assert!(wide.starts_with("+OK maildrop has 0 messages"), "{wide}");
    let kelvin = address("\u{212a}ATE@here.example");
    assert_eq!(
        house.directory.canonical(&kelvin),
        address("kate@here.example")
    );
    assert_eq!(
        resolve("\u{212a}ATE@here.example").await,
        resolve("kate@here.example").await
    );
    let new = NewPassword::Clear(Secret::new("of somebody else".to_owned()));
    assert!(
        house
            .administration
            .add_account(&kelvin, new)
            .await
            .is_err()
    );
}
