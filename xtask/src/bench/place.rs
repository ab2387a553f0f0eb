//! Where a benchmark happens: the programs it runs, and a folder that is removed at its end.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tempfile::TempDir;

use crate::command::{cargo, output, run, say};

/// How programs are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Build {
    /// As they are for users, for whatever is measured.
    Release,
    /// As they are in tests, for whatever is only tried.
    Debug,
}

/// Programs and folder of a benchmark.
#[derive(Debug)]
pub(super) struct Place {
    folder: TempDir,
    /// Where cargo puts what it builds.
    pub(super) target: PathBuf,
    build: Build,
}

impl Place {
    /// Builds server and generator in release, and makes the folder.
    pub(super) fn prepare(parent: &Path) -> Result<Self> {
        Self::prepare_built(parent, Build::Release)
    }

    /// Builds the programs, and makes the folder.
    pub(super) fn prepare_built(parent: &Path, build: Build) -> Result<Self> {
        let what: &[&str] = match build {
            Build::Release => &["--package", "cassmail", "--package", "cassmail-bench"],
            // A part of the workspace has other features of its dependencies than the whole, which
            // the tests have built already.
            Build::Debug => &["--workspace"],
        };
        Self::prepare_for(parent, build, what)
    }

    /// The same for what cargo is asked to build.
    pub(super) fn prepare_for(parent: &Path, build: Build, what: &[&str]) -> Result<Self> {
        let how: &[&str] = match build {
            Build::Release => &["build", "--release"],
            Build::Debug => &["build"],
        };
        run(cargo(&[how, what].concat()))?;
        let metadata = output(cargo(&["metadata", "--format-version", "1", "--no-deps"]))?;
        let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata")?;
        let target = metadata["target_directory"].as_str();
        let target = target.context("cargo has no target folder")?.into();
        let folder = tempfile::Builder::new()
            .prefix("cassmail-bench-")
            .tempdir_in(parent)
            .with_context(|| format!("cannot make a folder in {}", parent.display()))?;
        let place = Self {
            folder,
            target,
            build,
        };
        // Postfix and Dovecot give up their rights and must still get to what is theirs.
        open_to_all(place.path())?;
        Ok(place)
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A folder in the folder.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path().join(name);
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        open_to_all(&path)?;
        Ok(path)
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        let folder = match self.build {
            Build::Release => "release",
            Build::Debug => "debug",
        };
        self.target.join(folder).join(name)
    }

    /// Leaves everything where it is, for whoever looks into what went wrong.
    pub(super) fn keep(self) {
        let path = self.folder.keep();
        say(&format!("everything is kept in {}", path.display()));
    }
}

fn open_to_all(path: &Path) -> Result<()> {
    let opened = fs::set_permissions(path, Permissions::from_mode(0o755));
    opened.with_context(|| format!("cannot open {}", path.display()))
}

/// Ports of the loopback that nobody uses now.
///
/// All are below 32768, from where on the system takes those of outgoing connections: each server
/// has a hundred of them to a cluster, and would now and then hold what the next one is to have.
pub(super) fn free_ports<const COUNT: usize>() -> Result<[u16; COUNT]> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 200).expect("less than 200") * 100;
    let mut ports = [0; COUNT];
    for port in &mut ports {
        let candidates = std::iter::from_fn(|| Some(NEXT.fetch_add(1, Ordering::Relaxed)));
        let candidates = candidates.take(20_000);
        let mut candidates = candidates.map(|count| 12_000 + (start + count % 20_000) % 20_000);
        let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
        *port = candidates.find(is_free).context("no port is free")?;
    }
    Ok(ports)
}
