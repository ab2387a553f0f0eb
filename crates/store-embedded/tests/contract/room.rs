//! Room: given back when mail goes, and what happens when there is none.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use cassmail_store::{Accounts as _, ErrorKind, Health, Reason, Store as _};
use cassmail_store_embedded::Options;
use tempfile::TempDir;

use crate::options;
use crate::post::{Post, address, segments, until};

const MIB: u64 = 1024 * 1024;

/// What the files of bodies take on the disk.
fn taken(folder: &Path) -> u64 {
    let blocks = segments(folder)
        .into_iter()
        .filter_map(|path| path.metadata().ok())
        .map(|file| file.blocks() * 512);
    blocks.sum()
}

#[tokio::test]
async fn removing_everything_leaves_at_most_the_head() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::open(folder.path());
    let alice = post.account("alice").await;
    let mut mails = post.deliver_many(alice, 640, 50_000).await;
    mails.extend(post.deliver_many(alice, 20, 500_000).await);
    assert!(taken(folder.path()) > 38 * MIB);
    post.remove(&mails).await;
    until("room is given back", || taken(folder.path()) <= MIB).await;
    assert!(segments(folder.path()).len() <= 1);
    post.assert_has(alice, &[]).await;
    post.assert_sound().await;
    post.store.close().await.unwrap();
}

#[tokio::test]
async fn removing_an_account_gives_its_room_back() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::open(folder.path());
    let alice = post.account("alice").await;
    let bob = post.account("bob").await;
    let mut kept = Vec::new();
    for _ in 0..20 {
        post.deliver_many(alice, 30, 30_000).await;
        kept.push(post.deliver(bob, 5000).await);
    }
    assert!(taken(folder.path()) > 16 * MIB);
    post.store.remove_account(address("alice")).await.unwrap();
    until("room is given back", || taken(folder.path()) <= 2 * MIB).await;
    post.assert_has(bob, &kept).await;
    post.assert_sound().await;
    post.store.close().await.unwrap();
}

/// A small file system; gone with this, also when the test fails.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// None when mounting is not allowed here.
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .output();
        let is_mounted = mounted.is_ok_and(|done| done.status.success());
        is_mounted.then_some(Self { folder })
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let mut umount = Command::new("umount");
        let done = umount.arg("-l").arg(self.folder.path()).status();
        let done = done.expect("umount");
        assert!(done.success() || std::thread::panicking());
    }
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
async fn a_full_disk_refuses_mail_loses_none_and_serves_again() {
    let Some(disk) = SmallDisk::mount("24m") else {
        eprintln!("left out: mounting a small file system is not allowed here");
        return;
    };
    let mut post = Post::open_with(Options {
        low_water: 2 * MIB,
        ..options(&disk.data())
    })
    .unwrap();
    let alice = post.account("alice").await;
    let mut kept = Vec::new();
    for round in 0..3_usize {
        let mut refused = 0;
        while refused < 20 {
            // Many at once, so that they find out together.
            let sizes = (0..16).map(|n| if n == 0 { 400_000 } else { 6000 });
            let deliveries = sizes.map(|octets| post.try_deliver(alice, octets));
            for done in futures_util::future::join_all(deliveries).await {
                match done {
                    Ok(mail) => kept.push(mail),
                    Err(error) => {
                        assert_eq!(
                            error.kind(),
                            ErrorKind::Unavailable(Reason::Full),
                            "{error}"
                        );
                        refused += 1;
                    }
                }
            }
        }
        assert!(kept.len() > 100);
        assert_ne!(post.store.health(), Health::Well);
        post.assert_has(alice, &kept).await;
        post.assert_sound().await;
        post = match round {
            0 => post,
            1 => post.crash(),
            _ => post.reopen().await,
        };
        let rest = kept.split_off(kept.len() / 4);
        post.remove(&rest).await;
        let store = &post.store;
        until("service returns", || store.health() == Health::Well).await;
        post.assert_has(alice, &kept).await;
    }
    kept.push(post.deliver(alice, 6000).await);
    post.assert_has(alice, &kept).await;
    post.assert_sound().await;
    post.store.close().await.unwrap();
}
