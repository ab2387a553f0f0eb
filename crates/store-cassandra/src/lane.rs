//! How many requests are under way at once, and how many may wait for their turn.
//!
//! What waits in a queue that grows is answered when nobody listens any more. So the queue has a
//! length at which new work is turned away, at its door, before anything happened; what is inside
//! already waits for its turn, but not longer than the peer waits for it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{Either, select};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// For each request under way so many may wait before new work is turned away.
const WAITING: usize = 4;

pub(crate) struct Lane {
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
}

/// Somebody waits as long as this lives.
struct Waiting<'a>(&'a AtomicUsize);

impl Lane {
    pub(crate) fn new(width: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(width)),
            waiting: AtomicUsize::new(0),
            most_waiting: width.saturating_mul(WAITING),
        }
    }

    /// Whether new work is to be turned away.
    pub(crate) fn is_crowded(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= self.most_waiting
    }

    /// Waits for a turn; none when `end` comes first.
    pub(crate) async fn turn(&self, end: impl Future<Output = ()>) -> Option<OwnedSemaphorePermit> {
        if let Ok(turn) = Arc::clone(&self.permits).try_acquire_owned() {
            return Some(turn);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        let turn = pin!(Arc::clone(&self.permits).acquire_owned());
        match select(turn, pin!(end)).await {
            Either::Left((turn, _)) => turn.ok(),
            Either::Right(_) => None,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn one_more_than_fits_waits_until_a_turn_ends() {
        let lane = Lane::new(1);
        let first = lane.turn(pending()).now_or_never().expect("a turn");
        let mut second = Box::pin(lane.turn(pending()));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        assert!(second.now_or_never().expect("a turn").is_some());
    }

    #[test]
    fn who_waits_too_long_gets_no_turn() {
        let lane = Lane::new(1);
        let _first = lane.turn(pending()).now_or_never();
        let late = lane.turn(ready(())).now_or_never().expect("an end");
        assert!(late.is_none());
    }

    #[test]
    fn a_lane_is_crowded_when_four_wait_for_each_turn_and_is_not_when_they_have_left() {
        let lane = Lane::new(1);
        let _first = lane.turn(pending()).now_or_never();
        let mut waiting = Vec::new();
        for _ in 0..4 {
            assert!(!lane.is_crowded());
            let mut turn = Box::pin(lane.turn(pending()));
            assert!((&mut turn).now_or_never().is_none());
            waiting.push(turn);
        }
        assert!(lane.is_crowded());
        drop(waiting);
        assert!(!lane.is_crowded());
    }
}
