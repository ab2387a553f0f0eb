//! Bodies that are given out.

use cassmail_mail::{AccountId, MessageId};
use cassmail_store::ErrorKind;

use crate::accounts::remove_account;
use crate::bench::{cancelled_after, drain, kind, together};
use crate::letter::{assert_same_octets, hello, noise, owner, text};
use crate::{Bench, Subject};

/// Maildrops::open, Errors.
pub async fn opening_a_message_that_is_not_there_is_missing<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    bench.deliver(alice, hello()).await;
    let opened = bench.store().open(alice, bench.mint()).await;
    assert_eq!(kind(opened), ErrorKind::Missing);
}

/// Maildrops::open, Errors: it is there, but not this account's.
pub async fn opening_a_message_of_another_account_is_missing<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let bob = bench.account("bob").await;
    let id = bench.deliver(alice, hello()).await;
    let opened = bench.store().open(bob, id).await;
    assert_eq!(kind(opened), ErrorKind::Missing);
}

/// Maildrops::open, Errors: not any more.
pub async fn opening_a_removed_message_is_missing<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let bob = bench.account("bob").await;
    let owners = vec![owner(alice), owner(bob)];
    let id = bench.deliver_to(owners, hello()).await;
    bench.remove(alice, &[id]).await;
    let opened = bench.store().open(alice, id).await;
    assert_eq!(kind(opened), ErrorKind::Missing);
}

/// BodyReader::next: a piece is at most 256 KiB.
pub async fn pieces_are_at_most_256_kib<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    for body in [text(2 << 20), noise(2 << 20, 1)] {
        let id = bench.deliver(alice, body.clone()).await;
        let mut reader = bench.store().open(alice, id).await.unwrap();
        let mut octets = 0;
        while let Some(piece) = reader.next().await.unwrap() {
            assert!(piece.len() <= 256 * 1024, "{}", piece.len());
            octets += piece.len();
        }
        assert_eq!(octets, body.len());
    }
}

/// BodyReader::next: none at the end, and after it.
pub async fn the_end_of_a_body_stays_the_end<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    for size in [0, 100, 300_000] {
        let id = bench.deliver(alice, text(size)).await;
        let mut reader = bench.store().open(alice, id).await.unwrap();
        while reader.next().await.unwrap().is_some() {}
        assert_eq!(reader.next().await.unwrap(), None);
    }
}

/// Maildrops::open, Promise: a reader that is open goes on when the message is removed.
pub async fn a_reader_outlives_the_removal<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    for body in [hello(), noise(3 << 20, 1)] {
        let id = bench.deliver(alice, body.clone()).await;
        let unread = bench.store().open(alice, id).await.unwrap();
        let mut begun = bench.store().open(alice, id).await.unwrap();
        let first = begun.next().await.unwrap().expect("a piece");
        bench.remove(alice, &[id]).await;
        let rest = drain(begun).await.unwrap();
        assert_same_octets(&[&first[..], &rest].concat(), &body);
        assert_same_octets(&drain(unread).await.unwrap(), &body);
    }
}

/// Maildrops::open, Promise: also when the whole account is removed.
pub async fn a_reader_outlives_the_account<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let body = noise(1 << 20, 1);
    let id = bench.deliver(alice, body.clone()).await;
    let reader = bench.store().open(alice, id).await.unwrap();
    remove_account(&bench, "alice").await;
    assert_same_octets(&drain(reader).await.unwrap(), &body);
}

/// Maildrops::open: readers share nothing.
pub async fn many_readers_of_one_message_at_once_all_get_it<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let body = noise(1 << 20, 1);
    let id = bench.deliver(alice, body.clone()).await;
    let readers = (0..16).map(|_| {
        let store = bench.store();
        async move { drain(store.open(alice, id).await?).await }
    });
    for read in together(readers).await {
        assert_same_octets(&read.unwrap(), &body);
    }
}

/// Maildrops::open: a reader goes on while the store works.
pub async fn a_slow_reader_is_not_disturbed_by_deliveries<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let body = noise(1 << 20, 1);
    let id = bench.deliver(alice, body.clone()).await;
    let mut reader = bench.store().open(alice, id).await.unwrap();
    let mut found = Vec::new();
    while let Some(piece) = reader.next().await.unwrap() {
        found.extend_from_slice(&piece);
        let other = bench.deliver(alice, noise(100_000, 7)).await;
        bench.remove(alice, &[other]).await;
    }
    assert_same_octets(&found, &body);
}

/// Maildrops::open and Maildrops::list, Cancel: harmless.
pub async fn cancelled_reading_is_harmless<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let id = bench.deliver(alice, noise(1 << 20, 1)).await;
    for polls in 0..4 {
        let store = bench.store();
        let _ = cancelled_after(polls, store.list(alice)).await;
        let reader = cancelled_after(polls, store.open(alice, id)).await;
        if let Some(Ok(mut reader)) = reader {
            let _ = cancelled_after(polls, reader.next()).await;
        }
    }
    assert_eq!(bench.ids(alice).await, [id]);
    assert_same_octets(&bench.read(alice, id).await, &noise(1 << 20, 1));
}

/// Maildrops::open and BodyReader::next, Errors: what was given out so far is right.
pub async fn a_damaged_body_is_corrupt_and_never_given_out<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let bodies = [hello(), text(100_000), noise(1 << 20, 1)];
    let mut ids = Vec::new();
    for body in &bodies {
        ids.push(bench.deliver(alice, body.clone()).await);
    }
    bench.damage().await;
    for (id, body) in ids.into_iter().zip(bodies) {
        let mut given = Vec::new();
        let end = read_into(&mut given, &bench, alice, id).await;
        assert_eq!(end, Err(ErrorKind::Corrupt));
        assert!(body.starts_with(&given), "only right octets");
        assert!(given.len() < body.len());
    }
}

/// Maildrops::remove: an owner can get rid of a message that nobody can read.
pub async fn a_damaged_message_is_listed_and_can_be_removed<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let damaged = bench.deliver(alice, noise(10_000, 1)).await;
    bench.damage().await;
    let good = bench.deliver(alice, noise(10_000, 2)).await;
    assert_eq!(bench.ids(alice).await, [damaged, good]);
    assert_same_octets(&bench.read(alice, good).await, &noise(10_000, 2));
    bench.remove(alice, &[damaged]).await;
    assert_eq!(bench.ids(alice).await, [good]);
}

async fn read_into<S: Subject>(
    given: &mut Vec<u8>,
    bench: &Bench<S>,
    account: AccountId,
    id: MessageId,
) -> Result<(), ErrorKind> {
    let store = bench.store();
    let mut reader = store
        .open(account, id)
        .await
        .map_err(|error| error.kind())?;
    while let Some(piece) = reader.next().await.map_err(|error| error.kind())? {
        given.extend_from_slice(&piece);
    }
    Ok(())
}
