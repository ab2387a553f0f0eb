//! Tests that cannot run here, and say so.

use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};

use cassmail_e2e::{Configuration, Server, installed, settings};

/// Whether a test with this client can go on.
pub(crate) fn present(program: &str) -> bool {
    if installed(program) {
        return true;
    }
    assert!(
        !settings::all_clients_wanted(),
        "{program} is not installed, and all clients are wanted: cargo xtask setup"
    );
    skip(&format!("{program} is not installed"));
    false
}

/// Whether a test that ends the server and starts it again can go on.
pub(crate) fn keeps() -> bool {
    if settings::store_keeps() {
        return true;
    }
    skip("the store under test keeps nothing");
    false
}

/// Starts a server in each of two data centers, on one keyspace, with more tables in their files.
/// The second one has to end first.
pub(crate) fn in_two_centers(more: &str) -> Option<(Server, Server)> {
    if settings::cluster().is_none_or(|cluster| cluster.other_points.is_empty()) {
        skip("the store under test has no second data center");
        return None;
    }
    let configuration = Configuration::default();
    let near = Server::configured_with(&configuration, more);
    let far = near.beside(&configuration, more)?;
    Some((near, far))
}

/// Says so past the capture of the test runner, which shows nothing of tests that pass.
fn skip(why: &str) {
    static SKIPPED: AtomicU32 = AtomicU32::new(0);
    let count = 1 + SKIPPED.fetch_add(1, Ordering::Relaxed);
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    drop(writeln!(
        std::io::stderr(),
        "skipped: {test}: {why} ({count} skipped so far)"
    ));
}
