//! Who administers: tokens that end, passwords that are guessed, and what is remembered.

use std::sync::Arc;
use std::time::Duration;

use cassmail_mail::{IdMinter, NodeId, Secret};
use cassmail_office::{
    AdminAccounts, AdminClaim, AdminLoginFailure, AdminLogins, AuditLog, AuditQuestion, Change,
    Clock, GuessOptions, PasswordOptions, Passwords, Principal, Who,
};
use cassmail_store::{AuditOutcome, MemoryStore, Realm, Rights, Scope, Store};
use cassmail_wire::{Rate, Source};

use crate::house::StillClock;

const PASSWORD: &str = "correct horse battery";
const DAY: Duration = Duration::from_hours(24);

/// Those who administer, and their clock.
struct Hall {
    clock: Arc<StillClock>,
    accounts: AdminAccounts,
    logins: AdminLogins,
    audit: AuditLog,
}

impl Hall {
    fn open() -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let clock = Arc::new(StillClock::default());
        let as_clock: Arc<dyn Clock> = clock.clone();
        let passwords = PasswordOptions {
            memory_kib: 8,
            iterations: 1,
            parallelism: 1,
            workers: 1,
            queue: 1,
            scram: None,
        };
        let passwords = Arc::new(Passwords::new(&passwords).unwrap());
        let guesses = GuessOptions {
            per_source: Rate::per_hour(3),
            ..GuessOptions::default()
        };
        let logins = AdminLogins::new(
            Arc::clone(&store),
            Arc::clone(&passwords),
            Arc::clone(&as_clock),
            guesses,
        );
        Self {
            accounts: AdminAccounts::new(Arc::clone(&store), passwords, Arc::clone(&as_clock)),
            logins: logins.unwrap(),
            audit: AuditLog::new(
                store,
                Arc::new(IdMinter::new(NodeId::from_random(1))),
                as_clock,
                30 * DAY,
            ),
            clock,
        }
    }

    fn pass(&self, time: Duration) {
        *self.clock.turned.lock().unwrap() += time;
    }

    async fn check(&self, claim: &AdminClaim) -> Result<Principal, &'static str> {
        let source = Source::of([192, 0, 2, 7].into());
        let checked = self.logins.check(claim, source).await;
        checked.map_err(|failure| match failure {
            AdminLoginFailure::Wrong(why) => why,
            AdminLoginFailure::TooMany(_) => "too many",
            AdminLoginFailure::Store(_) | AdminLoginFailure::Password(_) => "fault",
        })
    }
}

fn password(name: &str, password: &str) -> AdminClaim {
    AdminClaim::Password {
        name: name.to_owned(),
        password: Secret::new(password.to_owned()),
    }
}

#[tokio::test]
async fn a_token_is_worth_something_until_its_last_day_is_over() {
    let hall = Hall::open();
    let owner = Principal::owner();
    let made = hall
        .accounts
        .add_token(&owner, "script", Rights::all(), 7 * DAY);
    let made = made.await.unwrap();
    let claim = AdminClaim::Token(made.text);
    let known = hall.check(&claim).await.unwrap();
    assert!(matches!(known.who, Who::Token { owner: None, .. }));
    hall.pass(6 * DAY + Duration::from_hours(23));
    assert!(hall.check(&claim).await.is_ok());
    hall.pass(Duration::from_hours(1));
    assert_eq!(hall.check(&claim).await, Err("the token has expired"));
}

#[tokio::test]
async fn a_refusal_waits_whatever_the_reason_is() {
    let hall = Hall::open();
    let owner = Principal::owner();
    let alice = "alice".parse().unwrap();
    let secret = Secret::new(PASSWORD.to_owned());
    let made = hall.accounts.add(&owner, alice, secret, Rights::all());
    made.await.unwrap();
    assert!(hall.check(&password("Alice", PASSWORD)).await.is_ok());
    assert!(hall.clock.slept.lock().unwrap().is_empty());
    for claim in [
        password("alice", "wrong"),
        password("nobody", PASSWORD),
        AdminClaim::Token(Secret::new("cassmail_aaaaaaaaaaaaaaaa_0".to_owned())),
    ] {
        assert!(hall.check(&claim).await.is_err());
        assert!(
            hall.clock.slept.lock().unwrap().pop().is_some(),
            "{claim:?}"
        );
    }
}

#[tokio::test]
async fn a_source_that_guesses_is_refused_unseen_and_later_heard_again() {
    let hall = Hall::open();
    for n in 0..3 {
        let wrong = password("alice", &format!("guess {n}"));
        assert_eq!(hall.check(&wrong).await, Err("wrong name or password"));
    }
    let more = password("alice", "guess 3");
    assert_eq!(hall.check(&more).await, Err("too many"));
    hall.pass(Duration::from_hours(1));
    assert_eq!(hall.check(&more).await, Err("wrong name or password"));
}

#[tokio::test]
async fn nobody_makes_somebody_who_may_do_more_than_himself() {
    let hall = Hall::open();
    let here: Realm = Realm::Domains(["here.example".parse().unwrap()].into());
    let some = Rights {
        scopes: [Scope::AdminsWrite, Scope::AccountsRead].into(),
        realm: here,
    };
    let by = Principal {
        who: Who::Administrator("alice".parse().unwrap()),
        rights: some.clone(),
    };
    let secret = || Secret::new(PASSWORD.to_owned());
    let made = hall
        .accounts
        .add(&by, "eve".parse().unwrap(), secret(), Rights::all());
    assert!(made.await.is_err());
    let made = hall
        .accounts
        .add(&by, "dave".parse().unwrap(), secret(), some.clone());
    made.await.unwrap();
    assert!(
        hall.accounts
            .add_token(&by, "x", Rights::all(), DAY)
            .await
            .is_err()
    );
    hall.accounts.add_token(&by, "x", some, DAY).await.unwrap();
}

fn change(number: usize) -> Change {
    Change {
        who: format!("somebody {}", number % 2),
        from: "192.0.2.7".to_owned(),
        action: "PUT".to_owned(),
        resource: format!("/v1/domains/{number}.example"),
        domain: format!("{number}.example").parse().ok(),
        old: None,
        new: None,
    }
}

#[tokio::test]
async fn what_is_older_than_it_is_kept_is_not_read() {
    let hall = Hall::open();
    for number in 0..4 {
        let begun = hall.audit.begin(change(number)).await.unwrap();
        let outcome = AuditOutcome {
            status: 204,
            problem: None,
        };
        hall.audit.end(begun, outcome).await.unwrap();
        hall.pass(10 * DAY);
    }
    let question = AuditQuestion {
        limit: 10,
        ..AuditQuestion::default()
    };
    let all = hall
        .audit
        .read(&question, &Realm::Everything)
        .await
        .unwrap();
    let resources: Vec<_> = all.iter().map(|one| one.resource.as_str()).collect();
    let expected = [
        "/v1/domains/3.example",
        "/v1/domains/2.example",
        "/v1/domains/1.example",
    ];
    assert_eq!(resources, expected);
    let realm = Realm::Domains(["2.example".parse().unwrap()].into());
    let seen = hall.audit.read(&question, &realm).await.unwrap();
    assert_eq!(seen.len(), 1);
    let of_one = AuditQuestion {
        who: Some("somebody 1".to_owned()),
        ..question
    };
    let of_one = hall.audit.read(&of_one, &Realm::Everything).await.unwrap();
    assert_eq!(of_one.len(), 2);
}
