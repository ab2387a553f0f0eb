//! Segments that were cut, flipped, removed or written to behind the store's back: what is damaged
//! is reported with file and offset and is not given out; everything else is served.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use cassmail_mail::MessageId;
use cassmail_store::{ErrorKind, Store as _};
use cassmail_store_embedded::Fault;
use tempfile::TempDir;

use crate::post::{Mail, Post, segments};

/// A closed store with some full segments.
async fn closed_store() -> (TempDir, Vec<Mail>) {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::open(folder.path());
    let alice = post.account("alice").await;
    let mut mails = post.deliver_many(alice, 150, 16_000).await;
    mails.extend(post.deliver_many(alice, 2, 300_000).await);
    post.store.close().await.unwrap();
    assert!(segments(folder.path()).len() >= 3);
    (folder, mails)
}

/// Opens the store; exactly what the check reports is not given out, and lies in the file. Answers
/// how many mails are damaged.
async fn assert_reported(folder: &Path, mails: &[Mail], file: &Path) -> usize {
    let post = Post::open(folder);
    let name = file.file_name().unwrap().to_str().unwrap();
    let mut damaged: BTreeSet<MessageId> = BTreeSet::new();
    for fault in post.check().await.faults {
        let text = fault.to_string();
        let Fault::Damaged(id, damage) = fault else {
            panic!("{text}");
        };
        assert_eq!(damage.segment, name);
        assert!(
            text.contains(&format!("{name} at {}", damage.offset)),
            "{text}"
        );
        damaged.insert(id);
    }
    for mail in mails {
        match post.read(mail.account, mail.id).await {
            Ok(body) => {
                assert!(body == mail.body);
                assert!(!damaged.contains(&mail.id), "{} is reported", mail.id);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt);
                assert!(damaged.contains(&mail.id), "{} is not reported", mail.id);
            }
        }
    }
    // It is a store like any other.
    let listed = mails.len();
    let new = post.deliver(mails[0].account, 10_000).await;
    assert_eq!(post.ids(mails[0].account).await.len(), listed + 1);
    assert!(post.read(new.account, new.id).await.unwrap() == new.body);
    post.remove(&[new]).await;
    let post = post.reopen().await;
    assert_eq!(post.check().await.faults.len(), damaged.len());
    post.store.close().await.unwrap();
    damaged.len()
}

#[tokio::test]
async fn a_flipped_bit_costs_one_mail() {
    let (folder, mails) = closed_store().await;
    let file = &segments(folder.path())[1];
    let whole = fs::read(file).unwrap();
    for at in [64, 1000, whole.len() / 2, whole.len() - 1] {
        let mut octets = whole.clone();
        octets[at] ^= 0x10;
        fs::write(file, &octets).unwrap();
        assert_eq!(
            assert_reported(folder.path(), &mails, file).await,
            1,
            "at {at}"
        );
    }
}

#[tokio::test]
async fn a_segment_that_was_cut_costs_what_lay_behind() {
    let (folder, mails) = closed_store().await;
    let file = &segments(folder.path())[0];
    let length = fs::metadata(file).unwrap().len();
    for (length, least, most) in [(length - 1, 1, 1), (length / 2, 20, 40), (0, 50, 75)] {
        let cut = OpenOptions::new().write(true).open(file).unwrap();
        cut.set_len(length).unwrap();
        let damaged = assert_reported(folder.path(), &mails, file).await;
        assert!((least..=most).contains(&damaged), "{damaged} at {length}");
    }
}

#[tokio::test]
async fn a_segment_that_was_removed_costs_what_it_had() {
    let (folder, mails) = closed_store().await;
    let file = &segments(folder.path())[0];
    fs::remove_file(file).unwrap();
    let damaged = assert_reported(folder.path(), &mails, file).await;
    assert!((50..=75).contains(&damaged), "{damaged}");
}

#[tokio::test]
async fn garbage_behind_a_segment_costs_nothing() {
    let (folder, mails) = closed_store().await;
    for file in segments(folder.path()) {
        let mut end = OpenOptions::new().append(true).open(&file).unwrap();
        end.write_all(&[0xa5; 5000]).unwrap();
        drop(end);
    }
    let first = &segments(folder.path())[0];
    assert_eq!(assert_reported(folder.path(), &mails, first).await, 0);
}

#[tokio::test]
async fn a_file_that_is_no_segment_is_left_alone() {
    let (folder, mails) = closed_store().await;
    let stray = folder.path().join("bodies").join("notes.txt");
    fs::write(&stray, "mine").unwrap();
    let first = &segments(folder.path())[0];
    assert_eq!(assert_reported(folder.path(), &mails, first).await, 0);
    assert_eq!(fs::read(&stray).unwrap(), b"mine");
}

/// The rest of a segment with damage can still be cleaned away around it.
#[tokio::test]
async fn damage_does_not_stop_maintenance() {
    let (folder, mails) = closed_store().await;
    let file = &segments(folder.path())[0];
    let mut octets = fs::read(file).unwrap();
    octets[30_000] ^= 1;
    fs::write(file, octets).unwrap();
    let post = Post::open(folder.path());
    let many = segments(folder.path()).len();
    post.remove(&mails[3..]).await;
    crate::post::until("room is given back", || {
        segments(folder.path()).len() < many
    })
    .await;
    post.assert_has_but_for_damage(&mails[..3], 1).await;
    post.store.close().await.unwrap();
}

/// A segment that goes while the store is open is as damaged as one that went before.
#[tokio::test]
async fn a_segment_that_goes_meanwhile_does_not_end_the_store() {
    let (folder, mails) = closed_store().await;
    let [first, second, ..] = &segments(folder.path())[..] else {
        panic!("there are more");
    };
    let post = Post::open(folder.path());
    fs::remove_file(first).unwrap();
    fs::remove_file(second).unwrap();
    // The first is to be cleaned, the second to be removed.
    post.remove(&mails[..50]).await;
    let new = post.deliver(mails[0].account, 10_000).await;
    post.remove(&mails[70..]).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(post.store.health(), cassmail_store::Health::Well);
    assert!(post.read(new.account, new.id).await.unwrap() == new.body);
    post.store.close().await.unwrap();
}

impl Post {
    async fn assert_has_but_for_damage(&self, mails: &[Mail], most: usize) {
        let mut damaged = 0;
        for mail in mails {
            match self.read(mail.account, mail.id).await {
                Ok(body) => assert!(body == mail.body),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt);
                    damaged += 1;
                }
            }
        }
        assert!(damaged <= most, "{damaged}");
    }
}
