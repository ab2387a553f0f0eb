//! The machine that figures are from: without it they mean nothing.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::clock;
use super::report::Table;
use crate::command::say;

/// How many flushes are timed.
const FLUSHES: usize = 200;

/// What is worth knowing of a machine.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) cores: usize,
    pub(super) processor: String,
    pub(super) memory_mib: u64,
    pub(super) kernel: String,
    pub(super) file_system: String,
    /// Of writing 4 KiB and `fdatasync`, in the folder of the benchmark: median and 99 %.
    pub(super) flush: (Duration, Duration),
    /// Processors that others kept busy in the second before we began.
    pub(super) busy: f64,
}

impl Machine {
    /// Looks around; the disk is the one with `folder`.
    pub(super) fn look(folder: &Path) -> Result<Self> {
        let cpuinfo = read("/proc/cpuinfo");
        let meminfo = read("/proc/meminfo");
        let memory = field(&meminfo, "MemTotal")
            .and_then(|text| text.strip_suffix(" kB")?.parse::<u64>().ok());
        Ok(Self {
            cores: thread::available_parallelism().map_or(0, usize::from),
            processor: field(&cpuinfo, "model name").unwrap_or_else(|| "unknown".into()),
            memory_mib: memory.unwrap_or(0) / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(&read("/proc/mounts"), folder),
            flush: time_flushes(folder)?,
            busy: busy_processors(),
        })
    }

    /// Says why figures from here may mislead.
    pub(super) fn say_doubts(&self) {
        for doubt in self.doubts() {
            say(&format!("doubtful: {doubt}"));
        }
    }

    fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        if ["tmpfs", "ramfs"].contains(&self.file_system.as_str()) {
            doubts.push("the folder is in memory, so that flushes cost nothing: use --dir".into());
        }
        if self.busy > 0.2 {
            doubts.push(format!(
                "others kept {:.1} processors busy before the start: read the ratios, not the \
                 absolute figures",
                self.busy
            ));
        }
        doubts
    }

    /// The end of each section of figures.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(&["machine", ""]);
        for (what, value) in self.lines() {
            table.row(vec![what.to_owned(), value]);
        }
        table
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let milliseconds = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
        let (median, late) = self.flush;
        vec![
            ("processor", format!("{} x {}", self.cores, self.processor)),
            ("memory", format!("{} MiB", self.memory_mib)),
            ("kernel", self.kernel.clone()),
            ("file system", self.file_system.clone()),
            (
                "flush of 4 KiB",
                format!("p50 {}, p99 {}", milliseconds(median), milliseconds(late)),
            ),
            (
                "others before the start",
                format!("{:.2} processors", self.busy),
            ),
        ]
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "cores": self.cores,
            "processor": self.processor,
            "memory_mib": self.memory_mib,
            "kernel": self.kernel,
            "file_system": self.file_system,
            "flush_ms_p50": self.flush.0.as_secs_f64() * 1e3,
            "flush_ms_p99": self.flush.1.as_secs_f64() * 1e3,
            "busy_processors_before": self.busy,
        })
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The first value of a field in a file such as /proc/cpuinfo.
fn field(text: &str, name: &str) -> Option<String> {
    let values = text.lines().filter_map(|line| line.split_once(':'));
    let mut values = values.filter(|(found, _)| found.trim() == name);
    values.next().map(|(_, value)| value.trim().to_owned())
}

/// The type of the file system with the longest mount point above `folder`.
fn file_system(mounts: &str, folder: &Path) -> String {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let above = mounts.filter(|(point, _)| folder.starts_with(point));
    // Of two with the same point the later one hides the earlier one.
    let nearest = above.max_by_key(|(point, _)| point.len());
    nearest.map_or_else(|| "unknown".into(), |(_, kind)| kind.to_owned())
}

/// Processors that are busy, over a second.
fn busy_processors() -> f64 {
    let begin = clock::now();
    let before = busy();
    thread::sleep(Duration::from_secs(1));
    let spent = busy().saturating_sub(before);
    spent.as_secs_f64() / clock::now().duration_since(begin).as_secs_f64()
}

/// How long the processors of this machine were busy since its start, all together.
pub(super) fn busy() -> Duration {
    const MILLISECONDS_OF_A_TICK: u64 = 10;
    Duration::from_millis(busy_ticks(&read("/proc/stat")) * MILLISECONDS_OF_A_TICK)
}

/// All but the idle time, the waiting for disks and what is counted twice. proc(5).
fn busy_ticks(stat: &str) -> u64 {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "));
    let fields = line.unwrap_or_default().split_ascii_whitespace();
    let fields: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
    let is_busy = |place: &usize| [0, 1, 2, 5, 6, 7].contains(place);
    let busy = fields
        .iter()
        .enumerate()
        .filter(|(place, _)| is_busy(place));
    busy.map(|(_, ticks)| ticks).sum()
}

fn time_flushes(folder: &Path) -> Result<(Duration, Duration)> {
    let path = folder.join("flushes");
    let mut file = File::create(&path).context("cannot write to the folder")?;
    let mut times = Vec::with_capacity(FLUSHES);
    for _ in 0..FLUSHES {
        file.seek(SeekFrom::Start(0))?;
        let begin = clock::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.push(clock::now().duration_since(begin));
    }
    fs::remove_file(path)?;
    times.sort_unstable();
    let at = |hundredth: usize| times.get(FLUSHES * hundredth / 100).copied();
    Ok((at(50).unwrap_or_default(), at(99).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{busy_ticks, field, file_system};

    #[test]
    fn the_file_system_is_that_of_the_nearest_mount_point() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/x xfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/var/tmp")), "ext4");
        assert_eq!(file_system(mounts, Path::new("/tmp/y")), "tmpfs");
        assert_eq!(file_system(mounts, Path::new("/tmp/x/y")), "xfs");
    }

    #[test]
    fn idle_and_waiting_processors_are_not_busy() {
        let stat = "cpu  10 20 30 1000 500 1 2 3 77 77\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(busy_ticks(stat), 66);
        assert_eq!(busy_ticks(""), 0);
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "model : 7\nmodel name : Fast  \nmodel name : Other\n";
        assert_eq!(field(text, "model name").as_deref(), Some("Fast"));
        assert_eq!(field(text, "name"), None);
    }
}
