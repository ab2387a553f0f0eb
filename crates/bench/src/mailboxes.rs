//! The names of mailboxes and which of them comes next.

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::random::Random;

/// Which mailbox an operation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pick {
    /// One after the other.
    RoundRobin,
    /// All with the same probability.
    Random,
    /// The n-th with a probability of 1 / n^1.3.
    Zipf,
}

/// A list of mailbox names.
#[derive(Debug)]
pub(crate) struct Mailboxes {
    names: Vec<String>,
    pick: Pick,
    /// Of the Zipf law: the probability that it is this mailbox or one before it.
    cumulative: Vec<f64>,
}

const ZIPF_EXPONENT: f64 = 1.3;

impl Mailboxes {
    /// Names from a template such as `user{n}@example.org`, or from a list with commas.
    pub(crate) fn new(template: &str, first: u64, number: u64, pick: Pick) -> Result<Self> {
        let names: Vec<String> = if template.contains("{n}") {
            (first..first.saturating_add(number))
                .map(|n| template.replace("{n}", &n.to_string()))
                .collect()
        } else {
            template
                .split(',')
                .map(str::trim)
                .filter(|s| !s.is_empty())
                .map(Into::into)
                .collect()
        };
        if names.is_empty() {
            bail!("`{template}` names no mailbox");
        }
        if let Some(name) = names.iter().find(|name| !is_plain(name)) {
            bail!("`{name}` is not a mailbox name: no spaces, brackets or control characters");
        }
        let cumulative = if pick == Pick::Zipf {
            zipf(names.len())
        } else {
            Vec::new()
        };
        Ok(Self {
            names,
            pick,
            cumulative,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn name(&self, index: usize) -> &str {
        self.names.get(index).map_or("", String::as_str)
    }

    /// The mailbox of operation `number`, whose own randomness is `random`.
    pub(crate) fn choose(&self, number: u64, random: &mut Random) -> usize {
        let len = u64::try_from(self.len()).unwrap_or(u64::MAX);
        let chosen = match self.pick {
            Pick::RoundRobin => number.checked_rem(len).unwrap_or(0),
            Pick::Random => random.below(len),
            Pick::Zipf => {
                let point = random.unit();
                let before = self.cumulative.partition_point(|sum| *sum < point);
                return before.min(self.len().saturating_sub(1));
            }
        };
        usize::try_from(chosen).unwrap_or(0)
    }

    /// Writes `wanted` different mailboxes to `chosen`, or all when there are fewer.
    pub(crate) fn choose_several(
        &self,
        number: u64,
        wanted: usize,
        random: &mut Random,
        chosen: &mut Vec<usize>,
    ) {
        chosen.clear();
        let mut candidate = self.choose(number, random);
        for _ in 0..wanted.min(self.len()) {
            while chosen.contains(&candidate) {
                candidate = (candidate + 1).checked_rem(self.len()).unwrap_or(0);
            }
            chosen.push(candidate);
            candidate = self.choose(random.next() >> 1, random);
        }
    }
}

fn is_plain(name: &str) -> bool {
    name.bytes()
        .all(|b| b.is_ascii_graphic() && b != b'<' && b != b'>')
}

fn zipf(number: usize) -> Vec<f64> {
    let mut sum = 0.0;
    let weights = (1..=number).map(|rank| {
        sum += f64::from(u32::try_from(rank).unwrap_or(u32::MAX)).powf(-ZIPF_EXPONENT);
        sum
    });
    let sums: Vec<f64> = weights.collect();
    sums.iter().map(|partial| partial / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::{Mailboxes, Pick};
    use crate::random::Random;

    #[test]
    fn templates_and_lists_give_names() {
        let mailboxes = Mailboxes::new("user{n}@example.org", 5, 2, Pick::RoundRobin).unwrap();
        assert_eq!(mailboxes.len(), 2);
        assert_eq!(mailboxes.name(1), "user6@example.org");
        let mailboxes = Mailboxes::new("a@b, c@d", 1, 9, Pick::RoundRobin).unwrap();
        assert_eq!((mailboxes.len(), mailboxes.name(1)), (2, "c@d"));
        assert!(Mailboxes::new("a b", 1, 1, Pick::Random).is_err());
        assert!(Mailboxes::new("user{n}", 1, 0, Pick::Random).is_err());
    }

    #[test]
    fn the_recipients_of_one_message_are_all_different() {
        for pick in [Pick::RoundRobin, Pick::Random, Pick::Zipf] {
            let mailboxes = Mailboxes::new("u{n}@x", 1, 20, pick).unwrap();
            let mut chosen = Vec::new();
            for number in 0..100 {
                let mut random = Random::of_item(3, number);
                mailboxes.choose_several(number, 20, &mut random, &mut chosen);
                chosen.sort_unstable();
                assert_eq!(chosen, (0..20).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn the_first_mailbox_of_a_zipf_law_is_the_busiest() {
        let mailboxes = Mailboxes::new("u{n}@x", 1, 1000, Pick::Zipf).unwrap();
        let mut random = Random::seeded(2);
        let firsts = (0..10_000)
            .filter(|n| mailboxes.choose(*n, &mut random) == 0)
            .count();
        assert!((2_600..3_300).contains(&firsts), "{firsts}");
    }
}
