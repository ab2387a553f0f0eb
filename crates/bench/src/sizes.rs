//! How large a message is and how many recipients it has.
//!
//! `spec` means the published distributions of SPECmail2001: sizes with a mean of 24.5 KiB, of
//! which half is below 4 KiB, and two recipients on average, of which 86 % of the messages have
//! one.

use std::str::FromStr;

use crate::random::Random;

/// The distribution of sizes in octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sizes {
    /// Every message has this size.
    Fixed(usize),
    /// SPECmail2001.
    Spec,
}

/// The distribution of the number of recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recipients {
    /// Every message has this many.
    Fixed(usize),
    /// SPECmail2001.
    Spec,
}

/// Size in KiB and how many of 10 000 messages have it.
const SPEC_SIZES: [(usize, u64); 10] = [
    (1, 1020),
    (2, 3071),
    (3, 2059),
    (4, 1078),
    (5, 588),
    (6, 374),
    (10, 744),
    (100, 979),
    (1000, 69),
    (2675, 18),
];

/// How many of 10 000 messages have 1, 2, 3 ... 20 recipients.
const SPEC_RECIPIENTS: [u64; 20] = [
    8573, 166, 149, 134, 120, 108, 97, 88, 79, 71, 64, 58, 52, 47, 42, 38, 34, 31, 28, 21,
];

impl Sizes {
    pub(crate) fn draw(self, random: &mut Random) -> usize {
        match self {
            Self::Fixed(octets) => octets,
            Self::Spec => weighted(SPEC_SIZES.into_iter(), random).saturating_mul(1024),
        }
    }
}

impl Recipients {
    pub(crate) fn draw(self, random: &mut Random) -> usize {
        match self {
            Self::Fixed(number) => number,
            Self::Spec => weighted((1..).zip(SPEC_RECIPIENTS), random),
        }
    }
}

fn weighted(table: impl Iterator<Item = (usize, u64)>, random: &mut Random) -> usize {
    let mut left = random.below(10_000);
    let mut chosen = 0;
    for (value, weight) in table {
        chosen = value;
        match left.checked_sub(weight) {
            Some(rest) => left = rest,
            None => break,
        }
    }
    chosen
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "spec" => Ok(Self::Spec),
            octets => parse_octets(octets).map(Self::Fixed),
        }
    }
}

impl FromStr for Recipients {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "spec" => Ok(Self::Spec),
            Ok(number) if number > 0 => Ok(Self::Fixed(number)),
            _ => Err(format!(
                "expected a number from 1 or `spec`, found `{text}`"
            )),
        }
    }
}

/// Reads `1500`, `10KiB`, `10k` (both 1024), `10kB` (1000), `2MiB` and so on.
fn parse_octets(text: &str) -> Result<usize, String> {
    let wrong = || format!("expected a size such as 10KiB or `spec`, found `{text}`");
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1024,
        "kb" => 1000,
        "m" | "mib" => 1024 * 1024,
        "mb" => 1_000_000,
        _ => return Err(wrong()),
    };
    number
        .parse::<usize>()
        .ok()
        .and_then(|n| n.checked_mul(factor))
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::{Recipients, SPEC_RECIPIENTS, SPEC_SIZES, Sizes};
    use crate::random::Random;

    #[test]
    fn the_published_tables_are_complete() {
        assert_eq!(
            SPEC_SIZES.iter().map(|(_, weight)| weight).sum::<u64>(),
            10_000
        );
        assert_eq!(SPEC_RECIPIENTS.iter().sum::<u64>(), 10_000);
    }

    #[test]
    fn drawn_sizes_and_recipients_have_the_published_means() {
        let mut random = Random::seeded(1);
        let octets: usize = (0..200_000).map(|_| Sizes::Spec.draw(&mut random)).sum();
        let mean = octets / 200_000;
        assert!((24 * 1024..26 * 1024).contains(&mean), "{mean}");
        let copies: usize = (0..100_000)
            .map(|_| Recipients::Spec.draw(&mut random))
            .sum();
        assert!((195_000..205_000).contains(&copies), "{copies}");
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        assert_eq!("10KiB".parse(), Ok(Sizes::Fixed(10_240)));
        assert_eq!("10kB".parse(), Ok(Sizes::Fixed(10_000)));
        assert_eq!("25MiB".parse(), Ok(Sizes::Fixed(26_214_400)));
        assert_eq!("77".parse(), Ok(Sizes::Fixed(77)));
        assert_eq!("spec".parse(), Ok(Sizes::Spec));
        assert!("10 bananas".parse::<Sizes>().is_err());
        assert!("KiB".parse::<Sizes>().is_err());
        assert!("0".parse::<Recipients>().is_err());
    }
}
