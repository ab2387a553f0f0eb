//! Many at once.

use std::sync::Arc;

use cassmail_mail::{AccountId, MessageId};
use cassmail_store::Store;

use crate::bench::{drain, submit, together};
use crate::letter::{PATIENCE, assert_same_octets, cut, hello, noise, owner, text};
use crate::{Bench, Subject};

/// MessageWriter::commit: of many at once each is listed.
pub async fn many_messages_to_one_account_at_once_are_all_listed<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let ids = deliver_many(&bench, alice, 300).await;
    assert_eq!(bench.ids(alice).await, ids);
}

/// MessageWriter::commit: of many at once each is listed where it belongs.
pub async fn many_messages_to_many_accounts_at_once_are_all_listed<S: Subject>(bench: Bench<S>) {
    let accounts = bench.accounts(30).await;
    let deliveries = (0..300).map(|n: usize| {
        let (store, id) = (bench.store(), bench.mint());
        let (first, second) = (accounts[n % 30], accounts[(n + 1) % 30]);
        async move {
            let owners = vec![owner(first), owner(second)];
            submit(&*store, id, &[text(n)], owners).await.unwrap()
        }
    });
    let ids = together(deliveries).await;
    for (at, &account) in accounts.iter().enumerate() {
        let mine = ids.iter().enumerate();
        let mine = mine.filter(|(n, _)| n % 30 == at || (n + 1) % 30 == at);
        let expected: Vec<_> = mine.map(|(_, &id)| id).collect();
        assert_eq!(bench.ids(account).await, expected);
    }
}

/// MessageWriter::write: large messages at once, among small ones, come back whole.
pub async fn large_messages_at_once_come_back_whole<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let body = |n: u64| noise(if n.is_multiple_of(4) { 2000 } else { 700_000 }, n);
    let deliveries = (0..24).map(|n| {
        let (store, id) = (bench.store(), bench.mint());
        let pieces = cut(&body(n), 65_536);
        async move {
            submit(&*store, id, &pieces, vec![owner(alice)])
                .await
                .unwrap()
        }
    });
    let ids = together(deliveries).await;
    assert_eq!(bench.ids(alice).await, ids);
    for (id, n) in ids.into_iter().zip(0..) {
        assert_same_octets(&bench.read(alice, id).await, &body(n));
    }
}

/// Maildrops::list, Promise: every message whose commit was acknowledged before the call.
pub async fn a_listing_during_deliveries_has_all_that_was_acknowledged<S: Subject>(
    bench: Bench<S>,
) {
    let alice = bench.account("alice").await;
    let deliveries = (0..100).map(|_| {
        let (store, id) = (bench.store(), bench.mint());
        async move {
            let stored = submit(&*store, id, &[hello()], vec![owner(alice)]).await;
            let listed = list(&*store, alice).await;
            assert!(listed.contains(&stored.unwrap()));
            assert!(listed.is_sorted_by(|a, b| a < b), "each once, in order");
        }
    });
    together(deliveries).await;
    assert_eq!(bench.ids(alice).await.len(), 100);
}

/// Maildrops::list, Promise, and Maildrops::open: what is listed can be read.
pub async fn what_is_listed_during_deliveries_can_be_read<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let works = (0..100).map(|n| {
        let (store, id) = (bench.store(), bench.mint());
        async move {
            if n % 2 == 0 {
                let stored = submit(&*store, id, &[hello()], vec![owner(alice)]).await;
                assert_eq!(stored.unwrap(), id);
            } else if let Some(&last) = list(&*store, alice).await.last() {
                let body = drain(store.open(alice, last).await.unwrap()).await;
                assert_eq!(body.unwrap(), hello());
            }
        }
    });
    together(works).await;
}

/// Maildrops::remove: deliveries and removals at once do not disturb each other.
pub async fn deliveries_and_removals_at_once_keep_the_books<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let old = deliver_many(&bench, alice, 100).await;
    let mut new = Vec::new();
    let works: Vec<_> = old
        .iter()
        .map(|&gone| {
            let (store, id) = (bench.store(), bench.mint());
            new.push(id);
            async move {
                let stored = submit(&*store, id, &[hello()], vec![owner(alice)]).await;
                assert_eq!(stored.unwrap(), id);
                let removed = store.remove(alice, vec![gone], PATIENCE).await;
                assert_eq!(removed.unwrap().count(), 1);
                let listed = list(&*store, alice).await;
                assert!(listed.contains(&id) && !listed.contains(&gone));
            }
        })
        .collect();
    together(works).await;
    assert_eq!(bench.ids(alice).await, new);
}

/// Maildrops::open: readers and removers of the same messages at once get all or `Missing`.
pub async fn readers_and_removers_at_once_see_whole_messages<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let body = noise(300_000, 1);
    for _ in 0..5 {
        let id = bench.deliver(alice, body.clone()).await;
        let readers = (0..8).map(|n| {
            let store = bench.store();
            async move {
                if n == 3 {
                    let removed = store.remove(alice, vec![id], PATIENCE).await;
                    assert_eq!(removed.unwrap().count(), 1);
                }
                match store.open(alice, id).await {
                    Ok(reader) => Some(drain(reader).await.unwrap()),
                    Err(error) => {
                        assert_eq!(error.kind(), cassmail_store::ErrorKind::Missing);
                        None
                    }
                }
            }
        });
        for read in together(readers).await.into_iter().flatten() {
            assert_same_octets(&read, &body);
        }
    }
}

/// Maildrops::list: a maildrop of somebody who never removes anything.
pub async fn twenty_thousand_messages_are_listed_in_order<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let ids = deliver_many(&bench, alice, 20_000).await;
    assert!(bench.ids(alice).await == ids);
    let (gone, kept) = ids.split_at(10_000);
    bench.remove(alice, gone).await;
    assert!(bench.ids(alice).await == kept);
    bench.reopen().await;
    assert!(bench.ids(alice).await == kept);
    assert_eq!(bench.read(alice, kept[5000]).await, hello());
}

/// Delivers so many small messages, many at once; answers with their ids, in order.
pub(crate) async fn deliver_many<S: Subject>(
    bench: &Bench<S>,
    account: AccountId,
    count: usize,
) -> Vec<MessageId> {
    let ids: Vec<_> = (0..count).map(|_| bench.mint()).collect();
    for some in ids.chunks(500) {
        let deliveries = some.iter().map(|&id| {
            let store: Arc<dyn Store> = bench.store();
            async move {
                let stored = submit(&*store, id, &[hello()], vec![owner(account)]).await;
                assert_eq!(stored.unwrap(), id);
            }
        });
        together(deliveries).await;
    }
    ids
}

async fn list(store: &dyn Store, account: AccountId) -> Vec<MessageId> {
    let listed = store.list(account).await.unwrap();
    listed.into_iter().map(|entry| entry.id).collect()
}
