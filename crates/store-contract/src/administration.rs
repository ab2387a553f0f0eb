//! Administrators, tokens, and the audit log.

use std::time::Duration;

use cassmail_mail::{IdMinter, MessageId, NodeId, UnixTime};
use cassmail_store::{
    Administrator, AuditOutcome, AuditRecord, AuditSpan, Realm, Rights, Scope, Token,
};

use crate::bench::together;
use crate::{Bench, Subject};

const DAY: Duration = Duration::from_hours(24);
const KEPT_FOR: Duration = Duration::from_hours(400 * 24);

/// A day in 2023, at noon, in microseconds.
const NOON: u64 = 1_700_000_000_000_000;

fn administrator(name: &str, hash: &str) -> Administrator {
    Administrator {
        name: name.parse().unwrap(),
        password_hash: hash.to_owned(),
        rights: Rights {
            scopes: [Scope::AccountsRead, Scope::AuditRead].into(),
            realm: Realm::Domains(["x.example".parse().unwrap()].into()),
        },
        created_at: UnixTime::from_micros(7),
    }
}

fn token(number: u8, label: &str) -> Token {
    let letter = char::from(b'a' + number);
    Token {
        id: String::from(letter).repeat(16).parse().unwrap(),
        label: label.to_owned(),
        sha_256: "digest".to_owned(),
        rights: Rights::all(),
        owner: "alice".parse().ok(),
        created_at: UnixTime::from_micros(7),
        expires_at: Some(UnixTime::from_micros(9)),
    }
}

async fn put_administrator<S: Subject>(bench: &Bench<S>, administrator: Administrator) {
    let put = bench.store().put_administrator(administrator).await;
    put.unwrap();
}

async fn administrators<S: Subject>(bench: &Bench<S>) -> Vec<Administrator> {
    bench.store().administrators().await.unwrap()
}

/// Administrators::administrators: in the order of their names; administrator: one of them.
pub async fn administrators_are_listed_in_the_order_of_their_names<S: Subject>(bench: Bench<S>) {
    assert!(administrators(&bench).await.is_empty());
    for name in ["carol", "alice", "bob@x.example"] {
        put_administrator(&bench, administrator(name, "hash")).await;
    }
    let listed = administrators(&bench).await;
    let expected = ["alice", "bob@x.example", "carol"].map(|name| administrator(name, "hash"));
    assert!(listed == expected, "{listed:?}");
    let store = bench.store();
    let bob = store.administrator("bob@x.example".parse().unwrap()).await;
    assert!(bob.unwrap() == Some(administrator("bob@x.example", "hash")));
    let dave = store.administrator("dave".parse().unwrap()).await;
    assert!(dave.unwrap().is_none());
}

/// Administrators::put_administrator: changes what is there; Retry: harmless.
pub async fn an_administrator_can_be_put_again_and_changed<S: Subject>(bench: Bench<S>) {
    for hash in ["first", "first", "second"] {
        put_administrator(&bench, administrator("alice", hash)).await;
    }
    assert!(administrators(&bench).await == [administrator("alice", "second")]);
}

/// Administrators::remove_administrator, Retry: harmless; who is removed can be made again.
pub async fn a_removed_administrator_is_gone_until_it_is_made_again<S: Subject>(bench: Bench<S>) {
    let alice = administrator("alice", "first");
    put_administrator(&bench, alice.clone()).await;
    put_administrator(&bench, administrator("bob", "first")).await;
    for _ in 0..2 {
        let removed = bench.store().remove_administrator(alice.name.clone()).await;
        removed.unwrap();
        assert!(administrators(&bench).await == [administrator("bob", "first")]);
        let found = bench.store().administrator(alice.name.clone()).await;
        assert!(found.unwrap().is_none());
    }
    put_administrator(&bench, administrator("alice", "second")).await;
    let found = bench.store().administrator(alice.name.clone()).await;
    assert!(found.unwrap() == Some(administrator("alice", "second")));
}

/// Administrators::put_token, tokens, token, remove_token: as those of administrators.
pub async fn tokens_are_put_listed_changed_and_removed<S: Subject>(bench: Bench<S>) {
    let store = bench.store();
    let [one, other] = [token(1, "one"), token(0, "other")];
    for put in [&one, &other, &one] {
        store.put_token(put.clone()).await.unwrap();
    }
    assert!(store.tokens().await.unwrap() == [other.clone(), one.clone()]);
    assert!(store.token(one.id.clone()).await.unwrap() == Some(one.clone()));
    store.put_token(token(1, "changed")).await.unwrap();
    let changed = store.token(one.id.clone()).await.unwrap().unwrap();
    assert_eq!(changed.label, "changed");
    for _ in 0..2 {
        store.remove_token(one.id.clone()).await.unwrap();
        assert!(store.tokens().await.unwrap() == [other.clone()]);
        assert!(store.token(one.id.clone()).await.unwrap().is_none());
    }
}

/// Administrators::put_administrator, put_token, remove_token, Promise: durable with the answer.
pub async fn administrators_and_tokens_survive_a_crash<S: Subject>(mut bench: Bench<S>) {
    put_administrator(&bench, administrator("alice", "hash")).await;
    let store = bench.store();
    for number in [0, 1] {
        store.put_token(token(number, "kept")).await.unwrap();
    }
    store.remove_token(token(0, "kept").id).await.unwrap();
    drop(store);
    bench.crash().await;
    assert!(administrators(&bench).await == [administrator("alice", "hash")]);
    assert!(bench.store().tokens().await.unwrap() == [token(1, "kept")]);
}

fn minter() -> IdMinter {
    IdMinter::new(NodeId::from_random(0xa0d1))
}

fn at(minter: &IdMinter, micros: u64) -> MessageId {
    minter.mint(UnixTime::from_micros(micros))
}

fn record(id: MessageId, outcome: Option<u16>) -> AuditRecord {
    AuditRecord {
        id,
        who: "alice".to_owned(),
        from: "192.0.2.1".to_owned(),
        action: "PUT".to_owned(),
        resource: "/v1/domains/x.example".to_owned(),
        domain: "x.example".parse().ok(),
        old: None,
        new: Some("{\"postmaster\":null}".to_owned()),
        outcome: outcome.map(|status| AuditOutcome {
            status,
            problem: None,
        }),
    }
}

fn span(from: u64, until: u64, limit: usize) -> AuditSpan {
    AuditSpan {
        from: UnixTime::from_micros(from),
        until: UnixTime::from_micros(until),
        behind: None,
        limit,
    }
}

fn days(count: u64) -> u64 {
    count * u64::try_from(DAY.as_micros()).unwrap()
}

async fn put<S: Subject>(bench: &Bench<S>, record: AuditRecord) {
    bench.store().put_audit(record, KEPT_FOR).await.unwrap();
}

async fn ids<S: Subject>(bench: &Bench<S>, span: AuditSpan) -> Vec<MessageId> {
    let read = bench.store().audit(span).await.unwrap();
    read.into_iter().map(|record| record.id).collect()
}

/// Audit::audit: the latest first, of the time that is asked for.
pub async fn the_audit_log_is_read_from_the_latest_on<S: Subject>(bench: Bench<S>) {
    let minter = minter();
    let times = [NOON, NOON + 1, NOON + days(1), NOON + days(40)];
    let made = times.map(|time| at(&minter, time));
    for id in made {
        put(&bench, record(id, Some(204))).await;
    }
    let [a, b, c, d] = made;
    let end = NOON + days(41);
    assert_eq!(
        ids(&bench, span(NOON - days(30), end, 10)).await,
        [d, c, b, a]
    );
    assert_eq!(
        ids(&bench, span(NOON + 1, NOON + days(40), 10)).await,
        [c, b]
    );
    assert_eq!(
        ids(&bench, span(NOON - days(30), NOON + days(40), 2)).await,
        [c, b]
    );
    assert_eq!(
        ids(&bench, span(NOON + days(2), NOON + days(3), 10)).await,
        []
    );
    let read = bench.store().audit(span(NOON, NOON + 1, 10)).await.unwrap();
    assert_eq!(read, [record(a, Some(204))]);
}

/// Audit::audit, Promise: pages that join have each once.
pub async fn pages_of_the_audit_log_join<S: Subject>(bench: Bench<S>) {
    let minter = minter();
    let mut made: Vec<_> = (0..25_u64)
        .map(|number| at(&minter, NOON + number / 5 * days(1)))
        .collect();
    let puts = made.iter().map(|&id| {
        let store = bench.store();
        async move { store.put_audit(record(id, None), KEPT_FOR).await.unwrap() }
    });
    together(puts).await;
    made.reverse();
    let mut read = Vec::new();
    let mut page = span(NOON - days(30), NOON + days(30), 4);
    loop {
        let ids = ids(&bench, page).await;
        assert!(ids.len() <= 4);
        page.behind = ids.last().copied();
        if ids.is_empty() {
            break;
        }
        read.extend(ids);
    }
    assert_eq!(read, made);
}

/// Audit::put_audit, Promise: a record with an outcome is never replaced by one without.
pub async fn an_outcome_stays<S: Subject>(bench: Bench<S>) {
    let id = at(&minter(), NOON);
    let all = span(NOON - days(30), NOON + days(1), 10);
    for (outcome, expected) in [
        (None, None),
        (Some(204), Some(204)),
        (None, Some(204)),
        (Some(204), Some(204)),
    ] {
        put(&bench, record(id, outcome)).await;
        let read = bench.store().audit(all).await.unwrap();
        assert_eq!(read, [record(id, expected)]);
    }
}

/// Audit::put_audit, Promise: durable with the answer.
pub async fn the_audit_log_survives_a_crash<S: Subject>(mut bench: Bench<S>) {
    let minter = minter();
    let [first, second] = [NOON, NOON + 5].map(|time| at(&minter, time));
    put(&bench, record(first, None)).await;
    put(&bench, record(second, None)).await;
    put(&bench, record(second, Some(409))).await;
    bench.crash().await;
    let read = bench
        .store()
        .audit(span(NOON - days(30), NOON + days(1), 10))
        .await;
    let expected = [record(second, Some(409)), record(first, None)];
    assert_eq!(read.unwrap(), expected);
}
