//! Where jars and data lie.

use std::path::{Path, PathBuf};

use super::layout::Net;
use crate::command::root;

/// The release that is run; its jars lie in a folder of this name, so that another can lie beside
/// it.
pub(super) const VERSION: &str = "5.0.9";

/// The variable that moves the jars out of this checkout, for several to share them.
const HOME: &str = "CASSANDRA_HOME";

/// The folders of one cluster and of the jars that it runs from.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) net: Net,
    pub(super) home: PathBuf,
    pub(super) cluster: PathBuf,
}

impl Place {
    /// The place of a net in this checkout.
    pub(super) fn of(net: Net) -> Self {
        let target = root().join("target").join("cassandra");
        let home = std::env::var_os(HOME).map_or_else(|| target.clone(), PathBuf::from);
        Self {
            net,
            home: home.join(VERSION),
            cluster: target.join(format!("net-{}", net.0)),
        }
    }

    pub(super) fn jars(&self) -> PathBuf {
        self.home.join("lib")
    }

    /// Classes as the Java machine has them after loading: halves the time of a start.
    pub(super) fn class_archive(&self) -> PathBuf {
        self.home.join("classes.jsa")
    }

    pub(super) fn settings(&self) -> PathBuf {
        self.cluster.join("cluster.json")
    }

    /// Where the certificates of a cluster that encrypts are.
    pub(super) fn encryption(&self) -> PathBuf {
        self.cluster.join("encryption")
    }

    /// Is there when the cluster was complete once.
    pub(super) fn was_ready(&self) -> PathBuf {
        self.cluster.join("was-ready")
    }

    pub(super) fn node(&self, node: usize) -> Folder {
        Folder(self.cluster.join(format!("node{node}")))
    }

    pub(super) fn keeper(&self) -> Folder {
        Folder(self.cluster.join("keeper"))
    }
}

/// The folder of one process.
#[derive(Clone, Debug)]
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    pub(super) fn process(&self) -> PathBuf {
        self.0.join("process")
    }

    pub(super) fn conf(&self, file: &str) -> PathBuf {
        self.0.join("conf").join(file)
    }
}
