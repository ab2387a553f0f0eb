//! The types of settings, and how they are written.

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

/// A type that a setting can have.
pub(crate) trait Value: Sized {
    /// What has to be written, for errors.
    const EXPECTED: &'static str;

    /// Reads it; none when it is something else.
    fn read(raw: &Raw) -> Option<Self>;
}

impl Value for String {
    const EXPECTED: &'static str = "a text in quotes";

    fn read(raw: &Raw) -> Option<Self> {
        raw.text().map(str::to_owned)
    }
}

impl Value for bool {
    const EXPECTED: &'static str = "true or false";

    fn read(raw: &Raw) -> Option<Self> {
        match raw {
            Raw::Boolean(value) => Some(*value),
            _ => None,
        }
    }
}

impl Value for u32 {
    const EXPECTED: &'static str = "a whole number from 1 to 4294967295";

    fn read(raw: &Raw) -> Option<Self> {
        match raw {
            Raw::Integer(value) => Self::try_from(*value).ok().filter(|value| *value > 0),
            _ => None,
        }
    }
}

impl Value for PathBuf {
    const EXPECTED: &'static str = "a path in quotes";

    fn read(raw: &Raw) -> Option<Self> {
        raw.text().map(Self::from)
    }
}

impl Value for ByteSize {
    const EXPECTED: &'static str = "a size with its unit, such as \"50 MiB\"";

    fn read(raw: &Raw) -> Option<Self> {
        let units = [
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
            ("TiB", 1 << 40),
        ];
        quantity(raw.text()?, &units).map(Self)
    }
}

impl Value for Interval {
    const EXPECTED: &'static str = "a time with its unit, such as \"30s\", \"5m\" or \"500ms\"";

    fn read(raw: &Raw) -> Option<Self> {
        let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
        quantity(raw.text()?, &units).map(|millis| Self(Duration::from_millis(millis)))
    }
}

/// A whole number and a unit, with or without a space between.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

impl Value for SocketAddr {
    const EXPECTED: &'static str = "an address with a port, such as \"127.0.0.1:2080\"";

    fn read(raw: &Raw) -> Option<Self> {
        raw.text()?.parse().ok()
    }
}

impl Value for Domain {
    const EXPECTED: &'static str = "a domain, such as \"example.org\"";

    fn read(raw: &Raw) -> Option<Self> {
        raw.text()?.parse().ok()
    }
}

impl Value for Address {
    const EXPECTED: &'static str = "an address, such as \"bob@example.org\"";

    fn read(raw: &Raw) -> Option<Self> {
        raw.text()?.parse().ok()
    }
}

impl Value for char {
    const EXPECTED: &'static str = "one character in quotes";

    fn read(raw: &Raw) -> Option<Self> {
        let mut characters = raw.text()?.chars();
        characters.next().filter(|_| characters.next().is_none())
    }
}

/// Empty text stands for "none".
impl<T: Value> Value for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn read(raw: &Raw) -> Option<Self> {
        match raw.text() {
            Some("") => Some(None),
            _ => T::read(raw).map(Some),
        }
    }
}

impl<T: Value> Value for Vec<T> {
    const EXPECTED: &'static str = "a list in square brackets";

    fn read(raw: &Raw) -> Option<Self> {
        match raw {
            Raw::List(items) => items.iter().map(T::read).collect(),
            _ => None,
        }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} KiB", self.0 / 1024)
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
        assert_eq!(ByteSize::read(&text("50 MiB")), Some(ByteSize(50 << 20)));
        assert_eq!(ByteSize::read(&text("1KiB")), Some(ByteSize(1024)));
        assert_eq!(
            Interval::read(&text("5m")),
            Some(Interval(Duration::from_mins(5)))
        );
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
    fn empty_text_is_none_where_that_is_possible() {
        assert_eq!(Option::<Domain>::read(&text("")), Some(None));
        assert_eq!(Option::<Domain>::read(&text("a..b")), None);
        assert_eq!(char::read(&text("+")), Some('+'));
        assert_eq!(char::read(&text("++")), None);
    }
}
