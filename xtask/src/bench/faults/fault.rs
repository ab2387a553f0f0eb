//! What is done to a cluster, and how it is undone.

use std::time::Duration;

use anyhow::Result;

use super::rig::Rig;

/// One thing that goes wrong in the life of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A node of Cassandra is killed, and started again.
    NodeKilled,
    /// A node of Cassandra stands still.
    NodePaused,
    /// All nodes of a data center stand still.
    CenterPaused,
    /// The link between the data centers is cut; both sides live and have clients.
    Cut,
    /// A node of Cassandra loses its disk, and is replaced.
    NodeReplaced,
    /// A process of ours is killed, and started again.
    ServerKilled,
    /// The wall clock of a process of ours is an hour ahead.
    ClockAhead,
    /// The nodes of Cassandra are restarted one after the other.
    Rolling,
}

pub(super) const ALL: [Fault; 8] = [
    Fault::NodeKilled,
    Fault::NodePaused,
    Fault::CenterPaused,
    Fault::Cut,
    Fault::NodeReplaced,
    Fault::ServerKilled,
    Fault::ClockAhead,
    Fault::Rolling,
];

impl Fault {
    /// By its name on the command line.
    pub(super) fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|fault| fault.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NodeKilled => "node-killed",
            Self::NodePaused => "node-paused",
            Self::CenterPaused => "center-paused",
            Self::Cut => "cut",
            Self::NodeReplaced => "node-replaced",
            Self::ServerKilled => "server-killed",
            Self::ClockAhead => "clock-ahead",
            Self::Rolling => "rolling-restart",
        }
    }

    /// For the table.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::NodeKilled => "Cassandra node killed (-9), started again",
            Self::NodePaused => "Cassandra node paused",
            Self::CenterPaused => "data center paused",
            Self::Cut => "data centers cut apart, clients on both sides",
            Self::NodeReplaced => "Cassandra node without its disk, replaced",
            Self::ServerKilled => "cassmail killed (-9), started again",
            Self::ClockAhead => "cassmail's wall clock an hour ahead",
            Self::Rolling => "Cassandra restarted node by node",
        }
    }

    /// How long it lasts; in the short form just long enough to be noticed by Cassandra.
    pub(super) fn holds(self, is_short: bool) -> Duration {
        let seconds = match self {
            Self::CenterPaused | Self::Cut => 60,
            Self::NodeKilled | Self::NodeReplaced | Self::Rolling => 10,
            Self::ServerKilled => 5,
            Self::NodePaused | Self::ClockAhead => 30,
        };
        let short = match self {
            Self::CenterPaused | Self::Cut => 30,
            _ => 5,
        };
        Duration::from_secs(if is_short { short } else { seconds })
    }

    /// A node that was dead may lack what its hints did not bring: an operator repairs then.
    pub(super) fn wants_repair(self) -> bool {
        matches!(self, Self::NodeKilled | Self::NodeReplaced | Self::Rolling)
    }

    pub(super) fn strike(self, rig: &mut Rig) -> Result<()> {
        match self {
            Self::NodeKilled | Self::NodeReplaced => rig.cassandra(&["kill", "2"]),
            Self::NodePaused => rig.cassandra(&["pause", "2"]),
            Self::CenterPaused => rig.cassandra(&["pause", "dc2"]),
            Self::Cut => rig.cassandra(&["cut", "dc2"]),
            Self::ServerKilled => rig.kill_server(0),
            Self::ClockAhead => rig.restart_server_ahead(0),
            Self::Rolling => Ok(()),
        }
    }

    pub(super) fn mend(self, rig: &mut Rig) -> Result<()> {
        match self {
            Self::NodeKilled => rig.cassandra(&["up", "2"]),
            Self::NodeReplaced => rig.cassandra(&["replace", "2"]),
            Self::NodePaused => rig.cassandra(&["resume", "2"]),
            Self::CenterPaused => rig.cassandra(&["resume", "dc2"]),
            Self::Cut => rig.cassandra(&["heal"]),
            Self::ServerKilled => rig.start_server(0),
            Self::ClockAhead => rig.restart_server(0),
            Self::Rolling => rig.restart_each_node(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, Fault};

    #[test]
    fn every_fault_has_a_name_of_its_own() {
        for fault in ALL {
            assert_eq!(Fault::named(fault.name()), Some(fault));
            assert!(fault.holds(true) <= fault.holds(false));
        }
        assert_eq!(Fault::named("dance"), None);
    }
}
