//! cassmail as it is run in production, but for loopback ports and passwords in clear.

use std::fs::{self, DirBuilder, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::clock;
use super::generator::{Door, PASSWORD, Target, USERS};
use super::place::{Place, free_ports};
use super::process::{Process, complete};

/// How long a start, a stop or a command may take: tables on six cold nodes take a minute.
const PATIENCE: Duration = Duration::from_mins(5);

/// The service, which can be started and ended again and again on the same data.
#[derive(Debug)]
pub(super) struct Cassmail {
    program: PathBuf,
    configuration: PathBuf,
    output: PathBuf,
    store: String,
    accounts: Vec<String>,
    ports: Ports,
}

/// Where it listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) smtp: u16,
    pub(super) pop3: u16,
}

/// What is particular to one of several services.
#[derive(Debug)]
pub(super) struct Installation<'a> {
    /// That of its folder.
    pub(super) name: &'a str,
    pub(super) store: &'a str,
    /// The accounts that it makes at its first start.
    pub(super) accounts: Vec<String>,
    pub(super) ports: Ports,
    /// Lines for the end of its configuration.
    pub(super) more: &'a str,
}

/// The service while it runs.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) process: Process,
    pub(super) target: Target,
    /// From before the start of the process to the first octets of the first 220.
    pub(super) started_in: Duration,
}

impl Cassmail {
    /// Writes a configuration. `more` are lines for its end, `large` an account beside the usual.
    pub(super) fn install(
        place: &Place,
        store: &str,
        large: Option<&'static str>,
        more: &str,
    ) -> Result<Self> {
        let [smtp, pop3] = free_ports()?;
        let accounts = USERS.into_iter().chain(large).map(str::to_owned);
        let installation = Installation {
            name: "cassmail",
            store,
            accounts: accounts.collect(),
            ports: Ports { smtp, pop3 },
            more,
        };
        Self::install_as(place, installation)
    }

    /// The same for one of several.
    pub(super) fn install_as(place: &Place, installation: Installation) -> Result<Self> {
        let Installation {
            name,
            store,
            accounts,
            ports,
            more,
        } = installation;
        let folder = place.folder(name)?;
        let configuration = folder.join("cassmail.toml");
        let data = folder.join("data");
        // The embedded store would make it; a store in memory does not, and the admin socket is
        // there.
        DirBuilder::new().mode(0o700).create(&data)?;
        fs::write(&configuration, configured(&data, ports, more))?;
        Ok(Self {
            program: place.program("cassmail"),
            configuration,
            // The default log level, as in production: one line for each mail and session.
            output: folder.join("log"),
            store: store.to_owned(),
            accounts,
            ports,
        })
    }

    /// Starts the service for the first time, and makes the accounts.
    pub(super) fn start_first(&self) -> Result<Service> {
        let service = self.launch()?;
        self.make_accounts()?;
        Ok(service)
    }

    /// Starts the service and waits for its first 220.
    pub(super) fn start(&self) -> Result<Service> {
        match self.store.as_str() {
            // Which remembers nothing.
            "memory" => self.start_first(),
            _ => self.launch(),
        }
    }

    fn launch(&self) -> Result<Service> {
        self.start_with(&[])
    }

    /// Starts the service in an environment of its own.
    pub(super) fn start_with(&self, environment: &[(&str, &str)]) -> Result<Service> {
        let begin = clock::now();
        let mut command = self.command(&["serve", "--store", &self.store]);
        command.envs(environment.iter().copied());
        let mut process = Process::start("cassmail", command, &self.output)?;
        while !greets(self.ports.smtp) {
            if let Some(status) = process.ended()? {
                bail!(
                    "cassmail ended with {status}; it said: {}",
                    self.last_words()
                );
            }
            if clock::now().duration_since(begin) > PATIENCE {
                bail!("cassmail did not greet; it said: {}", self.last_words());
            }
            thread::sleep(Duration::from_micros(500));
        }
        let started_in = clock::now().duration_since(begin);
        let door = |port| Door {
            port,
            process: process.id(),
        };
        let (smtp, pop3) = (door(self.ports.smtp), door(self.ports.pop3));
        Ok(Service {
            process,
            target: Target { smtp, pop3 },
            started_in,
        })
    }

    /// Makes the domain and the accounts, over the command line, while the service runs.
    fn make_accounts(&self) -> Result<()> {
        self.run(&["domain", "add", "example.org"])?;
        for address in &self.accounts {
            let mut command = self.command(&["account", "add", address, "--password-stdin"]);
            let output = File::options()
                .create(true)
                .append(true)
                .open(&self.output)?;
            command
                .stdin(Stdio::piped())
                .stdout(output.try_clone()?)
                .stderr(output);
            let mut child = command.spawn().context("failed to start cassmail")?;
            let input = child.stdin.take().context("there is no input")?;
            (&input).write_all(format!("{PASSWORD}\n").as_bytes())?;
            drop(input);
            if !child.wait()?.success() {
                bail!("{address} could not be made: {}", self.last_words());
            }
        }
        Ok(())
    }

    /// Runs another command of cassmail with this configuration.
    pub(super) fn run(&self, words: &[&str]) -> Result<()> {
        let name = format!("cassmail {}", words.join(" "));
        complete(&name, self.command(words), &self.output, PATIENCE)
    }

    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(&self.configuration).args(words);
        command
    }

    fn last_words(&self) -> String {
        let said = fs::read_to_string(&self.output).unwrap_or_default();
        said.lines().next_back().unwrap_or("nothing").to_owned()
    }
}

impl Service {
    /// An orderly end.
    pub(super) fn stop(mut self) -> Result<()> {
        self.process.terminate()?;
        let status = self.process.wait(PATIENCE)?;
        if !status.success() {
            bail!("cassmail ended with {status}");
        }
        Ok(())
    }
}

fn configured(data: &Path, ports: Ports, more: &str) -> String {
    let Ports { smtp, pop3 } = ports;
    format!(
        r#"hostname = "bench.example.org"
data_dir = "{data}"

[[listener]]
name = "mx"
role = "mx"
addresses = ["127.0.0.1:{smtp}"]
max_connections = 5000
bare_newline = ""

[[listener]]
name = "pop3"
role = "pop3"
addresses = ["127.0.0.1:{pop3}"]
max_connections = 5000
bare_newline = ""

[pop3]
clear_text_login = true

[limits]
exempt = ["127.0.0.0/8"]

{more}"#,
        data = data.display(),
    )
}

/// Whether a server says hello on this port.
pub(super) fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return false;
    };
    let mut greeting = [0; 3];
    let waited = stream.set_read_timeout(Some(Duration::from_secs(10)));
    waited.is_ok() && stream.read_exact(&mut greeting).is_ok() && &greeting == b"220"
}
