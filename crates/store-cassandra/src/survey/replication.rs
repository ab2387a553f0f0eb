//! How many replicas there are, in each data center.

use std::collections::{BTreeMap, HashMap};

use super::nodes::Asked;
use super::{Cluster, Finding};
use crate::statements::asked;

/// With fewer, no node can be lost without losing the quorum.
const ENOUGH: usize = 3;

pub(super) async fn findings(cluster: &Cluster<'_>, nodes: &[Asked]) -> Vec<Finding> {
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for node in nodes {
        *sizes.entry(&node.data_center).or_default() += 1;
    }
    let keyspace = &*cluster.options.keyspace;
    let mut findings = match replication(cluster, keyspace).await {
        Ok(Some(map)) => of_mail(keyspace, &map, &sizes),
        Ok(None) => {
            let remedy = "cassmail store init";
            vec![Finding::broken(
                keyspace,
                "the keyspace is not there",
                remedy,
            )]
        }
        Err(error) => vec![Cluster::unread(keyspace, &error)],
    };
    if cluster.options.login.is_some() {
        findings.push(match replication(cluster, "system_auth").await {
            Ok(map) => of_logins(&map.unwrap_or_default(), &sizes),
            Err(error) => Cluster::unread("system_auth", &error),
        });
    }
    findings
}

/// How a keyspace is kept, as Cassandra writes it.
pub(super) type Replicas = HashMap<String, String>;

pub(super) async fn replication(
    cluster: &Cluster<'_>,
    keyspace: &str,
) -> Result<Option<Replicas>, String> {
    let rows = cluster
        .ask::<(Replicas,)>(asked::KEYSPACE, &[keyspace])
        .await?;
    Ok(rows.into_iter().next().map(|(map,)| map))
}

fn strategy(map: &Replicas) -> &str {
    let class = map.get("class").map(String::as_str).unwrap_or_default();
    class.rsplit('.').next().unwrap_or_default()
}

/// How many replicas there are in all data centers together.
pub(super) fn total(map: &Replicas) -> usize {
    let counts = map.iter().filter(|(key, _)| *key != "class");
    counts
        .filter_map(|(_, count)| count.parse::<usize>().ok())
        .sum()
}

fn replicas(map: &Replicas, center: &str) -> usize {
    map.get(center)
        .and_then(|count| count.parse().ok())
        .unwrap_or(0)
}

fn of_mail(keyspace: &str, map: &Replicas, sizes: &BTreeMap<&str, usize>) -> Vec<Finding> {
    let strategy = strategy(map);
    if strategy != "NetworkTopologyStrategy" {
        let found = format!("{strategy} does not know data centers");
        let remedy = "ALTER KEYSPACE with NetworkTopologyStrategy, then a full repair";
        return vec![Finding::broken(keyspace, found, remedy)];
    }
    let of_center = |(&center, &size): (&&str, &usize)| {
        let count = replicas(map, center);
        let about = format!("{keyspace} in {center}");
        let found = format!("replicas: {count}, nodes: {size}");
        match count {
            0 => {
                let remedy = "ALTER KEYSPACE, then nodetool rebuild there; or it has no mail";
                Finding::doubtful(about, found, remedy)
            }
            more if more > size => {
                let remedy = "add nodes, or ALTER KEYSPACE with fewer replicas";
                Finding::broken(about, found, remedy)
            }
            few if few < ENOUGH => {
                let remedy = "3 replicas: with fewer, mail stops when one node is lost";
                Finding::doubtful(about, found, remedy)
            }
            _ => Finding::well(about, found),
        }
    };
    sizes.iter().map(of_center).collect()
}

fn of_logins(map: &Replicas, sizes: &BTreeMap<&str, usize>) -> Finding {
    let about = "system_auth";
    let is_few = |(&center, &size): (&&str, &usize)| replicas(map, center) < size.min(ENOUGH);
    let few: Vec<_> = sizes.iter().filter(|center| is_few(*center)).collect();
    let remedy = "ALTER KEYSPACE system_auth with 3 replicas in each data center, then repair it: \
                  else logins end with a node or a data center";
    if strategy(map) != "NetworkTopologyStrategy" {
        return Finding::doubtful(about, format!("{} for logins", strategy(map)), remedy);
    }
    if few.is_empty() {
        return Finding::well(about, "logins outlive a node in each data center");
    }
    let centers: Vec<_> = few.into_iter().map(|(center, _)| *center).collect();
    let found = format!("few replicas in {}", centers.join(", "));
    Finding::doubtful(about, found, remedy)
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> Replicas {
        let class = "org.apache.cassandra.locator.NetworkTopologyStrategy";
        let pairs = pairs.iter().copied().chain([("class", class)]);
        let owned = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
        // The first of two wins.
        let mut map = Replicas::new();
        for (key, value) in owned {
            map.entry(key).or_insert(value);
        }
        map
    }

    fn states(pairs: &[(&str, &str)]) -> Vec<State> {
        let sizes = BTreeMap::from([("dc1", 3), ("dc2", 3)]);
        let findings = of_mail("mail", &map(pairs), &sizes);
        findings.into_iter().map(|finding| finding.state).collect()
    }

    #[test]
    fn three_replicas_in_each_data_center_are_well() {
        assert_eq!(states(&[("dc1", "3"), ("dc2", "3")]), [State::Well; 2]);
        let fewer = states(&[("dc1", "1"), ("dc2", "4")]);
        assert_eq!(fewer, [State::Doubtful, State::Broken]);
        assert_eq!(states(&[("dc1", "3")]), [State::Well, State::Doubtful]);
    }

    #[test]
    fn a_strategy_without_data_centers_is_refused() {
        let simple = [("class", "org.apache.cassandra.locator.SimpleStrategy")];
        assert_eq!(states(&simple), [State::Broken]);
    }

    #[test]
    fn logins_need_replicas_too() {
        let sizes = BTreeMap::from([("dc1", 3), ("dc2", 1)]);
        let well = of_logins(&map(&[("dc1", "3"), ("dc2", "1")]), &sizes);
        assert_eq!(well.state, State::Well);
        let few = of_logins(&map(&[("dc1", "1")]), &sizes);
        assert_eq!(few.state, State::Doubtful);
        assert!(few.found.contains("dc1, dc2"), "{}", few.found);
    }
}
