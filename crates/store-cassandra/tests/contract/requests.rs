//! How many requests each operation costs, and what keeps it so: counted on a real Cassandra.

use std::time::Duration;

use cassmail_store::{Accounts, Maildrops};

use crate::support::{PATIENCE, Server, noise};

#[tokio::test]
async fn a_small_mail_costs_one_request_when_its_maildrop_is_known_and_two_when_not() {
    let server = Server::fresh().await;
    let alice = server.account("alice").await;
    let deliver = async || {
        let _ = server.deliver(&[alice], noise(10_000)).await;
    };
    assert_eq!(server.cost(deliver()).await, 2);
    for _ in 0..10 {
        assert_eq!(server.cost(deliver()).await, 1);
    }
}

#[tokio::test]
async fn a_larger_mail_costs_one_request_for_each_chunk_and_one_for_its_row() {
    let server = Server::fresh().await;
    let alice = server.account("alice").await;
    server.deliver(&[alice], noise(100)).await;
    for (octets, requests) in [(100_000, 2), (250_000, 3), (1_000_000, 9)] {
        let deliver = async {
            let _ = server.deliver(&[alice], noise(octets)).await;
        };
        assert_eq!(server.cost(deliver).await, requests, "{octets}");
    }
}

#[tokio::test]
async fn a_mail_for_several_costs_a_row_for_each_and_four_more() {
    let server = Server::fresh().await;
    let mut accounts = Vec::new();
    for name in ["a", "b", "c", "d"] {
        let account = server.account(name).await;
        server.deliver(&[account], noise(100)).await;
        accounts.push(account);
    }
    // The first one tells the other nodes of this one.
    server.deliver(&accounts, noise(100)).await;
    let deliver = async {
        let _ = server.deliver(&accounts, noise(1000)).await;
    };
    // The body, the set of owners, the record, four rows, the record done.
    assert_eq!(server.cost(deliver).await, 8);
}

#[tokio::test]
async fn a_poll_costs_a_login_a_directory_and_a_bucket() {
    let server = Server::fresh().await;
    let alice = server.account("alice").await;
    for count in [0, 100] {
        for _ in 0..count {
            server.deliver(&[alice], noise(100)).await;
        }
        let poll = async {
            assert!(server.store.account(alice).await.expect("read").is_some());
            let listed = server.store.list(alice).await.expect("a listing");
            assert_eq!(listed.len(), count);
        };
        assert_eq!(server.cost(poll).await, 3);
    }
}

#[tokio::test]
async fn a_listed_small_mail_is_read_by_one_request_and_a_hundred_are_removed_by_one() {
    let server = Server::fresh().await;
    let alice = server.account("alice").await;
    let mut ids = Vec::new();
    for _ in 0..100 {
        ids.push(server.deliver(&[alice], noise(1000)).await);
    }
    server.store.list(alice).await.expect("a listing");
    let read = async { assert!(server.read(alice, ids[7]).await > 1000) };
    assert_eq!(server.cost(read).await, 1);
    let remove = async {
        let removed = server.store.remove(alice, ids.clone(), PATIENCE).await;
        assert_eq!(removed.expect("a receipt").count(), 100);
    };
    assert_eq!(server.cost(remove).await, 1);
}

#[tokio::test]
async fn a_body_in_chunks_leaves_nothing_behind_when_its_last_owner_removes_it() {
    let server = Server::fresh().await;
    let alice = server.account("alice").await;
    let bob = server.account("bob").await;
    let own = server.deliver(&[alice], noise(300_000)).await;
    let shared = server.deliver(&[alice, bob], noise(300_000)).await;
    assert_eq!(server.keyspace.count("blob").await, 6);
    let remove = async |account, id| {
        let removed = server.store.remove(account, vec![id], PATIENCE).await;
        assert_eq!(removed.expect("a receipt").count(), 1);
        server.store.settled().await;
    };
    remove(alice, own).await;
    assert_eq!(server.keyspace.count("blob").await, 3);
    remove(alice, shared).await;
    assert_eq!(server.keyspace.count("blob").await, 3);
    assert!(server.read(bob, shared).await > 300_000);
    remove(bob, shared).await;
    assert_eq!(server.keyspace.count("blob").await, 0);
    assert_eq!(server.keyspace.count("blob_ref").await, 0);
}

#[tokio::test]
async fn a_maildrop_that_was_emptied_is_cheap_again_after_an_hour() {
    let server = Server::fresh().await;
    let alice = server.account("alice").await;
    for round in 0..3 {
        let mut ids = Vec::new();
        for _ in 0..300 {
            ids.push(server.deliver(&[alice], noise(100)).await);
        }
        assert_eq!(server.store.list(alice).await.expect("listed").len(), 300);
        let removed = server.store.remove(alice, ids, PATIENCE).await;
        assert_eq!(removed.expect("a receipt").count(), 300, "{round}");
        server.store.settled().await;
    }
    assert_eq!(server.keyspace.count("mbox_dir").await, 4);
    for minutes in [0, 61, 2, 2] {
        server.clock.turn(Duration::from_mins(minutes));
        assert!(server.store.list(alice).await.expect("listed").is_empty());
        server.store.settled().await;
    }
    assert_eq!(server.keyspace.count("mbox_dir").await, 1);
    let list = async { assert!(server.store.list(alice).await.expect("listed").is_empty()) };
    assert_eq!(server.cost(list).await, 2);
    // What comes now is found.
    let id = server.deliver(&[alice], noise(100)).await;
    assert_eq!(server.store.list(alice).await.expect("listed")[0].id, id);
}
