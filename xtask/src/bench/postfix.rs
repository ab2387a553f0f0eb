//! Postfix, which takes mail and writes it to Maildir by itself, with everything synced as always.
//!
//! Nothing of the system's own Postfix is used but its programs: configuration, queue and mail are
//! in folders of ours, and it listens on a loopback port of ours. What differs from its defaults
//! only says where things are, whose mail it is, and what needs no DNS. It logs to the system's
//! log, that is, nowhere where none runs.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::cassmail::greets;
use super::clock;
use super::generator::{Door, USERS};
use super::place::{Place, free_ports};
use super::process::{Process, complete};

const PATIENCE: Duration = Duration::from_secs(30);

/// Whom the mail belongs to: nobody that a system has.
pub(super) const OWNER: u32 = 53_210;

/// Postfix while it runs.
#[derive(Debug)]
pub(super) struct Postfix {
    process: Process,
    configuration: PathBuf,
    output: PathBuf,
    port: u16,
}

impl Postfix {
    /// Starts it with its mail in `mail`, a Maildir for each user.
    pub(super) fn start(place: &Place, mail: &Path) -> Result<Self> {
        let folder = place.folder("postfix")?;
        let [port] = free_ports()?;
        for name in ["configuration", "queue", "data"] {
            place.folder(&format!("postfix/{name}"))?;
        }
        chown(folder.join("data"), Some(user_id("postfix")?), None)?;
        chown(mail, Some(OWNER), Some(OWNER))?;
        let configuration = folder.join("configuration");
        fs::write(configuration.join("main.cf"), main(&folder, mail))?;
        fs::write(configuration.join("master.cf"), master(port))?;

        let mut command = Command::new("postfix");
        command.arg("-c").arg(&configuration).arg("start-fg");
        let output = folder.join("output");
        let process = Process::start("postfix", command, &output)?;
        let mut postfix = Self {
            process,
            configuration,
            output,
            port,
        };
        postfix.wait_until_ready()?;
        Ok(postfix)
    }

    pub(super) fn door(&self) -> Door {
        Door {
            port: self.port,
            process: self.process.id(),
        }
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let given_up = clock::now() + PATIENCE;
        while !greets(self.port) {
            if self.process.ended()?.is_some() || clock::now() > given_up {
                let said = fs::read_to_string(&self.output).unwrap_or_default();
                bail!("postfix did not start: {}", said.trim());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Postfix {
    /// Our child is a script that waits for the master; the master is told by Postfix's own
    /// command.
    fn drop(&mut self) {
        let mut command = Command::new("postfix");
        command.arg("-c").arg(&self.configuration).arg("stop");
        // If this fails the process is killed below, and its helpers end without it.
        let _: Result<()> = complete("postfix stop", command, &self.output, PATIENCE);
        let _: Result<_> = self.process.wait(PATIENCE);
    }
}

/// The number of a user of the system.
fn user_id(name: &str) -> Result<u32> {
    let users = fs::read_to_string("/etc/passwd").context("there are no users")?;
    let mut lines = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    let found = lines.find(|fields| fields.first() == Some(&name));
    let id = found.and_then(|fields| fields.get(2)?.parse().ok());
    id.with_context(|| format!("there is no user {name}"))
}

fn main(folder: &Path, mail: &Path) -> String {
    let mailbox = |address: &&str| {
        let local = address.split('@').next().unwrap_or_default();
        format!("{{ {address} = {local}/ }}")
    };
    let mailboxes: Vec<String> = USERS.iter().map(mailbox).collect();
    format!(
        "compatibility_level = 3.6\n\
         queue_directory = {folder}/queue\n\
         data_directory = {folder}/data\n\
         multi_instance_enable = no\n\
         myhostname = bench.example.org\n\
         mydestination =\n\
         inet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\n\
         mynetworks = 127.0.0.0/8\n\
         alias_maps =\n\
         alias_database =\n\
         local_recipient_maps =\n\
         local_transport = error:none\n\
         smtp_dns_support_level = disabled\n\
         smtpd_peername_lookup = no\n\
         message_size_limit = 52428800\n\
         mailbox_size_limit = 0\n\
         virtual_mailbox_limit = 0\n\
         virtual_mailbox_domains = example.org\n\
         virtual_mailbox_base = {mail}\n\
         virtual_mailbox_maps = inline:{{ {mailboxes} }}\n\
         virtual_uid_maps = static:{OWNER}\n\
         virtual_gid_maps = static:{OWNER}\n",
        folder = folder.display(),
        mail = mail.display(),
        mailboxes = mailboxes.join(", "),
    )
}

/// The services of Postfix's own file that take part, as they stand there.
fn master(port: u16) -> String {
    format!(
        "127.0.0.1:{port} inet n - n - - smtpd\n\
         pickup unix n - n 60 1 pickup\n\
         cleanup unix n - n - 0 cleanup\n\
         qmgr unix n - n 300 1 qmgr\n\
         rewrite unix - - n - - trivial-rewrite\n\
         bounce unix - - n - 0 bounce\n\
         defer unix - - n - 0 bounce\n\
         trace unix - - n - 0 bounce\n\
         verify unix - - n - 1 verify\n\
         flush unix n - n 1000? 0 flush\n\
         proxymap unix - - n - - proxymap\n\
         error unix - - n - - error\n\
         retry unix - - n - - error\n\
         discard unix - - n - - discard\n\
         virtual unix - n n - - virtual\n\
         anvil unix - - n - 1 anvil\n\
         showq unix n - n - - showq\n"
    )
}
