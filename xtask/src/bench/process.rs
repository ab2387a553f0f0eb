//! Programs that we start, watch and end, all by their process ids, and none without a deadline.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::clock;

/// How often a process is asked whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A process of ours. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts a program whose output and complaints go to the end of a file.
    pub(super) fn start(name: &str, command: Command, output: &Path) -> Result<Self> {
        Self::start_apart(name, command, output, output)
    }

    /// Starts a program whose output and complaints go to the ends of two files.
    pub(super) fn start_apart(
        name: &str,
        mut command: Command,
        output: &Path,
        complaints: &Path,
    ) -> Result<Self> {
        command.stdin(Stdio::null());
        command
            .stdout(append_to(output)?)
            .stderr(append_to(complaints)?);
        Self::spawn(name, command)
    }

    /// Starts a program whose complaints and progress are for whoever is watching.
    pub(super) fn start_in_sight(name: &str, mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Self::spawn(name, command)
    }

    fn spawn(name: &str, mut command: Command) -> Result<Self> {
        let child = command.spawn();
        let child = child.with_context(|| format!("failed to start {name}"))?;
        let name = name.to_owned();
        Ok(Self { name, child })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, or none while it runs.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let ended = self.child.try_wait();
        ended.with_context(|| format!("failed to ask for {}", self.name))
    }

    /// Waits for its end, and kills it when that takes too long.
    pub(super) fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        let given_up = clock::now() + patience;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if clock::now() >= given_up {
                self.kill()?;
                bail!("{} did not end within {patience:?}", self.name);
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Asks it to end.
    pub(super) fn terminate(&mut self) -> Result<()> {
        if self.ended()?.is_none() {
            let pid = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
            let pid = pid.with_context(|| format!("{} has no process id", self.name))?;
            kill_process(pid, Signal::TERM).with_context(|| format!("cannot end {}", self.name))?;
        }
        Ok(())
    }

    /// `kill -9`, and waits until it is dead.
    pub(super) fn kill(&mut self) -> Result<()> {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed.with_context(|| format!("failed to kill {}", self.name))?;
        Ok(())
    }

    /// The memory that is resident now, in octets.
    pub(super) fn resident(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most memory that was resident since `forget_peak`, in octets.
    pub(super) fn peak(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// Sets the high-water mark of its memory to what it has now. proc(5), clear_refs.
    pub(super) fn forget_peak(&self) -> Result<()> {
        fs::write(format!("/proc/{}/clear_refs", self.id()), "5")
            .with_context(|| format!("cannot set the high-water mark of {}", self.name))
    }

    /// The CPU time that it has used so far.
    pub(super) fn cpu(&self) -> Result<Duration> {
        cpu_of(self.id())
    }

    fn status(&self, field: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()));
        let status = status.with_context(|| format!("cannot see {}", self.name))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        let kibibytes = kibibytes.with_context(|| format!("{} has no {field}", self.name))?;
        Ok(kibibytes * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended long ago, and here nobody could be told of anything else.
        let _: Result<()> = self.kill();
    }
}

/// The CPU time that a process, of ours or not, has used so far. proc(5), stat.
pub(super) fn cpu_of(process: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"));
    let stat = stat.with_context(|| format!("cannot see process {process}"))?;
    cpu_in(&stat).with_context(|| format!("process {process} has no CPU time"))
}

/// User and system time, in /proc counted in hundredths of a second.
fn cpu_in(stat: &str) -> Option<Duration> {
    const MILLISECONDS_OF_A_TICK: u64 = 10;
    // The second field is a name, which may have spaces and brackets; utime is the 14th.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis(
        (user + system) * MILLISECONDS_OF_A_TICK,
    ))
}

fn append_to(path: &Path) -> Result<File> {
    let opened = File::options().create(true).append(true).open(path);
    opened.with_context(|| format!("failed to open {}", path.display()))
}

/// Runs a program to its end; it must succeed in time.
pub(super) fn complete(
    name: &str,
    command: Command,
    output: &Path,
    patience: Duration,
) -> Result<()> {
    let status = Process::start(name, command, output)?.wait(patience)?;
    if !status.success() {
        let said = fs::read_to_string(output).unwrap_or_default();
        let last: Vec<&str> = said.lines().rev().take(5).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        bail!("{name} ended with {status}: {}", last.join("; "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::{Process, complete, cpu_in};

    #[test]
    fn cpu_time_is_found_behind_a_name_with_spaces() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 1 0 0 0 150 50 9 9 20 0 1 0 5";
        assert_eq!(cpu_in(stat), Some(Duration::from_secs(2)));
        assert_eq!(cpu_in("7 (a) S"), None);
    }

    #[test]
    fn a_process_that_does_not_end_in_time_is_killed() {
        let mut sleep = Command::new("sleep");
        sleep.arg("60");
        let mut sleep = Process::start_in_sight("sleep", sleep).unwrap();
        assert!(sleep.resident().unwrap() > 0);
        assert!(sleep.wait(Duration::from_millis(20)).is_err());
        assert!(sleep.ended().unwrap().is_some());
    }

    #[test]
    fn a_failure_says_what_the_program_said_last() {
        let folder = tempfile::tempdir().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo out of luck >&2; exit 3"]);
        let output = folder.path().join("output");
        let error = complete("it", shell, &output, Duration::from_mins(1)).unwrap_err();
        assert!(error.to_string().contains("out of luck"), "{error}");
    }
}
