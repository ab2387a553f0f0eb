//! What the server has, seen from outside: memory, sockets, sessions.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::clock;

/// Whom to look at.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) pid: u32,
    pub(super) readings: Option<SocketAddr>,
}

/// What was seen.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Seen {
    pub(crate) memory_mib: f64,
    pub(crate) sockets: u64,
    pub(crate) descriptors: u64,
    /// Of both protocols, as the server counts them.
    pub(crate) sessions: Option<u64>,
    /// Octets in flight, as the server counts them.
    pub(crate) in_flight: Option<u64>,
}

const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Watch {
    pub(super) fn look(&self) -> Result<Seen> {
        let (sockets, descriptors) = self.count_descriptors()?;
        let readings = self.readings.map(read).transpose().unwrap_or_default();
        let of = |name: &str| readings.as_deref().map(|text| sum(text, name));
        Ok(Seen {
            memory_mib: self.memory("VmRSS:").context("the server is gone")?,
            sockets,
            descriptors,
            sessions: of("cassmail_sessions_open{"),
            in_flight: of("cassmail_octets_in_flight "),
        })
    }

    /// Sets the high-water mark of memory back. proc(5), clear_refs.
    pub(super) fn forget_peak(&self) {
        // Where it is not allowed, the peak is that of all scenes so far.
        let _ = fs::write(format!("/proc/{}/clear_refs", self.pid), "5");
    }

    /// The most that is seen until it is over.
    pub(super) fn until(&self, is_over: &AtomicBool) -> Seen {
        let mut most = Seen::default();
        while !is_over.load(Ordering::Relaxed) {
            if let Ok((sockets, descriptors)) = self.count_descriptors() {
                most.sockets = most.sockets.max(sockets);
                most.descriptors = most.descriptors.max(descriptors);
            }
            thread::sleep(LOOK_EVERY);
        }
        most.memory_mib = self.memory("VmHWM:").unwrap_or_default();
        most
    }

    /// Waits until there are no more sockets and sessions than before; whether that came.
    pub(super) fn settle(&self, before: &Seen, patience: Duration) -> bool {
        let given_up = clock::now() + patience;
        loop {
            let is_settled = self
                .look()
                .is_ok_and(|now| now.sockets <= before.sockets && now.sessions <= before.sessions);
            if is_settled || clock::now() > given_up {
                return is_settled;
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until no more memory is used than this, or until the time is over.
    pub(super) fn wait_for_memory(&self, mib: f64, patience: Duration) {
        let given_up = clock::now() + patience;
        while self.memory("VmRSS:").is_some_and(|now| now > mib) && clock::now() < given_up {
            thread::sleep(LOOK_EVERY);
        }
    }

    fn count_descriptors(&self) -> Result<(u64, u64)> {
        let folder = fs::read_dir(format!("/proc/{}/fd", self.pid)).context("no such server")?;
        let (mut sockets, mut all) = (0, 0);
        for entry in folder.flatten() {
            all += 1;
            let target = fs::read_link(entry.path()).unwrap_or_default();
            if target
                .as_os_str()
                .as_encoded_bytes()
                .starts_with(b"socket:")
            {
                sockets += 1;
            }
        }
        Ok((sockets, all))
    }

    fn memory(&self, row: &str) -> Option<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(row))?;
        let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib / 1024.0)
    }
}

/// Asks for the figures of the server.
fn read(address: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// The sum of all figures whose line begins so.
fn sum(text: &str, name: &str) -> u64 {
    let lines = text.lines().filter(|line| line.starts_with(name));
    let figures = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    figures.sum()
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn figures_with_labels_are_added_up() {
        let text = "x_open{a=\"1\"} 3\nx_open{a=\"2\"} 4\nx_other 9\n";
        assert_eq!(sum(text, "x_open{"), 7);
        assert_eq!(sum(text, "x_other "), 9);
    }
}
