//! Who answers a session's questions.

use std::future::Future;

use bytes::Bytes;

use crate::caller::Caller;
use crate::machine::{Ending, Machine};

/// Answers the questions of one session.
///
/// The driver calls one method at a time and awaits it; the session waits meanwhile, which is what
/// slows a peer down instead of us.
pub trait Desk: Send {
    /// The session that is served.
    type Machine: Machine;

    /// Answers a question. *Cancel*: only when the connection ends.
    fn answer(
        &mut self,
        question: <Self::Machine as Machine>::Question,
    ) -> impl Future<Output = <Self::Machine as Machine>::Answer> + Send;

    /// Takes a piece of a message. A failure is kept and told with the answer at the message's end.
    fn body(&mut self, piece: Bytes) -> impl Future<Output = ()> + Send;

    /// The octets of the session that it keeps in memory between two inputs.
    fn held(&self) -> usize {
        0
    }

    /// Takes note of something an operator wants to know.
    fn note(&mut self, note: <Self::Machine as Machine>::Note);

    /// The session is over: write its summary.
    fn closed(&mut self, machine: &Self::Machine, ending: Ending);
}

/// Receives connections: makes the session and the desk for each.
pub trait Reception: Send + Sync + 'static {
    /// The protocol's session.
    type Machine: Machine<Question: Send, Answer: Send, Note: Send> + Send;
    /// Who answers it.
    type Desk: Desk<Machine = Self::Machine>;

    /// Makes what serves one connection.
    fn receive(&self, caller: Caller) -> (Self::Machine, Self::Desk);

    /// What is written, before closing, to somebody who cannot be served at all.
    fn turn_away(&self, why: TurnedAway) -> &'static [u8];
}

/// Why a connection is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TurnedAway {
    /// The process or the listener has as many connections as it may.
    TooManyConnections,
    /// This source has as many as it may, or connects too often.
    TooManyFromSource,
    /// The process is ending.
    Stopping,
}
