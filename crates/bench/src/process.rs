//! What the server's processes used, from /proc.
//!
//! A process counts with all its descendants, those that have ended included.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::clock;

const SAMPLE_EVERY: Duration = Duration::from_millis(200);
/// Reading the proportional sizes costs the server more.
const SAMPLES_PER_PSS: u32 = 5;

/// Use of processes between two moments.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Used {
    pub(crate) user_seconds: f64,
    pub(crate) system_seconds: f64,
    /// The largest sum that was seen.
    pub(crate) rss_peak_bytes: u64,
    pub(crate) rss_end_bytes: u64,
    /// Proportional, that is, shared pages counted once; none without the right to read it.
    pub(crate) pss_peak_bytes: Option<u64>,
    pub(crate) processes: usize,
    /// From the beginning until they were idle, when that was waited for.
    pub(crate) idle_after_seconds: Option<f64>,
}

/// Watches processes in a thread of its own until `finish`.
#[derive(Debug)]
pub(crate) struct Meter {
    roots: Vec<u32>,
    begin: Instant,
    at_begin: Ticks,
    peaks: Arc<Mutex<Peaks>>,
    ended: Arc<AtomicBool>,
    sampler: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ticks {
    user: u64,
    system: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Peaks {
    rss: u64,
    pss: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Stat {
    parent: u32,
    ticks: Ticks,
    rss_pages: u64,
}

/// CPU time of this process so far.
pub(crate) fn own_cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = Duration::from_secs(u64::try_from(spent.tv_sec).unwrap_or(0));
    seconds + Duration::from_nanos(u64::try_from(spent.tv_nsec).unwrap_or(0))
}

/// Takes as many open files as the system gives: each connection is one.
pub(crate) fn raise_open_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    // Where this fails a connection will, and will say why.
    let _: rustix::io::Result<()> = setrlimit(Resource::Nofile, raised);
}

impl Meter {
    /// None when no process is to be watched.
    pub(crate) fn start(roots: &[u32]) -> Result<Option<Self>> {
        if let Some(missing) = roots.iter().find(|pid| read_stat(**pid).is_none()) {
            bail!("there is no process {missing}");
        }
        if roots.is_empty() {
            return Ok(None);
        }
        let roots = roots.to_vec();
        let peaks = Arc::new(Mutex::new(Peaks::default()));
        let ended = Arc::new(AtomicBool::new(false));
        let sampler = {
            let (roots, peaks, ended) = (roots.clone(), Arc::clone(&peaks), Arc::clone(&ended));
            thread::spawn(move || sample(&roots, &peaks, &ended))
        };
        let at_begin = ticks(&tree(&roots));
        Ok(Some(Self {
            roots,
            begin: clock::now(),
            at_begin,
            peaks,
            ended,
            sampler,
        }))
    }

    /// Ends the watch, at the latest `patience` from now and not before the processes are idle.
    pub(crate) fn finish(self, patience: Option<Duration>) -> Used {
        let idle_after = patience.and_then(|patience| self.wait_until_idle(patience));
        let members = tree(&self.roots);
        let spent = ticks(&members);
        self.ended.store(true, Ordering::Relaxed);
        self.sampler.thread().unpark();
        let _: thread::Result<()> = self.sampler.join();
        let peaks = self.peaks.lock().map(|peaks| *peaks).unwrap_or_default();
        let rss_end_bytes = rss(&members);
        Used {
            user_seconds: seconds(spent.user.saturating_sub(self.at_begin.user)),
            system_seconds: seconds(spent.system.saturating_sub(self.at_begin.system)),
            rss_peak_bytes: peaks.rss.max(rss_end_bytes),
            rss_end_bytes,
            pss_peak_bytes: peaks.pss,
            processes: members.len(),
            idle_after_seconds: idle_after.map(|duration| duration.as_secs_f64()),
        }
    }

    /// Idle is less than five percent of a core for the length of a sample.
    fn wait_until_idle(&self, patience: Duration) -> Option<Duration> {
        let given_up = clock::now() + patience;
        let mut window = clock::now();
        let mut before = ticks(&tree(&self.roots));
        while clock::now() < given_up {
            thread::sleep(SAMPLE_EVERY);
            let after = ticks(&tree(&self.roots));
            if (after.user + after.system).saturating_sub(before.user + before.system) <= 1 {
                return Some(window.duration_since(self.begin));
            }
            (before, window) = (after, clock::now());
        }
        None
    }
}

fn sample(roots: &[u32], peaks: &Mutex<Peaks>, ended: &AtomicBool) {
    let mut round = 0_u32;
    while !ended.load(Ordering::Relaxed) {
        let members = tree(roots);
        let resident = rss(&members);
        let proportional = if round.is_multiple_of(SAMPLES_PER_PSS) {
            pss(&members)
        } else {
            None
        };
        if let Ok(mut peaks) = peaks.lock() {
            peaks.rss = peaks.rss.max(resident);
            peaks.pss = peaks.pss.max(proportional);
        }
        round = round.wrapping_add(1);
        thread::park_timeout(SAMPLE_EVERY);
    }
}

fn tree(roots: &[u32]) -> HashMap<u32, Stat> {
    let everybody: HashMap<u32, Stat> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, read_stat(pid)?)))
        .collect();
    let belongs = |mut pid: u32| {
        // As many steps as there are processes: a parent may change while we read.
        for _ in 0..everybody.len() {
            if roots.contains(&pid) {
                return true;
            }
            match everybody.get(&pid) {
                Some(stat) => pid = stat.parent,
                None => return false,
            }
        }
        false
    };
    let members: Vec<u32> = everybody
        .keys()
        .copied()
        .filter(|pid| belongs(*pid))
        .collect();
    members
        .into_iter()
        .filter_map(|pid| Some((pid, *everybody.get(&pid)?)))
        .collect()
}

fn read_stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The fields of proc(5), of which the second may contain anything.
fn parse_stat(line: &str) -> Option<Stat> {
    let (_, behind_name) = line.rsplit_once(") ")?;
    let fields: Vec<&str> = behind_name.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(4)?).ok()?,
        ticks: Ticks {
            user: number(14)? + number(16)?,
            system: number(15)? + number(17)?,
        },
        rss_pages: number(24)?,
    })
}

fn ticks(members: &HashMap<u32, Stat>) -> Ticks {
    members.values().fold(Ticks::default(), |sum, stat| Ticks {
        user: sum.user + stat.ticks.user,
        system: sum.system + stat.ticks.system,
    })
}

fn rss(members: &HashMap<u32, Stat>) -> u64 {
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    members.values().map(|stat| stat.rss_pages).sum::<u64>() * page
}

fn pss(members: &HashMap<u32, Stat>) -> Option<u64> {
    members.keys().map(|pid| read_pss(*pid)).sum()
}

fn read_pss(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim()
        .strip_suffix(" kB")?
        .trim()
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}

fn seconds(ticks: u64) -> f64 {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_micros(ticks.saturating_mul(1_000_000 / per_second)).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::{Meter, Ticks, own_cpu, parse_stat};

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let line = "7 (a) b (c) S 3 4 5 6 7 8 9 10 11 12 100 50 10 5 20 0 1 0 99 1000 77 0";
        let stat = parse_stat(line).unwrap();
        assert_eq!(stat.parent, 3);
        assert_eq!(
            stat.ticks,
            Ticks {
                user: 110,
                system: 55
            }
        );
        assert_eq!(stat.rss_pages, 77);
    }

    #[test]
    fn a_running_process_has_memory_and_a_missing_one_is_an_error() {
        let meter = Meter::start(&[std::process::id()]).unwrap().unwrap();
        let used = meter.finish(None);
        assert!(used.rss_peak_bytes > 100_000);
        assert!(used.processes >= 1);
        assert!(Meter::start(&[u32::MAX]).is_err());
        assert!(Meter::start(&[]).unwrap().is_none());
        assert!(own_cpu().as_nanos() > 0);
    }
}
