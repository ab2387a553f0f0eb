//! Tests that cannot run here and say so, and figures for people.

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use cassmail_e2e::{layers, settings};

/// The layers of a package, if they are there.
pub(crate) fn installed(package: &str) -> Option<PathBuf> {
    static SKIPPED: AtomicU32 = AtomicU32::new(0);
    let found = layers(package);
    if found.is_none() {
        assert!(
            !settings::all_clients_wanted(),
            "{package} is not installed, and all clients are wanted: cargo xtask setup"
        );
        let count = 1 + SKIPPED.fetch_add(1, Ordering::Relaxed);
        say(&format!(
            "skipped: {package} is not installed ({count} skipped so far)"
        ));
    }
    found
}

/// Says something past the capture of the test runner, which shows nothing of tests that pass.
pub(crate) fn say(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}
