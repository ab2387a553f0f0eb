//! Notes of workers.

use crate::{Bench, Subject};

async fn note<S: Subject>(bench: &Bench<S>, worker: &str) -> Option<Vec<u8>> {
    bench.store().note(worker.to_owned()).await.unwrap()
}

async fn put<S: Subject>(bench: &Bench<S>, worker: &str, note: &[u8]) {
    let store = bench.store();
    let put = store.put_note(worker.to_owned(), note.to_vec());
    put.await.unwrap();
}

/// Workers::note: nothing was noted.
pub async fn a_worker_that_noted_nothing_has_no_note<S: Subject>(bench: Bench<S>) {
    assert_eq!(note(&bench, "sweeper").await, None);
}

/// Workers::note, Promise: every note that was acknowledged before is seen; put_note: in place of
/// what was noted before.
pub async fn the_last_note_of_each_worker_is_seen<S: Subject>(bench: Bench<S>) {
    for round in [&b"one"[..], b"", b"three \0\xff"] {
        put(&bench, "sweeper", round).await;
        put(&bench, "porter", b"other").await;
        assert_eq!(note(&bench, "sweeper").await.as_deref(), Some(round));
        assert_eq!(note(&bench, "porter").await.as_deref(), Some(&b"other"[..]));
    }
}

/// Workers::put_note, Retry: harmless.
pub async fn a_note_can_be_put_again<S: Subject>(bench: Bench<S>) {
    for _ in 0..3 {
        put(&bench, "sweeper", b"same").await;
        assert_eq!(note(&bench, "sweeper").await.as_deref(), Some(&b"same"[..]));
    }
}

/// Workers::put_note, Promise: durable with the answer.
pub async fn a_note_survives_a_crash<S: Subject>(mut bench: Bench<S>) {
    put(&bench, "sweeper", b"first").await;
    put(&bench, "sweeper", b"second").await;
    bench.crash().await;
    assert_eq!(
        note(&bench, "sweeper").await.as_deref(),
        Some(&b"second"[..])
    );
}

/// Workers::put_note, Promise: of two that are noted at once one stays, whole.
pub async fn of_notes_at_once_one_stays<S: Subject>(bench: Bench<S>) {
    let notes: Vec<_> = (0..20_u8).map(|n| vec![n; 300]).collect();
    let puts = notes.iter().map(|note| {
        let store = bench.store();
        let note = note.clone();
        async move { store.put_note("sweeper".to_owned(), note).await.unwrap() }
    });
    let mut tasks = tokio::task::JoinSet::new();
    for put in puts {
        tasks.spawn(put);
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let left = note(&bench, "sweeper").await.unwrap();
    assert!(notes.contains(&left), "{left:?}");
}
