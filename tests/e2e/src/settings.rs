//! What can be said from outside. Every variable of the environment is read here and nowhere else.

use std::path::PathBuf;
use std::process::Command;

use crate::installed;

/// The binary under test: `CASSMAIL_BIN`, else the `cassmail` that cargo built beside these tests.
///
/// # Panics
///
/// When there is none: the tests cannot mean anything without it.
pub fn binary() -> PathBuf {
    let path = variable("CASSMAIL_BIN").map_or_else(|| built("cassmail"), PathBuf::from);
    assert!(
        path.is_file(),
        "{} is not there: cargo build -p cassmail",
        path.display()
    );
    path
}

/// How often the crash test kills the server: `CASSMAIL_CRASH_ROUNDS`, else 3.
///
/// # Panics
///
/// When the variable is not a number.
pub fn crash_rounds() -> u32 {
    variable("CASSMAIL_CRASH_ROUNDS").map_or(3, |rounds| {
        rounds.parse().expect("CASSMAIL_CRASH_ROUNDS is a number")
    })
}

/// How many messages are in the queue of a mail server: `CASSMAIL_QUEUE_LENGTH`, else 300.
///
/// # Panics
///
/// When the variable is not a number.
pub fn queue_length() -> usize {
    variable("CASSMAIL_QUEUE_LENGTH").map_or(300, |length| {
        length.parse().expect("CASSMAIL_QUEUE_LENGTH is a number")
    })
}

/// Whether a client that is not installed is a failure: `CASSMAIL_ALL_CLIENTS=1`, and CI
/// (`CI=true`) unless `CASSMAIL_ALL_CLIENTS=0`. In CI nobody reads what a test that passed has to
/// say.
pub fn all_clients_wanted() -> bool {
    let wanted = variable("CASSMAIL_ALL_CLIENTS").map(|value| value == "1");
    wanted.unwrap_or_else(|| variable("CI").is_some_and(|value| value == "true"))
}

/// The folder for pictures of the pages, which the manual shows: `CASSMAIL_PICTURES`.
pub fn pictures() -> Option<PathBuf> {
    variable("CASSMAIL_PICTURES").map(PathBuf::from)
}

/// The store under test: `CASSMAIL_STORE`, else the one that is the default of the binary.
pub fn store() -> Option<String> {
    variable("CASSMAIL_STORE")
}

/// The cluster for `CASSMAIL_STORE=cassandra`.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// `CASSMAIL_CASSANDRA`: nodes of its first data center, with commas between.
    pub contact_points: Vec<String>,
    /// `CASSMAIL_CASSANDRA_OTHERS`: nodes of its second data center, dc2; empty if it has none.
    pub other_points: Vec<String>,
    /// `CASSMAIL_CASSANDRA_REPLICATION`: as in the configuration; `{ dc1 = 1 }` if it is not set.
    pub replication: String,
}

/// The cluster that the store under test is on, if it is on one.
///
/// # Panics
///
/// When the store is to be on a cluster and none is named.
pub fn cluster() -> Option<Cluster> {
    store().filter(|store| store == "cassandra")?;
    let points = variable("CASSMAIL_CASSANDRA").expect("CASSMAIL_CASSANDRA names a node");
    let others = variable("CASSMAIL_CASSANDRA_OTHERS").unwrap_or_default();
    let nodes = |points: &str| {
        let points = points.split(',').filter(|point| !point.is_empty());
        points.map(str::to_owned).collect()
    };
    Some(Cluster {
        contact_points: nodes(&points),
        other_points: nodes(&others),
        replication: variable("CASSMAIL_CASSANDRA_REPLICATION")
            .unwrap_or_else(|| "{ dc1 = 1 }".to_owned()),
    })
}

/// The program that starts and asks clusters, beside the binary under test.
pub fn xtask() -> PathBuf {
    built("xtask")
}

/// Whether the store under test keeps mail when its process ends.
pub fn store_keeps() -> bool {
    store().is_none_or(|store| store != "memory")
}

/// The binary under test, for a command: without what the environment says to these tests or to the
/// service of whoever runs them.
pub fn command() -> Command {
    without_settings(Command::new(binary()))
}

/// The same for a server, which dies with the thread that starts it even when the tests are killed
/// and nothing is dropped. Where `setpriv` (util-linux) is missing, such a server would stay.
pub fn mortal_command() -> Command {
    if !installed("setpriv") {
        return command();
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(binary());
    without_settings(command)
}

/// The load generator, which is built with the binary.
pub fn generator() -> Command {
    without_settings(Command::new(built("cassmail-bench")))
}

/// The same for a shell that finds the binary itself.
pub fn without_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"CASSMAIL_") {
            command.env_remove(name);
        }
    }
    command
}

/// Test binaries are in `TARGET/debug/deps`, programs two steps above them.
fn built(program: &str) -> PathBuf {
    let mut path = std::env::current_exe().expect("tests know where they are");
    path.pop();
    path.pop();
    path.join(program)
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests have no configuration but this"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
