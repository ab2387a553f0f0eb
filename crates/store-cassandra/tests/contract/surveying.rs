//! A survey of a real node: what it says of a good keyspace and of one that was tampered with.

use std::sync::Arc;

use cassmail_store_cassandra::{Finding, Options, State, Survey, survey};

use crate::support::{Keyspace, Turned};

async fn survey_of(keyspace: &Keyspace) -> Survey {
    let options = keyspace.options(Arc::new(Turned::default()));
    survey(&options).await.expect("a survey")
}

fn topic<'s>(survey: &'s Survey, name: &str) -> &'s [Finding] {
    let mut topics = survey.topics.iter();
    let found = topics.find(|topic| topic.name == name);
    &found.expect("the topic").findings
}

fn worst(findings: &[Finding]) -> State {
    let states = findings.iter().map(|finding| finding.state);
    states.max().expect("a finding")
}

#[tokio::test]
async fn a_keyspace_as_we_make_it_breaks_nothing() {
    let keyspace = Keyspace::empty().await;
    let survey = survey_of(&keyspace).await;
    assert_ne!(survey.state(), State::Broken, "{survey:#?}");
    for name in ["nodes", "commit log", "clocks", "tables", "repair"] {
        let findings = topic(&survey, name);
        assert_eq!(worst(findings), State::Well, "{findings:#?}");
    }
    // One replica is a warning, not a fault.
    let replication = topic(&survey, "replication");
    assert_eq!(worst(replication), State::Doubtful, "{replication:#?}");
}

#[tokio::test]
async fn a_table_with_too_little_grace_is_named() {
    let keyspace = Keyspace::empty().await;
    let less = ["ALTER TABLE mbox WITH gc_grace_seconds = 3600"];
    keyspace.run(&less).await;
    let survey = survey_of(&keyspace).await;
    keyspace
        .run(&["ALTER TABLE mbox WITH gc_grace_seconds = 864000"])
        .await;
    let findings = topic(&survey, "tables");
    let broken = findings
        .iter()
        .filter(|finding| finding.state == State::Broken);
    let about: Vec<_> = broken.map(|finding| &*finding.about).collect();
    assert_eq!(about, ["mbox"], "{findings:#?}");
    assert_eq!(survey.state(), State::Broken);
}

#[tokio::test]
async fn a_keyspace_and_a_data_center_that_are_not_there_are_named() {
    let keyspace = Keyspace::empty().await;
    let options = Options {
        keyspace: "nowhere".to_owned(),
        ..keyspace.options(Arc::new(Turned::default()))
    };
    let survey = survey(&options).await.expect("a survey");
    for name in ["replication", "tables"] {
        let findings = topic(&survey, name);
        assert_eq!(worst(findings), State::Broken, "{findings:#?}");
        assert_eq!(findings.len(), 1, "{findings:#?}");
    }
}
