//! What another process does meanwhile.

use std::sync::Arc;

use cassmail_store::{ErrorKind, Maildrops};
use cassmail_store_cassandra::Cassandra;

use crate::support::{PATIENCE, Server, noise};

/// Another server on the same keyspace.
async fn other(server: &Server) -> Cassandra {
    let options = server.keyspace.options(Arc::clone(&server.clock));
    Cassandra::open(&options).await.expect("opening")
}

#[tokio::test]
async fn a_message_that_is_removed_elsewhere_while_it_is_read_is_gone_and_not_damaged() {
    let server = Server::fresh().await;
    let alice = server.account("alice").await;
    let id = server.deliver(&[alice], noise(2_000_000)).await;
    let mut body = server.store.open(alice, id).await.expect("a reader");
    body.next().await.expect("a piece").expect("the first one");
    let other = other(&server).await;
    let removed = other.remove(alice, vec![id], PATIENCE).await;
    assert_eq!(removed.expect("a receipt").count(), 1);
    other.settled().await;
    let error = loop {
        match body.next().await {
            Ok(piece) => assert!(piece.is_some(), "the body cannot be whole any more"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Missing, "{error:?}");
}

#[tokio::test]
async fn what_was_removed_elsewhere_cannot_be_opened_where_it_is_remembered() {
    let server = Server::fresh().await;
    let alice = server.account("alice").await;
    let other = other(&server).await;
    for octets in [1_000, 300_000] {
        let id = server.deliver(&[alice], noise(octets)).await;
        assert_eq!(server.store.list(alice).await.expect("listed").len(), 1);
        let removed = other.remove(alice, vec![id], PATIENCE).await;
        let _ = removed.expect("a receipt");
        other.settled().await;
        let opened = server.store.open(alice, id).await;
        let error = opened.err().expect("it is gone");
        assert_eq!(error.kind(), ErrorKind::Missing, "{error:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_lost_under_its_row_is_damaged() {
    let server = Server::fresh().await;
    let alice = server.account("alice").await;
    for octets in [1_000, 300_000] {
        let id = server.deliver(&[alice], noise(octets)).await;
        let tables = ["TRUNCATE blob", "TRUNCATE mbox_body"];
        server.keyspace.run(&tables).await;
        let opened = server.store.open(alice, id).await;
        let error = opened.err().expect("it is lost");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    }
}
