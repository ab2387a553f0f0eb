//! Whom a copy keeps away, on a real Cassandra.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use cassmail_store_cassandra::ClaimError;
use cassmail_store_cassandra::scrub::{Options, Scrub, ScrubError};

use crate::support::Server;

async fn scrub(server: &Server) -> Result<(), ScrubError> {
    let options = server.keyspace.options(Arc::clone(&server.clock));
    let scrub = Scrub::open(&options).await.expect("opening");
    let go_on = &mut |_| ControlFlow::Continue(());
    let done = scrub.run(Options::default(), go_on).await;
    scrub.close().await;
    done.map(drop)
}

#[tokio::test]
async fn a_copy_keeps_scrubs_and_other_copies_away_until_it_ends() {
    let server = Server::fresh().await;
    let mut claim = server.store.claim_for_copy().await.expect("a claim");
    let second = server.store.claim_for_copy().await;
    assert!(matches!(second, Err(ClaimError::Taken(by)) if by == "copy"));
    let refused = scrub(&server).await;
    assert!(matches!(refused, Err(ScrubError::Taken(by)) if by == "copy"));
    // Those who gave way left nothing behind.
    server.clock.turn(Duration::from_mins(2));
    claim.hold().await.expect("still ours");
    claim.release().await.expect("a release");
    scrub(&server).await.expect("a scrub");
    let again = server.store.claim_for_copy().await.expect("a claim");
    again.release().await.expect("a release");
}

#[tokio::test]
async fn a_copy_hears_of_a_job_that_came_in_between() {
    let server = Server::fresh().await;
    let mut claim = server.store.claim_for_copy().await.expect("a claim");
    let other = "INSERT INTO meta (k, v) VALUES ('claim/scrub/x', 'scrub')";
    server.keyspace.run(&[other]).await;
    let held = claim.hold().await;
    assert!(matches!(held, Err(ClaimError::Taken(by)) if by == "scrub"));
    let gone = "DELETE FROM meta WHERE k = 'claim/scrub/x'";
    server.keyspace.run(&[gone]).await;
    claim.release().await.expect("a release");
}
