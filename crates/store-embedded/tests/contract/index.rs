//! Files of the index that were cut or flipped behind the store's back: a clear error or a prefix
//! of what was done, never a panic; and salvage brings the mail back.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use cassmail_mail::AccountId;
use cassmail_store::{Accounts as _, Store as _};
use cassmail_store_embedded::{Embedded, salvage};

use crate::options;
use crate::post::{Mail, Post, address, chain, contents};

/// The journals of the index, the oldest first.
fn journals(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder.join("index")).unwrap();
    let paths = files.map(|entry| entry.unwrap().path());
    let mut journals: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "jnl"))
        .collect();
    journals.sort();
    journals
}

/// Leaves what a kill leaves, after so many mails, each in a group of its own.
async fn killed_store(folder: &Path, count: usize) -> (AccountId, Vec<Mail>) {
    let post = Post::open(folder);
    let alice = post.account("alice").await;
    let mut mails = Vec::new();
    for _ in 0..count {
        mails.push(post.deliver(alice, 3000).await);
    }
    post.store.abandon();
    (alice, mails)
}

/// What is written of a journal; behind it there is only room.
fn written(octets: &[u8]) -> usize {
    octets
        .iter()
        .rposition(|&octet| octet != 0)
        .map_or(0, |last| last + 1)
}

#[tokio::test]
async fn a_journal_without_its_end_opens_to_what_was_done_before() {
    let folder = tempfile::tempdir().unwrap();
    let (alice, mails) = killed_store(folder.path(), 12).await;
    let journal = journals(folder.path()).pop().unwrap();
    let end = written(&fs::read(&journal).unwrap());
    // The last batch lost its end; a crash may do this to a batch that was not synced.
    let file = OpenOptions::new().write(true).open(&journal).unwrap();
    file.set_len(end as u64 - 5).unwrap();
    let post = Post::open(folder.path());
    post.assert_has(alice, &mails[..11]).await;
    post.assert_sound().await;
    post.store.close().await.unwrap();
}

/// A loss of power may leave the end of a batch and not its middle.
#[tokio::test]
async fn a_journal_whose_last_batch_is_torn_opens_to_what_was_done_before() {
    let folder = tempfile::tempdir().unwrap();
    let (alice, mails) = killed_store(folder.path(), 12).await;
    let journal = journals(folder.path()).pop().unwrap();
    let mut octets = fs::read(&journal).unwrap();
    let end = written(&octets);
    octets[end - 40..end - 20].fill(0);
    fs::write(&journal, octets).unwrap();
    let post = Post::open(folder.path());
    post.assert_has(alice, &mails[..11]).await;
    post.assert_sound().await;
    post.store.close().await.unwrap();
}

/// Flips one octet of a file after the other; opening answers with an error or with a sound store.
async fn flip_here_and_there(folder: &Path, file: &Path, places: usize) {
    let whole = fs::read(file).unwrap();
    let before = contents(&folder.join("bodies"));
    let end = written(&whole);
    for n in 0..places {
        let at = n * (end - 1) / (places - 1);
        let mut octets = whole.clone();
        octets[at] ^= 0x04;
        fs::write(file, &octets).unwrap();
        match Embedded::open(&options(folder)) {
            Ok(store) => {
                // What the damage hit may say so when it is read.
                let _ = store.check().await;
                store.abandon();
            }
            Err(error) => {
                let why = chain(&error);
                assert!(why.contains("index"), "{why}");
                assert!(contents(&folder.join("bodies")) == before, "{why}");
            }
        }
        fs::write(file, &whole).unwrap();
    }
}

#[tokio::test]
async fn a_flipped_journal_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (alice, mails) = killed_store(folder.path(), 12).await;
    let journal = journals(folder.path()).pop().unwrap();
    let whole = fs::read(&journal).unwrap();
    let before = contents(folder.path());
    let end = written(&whole);
    for n in 0..16 {
        // Before the last batches, which a crash may have torn.
        let at = n * (end / 2) / 16;
        let mut octets = whole.clone();
        octets[at] ^= 0x04;
        fs::write(&journal, &octets).unwrap();
        let error = Embedded::open(&options(folder.path()))
            .expect_err(&format!("damage at {at} is no torn end"));
        let why = chain(&error);
        assert!(why.contains("index"), "{why}");
        fs::write(&journal, &whole).unwrap();
        assert!(contents(folder.path()) == before, "{why} at {at}");
    }
    let post = Post::open(folder.path());
    post.assert_has(alice, &mails).await;
    post.store.close().await.unwrap();
}

#[tokio::test]
async fn damaged_tables_never_panic_and_can_be_salvaged() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::open(folder.path());
    let alice = post.account("alice").await;
    let mails = post.deliver_many(alice, 50, 3000).await;
    // Many rows, so that there are tables.
    for n in 0..24 {
        let targets = (0..2000)
            .map(|m| address(&format!("target-{n}-{m}")))
            .collect();
        let alias = address(&format!("list-{n}"));
        post.store.put_alias(alias, targets).await.unwrap();
    }
    let post = post.reopen().await.reopen().await;
    post.store.close().await.unwrap();
    let files: Vec<_> = contents(&folder.path().join("index"))
        .into_iter()
        .filter(|(path, octets)| {
            let is_journal = path.extension().is_some_and(|ending| ending == "jnl");
            !is_journal && !octets.is_empty()
        })
        .collect();
    assert!(
        files
            .iter()
            .any(|(path, _)| path.to_string_lossy().contains("tables"))
    );
    let picked = files.iter().step_by(files.len().div_ceil(5));
    for (path, _) in picked {
        flip_here_and_there(folder.path(), path, 3).await;
    }
    for (path, octets) in files.iter().step_by(files.len().div_ceil(4)) {
        fs::write(path, &octets[..octets.len() / 2]).unwrap();
        if let Ok(store) = Embedded::open(&options(folder.path())) {
            store.abandon();
        }
        fs::write(path, octets).unwrap();
    }
    let report = salvage(folder.path()).unwrap();
    assert_eq!(report.messages, 50);
    let post = Post::open(folder.path());
    let created = post
        .store
        .create_account(crate::post::new_account("alice"))
        .await;
    assert_eq!(created.unwrap(), alice);
    post.assert_has(alice, &mails).await;
    post.store.close().await.unwrap();
}
