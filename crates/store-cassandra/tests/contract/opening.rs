//! Making a keyspace, opening it, refusing what is not right: on a real Cassandra.

use std::sync::Arc;

use crate::support::{Turned, contact_points, replication};
use cassmail_store::{Accounts, DomainEntry};
use cassmail_store_cassandra::{Cassandra, OpenError, Options, init};

fn options(keyspace: &str) -> Options {
    let keyspace = format!("{keyspace}_{}", std::process::id());
    Options::new(
        contact_points(),
        "dc1",
        keyspace,
        Arc::new(Turned::default()),
    )
}

#[tokio::test]
async fn two_that_make_the_same_keyspace_at_once_make_one() {
    let options = options("twice");
    let replication = replication().await;
    let (first, second) = tokio::join!(init(&options, &replication), init(&options, &replication));
    first.expect("a schema");
    second.expect("a schema");
    init(&options, &replication).await.expect("again");
    let store = Cassandra::open(&options).await.expect("opening");
    let entry = DomainEntry::new("example.org".parse().expect("a domain"));
    store.put_domain(entry.clone()).await.expect("a change");
    let other = Cassandra::open(&options).await.expect("opening");
    assert_eq!(other.domains().await.expect("the domains"), [entry]);
}

#[tokio::test]
async fn a_keyspace_without_tables_is_not_opened() {
    let opened = Cassandra::open(&options("nothing")).await;
    let error = opened.err().expect("nothing is there");
    assert!(matches!(
        error,
        OpenError::Connect { .. } | OpenError::NoSchema { .. }
    ));
}

#[tokio::test]
async fn a_cassandra_that_is_not_there_is_said_to_be_so() {
    let options = Options {
        contact_points: vec!["127.0.0.1:1".to_owned()],
        ..options("nowhere")
    };
    let error = Cassandra::open(&options).await.err().expect("nobody");
    let said = "failed to connect to Cassandra at 127.0.0.1:1";
    assert_eq!(error.to_string(), said);
}
