//! Readings of the process itself, taken when somebody asks.

use std::fs;

/// Memory that is resident now, in bytes; zero where /proc is not there.
pub(crate) fn resident_memory_bytes() -> i64 {
    let Ok(status) = fs::read_to_string("/proc/self/status") else {
        return 0;
    };
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<i64>().ok());
    kib.unwrap_or_default().saturating_mul(1024)
}

/// Files that are open now; zero where /proc is not there.
pub(crate) fn open_files() -> i64 {
    let count = fs::read_dir("/proc/self/fd")
        .map(Iterator::count)
        .unwrap_or_default();
    i64::try_from(count).unwrap_or(i64::MAX)
}
