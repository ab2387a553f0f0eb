//! The office's clock is that of `cassmail-net`.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use cassmail_mail::UnixTime;
use cassmail_net::Clock;
use cassmail_wire::Moment;

/// Joins the two.
pub(crate) struct OfficeClock(pub(crate) Clock);

impl cassmail_office::Clock for OfficeClock {
    fn now(&self) -> Moment {
        self.0.now()
    }

    fn wall(&self) -> UnixTime {
        UnixTime::from_micros(self.0.wall_micros())
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.0.wait_until(self.0.now().after(duration)))
    }
}
