//! The tests that need a real Cassandra, on clusters that are started for them and end with them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::bench;
use crate::cassandra::{self, Lacking};
use crate::command::{cargo, output, root, run as run_command, say};

/// A net of its own: clusters that somebody works with stay as they are.
const NET: &str = "247";

/// Nodes need not sync their tables of tables at each change, which takes six of them on one disk
/// longer than all else: none of them is killed in these tests.
const SCHEMA_IN_MEMORY: [&str; 2] = ["--jvm", "-Dcassandra.test.flush_local_schema_changes=false"];

/// The tests on one node; the service with its clients on two data centers of three; and what such
/// a cluster goes through, in its short form. Without Java and Maven they are left out, and said to
/// be.
pub(crate) fn run() -> Result<()> {
    match run_all() {
        Err(error) if error.is::<Lacking>() => {
            say(&format!("left out: all tests on Cassandra; {error}"));
            Ok(())
        }
        done => done,
    }
}

fn run_all() -> Result<()> {
    let programs = Programs::build()?;
    on("1x1", &SCHEMA_IN_MEMORY, || {
        programs.run("crates/store-cassandra", "contract", ONE)?;
        programs.run("crates/cassmail", "copy", ONE)
    })?;
    on("1x1", &["--auth", "--tls"], || {
        programs.run("crates/cassmail", "cli", SECURED)
    })?;
    on("2x3", &SCHEMA_IN_MEMORY, || {
        programs.run("tests/e2e", "transcripts", TWO_BY_THREE)?;
        programs.run("tests/e2e", "clients", TWO_BY_THREE)
    })?;
    // The others are for the long form: each takes more than a minute.
    bench::faults(&["--quick", "cut", "node-killed", "server-killed"])
}

/// Works on a cluster, which ends whatever comes of it.
fn on(layout: &str, more: &[&str], work: impl FnOnce() -> Result<()>) -> Result<()> {
    let id = std::process::id().to_string();
    cassandra::run(&["wipe", "--net", NET])?;
    cassandra::run(&[&["start", layout, "--net", NET, "--for", &id], more].concat())?;
    let done = work();
    let wiped = cassandra::run(&["wipe", "--net", NET]);
    done.and(wiped)
}

/// What the tests are told of a cluster.
#[derive(Debug, Clone, Copy)]
struct Setting {
    replication: &'static str,
    /// The store of the service.
    store: &'static str,
    /// Which tests, by a part of their names; all, if empty.
    tests: &'static str,
}

impl Setting {
    /// The first node of the second data center, if there is one.
    fn others(&self) -> String {
        if self.replication.contains("dc2") {
            format!("127.0.{NET}.4:9042")
        } else {
            String::new()
        }
    }
}

const ONE: Setting = Setting {
    replication: "{ dc1 = 1 }",
    store: "embedded",
    tests: "",
};

/// With logins and certificates.
const SECURED: Setting = Setting {
    tests: "secured",
    ..ONE
};

const TWO_BY_THREE: Setting = Setting {
    replication: "{ dc1 = 3, dc2 = 3 }",
    store: "cassandra",
    tests: "",
};

/// The test programs of the workspace. They are built as one, since a part of the workspace would
/// have other features of its dependencies, and all of these would be built again.
struct Programs {
    built: Vec<Value>,
}

impl Programs {
    fn build() -> Result<Self> {
        run_command(cargo(&["build", "--workspace"]))?;
        let words = ["test", "--workspace", "--no-run", "--message-format=json"];
        let messages = output(cargo(&words))?;
        let built = messages.lines().map(serde_json::from_str);
        let built = built
            .collect::<Result<_, _>>()
            .context("cargo's messages")?;
        Ok(Self { built })
    }

    /// Runs the tests of one program, in the folder of its package as cargo does.
    fn run(&self, folder: &str, target: &str, setting: Setting) -> Result<()> {
        let folder = root().join(folder);
        let manifest = folder.join("Cargo.toml");
        let is_wanted = |built: &&Value| {
            built["manifest_path"].as_str().map(Path::new) == Some(&manifest)
                && built["target"]["name"] == target
                && built["executable"].is_string()
        };
        let found = self.built.iter().find(is_wanted);
        let program = found.and_then(|built| built["executable"].as_str());
        let program = program.with_context(|| format!("{target} was not built"))?;
        let certificates = format!("target/cassandra/net-{NET}/encryption");
        let certificates = root().join(certificates);
        let mut tests = Command::new(program);
        tests
            .current_dir(folder)
            .env("CASSMAIL_CASSANDRA", format!("127.0.{NET}.1:9042"))
            .env("CASSMAIL_CASSANDRA_OTHERS", setting.others())
            .env("CASSMAIL_CASSANDRA_REPLICATION", setting.replication)
            .env("CASSMAIL_STORE", setting.store)
            .env("CASSMAIL_CASSANDRA_CERTIFICATES", certificates);
        if !setting.tests.is_empty() {
            tests.arg(setting.tests);
        }
        run_command(tests)
    }
}
