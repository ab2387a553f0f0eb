//! The types of settings, and how they are written.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cassmail_mail::{Address, Domain};

use crate::layer::Raw;

/// A size with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// A time with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval(pub Duration);

/// How many replicas each data center has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replicas(pub BTreeMap<String, u32>);

/// The mode of a file, such as 0660.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMode(pub u32);

/// Files that belong together, such as certificates with their keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilePairs(pub BTreeMap<PathBuf, PathBuf>);

/// A type that a setting can have.
pub(crate) trait Value: Sized {
    /// What has to be written, for errors.
    fn expected() -> String;

    /// Reads it; none when it is something else.
    fn read(raw: &Raw) -> Option<Self>;
}

/// A type whose settings have a least and a greatest value.
pub(crate) trait Measure: Value + PartialOrd {
    /// What has to be written between two bounds, for errors.
    fn expected_between(low: &Self, high: &Self) -> String;
}

impl Value for String {
    fn expected() -> String {
        "a text in quotes".to_owned()
    }

    fn read(raw: &Raw) -> Option<Self> {
        raw.text().map(str::to_owned)
    }
}

impl Value for bool {
    fn expected() -> String {
        "true or false".to_owned()
    }

    fn read(raw: &Raw) -> Option<Self> {
        match raw {
            Raw::Boolean(value) => Some(*value),
            _ => None,
        }
    }
}

impl Value for u32 {
    fn expected() -> String {
        Self::expected_between(&1, &Self::MAX)
    }

    fn read(raw: &Raw) -> Option<Self> {
        match raw {
            Raw::Integer(value) => Self::try_from(*value).ok().filter(|value| *value > 0),
            _ => None,
        }
    }
}

impl Measure for u32 {
    fn expected_between(low: &Self, high: &Self) -> String {
        format!("a whole number from {low} to {high}")
    }
}

impl Value for PathBuf {
    fn expected() -> String {
        "a path in quotes".to_owned()
    }

    fn read(raw: &Raw) -> Option<Self> {
        raw.text().map(Self::from)
    }
}

impl ByteSize {
    const UNITS: [(&str, u64); 4] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ];

    /// So many times 1024 octets.
    pub const fn kib(count: u64) -> Self {
        Self(count << 10)
    }

    /// So many times 1024 KiB.
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// So many times 1024 MiB.
    pub const fn gib(count: u64) -> Self {
        Self(count << 30)
    }
}

impl Value for ByteSize {
    fn expected() -> String {
        "a size with its unit, such as \"50 MiB\"".to_owned()
    }

    fn read(raw: &Raw) -> Option<Self> {
        quantity(raw.text()?, &Self::UNITS).map(Self)
    }
}

impl Measure for ByteSize {
    fn expected_between(low: &Self, high: &Self) -> String {
        format!("a size from \"{low}\" to \"{high}\"")
    }
}

/// In the largest unit that leaves no rest.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match in_largest_unit(self.0, &Self::UNITS) {
            Some((count, unit)) => write!(f, "{count} {unit}"),
            None => write!(f, "{} octets", self.0),
        }
    }
}

impl Interval {
    const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];

    /// So many seconds.
    pub const fn seconds(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }

    /// So many minutes.
    pub const fn minutes(count: u64) -> Self {
        Self(Duration::from_mins(count))
    }
}

impl Value for Interval {
    fn expected() -> String {
        "a time with its unit, such as \"30s\", \"5m\" or \"500ms\"".to_owned()
    }

    fn read(raw: &Raw) -> Option<Self> {
        let millis = quantity(raw.text()?, &Self::UNITS)?;
        Some(Self(Duration::from_millis(millis)))
    }
}

impl Measure for Interval {
    fn expected_between(low: &Self, high: &Self) -> String {
        format!("a time from \"{low}\" to \"{high}\"")
    }
}

/// In the largest unit that leaves no rest.
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        match in_largest_unit(millis, &Self::UNITS) {
            Some((count, unit)) => write!(f, "{count}{unit}"),
            None => f.write_str("0s"),
        }
    }
}

/// A whole number and a unit, with or without a space between.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// The inverse, for amounts above zero that are a multiple of a unit.
fn in_largest_unit<'a>(amount: u64, units: &[(&'a str, u64)]) -> Option<(u64, &'a str)> {
    let divides = |(_, factor): &&(&str, u64)| amount > 0 && amount.is_multiple_of(*factor);
    let (unit, factor) = units.iter().rev().find(divides)?;
    Some((amount / factor, unit))
}

impl Value for SocketAddr {
    fn expected() -> String {
        "an address with a port, such as \"127.0.0.1:2080\"".to_owned()
    }

    fn read(raw: &Raw) -> Option<Self> {
        raw.text()?.parse().ok()
    }
}

impl Value for Domain {
    fn expected() -> String {
        "a domain, such as \"example.org\"".to_owned()
    }

    fn read(raw: &Raw) -> Option<Self> {
        raw.text()?.parse().ok()
    }
}

impl Value for Address {
    fn expected() -> String {
        "an address, such as \"bob@example.org\"".to_owned()
    }

    fn read(raw: &Raw) -> Option<Self> {
        raw.text()?.parse().ok()
    }
}

impl Value for char {
    fn expected() -> String {
        "one character in quotes".to_owned()
    }

    fn read(raw: &Raw) -> Option<Self> {
        let mut characters = raw.text()?.chars();
        characters.next().filter(|_| characters.next().is_none())
    }
}

/// Empty text stands for "none".
impl<T: Value> Value for Option<T> {
    fn expected() -> String {
        format!("{}, or \"\"", T::expected())
    }

    fn read(raw: &Raw) -> Option<Self> {
        match raw.text() {
            Some("") => Some(None),
            _ => T::read(raw).map(Some),
        }
    }
}

impl<T: Value> Value for Vec<T> {
    fn expected() -> String {
        format!("a list in square brackets, each {}", T::expected())
    }

    fn read(raw: &Raw) -> Option<Self> {
        match raw {
            Raw::List(items) => items.iter().map(T::read).collect(),
            _ => None,
        }
    }
}

impl Value for Replicas {
    fn expected() -> String {
        "the number of replicas of each data center, such as { dc1 = 3, dc2 = 3 }".to_owned()
    }

    fn read(raw: &Raw) -> Option<Self> {
        let Raw::Table(entries) = raw else {
            return None;
        };
        let replicas = entries
            .iter()
            .map(|(center, raw)| Some((center.clone(), u32::read(raw)?)));
        replicas.collect::<Option<_>>().map(Self)
    }
}

impl Value for FileMode {
    fn expected() -> String {
        "a mode of three octal digits in quotes, such as \"0660\"".to_owned()
    }

    fn read(raw: &Raw) -> Option<Self> {
        let text = raw.text()?;
        let digits = text.strip_prefix('0').unwrap_or(text);
        let is_octal = digits.len() == 3 && digits.bytes().all(|b| matches!(b, b'0'..=b'7'));
        let mode = u32::from_str_radix(digits, 8).ok();
        mode.filter(|_| is_octal).map(Self)
    }
}

impl Value for FilePairs {
    fn expected() -> String {
        "files with the file that belongs to each, such as { \"/a/chain.pem\" = \"/a/key.pem\" }"
            .to_owned()
    }

    fn read(raw: &Raw) -> Option<Self> {
        let Raw::Table(entries) = raw else {
            return None;
        };
        let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        let pairs = entries
            .iter()
            .map(|(one, other)| Some((path(one)?, path(other.text()?)?)));
        pairs.collect::<Option<_>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    #[test]
    fn sizes_and_times_need_their_unit() {
        assert_eq!(ByteSize::read(&text("50 MiB")), Some(ByteSize::mib(50)));
        assert_eq!(ByteSize::read(&text("1KiB")), Some(ByteSize(1024)));
        assert_eq!(Interval::read(&text("5m")), Some(Interval::minutes(5)));
        assert_eq!(Interval::read(&text("0s")), Some(Interval(Duration::ZERO)));
        for bad in [
            "50",
            "MiB",
            "-1 MiB",
            "1.5 MiB",
            "1 MB",
            "99999999999 TiB",
            "",
        ] {
            assert_eq!(ByteSize::read(&text(bad)), None, "{bad}");
        }
        assert_eq!(Interval::read(&Raw::Integer(30)), None);
    }

    #[test]
    fn what_is_shown_is_read_as_the_same() {
        for (written, shown) in [
            ("1024 KiB", "1 MiB"),
            ("1500 MiB", "1500 MiB"),
            ("1GiB", "1 GiB"),
        ] {
            let size = ByteSize::read(&text(written)).unwrap();
            assert_eq!(size.to_string(), shown);
            assert_eq!(ByteSize::read(&text(shown)), Some(size));
        }
        for (written, shown) in [
            ("60s", "1m"),
            ("90s", "90s"),
            ("0h", "0s"),
            ("1500ms", "1500ms"),
        ] {
            let interval = Interval::read(&text(written)).unwrap();
            assert_eq!(interval.to_string(), shown);
            assert_eq!(Interval::read(&text(shown)), Some(interval));
        }
    }

    #[test]
    fn replicas_are_counted_for_each_data_center() {
        let table = |number| Raw::Table([("dc1".to_owned(), Raw::Integer(number))].into());
        let replicas = Replicas([("dc1".to_owned(), 3)].into());
        assert_eq!(Replicas::read(&table(3)), Some(replicas));
        assert_eq!(Replicas::read(&table(0)), None);
        assert_eq!(Replicas::read(&Raw::Integer(3)), None);
    }

    #[test]
    fn modes_are_octal_and_pairs_have_both_files() {
        assert_eq!(FileMode::read(&text("0660")), Some(FileMode(0o660)));
        assert_eq!(FileMode::read(&text("600")), Some(FileMode(0o600)));
        for bad in ["", "0", "66", "0668", "00660", "rw-rw----"] {
            assert_eq!(FileMode::read(&text(bad)), None, "{bad}");
        }
        assert_eq!(FileMode::read(&Raw::Integer(660)), None);
        let pairs = |one: &str, other: Raw| Raw::Table([(one.to_owned(), other)].into());
        let wanted = FilePairs([("/a".into(), "/b".into())].into());
        assert_eq!(FilePairs::read(&pairs("/a", text("/b"))), Some(wanted));
        assert_eq!(FilePairs::read(&pairs("/a", text(""))), None);
        assert_eq!(FilePairs::read(&pairs("", text("/b"))), None);
        assert_eq!(FilePairs::read(&pairs("/a", Raw::Integer(1))), None);
        assert_eq!(FilePairs::read(&text("/a")), None);
    }

    #[test]
    fn empty_text_is_none_where_that_is_possible() {
        assert_eq!(Option::<Domain>::read(&text("")), Some(None));
        assert_eq!(Option::<Domain>::read(&text("a..b")), None);
        assert_eq!(char::read(&text("+")), Some('+'));
        assert_eq!(char::read(&text("++")), None);
    }
}
