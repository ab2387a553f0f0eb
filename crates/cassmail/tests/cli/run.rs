//! Running the binary: commands to their end, services until the test has seen enough.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How often and how long something is waited for that tells nobody: half a minute in all.
const TRIES: usize = 3000;
const PAUSE: Duration = Duration::from_millis(10);

/// The binary, with nothing of our environment.
pub(crate) fn cassmail(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cassmail"));
    command.env_clear().args(arguments);
    command
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end, with this on its standard input.
pub(crate) fn run_with(command: &mut Command, input: &[u8]) -> Ended {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.stderr(Stdio::piped()).spawn().unwrap();
    // Who has refused the command line does not read.
    let _ = child.stdin.take().unwrap().write_all(input);
    let ended = child.wait_with_output().unwrap();
    Ended {
        code: ended.status.code(),
        stdout: String::from_utf8(ended.stdout).unwrap(),
        stderr: String::from_utf8(ended.stderr).unwrap(),
    }
}

/// Runs the binary to its end.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    run_with(&mut cassmail(arguments), b"")
}

impl Ended {
    /// What was printed by a command that has done what it was told.
    #[track_caller]
    pub(crate) fn done(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        &self.stdout
    }

    /// The one line of a command that failed with this code and printed nothing.
    #[track_caller]
    pub(crate) fn error(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stdout, "", "data are for those who asked and got them");
        let lines = self.stderr.lines();
        let errors: Vec<_> = lines
            .filter_map(|line| line.strip_prefix("error: "))
            .collect();
        let [error] = errors.as_slice() else {
            panic!("one line says what is wrong: {self:?}");
        };
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        error
    }
}

/// A folder with a configuration of a service, which may run.
pub(crate) struct House {
    pub(crate) folder: TempDir,
    service: Option<Service>,
}

impl House {
    /// A folder with this configuration; `data_dir` is in it already.
    pub(crate) fn configured(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let text = format!("data_dir = '{}'\n{more}", data.display());
        std::fs::write(folder.path().join("cassmail.toml"), text).unwrap();
        Self {
            folder,
            service: None,
        }
    }

    /// The same, with its service running.
    pub(crate) fn running(more: &str) -> Self {
        let mut house = Self::configured(more);
        let mut serve = house.command(&["serve"]);
        let socket = house.path("data/admin.sock");
        house.service = Some(Service::start(&mut serve, &house.path("log"), &socket));
        house
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command for the service that is configured here.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = cassmail(arguments);
        command.arg("--config").arg(self.path("cassmail.toml"));
        command
    }

    /// Runs one.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        run_with(&mut self.command(arguments), b"")
    }

    /// Runs one with this on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ended {
        run_with(&mut self.command(arguments), input.as_bytes())
    }

    /// What the service has logged, once this is in it.
    pub(crate) fn log_with(&mut self, said: &str) -> String {
        let service = self.service.as_mut().unwrap();
        service.wait_for(|log| log.contains(said));
        service.log()
    }

    /// Ends the service as systemd does; gives its code and its log.
    pub(crate) fn stop(&mut self) -> (Option<i32>, String) {
        self.service.take().unwrap().stop()
    }
}

/// A service that runs until the test ends.
pub(crate) struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts one and waits until its admin socket answers.
    pub(crate) fn start(command: &mut Command, log: &Path, socket: &Path) -> Self {
        let file = std::fs::File::create(log).unwrap();
        let printed = file.try_clone().unwrap();
        command.stdin(Stdio::null()).stdout(printed).stderr(file);
        let child = command.spawn().unwrap();
        let log = log.to_owned();
        let mut service = Self { child, log };
        service.wait_for(|_| UnixStream::connect(socket).is_ok());
        service
    }

    /// What it has logged and printed so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until something is true of the log, or of the world.
    pub(crate) fn wait_for(&mut self, mut is_so: impl FnMut(&str) -> bool) {
        for _ in 0..TRIES {
            if is_so(&self.log()) {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "ended with {ended:?}: {}", self.log());
            sleep(PAUSE);
        }
        panic!("waited in vain: {}", self.log());
    }

    /// Ends it with SIGTERM; gives its code and its log.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        let id = Pid::from_child(&self.child);
        kill_process(id, Signal::TERM).unwrap();
        let code = self.child.wait().unwrap().code();
        (code, self.log())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // One that has ended needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says lines to a server and gives all that it answers; the last line has to end the session.
pub(crate) fn talk(address: SocketAddr, lines: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream.write_all(lines.as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    answers
}

/// Whether the tests may do everything; then rights of files keep nobody out.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
