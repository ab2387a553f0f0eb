//! Time limits of tests.

use std::time::{Duration, Instant};

/// A moment by which something must have happened.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// From now on for `limit`.
    #[expect(
        clippy::disallowed_methods,
        reason = "tests wait for real processes in real time"
    )]
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// What is left; nothing once it has passed.
    #[expect(
        clippy::disallowed_methods,
        reason = "tests wait for real processes in real time"
    )]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it is over.
    pub fn passed(self) -> bool {
        self.left().is_zero()
    }
}
