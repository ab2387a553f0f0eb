//! Cheap repeatable randomness: the same seed gives the same load.

/// A SplitMix64 generator: not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator for the item `number`, independent of the order in which items are made.
    pub(crate) fn of_item(seed: u64, number: u64) -> Self {
        let mut scatter = Self(seed ^ number.wrapping_mul(0xd134_2543_de82_ef95));
        Self(scatter.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 when there is no such number.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// A number in (0, 1].
    pub(crate) fn unit(&mut self) -> f64 {
        let high = u32::try_from(self.next() >> 32).unwrap_or(u32::MAX);
        (f64::from(high) + 1.0) / (f64::from(u32::MAX) + 1.0)
    }

    /// The time between two events that happen `1 / mean` times per unit, independently.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -self.unit().ln() * mean
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn exponential_gaps_have_the_wanted_mean() {
        let mut random = Random::seeded(7);
        let total: f64 = (0..100_000).map(|_| random.exponential(0.01)).sum();
        assert!((990.0..1010.0).contains(&total), "{total}");
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_one_does_not() {
        let numbers = |seed| {
            let mut random = Random::seeded(seed);
            [random.next(), random.next(), random.next()]
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        assert_ne!(Random::of_item(1, 1).next(), Random::of_item(1, 2).next());
    }
}
