//! `RSET`, RFC 5321 4.1.1.5: without arguments. Always 250.

use super::super::state::{State, Turn};
use super::forget;
use crate::reply::Reply;

pub(super) fn proceed(state: State) -> Turn {
    let outcome = Reply::reset().into();
    match state {
        State::Open(transaction) => forget(State::Ready(transaction.hello), outcome),
        State::Chunked(message) => forget(State::Ready(message.hello), outcome),
        // The transaction was forgotten when its chunk was refused.
        State::Broken(broken) => (State::Ready(broken.hello), outcome),
        state => (state, outcome),
    }
}
