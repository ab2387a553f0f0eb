//! Messages on their way out.

use cassmail_mail::{AccountId, MessageId};
use cassmail_store::ErrorKind;

use crate::bench::{cancelled_after, kind, together};
use crate::letter::{PATIENCE, hello, owner, owner_named};
use crate::{Bench, Subject};

/// Maildrops::remove, Promise: with the receipt they are gone.
pub async fn a_removed_message_is_gone<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let id = bench.deliver(alice, hello()).await;
    bench.remove(alice, &[id]).await;
    assert!(bench.list(alice).await.is_empty());
    let opened = bench.store().open(alice, id).await;
    assert_eq!(kind(opened), ErrorKind::Missing);
}

/// Maildrops::remove, Promise: the receipt says how many were asked for.
pub async fn the_receipt_counts_what_was_to_be_removed<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let mut ids = delivered(&bench, alice, 3).await;
    ids.push(bench.mint());
    let removed = bench.store().remove(alice, ids, PATIENCE).await.unwrap();
    assert_eq!(removed.count(), 4);
}

/// Maildrops::remove: what was not named stays, in its order.
pub async fn removing_some_leaves_the_others_in_order<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let ids = delivered(&bench, alice, 20).await;
    let odd: Vec<_> = ids.iter().copied().skip(1).step_by(2).collect();
    let even: Vec<_> = ids.iter().copied().step_by(2).collect();
    bench.remove(alice, &odd).await;
    assert_eq!(bench.ids(alice).await, even);
    for id in even {
        assert_eq!(bench.read(alice, id).await, hello());
    }
}

/// Maildrops::remove, Promise: other owners keep theirs.
pub async fn other_owners_keep_theirs<S: Subject>(bench: Bench<S>) {
    let accounts = bench.accounts(3).await;
    let owners = accounts.iter().map(|&account| owner(account));
    let id = bench.deliver_to(owners.collect(), hello()).await;
    for (at, &account) in accounts.iter().enumerate() {
        bench.remove(account, &[id]).await;
        assert!(bench.list(account).await.is_empty());
        for &other in &accounts[at + 1..] {
            assert_eq!(bench.ids(other).await, [id]);
            assert_eq!(bench.read(other, id).await, hello());
        }
    }
}

/// Maildrops::remove: of one account, whatever the ids.
pub async fn nobody_removes_the_mail_of_others<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let bob = bench.account("bob").await;
    let id = bench.deliver(alice, hello()).await;
    bench.remove(bob, &[id]).await;
    assert_eq!(bench.ids(alice).await, [id]);
    assert_eq!(bench.read(alice, id).await, hello());
}

/// Maildrops::remove, Promise: ids that are not listed are no error, and do not hinder the others.
pub async fn removing_what_is_not_listed_is_no_error<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let ids = delivered(&bench, alice, 2).await;
    bench.remove(alice, &[bench.mint()]).await;
    assert_eq!(bench.ids(alice).await, ids);
    bench
        .remove(alice, &[bench.mint(), ids[0], bench.mint()])
        .await;
    assert_eq!(bench.ids(alice).await, ids[1..]);
}

/// Maildrops::remove: nothing is a list, too.
pub async fn removing_nothing_removes_nothing<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let ids = delivered(&bench, alice, 2).await;
    bench.remove(alice, &[]).await;
    assert_eq!(bench.ids(alice).await, ids);
}

/// Maildrops::remove: an id that is named twice.
pub async fn an_id_may_be_named_twice<S: Subject>(bench: Bench<S>) {
    let accounts = bench.accounts(2).await;
    let owners = accounts.iter().map(|&account| owner(account));
    let id = bench.deliver_to(owners.collect(), hello()).await;
    bench.remove(accounts[0], &[id, id]).await;
    assert!(bench.list(accounts[0]).await.is_empty());
    assert_eq!(bench.read(accounts[1], id).await, hello());
}

/// Maildrops::remove, Retry: harmless, now and ever.
pub async fn removing_again_is_harmless<S: Subject>(mut bench: Bench<S>) {
    let accounts = bench.accounts(2).await;
    let owners = accounts.iter().map(|&account| owner(account));
    let id = bench.deliver_to(owners.collect(), hello()).await;
    bench.remove(accounts[0], &[id]).await;
    let later = bench.deliver(accounts[0], hello()).await;
    bench.remove(accounts[0], &[id]).await;
    bench.reopen().await;
    bench.remove(accounts[0], &[id]).await;
    assert_eq!(bench.ids(accounts[0]).await, [later]);
    assert_eq!(bench.ids(accounts[1]).await, [id]);
    assert_eq!(bench.read(accounts[1], id).await, hello());
}

/// Maildrops::remove: of an account that does not exist.
pub async fn removing_from_nobody_is_no_error<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let id = bench.deliver(alice, hello()).await;
    let gone = bench.account("bob").await;
    crate::accounts::remove_account(&bench, "bob").await;
    bench.remove(gone, &[id]).await;
    assert_eq!(bench.ids(alice).await, [id]);
}

/// Maildrops::remove: a POP3 session that empties a large maildrop.
pub async fn many_messages_are_removed_at_once<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let ids = delivered(&bench, alice, 2000).await;
    bench.remove(alice, &ids[..1999]).await;
    assert_eq!(bench.ids(alice).await, ids[1999..]);
    bench.remove(alice, &ids).await;
    assert!(bench.list(alice).await.is_empty());
}

/// Maildrops::remove: two sessions of one account.
pub async fn two_removers_at_once_both_get_a_receipt<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let bob = bench.account("bob").await;
    let shared = vec![owner(alice), owner_named(bob, "bob@example.org")];
    let mut ids = delivered(&bench, alice, 50).await;
    ids.push(bench.deliver_to(shared, hello()).await);
    let removers = (0..2).map(|_| {
        let (store, ids) = (bench.store(), ids.clone());
        async move { store.remove(alice, ids, PATIENCE).await }
    });
    for removed in together(removers).await {
        assert_eq!(removed.unwrap().count(), 51);
    }
    assert!(bench.list(alice).await.is_empty());
    assert_eq!(bench.ids(bob).await, ids[50..]);
}

/// Maildrops::remove: all owners of one message at once.
pub async fn all_owners_may_remove_at_once<S: Subject>(bench: Bench<S>) {
    let accounts = bench.accounts(20).await;
    let owners = accounts.iter().map(|&account| owner(account));
    let id = bench.deliver_to(owners.collect(), hello()).await;
    let removers = accounts.iter().map(|&account| {
        let store = bench.store();
        async move { store.remove(account, vec![id], PATIENCE).await }
    });
    for removed in together(removers).await {
        assert_eq!(removed.unwrap().count(), 1);
    }
    for account in accounts {
        assert!(bench.list(account).await.is_empty());
    }
}

/// Maildrops::remove, Cancel: some may be gone, and it can be repeated.
pub async fn a_cancelled_removal_can_be_repeated<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let kept = bench.deliver(alice, hello()).await;
    for polls in 0..8 {
        let ids = delivered(&bench, alice, 3).await;
        let store = bench.store();
        let removal = store.remove(alice, ids.clone(), PATIENCE);
        let _ = cancelled_after(polls, removal).await;
        for id in bench.ids(alice).await {
            assert!(id == kept || ids.contains(&id));
        }
        bench.remove(alice, &ids).await;
        assert_eq!(bench.ids(alice).await, [kept]);
    }
}

async fn delivered<S: Subject>(
    bench: &Bench<S>,
    account: AccountId,
    count: usize,
) -> Vec<MessageId> {
    crate::crowd::deliver_many(bench, account, count).await
}
