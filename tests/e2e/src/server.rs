//! The binary under test, in development mode or with a configuration, on ports of its own.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::{Configuration, Deadline, Ended, Keyspace, Process, keyspace, run, settings};

/// The accounts of development mode, all in example.org.
pub const ACCOUNTS: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

/// The password of every account of development mode.
pub const PASSWORD: &str = "cassmail-dev";

/// The doors of development mode; each value is its port without offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Mail from anybody, STARTTLS offered.
    Mx = 2525,
    /// Submission, STARTTLS needed.
    Submission = 2587,
    /// Submission, TLS from the first octet.
    Submissions = 2465,
    /// POP3, STLS offered.
    Pop3 = 2110,
    /// POP3, TLS from the first octet.
    Pop3s = 2995,
    /// The pages for operators.
    Admin = 2080,
    /// Mail from anybody whose lines end as they like; only with a configuration.
    Printers = 3525,
    /// Mail from another server; only with a configuration.
    Lmtp = 3300,
    /// Mail from anybody behind a proxy on the loopback; only with a configuration.
    Proxied = 3700,
    /// The HTTP API over TLS; only with a configuration that has a certificate.
    Api = 3443,
    /// The HTTP API in clear; only with a configuration.
    ApiInClear = 3480,
}

const PORTS: [Port; 11] = [
    Port::Printers,
    Port::Lmtp,
    Port::Proxied,
    Port::Api,
    Port::ApiInClear,
    Port::Mx,
    Port::Submission,
    Port::Submissions,
    Port::Pop3,
    Port::Pop3s,
    Port::Admin,
];

/// What differs between the servers of the tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether POP3 takes passwords in clear.
    pub plaintext: bool,
    /// Whether the store is in memory, whichever is under test.
    pub memory: bool,
}

/// A running server; dropping kills it and removes its data.
#[derive(Debug)]
pub struct Server {
    arguments: Vec<String>,
    folder: TempDir,
    offset: u16,
    process: Process,
    /// Given back when the process has ended: fields are dropped in their order.
    keyspace: Option<Keyspace>,
}

/// Between two looks at what comes at once.
const SOON: Duration = Duration::from_millis(10);

/// On a cluster, the first start makes the tables.
const READY: Duration = Duration::from_mins(2);

impl Server {
    /// Starts one and waits until it is ready.
    ///
    /// # Panics
    ///
    /// When it does not become ready; what it said is printed.
    pub fn start(options: Options) -> Self {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let offset = free_offset();
        let keyspace = (!options.memory).then(Keyspace::take).flatten();
        let mut arguments: Vec<String> = ["serve", "--dev", "--port-offset"]
            .map(str::to_owned)
            .into();
        arguments.push(offset.to_string());
        match &keyspace {
            Some(keyspace) => {
                let file = folder.path().join("cluster.toml");
                std::fs::write(&file, keyspace.configuration()).expect("there is room");
                arguments.extend(["--config".into(), file.display().to_string()]);
            }
            None => {
                let data = folder.path().join("data");
                arguments.extend(["--data".into(), data.display().to_string()]);
            }
        }
        if options.plaintext {
            arguments.push("--dev-plaintext".into());
        }
        if options.memory {
            arguments.extend(["--store", "memory"].map(str::to_owned));
        }
        Self::launch(folder, offset, arguments, keyspace)
    }

    /// Starts one as for users, with a configuration file; nobody is there yet.
    ///
    /// # Panics
    ///
    /// As above.
    pub fn configured(configuration: &Configuration) -> Self {
        Self::configured_with(configuration, "")
    }

    /// The same, with more tables in the file.
    ///
    /// # Panics
    ///
    /// As above.
    pub fn configured_with(configuration: &Configuration, more: &str) -> Self {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let offset = free_offset();
        let keyspace = Keyspace::take();
        let store = keyspace.as_ref().map(Keyspace::configuration);
        let file = configuration.write(folder.path(), offset, store, more);
        let file = file.display().to_string();
        if keyspace.as_ref().is_some_and(|keyspace| keyspace.is_new) {
            let mut command = settings::command();
            command.args(["store", "init", "--config", &file]);
            run(&mut command, b"", keyspace::MAKING).well();
        }
        let arguments = ["serve", "--config", &file].map(str::to_owned);
        Self::launch(folder, offset, arguments.into(), keyspace)
    }

    /// Starts another one on the same keyspace, in the other data center; none if there is none. It
    /// has to end before this one.
    ///
    /// # Panics
    ///
    /// As above.
    pub fn beside(&self, configuration: &Configuration, more: &str) -> Option<Self> {
        let store = self.keyspace.as_ref()?.configuration_of_the_other()?;
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let offset = free_offset();
        let file = configuration.write(folder.path(), offset, Some(store), more);
        let arguments = ["serve", "--config", &file.display().to_string()].map(str::to_owned);
        Some(Self::launch(folder, offset, arguments.into(), None))
    }

    fn launch(
        folder: TempDir,
        offset: u16,
        arguments: Vec<String>,
        keyspace: Option<Keyspace>,
    ) -> Self {
        let process = launch(&arguments, folder.path());
        let mut server = Self {
            arguments,
            folder,
            offset,
            process,
            keyspace,
        };
        server.wait_until_ready();
        if let Some(keyspace) = &mut server.keyspace {
            keyspace.is_new = false;
        }
        server
    }

    /// Runs another command of the binary for a [configured](Server::configured) server.
    ///
    /// # Panics
    ///
    /// When the command does not end well.
    #[track_caller]
    pub fn administer(&self, words: &[&str], input: &str) {
        self.answer(words, input);
    }

    /// The same; gives what the command printed.
    ///
    /// # Panics
    ///
    /// As above.
    #[track_caller]
    pub fn answer(&self, words: &[&str], input: &str) -> String {
        let ended = self.command(words, input).well();
        String::from_utf8_lossy(&ended.stdout).into_owned()
    }

    /// The same for a command that may be refused.
    ///
    /// # Panics
    ///
    /// When it takes too long.
    #[track_caller]
    pub fn command(&self, words: &[&str], input: &str) -> Ended {
        let mut command = settings::command();
        command.args(&self.arguments[1..]).args(words);
        run(&mut command, input.as_bytes(), READY)
    }

    /// Starts one that takes POP3 passwords in clear.
    pub fn plain() -> Self {
        Self::start(Options {
            plaintext: true,
            ..Options::default()
        })
    }

    /// The number of a port of this server.
    pub fn port(&self, port: Port) -> u16 {
        port as u16 + self.offset
    }

    /// The number of its process.
    pub fn id(&self) -> i32 {
        self.process.id()
    }

    /// Where its file of settings and its certificate are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        text(&self.folder.path().join("stderr"))
    }

    /// Sends SIGHUP, and waits until the log has a new line with these words.
    ///
    /// # Panics
    ///
    /// When none comes within a minute.
    #[track_caller]
    pub fn hang_up(&self, words: &str) -> String {
        let before = self.log().len();
        self.process.hang_up();
        self.logged(words, before)
    }

    /// Waits until the log has a line with these words, behind its first octets.
    ///
    /// # Panics
    ///
    /// When none comes within a minute.
    #[track_caller]
    pub fn logged(&self, words: &str, behind: usize) -> String {
        let deadline = Deadline::after(Duration::from_mins(1));
        loop {
            let log = self.log();
            let new = log.get(behind..).unwrap_or_default();
            // The last line may not be whole yet.
            let mut whole = new
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            if let Some(line) = whole.find(|line| line.contains(words)) {
                return line.trim_end().to_owned();
            }
            assert!(!deadline.passed(), "no line with {words} came:\n{new}");
            self.pause(SOON);
        }
    }

    /// Waits so long, for what nobody tells when it has come; callers bound their loops.
    ///
    /// # Panics
    ///
    /// When the server ended.
    #[track_caller]
    pub fn pause(&self, length: Duration) {
        let ended = self.process.wait(length);
        assert!(ended.is_none(), "the server ended: {ended:?}");
    }

    /// What it wrote to standard output so far.
    pub fn stdout(&self) -> String {
        text(&self.folder.path().join("stdout"))
    }

    /// Sends SIGTERM and returns at once.
    pub fn terminate(&self) {
        self.process.terminate();
    }

    /// Waits for the end that [`Server::terminate`] asked for.
    ///
    /// # Panics
    ///
    /// When it does not end within a minute, or not well.
    pub fn wait_until_ended(&self) {
        let status = self
            .process
            .wait(Duration::from_mins(1))
            .expect("ends within a minute");
        assert!(status.success(), "ended with {status}");
    }

    /// Kills it in the middle of what it does, and waits until it is dead.
    ///
    /// # Panics
    ///
    /// When the system does not kill it within a minute.
    pub fn kill(&self) {
        self.process.kill();
        self.process
            .wait(Duration::from_mins(1))
            .expect("killed within a minute");
    }

    /// Starts it again on the same data and ports, after it ended.
    pub fn start_again(&mut self) {
        self.process = launch(&self.arguments, self.folder.path());
        self.wait_until_ready();
    }

    /// Sets the high-water mark of its memory back, and gives the memory it has now, in KiB.
    ///
    /// # Panics
    ///
    /// When the system does not tell.
    pub fn memory_now(&self) -> u64 {
        std::fs::write(format!("/proc/{}/clear_refs", self.id()), "5").expect("the mark is ours");
        self.memory("VmRSS:")
    }

    /// The most memory it had since [`Server::memory_now`], in KiB.
    pub fn memory_peak(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, row: &str) -> u64 {
        let status = text(Path::new(&format!("/proc/{}/status", self.id())));
        let line = status
            .lines()
            .find(|line| line.starts_with(row))
            .expect("Linux tells");
        line.split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse().ok())
            .expect("a number of KiB")
    }

    fn wait_until_ready(&self) {
        let patience = match &self.keyspace {
            Some(keyspace) if keyspace.is_new => keyspace::MAKING,
            _ => READY,
        };
        let deadline = Deadline::after(patience);
        while !ready(self.port(Port::Admin)) {
            self.pause(SOON);
            assert!(
                !deadline.passed(),
                "the server is not ready within {patience:?}"
            );
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = text(&self.folder.path().join("stderr"));
            let lines: Vec<&str> = log.lines().rev().take(40).collect();
            let tail: Vec<&str> = lines.into_iter().rev().collect();
            drop(writeln!(
                std::io::stderr(),
                "what the server said last:\n{}",
                tail.join("\n")
            ));
        }
    }
}

fn launch(arguments: &[String], folder: &Path) -> Process {
    let mut command = settings::mortal_command();
    command
        .args(arguments)
        // A server that is killed leaves its folder there.
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(append(folder.join("stdout")))
        .stderr(append(folder.join("stderr")));
    let is_chosen = arguments.iter().any(|argument| argument == "--store");
    let store = settings::store().filter(|_| !is_chosen);
    let store: Vec<&str> = store.iter().flat_map(|store| ["--store", store]).collect();
    Process::start(&mut command, &store)
}

fn append(path: PathBuf) -> File {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .expect("logs can be written")
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// An offset with which every port is free. Below 32768, so that no client's own port is met; each
/// process of tests begins elsewhere, and no offset is given out twice.
/// What can be added to each [`Port`] so that nobody listens there now.
pub fn free_offset() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 280).unwrap_or_default() * 100;
    loop {
        let count = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = 500 + (start + count) % 28_000;
        if PORTS.iter().all(|port| free(*port as u16 + offset)) {
            return offset;
        }
    }
}

fn free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn ready(port: u16) -> bool {
    answer(port).is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
}

fn answer(port: u16) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}
