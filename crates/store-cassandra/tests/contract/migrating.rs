//! From an earlier schema to ours, on a real Cassandra.

use std::sync::Arc;

use cassmail_store::Accounts;
use cassmail_store_cassandra::{Cassandra, OpenError, Options, Replication, init, migrate, plan};
use scylla::client::session_builder::SessionBuilder;

use crate::support::{Turned, contact_points};

/// The schema as version 3 had it, whatever there is today.
const THREE: [&str; 3] = [
    include_str!("../../src/schema/0001_accounts.cql"),
    include_str!("../../src/schema/0002_maildrops.cql"),
    include_str!("../../src/schema/0003_nodes.cql"),
];

fn options(name: &str) -> Options {
    let keyspace = format!("migrate_{name}_{}", std::process::id());
    let clock = Arc::new(Turned::default());
    Options::new(contact_points(), "dc1", keyspace, clock)
}

fn one_replica() -> Replication {
    Replication(vec![("dc1".to_owned(), 1)])
}

/// Makes a keyspace that has the tables of two versions, the table of facts, and says version 2.
async fn make_older(options: &Options) {
    let builder = SessionBuilder::new().known_nodes(contact_points());
    let session = builder.build().await.expect("a session");
    let run = async |statement: String| {
        let done = session.query_unpaged(statement.clone(), ()).await;
        done.expect(&statement);
    };
    let keyspace = &options.keyspace;
    run(format!(
        "CREATE KEYSPACE \"{keyspace}\" WITH replication = \
         {{'class': 'NetworkTopologyStrategy', 'dc1': 1}}"
    ))
    .await;
    let used = session.use_keyspace(keyspace, true).await;
    used.expect("the keyspace");
    let lines = THREE.iter().flat_map(|file| file.lines());
    let lines: Vec<_> = lines.filter(|line| !line.starts_with("--")).collect();
    let all = lines.join("\n");
    let of_version_two = ["spool", "node"];
    for statement in all.split(';').map(str::trim) {
        let later = of_version_two
            .iter()
            .any(|table| statement.contains(&format!("EXISTS {table}")));
        if !statement.is_empty() && !later {
            run(statement.to_owned()).await;
        }
    }
    let version = "INSERT INTO meta (k, v) VALUES ('schema', '2') USING TIMESTAMP 2";
    run(version.to_owned()).await;
}

async fn refusal(options: &Options) -> OpenError {
    let opened = Cassandra::open(options).await;
    opened.err().expect("it is not opened")
}

#[tokio::test]
async fn an_older_schema_is_not_opened_until_it_is_migrated() {
    let options = options("older");
    make_older(&options).await;
    // Nothing is opened, whichever it notices first: the version, or the tables.
    let error = refusal(&options).await;
    assert!(
        matches!(error, OpenError::OtherSchema { .. }),
        "{error:?}: {error}"
    );
    assert!(error.to_string().contains("cassmail store migrate"));
    let error = init(&options, &one_replica()).await;
    assert!(matches!(error, Err(OpenError::OtherSchema { .. })));

    let planned = plan(&options).await.expect("a plan");
    assert_eq!(planned.found, 2);
    assert!(planned.can_be_done_while_serving());
    let created = planned.steps.iter().map(|step| &*step.what);
    let created: Vec<_> = created.collect();
    assert!(
        created.contains(&"CREATE TABLE IF NOT EXISTS spool"),
        "{created:?}"
    );
    // A plan changes nothing.
    assert!(matches!(
        refusal(&options).await,
        OpenError::OtherSchema { .. }
    ));

    let (first, second) = tokio::join!(migrate(&options), migrate(&options));
    first.expect("a migration");
    second.expect("a migration");
    let store = Cassandra::open(&options).await.expect("opening");
    assert_eq!(store.domains().await.expect("the domains"), []);
    assert_eq!(plan(&options).await.expect("a plan").steps, []);
}

#[tokio::test]
async fn nothing_is_migrated_where_nothing_is() {
    let options = options("nothing");
    for error in [plan(&options).await, migrate(&options).await] {
        assert!(matches!(error, Err(OpenError::NoSchema { .. })));
    }
}

#[tokio::test]
async fn a_schema_of_a_later_version_is_left_alone() {
    let options = options("later");
    init(&options, &one_replica()).await.expect("a schema");
    let builder = SessionBuilder::new().known_nodes(contact_points());
    let session = builder.build().await.expect("a session");
    let later = format!(
        "INSERT INTO \"{}\".meta (k, v) VALUES ('schema', '999') USING TIMESTAMP 999",
        options.keyspace
    );
    let done = session.query_unpaged(later, ()).await;
    done.expect("a later version");
    for error in [
        plan(&options).await.map(drop),
        migrate(&options).await.map(drop),
        init(&options, &one_replica()).await,
        Cassandra::open(&options).await.map(drop),
    ] {
        assert!(matches!(error, Err(OpenError::NewerSchema { .. })));
    }
}
