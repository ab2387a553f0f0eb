//! The clock of the process; nothing else reads one.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use cassmail_wire::Moment;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

/// The wall time at which a clock that is turned by hand begins, in microseconds since 1970.
const TURNED_CLOCKS_BEGIN: u64 = 1_000_000_000_000_000;

/// Tells the time, and when a moment has come. Clones are the same clock.
#[derive(Debug, Clone)]
pub struct Clock {
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    System,
    Turned(Arc<watch::Sender<Moment>>),
}

impl Clock {
    /// The clock of the operating system. Its moments go on while the machine is suspended: peers
    /// do not wait for a closed lid.
    pub fn system() -> Self {
        Self {
            source: Source::System,
        }
    }

    /// A clock that stands still until its hands are turned, for tests.
    pub fn turned_by_hand() -> (Self, ClockHands) {
        let now = Arc::new(watch::Sender::new(Moment::default()));
        let clock = Self {
            source: Source::Turned(Arc::clone(&now)),
        };
        (clock, ClockHands { now })
    }

    /// The moment it is.
    pub fn now(&self) -> Moment {
        match &self.source {
            Source::System => Moment(read_system(STEADY)),
            Source::Turned(now) => *now.borrow(),
        }
    }

    /// The time of day, in microseconds since 1970. It may jump; durations come from
    /// [`Clock::now`].
    pub fn wall_micros(&self) -> u64 {
        match &self.source {
            Source::System => micros(read_system(ClockId::Realtime)),
            Source::Turned(now) => TURNED_CLOCKS_BEGIN.saturating_add(micros(now.borrow().0)),
        }
    }

    /// Waits until the moment has come. Cancel safe.
    pub async fn wait_until(&self, moment: Moment) {
        let mut alarm = Alarm::new(self.clone());
        poll_fn(|cx| alarm.poll(cx, moment)).await;
    }

    /// Waits at least until the moment, or a little less: who wakes looks at the clock again.
    async fn doze_until(self, moment: Moment) {
        match self.source {
            Source::System => tokio::time::sleep(moment.since(self.now())).await,
            Source::Turned(now) => {
                let come = now.subscribe().wait_for(|now| *now >= moment).await.is_ok();
                debug_assert!(come, "the sender lives in `now`");
            }
        }
    }
}

/// Turns a clock made by [`Clock::turned_by_hand`].
#[derive(Debug, Clone)]
pub struct ClockHands {
    now: Arc<watch::Sender<Moment>>,
}

impl ClockHands {
    /// Lets time pass.
    pub fn turn(&self, by: Duration) {
        self.now.send_modify(|now| *now = now.after(by));
    }
}

/// Wakes a task when a deadline is over, made for deadlines that move with each input and are
/// hardly ever reached: a timer that was set stays set when the deadline moves away, and is looked
/// at again when it rings. So an input costs no timer operation.
pub(crate) struct Alarm {
    clock: Clock,
    set: Option<SetAlarm>,
}

struct SetAlarm {
    rings_at: Moment,
    ringing: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Alarm {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, set: None }
    }

    /// Ready when the deadline is over.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Moment) -> Poll<()> {
        loop {
            let set = self.set.take_if(|set| set.rings_at <= deadline);
            let set = self.set.insert(set.unwrap_or_else(|| SetAlarm {
                rings_at: deadline,
                ringing: Box::pin(self.clock.clone().doze_until(deadline)),
            }));
            ready!(set.ringing.as_mut().poll(cx));
            self.set = None;
            if self.clock.now() >= deadline {
                return Poll::Ready(());
            }
        }
    }

    /// Runs `future`, for no longer than until the deadline; none when it took longer.
    pub(crate) async fn within<T>(
        &mut self,
        deadline: Moment,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let mut future = std::pin::pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => self.poll(cx, deadline).map(|()| None),
        })
        .await
    }
}

/// Counts suspension, where the system offers that.
#[cfg(target_os = "linux")]
const STEADY: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const STEADY: ClockId = ClockId::Monotonic;

fn read_system(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    async fn is_ready(alarm: &mut Alarm, deadline: Moment) -> bool {
        poll_fn(|cx| Poll::Ready(alarm.poll(cx, deadline).is_ready())).await
    }

    #[tokio::test]
    async fn an_alarm_follows_a_deadline_that_moves_away_and_back() {
        let (clock, hands) = Clock::turned_by_hand();
        let mut alarm = Alarm::new(clock.clone());
        let soon = clock.now().after(MINUTE);
        assert!(!is_ready(&mut alarm, soon).await);
        let later = soon.after(MINUTE);
        hands.turn(MINUTE);
        assert!(!is_ready(&mut alarm, later).await);
        hands.turn(MINUTE);
        assert!(is_ready(&mut alarm, later).await);

        let far = clock.now().after(10 * MINUTE);
        assert!(!is_ready(&mut alarm, far).await);
        let near = clock.now().after(MINUTE);
        assert!(!is_ready(&mut alarm, near).await);
        hands.turn(MINUTE);
        assert!(is_ready(&mut alarm, near).await);
    }

    #[tokio::test]
    async fn turning_the_hands_wakes_who_waits() {
        let (clock, hands) = Clock::turned_by_hand();
        let moment = clock.now().after(MINUTE);
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.wait_until(moment).await }
        });
        let before = clock.wall_micros();
        hands.turn(MINUTE);
        waiting.await.unwrap();
        assert_eq!(clock.wall_micros() - before, 60_000_000);
    }

    #[tokio::test]
    async fn the_system_clock_goes_on_and_rings() {
        let clock = Clock::system();
        let before = clock.now();
        let deadline = before.after(Duration::from_millis(1));
        clock.wait_until(deadline).await;
        assert!(clock.now() >= deadline);
        assert!(clock.wall_micros() > TURNED_CLOCKS_BEGIN);
    }
}
