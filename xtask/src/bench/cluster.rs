//! A cluster of Cassandra, and servers of ours that keep their mail on it.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::cassmail::{Cassmail, Installation, Ports, Service};
use super::place::{Place, free_ports};
use crate::cassandra::{self, Node};
use crate::command::say;

/// How long a reading may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A cluster of Cassandra. It ends, and its data go, with this value; at the latest it ends with
/// this process.
#[derive(Debug)]
pub(super) struct Ring {
    net: u8,
}

impl Ring {
    /// Starts an empty cluster and waits until it is ready. `more` are options of `start`.
    pub(super) fn start(net: u8, layout: &str, more: &[&str]) -> Result<Self> {
        let ring = Self { net };
        ring.run(&["wipe"])?;
        say(&format!("a cluster of Cassandra, {layout}"));
        let owner = std::process::id().to_string();
        ring.run(&[&["start", layout, "--for", &owner], more].concat())?;
        Ok(ring)
    }

    /// Runs a command of `cargo xtask cassandra` on this cluster, such as `kill 2`.
    pub(super) fn run(&self, words: &[&str]) -> Result<()> {
        let (verb, rest) = words.split_first().context("no command")?;
        let net = self.net.to_string();
        cassandra::run(&[&[*verb, "--net", &net], rest].concat())
    }

    /// The nodes, the first one first.
    pub(super) fn nodes(&self) -> Result<Vec<Node>> {
        cassandra::nodes(self.net)
    }

    /// The processes of the nodes that run.
    pub(super) fn processes(&self) -> Result<Vec<u32>> {
        let nodes = self.nodes()?.into_iter();
        Ok(nodes.filter_map(|node| node.process).collect())
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if let Err(error) = self.run(&["wipe"]) {
            say(&format!("the cluster could not be removed: {error:#}"));
        }
    }
}

/// Where servers keep their mail.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) ring: &'a Ring,
    pub(super) keyspace: &'a str,
    /// The data center of each server.
    pub(super) centers: &'a [&'a str],
    /// So many accounts there are: user1@example.org and so on.
    pub(super) users: u32,
}

/// Servers that share a keyspace. They are counted from 0.
#[derive(Debug)]
pub(super) struct Nodes {
    all: Vec<Server>,
}

#[derive(Debug)]
struct Server {
    cassmail: Cassmail,
    readings: u16,
}

impl Nodes {
    /// Writes the configurations; nothing is started.
    pub(super) fn install(place: &Place, site: Site) -> Result<Self> {
        let mut all = Vec::new();
        for (number, center) in site.centers.iter().enumerate() {
            all.push(Server::install(place, site, number, center)?);
        }
        Ok(Self { all })
    }

    /// Makes the keyspace and its tables.
    pub(super) fn init(&self) -> Result<()> {
        self.server(0)?.cassmail.run(&["store", "init"])
    }

    /// Starts all of them for the first time, and makes the accounts.
    pub(super) fn start_first(&self) -> Result<Vec<Service>> {
        let mut services = vec![self.server(0)?.cassmail.start_first()?];
        for number in 1..self.all.len() {
            services.push(self.start(number)?);
        }
        Ok(services)
    }

    /// Starts one of them.
    pub(super) fn start(&self, number: usize) -> Result<Service> {
        self.server(number)?.cassmail.start()
    }

    /// Starts one of them in an environment of its own.
    pub(super) fn start_with(
        &self,
        number: usize,
        environment: &[(&str, &str)],
    ) -> Result<Service> {
        self.server(number)?.cassmail.start_with(environment)
    }

    /// A command of the program with the configuration of one of them.
    pub(super) fn command(&self, number: usize, words: &[&str]) -> Result<Command> {
        Ok(self.server(number)?.cassmail.command(words))
    }

    /// What one of them shows of itself now, by the name of the metric, with its labels if it has
    /// any: `cassmail_store_requests_total`.
    pub(super) fn metric(&self, number: usize, name: &str) -> Result<f64> {
        let metrics = get(self.server(number)?.readings, "/metrics")?;
        let value = value_of(&metrics, name);
        value.with_context(|| format!("there is no metric {name}"))
    }

    fn server(&self, number: usize) -> Result<&Server> {
        let server = self.all.get(number);
        server.with_context(|| format!("there is no server {number}"))
    }
}

impl Server {
    fn install(place: &Place, site: Site, number: usize, center: &str) -> Result<Self> {
        let [smtp, pop3, readings] = free_ports()?;
        let accounts = (1..=site.users).map(|user| format!("user{user}@example.org"));
        let more = configured(&site.ring.nodes()?, site.keyspace, center, readings);
        let cassmail = Cassmail::install_as(
            place,
            Installation {
                name: &format!("cassmail-{number}"),
                store: "cassandra",
                accounts: accounts.collect(),
                ports: Ports { smtp, pop3 },
                more: &more,
            },
        )?;
        Ok(Self { cassmail, readings })
    }
}

/// The lines of a server in this data center.
fn configured(nodes: &[Node], keyspace: &str, center: &str, readings: u16) -> String {
    let near = nodes.iter().filter(|node| node.center == center);
    let points: Vec<String> = near.map(|node| format!("\"{}\"", node.address)).collect();
    let mut replicas: BTreeMap<&str, u32> = BTreeMap::new();
    for node in nodes {
        *replicas.entry(&node.center).or_default() += 1;
    }
    let replicas = replicas.iter();
    let replicas: Vec<String> = replicas
        .map(|(center, count)| format!("{center} = {count}"))
        .collect();
    format!(
        "[admin]\nreadings = \"127.0.0.1:{readings}\"\n[store]\nkind = \"cassandra\"\n\
         [store.cassandra]\ncontact_points = [{}]\nlocal_datacenter = \"{center}\"\n\
         keyspace = \"{keyspace}\"\nreplication = {{ {} }}\n",
        points.join(", "),
        replicas.join(", "),
    )
}

/// The body of a page.
fn get(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("no readings")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        bail!("{path} has no body");
    };
    if !head.starts_with("HTTP/1.1 200 ") {
        bail!("{path}: {}", head.lines().next().unwrap_or_default());
    }
    Ok(body.to_owned())
}

/// The value of a metric in the text of all.
fn value_of(metrics: &str, name: &str) -> Option<f64> {
    let mut lines = metrics.lines().filter_map(|line| line.rsplit_once(' '));
    lines.find(|(found, _)| *found == name)?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{configured, value_of};
    use crate::cassandra::Node;

    fn node(last: u8, center: &str) -> Node {
        Node {
            address: ([127, 0, 5, last], 9042).into(),
            center: center.to_owned(),
            process: None,
        }
    }

    #[test]
    fn a_server_speaks_to_its_own_data_center_and_all_have_replicas() {
        let nodes = [node(1, "dc1"), node(2, "dc1"), node(3, "dc2")];
        let lines = configured(&nodes, "bench", "dc1", 9);
        for line in [
            "contact_points = [\"127.0.5.1:9042\", \"127.0.5.2:9042\"]",
            "local_datacenter = \"dc1\"",
            "replication = { dc1 = 2, dc2 = 1 }",
        ] {
            assert!(lines.lines().any(|found| found == line), "{line}");
        }
    }

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let metrics = "# HELP a_total What.\na_total 7\nb{c=\"d\"} 1.5\nb{c=\"e\"} 2\n";
        assert_eq!(value_of(metrics, "a_total"), Some(7.0));
        assert_eq!(value_of(metrics, "b{c=\"e\"}"), Some(2.0));
        assert_eq!(value_of(metrics, "a"), None);
    }
}
