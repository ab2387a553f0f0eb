//! What can be said from outside. Every variable of the environment is read here and nowhere else.

use std::path::PathBuf;

/// The binary under test: `CASSMAIL_BIN`, else the `cassmail` that cargo built beside these tests.
///
/// # Panics
///
/// When there is none: the tests cannot mean anything without it.
pub fn binary() -> PathBuf {
    let path = variable("CASSMAIL_BIN").map_or_else(beside_the_tests, PathBuf::from);
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

/// Whether a client that is not installed is a failure: `CASSMAIL_ALL_CLIENTS=1`, for CI.
pub fn all_clients_wanted() -> bool {
    variable("CASSMAIL_ALL_CLIENTS").is_some_and(|value| value == "1")
}

/// Test binaries are in `TARGET/debug/deps`, the binary two steps above them.
fn beside_the_tests() -> PathBuf {
    let mut path = std::env::current_exe().expect("tests know where they are");
    path.pop();
    path.pop();
    path.join("cassmail")
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests have no configuration but this"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
