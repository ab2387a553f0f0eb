//! The only place of the benchmarks that reads a clock.

use std::time::Instant;

/// The monotonic time.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(super) fn now() -> Instant {
    Instant::now()
}
