//! Time, as the office is told it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use cassmail_mail::UnixTime;
use cassmail_wire::Moment;

/// The clock of the process. The binary passes the one of `cassmail-net`, tests one they turn.
pub trait Clock: Send + Sync {
    /// The time since an arbitrary beginning.
    fn now(&self) -> Moment;

    /// The time of day.
    fn wall(&self) -> UnixTime;

    /// Resolves after `duration`.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}
