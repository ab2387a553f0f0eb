//! RETR: a message, whole.
//!
//! ```text
//! "RETR" SP number        RFC 1939 5
//! ```

use bytes::Bytes;
use cassmail_wire::Ending;

use crate::command::MessageNumber;
use crate::question::{BodyRefusal, Question};
use crate::reply::Reply;
use crate::retrieval::{Errand, Retrieval, Wanted};
use crate::state::{State, Transaction, Turn};

/// Asks for the message.
pub(super) fn proceed(state: Transaction, number: MessageNumber) -> Turn {
    open(state, number, Wanted::Whole)
}

/// Asks for a message of which so much is wanted.
pub(super) fn open(state: Transaction, number: MessageNumber, wanted: Wanted) -> Turn {
    match state.maildrop.find(number) {
        Err(absent) => Turn::reply(State::Transaction(state), Reply::absent(absent)),
        Ok(found) => {
            let question = Question::OpenBody(found.entry.id, found.form);
            let errand = Errand {
                number: found.number,
                listed: found.octets,
                transaction: state,
                wanted,
            };
            Turn::ask(State::Opening(errand), question)
        }
    }
}

/// The message is open: asks for its first piece, before anything is said.
pub(super) fn opened(errand: Errand, opened: Result<(), BodyRefusal>) -> Turn {
    match opened {
        Ok(()) => Turn::ask(State::Opening(errand), Question::NextPiece),
        Err(refusal) => refused(errand, refusal),
    }
}

/// The first piece is here, or the message is empty: now +OK is true.
pub(super) fn begun(errand: Errand, first: Result<Option<Bytes>, BodyRefusal>) -> Turn {
    match first {
        Ok(first) => {
            let reply = errand.reply();
            Turn::reply(State::Retrieving(Retrieval::begin(errand, first)), reply)
        }
        Err(refusal) => refused(errand, refusal),
    }
}

/// Another piece is here, or the end. After a fault the connection ends without the terminator:
/// that is the only way left to say that the message is not whole.
pub(super) fn supplied(retrieval: Retrieval, piece: Result<Option<Bytes>, BodyRefusal>) -> Turn {
    match piece {
        Ok(piece) => Turn::silent(State::Retrieving(retrieval.supplied(piece))),
        Err(_) => Turn::silent(State::Ended(Ending::Fault)).noting(retrieval.broken_off()),
    }
}

fn refused(errand: Errand, refusal: BodyRefusal) -> Turn {
    let next = State::Transaction(errand.transaction);
    Turn::reply(next, Reply::body_refused(refusal))
}
