//! Whether every node has a write on its disk before it acknowledges it.
//!
//! Cassandra's default (`commitlog_sync: periodic`) acknowledges up to ten seconds earlier. A 250
//! over such nodes is a bet that not all replicas lose power at once, so a store is not opened over
//! them unless an operator says so; and since settings change at restarts of nodes, the question is
//! asked again every hour.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use scylla::client::execution_profile::ExecutionProfile;
use scylla::cluster::Node;
use scylla::policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy};
use scylla::statement::Statement;

use crate::CommitLog;
use crate::engine::Engine;
use crate::error::OpenError;
use crate::statements::COMMIT_LOG;

/// How often it is looked at.
const EVERY: Duration = Duration::from_hours(1);

/// What was found last.
#[derive(Debug, Default)]
pub(crate) struct CommitLogs {
    periodic: Mutex<Vec<String>>,
}

impl CommitLogs {
    /// How many nodes acknowledge before they have a write on disk.
    pub(crate) fn periodic(&self) -> usize {
        self.with(|periodic| periodic.len())
    }

    fn with<T>(&self, step: impl FnOnce(&mut Vec<String>) -> T) -> T {
        step(&mut self.periodic.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Engine {
    /// Asks every node; refuses the first that is not as the rule wants it.
    pub(crate) async fn check_commit_logs(&self, rule: CommitLog) -> Result<(), OpenError> {
        self.look_at_commit_logs().await;
        let first = self.commit_logs.with(|periodic| periodic.first().cloned());
        match (first, rule) {
            (Some(node), CommitLog::MustBeSynced) => Err(OpenError::CommitLog {
                node,
                mode: "periodic".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Asks again every hour, as long as the store is open. Mail goes on: whoever has a node with
    /// another setting is told, and stopping every server would help nobody.
    pub(crate) fn watch_commit_logs(self: &Arc<Self>) {
        let engine = Arc::downgrade(self);
        let clock = Arc::clone(&self.clock);
        tokio::spawn(async move {
            loop {
                clock.sleep(EVERY).await;
                let Some(engine) = engine.upgrade() else {
                    return;
                };
                let Some(_pass) = engine.gate.enter() else {
                    return;
                };
                engine.look_at_commit_logs().await;
            }
        });
    }

    /// A node that does not answer is no reason not to start: it acknowledges nothing either.
    async fn look_at_commit_logs(&self) {
        let state = self.session().get_cluster_state();
        let mut periodic = Vec::new();
        for node in state.get_nodes_info() {
            if !node.is_connected() {
                continue;
            }
            let address = node.address.to_string();
            match self.commit_log_of(node).await.as_deref() {
                Some("periodic") => {
                    tracing::warn!(
                        event = "store.commit-log.periodic",
                        node = address,
                        "acknowledges mail before it is on disk: a 250 means that not all replicas \
                         lose power within ten seconds; set commitlog_sync to batch or group"
                    );
                    periodic.push(address);
                }
                Some(_) => {}
                None => tracing::warn!(
                    event = "store.commit-log.unknown",
                    node = address,
                    "does not say how its commit log is synced"
                ),
            }
        }
        self.commit_logs.with(|found| *found = periodic);
    }

    async fn commit_log_of(&self, node: &Arc<Node>) -> Option<String> {
        let only = NodeIdentifier::Node(Arc::clone(node));
        let profile = ExecutionProfile::builder()
            .load_balancing_policy(SingleTargetLoadBalancingPolicy::new(only, None))
            .build();
        let mut statement = Statement::new(COMMIT_LOG);
        statement.set_execution_profile_handle(Some(profile.into_handle()));
        let read = self.session().query_unpaged(statement, ()).await.ok()?;
        let rows = read.into_rows_result().ok()?;
        let row = rows.maybe_first_row::<(String,)>().ok()?;
        row.map(|(mode,)| mode)
    }
}
