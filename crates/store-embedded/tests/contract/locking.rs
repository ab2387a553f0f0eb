//! One process at a time.

use cassmail_store::Store as _;

use crate::child::Actor;
use crate::post::{Post, why_not};

#[tokio::test]
async fn a_second_opening_in_the_same_process_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::open(folder.path());
    let why = why_not(folder.path());
    let holder = format!("in use by process {}", std::process::id());
    assert!(why.contains(&holder), "{why}");
    post.store.close().await.unwrap();
    Post::open(folder.path());
}

#[test]
fn a_second_opening_in_another_process_names_the_holder() {
    let folder = tempfile::tempdir().unwrap();
    let _post = Post::open(folder.path());
    let mut other = Actor::start("open", folder.path(), |_| {});
    let why = first_line(&mut other);
    let holder = format!("in use by process {}", std::process::id());
    assert!(why.contains(&holder), "{why}");
}

#[tokio::test]
async fn a_store_opens_when_its_holder_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut holder = Actor::start("open", folder.path(), |_| {});
    assert_eq!(first_line(&mut holder), "it is open");
    let why = why_not(folder.path());
    let named = format!("in use by process {}", holder.id());
    assert!(why.contains(&named), "{why}");
    holder.kill();
    let post = Post::open(folder.path());
    let alice = post.account("alice").await;
    let mail = post.deliver(alice, 1000).await;
    post.assert_has(alice, &[mail]).await;
}

fn first_line(actor: &mut Actor) -> String {
    std::iter::from_fn(|| actor.next())
        .find(|line| !line.is_empty())
        .expect("it says something")
}
