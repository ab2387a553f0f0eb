//! Upkeep of the store that is configured.

use std::path::Path;
use std::sync::Arc;

use cassmail_admin::{
    ClusterShown, NodeShown, NodeState, Report, ScrubShown, StoreKeeper, Told, Upkeep,
};
use cassmail_store::StoreError;
use cassmail_store_cassandra::scrub::{Count, LastScrub};
use cassmail_store_cassandra::{Cassandra, NodeSeen};
use cassmail_store_embedded::{Checked, Copied, Embedded, OpenError};
use cassmail_telemetry::{ClusterFigures, Metrics, chain};

/// Who keeps the store.
pub(crate) enum Keeper {
    /// Nobody has to.
    Memory,
    /// The embedded store keeps itself.
    Embedded(Arc<Embedded>),
    /// A cluster, which has tools of its own.
    Cassandra(Cassandra),
}

impl StoreKeeper for Keeper {
    fn backup(&self, folder: &Path) -> Upkeep<'_> {
        let folder = folder.to_owned();
        Box::pin(async move {
            match self {
                Self::Memory => Err("a store in memory cannot be backed up".to_owned()),
                Self::Embedded(store) => {
                    let copied = store.backup(folder.clone()).await;
                    copied.map(|copied| of_copy(&folder, copied)).map_err(why)
                }
                Self::Cassandra(_) => Err("a cluster is backed up node by node, with nodetool \
                                           snapshot: see docs/operations/cassandra.md"
                    .to_owned()),
            }
        })
    }

    fn check(&self) -> Upkeep<'_> {
        Box::pin(async move {
            match self {
                Self::Memory => Err("a store in memory has nothing to be checked".to_owned()),
                Self::Embedded(store) => store
                    .check()
                    .await
                    .map(|found| of_check(&found))
                    .map_err(why),
                Self::Cassandra(_) => Err("a store on Cassandra is verified and mended with: \
                                           cassmail scrub; its cluster is looked at with: \
                                           cassmail store check --connect"
                    .to_owned()),
            }
        })
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Embedded(_) => "embedded",
            Self::Cassandra(_) => "cassandra",
        }
    }

    fn cluster(&self) -> Option<ClusterShown> {
        let Self::Cassandra(store) = self else {
            return None;
        };
        let figures = store.figures();
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        Some(ClusterShown {
            requests: figures.requests,
            acknowledged_by_fewer: figures.acknowledged_by_fewer,
            waiting_for_healing: count(figures.waiting_for_healing),
            periodic_commit_logs: count(figures.periodic_commit_logs),
        })
    }

    fn last_scrub(&self) -> Told<'_, Option<ScrubShown>> {
        Box::pin(async move {
            let Self::Cassandra(store) = self else {
                return Ok(None);
            };
            let last = store.last_scrub().await.map_err(told)?;
            Ok(last.map(|last| of_scrub(&last)))
        })
    }

    fn nodes(&self) -> Told<'_, Vec<NodeShown>> {
        Box::pin(async move {
            let Self::Cassandra(store) = self else {
                return Ok(vec![NodeShown {
                    id: std::process::id().to_string(),
                    data_center: None,
                    seen_at: None,
                    state: NodeState::Alive,
                    is_this: true,
                }]);
            };
            let now = cassmail_net::Clock::system().wall_micros() / 1_000_000;
            let seen = store.nodes().await.map_err(told)?;
            let mut shown: Vec<_> = seen.iter().map(|node| of_node(node, now)).collect();
            shown.sort_by_key(|node| std::cmp::Reverse(node.seen_at));
            Ok(shown)
        })
    }

    fn count(&self, metrics: &Metrics) {
        if let Self::Cassandra(store) = self {
            let figures = store.figures();
            metrics.store_on_cluster(ClusterFigures {
                requests: figures.requests,
                acknowledged_by_fewer: figures.acknowledged_by_fewer,
                waiting_for_healing: figures.waiting_for_healing,
                periodic_commit_logs: figures.periodic_commit_logs,
            });
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "an argument of map_err")]
fn told(error: StoreError) -> String {
    chain(&error).to_string()
}

fn of_scrub(last: &LastScrub) -> ScrubShown {
    let counts = Count::ALL.iter();
    let counts = counts.map(|&count| (count.key().to_owned(), last.report.get(count)));
    ScrubShown {
        at: last.at / 1_000_000,
        done: last.done,
        finished: last.is_finished,
        well: last.report.is_empty(),
        trouble: last.report.has_trouble(),
        counts: counts.collect(),
    }
}

/// Each tells every ten seconds that it lives, and is taken for dead by others after ninety.
fn of_node(node: &NodeSeen, now: u64) -> NodeShown {
    const SILENCE: u64 = 90;
    let seen_at = u64::try_from(node.beat).unwrap_or_default() / 1000;
    let is_alive = node.is_this || now.saturating_sub(seen_at) < SILENCE;
    NodeShown {
        id: node.id.to_string(),
        data_center: Some(node.data_center.clone()),
        seen_at: Some(seen_at),
        state: if is_alive {
            NodeState::Alive
        } else {
            NodeState::Silent
        },
        is_this: node.is_this,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "an argument of map_err")]
fn why(error: OpenError) -> String {
    chain(&error).to_string()
}

fn of_copy(folder: &Path, copied: Copied) -> Report {
    Report {
        is_well: true,
        lines: vec![
            format!(
                "copied {} messages, {} files of bodies, {} octets to {}",
                copied.messages,
                copied.segments,
                copied.octets,
                folder.display()
            ),
            "to restore it, make it the data folder".to_owned(),
        ],
    }
}

fn of_check(checked: &Checked) -> Report {
    /// More are counted, not shown.
    const SHOWN: usize = 1000;
    let mut lines = vec![format!(
        "read {} messages, {} octets, in {} places of maildrops",
        checked.messages, checked.octets, checked.listed
    )];
    let faults = checked.faults.len();
    lines.extend(checked.faults.iter().take(SHOWN).map(ToString::to_string));
    lines.push(match faults {
        0 => "nothing is wrong".to_owned(),
        _ => format!("{faults} things are wrong"),
    });
    Report {
        is_well: faults == 0,
        lines,
    }
}
