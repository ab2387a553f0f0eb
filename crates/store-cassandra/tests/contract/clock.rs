//! A clock that can be turned.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use cassmail_mail::UnixTime;
use cassmail_store_cassandra::Clock;
use tokio::sync::Notify;

/// The real time, and what it was turned on by; the wall clock may be turned further.
pub(crate) struct Turned {
    start: Instant,
    both: Mutex<Duration>,
    wall: Mutex<Duration>,
    changed: Notify,
}

impl Default for Turned {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn default() -> Self {
        Self {
            start: Instant::now(),
            both: Mutex::default(),
            wall: Mutex::default(),
            changed: Notify::new(),
        }
    }
}

impl Turned {
    pub(crate) fn turn(&self, by: Duration) {
        *self.both.lock().unwrap_or_else(PoisonError::into_inner) += by;
        self.changed.notify_waiters();
    }

    /// Somebody sets the wall clock.
    pub(crate) fn turn_wall(&self, by: Duration) {
        *self.wall.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    /// Without what it was turned on by.
    pub(crate) fn real(&self) -> Duration {
        self.start.elapsed()
    }

    fn turned(&self) -> Duration {
        *self.both.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for Turned {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> UnixTime {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let wall = *self.wall.lock().unwrap_or_else(PoisonError::into_inner);
        let since = since.expect("after 1970") + self.turned() + wall;
        UnixTime::from_micros(u64::try_from(since.as_micros()).expect("fits"))
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed() + self.turned()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            let end = self.elapsed() + duration;
            loop {
                let turned = self.changed.notified();
                let left = end.saturating_sub(self.elapsed());
                if left.is_zero() {
                    return;
                }
                // Thousands sleep at once, so none wakes up only to look.
                let _ = tokio::time::timeout(left, turned).await;
            }
        })
    }
}
