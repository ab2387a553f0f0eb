//! The only place of this program that reads a clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The monotonic time, from which all latencies are taken.
#[expect(
    clippy::disallowed_methods,
    reason = "a load generator measures real time"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Microseconds since 1970, for ledgers and the names of runs.
#[expect(
    clippy::disallowed_methods,
    reason = "a ledger says when a mail was acknowledged"
)]
pub(crate) fn unix_micros() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The date of a message in the form of RFC 5322 3.3.
pub(crate) fn mail_date(unix_seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut day = unix_seconds / 86_400;
    let second = unix_seconds % 86_400;
    let weekday = (0..7)
        .zip(DAYS)
        .find(|(n, _)| *n == day % 7)
        .map_or("Thu", |(_, name)| name);
    let mut year = 1970;
    while day >= days_of_year(year) {
        day -= days_of_year(year);
        year += 1;
    }
    let mut month = "Dec";
    for (number, name) in (1..).zip(MONTHS) {
        if day < days_of_month(year, number) {
            month = name;
            break;
        }
        day -= days_of_month(year, number);
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!(
        "{weekday}, {} {month} {year} {hour:02}:{minute:02}:{second:02} +0000",
        day + 1
    )
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u64) -> u64 {
    365 + u64::from(is_leap(year))
}

fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 => 28 + u64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::mail_date;

    #[test]
    fn dates_of_messages_are_those_of_the_calendar() {
        assert_eq!(mail_date(0), "Thu, 1 Jan 1970 00:00:00 +0000");
        assert_eq!(mail_date(951_782_399), "Mon, 28 Feb 2000 23:59:59 +0000");
        assert_eq!(mail_date(951_782_400), "Tue, 29 Feb 2000 00:00:00 +0000");
        assert_eq!(mail_date(1_767_225_599), "Wed, 31 Dec 2025 23:59:59 +0000");
    }
}
