//! Readings of the process itself, taken when somebody asks. Zero where /proc is not there.

use std::fs;
use std::time::Duration;

/// Memory that is resident now, in bytes.
pub(crate) fn resident_memory_bytes() -> i64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    number_after(&status, "VmRSS:").saturating_mul(1024)
}

/// Files that are open now.
pub(crate) fn open_files() -> i64 {
    let count = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    // One of them is the folder that was just read.
    i64::try_from(count.saturating_sub(1)).unwrap_or(i64::MAX)
}

/// Files that may be open.
pub(crate) fn open_files_limit() -> i64 {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    number_after(&limits, "Max open files")
}

/// What the process used of time.
pub(crate) struct Times {
    /// Seconds since 1970.
    pub(crate) started_at: i64,
    /// In user code and in the system's.
    pub(crate) processor_seconds: f64,
}

/// When the process started, and what it used since.
pub(crate) fn times() -> Times {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let system = fs::read_to_string("/proc/stat").unwrap_or_default();
    times_of(&stat, number_after(&system, "btime"))
}

/// A tick of /proc, for programs on any processor that Linux runs on (USER_HZ is 100).
const TICK_MILLIS: u64 = 10;

/// Fields 14, 15 and 22 of proc_pid_stat(5), counted from the third, which follows the name.
fn times_of(stat: &str, booted_at: i64) -> Times {
    // The name may have spaces and parentheses in it, but no field after it has.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let time = |number: usize| -> Duration {
        let field = fields.split_whitespace().nth(number - 3);
        let ticks: Option<u64> = field.and_then(|field| field.parse().ok());
        Duration::from_millis(ticks.unwrap_or(0).saturating_mul(TICK_MILLIS))
    };
    let after_boot = i64::try_from(time(22).as_secs()).unwrap_or(i64::MAX);
    Times {
        started_at: booted_at.saturating_add(after_boot),
        processor_seconds: time(14).saturating_add(time(15)).as_secs_f64(),
    }
}

/// The number after a label at the beginning of a line.
fn number_after(text: &str, label: &str) -> i64 {
    let line = text.lines().find_map(|line| line.strip_prefix(label));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_a_name_with_spaces_and_parentheses() {
        let stat = "7 (a) (b c) S 1 7 7 0 -1 4194560 1 0 0 0 250 150 0 0 20 0 4 0 1234 1 1 1";
        let times = times_of(stat, 1_000_000);
        assert_eq!(times.started_at, 1_000_012);
        assert!((times.processor_seconds - 4.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_not_there_is_zero() {
        let times = times_of("", 0);
        assert_eq!(times.started_at, 0);
        assert!(times.processor_seconds < 1e-9);
        assert_eq!(number_after("VmRSS: lots", "VmRSS:"), 0);
    }
}
