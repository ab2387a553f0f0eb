//! Quotas over one Cassandra: what they cost, and what four nodes make of one mailbox.

mod node;
mod real;

use std::sync::Arc;

use cassmail_mail::Address;
use cassmail_office::QuotaChange;
use cassmail_store::{Accounts as _, AddressEntry, Bound, Maildrops as _, Usage, Usages as _};

use node::Node;
use real::Keyspace;

const BOB: &str = "bob@here.example";

fn bob() -> Address {
    BOB.parse().expect("an address")
}

async fn limit(node: &Node, most: u64) {
    let change = QuotaChange {
        messages: Some(Some(Bound::from(most))),
        octets: None,
    };
    let set = node.administration.set_quota(&bob(), change).await;
    set.expect("a quota");
}

/// What is listed, and what is noted of it.
async fn figures(node: &Node) -> (Usage, Option<Usage>) {
    let entry = node.store.resolve(bob()).await.expect("an answer");
    let Some(AddressEntry::Account { id, .. }) = entry else {
        panic!("bob is an account");
    };
    let listed = node.store.list(id).await.expect("a listing");
    let noted = node.store.usage(id).await.expect("notes").estimate();
    (Usage::of(&listed), noted)
}

/// The budget of a delivery: one request when its recipient is known, with a quota as without.
#[tokio::test]
async fn a_mail_for_an_account_with_a_quota_costs_one_request() {
    let Some(keyspace) = Keyspace::made("cost").await else {
        return;
    };
    let node = Node::first(&keyspace).await;
    limit(&node, 10_000).await;
    for _ in 0..3 {
        node.deliver(&[BOB]).await.expect("taken");
    }
    // The first count is noted.
    node.quotas.flush().await;
    // Every ten seconds the node tells the others that it lives, which takes requests of its own.
    let mut messages = 3;
    let mut is_quiet = false;
    for _ in 0..5 {
        let before = node.store.requests_sent();
        for _ in 0..20 {
            node.deliver(&[BOB]).await.expect("taken");
        }
        messages += 20;
        let deliveries = node.store.requests_sent() - before;
        // One small write for all of them, and nothing when there is nothing new.
        node.quotas.flush().await;
        node.quotas.flush().await;
        is_quiet = (deliveries, node.store.requests_sent() - before) == (20, 21);
        if is_quiet {
            break;
        }
    }
    assert!(is_quiet, "twenty deliveries cost more than a request each");
    let (listed, noted) = figures(&node).await;
    assert_eq!(listed.messages, messages);
    assert_eq!(noted, Some(listed));
    node.end().await;
}

/// With n nodes at most n twentieths of the limit too much, and a message for each session.
#[tokio::test]
async fn four_nodes_exceed_a_limit_by_a_bounded_number() {
    const MOST: u64 = 100;
    const NODES: u64 = 4;
    let Some(keyspace) = Keyspace::made("race").await else {
        return;
    };
    let first = Node::first(&keyspace).await;
    limit(&first, MOST).await;
    let mut nodes = vec![Arc::new(first)];
    for _ in 1..NODES {
        nodes.push(Arc::new(Node::further(&keyspace).await));
    }
    let mut tasks = tokio::task::JoinSet::new();
    for node in &nodes {
        let node = Arc::clone(node);
        tasks.spawn(async move { until_refused(&node).await });
    }
    let mut taken = 0;
    while let Some(done) = tasks.join_next().await {
        taken += done.expect("no panic");
    }
    let (listed, _) = figures(&nodes[0]).await;
    assert_eq!(listed.messages, taken, "none is lost");
    let bound = MOST + NODES * (MOST / 20 + 1);
    assert!((MOST..=bound).contains(&taken), "{taken} of {MOST}");
    for node in &nodes {
        node.quotas.flush().await;
    }
    for node in nodes {
        node.end().await;
    }
}

/// How many messages a node takes before it refuses one.
async fn until_refused(node: &Node) -> u64 {
    for taken in 0..1000 {
        if let Err(refusal) = node.deliver(&[BOB]).await {
            assert!(refusal.starts_with("452 4.2.2 "), "{refusal}");
            return taken;
        }
    }
    panic!("it never refuses");
}
