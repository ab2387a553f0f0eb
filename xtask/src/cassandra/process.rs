//! Processes, known by their number and the moment of their start.
//!
//! A number alone may have gone to somebody else since it was written down. The two together are
//! checked on an open handle of the process, so that no signal ever goes to a stranger.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// One process, and no later one of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) id: u32,
    /// In ticks since the machine was started.
    started: u64,
}

impl Process {
    /// The living process of this number.
    pub(super) fn find(id: u32) -> Option<Self> {
        let stat = Stat::read(id)?;
        // A zombie has ended; only its parent has not looked yet.
        (stat.state != 'Z').then_some(Self {
            id,
            started: stat.started,
        })
    }

    /// The process that was written down in a file, if it still lives.
    pub(super) fn read(file: &Path) -> Option<Self> {
        let text = fs::read_to_string(file).ok()?;
        let (id, started) = text.trim().split_once(' ')?;
        let written = Self {
            id: id.parse().ok()?,
            started: started.parse().ok()?,
        };
        written.is_alive().then_some(written)
    }

    pub(super) fn write(self, file: &Path) -> Result<()> {
        let text = format!("{} {}\n", self.id, self.started);
        fs::write(file, text).with_context(|| format!("failed to write {}", file.display()))
    }

    pub(super) fn is_alive(self) -> bool {
        Self::find(self.id) == Some(self)
    }

    pub(super) fn is_paused(self) -> bool {
        Stat::read(self.id).is_some_and(|stat| stat.state == 'T')
    }

    /// Memory that is really there, in MiB.
    pub(super) fn resident_mib(self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
        kib.unwrap_or(0_u64) / 1024
    }

    /// Sends a signal, unless the process has ended.
    pub(super) fn signal(self, signal: Signal) -> Result<()> {
        let Some(pid) = i32::try_from(self.id).ok().and_then(Pid::from_raw) else {
            return Ok(());
        };
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
            return Ok(());
        };
        if !self.is_alive() {
            return Ok(());
        }
        match pidfd_send_signal(&handle, signal) {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            sent => sent.with_context(|| format!("failed to signal process {}", self.id)),
        }
    }
}

/// What the kernel says of a process.
struct Stat {
    state: char,
    started: u64,
}

impl Stat {
    fn read(id: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
    }

    /// The name of the program stands in parentheses and may have some itself: see proc(5).
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let started = fields.nth(18)?.parse().ok()?;
        Some(Self { state, started })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_is_no_riddle() {
        let fields: Vec<String> = (4..=52).map(|field| field.to_string()).collect();
        let text = format!("7 (a) b) S {}", fields.join(" "));
        let stat = Stat::parse(&text).unwrap();
        assert_eq!((stat.state, stat.started), ('S', 22));
    }

    #[test]
    fn another_process_of_the_same_number_is_a_stranger() {
        let me = Process::find(std::process::id()).unwrap();
        let earlier = Process {
            id: me.id,
            started: me.started - 1,
        };
        assert!(me.is_alive());
        assert!(!earlier.is_alive());
        // Would end this very test, were it sent.
        earlier.signal(Signal::KILL).unwrap();
    }

    #[test]
    fn a_process_has_memory() {
        assert!(Process::find(std::process::id()).unwrap().resident_mib() > 0);
    }
}
