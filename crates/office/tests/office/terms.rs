//! What an operator lets accounts do: how often they log in, how long their mail stays.

use std::num::NonZeroU32;
use std::time::Duration;

use cassmail_office::{
    Days, Janitor, Limits, MaildropLock, MaildropOptions, Passed, QuotaChange, RetentionChange,
    RetentionMode, RetentionOptions,
};
use cassmail_store::{AccountState, Bound};

use crate::house::{House, PASSWORD, address, usual};

const DAY: Duration = Duration::from_hours(24);
const BOB: &str = "bob@here.example";
const CAROL: &str = "carol@here.example";

fn days(count: u32) -> Days {
    Days(NonZeroU32::new(count).unwrap())
}

async fn log_in(house: &House, user: &str) -> String {
    let input = format!("USER {user}\r\nPASS {PASSWORD}\r\nCAPA\r\nQUIT\r\n");
    house.pop3(input.as_bytes()).await
}

#[tokio::test]
async fn an_account_that_comes_again_too_soon_is_told_to_wait() {
    let house = House::giving_out(MaildropOptions {
        login_delay: Some(Duration::from_mins(5)),
        ..usual(MaildropLock::Shared)
    })
    .await;
    let is_refused = async |user| {
        let answers = log_in(&house, user).await;
        let refused = answers.contains("-ERR [LOGIN-DELAY] ");
        assert_ne!(refused, answers.contains("+OK maildrop has"), "{answers}");
        refused
    };
    assert!(!is_refused("bob").await);
    assert!(is_refused("bob").await);
    assert!(is_refused("bob@here.example").await, "by whatever name");
    assert!(!is_refused("carol").await, "others do not wait");
    house.turn(Duration::from_secs(299));
    assert!(is_refused("bob").await);
    house.turn(Duration::from_secs(1));
    assert!(!is_refused("bob").await, "a refusal does not begin anew");
}

#[tokio::test]
async fn who_has_a_wrong_password_is_not_told_of_the_delay() {
    let house = House::giving_out(MaildropOptions {
        login_delay: Some(Duration::from_mins(5)),
        ..usual(MaildropLock::Shared)
    })
    .await;
    log_in(&house, "bob").await;
    let answers = house.pop3(b"USER bob\r\nPASS wrong\r\nQUIT\r\n").await;
    assert!(answers.contains("-ERR [AUTH] "), "{answers}");
}

/// A house where mail of 30 days is removed, and nothing before 7.
async fn retaining(mode: RetentionMode) -> House {
    let usual = usual(MaildropLock::Shared);
    House::giving_out(MaildropOptions {
        retention: RetentionOptions {
            mode,
            shortest: days(7),
            standard: Limits {
                age: Some(days(30)),
                ..Limits::default()
            },
            ..usual.retention
        },
        ..usual
    })
    .await
}

/// Sets a rule of an account or, for a name without @, of a domain.
async fn set(house: &House, of: &str, change: RetentionChange) {
    let administration = &house.administration;
    let set = match of.parse() {
        Ok(address) => administration.set_retention(&address, change).await,
        Err(_) => {
            administration
                .set_retention_of(of.parse().unwrap(), change)
                .await
        }
    };
    set.unwrap();
}

fn keep_days(bound: u64) -> RetentionChange {
    RetentionChange {
        days: Some(Some(Bound::from(bound))),
        ..RetentionChange::default()
    }
}

/// Does steps until there is nothing to do.
async fn pass(janitor: &Janitor) -> Passed {
    let mut total = Passed::default();
    let mut most = Passed::default();
    for _ in 0..20 {
        let rest = janitor.step(&mut total).await.unwrap();
        if total.accounts > 0 {
            most = total;
        }
        if rest > Duration::ZERO {
            return most;
        }
    }
    panic!("a pass has an end");
}

/// A message for bob and carol on each of so many days.
async fn deliver_daily(house: &House, count: u32) {
    for day in 0..count {
        let message = format!("Subject: day {day}\r\n\r\n");
        house.deliver(&[BOB, CAROL], &message).await;
        house.turn(DAY);
    }
}

async fn count(house: &House, user: &str) -> usize {
    house.maildrop(user).await.len()
}

#[tokio::test]
async fn mail_that_is_as_old_as_the_rule_says_is_removed_and_no_other() {
    let house = retaining(RetentionMode::Remove).await;
    deliver_daily(&house, 40).await;
    let passed = pass(&house.janitor).await;
    assert_eq!((passed.due, passed.removed, passed.failed), (22, 22, 0));
    for user in [BOB, CAROL] {
        let left = house.maildrop(user).await;
        assert_eq!(left.len(), 29);
        assert!(left[0].contains("Subject: day 11\r\n"), "{}", left[0]);
    }
}

#[tokio::test]
async fn accounts_and_domains_have_rules_of_their_own() {
    let house = retaining(RetentionMode::Remove).await;
    deliver_daily(&house, 40).await;
    set(&house, "here.example", keep_days(10)).await;
    set(&house, CAROL, keep_days(0)).await;
    pass(&house.janitor).await;
    assert_eq!(
        (count(&house, BOB).await, count(&house, CAROL).await),
        (9, 40)
    );
    let messages = RetentionChange {
        messages: Some(Some(Bound::from(3))),
        ..RetentionChange::default()
    };
    set(&house, CAROL, messages).await;
    house.turn(Duration::from_hours(2));
    pass(&house.janitor).await;
    assert_eq!(count(&house, CAROL).await, 6, "nothing before seven days");
    house.turn(DAY * 10);
    pass(&house.janitor).await;
    assert_eq!(count(&house, CAROL).await, 3);
}

#[tokio::test]
async fn expire_tells_each_account_its_own_days() {
    let house = retaining(RetentionMode::Remove).await;
    let expire = async |user| {
        let answers = log_in(&house, user).await;
        let told: Vec<_> = answers
            .lines()
            .filter(|line| line.starts_with("EXPIRE"))
            .collect();
        told.join("|")
    };
    assert_eq!(expire("bob").await, "EXPIRE 30");
    set(&house, "here.example", keep_days(60)).await;
    set(&house, CAROL, keep_days(0)).await;
    // The rule of a domain is believed for a while, that of an account is read at each login.
    assert_eq!(expire("carol").await, "EXPIRE NEVER");
    house.turn(Duration::from_secs(30));
    assert_eq!(expire("bob").await, "EXPIRE 60");
    let octets = RetentionChange {
        octets: Some(Some(Bound::from(1))),
        ..RetentionChange::default()
    };
    set(&house, CAROL, octets).await;
    assert_eq!(expire("carol").await, "EXPIRE 7");
}

#[tokio::test]
async fn where_rules_are_not_kept_nothing_is_removed_and_expire_is_never() {
    for mode in [RetentionMode::Off, RetentionMode::Observe] {
        let house = retaining(mode).await;
        deliver_daily(&house, 32).await;
        if mode == RetentionMode::Observe {
            let passed = pass(&house.janitor).await;
            assert_eq!((passed.due, passed.removed), (6, 0));
        }
        assert_eq!(count(&house, BOB).await, 32);
        let answers = log_in(&house, "bob").await;
        assert!(answers.contains("EXPIRE NEVER\r\n"), "{answers}");
    }
}

#[tokio::test]
async fn a_pass_goes_on_behind_the_page_where_it_was_ended() {
    let house = retaining(RetentionMode::Remove).await;
    for person in 0..250 {
        house.settle(&format!("p{person}@here.example")).await;
    }
    let mut total = Passed::default();
    house.janitor.step(&mut total).await.unwrap();
    let first = total.accounts;
    assert!((90..=100).contains(&first), "{first}");
    // Another process over the same store, after the first one has ended.
    let other = House::beside(&house);
    let heir = Janitor::new(
        house.store.clone(),
        house.quotas.clone(),
        house.clock.clone(),
        std::sync::Arc::default(),
        RetentionOptions {
            mode: RetentionMode::Remove,
            ..usual(MaildropLock::Shared).retention
        },
        2,
    );
    drop(other);
    let mut rest = Passed::default();
    assert!(
        heir.step(&mut rest).await.unwrap() > Duration::ZERO,
        "it is held"
    );
    house.turn(Duration::from_mins(10));
    assert_eq!(heir.step(&mut rest).await.unwrap(), Duration::ZERO);
    assert_eq!(heir.step(&mut rest).await.unwrap(), Duration::ZERO);
    assert_eq!(first + rest.accounts, 253, "each account once");
    assert_eq!(heir.step(&mut rest).await.unwrap(), Duration::ZERO);
    assert!(
        heir.step(&mut rest).await.unwrap() > Duration::ZERO,
        "the pass is over"
    );
}

#[tokio::test]
async fn an_account_that_is_out_of_service_keeps_its_mail() {
    let house = retaining(RetentionMode::Remove).await;
    deliver_daily(&house, 32).await;
    let carol = address(CAROL);
    let administration = &house.administration;
    administration
        .set_state(&carol, AccountState::Disabled)
        .await
        .unwrap();
    pass(&house.janitor).await;
    assert_eq!(
        (count(&house, BOB).await, count(&house, CAROL).await),
        (29, 32)
    );
}

/// The quota of who gets no room by his own hand.
#[tokio::test]
async fn what_retention_removes_makes_room() {
    let house = retaining(RetentionMode::Remove).await;
    let change = QuotaChange {
        messages: Some(Some(Bound::from(32))),
        octets: None,
    };
    let bob = address(BOB);
    house.administration.set_quota(&bob, change).await.unwrap();
    deliver_daily(&house, 32).await;
    let answers = house.deliver(&[BOB], "text\r\n").await;
    assert!(
        answers.contains("\r\n452 4.2.2 this mailbox is full"),
        "{answers}"
    );
    let passed = pass(&house.janitor).await;
    assert!(passed.removed > 0, "{passed:?}");
    let answers = house.deliver(&[BOB], "text\r\n").await;
    assert!(answers.contains("\r\n250 2.0.0 stored as "), "{answers}");
}

#[tokio::test]
async fn a_clock_that_somebody_has_set_removes_nothing() {
    let house = retaining(RetentionMode::Remove).await;
    deliver_daily(&house, 3).await;
    *house.clock.set.lock().unwrap() = DAY * 1000;
    let passed = pass(&house.janitor).await;
    assert_eq!(passed, Passed::default());
    assert_eq!(count(&house, BOB).await, 3);
}
