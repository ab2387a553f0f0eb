//! An index that is lost and made again.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use cassmail_mail::{AccountId, MessageId, Owner};
use cassmail_store::{Accounts as _, Credentials, Maildrops as _, Store as _};
use cassmail_store_embedded::salvage;

use crate::post::{PATIENCE, Post, address, new_account, noise, owner, segments, submit};

fn lose_the_index(folder: &Path) {
    fs::rename(folder.join("index"), folder.join("taken-away")).unwrap();
}

/// What an account gets to see of a message.
type Seen = (AccountId, MessageId, String, u64, Vec<u8>);

async fn everything(post: &Post, accounts: &[AccountId]) -> Vec<Seen> {
    let mut all = Vec::new();
    for &account in accounts {
        for entry in post.store.list(account).await.unwrap() {
            let body = post.read(account, entry.id).await.unwrap();
            let uidl = entry.uidl().to_string();
            all.push((account, entry.id, uidl, entry.size, body));
        }
    }
    all
}

fn named(account: AccountId, recipient: &str) -> Owner {
    Owner {
        recipient: Some(recipient.parse().unwrap()),
        ..owner(account)
    }
}

async fn send(post: &Post, owners: Vec<Owner>, octets: usize) -> MessageId {
    let id = post.mint();
    let body: Bytes = [b"Return-Path: <>\r\n", &noise(octets, octets as u64)[..]]
        .concat()
        .into();
    submit(&*post.store, id, &body, owners).await.unwrap();
    id
}

#[tokio::test]
async fn everything_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::open(folder.path());
    let alice = post.account("alice").await;
    let bob = post.account("bob").await;
    for n in 0..60_usize {
        send(&post, vec![named(alice, "Alice@example.org")], 9000 + n).await;
        let both = vec![
            named(alice, "alice@example.org"),
            named(bob, "bob+shop@example.org"),
        ];
        send(&post, both, 15_000 + n).await;
    }
    send(&post, vec![named(bob, "bob@example.org")], 700_000).await;
    let imported = Owner {
        uidl: Some("uidl-of-another-server".parse().unwrap()),
        ..owner(alice)
    };
    send(&post, vec![imported], 5000).await;
    let before = everything(&post, &[alice, bob]).await;
    post.store.close().await.unwrap();
    lose_the_index(folder.path());

    let report = salvage(folder.path()).unwrap();
    assert_eq!(report.messages, 122);
    assert_eq!(report.incomplete, 0);
    assert!(report.damage.is_empty(), "{:?}", report.damage);
    assert_eq!(report.unknown_accounts, 0);
    let recognized: Vec<_> = report.accounts.into_iter().collect();
    assert_eq!(recognized, [address("alice"), address("bob")]);

    let post = Post::open(folder.path());
    assert!(everything(&post, &[alice, bob]).await == before);
    post.assert_sound().await;
    // Their accounts are theirs, but nobody has a password.
    let entry = post.store.resolve(address("alice")).await.unwrap().unwrap();
    assert_eq!(entry.generation(), 1);
    let (profile, _) = post.store.account(alice).await.unwrap().unwrap();
    assert_eq!(profile.address, address("alice"));
    let fresh = Credentials::of_hash("new");
    post.store.put_credentials(alice, fresh).await.unwrap();
    post.store.close().await.unwrap();
}

#[tokio::test]
async fn an_account_keeps_its_generation() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::open(folder.path());
    let first = post.account("alice").await;
    // In a segment with mail that stays, so that it is there when the index is made again.
    let old = send(&post, vec![named(first, "alice@example.org")], 2000).await;
    let bob = post.account("bob").await;
    send(&post, vec![named(bob, "bob@example.org")], 90_000).await;
    for _ in 0..6 {
        post.store.remove_account(address("alice")).await.unwrap();
        post.account("alice").await;
    }
    let entry = post.store.resolve(address("alice")).await.unwrap().unwrap();
    assert_eq!(entry.generation(), 7);
    let last = AccountId::of(&address("alice"), 7);
    let new = send(&post, vec![named(last, "alice@example.org")], 3000).await;
    let before = everything(&post, &[last]).await;
    assert_eq!(before.len(), 1);
    post.store.close().await.unwrap();
    lose_the_index(folder.path());

    salvage(folder.path()).unwrap();
    let post = Post::open(folder.path());
    let entry = post.store.resolve(address("alice")).await.unwrap().unwrap();
    assert_eq!(entry.generation(), 7);
    assert!(everything(&post, &[last]).await == before);
    // The mail of the account that was removed is nobody's.
    assert_eq!(post.ids(first).await, []);
    assert_ne!(old, new);
    post.store.close().await.unwrap();
}

#[tokio::test]
async fn mail_of_an_unknown_account_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::open(folder.path());
    let carol = post.account("carol").await;
    // Named by an alias, or not at all: neither says whose it is.
    send(&post, vec![named(carol, "sales@example.org")], 2000).await;
    send(&post, vec![owner(carol)], 2000).await;
    let before = everything(&post, &[carol]).await;
    post.store.close().await.unwrap();
    lose_the_index(folder.path());

    let report = salvage(folder.path()).unwrap();
    assert_eq!(report.unknown_accounts, 1);
    assert!(report.accounts.is_empty());
    let post = Post::open(folder.path());
    assert_eq!(post.ids(carol).await, []);
    let created = post.store.create_account(new_account("carol")).await;
    assert_eq!(created.unwrap(), carol);
    assert!(everything(&post, &[carol]).await == before);
    post.assert_sound().await;
    post.store.close().await.unwrap();
}

#[tokio::test]
async fn damage_amid_a_segment_costs_only_what_it_hit() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::open(folder.path());
    let alice = post.account("alice").await;
    let mut ids = Vec::new();
    for n in 0..90_usize {
        ids.push(send(&post, vec![named(alice, "alice@example.org")], 16_000 + n).await);
    }
    post.store.close().await.unwrap();
    lose_the_index(folder.path());
    let file = &segments(folder.path())[0];
    let mut octets = fs::read(file).unwrap();
    // Two records, a header and a preamble.
    octets[3..9].fill(0xff);
    octets[200_000..216_500].fill(0);
    let third = 64 + 20 * 16_200;
    octets[third] ^= 1;
    fs::write(file, octets).unwrap();

    let report = salvage(folder.path()).unwrap();
    assert!((86..=88).contains(&report.messages), "{report:?}");
    assert!(!report.damage.is_empty());
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(report.damage.iter().all(|damage| damage.segment == name));
    let post = Post::open(folder.path());
    post.assert_sound().await;
    let listed = post.ids(alice).await;
    assert_eq!(listed.len() as u64, report.messages);
    assert!(listed.iter().all(|id| ids.contains(id)));
    post.store.close().await.unwrap();
}

#[tokio::test]
async fn salvage_can_be_repeated_and_keeps_the_old_index() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::open(folder.path());
    let alice = post.account("alice").await;
    send(&post, vec![named(alice, "alice@example.org")], 500_000).await;
    let before = everything(&post, &[alice]).await;
    post.store.close().await.unwrap();
    fs::write(folder.path().join("index").join("mark"), "the old one").unwrap();
    for round in 1..=3 {
        let report = salvage(folder.path()).unwrap();
        assert_eq!(report.messages, 1);
        let kept = folder.path().join(format!("index.lost-{round}"));
        assert!(kept.is_dir());
        assert_eq!(kept.join("mark").exists(), round == 1);
        let post = Post::open(folder.path());
        assert!(everything(&post, &[alice]).await == before);
        post.assert_sound().await;
        post.store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_message_named_twice_for_one_account_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::open(folder.path());
    let alice = post.account("alice").await;
    let twice = vec![
        named(alice, "alice@example.org"),
        named(alice, "a.lice@example.org"),
    ];
    let id = send(&post, twice, 4000).await;
    let before = everything(&post, &[alice]).await;
    post.store.close().await.unwrap();
    lose_the_index(folder.path());
    salvage(folder.path()).unwrap();
    let post = Post::open(folder.path());
    assert!(everything(&post, &[alice]).await == before);
    post.assert_sound().await;
    let removed = post.store.remove(alice, vec![id], PATIENCE).await;
    assert_eq!(removed.unwrap().count(), 1);
    assert_eq!(post.check().await.messages, 0);
    post.store.close().await.unwrap();
}

#[tokio::test]
async fn a_lost_format_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::open(folder.path());
    let alice = post.account("alice").await;
    send(&post, vec![named(alice, "alice@example.org")], 4000).await;
    let before = everything(&post, &[alice]).await;
    post.store.close().await.unwrap();
    fs::remove_file(folder.path().join("FORMAT")).unwrap();
    salvage(folder.path()).unwrap();
    let post = Post::open(folder.path());
    assert!(everything(&post, &[alice]).await == before);
    post.store.close().await.unwrap();
}
