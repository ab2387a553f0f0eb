//! Pauses between repetitions: longer each time, and not the same for everybody, so that those who
//! failed together do not come back together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

/// Makes pauses that differ.
pub(crate) struct Dice(AtomicU64);

/// A row of pauses that grow.
pub(crate) struct Pauses {
    next: Duration,
    longest: Duration,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Between three quarters and five quarters of a pause.
    pub(crate) fn shake(&self, pause: Duration) -> Duration {
        let drawn = xxh3_64(&self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        let part = u32::try_from(drawn % 512).unwrap_or_default();
        pause * 3 / 4 + pause * part / 1024
    }
}

impl Pauses {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self {
            next: first,
            longest,
        }
    }

    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut pauses = Pauses::new(Duration::from_millis(50), Duration::from_millis(300));
        let made = [(); 5].map(|()| pauses.next().as_millis());
        assert_eq!(made, [50, 100, 200, 300, 300]);
    }

    #[test]
    fn a_shaken_pause_differs_by_a_quarter_at_most() {
        let dice = Dice::new(7);
        let pause = Duration::from_secs(1);
        let shaken: Vec<_> = (0..1000).map(|_| dice.shake(pause)).collect();
        assert!(shaken.iter().all(|shaken| *shaken >= pause * 3 / 4));
        assert!(shaken.iter().all(|shaken| *shaken <= pause * 5 / 4));
        let distinct: std::collections::BTreeSet<_> = shaken.iter().collect();
        assert!(distinct.len() > 300);
    }
}
