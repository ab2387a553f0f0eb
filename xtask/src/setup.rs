//! What the end-to-end tests need beside Rust: real mail clients.

use std::process::Stdio;

use anyhow::Result;

use crate::command::{command, say};

/// Programs that the tests drive, and the Debian packages that have them.
const CLIENTS: [(&str, &str); 8] = [
    ("curl", "curl"),
    ("swaks", "swaks"),
    ("msmtp", "msmtp"),
    ("fetchmail", "fetchmail"),
    ("mpop", "mpop"),
    ("getmail", "getmail6"),
    ("mutt", "mutt"),
    ("python3", "python3"),
];

/// Installs the clients that are missing, if this user may; says clearly what will be left out.
pub(crate) fn run() {
    let missing: Vec<_> = CLIENTS
        .into_iter()
        .filter(|(program, _)| !is_installed(program))
        .collect();
    if missing.is_empty() {
        say("all mail clients of the end-to-end tests are installed");
        return;
    }
    let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    if let Err(error) = run_apt(&packages) {
        say(&format!(
            "left out: tests with {}, which could not be installed here ({error:#}); \
             as root: apt-get install {}",
            packages.join(", "),
            packages.join(" ")
        ));
    }
}

/// Installs Debian packages.
pub(crate) fn run_apt(packages: &[&str]) -> Result<()> {
    crate::command::run(apt(&["update", "-qq"]))?;
    let mut words = vec!["install", "-y", "-qq", "--no-install-recommends"];
    words.extend(packages);
    crate::command::run(apt(&words))
}

fn apt(words: &[&str]) -> std::process::Command {
    let mut command = command("apt-get", words);
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(Stdio::null());
    command
}

/// Whether a program can be found.
pub(crate) fn is_installed(program: &str) -> bool {
    let mut which = command("sh", &["-c", &format!("command -v {program}")]);
    let found = which.stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}
