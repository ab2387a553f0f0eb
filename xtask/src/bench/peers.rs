//! Postfix and Dovecot beside us, where they can be had.

use anyhow::{Result, bail};

use super::dovecot::Dovecot;
use super::generator::Target;
use super::place::Place;
use super::postfix::Postfix;
use crate::command::{command, output, say};
use crate::setup::{is_there, run_apt};

/// Commands that end well where the programs are, and the Debian packages that have them.
const PROGRAMS: [(&str, &str); 3] = [
    ("command -v postfix", "postfix"),
    ("command -v dovecot", "dovecot-core"),
    ("command -v /usr/lib/dovecot/pop3", "dovecot-pop3d"),
];

/// The two while they run; dropping ends them.
#[derive(Debug)]
pub(super) struct Peers {
    postfix: Postfix,
    dovecot: Dovecot,
    /// Who they are.
    pub(super) versions: String,
}

impl Peers {
    /// Starts them, or says why the comparisons are left out.
    pub(super) fn start(place: &Place) -> Option<Self> {
        let started = may_start().and_then(|()| {
            install()?;
            let mail = place.folder("mail")?;
            Ok(Self {
                postfix: Postfix::start(place, &mail)?,
                dovecot: Dovecot::start(place, &mail)?,
                versions: versions()?,
            })
        });
        match started {
            Ok(peers) => Some(peers),
            Err(error) => {
                say(&format!(
                    "left out: comparisons with Postfix and Dovecot ({error:#})"
                ));
                None
            }
        }
    }

    pub(super) fn target(&self) -> Target {
        Target {
            smtp: self.postfix.door(),
            pop3: self.dovecot.door(),
        }
    }
}

fn may_start() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("both have to be started by root");
    }
    Ok(())
}

fn install() -> Result<()> {
    let missing = PROGRAMS.iter().filter(|(probe, _)| !is_there(probe));
    let packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    run_apt(&packages)
}

fn versions() -> Result<String> {
    let postfix = output(command("postconf", &["-d", "-h", "mail_version"]))?;
    let dovecot = output(command("dovecot", &["--version"]))?;
    let dovecot = dovecot.split(' ').next().unwrap_or_default();
    Ok(format!(
        "Postfix {}, Dovecot {}",
        postfix.trim(),
        dovecot.trim()
    ))
}
