//! Who is inside, and whether anybody may still come in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Lets verbs in until it is shut, and knows when the last one has left.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: AtomicU8,
    inside: AtomicUsize,
    left: Notify,
}

const OPEN: u8 = 0;
const SHUT: u8 = 1;
/// The process is to be taken for dead: not even those inside may go on.
const DEAD: u8 = 2;

/// Somebody is inside as long as this lives.
#[derive(Debug)]
pub(crate) struct Pass(Arc<Gate>);

impl Gate {
    /// None when it is shut.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Pass> {
        // Counted first: whoever shuts the gate then sees either the shut state obeyed or this one.
        self.inside.fetch_add(1, Ordering::SeqCst);
        let pass = Pass(Arc::clone(self));
        (self.state.load(Ordering::SeqCst) == OPEN).then_some(pass)
    }

    /// As [`Gate::enter`], for parts of what is inside already: it may be finished.
    pub(crate) fn enter_further(self: &Arc<Self>) -> Option<Pass> {
        self.inside.fetch_add(1, Ordering::SeqCst);
        let pass = Pass(Arc::clone(self));
        (self.state.load(Ordering::SeqCst) != DEAD).then_some(pass)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state.load(Ordering::SeqCst) == OPEN
    }

    pub(crate) fn shut(&self) {
        self.state.fetch_max(SHUT, Ordering::SeqCst);
    }

    pub(crate) fn kill(&self) {
        self.state.fetch_max(DEAD, Ordering::SeqCst);
    }

    /// Waits until nobody is inside.
    pub(crate) async fn until_empty(&self) {
        loop {
            let left = self.left.notified();
            if self.inside.load(Ordering::SeqCst) == 0 {
                return;
            }
            left.await;
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.0.inside.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.left.notify_waiters();
        }
    }
}
