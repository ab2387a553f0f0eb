//! What the tests need beside Rust: real mail clients and servers, and what real Cassandra runs on.

use std::process::Stdio;

use anyhow::{Result, bail};

use crate::command::{command, output, say};
use crate::layers;

/// What the tests drive: a command that ends well where it is complete, and the Debian package that
/// has it. For TLS swaks needs a module, and for logins mutt needs one, which are packages of their
/// own.
const CLIENTS: [(&str, &str); 15] = [
    ("command -v curl", "curl"),
    ("command -v swaks", "swaks"),
    ("perl -MNet::SSLeay -e 1", "libnet-ssleay-perl"),
    ("command -v msmtp", "msmtp"),
    ("command -v fetchmail", "fetchmail"),
    ("command -v mpop", "mpop"),
    ("command -v openssl", "openssl"),
    ("command -v getmail", "getmail6"),
    ("command -v mutt", "mutt"),
    ("ls /usr/lib/*/sasl2/libplain.so*", "libsasl2-modules"),
    ("command -v python3", "python3"),
    (
        "java -version 2>&1 | grep -qE '\"(17|11)\\.'",
        "openjdk-17-jre-headless",
    ),
    ("command -v mvn", "maven"),
    ("command -v chromium", "chromium"),
    ("command -v chromedriver", "chromium-driver"),
];

/// Installs the clients that are missing, if this user may, and says what is left out all the same.
///
/// # Errors
/// In CI (`CI=true`), as root, when a client could not be installed: there a test that is left out
/// would be taken for one that passed.
pub(crate) fn run() -> Result<()> {
    let wanted = missing();
    let layers = layers::missing();
    if wanted.is_empty() && layers.is_empty() {
        say("all programs that the tests use are installed");
        return Ok(());
    }
    let is_root = is_root();
    if is_root
        && !wanted.is_empty()
        && let Err(error) = run_apt(&wanted)
    {
        say(&format!("{error:#}"));
    }
    for package in layers.iter().filter(|_| is_root) {
        if let Err(error) = layers::install(package) {
            say(&format!("{error:#}"));
        }
    }
    let left_out = remind();
    if left_out > 0 && is_root && is_ci() {
        bail!("{left_out} packages could not be installed, and in CI all are wanted");
    }
    Ok(())
}

/// Says which tests are left out for want of a client; gives the number of packages. Said again
/// at the end of the tests, where one looks.
pub(crate) fn remind() -> usize {
    let missing = missing();
    if !missing.is_empty() {
        say(&format!(
            "left out: the tests with {} ({} of {} packages), which are not installed; \
             as root: apt-get install {}",
            missing.join(", "),
            missing.len(),
            CLIENTS.len(),
            missing.join(" ")
        ));
    }
    let layers = layers::missing();
    if !layers.is_empty() {
        say(&format!(
            "left out: the tests with {} in layers, which are not installed; as root: cargo \
             xtask setup",
            layers.join(", ")
        ));
    }
    missing.len() + layers.len()
}

/// The packages that are not there.
fn missing() -> Vec<&'static str> {
    let missing = CLIENTS.into_iter().filter(|(probe, _)| !is_there(probe));
    missing.map(|(_, package)| package).collect()
}

/// Installs Debian packages.
pub(crate) fn run_apt(packages: &[&str]) -> Result<()> {
    // Old lists may do: what counts is whether the packages can be installed.
    if let Err(error) = crate::command::run(apt(&["update", "-qq"])) {
        say(&format!("{error:#}"));
    }
    let mut words = vec!["install", "-y", "-qq", "--no-install-recommends"];
    words.extend(packages);
    crate::command::run(apt(&words))
}

/// Waits for others who install, as machines do that have just been started.
fn apt(words: &[&str]) -> std::process::Command {
    let mut command = command("apt-get", &["-o", "DPkg::Lock::Timeout=300"]);
    command
        .args(words)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(Stdio::null());
    command
}

fn is_root() -> bool {
    output(command("id", &["-u"])).is_ok_and(|id| id.trim() == "0")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the word by which CI services are known, no setting of ours"
)]
fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

/// Whether a command of the shell ends well.
pub(crate) fn is_there(probe: &str) -> bool {
    let mut shell = command("sh", &["-c", probe]);
    let ended = shell.stdout(Stdio::null()).stderr(Stdio::null()).status();
    ended.is_ok_and(|status| status.success())
}
