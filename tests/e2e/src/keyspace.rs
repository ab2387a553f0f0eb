//! Keyspaces of Cassandra, one for each server that runs at the same time.
//!
//! Making one takes seconds, so they are used again: emptied, and taken by the next server.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::run;
use crate::settings::{self, Cluster};

/// How long a cluster may take to empty the tables of a keyspace.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long a cluster may take to make the tables: each is on the disks of all nodes before the
/// next one is made.
pub(crate) const MAKING: Duration = Duration::from_mins(6);

/// Nobody else uses it as long as this lives.
#[derive(Debug)]
pub struct Keyspace {
    name: String,
    cluster: Cluster,
    /// Its tables are not all there yet.
    pub(crate) is_new: bool,
}

static IDLE: Mutex<Vec<String>> = Mutex::new(Vec::new());
static MADE: AtomicU32 = AtomicU32::new(0);

impl Keyspace {
    /// An empty one, when the store under test is on a cluster. A new one is not there yet.
    ///
    /// # Panics
    ///
    /// When an old one cannot be emptied.
    pub fn take() -> Option<Self> {
        let cluster = settings::cluster()?;
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let is_new = idle.is_none();
        let name = idle.unwrap_or_else(|| {
            let number = MADE.fetch_add(1, Ordering::SeqCst);
            format!("e2e_{}_{number}", std::process::id())
        });
        let keyspace = Self {
            name,
            cluster,
            is_new,
        };
        if !is_new {
            keyspace.empty();
        }
        Some(keyspace)
    }

    /// The part of a configuration that names it, for a server in the first data center.
    pub fn configuration(&self) -> String {
        self.configuration_at("dc1", &self.cluster.contact_points)
    }

    /// The same for a server in the second one, if there is one.
    pub(crate) fn configuration_of_the_other(&self) -> Option<String> {
        let points = &self.cluster.other_points;
        (!points.is_empty()).then(|| self.configuration_at("dc2", points))
    }

    fn configuration_at(&self, center: &str, points: &[String]) -> String {
        format!(
            "[store]\nkind = \"cassandra\"\n[store.cassandra]\ncontact_points = {points:?}\n\
             local_datacenter = \"{center}\"\nkeyspace = \"{}\"\nreplication = {}\n",
            self.name, self.cluster.replication
        )
    }

    fn empty(&self) {
        let mut statements = String::new();
        for table in tables() {
            let _ = write!(statements, "TRUNCATE {}.{table};", self.name);
        }
        let mut command = Command::new(settings::xtask());
        command.args(["cassandra", "cql", "--net", self.net(), "1", &statements]);
        run(&mut command, b"", PATIENCE).well();
    }

    /// Clusters of the tests have the addresses 127.0.NET.N.
    fn net(&self) -> &str {
        let point = &self.cluster.contact_points[0];
        point.split('.').nth(2).expect("an address of version 4")
    }
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        // What is half made would fail every test that comes after.
        if self.is_new {
            return;
        }
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(std::mem::take(&mut self.name));
    }
}

/// All tables of the schema.
fn tables() -> Vec<String> {
    const START: &str = "CREATE TABLE IF NOT EXISTS ";
    let folder = PathBuf::from("../../crates/store-cassandra/src/schema");
    let files = std::fs::read_dir(folder).expect("there is a schema");
    let texts = files.map(|file| std::fs::read_to_string(file.expect("a file").path()));
    let texts: Vec<String> = texts.map(|text| text.expect("a file of text")).collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    let names = lines.filter_map(|line| line.strip_prefix(START)?.split([' ', '(']).next());
    // What says which version the schema has stays.
    let names = names.filter(|name| *name != "meta");
    names.map(str::to_owned).collect()
}
