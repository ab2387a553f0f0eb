//! How long nothing was acknowledged, seen from outside.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::super::clock;
use super::super::cluster::Nodes;

const ACKNOWLEDGED: &str = "cassmail_messages_total{outcome=\"ok\"}";

/// How often the servers are asked.
const EVERY: Duration = Duration::from_millis(200);

/// Watches the servers of one data center until it is asked.
pub(super) struct Watch {
    is_over: Arc<AtomicBool>,
    watcher: JoinHandle<Duration>,
}

impl Watch {
    /// Begins to watch servers, by their numbers.
    pub(super) fn begin(nodes: Arc<Nodes>, numbers: Range<usize>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let watcher = thread::spawn(move || longest_gap(&nodes, &numbers, &told));
        Self { is_over, watcher }
    }

    /// The longest time in which none of them acknowledged a message.
    pub(super) fn longest_gap(self) -> Duration {
        self.is_over.store(true, Ordering::Relaxed);
        self.watcher.join().unwrap_or(Duration::MAX)
    }
}

fn longest_gap(nodes: &Nodes, numbers: &Range<usize>, is_over: &AtomicBool) -> Duration {
    let mut seen = vec![0.0; numbers.len()];
    let mut since = clock::now();
    let mut longest = Duration::ZERO;
    loop {
        let mut has_moved = false;
        for (seen, number) in seen.iter_mut().zip(numbers.clone()) {
            // One that is down acknowledges nothing; one that was started anew counts from zero.
            let count: f64 = nodes.metric(number, ACKNOWLEDGED).unwrap_or(0.0);
            has_moved |= count > 0.0 && (count - *seen).abs() > 0.5;
            *seen = count;
        }
        let now = clock::now();
        if has_moved {
            since = now;
        }
        longest = longest.max(now.duration_since(since));
        if is_over.load(Ordering::Relaxed) {
            return longest;
        }
        thread::sleep(EVERY);
    }
}
