//! Copies of a store that is used meanwhile.

use std::fs;

use cassmail_store::{Accounts as _, Maildrops as _, Store as _};
use cassmail_store_embedded::OpenError;

use crate::post::{Mail, Post, address, contents, segments, until, why_not};

#[tokio::test]
async fn a_copy_has_what_was_acknowledged_before_it_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let place = tempfile::tempdir().unwrap();
    let copy = place.path().join("copy");
    let post = Post::open(folder.path());
    let alice = post.account("alice").await;
    let mut kept = post.deliver_many(alice, 200, 12_000).await;
    let removed = kept.split_off(120);
    post.remove(&removed).await;
    let victims = post.deliver_many(alice, 40, 9000).await;

    let delivering = async {
        let mut late = Vec::new();
        for _ in 0..60 {
            late.push(post.deliver(alice, 12_000).await);
        }
        late
    };
    let copying = post.store.backup(copy.clone());
    let removing = post.remove(&victims);
    let (copied, late, ()) = tokio::join!(copying, delivering, removing);
    let copied = copied.unwrap();
    assert!(copied.messages >= 120, "{copied:?}");
    assert!(copied.segments >= 2, "{copied:?}");

    let second = Post::open(&copy);
    second.assert_sound().await;
    let ids = second.ids(alice).await;
    for mail in &kept {
        assert!(ids.contains(&mail.id));
    }
    for mail in &removed {
        assert!(!ids.contains(&mail.id));
    }
    let all: Vec<_> = [&kept[..], &victims, &late].concat();
    for id in ids {
        let mail = all
            .iter()
            .find(|mail| mail.id == id)
            .expect("it was delivered");
        assert!(second.read(alice, id).await.unwrap() == mail.body);
    }
    let there = second.store.resolve(address("alice")).await.unwrap();
    assert!(there.is_some());

    post.assert_sound().await;
    post.assert_has(alice, &[&kept[..], &late].concat()).await;
    second.store.close().await.unwrap();
    post.store.close().await.unwrap();
}

/// Removes most, waits until the cleaner has worked, delivers more.
async fn use_up(post: &Post, mails: &mut Vec<Mail>) {
    let alice = mails[0].account;
    let rest = mails.split_off(mails.len() / 10);
    let many = segments(post.folder()).len();
    post.remove(&rest).await;
    until("room is given back", || {
        segments(post.folder()).len() < many
    })
    .await;
    mails.extend(post.deliver_many(alice, 30, 20_000).await);
}

/// Sealed segments may be the same files, in both folders.
#[tokio::test]
async fn a_copy_and_its_original_do_not_change_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let place = tempfile::tempdir().unwrap();
    let copy = place.path().join("copy");
    let post = Post::open(folder.path());
    let alice = post.account("alice").await;
    let mut first = post.deliver_many(alice, 200, 16_000).await;
    post.store.backup(copy.clone()).await.unwrap();
    let mut second = first.clone();

    let before = contents(&folder.path().join("bodies"));
    let copied = Post::open(&copy).crash();
    use_up(&copied, &mut second).await;
    let copied = copied.crash().reopen().await;
    copied.assert_has(alice, &second).await;
    copied.assert_sound().await;
    assert!(contents(&folder.path().join("bodies")) == before);
    post.assert_has(alice, &first).await;
    post.assert_sound().await;
    copied.store.close().await.unwrap();

    let before = contents(&copy);
    use_up(&post, &mut first).await;
    let post = post.crash().reopen().await;
    post.assert_has(alice, &first).await;
    post.assert_sound().await;
    assert!(contents(&copy) == before);
    post.store.close().await.unwrap();
}

/// A segment is sealed by what is still being received, so nothing is noted of it in the index:
/// when the original opens after a crash, it rewrites what it is not sure of and cuts the old head.
#[tokio::test]
async fn a_crash_of_the_original_does_not_cut_the_files_of_the_copy() {
    let folder = tempfile::tempdir().unwrap();
    let place = tempfile::tempdir().unwrap();
    let copy = place.path().join("copy");
    let post = Post::open(folder.path());
    let alice = post.account("alice").await;
    let mails = post.deliver_many(alice, 20, 16_000).await;
    let mut receiving = post.store.begin(post.mint()).await.unwrap();
    for seed in 0..20 {
        let piece = crate::post::noise(128 * 1024, seed);
        receiving.write(piece).await.unwrap();
    }
    assert!(segments(folder.path()).len() >= 3);
    post.store.backup(copy.clone()).await.unwrap();
    drop(receiving);
    let post = post.crash();
    post.assert_has(alice, &mails).await;
    let copied = Post::open(&copy);
    copied.assert_has(alice, &mails).await;
    copied.assert_sound().await;
    copied.store.close().await.unwrap();
    post.store.close().await.unwrap();
}

#[tokio::test]
async fn a_copy_needs_a_new_folder() {
    let folder = tempfile::tempdir().unwrap();
    let place = tempfile::tempdir().unwrap();
    let post = Post::open(folder.path());
    fs::write(place.path().join("mine"), "mine").unwrap();
    let error = post
        .store
        .backup(place.path().to_owned())
        .await
        .unwrap_err();
    assert!(matches!(error, OpenError::NotNew(_)), "{error}");
    let error = post
        .store
        .backup(folder.path().to_owned())
        .await
        .unwrap_err();
    assert!(matches!(error, OpenError::NotNew(_)), "{error}");
    let file = place.path().join("mine");
    let error = post.store.backup(file.clone()).await.unwrap_err();
    assert!(matches!(error, OpenError::NotNew(_)), "{error}");
    assert_eq!(fs::read(file).unwrap(), b"mine");
    // An empty one is as good as a new one.
    let empty = tempfile::tempdir().unwrap();
    post.store.backup(empty.path().to_owned()).await.unwrap();
    post.store.close().await.unwrap();
}

#[tokio::test]
async fn a_copy_that_was_cut_short_is_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let place = tempfile::tempdir().unwrap();
    let post = Post::open(folder.path());
    let alice = post.account("alice").await;
    post.deliver_many(alice, 100, 16_000).await;
    let copy = place.path().join("copy");
    post.store.backup(copy.clone()).await.unwrap();
    // The last step was not done.
    fs::remove_file(copy.join("FORMAT")).unwrap();
    why_not(&copy);
    fs::remove_dir_all(copy.join("index")).unwrap();
    why_not(&copy);
    post.store.close().await.unwrap();
}
