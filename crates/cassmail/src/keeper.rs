//! Upkeep of the store that is configured.

use std::path::Path;
use std::sync::Arc;

use cassmail_admin::{Report, StoreKeeper, Upkeep};
use cassmail_store_cassandra::Cassandra;
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
