//! Dovecot's POP3 on the Maildirs that Postfix writes, with what is in its favour: nothing logged,
//! passwords as they are, processes that serve many sessions, no flags and no needless scans.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::clock;
use super::generator::{Door, PASSWORD, USERS};
use super::place::{Place, free_ports};
use super::postfix::OWNER;
use super::process::Process;
use crate::command::{command, output};

const PATIENCE: Duration = Duration::from_secs(30);

/// Dovecot while it runs.
#[derive(Debug)]
pub(super) struct Dovecot {
    process: Process,
    port: u16,
}

impl Dovecot {
    /// Starts it on the Maildirs in `mail`.
    pub(super) fn start(place: &Place, mail: &Path) -> Result<Self> {
        let version = output(command("dovecot", &["--version"]))?;
        if !version.starts_with("2.3.") {
            // Its configuration file changed with 2.4 in a way that no file can serve both.
            bail!(
                "this is Dovecot {}, and 2.3 is what we know",
                version.trim()
            );
        }
        let folder = place.folder("dovecot")?;
        for name in ["run", "state"] {
            place.folder(&format!("dovecot/{name}"))?;
        }
        let [port] = free_ports()?;
        let configuration = folder.join("dovecot.conf");
        fs::write(&configuration, configured(&folder, mail, port))?;
        let users = USERS.map(|address| format!("{address}:{{PLAIN}}{PASSWORD}::::::\n"));
        fs::write(folder.join("users"), users.concat())?;

        let mut command = Command::new("dovecot");
        command.arg("-F").arg("-c").arg(&configuration);
        let output = folder.join("output");
        let mut process = Process::start("dovecot", command, &output)?;
        let given_up = clock::now() + PATIENCE;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if process.ended()?.is_some() || clock::now() > given_up {
                let said = fs::read_to_string(&output).unwrap_or_default();
                bail!("dovecot did not start: {}", said.trim());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(Self { process, port })
    }

    pub(super) fn door(&self) -> Door {
        Door {
            port: self.port,
            process: self.process.id(),
        }
    }
}

impl Drop for Dovecot {
    /// The master ends its helpers before itself.
    fn drop(&mut self) {
        let ended = self.process.terminate().and_then(|()| {
            let ended = self.process.wait(PATIENCE);
            ended.context("dovecot was killed")
        });
        // Nothing depends on how it ended.
        let _: Result<_> = ended;
    }
}

fn configured(folder: &Path, mail: &Path, port: u16) -> String {
    format!(
        "base_dir = {folder}/run\n\
         state_dir = {folder}/state\n\
         log_path = /dev/null\n\
         protocols = pop3\n\
         listen = 127.0.0.1\n\
         ssl = no\n\
         disable_plaintext_auth = no\n\
         default_client_limit = 4096\n\
         first_valid_uid = 1\n\
         mail_location = maildir:{mail}/%n\n\
         mail_uid = {OWNER}\n\
         mail_gid = {OWNER}\n\
         mail_max_userip_connections = 0\n\
         maildir_very_dirty_syncs = yes\n\
         pop3_no_flag_updates = yes\n\
         verbose_proctitle = no\n\
         auth_cache_size = 1M\n\
         auth_mechanisms = plain\n\
         passdb {{\n  driver = passwd-file\n\
         \x20 args = scheme=PLAIN username_format=%u {folder}/users\n}}\n\
         userdb {{\n  driver = static\n\
         \x20 args = uid={OWNER} gid={OWNER} home={mail}/%n\n}}\n\
         service pop3-login {{\n  service_count = 0\n  process_min_avail = 2\n\
         \x20 inet_listener pop3 {{\n    port = {port}\n  }}\n\
         \x20 inet_listener pop3s {{\n    port = 0\n  }}\n}}\n\
         service pop3 {{\n  service_count = 1000\n}}\n",
        folder = folder.display(),
        mail = mail.display(),
    )
}
