//! Fetching Cassandra, and preparing it for quick starts.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::cluster::{self, Cluster};
use super::cql::Connection;
use super::deadline::Stopwatch;
use super::java;
use super::layout::{Layout, Net};
use super::place::{Place, VERSION};
use super::ready;
use super::settings::{Jit, Settings};
use crate::command::{command, run as run_command, say};

/// The net of the node that is run for the archive of classes.
const TRAINING: Net = Net(254);

/// Words in the names of jars with native libraries of other systems. There is also hppc, which is
/// none of them.
const FOREIGN: [&str; 5] = ["-osx", "-windows", "-aarch_64", "-riscv64", "-linux-ppc"];

/// What touches most of what a test will: a schema, a write, a read.
const EXERCISE: [&str; 4] = [
    "CREATE KEYSPACE t WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}",
    "CREATE TABLE t.t (a int, b text, PRIMARY KEY (a, b))",
    "INSERT INTO t.t (a, b) VALUES (1, 'x')",
    "SELECT a, b FROM t.t WHERE a = 1",
];

/// Installs what is not there yet. Several checkouts may share the place: one installs, the others
/// wait.
pub(super) fn ensure(place: &Place) -> Result<()> {
    java::find()?;
    fs::create_dir_all(&place.home)?;
    let lock = File::create(place.home.join("lock"))?;
    lock.lock()?;
    if !place.jars().exists() {
        java::find_maven()?;
        fetch(place)?;
    }
    if !place.class_archive().exists() {
        train()?;
    }
    Ok(())
}

/// Fetches the jars with Maven, into a folder that gets its name only when it is complete.
fn fetch(place: &Place) -> Result<()> {
    let watch = Stopwatch::start();
    let staging = place.home.join("lib.new");
    drop(fs::remove_dir_all(&staging));
    let pom = place.home.join("pom.xml");
    fs::write(&pom, project())?;
    let pom = pom.display().to_string();
    let output = format!("-DoutputDirectory={}", staging.display());
    let copy = "dependency:copy-dependencies";
    let maven = [
        "-q",
        "-B",
        "-f",
        &pom,
        copy,
        "-DincludeScope=runtime",
        &output,
    ];
    run_command(command("mvn", &maven)).context("the jars could not be fetched")?;
    let count = remove_foreign(&staging)?;
    fs::rename(&staging, place.jars())?;
    say(&format!(
        "Cassandra {VERSION}: {count} jars, {}",
        watch.shown()
    ));
    Ok(())
}

/// A project whose only content is what it depends on.
fn project() -> String {
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">
  <modelVersion>4.0.0</modelVersion>
  <groupId>cassmail</groupId>
  <artifactId>cassandra-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.cassandra</groupId>
      <artifactId>cassandra-all</artifactId>
      <version>{VERSION}</version>
    </dependency>
  </dependencies>
</project>
"
    )
}

/// Removes what this machine cannot load; gives the number of the jars that stay.
fn remove_foreign(folder: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if cfg!(target_arch = "x86_64") && FOREIGN.iter().any(|word| name.contains(word)) {
            fs::remove_file(entry.path())?;
        } else {
            count += 1;
        }
    }
    Ok(count)
}

/// Runs one node for a moment, and keeps the classes that it loaded.
fn train() -> Result<()> {
    let watch = Stopwatch::start();
    let place = Place::of(TRAINING);
    let staging = place.home.join("classes.jsa.new");
    cluster::wipe(&place)?;
    let mut settings = Settings::new(Layout::Single);
    settings.jit = Jit::Full;
    settings.jvm = vec![format!("-XX:ArchiveClassesAtExit={}", staging.display())];
    settings.jvm.extend(java::QUIET_ARCHIVE.map(str::to_owned));
    let cluster = Cluster::create(place.clone(), settings, None)?;
    let trained = cluster.start().and_then(|()| exercise(&cluster));
    cluster::stop(&place)?;
    trained?;
    if !staging.exists() {
        let log = place.node(1).log();
        bail!("java made no archive of classes:\n{}", cluster::tail(&log));
    }
    fs::rename(&staging, place.class_archive())?;
    cluster::wipe(&place)?;
    say(&format!("archive of classes, {}", watch.shown()));
    Ok(())
}

fn exercise(cluster: &Cluster) -> Result<()> {
    let mut connection: Connection = ready::connect(cluster, 1)?;
    for statement in EXERCISE {
        connection.query(statement, "ONE")?;
    }
    Ok(())
}
