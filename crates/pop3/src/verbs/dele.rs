//! DELE: marks a message, for QUIT to remove.
//!
//! ```text
//! "DELE" SP number        RFC 1939 5
//! ```

use crate::command::MessageNumber;
use crate::reply::Reply;
use crate::state::{State, Transaction, Turn};

/// Marks the message.
pub(super) fn proceed(mut state: Transaction, number: MessageNumber) -> Turn {
    let reply = match state.maildrop.mark(number) {
        Ok(number) => Reply::marked(number),
        Err(absent) => Reply::absent(absent),
    };
    Turn::reply(State::Transaction(state), reply)
}
