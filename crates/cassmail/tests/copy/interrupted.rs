//! A copy that ends anywhere is made again, and then the result is the same.

use std::sync::Arc;

use cassmail_store::{At, ErrorKind, Fault, Faulty, MemoryStore, Reason, Script, Store};

use crate::picture::{Picture, ids};
use crate::town::{SHARED, moved, settle};

const ENGINE: ErrorKind = ErrorKind::Unavailable(Reason::Engine);

/// Ends a copy at each of the target's operations in turn, then makes it again; gives how often
/// the first one did not say that it had ended.
async fn sweep(fault: Fault) -> u64 {
    let source: Arc<dyn Store> = Arc::new(MemoryStore::new());
    settle(&*source).await;
    let expected = Picture::of(&*source).await;

    let script = Script::new();
    let whole: Arc<dyn Store> = Arc::new(Faulty::new(Arc::new(MemoryStore::new()), &script));
    moved(&source, &whole).await.expect("a copy");
    let operations = script.operations();
    assert!(operations > 100, "{operations} operations");
    let expected_ids = ids(&*whole).await;

    let mut unsaid = 0;
    for k in 1..=operations {
        let kept: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let script = Script::new();
        script.fail(At::Operation(k), fault);
        let target: Arc<dyn Store> = Arc::new(Faulty::new(Arc::clone(&kept), &script));
        let first = moved(&source, &target).await;
        let is_whole = first.as_ref().is_ok_and(|copied| copied.faults.is_empty());
        unsaid += u64::from(is_whole);
        script.restart();
        let again = moved(&source, &target).await;
        let again = again.unwrap_or_else(|error| panic!("operation {k}: {error}"));
        assert_eq!(again.faults, [], "operation {k}");
        assert_eq!(Picture::of(&*kept).await, expected, "operation {k}");
        assert_eq!(ids(&*kept).await, expected_ids, "operation {k}");
    }
    unsaid
}

#[tokio::test]
async fn a_copy_that_ended_before_any_operation_is_made_again_to_the_same_end() {
    assert_eq!(sweep(Fault::Before(ENGINE)).await, 0);
}

#[tokio::test]
async fn a_copy_that_ended_behind_any_operation_is_made_again_to_the_same_end() {
    // A commit that is refused by itself has nothing behind it to fail.
    let unsaid = sweep(Fault::After(ErrorKind::Indeterminate)).await;
    assert!(unsaid <= SHARED, "{unsaid} faults were not heard of");
}

#[tokio::test]
async fn a_source_that_fails_anywhere_ends_the_copy_and_the_next_one_is_whole() {
    let town: Arc<dyn Store> = Arc::new(MemoryStore::new());
    settle(&*town).await;
    let expected = Picture::of(&*town).await;
    let script = Script::new();
    let source: Arc<dyn Store> = Arc::new(Faulty::new(Arc::clone(&town), &script));
    let target: Arc<dyn Store> = Arc::new(MemoryStore::new());
    moved(&source, &target).await.expect("a copy");
    for k in 1..=script.operations() {
        let target: Arc<dyn Store> = Arc::new(MemoryStore::new());
        script.restart();
        script.fail(At::Operation(k), Fault::Before(ENGINE));
        assert!(moved(&source, &target).await.is_err(), "operation {k}");
        script.restart();
        moved(&source, &target).await.expect("a copy");
        assert_eq!(Picture::of(&*target).await, expected, "operation {k}");
    }
}
