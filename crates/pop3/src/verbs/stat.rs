//! STAT: how many messages and octets there are.
//!
//! ```text
//! "STAT"        RFC 1939 5
//! ```

use crate::reply::Reply;
use crate::state::{State, Transaction, Turn};

/// Tells the totals; what is marked does not count.
pub(super) fn proceed(state: Transaction) -> Turn {
    let reply = Reply::stat(state.maildrop.totals());
    Turn::reply(State::Transaction(state), reply)
}
