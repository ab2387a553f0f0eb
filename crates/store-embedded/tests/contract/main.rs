//! The contract, kept by the embedded store: in a real folder, with the real index. And what only
//! this store has: locks, files that somebody cut or flipped, copies, salvage, full disks, kill -9.
//!
//! Read first: [`post`], the short words of all tests beside the contract.

mod child;
mod copies;
mod damage;
mod folder;
mod index;
mod kill;
mod large;
mod locking;
mod post;
mod room;
mod salvage;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cassmail_store::Store;
use cassmail_store_contract::{Subject, contract_tests};
use cassmail_store_embedded::{Embedded, Options, Pace};
use tempfile::TempDir;

struct Folder {
    store: Arc<Embedded>,
    folder: TempDir,
}

impl Folder {
    fn open(folder: &TempDir) -> Arc<Embedded> {
        Arc::new(Embedded::open(&options(folder.path())).expect("opening"))
    }
}

fn options(folder: &Path) -> Options {
    Options {
        // Small, so that segments change and are cleaned in these tests too.
        segment_size: 1024 * 1024,
        low_water: 0,
        pace: Pace {
            busy: Duration::from_millis(1),
            idle: Duration::from_millis(5),
        },
        ..Options::small(folder)
    }
}

impl Subject for Folder {
    const HISTORIES: u32 = 6;

    async fn fresh() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self {
            store: Self::open(&folder),
            folder,
        }
    }

    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn reopen(&mut self) {
        self.store.close().await.expect("closing");
        self.store = Self::open(&self.folder);
    }

    async fn crash(&mut self) {
        self.store.abandon();
        self.store = Self::open(&self.folder);
    }

    async fn exhaust(&mut self) {
        self.store.set_low_water(u64::MAX);
    }

    async fn relieve(&mut self) {
        self.store.set_low_water(0);
    }

    /// Inverts everything behind the preambles.
    async fn damage(&mut self) {
        const PREAMBLE: usize = 64;
        let bodies = self.folder.path().join("bodies");
        for entry in fs::read_dir(bodies).expect("the folder of bodies") {
            let path = entry.expect("a segment").path();
            let mut octets = fs::read(&path).expect("a segment");
            for octet in &mut octets[PREAMBLE..] {
                *octet = !*octet;
            }
            fs::write(&path, octets).expect("a segment");
        }
    }
}

contract_tests!(Folder);
