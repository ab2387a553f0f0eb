//! Waits with an end: whatever a cluster is asked for comes, or is said not to have come.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long a wait sleeps between two looks.
const STEP: Duration = Duration::from_millis(100);

/// A time that has begun to run.
pub(super) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "real processes are waited for, no clock that a test could turn"
    )]
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// In seconds with one digit, to be shown.
    pub(super) fn shown(&self) -> String {
        format!("{:.1} s", self.elapsed().as_secs_f64())
    }
}

/// What one look found.
pub(super) enum Look {
    Done,
    /// Not yet, and why not.
    NotYet(String),
}

/// Looks again and again until it is done.
///
/// # Errors
/// Those of a look, at once; and when the time is over, with the reason of the last look.
pub(super) fn wait(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Look>,
) -> Result<()> {
    let watch = Stopwatch::start();
    loop {
        let reason = match look()? {
            Look::Done => return Ok(()),
            Look::NotYet(reason) => reason,
        };
        if watch.elapsed() > limit {
            bail!("{what}: not within {} s; {reason}", limit.as_secs());
        }
        std::thread::sleep(STEP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_is_over_says_what_was_missing() {
        let look = || Ok(Look::NotYet("node 2 is silent".to_owned()));
        let error = wait("ring", Duration::ZERO, look).unwrap_err().to_string();
        assert_eq!(error, "ring: not within 0 s; node 2 is silent");
    }

    #[test]
    fn an_error_ends_a_wait_at_once() {
        let look = || bail!("node 1 ended");
        let error = wait("ring", Duration::from_hours(1), look).unwrap_err();
        assert_eq!(error.to_string(), "node 1 ended");
    }
}
