//! Making the keyspace and its tables.
//!
//! Two that run at once converge: every statement is repeated harmlessly, and each table has an id
//! that is made of its name, so that two creators make the same table (two ids for one table are
//! what splits a schema). Numbered files, never edited after a release.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use scylla::client::execution_profile::{ExecutionProfile, ExecutionProfileHandle};
use scylla::client::session::Session;
use scylla::cluster::Node;
use scylla::errors::ExecutionError;
use scylla::policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy};
use scylla::statement::{Consistency, Statement};
use sha2::{Digest, Sha256};

use crate::engine::connect;
use crate::error::{OpenError, Verdict};
use crate::statements::Cql;
use crate::{Clock, Options};

/// A file of the schema.
pub(crate) struct File {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
}

/// All files, in the order in which they are applied; their number is the version.
pub(crate) const FILES: [File; 9] = [
    File {
        name: "0001_accounts.cql",
        text: include_str!("schema/0001_accounts.cql"),
    },
    File {
        name: "0002_maildrops.cql",
        text: include_str!("schema/0002_maildrops.cql"),
    },
    File {
        name: "0003_nodes.cql",
        text: include_str!("schema/0003_nodes.cql"),
    },
    File {
        name: "0004_scrub.cql",
        text: include_str!("schema/0004_scrub.cql"),
    },
    File {
        name: "0005_surrogates.cql",
        text: include_str!("schema/0005_surrogates.cql"),
    },
    File {
        name: "0006_directory.cql",
        text: include_str!("schema/0006_directory.cql"),
    },
    File {
        name: "0007_administration.cql",
        text: include_str!("schema/0007_administration.cql"),
    },
    File {
        name: "0008_usage.cql",
        text: include_str!("schema/0008_usage.cql"),
    },
    File {
        name: "0009_traces.cql",
        text: include_str!("schema/0009_traces.cql"),
    },
];

/// The key of the version in the table of facts.
pub(crate) const VERSION: &str = "schema";

/// How often a question or a change is tried that another change of the schema disturbs, and how
/// long after the last time.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(500);

/// How many replicas each data center has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replication(pub Vec<(String, u32)>);

/// Makes the keyspace and the tables that lack, and returns when all nodes agree on them.
///
/// Harmless when they are there already, and when two do it at once.
pub async fn init(options: &Options, replication: &Replication) -> Result<(), OpenError> {
    checked_name(&options.keyspace)?;
    let session = connect(options).await?;
    // A schema of another version is for a migration, which says first what it changes.
    match version_there(&session, options).await {
        Ok(Some(found)) if found < FILES.len() => return Err(other_version(found)),
        Ok(Some(found)) if found > FILES.len() => return Err(newer_version(found)),
        _ => {}
    }
    let maker = Maker::new(&session, options);
    maker.change(&keyspace(options, replication)?).await?;
    apply(&session, options, 0).await
}

/// Applies the files behind a version, waits until all nodes agree, and writes ours.
pub(crate) async fn apply(
    session: &Session,
    options: &Options,
    version: usize,
) -> Result<(), OpenError> {
    let maker = Maker::new(session, options);
    maker.use_keyspace(&options.keyspace).await?;
    for file in FILES.iter().skip(version) {
        for statement in statements(file.text) {
            let statement = with_id(&statement, &options.keyspace);
            maker.change(&statement).await?;
        }
        tracing::debug!(file = file.name, "the schema is applied");
    }
    maker.agree().await?;
    write_version(session, &options.keyspace).await
}

/// Refuses any version but ours.
pub(crate) async fn check(session: &Session, options: &Options) -> Result<(), OpenError> {
    match version_there(session, options).await? {
        Some(found) if found == FILES.len() => Ok(()),
        Some(found) if found < FILES.len() => Err(other_version(found)),
        Some(found) => Err(newer_version(found)),
        None => Err(OpenError::NoSchema {
            keyspace: options.keyspace.clone(),
        }),
    }
}

/// The version that is there; none if there is no schema of ours.
pub(crate) async fn version_there(
    session: &Session,
    options: &Options,
) -> Result<Option<usize>, OpenError> {
    const READ: &str = "read the version of the schema";
    let mut read = Statement::new(Cql::ReadMeta.text_in(&options.keyspace));
    // Also while another data center is away.
    read.set_consistency(Consistency::LocalQuorum);
    let mut attempt = 1;
    let read = loop {
        match session.query_unpaged(read.clone(), (VERSION,)).await {
            Ok(read) => break read,
            // The keyspace or the table is not there.
            Err(error) if Verdict::of(&error) == Verdict::Refused => return Ok(None),
            Err(error) if attempt < ATTEMPTS && passes(&error) => attempt += 1,
            Err(error) => return Err(OpenError::other(READ)(error)),
        }
        options.clock.sleep(PAUSE).await;
    };
    let rows = read.into_rows_result().map_err(OpenError::other(READ))?;
    let row = rows.maybe_first_row::<(Option<String>,)>();
    let version = row.map_err(OpenError::other(READ))?;
    let version = version.and_then(|(version,)| version);
    let number = version.map(|version| version.parse::<usize>()).transpose();
    number.map_err(OpenError::other(READ))
}

fn other_version(found: usize) -> OpenError {
    OpenError::OtherSchema {
        found: found.to_string(),
        needed: FILES.len(),
    }
}

fn newer_version(found: usize) -> OpenError {
    OpenError::NewerSchema {
        found,
        known: FILES.len(),
    }
}

/// Makes a schema, statement by statement.
struct Maker<'a> {
    session: &'a Session,
    clock: &'a dyn Clock,
    one_node: ExecutionProfileHandle,
}

impl<'a> Maker<'a> {
    /// All statements go to one node: another one may not know yet what the last statement made.
    fn new(session: &'a Session, options: &'a Options) -> Self {
        let state = session.get_cluster_state();
        let is_near = |node: &&Arc<Node>| {
            node.is_connected() && node.datacenter.as_ref() == Some(&options.data_center)
        };
        let node = state.get_nodes_info().iter().find(is_near);
        let profile = ExecutionProfile::builder().request_timeout(Some(Duration::from_secs(20)));
        let profile = match node {
            Some(node) => {
                let node = NodeIdentifier::Node(Arc::clone(node));
                profile.load_balancing_policy(SingleTargetLoadBalancingPolicy::new(node, None))
            }
            None => profile,
        };
        Self {
            session,
            clock: &*options.clock,
            one_node: profile.build().into_handle(),
        }
    }

    /// Changes the schema; the driver waits until all nodes agree. While they do not, for a moment
    /// after another change, nodes answer with errors that pass.
    async fn change(&self, statement: &str) -> Result<(), OpenError> {
        let mut attempt = 1;
        loop {
            let mut once = Statement::new(statement);
            once.set_execution_profile_handle(Some(self.one_node.clone()));
            match self.session.query_unpaged(once, ()).await {
                Ok(_) => return Ok(()),
                Err(error) if attempt < ATTEMPTS && passes(&error) => attempt += 1,
                Err(error) => return Err(OpenError::other("change the schema")(error)),
            }
            self.clock.sleep(PAUSE).await;
        }
    }

    /// On all connections, also to nodes that do not know of it for a moment yet.
    async fn use_keyspace(&self, keyspace: &str) -> Result<(), OpenError> {
        let mut attempt = 1;
        loop {
            match self.session.use_keyspace(keyspace, true).await {
                Ok(()) => return Ok(()),
                Err(_) if attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(OpenError::other("use the keyspace")(error)),
            }
            self.clock.sleep(PAUSE).await;
        }
    }

    async fn agree(&self) -> Result<(), OpenError> {
        let agreed = self.session.await_schema_agreement().await;
        agreed.map_err(OpenError::other("wait until all nodes agree on the schema"))?;
        Ok(())
    }
}

fn keyspace(options: &Options, replication: &Replication) -> Result<String, OpenError> {
    let mut centers = String::new();
    for (center, replicas) in &replication.0 {
        let center = checked_name(center)?;
        let _ = write!(centers, ", '{center}': {replicas}");
    }
    Ok(format!(
        "CREATE KEYSPACE IF NOT EXISTS \"{}\" WITH replication = \
         {{'class': 'NetworkTopologyStrategy'{centers}}} AND durable_writes = true",
        options.keyspace
    ))
}

/// Names are put into texts here, the only place where they are.
pub(crate) fn checked_name(name: &str) -> Result<&str, OpenError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 48 || !name.chars().all(is_plain) {
        return Err(OpenError::BadName(name.to_owned()));
    }
    Ok(name)
}

/// The statements of a file, without comments.
pub(crate) fn statements(text: &str) -> impl Iterator<Item = String> {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"));
    let bare: Vec<_> = lines.collect();
    let bare = bare.join("\n");
    let split: Vec<_> = bare.split(';').map(|part| part.trim().to_owned()).collect();
    split.into_iter().filter(|part| !part.is_empty())
}

/// Gives a table its keyspace, and an id that every creator gives it.
fn with_id(statement: &str, keyspace: &str) -> String {
    const START: &str = "CREATE TABLE IF NOT EXISTS ";
    let Some(rest) = statement.strip_prefix(START) else {
        return statement.to_owned();
    };
    let table = rest.split([' ', '(']).next().unwrap_or_default();
    let statement = statement.replacen(START, &format!("{START}\"{keyspace}\"."), 1);
    let digest = Sha256::digest(format!("{keyspace}.{table}"));
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(digest) {
        *to = from;
    }
    let id = uuid::Builder::from_custom_bytes(bytes).into_uuid();
    statement.replacen("WITH ", &format!("WITH ID = {id} AND "), 1)
}

fn passes(error: &ExecutionError) -> bool {
    Verdict::of(error).may_pass()
}

async fn write_version(session: &Session, keyspace: &str) -> Result<(), OpenError> {
    const WRITE: &str = "write the version of the schema";
    let put = session.prepare(Cql::PutMeta.text_in(keyspace)).await;
    let put = put.map_err(OpenError::other(WRITE))?;
    let version = FILES.len();
    let row = (
        VERSION,
        version.to_string(),
        i64::try_from(version).unwrap_or(1),
    );
    let written = session.execute_unpaged(&put, row).await;
    written.map_err(OpenError::other(WRITE))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_gets_an_id_of_its_own() {
        let mut ids = std::collections::BTreeSet::new();
        let mut tables = 0;
        for file in &FILES {
            let makes_table = |statement: &String| statement.starts_with("CREATE TABLE");
            for statement in statements(file.text).filter(makes_table) {
                let changed = with_id(&statement, "cassmail");
                let id = changed
                    .split("ID = ")
                    .nth(1)
                    .expect("an id")
                    .split(' ')
                    .next();
                assert_ne!(changed, with_id(&statement, "other"));
                assert!(changed.contains(") \n  WITH") || changed.contains("WITH ID"));
                ids.insert(id.expect("an id").to_owned());
                tables += 1;
            }
        }
        assert_eq!(ids.len(), tables);
        assert_eq!(tables, 21);
    }

    #[test]
    fn names_that_mean_something_in_cql_are_refused() {
        assert!(checked_name("cassmail_2").is_ok());
        for name in ["", "a\"b", "a'b", "a b", "a;b"] {
            assert!(checked_name(name).is_err(), "{name}");
        }
    }
}
