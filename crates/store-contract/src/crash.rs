//! A crash in the middle of something. What was acknowledged is there (see [`closing`]); what was
//! not is whole or nothing.
//!
//! [`closing`]: crate::closing

use bytes::Bytes;
use cassmail_mail::AccountId;
use cassmail_store::AddressEntry;

use crate::addresses::{put_alias, resolve};
use crate::bench::{cancelled_after, new_account, submit};
use crate::letter::{
    PATIENCE, address, assert_same_octets, cut, delivery, hello, noise, owner, owner_named,
};
use crate::{Bench, Subject};

/// Maildrops::begin, Crash: leaves nothing that is listed.
pub async fn a_crash_amid_a_message_leaves_nothing<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let id = bench.mint();
    let mut writer = bench.store().begin(id).await.unwrap();
    for piece in cut(&noise(1 << 20, 1), 64 * 1024) {
        writer.write(piece).await.unwrap();
    }
    bench.crash().await;
    drop(writer);
    assert!(bench.list(alice).await.is_empty());
    let again = submit(&*bench.store(), id, &[hello()], vec![owner(alice)]).await;
    assert_eq!(again.unwrap(), id);
    assert_eq!(bench.read(alice, id).await, hello());
}

/// MessageWriter::commit, Crash: before the receipt, it is listed for all or for none.
pub async fn a_crash_amid_a_commit_lists_it_for_all_or_for_none<S: Subject>(mut bench: Bench<S>) {
    let accounts = bench.accounts(3).await;
    for body in [hello(), noise(300_000, 1)] {
        for polls in 0..6 {
            let id = bench.mint();
            let mut writer = bench.store().begin(id).await.unwrap();
            writer.write(body.clone()).await.unwrap();
            let owners = accounts.iter().map(|&account| owner(account)).collect();
            let commit = writer.commit(delivery(id, owners), PATIENCE);
            let committed = cancelled_after(polls, commit).await;
            bench.crash().await;
            let mut listing = Vec::new();
            for &account in &accounts {
                listing.push(bench.ids(account).await.contains(&id));
            }
            assert!(
                listing.iter().all(|listed| *listed == listing[0]),
                "{listing:?}"
            );
            if listing[0] {
                assert_same_octets(&bench.read(accounts[1], id).await, &body);
            } else {
                assert!(!matches!(committed, Some(Ok(_))), "acknowledged, and lost");
            }
        }
    }
}

/// MessageWriter::commit, Crash, then Retry: whatever was left, in the end it is listed once.
pub async fn a_commit_is_repeated_after_a_crash<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    for polls in 0..6 {
        let id = bench.mint();
        let mut writer = bench.store().begin(id).await.unwrap();
        writer.write(hello()).await.unwrap();
        let commit = writer.commit(delivery(id, vec![owner(alice)]), PATIENCE);
        let _ = cancelled_after(polls, commit).await;
        bench.crash().await;
        let again = submit(&*bench.store(), id, &[hello()], vec![owner(alice)]).await;
        assert_eq!(again.unwrap(), id);
        let listed = bench.ids(alice).await;
        assert_eq!(listed.iter().filter(|&&listed| listed == id).count(), 1);
    }
}

/// Maildrops::remove, Crash: some may be gone, the rest is whole, and others keep theirs.
pub async fn a_crash_amid_a_removal_leaves_the_rest_whole<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let bob = bench.account("bob").await;
    let owners = vec![owner(alice), owner_named(bob, "bob@example.org")];
    let kept = bench.deliver(alice, hello()).await;
    for polls in 0..6 {
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(bench.deliver_to(owners.clone(), hello()).await);
        }
        let store = bench.store();
        let removal = store.remove(alice, ids.clone(), PATIENCE);
        let removed = cancelled_after(polls, removal).await;
        drop(store);
        bench.crash().await;
        let left = bench.ids(alice).await;
        assert!(left.contains(&kept));
        if matches!(removed, Some(Ok(_))) {
            assert!(
                ids.iter().all(|id| !left.contains(id)),
                "no crash brings them back"
            );
        }
        for id in left {
            assert_eq!(bench.read(alice, id).await, hello());
        }
        assert!(bench.ids(bob).await.ends_with(&ids));
        bench.remove(alice, &ids).await;
        assert_eq!(bench.ids(alice).await, [kept]);
    }
}

/// Accounts::create_account, Crash: all of it or nothing.
pub async fn a_crash_amid_the_making_of_an_account_leaves_all_or_nothing<S: Subject>(
    mut bench: Bench<S>,
) {
    for polls in 0..6 {
        let text = format!("user{polls}@example.org");
        let id = AccountId::of(&address(&text), 1);
        let store = bench.store();
        let creation = store.create_account(new_account(&text, "first"));
        let created = cancelled_after(polls, creation).await;
        drop(store);
        bench.crash().await;
        let account = bench.store().account(id).await.unwrap();
        let is_there = match resolve(&bench, &text).await {
            None => false,
            Some(entry) => {
                assert_eq!(entry, AddressEntry::Account { id, generation: 1 });
                true
            }
        };
        assert_eq!(account.is_some(), is_there);
        assert!(is_there || !matches!(created, Some(Ok(_))));
        let again = bench
            .store()
            .create_account(new_account(&text, "first"))
            .await;
        assert_eq!(again.unwrap(), id);
    }
}

/// Accounts::remove_account, Promise: no crash brings the account or its mail back.
pub async fn a_crash_does_not_bring_back_an_account<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    bench.deliver(alice, hello()).await;
    crate::accounts::remove_account(&bench, "alice").await;
    put_alias(&bench, "sales", &["bob@example.org"]).await;
    let sales = address("sales@example.org");
    bench.store().remove_alias(sales).await.unwrap();
    bench.crash().await;
    assert!(bench.store().account(alice).await.unwrap().is_none());
    assert!(bench.list(alice).await.is_empty());
    let entry = resolve(&bench, "sales@example.org").await;
    assert!(entry.is_none_or(|entry| !entry.is_in_use()));
    let second = bench.account("alice").await;
    assert!(bench.list(second).await.is_empty());
    assert_eq!(second, AccountId::of(&address("alice@example.org"), 2));
}

/// A crash among many messages loses none that was acknowledged.
pub async fn a_crash_in_a_crowd_keeps_every_acknowledged_message<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let commits: Vec<_> = (0..40)
        .map(|seed| {
            let (store, id) = (bench.store(), bench.mint());
            let body: Bytes = noise(if seed % 8 == 0 { 200_000 } else { 3000 }, seed);
            let task = async move {
                let pieces = cut(&body, 50_000);
                submit(&*store, id, &pieces, vec![owner(alice)]).await
            };
            (id, seed, tokio::spawn(task))
        })
        .collect();
    // Wait for one in the middle only: of the others some are under way.
    let mut acknowledged = Vec::new();
    for (at, (id, seed, task)) in commits.into_iter().enumerate() {
        if at < 20 {
            assert_eq!(task.await.unwrap().unwrap(), id);
            acknowledged.push((id, seed));
        } else {
            task.abort();
        }
    }
    bench.crash().await;
    let listed = bench.ids(alice).await;
    assert!(listed.is_sorted());
    for (id, seed) in acknowledged {
        assert!(listed.contains(&id));
        let body = noise(if seed % 8 == 0 { 200_000 } else { 3000 }, seed);
        assert_same_octets(&bench.read(alice, id).await, &body);
    }
    for id in listed {
        assert!(!bench.read(alice, id).await.is_empty());
    }
}
