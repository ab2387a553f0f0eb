//! What a dead node leaves, and who finishes it.

use std::sync::Arc;
use std::time::Duration;

use cassmail_mail::MessageId;
use cassmail_store::{Maildrops, Store};
use cassmail_store_cassandra::Cassandra;

use crate::support::{PATIENCE, Server, noise};

/// The key of a record.
type Key = (uuid::Uuid, i64, scylla::value::CqlTimeuuid);

/// Makes it look as if a node had died behind the point of acceptance: the record is there, the
/// rows are not.
async fn forget_rows(server: &Server) {
    let statements = ["TRUNCATE mbox"];
    server.keyspace.run(&statements).await;
    let session = server.keyspace.session().await;
    let select = "SELECT node, slot, id FROM spool";
    let found = session.query_unpaged(select, ()).await.expect("records");
    let found = found.into_rows_result().expect("rows");
    // Later than any mark, whatever the clock said.
    let update = "UPDATE spool USING TIMESTAMP 9000000000000000 SET done = false \
        WHERE node = ? AND slot = ? AND id = ?";
    for record in found.rows::<Key>().expect("rows") {
        let key = record.expect("a record");
        session.query_unpaged(update, key).await.expect("undone");
    }
}

async fn successor(server: &Server) -> Cassandra {
    server.store.abandon().await;
    let options = server.keyspace.options(Arc::clone(&server.clock));
    Cassandra::open(&options).await.expect("opening")
}

async fn ids(store: &Cassandra, account: cassmail_mail::AccountId) -> Vec<MessageId> {
    let listed = store.list(account).await.expect("a listing");
    listed.into_iter().map(|entry| entry.id).collect()
}

#[tokio::test]
async fn a_message_of_a_dead_node_is_listed_for_all_once_it_has_been_silent() {
    let server = Server::fresh().await;
    let accounts = [server.account("alice").await, server.account("bob").await];
    let id = server.deliver(&accounts, noise(1000)).await;
    server.store.settled().await;
    forget_rows(&server).await;
    let store = successor(&server).await;
    for (seconds, expected) in [(0, vec![]), (60, vec![]), (31, vec![id]), (31, vec![id])] {
        server.clock.turn(Duration::from_secs(seconds));
        store.sweep().await.expect("a sweep");
        for account in accounts {
            assert_eq!(ids(&store, account).await, expected);
        }
    }
}

#[tokio::test]
async fn a_sweep_does_not_bring_back_what_was_removed() {
    let server = Server::fresh().await;
    let accounts = [server.account("alice").await, server.account("bob").await];
    let id = server.deliver(&accounts, noise(1000)).await;
    server.store.list(accounts[0]).await.expect("a listing");
    server.store.settled().await;
    forget_rows(&server).await;
    let removed = server.store.remove(accounts[0], vec![id], PATIENCE).await;
    assert_eq!(removed.expect("a receipt").count(), 1);
    server.store.settled().await;
    let store = successor(&server).await;
    store.sweep().await.expect("a first look");
    server.clock.turn(Duration::from_secs(91));
    store.sweep().await.expect("a sweep");
    assert_eq!(ids(&store, accounts[0]).await, []);
    assert_eq!(ids(&store, accounts[1]).await, [id]);
}

#[tokio::test]
async fn a_node_whose_wall_clock_jumps_goes_on_as_a_new_one_and_loses_nothing() {
    let server = Server::fresh().await;
    let accounts = [server.account("alice").await, server.account("bob").await];
    let before = server.deliver(&accounts, noise(1000)).await;
    server.store.settled().await;
    server.store.sweep().await.expect("a beat");
    assert_eq!(server.keyspace.count("node").await, 1);
    server.clock.turn_wall(Duration::from_hours(1));
    server.store.sweep().await.expect("a beat");
    assert_eq!(server.keyspace.count("node").await, 2);
    let after = server.deliver(&accounts, noise(1000)).await;
    server.store.settled().await;
    forget_rows(&server).await;
    let store = successor(&server).await;
    store.sweep().await.expect("a first look");
    server.clock.turn(Duration::from_secs(91));
    store.sweep().await.expect("a sweep");
    for account in accounts {
        assert_eq!(ids(&store, account).await, [before, after]);
    }
}

#[tokio::test]
async fn a_node_that_leaves_in_order_leaves_nothing_to_sweep() {
    let server = Server::fresh().await;
    let accounts = [server.account("alice").await, server.account("bob").await];
    server.deliver(&accounts, noise(1000)).await;
    server.store.close().await.expect("closing");
    let session = server.keyspace.session().await;
    let select = ["SELECT low_slot FROM spool_mark", "SELECT beat FROM node"];
    let mut numbers = Vec::new();
    for select in select {
        let found = session.query_unpaged(select, ()).await.expect("a row");
        let found = found.into_rows_result().expect("rows");
        numbers.push(found.single_row::<(i64,)>().expect("a number").0);
    }
    let [mark, beat] = numbers[..] else {
        panic!("two numbers");
    };
    assert!(
        mark > beat / 60_000,
        "there is no slot to read from the mark to the last beat"
    );
}

#[tokio::test]
async fn nodes_are_listed_from_their_start_with_those_that_have_ended() {
    let server = Server::fresh().await;
    let alone = server.store.nodes().await.expect("a list");
    assert_eq!(alone.len(), 1, "it has told nobody yet");
    assert!(
        alone[0].is_this && alone[0].data_center == "dc1",
        "{alone:?}"
    );
    server.store.sweep().await.expect("a beat");
    let store = successor(&server).await;
    store.sweep().await.expect("a beat");
    let both = store.nodes().await.expect("a list");
    assert_eq!(both.len(), 2, "{both:?}");
    let former = both.iter().find(|node| !node.is_this).expect("the former");
    assert_eq!(former.id, alone[0].id);
    assert_eq!(both.iter().filter(|node| node.is_this).count(), 1);
}
