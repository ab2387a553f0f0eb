//! Who counts what happens at a listener.

use std::time::Duration;

use cassmail_telemetry::Limit;
use cassmail_wire::{Ending, TlsVersion, TurnedAway};

use crate::link::Traffic;

/// Is told what happens at one listener. The binary connects it to the metrics; each listener has
/// its own, so that counters need not be looked up by name.
pub trait Observer: Send + Sync + 'static {
    /// Takes note. Called from the tasks that serve connections: it must not wait.
    fn observe(&self, event: Event);
}

/// What happens at a listener. Each [`Event::Opened`] is followed by one [`Event::Closed`],
/// whatever happens between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A connection was let in.
    Opened,
    /// A connection that was let in is over.
    Closed {
        /// Why; none when it panicked or was dropped at the end of the process.
        ending: Option<Ending>,
        /// How long it was open.
        lasted: Duration,
        /// What it carried.
        traffic: Traffic,
    },
    /// A connection was not let in.
    TurnedAway(TurnedAway),
    /// It was this limit that turned a connection away.
    Limited(Limit),
    /// A connection that began under TLS has shaken hands. For STARTTLS the session knows.
    TlsStarted(TlsVersion),
    /// A session panicked; its connection was closed, the others go on. Must never happen.
    Panicked,
    /// The system could not hand over a connection, for want of files or memory.
    AcceptFailed,
}

/// Counts nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn observe(&self, _event: Event) {}
}
