//! Who receives the connections of a listener: a session of the protocol, and a desk for it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use cassmail_net::{Event, Observer};
use cassmail_office::{Counter, Intake, IntakeDesk, MaildropDesk};
use cassmail_telemetry::{Limit, Metrics, Protocol};
use cassmail_wire::{Caller, Ending, Reception, TurnedAway};

/// Receives SMTP clients.
pub(crate) struct SmtpReception {
    pub(crate) intake: Arc<Intake>,
    /// For sessions that begin from now on.
    pub(crate) options: ArcSwap<cassmail_smtp::server::Options>,
}

impl Reception for SmtpReception {
    type Machine = cassmail_smtp::server::Session;
    type Desk = IntakeDesk;

    fn receive(&self, caller: Caller) -> (Self::Machine, IntakeDesk) {
        let session = cassmail_smtp::server::Session::new(self.options.load_full(), &caller);
        (session, self.intake.desk(caller))
    }

    fn turn_away(&self, why: TurnedAway) -> &'static [u8] {
        match why {
            TurnedAway::TooManyConnections => b"421 4.3.2 too many connections, try later\r\n",
            TurnedAway::TooManyFromSource => b"421 4.7.0 too many connections from you\r\n",
            TurnedAway::Stopping => b"421 4.3.2 service is stopping\r\n",
        }
    }
}

/// Receives POP3 clients.
pub(crate) struct Pop3Reception {
    pub(crate) counter: Arc<Counter>,
    /// For sessions that begin from now on.
    pub(crate) options: ArcSwap<cassmail_pop3::Options>,
}

impl Reception for Pop3Reception {
    type Machine = cassmail_pop3::Session;
    type Desk = MaildropDesk;

    fn receive(&self, caller: Caller) -> (Self::Machine, MaildropDesk) {
        let session = cassmail_pop3::Session::new(self.options.load_full(), &caller);
        (session, self.counter.desk(caller))
    }

    fn turn_away(&self, why: TurnedAway) -> &'static [u8] {
        match why {
            TurnedAway::TooManyConnections => b"-ERR [SYS/TEMP] too many connections\r\n",
            TurnedAway::TooManyFromSource => b"-ERR [SYS/TEMP] too many connections from you\r\n",
            TurnedAway::Stopping => b"-ERR [SYS/TEMP] service is stopping\r\n",
        }
    }
}

/// Counts what happens at a listener of one protocol.
pub(crate) struct Count {
    pub(crate) protocol: Protocol,
    pub(crate) metrics: Arc<Metrics>,
}

impl Observer for Count {
    fn observe(&self, event: Event) {
        match event {
            Event::Opened => self.metrics.session_opened(self.protocol),
            Event::Closed { ending, .. } => {
                self.metrics.session_closed(self.protocol);
                match ending {
                    Some(Ending::TlsFailed) => self.metrics.tls_failed(),
                    Some(Ending::SlowReader) => self.metrics.limited(Limit::SlowReader),
                    _ => {}
                }
            }
            Event::TurnedAway(_) => self.metrics.turned_away(),
            Event::Limited(limit) => self.metrics.limited(limit),
            // A panic is counted by the hook that logs it.
            Event::TlsStarted(_) | Event::Panicked | Event::AcceptFailed => {}
        }
    }
}
