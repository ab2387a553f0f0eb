//! A store without room.

use cassmail_mail::{AccountId, MessageId};
use cassmail_store::{Health, StoreResult};

use crate::bench::{FULL, cancelled_after, kind, submit};
use crate::letter::{PATIENCE, address, delivery, hello, noise, owner};
use crate::{Bench, Subject};

/// Maildrops::begin and MessageWriter::commit, Errors: refused, and nothing happened.
pub async fn a_full_store_refuses_messages<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let id = bench.deliver(alice, hello()).await;
    bench.exhaust().await;
    for size in [100, 100_000] {
        assert_eq!(kind(try_deliver(&bench, size).await), FULL);
    }
    assert_eq!(bench.ids(alice).await, [id]);
}

/// Store::health.
pub async fn a_full_store_says_so<S: Subject>(mut bench: Bench<S>) {
    bench.exhaust().await;
    assert_eq!(bench.store().health(), Health::Full);
    bench.relieve().await;
    assert_eq!(bench.store().health(), Health::Well);
}

/// Store::poisoned: to be full is no disaster.
pub async fn a_full_store_is_not_poisoned<S: Subject>(mut bench: Bench<S>) {
    bench.account("alice").await;
    bench.exhaust().await;
    assert_eq!(kind(try_deliver(&bench, 100_000).await), FULL);
    let store = bench.store();
    assert!(cancelled_after(3, store.poisoned()).await.is_none());
}

/// Health::Full: reading works.
pub async fn reading_works_while_the_store_is_full<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let id = bench.deliver(alice, hello()).await;
    bench.exhaust().await;
    assert_eq!(bench.ids(alice).await, [id]);
    assert_eq!(bench.read(alice, id).await, hello());
}

/// Reason::Full: owners can log in, in order to remove what is too much.
pub async fn owners_can_log_in_while_the_store_is_full<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    bench.exhaust().await;
    assert!(bench.store().account(alice).await.unwrap().is_some());
    let entry = crate::addresses::resolve(&bench, "alice@example.org").await;
    assert!(entry.is_some_and(|entry| entry.is_in_use()));
}

/// Reason::Full: removal still works, and is as durable as ever.
pub async fn removal_works_while_the_store_is_full<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let first = bench.deliver(alice, hello()).await;
    let second = bench.deliver(alice, noise(100_000, 1)).await;
    bench.exhaust().await;
    bench.remove(alice, &[second]).await;
    assert_eq!(bench.ids(alice).await, [first]);
    bench.relieve().await;
    bench.crash().await;
    assert_eq!(bench.ids(alice).await, [first]);
}

/// Reason::Full: service returns by itself when there is room.
pub async fn service_returns_when_there_is_room<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    for turn in 1..=3 {
        bench.exhaust().await;
        assert_eq!(kind(try_deliver(&bench, 1000).await), FULL);
        bench.relieve().await;
        try_deliver(&bench, 1000).await.unwrap();
        assert_eq!(bench.ids(alice).await.len(), turn);
    }
}

/// MessageWriter::commit, Errors: when the room goes while a message is received, it is stored or
/// refused, and can be repeated.
pub async fn a_message_is_stored_or_refused_when_the_room_goes_meanwhile<S: Subject>(
    mut bench: Bench<S>,
) {
    let alice = bench.account("alice").await;
    let id = bench.mint();
    let mut writer = bench.store().begin(id).await.unwrap();
    writer.write(hello()).await.unwrap();
    bench.exhaust().await;
    let delivery = delivery(id, vec![owner(alice)]);
    match writer.commit(delivery, PATIENCE).await {
        Ok(stored) => assert_eq!(bench.ids(alice).await, [stored.id()]),
        Err(error) => {
            assert_eq!(error.kind(), FULL);
            assert!(bench.list(alice).await.is_empty());
        }
    }
    bench.relieve().await;
    let again = submit(&*bench.store(), id, &[hello()], vec![owner(alice)]).await;
    assert_eq!(again.unwrap(), id);
    assert_eq!(bench.ids(alice).await, [id]);
}

/// Maildrops::open: what is there when the room goes stays as it is, over a new start too.
pub async fn a_full_store_keeps_what_it_has<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let id = bench.deliver(alice, noise(300_000, 1)).await;
    bench.exhaust().await;
    assert_eq!(kind(try_deliver(&bench, 100_000).await), FULL);
    bench.relieve().await;
    bench.reopen().await;
    assert_eq!(bench.ids(alice).await, [id]);
    assert_eq!(bench.read(alice, id).await, noise(300_000, 1));
}

/// Tries to deliver so many octets to alice.
async fn try_deliver<S: Subject>(bench: &Bench<S>, octets: usize) -> StoreResult<MessageId> {
    let alice = AccountId::of(&address("alice@example.org"), 1);
    let body = noise(octets, 1);
    submit(&*bench.store(), bench.mint(), &[body], vec![owner(alice)]).await
}
