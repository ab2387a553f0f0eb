//! Whether a cluster is as a store of mail needs it: looked at from outside, changing nothing.
//!
//! Every node of every data center is asked for itself, since settings are per node. What breaks a
//! promise fails; what will break one on a bad day, or cannot be known, is a warning; each has its
//! remedy.

mod guardrails;
mod nodes;
mod repairs;
mod replication;
mod tables;

use std::fmt;

use scylla::client::session::Session;
use scylla::statement::{Consistency, Statement};

use self::nodes::Answer;
use crate::Options;
use crate::engine::connect;
use crate::error::OpenError;
use crate::schema::checked_name;

/// What was found, topic by topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// In the order in which they are shown.
    pub topics: Vec<Topic>,
}

/// Findings about one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: &'static str,
    /// At least one.
    pub findings: Vec<Finding>,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it is.
    pub state: State,
    /// What it is about: a node, a table, a setting.
    pub about: String,
    /// What was found.
    pub found: String,
    /// What to do about it; nothing if it is well.
    pub remedy: Option<String>,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// As it should be.
    Well,
    /// It holds for now, or it is not known.
    Doubtful,
    /// A promise does not hold.
    Broken,
}

impl State {
    /// The word for it in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Well => "ok",
            Self::Doubtful => "warn",
            Self::Broken => "fail",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Survey {
    /// The worst of all findings.
    pub fn state(&self) -> State {
        let findings = self.topics.iter().flat_map(|topic| &topic.findings);
        let worst = findings.map(|finding| finding.state).max();
        worst.unwrap_or(State::Well)
    }
}

impl Finding {
    fn well(about: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            state: State::Well,
            about: about.into(),
            found: found.into(),
            remedy: None,
        }
    }

    fn doubtful(
        about: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            state: State::Doubtful,
            remedy: Some(remedy.into()),
            ..Self::well(about, found)
        }
    }

    fn broken(
        about: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            state: State::Broken,
            ..Self::doubtful(about, found, remedy)
        }
    }
}

/// Looks at the cluster and at the keyspace of the options.
pub async fn survey(options: &Options) -> Result<Survey, OpenError> {
    checked_name(&options.keyspace)?;
    let session = connect(options).await?;
    let asked = nodes::ask_all(&session, options).await;
    let answers: Vec<&Answer> = asked
        .iter()
        .filter_map(|node| node.answer.as_ref())
        .collect();
    let mut topics = vec![
        topic("nodes", nodes::reached(&asked, options)),
        topic("commit log", nodes::commit_logs(&answers)),
        topic("clocks", nodes::clocks(&answers)),
        topic("hints", nodes::hints(&answers)),
        topic("guardrails", guardrails::findings(&answers)),
    ];
    let cluster = Cluster { session, options };
    let replication = replication::findings(&cluster, &asked).await;
    topics.push(topic("replication", replication));
    topics.push(topic("tables", tables::findings(&cluster).await));
    topics.push(topic("repair", repairs::findings(&cluster).await));
    Ok(Survey { topics })
}

fn topic(name: &'static str, mut findings: Vec<Finding>) -> Topic {
    if findings.is_empty() {
        findings.push(Finding::doubtful(name, "nobody answered", "see nodes"));
    }
    Topic { name, findings }
}

/// Who is asked about what all nodes share.
struct Cluster<'o> {
    session: Session,
    options: &'o Options,
}

impl Cluster<'_> {
    /// All rows of a question about our keyspace.
    async fn ask<R>(&self, text: &str, key: &[&str]) -> Result<Vec<R>, String>
    where
        R: for<'f, 'm> scylla::deserialize::row::DeserializeRow<'f, 'm>,
    {
        let mut statement = Statement::new(text);
        // Whatever is away: a survey is for bad days.
        statement.set_consistency(Consistency::One);
        nodes::rows_of(self.session.query_unpaged(statement, key).await)
    }

    fn unread(about: &str, error: &str) -> Finding {
        let remedy = "let the user of store.cassandra.user read the system keyspaces";
        Finding::doubtful(about, format!("cannot be read: {error}"), remedy)
    }
}

/// Of what is the same on all nodes one word, else who has it.
fn on(nodes: &[&str], of: usize) -> String {
    if nodes.len() == of {
        "every node that answers".to_owned()
    } else {
        nodes.join(", ")
    }
}
