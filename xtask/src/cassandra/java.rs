//! The Java machine: which one, and with which options.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::configuration::Birth;
use super::place::Place;
use super::settings::{Jit, Settings};
use crate::setup::is_there;

/// Releases that Cassandra 5.0 runs on. Later ones have no security manager, which it sets.
const RELEASES: [&str; 2] = ["17", "11"];

/// Something that is no fault of this program is missing, so nothing was tried.
#[derive(Debug)]
pub(crate) struct Lacking(&'static str);

impl fmt::Display for Lacking {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for Lacking {}

/// The packages within the Java machine that Cassandra reaches into, as its own list of server
/// options says: module, package, and what is done with it.
const REACHED: [(&str, &str); 23] = [
    ("exports", "java.base/java.lang.ref"),
    ("exports", "java.base/jdk.internal.misc"),
    (
        "exports",
        "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    ),
    ("exports", "java.rmi/sun.rmi.registry"),
    ("exports", "java.rmi/sun.rmi.server"),
    ("exports", "java.sql/java.sql"),
    ("exports", "jdk.attach/sun.tools.attach"),
    ("exports", "jdk.compiler/com.sun.tools.javac.file"),
    ("exports", "jdk.unsupported/sun.misc"),
    ("opens", "java.base/java.io"),
    ("opens", "java.base/java.lang"),
    ("opens", "java.base/java.lang.module"),
    ("opens", "java.base/java.lang.reflect"),
    ("opens", "java.base/java.util"),
    ("opens", "java.base/jdk.internal.loader"),
    ("opens", "java.base/jdk.internal.math"),
    ("opens", "java.base/jdk.internal.module"),
    ("opens", "java.base/jdk.internal.ref"),
    ("opens", "java.base/jdk.internal.reflect"),
    ("opens", "java.base/jdk.internal.util.jar"),
    ("opens", "java.base/sun.nio.ch"),
    ("opens", "jdk.compiler/com.sun.tools.javac"),
    ("opens", "jdk.management/com.sun.management.internal"),
];

/// Memory: no more than what six nodes on one machine can have.
const MEMORY: [&str; 9] = [
    "-Xss256k",
    "-XX:+UseSerialGC",
    "-XX:MaxDirectMemorySize=256m",
    "-XX:MaxMetaspaceSize=192m",
    "-XX:ReservedCodeCacheSize=96m",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-XX:+PerfDisableSharedMem",
    "-Djava.net.preferIPv4Stack=true",
];

/// Libraries and Cassandra itself. All nodes start at once with tokens of their own, so there is
/// nothing to settle and nothing to fetch before a node may join.
const BEHAVIOUR: [&str; 10] = [
    "-Djna.nosys=true",
    "-Djdk.attach.allowAttachSelf=true",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dcassandra-foreground=yes",
    "-Dcassandra.ring_delay_ms=100",
    "-Dcassandra.skip_wait_for_gossip_to_settle=0",
    "-Dcassandra.superuser_setup_delay_ms=0",
    "-Dcassandra.auto_bootstrap=false",
    "-Dcassandra.consistent.rangemovement=false",
    "-Dcassandra.available_processors=2",
];

/// The Java machine to be used.
///
/// # Errors
/// `Lacking`, with the remedy, when there is none that fits.
pub(super) fn find() -> Result<PathBuf> {
    let home = std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java"));
    let candidates = home.into_iter().chain([PathBuf::from("java")]);
    let fits = |java: &PathBuf| release(java).is_some_and(|found| RELEASES.contains(&&*found));
    let found = candidates.into_iter().find(fits);
    found.ok_or_else(|| {
        Lacking(
            "Cassandra needs Java 17: apt-get install openjdk-17-jre-headless, or set JAVA_HOME",
        )
        .into()
    })
}

/// Maven, which fetches the jars.
pub(super) fn find_maven() -> Result<()> {
    if is_there("command -v mvn") {
        return Ok(());
    }
    Err(Lacking("fetching Cassandra needs Maven: apt-get install maven").into())
}

/// The first number of a version, as `17` of `openjdk version "17.0.15"`.
fn release(java: &PathBuf) -> Option<String> {
    let output = Command::new(java).arg("-version").output().ok()?;
    release_in(&String::from_utf8_lossy(&output.stderr))
}

fn release_in(text: &str) -> Option<String> {
    let (_, version) = text.split_once("version \"")?;
    let end = version.find(|letter: char| !letter.is_ascii_digit())?;
    Some(version[..end].to_owned())
}

/// A node, ready to be spawned in its folder.
pub(super) fn node(
    place: &Place,
    settings: &Settings,
    node: usize,
    birth: Birth,
) -> Result<Command> {
    let folder = place.node(node);
    let at = folder.path().display();
    let heap = settings.heap_mib;
    let mut java = Command::new(find()?);
    java.args([format!("-Xms{heap}m"), format!("-Xmx{heap}m")])
        .args(MEMORY)
        .args(BEHAVIOUR)
        .args(files(place, node))
        .arg(format!("-Djava.io.tmpdir={at}/tmp"))
        .arg(format!("-Dcassandra.storagedir={at}"))
        .arg(format!("-Dcassandra.logdir={at}"))
        .arg(format!(
            "-Dcassandra.jmx.local.port={}",
            place.net.jmx_port(node)
        ))
        .args(classes(place));
    if settings.jit == Jit::C1 {
        java.arg("-XX:TieredStopAtLevel=1");
    }
    if birth == Birth::Replacement {
        // The later one of two wins.
        let old = place.net.outer(node);
        java.arg("-Dcassandra.auto_bootstrap=true");
        java.arg(format!("-Dcassandra.replace_address_first_boot={old}"));
    }
    java.args(&settings.jvm).args(reached());
    java.args(["-cp", &class_path(place)?])
        .arg("org.apache.cassandra.service.CassandraDaemon")
        .current_dir(folder.path());
    Ok(java)
}

/// The tool of operators, for one node.
pub(super) fn nodetool(place: &Place, node: usize, words: &[String]) -> Result<Command> {
    let folder = place.node(node);
    let at = folder.path().display();
    let mut java = Command::new(find()?);
    java.args(["-Xmx128m", "-XX:TieredStopAtLevel=1"])
        .args(["-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xshare:auto"])
        .args([
            "-Djava.net.preferIPv4Stack=true",
            "-Dcom.sun.jndi.rmiURLParsing=legacy",
        ])
        .args(files(place, node))
        .arg(format!("-Dcassandra.storagedir={at}"))
        // It keeps a history of commands in the home folder of its user.
        .arg(format!("-Duser.home={at}/tmp"))
        .args(reached())
        .args([
            "-cp",
            &class_path(place)?,
            "org.apache.cassandra.tools.NodeTool",
        ])
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &place.net.jmx_port(node).to_string(),
        ])
        .args(words)
        .stdin(Stdio::null());
    Ok(java)
}

fn files(place: &Place, node: usize) -> [String; 3] {
    let file = |name| place.node(node).conf(name).display().to_string();
    [
        format!("-Dcassandra.config=file://{}", file("cassandra.yaml")),
        format!(
            "-Dcassandra-rackdc.properties=file://{}",
            file("cassandra-rackdc.properties")
        ),
        format!("-Dlogback.configurationFile=file://{}", file("logback.xml")),
    ]
}

/// The archive of classes, if there is one. It is used where it fits this Java machine, and
/// otherwise left aside without a word.
fn classes(place: &Place) -> Vec<String> {
    let archive = place.class_archive();
    if !archive.exists() {
        return Vec::new();
    }
    let mut options = vec![format!("-XX:SharedArchiveFile={}", archive.display())];
    options.extend(QUIET_ARCHIVE.map(str::to_owned));
    options
}

/// What the Java machine says about archives concerns nobody here.
pub(super) const QUIET_ARCHIVE: [&str; 3] =
    ["-Xshare:auto", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"];

fn reached() -> impl Iterator<Item = String> {
    let option = |(how, what)| format!("--add-{how}={what}=ALL-UNNAMED");
    REACHED.into_iter().map(option)
}

/// All jars, in an order that is always the same: an archive of classes fits no other. All that is
/// in the folder is a jar.
fn class_path(place: &Place) -> Result<String> {
    let jars = place.jars();
    let entries = std::fs::read_dir(&jars);
    let entries = entries.with_context(|| format!("no jars in {}", jars.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path().display().to_string()));
    let mut paths = paths.collect::<Result<Vec<_>>>()?;
    paths.sort_unstable();
    Ok(paths.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_of_java_is_the_first_number_of_its_version() {
        let old = "openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime";
        assert_eq!(release_in(old).as_deref(), Some("17"));
        assert_eq!(
            release_in("openjdk version \"25\" 2025").as_deref(),
            Some("25")
        );
        assert_eq!(release_in("command not found"), None);
    }
}
