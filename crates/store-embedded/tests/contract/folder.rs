//! Folders that are no store, not any more, or not ours: each has its clear error, and nothing in
//! them is changed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use cassmail_store::Store as _;
use cassmail_store_embedded::Embedded;

use crate::child::Actor;
use crate::options;
use crate::post::{Post, contents, why_not};

/// A closed store with some mail.
async fn closed_store(folder: &Path) {
    let post = Post::open(folder);
    let alice = post.account("alice").await;
    post.deliver_many(alice, 3, 10_000).await;
    post.store.close().await.unwrap();
}

/// Opening fails, says this, and changes nothing.
#[track_caller]
fn assert_refused(folder: &Path, expected: &str) {
    let before = contents(folder);
    let why = why_not(folder);
    assert!(why.contains(expected), "{why}");
    assert!(contents(folder) == before, "{why}, but something changed");
}

#[tokio::test]
async fn a_newer_format_is_refused_with_its_number() {
    let folder = tempfile::tempdir().unwrap();
    closed_store(folder.path()).await;
    let format = folder.path().join("FORMAT");
    let text = fs::read_to_string(&format).unwrap();
    fs::write(&format, text.replace("format 1", "format 2")).unwrap();
    assert_refused(
        folder.path(),
        "has format 2, this version reads format 1; use the newer version",
    );
}

#[tokio::test]
async fn a_damaged_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    closed_store(folder.path()).await;
    for text in ["", "\0\0\0\0", "cassmail store\nformat 1\nid of nobody\n"] {
        fs::write(folder.path().join("FORMAT"), text).unwrap();
        assert_refused(folder.path(), "FORMAT is damaged");
    }
    fs::write(folder.path().join("FORMAT"), b"\xff\xfe").unwrap();
    assert_refused(folder.path(), "FORMAT");
}

#[tokio::test]
async fn bodies_without_a_format_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    closed_store(folder.path()).await;
    fs::remove_file(folder.path().join("FORMAT")).unwrap();
    assert_refused(folder.path(), "FORMAT is missing, but there are bodies");
}

#[tokio::test]
async fn bodies_without_an_index_are_refused_and_stay() {
    let folder = tempfile::tempdir().unwrap();
    closed_store(folder.path()).await;
    fs::rename(folder.path().join("index"), folder.path().join("away")).unwrap();
    assert_refused(folder.path(), "the index is lost");
    // Somebody made the folder again, or a restore was cut short.
    fs::create_dir(folder.path().join("index")).unwrap();
    assert_refused(folder.path(), "the index is lost");
}

#[tokio::test]
async fn the_index_of_another_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    closed_store(folder.path()).await;
    closed_store(other.path()).await;
    fs::rename(folder.path().join("index"), folder.path().join("away")).unwrap();
    fs::rename(other.path().join("index"), folder.path().join("index")).unwrap();
    let bodies = folder.path().join("bodies");
    let before = contents(&bodies);
    let why = why_not(folder.path());
    assert!(why.contains("the index is lost"), "{why}");
    assert!(contents(&bodies) == before);
}

#[tokio::test]
async fn an_empty_folder_becomes_a_store() {
    let folder = tempfile::tempdir().unwrap();
    closed_store(folder.path()).await;
    assert!(folder.path().join("FORMAT").is_file());
}

#[tokio::test]
async fn making_a_store_can_be_interrupted_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index");
    // What fjall leaves before its last step, the file `version`.
    for files in [&["lock"][..], &["lock", "0.jnl"]] {
        fs::create_dir_all(index.join("keyspaces")).unwrap();
        for file in files {
            fs::write(index.join(file), "").unwrap();
        }
        closed_store(folder.path()).await;
        fs::remove_dir_all(folder.path()).unwrap();
    }
    // An index without the file FORMAT.
    closed_store(folder.path()).await;
    fs::remove_file(folder.path().join("FORMAT")).unwrap();
    fs::remove_dir_all(folder.path().join("bodies")).unwrap();
    Embedded::open(&options(folder.path())).unwrap();
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn a_folder_without_permission_is_refused_with_its_path() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("left out: only root can become nobody");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut nobody = Actor::start("open", &data, |command| {
        command.uid(65534).gid(65534);
    });
    let says = std::iter::from_fn(|| nobody.next()).find(|line| !line.is_empty());
    let why = says.expect("a reason");
    assert!(why.contains(data.to_str().unwrap()), "{why}");
    assert!(why.contains("Permission denied"), "{why}");
    assert!(contents(&data).is_empty());
}

#[tokio::test]
async fn nobody_else_can_read_what_is_stored() {
    let parent = tempfile::tempdir().unwrap();
    let made_by_us = parent.path().join("data");
    closed_store(&made_by_us).await;
    assert_eq!(mode(&made_by_us), 0o700);
    // One that was there may be open to others; what we put there is not.
    let was_there = parent.path().join("was-there");
    fs::create_dir(&was_there).unwrap();
    fs::set_permissions(&was_there, fs::Permissions::from_mode(0o755)).unwrap();
    closed_store(&was_there).await;
    for folder in [made_by_us, was_there] {
        assert_eq!(mode(&folder.join("bodies")), 0o700);
        assert_eq!(mode(&folder.join("index")), 0o700);
        assert_eq!(mode(&folder.join("LOCK")), 0o600);
        assert_eq!(mode(&folder.join("FORMAT")), 0o600);
        for segment in crate::post::segments(&folder) {
            assert_eq!(mode(&segment), 0o600);
        }
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
