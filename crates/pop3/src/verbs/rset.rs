//! RSET: takes all marks back.
//!
//! ```text
//! "RSET"        RFC 1939 5
//! ```

use crate::reply::Reply;
use crate::state::{State, Transaction, Turn};

/// Takes the marks back.
pub(super) fn proceed(mut state: Transaction) -> Turn {
    state.maildrop.unmark_all();
    let reply = Reply::unmarked(state.maildrop.totals());
    Turn::reply(State::Transaction(state), reply)
}
