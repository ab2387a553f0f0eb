//! NOOP: nothing, said aloud.
//!
//! ```text
//! "NOOP"        RFC 1939 5
//! ```

use crate::reply::Reply;
use crate::state::{State, Transaction, Turn};

/// Does nothing.
pub(super) fn proceed(state: Transaction) -> Turn {
    Turn::reply(State::Transaction(state), Reply::nothing_done())
}
