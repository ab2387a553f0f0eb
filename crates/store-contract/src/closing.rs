//! A store that is new, well, closed, and opened again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cassmail_mail::{AccountId, MessageId, Owner};
use cassmail_store::{AddressFilter, DomainEntry, ErrorKind, Health, StoreResult, TraceQuery};

use crate::addresses::domain;
use crate::bench::{CLOSING, cancelled_after, credentials, drain, kind, new_account, submit};
use crate::letter::{PATIENCE, address, assert_same_octets, delivery, hello, noise, owner};
use crate::{Bench, Subject};

/// Nothing comes from nowhere.
pub async fn a_new_store_is_empty<S: Subject>(bench: Bench<S>) {
    let store = bench.store();
    assert!(store.domains().await.unwrap().is_empty());
    let listed = store
        .addresses(domain("example.org"), AddressFilter::InUse, None, 10)
        .await;
    assert!(listed.unwrap().is_empty());
}

/// Store::health.
pub async fn a_new_store_is_well<S: Subject>(mut bench: Bench<S>) {
    assert_eq!(bench.store().health(), Health::Well);
    bench.reopen().await;
    assert_eq!(bench.store().health(), Health::Well);
}

/// Store::poisoned: resolves only when nothing can be promised any more.
pub async fn a_store_that_is_well_is_not_poisoned<S: Subject>(bench: Bench<S>) {
    let store = bench.store();
    let alice = bench.account("alice").await;
    assert!(cancelled_after(3, store.poisoned()).await.is_none());
    bench.deliver(alice, hello()).await;
    assert!(cancelled_after(3, store.poisoned()).await.is_none());
}

/// Store::close, Promise, for the verbs of Accounts.
pub async fn a_closed_store_refuses_the_verbs_of_accounts<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let store = bench.store();
    let (profile, _) = store.account(alice).await.unwrap().unwrap();
    store.close().await.unwrap();
    let text = "alice@example.org";
    let name = || domain("example.org");
    let entry = DomainEntry::new(name());
    refused(store.domains().await);
    refused(store.domain(name()).await);
    refused(store.put_domain(entry).await);
    refused(store.remove_domain(name()).await);
    refused(store.resolve(address(text)).await);
    refused(
        store
            .addresses(name(), AddressFilter::InUse, None, 10)
            .await,
    );
    refused(store.create_account(new_account(text, "first")).await);
    refused(store.remove_account(address(text)).await);
    refused(store.account(alice).await);
    refused(store.put_credentials(alice, credentials("x")).await);
    refused(store.put_profile(alice, profile).await);
    refused(
        store
            .put_alias(address("b@example.org"), vec![address(text)])
            .await,
    );
    refused(store.remove_alias(address("b@example.org")).await);
}

/// Store::close, Promise, for the verbs of Maildrops.
pub async fn a_closed_store_refuses_the_verbs_of_maildrops<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let id = bench.deliver(alice, hello()).await;
    let store = bench.store();
    store.close().await.unwrap();
    refused(store.begin(bench.mint()).await);
    refused(store.list(alice).await);
    refused(store.open(alice, id).await);
    refused(store.remove(alice, vec![id], PATIENCE).await);
}

/// Store::close, Promise, for the verbs of Traces.
pub async fn a_closed_store_refuses_the_verbs_of_traces<S: Subject>(bench: Bench<S>) {
    let store = bench.store();
    store.close().await.unwrap();
    let at = bench.mint().minted_at();
    let query = TraceQuery {
        key: None,
        from: at,
        until: at,
        before: None,
        limit: 1,
    };
    refused(store.record(Arc::from([]), Duration::from_secs(1)).await);
    refused(store.find_traces(query).await);
    refused(store.expire_traces(at).await);
}

/// Store::close, Promise: a message that was begun before cannot be committed after.
pub async fn a_writer_of_a_closed_store_is_refused<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let id = bench.mint();
    let mut writer = bench.store().begin(id).await.unwrap();
    writer.write(hello()).await.unwrap();
    bench.store().close().await.unwrap();
    let delivery = delivery(id, vec![owner(alice)]);
    refused(writer.commit(delivery, PATIENCE).await);
    bench.reopen().await;
    assert!(bench.list(alice).await.is_empty());
}

/// Store::close, Retry: harmless.
pub async fn closing_twice_is_harmless<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let id = bench.deliver(alice, hello()).await;
    bench.store().close().await.unwrap();
    bench.store().close().await.unwrap();
    bench.reopen().await;
    assert_eq!(bench.ids(alice).await, [id]);
}

/// Store::close, Cancel: the store closes all the same.
pub async fn a_cancelled_close_closes_all_the_same<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let id = bench.deliver(alice, hello()).await;
    let store = bench.store();
    let _ = cancelled_after(1, store.close()).await;
    refused(store.begin(bench.mint()).await);
    drop(store);
    bench.reopen().await;
    assert_eq!(bench.ids(alice).await, [id]);
    assert_eq!(bench.read(alice, id).await, hello());
}

/// Store::close: finishes what was begun and answers everybody who waits.
pub async fn a_store_that_closes_answers_everybody<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let commits: Vec<_> = (0..50)
        .map(|_| {
            let (store, id) = (bench.store(), bench.mint());
            tokio::spawn(async move {
                let committed = submit(&*store, id, &[hello()], vec![owner(alice)]).await;
                (id, committed)
            })
        })
        .collect();
    // Some have begun, some wait, some have not been polled.
    tokio::task::yield_now().await;
    bench.store().close().await.unwrap();
    let mut answers = Vec::new();
    for commit in commits {
        answers.push(commit.await.unwrap());
    }
    bench.reopen().await;
    let listed = bench.ids(alice).await;
    for (id, answer) in answers {
        match answer {
            Ok(stored) => assert!(listed.contains(&stored)),
            Err(error) if error.kind() == ErrorKind::Indeterminate => {}
            Err(error) => {
                assert_eq!(error.kind(), CLOSING);
                assert!(!listed.contains(&id), "refused, so nothing happened");
            }
        }
    }
}

/// Durable with the answer, for every verb that says so.
pub async fn a_reopened_store_has_everything<S: Subject>(mut bench: Bench<S>) {
    let kept = fill(&bench).await;
    for _ in 0..2 {
        bench.reopen().await;
        check(&bench, &kept).await;
    }
}

/// Durable with the answer, in crashes too: nothing needs a clean end.
pub async fn a_crashed_store_has_everything_that_was_acknowledged<S: Subject>(mut bench: Bench<S>) {
    let kept = fill(&bench).await;
    for _ in 0..2 {
        bench.crash().await;
        check(&bench, &kept).await;
    }
}

/// A reopened store works like a new one: ids go on, listings join.
pub async fn a_store_can_be_reopened_again_and_again<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let mut ids = Vec::new();
    for life in 0..6 {
        ids.push(bench.deliver(alice, noise(20_000, life)).await);
        if life % 2 == 0 {
            bench.reopen().await;
        } else {
            bench.crash().await;
        }
        assert_eq!(bench.ids(alice).await, ids);
    }
    for (life, id) in ids.into_iter().enumerate() {
        let seed = u64::try_from(life).unwrap();
        assert_same_octets(&bench.read(alice, id).await, &noise(20_000, seed));
    }
}

/// Accounts: generations only grow, over lives of the process too.
pub async fn generations_grow_over_reopening<S: Subject>(mut bench: Bench<S>) {
    let alice = address("alice@example.org");
    for life in 1..=4 {
        assert_eq!(bench.account("alice").await, AccountId::of(&alice, life));
        let removed = bench.store().remove_account(alice.clone()).await;
        removed.unwrap();
        bench.reopen().await;
    }
}

/// Maildrops::remove, Promise: no reopening and no crash brings them back.
pub async fn what_was_removed_stays_removed<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let bob = bench.account("bob").await;
    let owners = vec![owner(alice), owner(bob)];
    let shared = bench.deliver_to(owners, hello()).await;
    let own = bench.deliver(alice, noise(300_000, 1)).await;
    bench.remove(alice, &[shared, own]).await;
    bench.crash().await;
    assert!(bench.list(alice).await.is_empty());
    bench.reopen().await;
    assert!(bench.list(alice).await.is_empty());
    assert_eq!(bench.read(bob, shared).await, hello());
}

/// Maildrops::open: a reader does not keep a store from closing.
pub async fn a_store_closes_while_a_reader_is_open<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let id = bench.deliver(alice, noise(1 << 20, 1)).await;
    let reader = bench.store().open(alice, id).await.unwrap();
    bench.store().close().await.unwrap();
    // Whether it goes on is not promised; what it gives out is right.
    if let Ok(octets) = drain(reader).await {
        assert_same_octets(&octets, &noise(1 << 20, 1));
    }
    bench.reopen().await;
    assert_same_octets(&bench.read(alice, id).await, &noise(1 << 20, 1));
}

/// What [`fill`] put into a store.
struct Kept {
    mail: Vec<(MessageId, Bytes)>,
}

async fn fill<S: Subject>(bench: &Bench<S>) -> Kept {
    let store = bench.store();
    let entry = DomainEntry {
        catch_all: Some(address("alice@example.org")),
        ..DomainEntry::new(domain("example.org"))
    };
    store.put_domain(entry).await.unwrap();
    store
        .put_domain(DomainEntry::new(domain("gone.example")))
        .await
        .unwrap();
    store.remove_domain(domain("gone.example")).await.unwrap();
    let alice = bench.account("alice").await;
    store
        .put_credentials(alice, credentials("second"))
        .await
        .unwrap();
    let targets = vec![address("alice@example.org")];
    store
        .put_alias(address("sales@example.org"), targets)
        .await
        .unwrap();
    bench.account("bob").await;
    store
        .remove_account(address("bob@example.org"))
        .await
        .unwrap();
    let mut mail = Vec::new();
    for body in [hello(), Bytes::new(), noise(70_000, 1), noise(400_000, 2)] {
        let imported = Owner {
            uidl: Some(format!("old-{}", body.len()).parse().unwrap()),
            ..owner(alice)
        };
        mail.push((bench.deliver_to(vec![imported], body.clone()).await, body));
    }
    Kept { mail }
}

async fn check<S: Subject>(bench: &Bench<S>, kept: &Kept) {
    let store = bench.store();
    let domains = store.domains().await.unwrap();
    assert_eq!(domains.len(), 1);
    assert_eq!(domains[0].catch_all, Some(address("alice@example.org")));
    let addresses = store
        .addresses(domain("example.org"), AddressFilter::InUse, None, 10)
        .await;
    let addresses = addresses.unwrap();
    let names = addresses
        .iter()
        .map(|(address, _)| address.local().as_str());
    assert!(names.eq(["alice", "sales"]));
    let alice = AccountId::of(&address("alice@example.org"), 1);
    let (profile, found) = store.account(alice).await.unwrap().unwrap();
    assert_eq!(profile.address, address("alice@example.org"));
    assert!(found == credentials("second"));
    let listed = bench.list(alice).await;
    assert_eq!(listed.len(), kept.mail.len());
    for (entry, (id, body)) in listed.iter().zip(&kept.mail) {
        assert_eq!(entry.id, *id);
        assert_eq!(entry.uidl().as_str(), format!("old-{}", body.len()));
        assert_same_octets(&bench.read(alice, *id).await, body);
    }
}

#[track_caller]
fn refused<T>(result: StoreResult<T>) {
    assert_eq!(kind(result), CLOSING);
}
