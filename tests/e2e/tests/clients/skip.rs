//! Clients that are not there.

use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};

use cassmail_e2e::{installed, settings};

/// Whether a test can go on; if not, says so past the capture of the test runner.
pub(crate) fn present(program: &str) -> bool {
    static SKIPPED: AtomicU32 = AtomicU32::new(0);
    if installed(program) {
        return true;
    }
    assert!(
        !settings::all_clients_wanted(),
        "{program} is not installed, and all clients are wanted"
    );
    let count = 1 + SKIPPED.fetch_add(1, Ordering::Relaxed);
    drop(writeln!(
        std::io::stderr(),
        "skipped: {program} is not installed ({count} skipped so far)"
    ));
    false
}
