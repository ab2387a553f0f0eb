//! The same message again: a sender or an office that does not know repeats what it did.

use bytes::Bytes;
use cassmail_mail::MessageId;
use cassmail_store::{ErrorKind, StoreResult};

use crate::bench::{cancelled_after, kind, submit, together};
use crate::letter::{PATIENCE, assert_same_octets, cut, delivery, hello, noise, owner, text};
use crate::{Bench, Subject};

/// MessageWriter::commit, Retry: a receipt, and nothing changes.
pub async fn a_repeated_commit_changes_nothing<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    for body in [Bytes::new(), hello(), text(100_000), noise(300_000, 1)] {
        let id = bench.deliver(alice, body.clone()).await;
        let before = bench.list(alice).await;
        let again = submit(&*bench.store(), id, &[body], vec![owner(alice)]).await;
        assert_eq!(again.unwrap(), id);
        assert_eq!(bench.list(alice).await, before);
    }
}

/// MessageWriter::commit, Retry: pieces are not part of a body.
pub async fn a_repeated_commit_may_be_cut_otherwise<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let body = noise(400_000, 1);
    let id = bench.deliver(alice, body.clone()).await;
    for octets in [1000, 77_777, 262_144] {
        let pieces = cut(&body, octets);
        let again = submit(&*bench.store(), id, &pieces, vec![owner(alice)]).await;
        assert_eq!(again.unwrap(), id);
    }
    assert_eq!(bench.ids(alice).await, [id]);
    assert_same_octets(&bench.read(alice, id).await, &body);
}

/// MessageWriter::commit, Retry: another body is a conflict, and the first one stays.
pub async fn a_commit_of_another_body_is_a_conflict<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    for size in [100, 10_000, 300_000] {
        let body = noise(size, 1);
        let mut last_differs = body.to_vec();
        last_differs[size - 1] ^= 1;
        let longer = [&body[..], b"x"].concat();
        let shorter = body.slice(..size - 1);
        let id = bench.deliver(alice, body.clone()).await;
        for other in [last_differs.into(), longer.into(), shorter, Bytes::new()] {
            let again = submit(&*bench.store(), id, &[other], vec![owner(alice)]).await;
            assert_eq!(kind(again), ErrorKind::Conflict);
            assert_same_octets(&bench.read(alice, id).await, &body);
        }
    }
    assert_eq!(bench.ids(alice).await.len(), 3);
}

/// MessageWriter::commit, Retry: it does not come back to owners who removed it.
pub async fn a_repeated_commit_does_not_bring_back_what_was_removed<S: Subject>(
    mut bench: Bench<S>,
) {
    let alice = bench.account("alice").await;
    let bob = bench.account("bob").await;
    let owners = vec![owner(alice), owner(bob)];
    let id = bench.deliver_to(owners.clone(), hello()).await;
    bench.remove(alice, &[id]).await;
    let again = submit(&*bench.store(), id, &[hello()], owners).await;
    assert_eq!(again.unwrap(), id);
    for _ in 0..2 {
        assert!(bench.list(alice).await.is_empty());
        assert_eq!(bench.ids(bob).await, [id]);
        bench.reopen().await;
    }
}

/// MessageWriter::commit, Retry: nothing changes, whoever the owners are said to be now.
pub async fn a_repeated_commit_does_not_add_owners<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let bob = bench.account("bob").await;
    let id = bench.deliver(alice, hello()).await;
    let owners = vec![owner(alice), owner(bob)];
    let again = submit(&*bench.store(), id, &[hello()], owners).await;
    assert_eq!(again.unwrap(), id);
    assert_eq!(bench.ids(alice).await, [id]);
    assert!(bench.list(bob).await.is_empty());
}

/// MessageWriter::commit, Retry: in the next life of the process.
pub async fn a_commit_can_be_repeated_after_reopening<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let body = text(50_000);
    let id = bench.deliver(alice, body.clone()).await;
    bench.reopen().await;
    repeats(&bench, id, body.clone()).await.unwrap();
    assert_eq!(
        kind(repeats(&bench, id, hello()).await),
        ErrorKind::Conflict
    );
    bench.crash().await;
    repeats(&bench, id, body).await.unwrap();
    assert_eq!(
        kind(repeats(&bench, id, hello()).await),
        ErrorKind::Conflict
    );
    assert_eq!(bench.ids(alice).await, [id]);
}

/// MessageWriter::commit, Cancel, then Retry: in the end it is listed once.
pub async fn a_cancelled_commit_can_be_repeated<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let mut ids = Vec::new();
    for polls in 0..8 {
        let id = bench.mint();
        let mut writer = bench.store().begin(id).await.unwrap();
        writer.write(hello()).await.unwrap();
        let commit = writer.commit(delivery(id, vec![owner(alice)]), PATIENCE);
        let _ = cancelled_after(polls, commit).await;
        repeats(&bench, id, hello()).await.unwrap();
        ids.push(id);
        assert_eq!(bench.ids(alice).await, ids);
    }
}

/// MessageWriter::commit, Retry: also while the first one is under way.
pub async fn two_commits_of_one_message_at_once_list_it_once<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    for body in [hello(), noise(300_000, 1)] {
        let id = bench.mint();
        let commits = (0..4).map(|_| {
            let (store, body) = (bench.store(), body.clone());
            async move { submit(&*store, id, &[body], vec![owner(alice)]).await }
        });
        for committed in together(commits).await {
            assert_eq!(committed.unwrap(), id);
        }
        let listed = bench.ids(alice).await;
        assert_eq!(listed.iter().filter(|&&listed| listed == id).count(), 1);
        assert_same_octets(&bench.read(alice, id).await, &body);
    }
}

/// MessageWriter::commit, Retry: what a conflict or a repetition took is nobody's.
pub async fn repetitions_do_not_disturb_the_first_body<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let body = noise(300_000, 1);
    let id = bench.deliver(alice, body.clone()).await;
    repeats(&bench, id, body.clone()).await.unwrap();
    let other = repeats(&bench, id, noise(300_000, 2)).await;
    assert_eq!(kind(other), ErrorKind::Conflict);
    bench.reopen().await;
    assert_same_octets(&bench.read(alice, id).await, &body);
    bench.remove(alice, &[id]).await;
    bench.reopen().await;
    assert!(bench.list(alice).await.is_empty());
}

/// Commits a body for alice under an id.
async fn repeats<S: Subject>(
    bench: &Bench<S>,
    id: MessageId,
    body: Bytes,
) -> StoreResult<MessageId> {
    let alice = bench.account("alice").await;
    submit(&*bench.store(), id, &[body], vec![owner(alice)]).await
}
