//! Notes of how full maildrops are.

use cassmail_mail::AccountId;
use cassmail_store::{Counted, Usage, UsageNotes, Writer};

use crate::{Bench, Subject};

async fn notes<S: Subject>(bench: &Bench<S>, account: AccountId) -> UsageNotes {
    bench.store().usage(account).await.expect("notes")
}

async fn bring<S: Subject>(bench: &Bench<S>, account: AccountId, writer: u64, messages: u64) {
    let store = bench.store();
    let put = store.put_brought(account, Writer(writer), usage(messages));
    put.await.expect("a note");
}

async fn count<S: Subject>(bench: &Bench<S>, account: AccountId, messages: u64) {
    let store = bench.store();
    let put = store.put_counted(account, counted(messages));
    put.await.expect("a count");
}

fn usage(messages: u64) -> Usage {
    Usage {
        messages,
        octets: messages * 1000,
    }
}

fn counted(messages: u64) -> Counted {
    Counted {
        usage: usage(messages),
        at: 1_700_000_000_000_000,
        full_since: (messages > 5).then_some(1_600_000_000_000_000),
        seen: [(Writer(7), usage(messages)), (Writer(u64::MAX), usage(1))].into(),
    }
}

/// Usages::usage, Promise: a new account has none.
pub async fn a_new_account_has_no_notes<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    assert_eq!(notes(&bench, alice).await, UsageNotes::default());
    let nobody = AccountId::from_key([9; 16]);
    assert_eq!(notes(&bench, nobody).await, UsageNotes::default());
}

/// Usages::usage, Promise: the last note of each writer, also of those with the largest numbers;
/// put_brought: in place of what it noted before; no note of another writer is touched.
pub async fn the_last_note_of_each_writer_is_seen<S: Subject>(bench: Bench<S>) {
    let [alice, bob] = [bench.account("alice").await, bench.account("bob").await];
    for round in 1..4 {
        bring(&bench, alice, 7, round).await;
        bring(&bench, alice, u64::MAX, round * 10).await;
        bring(&bench, bob, 7, 100).await;
        let expected = [
            (Writer(7), usage(round)),
            (Writer(u64::MAX), usage(round * 10)),
        ];
        let seen = notes(&bench, alice).await;
        assert_eq!(seen.brought, expected.into());
        assert_eq!(seen.counted, None);
    }
    let of_bob = notes(&bench, bob).await.brought;
    assert_eq!(of_bob, [(Writer(7), usage(100))].into());
}

/// Usages::put_brought, Promise: in place of what it noted before, also when that was more.
pub async fn a_writer_may_note_less_than_before<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    for messages in [5, 3, 4] {
        bring(&bench, alice, 7, messages).await;
        let seen = notes(&bench, alice).await.brought;
        assert_eq!(seen, [(Writer(7), usage(messages))].into());
    }
}

/// Usages::put_counted, Promise: in place of the last one; no note of a writer is touched.
/// put_brought: no count is touched.
pub async fn the_last_count_is_seen_beside_the_notes<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    count(&bench, alice, 3).await;
    assert_eq!(notes(&bench, alice).await.counted, Some(counted(3)));
    bring(&bench, alice, 7, 5).await;
    assert_eq!(notes(&bench, alice).await.counted, Some(counted(3)));
    count(&bench, alice, 8).await;
    let seen = notes(&bench, alice).await;
    assert_eq!(seen.counted, Some(counted(8)));
    assert_eq!(seen.brought, [(Writer(7), usage(5))].into());
}

/// Usages::put_brought and put_counted, Retry: harmless.
pub async fn notes_and_counts_can_be_put_again<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    for _ in 0..3 {
        count(&bench, alice, 2).await;
        bring(&bench, alice, 7, 4).await;
        let seen = notes(&bench, alice).await;
        assert_eq!(seen.counted, Some(counted(2)));
        assert_eq!(seen.brought, [(Writer(7), usage(4))].into());
    }
}

/// Usages::put_brought and put_counted, Promise: durable with the answer.
pub async fn notes_and_counts_survive_a_crash<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    count(&bench, alice, 1).await;
    count(&bench, alice, 2).await;
    bring(&bench, alice, 7, 3).await;
    bench.crash().await;
    let seen = notes(&bench, alice).await;
    assert_eq!(seen.counted, Some(counted(2)));
    assert_eq!(seen.brought, [(Writer(7), usage(3))].into());
}

/// Usages::put_counted, Promise: of two that are noted at once one stays, whole. put_brought: no
/// note of another writer is touched, whatever is noted at the same time.
pub async fn of_what_is_noted_at_once_nothing_is_mixed<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 1..=20 {
        let store = bench.store();
        tasks.spawn(async move {
            let put = store.put_brought(alice, Writer(n), usage(n));
            put.await.expect("a note");
            store.put_counted(alice, counted(n)).await.expect("a count");
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("the task does not panic");
    }
    let seen = notes(&bench, alice).await;
    assert_eq!(
        seen.brought,
        (1..=20).map(|n| (Writer(n), usage(n))).collect()
    );
    let left = seen.counted.expect("a count");
    assert_eq!(left, counted(left.usage.messages));
}

/// Usages::usage, Promise: a new account has none, whatever was noted of the one before.
pub async fn an_account_that_is_made_again_has_no_notes<S: Subject>(bench: Bench<S>) {
    let first = bench.account("alice").await;
    count(&bench, first, 3).await;
    bring(&bench, first, 7, 5).await;
    let store = bench.store();
    let address = crate::letter::address("alice@example.org");
    store.remove_account(address).await.expect("removed");
    let second = bench.account("alice").await;
    assert_ne!(first, second);
    assert_eq!(notes(&bench, second).await, UsageNotes::default());
    // Who still thinks of the old one harms nobody.
    bring(&bench, first, 7, 6).await;
    assert_eq!(notes(&bench, second).await, UsageNotes::default());
}
