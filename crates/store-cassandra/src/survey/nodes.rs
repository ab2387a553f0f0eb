//! What each node says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::cluster::Node;
use scylla::deserialize::row::DeserializeRow;
use scylla::errors::ExecutionError;
use scylla::policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy};
use scylla::response::query_result::QueryResult;
use scylla::statement::{Consistency, Statement};
use uuid::Uuid;

use super::{Finding, on};
use crate::Options;
use crate::statements::asked;

/// The alarm of storage: a clock that is wrong by more is a fault of the node.
const CLOCK_ALARM: i64 = 100;

/// Ids of messages are times; nothing here survives clocks that are wrong by more than an hour.
const CLOCK_LIMIT: i64 = 3_600_000;

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A node, and what it says if it answers.
pub(super) struct Asked {
    pub(super) address: String,
    pub(super) data_center: String,
    pub(super) answer: Option<Answer>,
    why_not: String,
}

/// What a node says of itself.
pub(super) struct Answer {
    pub(super) address: String,
    version: String,
    schema: Uuid,
    /// How far its clock is before ours, and how sure that is, in milliseconds.
    ahead: i64,
    doubt: i64,
    pub(super) settings: BTreeMap<String, String>,
    properties: BTreeMap<String, String>,
}

/// Asks every node that the cluster knows, all at once.
pub(super) async fn ask_all(session: &Session, options: &Options) -> Vec<Asked> {
    let state = session.get_cluster_state();
    let nodes = state.get_nodes_info();
    let mut asked = join_all(nodes.iter().map(|node| ask(session, options, node))).await;
    asked.sort_by(|a, b| (&a.data_center, &a.address).cmp(&(&b.data_center, &b.address)));
    asked
}

async fn ask(session: &Session, options: &Options, node: &Arc<Node>) -> Asked {
    let answer = answer(session, options, node).await;
    let (answer, why_not) = match answer {
        Ok(answer) => (Some(answer), String::new()),
        Err(why) => (None, why),
    };
    Asked {
        address: node.address.to_string(),
        data_center: node.datacenter.clone().unwrap_or_default(),
        answer,
        why_not,
    }
}

async fn answer(session: &Session, options: &Options, node: &Arc<Node>) -> Result<Answer, String> {
    // The first question opens what is not open yet, so that the second one times the clock alone.
    let settings = pairs(session, node, asked::SETTINGS).await?;
    let properties = pairs(session, node, asked::PROPERTIES).await;
    let before = millis(options);
    let own = ask_one::<(String, Uuid, i64)>(session, node, asked::NODE).await?;
    let after = millis(options);
    let own = own.into_iter().next().ok_or("an empty answer")?;
    let (version, schema, there) = own;
    Ok(Answer {
        address: node.address.to_string(),
        version,
        schema,
        ahead: there - i64::midpoint(before, after),
        doubt: (after - before) / 2 + 1,
        settings,
        properties: properties.unwrap_or_default(),
    })
}

fn millis(options: &Options) -> i64 {
    i64::try_from(options.clock.now().as_micros() / 1000).unwrap_or(i64::MAX)
}

async fn pairs(
    session: &Session,
    node: &Arc<Node>,
    text: &str,
) -> Result<BTreeMap<String, String>, String> {
    let rows = ask_one::<(String, Option<String>)>(session, node, text).await?;
    let known = rows
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    Ok(known.collect())
}

/// All rows of a question that only this node is asked.
async fn ask_one<R>(session: &Session, node: &Arc<Node>, text: &str) -> Result<Vec<R>, String>
where
    R: for<'f, 'm> DeserializeRow<'f, 'm>,
{
    let only = NodeIdentifier::Node(Arc::clone(node));
    let profile = ExecutionProfile::builder()
        .consistency(Consistency::One)
        .request_timeout(Some(PATIENCE))
        .load_balancing_policy(SingleTargetLoadBalancingPolicy::new(only, None))
        .build();
    let mut statement = Statement::new(text);
    statement.set_execution_profile_handle(Some(profile.into_handle()));
    rows_of(session.query_unpaged(statement, ()).await)
}

pub(super) fn rows_of<R>(read: Result<QueryResult, ExecutionError>) -> Result<Vec<R>, String>
where
    R: for<'f, 'm> DeserializeRow<'f, 'm>,
{
    let read = read.map_err(|error| error.to_string())?;
    let rows = read.into_rows_result().map_err(|error| error.to_string())?;
    let rows = rows.rows::<R>().map_err(|error| error.to_string())?;
    let rows: Result<Vec<R>, _> = rows.collect();
    rows.map_err(|error| error.to_string())
}

/// Which nodes are there, and whether they agree.
pub(super) fn reached(asked: &[Asked], options: &Options) -> Vec<Finding> {
    let mut findings: Vec<Finding> = asked.iter().map(of_node).collect();
    let answers = || asked.iter().filter_map(|node| node.answer.as_ref());
    let versions: BTreeSet<&str> = answers().map(|answer| &*answer.version).collect();
    if versions.len() > 1 {
        let several: Vec<_> = versions.into_iter().collect();
        let found = format!("the nodes run {}", several.join(" and "));
        let remedy = "finish the upgrade; do not change the schema before";
        findings.push(Finding::doubtful("versions", found, remedy));
    }
    let schemas: BTreeSet<Uuid> = answers().map(|answer| answer.schema).collect();
    findings.push(match schemas.len() {
        0 | 1 => Finding::well("schema", "the nodes agree"),
        several => Finding::broken(
            "schema",
            format!("the nodes have {several} different schemas"),
            "wait a minute and look again; then nodetool describecluster, and restart the node \
             that differs",
        ),
    });
    let own = &options.data_center;
    if !asked.iter().any(|node| node.data_center == *own) {
        findings.push(Finding::broken(
            "local_datacenter",
            format!("there is no data center {own}"),
            "set store.cassandra.local_datacenter as nodetool status spells it",
        ));
    }
    findings
}

fn of_node(node: &Asked) -> Finding {
    let about = format!("{} ({})", node.address, node.data_center);
    let Some(answer) = &node.answer else {
        let remedy = "start the node, or remove it from the ring; writes need a quorum of each \
                      data center";
        let found = format!("does not answer: {}", node.why_not);
        return Finding::broken(about, found, remedy);
    };
    let found = format!("Cassandra {}", answer.version);
    let major: Option<u32> = answer
        .version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    if major.is_some_and(|major| major >= 5) {
        Finding::well(about, found)
    } else {
        let remedy = "upgrade to 5.0: the tables use compaction that older ones do not have";
        Finding::broken(about, found, remedy)
    }
}

/// Whether a write is on disk before it is acknowledged, on every node.
pub(super) fn commit_logs(answers: &[&Answer]) -> Vec<Finding> {
    let by_mode = by_value(answers, "commitlog_sync");
    let finding = |(mode, nodes): (String, Vec<&str>)| {
        let about = on(&nodes, answers.len());
        match &*mode {
            "batch" | "group" => Finding::well(about, mode),
            "periodic" => Finding::broken(
                about,
                "periodic: mail is acknowledged up to ten seconds before it is on disk",
                "commitlog_sync: batch (or group) in cassandra.yaml, and a restart of the node",
            ),
            _ => Finding::doubtful(about, format!("unknown: {mode}"), "look at cassandra.yaml"),
        }
    };
    by_mode.into_iter().map(finding).collect()
}

/// Which nodes have which value of a setting.
pub(super) fn by_value<'a>(
    answers: &[&'a Answer],
    setting: &str,
) -> BTreeMap<String, Vec<&'a str>> {
    let mut by_value: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for answer in answers {
        let value = answer.settings.get(setting);
        let value = value.cloned().unwrap_or_else(|| "not set".to_owned());
        by_value.entry(value).or_default().push(&answer.address);
    }
    by_value
}

/// How far each clock is from ours.
pub(super) fn clocks(answers: &[&Answer]) -> Vec<Finding> {
    answers.iter().map(|answer| clock(answer)).collect()
}

fn clock(answer: &Answer) -> Finding {
    let Answer {
        address,
        ahead,
        doubt,
        ..
    } = answer;
    let found = format!("{ahead:+} ms against this machine, measured to {doubt} ms");
    let surely = ahead.abs() - doubt;
    let remedy = "let NTP set the clocks of all nodes, and of this machine";
    if surely >= CLOCK_LIMIT {
        Finding::broken(address, found, remedy)
    } else if surely >= CLOCK_ALARM {
        Finding::doubtful(address, found, remedy)
    } else {
        Finding::well(address, found)
    }
}

/// Whether a hint dies before the tombstone that it could outlive.
pub(super) fn hints(answers: &[&Answer]) -> Vec<Finding> {
    const NAME: &str = "cassandra.maxHintTTL";
    const MOST: u64 = 86_400;
    let remedy = "-Dcassandra.maxHintTTL=86400 in jvm-server.options of every node: a hint that \
                  outlives the tombstones would bring removed mail back";
    let mut by_value: BTreeMap<Option<u64>, Vec<&str>> = BTreeMap::new();
    for answer in answers {
        let value = answer
            .properties
            .get(NAME)
            .and_then(|value| value.parse().ok());
        by_value.entry(value).or_default().push(&answer.address);
    }
    let finding = |(value, nodes): (Option<u64>, Vec<&str>)| {
        let about = on(&nodes, answers.len());
        match value {
            Some(seconds) if seconds <= MOST => {
                Finding::well(about, format!("a hint lives for {seconds} s at most"))
            }
            Some(seconds) => {
                let found = format!("a hint may live for {seconds} s");
                Finding::doubtful(about, found, remedy)
            }
            None => Finding::doubtful(about, format!("{NAME} is not set"), remedy),
        }
    };
    by_value.into_iter().map(finding).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::State;
    use super::*;

    pub(in super::super) fn node(address: &str, settings: &[(&str, &str)]) -> Answer {
        let pairs = settings.iter().copied();
        Answer {
            address: address.to_owned(),
            version: "5.0.9".to_owned(),
            schema: Uuid::nil(),
            ahead: 0,
            doubt: 1,
            settings: pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            properties: BTreeMap::new(),
        }
    }

    fn states(findings: &[Finding]) -> Vec<State> {
        findings.iter().map(|finding| finding.state).collect()
    }

    #[test]
    fn one_node_with_a_periodic_commit_log_is_named() {
        let nodes = [
            node("a", &[("commitlog_sync", "batch")]),
            node("b", &[("commitlog_sync", "periodic")]),
            node("c", &[("commitlog_sync", "batch")]),
        ];
        let answers: Vec<_> = nodes.iter().collect();
        let findings = commit_logs(&answers);
        assert_eq!(states(&findings), [State::Well, State::Broken]);
        assert_eq!((&*findings[0].about, &*findings[1].about), ("a, c", "b"));
        let same = commit_logs(&answers[..1]);
        assert_eq!(same[0].about, "every node that answers");
    }

    #[test]
    fn a_clock_is_judged_by_what_is_sure() {
        for (ahead, doubt, expected) in [
            (99, 1, State::Well),
            (150, 60, State::Well),
            (-150, 5, State::Doubtful),
            (4_000_000, 5, State::Broken),
        ] {
            let answer = Answer {
                ahead,
                doubt,
                ..node("a", &[])
            };
            assert_eq!(clock(&answer).state, expected, "{ahead}");
        }
    }

    #[test]
    fn hints_live_for_a_day_at_most() {
        let mut nodes = ["a", "b", "c"].map(|address| node(address, &[]));
        let name = "cassandra.maxHintTTL".to_owned();
        nodes[0].properties.insert(name.clone(), "86400".to_owned());
        nodes[1].properties.insert(name, "864000".to_owned());
        let answers: Vec<_> = nodes.iter().collect();
        let found = states(&hints(&answers));
        assert_eq!(found, [State::Doubtful, State::Well, State::Doubtful]);
    }
}
