//! Other programs: each has a time limit, and none outlives the test.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// What a program left behind.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, as text.
    pub stderr: String,
}

impl Ended {
    /// The same, when the program ended well.
    ///
    /// # Panics
    ///
    /// When it did not; then with what it said.
    #[track_caller]
    #[expect(
        clippy::return_self_not_must_use,
        reason = "often all that counts is that it ended well"
    )]
    pub fn well(self) -> Self {
        let stdout = String::from_utf8_lossy(&self.stdout);
        assert!(
            self.status.success(),
            "{}\n{stdout}\n{}",
            self.status,
            self.stderr
        );
        self
    }
}

/// Runs a program to its end, with `input`.
///
/// # Panics
///
/// When it cannot be started or takes longer than `limit`; it is killed then.
#[track_caller]
pub fn run(command: &mut Command, input: &[u8], limit: Duration) -> Ended {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = start(command);
    let writer = feed(&mut child, input.to_vec());
    let stdout = drain(child.stdout.take().expect("standard output is a pipe"));
    let stderr = drain(child.stderr.take().expect("standard error is a pipe"));
    let process = Process::new(child);
    let status = process.wait(limit);
    let status = status.unwrap_or_else(|| panic!("no end within {limit:?}: {command:?}"));
    writer.join().expect("writers do not panic");
    let stdout = stdout.join().expect("readers do not panic");
    let stderr = stderr.join().expect("readers do not panic");
    Ended {
        status,
        stdout,
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// Whether a program can be found, by asking the shell.
pub fn installed(program: &str) -> bool {
    let ask = Command::new("sh")
        .arg("-c")
        .arg(format!("command -v {program}"))
        .output();
    ask.is_ok_and(|found| found.status.success())
}

#[track_caller]
fn start(command: &mut Command) -> Child {
    let child = command.process_group(0).spawn();
    child.unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()))
}

fn feed(child: &mut Child, input: Vec<u8>) -> JoinHandle<()> {
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    // A program that does not read its input to the end says so by its exit code.
    thread::spawn(move || drop(stdin.write_all(&input)))
}

fn drain(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        drop(from.read_to_end(&mut all));
        all
    })
}

/// A running program with all that it started: what is left of that when the program ends is
/// killed, and dropping kills all.
#[derive(Debug)]
pub struct Process {
    group: Pid,
    end: Arc<End>,
}

/// How a program ended, once it has and its number is free for other programs.
#[derive(Debug, Default)]
struct End {
    status: Mutex<Option<ExitStatus>>,
    came: Condvar,
}

impl Process {
    /// Starts a program whose output goes where `command` says.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[track_caller]
    pub fn start<S: AsRef<OsStr>>(command: &mut Command, arguments: &[S]) -> Self {
        Self::new(start(command.args(arguments)))
    }

    fn new(child: Child) -> Self {
        let group = Pid::from_child(&child);
        let end = Arc::new(End::default());
        let watched = Arc::clone(&end);
        thread::spawn(move || reap(child, group, &watched));
        Self { group, end }
    }

    /// The number of the process.
    pub fn id(&self) -> i32 {
        self.group.as_raw_nonzero().get()
    }

    /// How it ended, if it does within `limit`.
    ///
    /// # Panics
    ///
    /// When the thread that waits for the end panicked.
    pub fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        let status = self.end.status.lock().expect(WHOLE);
        let waited = self
            .end
            .came
            .wait_timeout_while(status, limit, |status| status.is_none());
        *waited.expect(WHOLE).0
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to load anew (SIGHUP).
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Ends it without asking (SIGKILL).
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        let status = self.end.status.lock().expect(WHOLE);
        if status.is_none() {
            let _ = kill_process_group(self.group, signal);
        }
    }
}

const WHOLE: &str = "nobody panics while holding the lock";

/// Waits for the end, kills what the program left behind, and only then gives its number free.
fn reap(mut child: Child, group: Pid, end: &End) {
    let how = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while waitid(WaitId::Pid(group), how).is_err_and(|error| error == Errno::INTR) {}
    let mut status = end.status.lock().expect(WHOLE);
    let _ = kill_process_group(group, Signal::KILL);
    *status = child.wait().ok();
    end.came.notify_all();
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_gets_its_input_and_gives_its_output() {
        let ended = run(&mut Command::new("cat"), b"octets", Duration::from_secs(10)).well();
        assert_eq!(ended.stdout, b"octets");
    }

    #[test]
    fn what_a_program_started_ends_with_it() {
        let mut command = Command::new("sh");
        command.stdout(Stdio::piped());
        let mut child = start(command.args(["-c", "sleep 1000 & sleep 1000"]));
        let mut stdout = child.stdout.take().unwrap();
        drop(Process::new(child));
        let mut nothing = Vec::new();
        // The pipe ends when the last process that holds it is gone.
        stdout.read_to_end(&mut nothing).unwrap();
        assert_eq!(nothing, b"");
    }

    #[test]
    fn what_a_program_leaves_behind_ends_with_it() {
        let mut command = Command::new("sh");
        // The pipe would stay open as long as the second program has it.
        let left = "sleep 1000 & exit 3";
        let ended = run(command.args(["-c", left]), b"", Duration::from_secs(10));
        assert_eq!(ended.status.code(), Some(3));
    }

    #[test]
    #[should_panic(expected = "no end within")]
    fn a_program_that_does_not_end_is_a_failure() {
        run(
            Command::new("sleep").arg("1000"),
            b"",
            Duration::from_millis(50),
        );
    }
}
