//! Waiting until a cluster is one: all nodes answer, know each other and agree on the schema.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;

use super::cluster::Cluster;
use super::cql::Connection;
use super::deadline::{Look, wait};
use super::layout::Layout;

/// Six nodes that start at once on a busy machine.
const START: Duration = Duration::from_mins(5);

const AGREEMENT: Duration = Duration::from_mins(1);

/// For one look; a wait has many.
const ONE_ANSWER: Duration = Duration::from_secs(12);

/// The keyspaces of Cassandra's own that have to survive the loss of a node or of a data center.
/// As they come they also want more replicas than a single node has.
const SYSTEM_KEYSPACES: [&str; 3] = ["system_auth", "system_distributed", "system_traces"];

const CREATE_ROLE: &str = "CREATE ROLE IF NOT EXISTS cassmail \
    WITH PASSWORD = 'cassmail' AND LOGIN = true AND SUPERUSER = true";

/// A read that is answered only when every replica does; with three replicas in each data center
/// these are all nodes.
const READ_OF_ALL: &str = "SELECT session_id FROM system_traces.sessions \
    WHERE session_id = 00000000-0000-1000-8000-000000000000";

/// Until each of these nodes answers a query.
pub(super) fn wait_for_cql(cluster: &Cluster, nodes: &[usize]) -> Result<()> {
    let version = |node| {
        let mut connection = connect(cluster, node)?;
        connection.query("SELECT release_version FROM system.local", "ONE")
    };
    each(cluster, nodes, "answers on CQL", |node| {
        version(node).map(|_| Look::Done)
    })
}

/// Until each of these nodes knows all others.
pub(super) fn wait_for_ring(cluster: &Cluster, nodes: &[usize]) -> Result<()> {
    let all = cluster.settings.layout.nodes().len();
    each(cluster, nodes, "the ring", |node| {
        let (peers, schemas) = neighbours(&mut connect(cluster, node)?)?;
        Ok(if peers + 1 == all && schemas == 1 {
            Look::Done
        } else {
            Look::NotYet(format!("{peers} peers, {schemas} schemas"))
        })
    })
}

/// Until each of these nodes reads from all others.
pub(super) fn wait_for_replicas(cluster: &Cluster, nodes: &[usize]) -> Result<()> {
    each(cluster, nodes, "reading from all replicas", |node| {
        connect(cluster, node)?.query(READ_OF_ALL, "ALL")?;
        Ok(Look::Done)
    })
}

/// Looks at the nodes until all are done. That one does not answer is a reason to wait; that its
/// process has ended, or that nobody waits any more, is one to stop.
fn each(
    cluster: &Cluster,
    nodes: &[usize],
    what: &str,
    look: impl Fn(usize) -> Result<Look>,
) -> Result<()> {
    let mut left = nodes.to_vec();
    wait(what, START, || {
        cluster.check_owner()?;
        while let Some(node) = left.first().copied() {
            cluster.check_running(node)?;
            match look(node) {
                Ok(Look::Done) => left.remove(0),
                Ok(Look::NotYet(reason)) => return not_yet(node, &reason),
                Err(error) => return not_yet(node, &format!("{error:#}")),
            };
        }
        Ok(Look::Done)
    })
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "reads as the other results of a look"
)]
fn not_yet(node: usize, reason: &str) -> Result<Look> {
    Ok(Look::NotYet(format!("node {node}: {reason}")))
}

pub(super) fn connect(cluster: &Cluster, node: usize) -> Result<Connection> {
    Connection::open(cluster.place.net.cql(node), ONE_ANSWER)
}

/// The number of nodes that a node knows, and of the schemas that it has heard of.
fn neighbours(connection: &mut Connection) -> Result<(usize, usize)> {
    let own = connection.query("SELECT schema_version FROM system.local", "ONE")?;
    let peers = connection.query("SELECT schema_version FROM system.peers_v2", "ONE")?;
    let schemas: BTreeSet<_> = own.values.iter().chain(&peers.values).collect();
    Ok((peers.values.len(), schemas.len()))
}

/// Until all nodes that this one hears of have its schema. Cassandra answers a change of the schema
/// before the other nodes know of it.
pub(super) fn agree(connection: &mut Connection) -> Result<()> {
    wait("agreement on the schema", AGREEMENT, || {
        Ok(match neighbours(connection)? {
            (_, 1) => Look::Done,
            (_, schemas) => Look::NotYet(format!("{schemas} schemas")),
        })
    })
}

/// Gives the system keyspaces their replicas.
pub(super) fn spread_system_keyspaces(cluster: &Cluster) -> Result<()> {
    let mut connection = connect(cluster, 1)?;
    let replication = replication(cluster.settings.layout);
    for keyspace in SYSTEM_KEYSPACES {
        let alter = format!("ALTER KEYSPACE {keyspace} WITH replication = {replication}");
        connection.query(&alter, "ONE")?;
        agree(&mut connection)?;
    }
    Ok(())
}

/// Every node of every data center is a replica.
pub(super) fn replication(layout: Layout) -> String {
    let replicas = layout.nodes_per_center();
    let centers = (1..=layout.centers()).map(|center| format!(", 'dc{center}': {replicas}"));
    let centers: String = centers.collect();
    format!("{{'class': 'NetworkTopologyStrategy'{centers}}}")
}

/// Makes a role for tests, and brings it to all nodes: a read of all replicas mends them. The first
/// role of Cassandra does not serve, because it cannot log in during a cut.
pub(super) fn spread_roles(cluster: &Cluster, nodes: &[usize]) -> Result<()> {
    connect(cluster, 1)?.query(CREATE_ROLE, "ONE")?;
    each(cluster, nodes, "the roles", |node| {
        connect(cluster, node)?.query("SELECT role FROM system_auth.roles", "ALL")?;
        Ok(Look::Done)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_is_a_replica() {
        let text = "{'class': 'NetworkTopologyStrategy', 'dc1': 3, 'dc2': 3}";
        assert_eq!(replication(Layout::TwoCenters), text);
        let text = "{'class': 'NetworkTopologyStrategy', 'dc1': 1}";
        assert_eq!(replication(Layout::Single), text);
    }
}
