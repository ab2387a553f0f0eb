//! Logins by SCRAM, with a client of our own.

use std::time::Duration;

use cassmail_mail::Secret;
use cassmail_office::{IntakeDesk, LoginFailure, MaildropDesk, MaildropLock, NewPassword};
use cassmail_store::{At, ErrorKind, Fault, Faulty, MemoryStore, Reason, Script, Service, Verb};
use cassmail_wire::Source;
use cassmail_wire::sasl::{Acceptance, Channel, Claim, Exchange, Mechanism, SaslStep};

use crate::client::client_final;
use crate::house::{House, PASSWORD, Talk, address};

const BOB: &str = "bob@here.example";

fn source() -> Source {
    Source::of([192, 0, 2, 7].into())
}

/// The challenge that a name gets, without the nonce.
async fn challenge(house: &House, user: &str) -> (Vec<u8>, u32) {
    let start = house.logins.start_scram(user).await.unwrap();
    (start.salt, start.iterations)
}

async fn try_scram(
    house: &House,
    user: &str,
    password: &str,
    service: Service,
) -> Result<Acceptance, &'static str> {
    let (exchange, _) = Exchange::begin(Mechanism::ScramSha256, Channel::Clear);
    let first = format!("n={user},r=client");
    let SaslStep::Start(starting) = exchange.respond(format!("n,,{first}").as_bytes()) else {
        panic!("the first message is one");
    };
    let start = house.logins.start_scram(starting.user()).await.unwrap();
    let (exchange, server_first) = starting.start(&start);
    let server_first = String::from_utf8(server_first).unwrap();
    let last = client_final(&first, &server_first, password, &start);
    let SaslStep::Claimed(claim, _) = exchange.respond(last.as_bytes()) else {
        panic!("the last message is one");
    };
    match house.logins.check(claim, service, source()).await {
        Ok((_, acceptance)) => Ok(acceptance),
        Err(LoginFailure::Wrong(reason)) => Err(reason),
        Err(fault) => panic!("{fault:?}"),
    }
}

async fn scram(house: &House, user: &str, password: &str) -> &'static str {
    match try_scram(house, user, password, Service::Pop3).await {
        Ok(acceptance) => {
            assert!(acceptance.server_signature.is_some());
            "in"
        }
        Err(reason) => reason,
    }
}

async fn plain(house: &House, user: &str, password: &str) -> bool {
    let claim = Claim::of_password(user, password);
    let checked = house.logins.check(claim, Service::Pop3, source()).await;
    checked.is_ok()
}

#[tokio::test]
async fn users_log_in_by_scram_with_and_without_their_domain() {
    let house = House::build().await;
    for user in ["bob", BOB, "BOB@here.example"] {
        assert_eq!(scram(&house, user, PASSWORD).await, "in", "{user}");
    }
    assert!(house.clock.slept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn wrong_proofs_take_the_same_time_for_every_reason() {
    let house = House::build().await;
    assert_eq!(scram(&house, "bob", "guess").await, "wrong password");
    assert_eq!(scram(&house, "nobody", PASSWORD).await, "no such account");
    assert_eq!(scram(&house, "dave", PASSWORD).await, "account is disabled");
    let slept = house.clock.slept.lock().unwrap().clone();
    assert_eq!(slept.len(), 3);
    assert!(slept.iter().all(|slept| *slept >= Duration::from_secs(1)));
}

#[tokio::test]
async fn nothing_that_is_said_before_the_proof_tells_who_is_there() {
    let house = House::build().await;
    let beside = House::beside(&house);
    let nobody = challenge(&house, "erin").await;
    assert_eq!(challenge(&beside, "ERIN@here.example").await, nobody);
    house.settle("erin@here.example").await;
    assert_eq!(challenge(&house, "erin").await, nobody, "as before");
    let bob = challenge(&house, "bob").await;
    assert_ne!(bob.0, nobody.0);
    assert_eq!((bob.0.len(), bob.1), (nobody.0.len(), nobody.1));
    house
        .administration
        .remove_account(&address(BOB))
        .await
        .unwrap();
    assert_eq!(challenge(&house, "bob").await, bob);
    let odd = challenge(&house, "no address at all").await;
    assert_eq!(odd, challenge(&beside, "no address at all").await);
}

#[tokio::test]
async fn nonces_differ() {
    let house = House::build().await;
    let nonce = async || house.logins.start_scram("bob").await.unwrap().nonce;
    assert_ne!(nonce().await, nonce().await);
}

/// What another system would have kept of everybody's password: a hash, and no keys.
async fn hash(house: &House) -> NewPassword {
    let bob = house.directory.account(&address(BOB)).await.unwrap();
    let (_, credentials) = house.store.account(bob.unwrap()).await.unwrap().unwrap();
    NewPassword::Hash(credentials.password_hash)
}

async fn import(house: &House, user: &str) {
    let hash = hash(house).await;
    let administration = &house.administration;
    administration
        .add_account(&address(user), hash)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_imported_hash_gets_its_keys_at_the_next_login_with_the_password() {
    let house = House::build().await;
    import(&house, "erin@here.example").await;
    let before = challenge(&house, "erin").await;
    assert_eq!(scram(&house, "erin", PASSWORD).await, "wrong password");
    assert!(!plain(&house, "erin", "guess").await);
    assert_eq!(scram(&house, "erin", PASSWORD).await, "wrong password");
    assert!(plain(&house, "erin", PASSWORD).await);
    assert_eq!(scram(&house, "erin", PASSWORD).await, "in");
    assert_eq!(challenge(&house, "erin").await, before);
}

#[tokio::test]
async fn a_login_does_not_fail_because_keys_cannot_be_kept() {
    let script = Script::new();
    let store = Faulty::new(std::sync::Arc::new(MemoryStore::new()), &script);
    let house = House::over(std::sync::Arc::new(store), MaildropLock::Shared).await;
    import(&house, "erin@here.example").await;
    let fault = Fault::Before(ErrorKind::Unavailable(Reason::Engine));
    script.fail(At::Every(Verb::UpgradeCredentials), fault);
    assert!(plain(&house, "erin", PASSWORD).await);
    assert_eq!(scram(&house, "erin", PASSWORD).await, "wrong password");
}

#[tokio::test]
async fn a_changed_password_counts_at_once() {
    let house = House::build().await;
    let new = NewPassword::Clear(Secret::new("another".to_owned()));
    let administration = &house.administration;
    administration
        .set_password(&address(BOB), new)
        .await
        .unwrap();
    assert_eq!(scram(&house, "bob", PASSWORD).await, "wrong password");
    assert_eq!(scram(&house, "bob", "another").await, "in");
}

#[tokio::test]
async fn where_scram_is_not_wanted_no_keys_are_made() {
    let house = House::without_scram(&House::build().await);
    house.settle("erin@here.example").await;
    assert!(plain(&house, "erin", PASSWORD).await);
    assert_eq!(scram(&house, "erin", PASSWORD).await, "wrong password");
}

#[tokio::test]
async fn an_application_password_opens_what_it_is_for() {
    let house = House::build().await;
    let administration = &house.administration;
    let services = vec![Service::Submission];
    let bob = address(BOB);
    let made = administration.add_app_password(&bob, "phone", services);
    let made = made.await.unwrap();
    let by_scram = async |service| {
        try_scram(&house, "bob", made.expose(), service)
            .await
            .is_ok()
    };
    assert!(by_scram(Service::Submission).await);
    assert!(!by_scram(Service::Pop3).await);
    let by_password = async |service| {
        let claim = Claim::of_password("bob", made.expose());
        house.logins.check(claim, service, source()).await
    };
    let (logged_in, _) = by_password(Service::Submission).await.unwrap();
    assert_eq!(logged_in.app_password.as_deref(), Some("phone"));
    assert!(by_password(Service::Pop3).await.is_err());
    assert_eq!(
        scram(&house, "bob", PASSWORD).await,
        "in",
        "the own one too"
    );
}

#[tokio::test]
async fn application_passwords_outlive_a_change_of_the_own_one_and_not_their_removal() {
    let house = House::build().await;
    let administration = &house.administration;
    let both = vec![Service::Pop3, Service::Submission];
    let bob = address(BOB);
    let made = administration
        .add_app_password(&bob, "phone", both)
        .await
        .unwrap();
    let hash = hash(&house).await;
    let new = NewPassword::Clear(Secret::new("another".to_owned()));
    administration.set_password(&bob, new).await.unwrap();
    assert!(plain(&house, "bob", made.expose()).await);
    assert_eq!(scram(&house, "bob", made.expose()).await, "in");
    assert_eq!(scram(&house, "bob", "another").await, "in");
    administration.set_password(&bob, hash).await.unwrap();
    assert_eq!(scram(&house, "bob", made.expose()).await, "in");
    administration
        .remove_app_password(&bob, "phone")
        .await
        .unwrap();
    assert!(!plain(&house, "bob", made.expose()).await);
    assert_eq!(scram(&house, "bob", made.expose()).await, "wrong password");
}

#[tokio::test]
async fn a_whole_session_of_pop3_and_of_smtp_by_scram() {
    let house = House::build().await;
    let first = "n=bob,r=client";
    let initial = crate::client::base64(&format!("n,,{first}"));
    for (mut talk, prefix, in_mark) in [
        (
            AnyTalk::Pop3(Box::new(house.pop3_talk())),
            "+ ",
            "+OK maildrop has 0 messages",
        ),
        (
            AnyTalk::Smtp(Box::new(house.submission_talk())),
            "334 ",
            "235 2.7.0",
        ),
    ] {
        talk.say("EHLO client.example\r\n").await;
        let answer = talk.say(&format!("AUTH SCRAM-SHA-256 {initial}\r\n")).await;
        let challenge = answer.trim_end().strip_prefix(prefix).unwrap();
        let server_first = crate::client::decoded(challenge);
        let start = house.logins.start_scram("bob").await.unwrap();
        let last = client_final(first, &server_first, PASSWORD, &start);
        let answer = talk
            .say(&format!("{}\r\n", crate::client::base64(&last)))
            .await;
        let signature = answer.trim_end().strip_prefix(prefix).unwrap();
        assert!(crate::client::decoded(signature).starts_with("v="));
        assert!(talk.say("\r\n").await.starts_with(in_mark));
    }
}

enum AnyTalk {
    Pop3(Box<Talk<cassmail_pop3::Session, MaildropDesk>>),
    Smtp(Box<Talk<cassmail_smtp::server::Session, IntakeDesk>>),
}

impl AnyTalk {
    async fn say(&mut self, text: &str) -> String {
        match self {
            Self::Pop3(talk) => talk.say(text.as_bytes()).await,
            Self::Smtp(talk) => talk.say(text.as_bytes()).await,
        }
    }
}
