//! A protocol session as a value.

use bytes::Bytes;

use crate::caller::{Moment, TlsFacts};

/// One session of a protocol: bytes, answers and time go in, steps come out.
///
/// It owns no socket, no clock and no task, so it can be tested byte for byte, cut anywhere.
///
/// # The one rule
///
/// After *any* input, call [`Machine::next`] until it gives [`Step::Idle`] or [`Step::Close`],
/// before any other input. A machine that has asked a question gives [`Step::Idle`] without a
/// deadline until [`Machine::answer`] is called; what arrives meanwhile must wait with the driver.
pub trait Machine {
    /// What the session needs from the world; the complete list.
    type Question;
    /// What the world can answer.
    type Answer;
    /// What an operator wants to know about the session while it runs, such as a refusal.
    type Note;

    /// Tells the time. Called before other inputs, and when the deadline of [`Step::Idle`] is over.
    fn tick(&mut self, now: Moment);

    /// Takes bytes from the peer.
    fn receive(&mut self, bytes: &[u8]);

    /// Takes the answer to the question that was asked last.
    fn answer(&mut self, answer: Self::Answer);

    /// The TLS handshake that [`Step::StartTls`] asked for succeeded.
    fn tls_started(&mut self, facts: TlsFacts);

    /// The peer will send nothing more.
    fn peer_closed(&mut self);

    /// The process wants to end: finish what was begun, then close, politely if the protocol has a
    /// word for it.
    fn stop(&mut self);

    /// The process is under another load than before: peers may be waited for less long, or again
    /// as long as usual. Told between other inputs.
    fn load_changed(&mut self, _load: Load) {}

    /// The octets of the peer that wait in it.
    fn held(&self) -> usize {
        0
    }

    /// Appends what is to be sent to `output` and says what to do next.
    fn next(&mut self, output: &mut Vec<u8>) -> Step<Self::Question, Self::Note>;
}

/// What the driver has to do next. Whatever was appended to the output is sent, in order, before
/// the driver waits for the peer or closes; it may gather the output of several steps.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<Q, N> {
    /// The output has grown enough that it should be sent before the session goes on: write it out,
    /// then call `next` again. This bounds memory when much is given out.
    Flush,
    /// Ask the desk, hand its answer to the machine. Send the output first if the question can take
    /// long.
    Ask(Q),
    /// Hand a piece of a message to the desk, in order.
    Body(Bytes),
    /// Hand a note to the desk.
    Note(N),
    /// Send the output, then shake hands; throw away what has been read and not yet received: it
    /// came in clear (RFC 3207 4.2, RFC 2595 4). A handshake that fails ends the connection.
    StartTls,
    /// Wait for the peer, until the deadline at most, then tick.
    Idle {
        /// None while a question is open.
        until: Option<Moment>,
    },
    /// Send the output and close.
    Close(Ending),
}

/// How full the process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Load {
    /// There is room.
    #[default]
    Usual,
    /// There is not much room left: who keeps us waiting goes sooner.
    High,
    /// There is none: nothing new is begun.
    Full,
}

/// Why a session ended, for the operator's line about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The peer said goodbye.
    Quit,
    /// The peer closed, or the connection broke.
    Dropped,
    /// Nothing came for too long.
    TimedOut,
    /// The peer did not read what it was sent.
    SlowReader,
    /// The peer broke the rules too often, or speaks another protocol.
    Abuse,
    /// The TLS handshake failed.
    TlsFailed,
    /// The process ends.
    Stopped,
    /// Something is wrong with us.
    Fault,
}

impl Ending {
    /// One word for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::Dropped => "dropped",
            Self::TimedOut => "timed-out",
            Self::SlowReader => "slow-reader",
            Self::Abuse => "abuse",
            Self::TlsFailed => "tls-failed",
            Self::Stopped => "stopped",
            Self::Fault => "fault",
        }
    }
}
