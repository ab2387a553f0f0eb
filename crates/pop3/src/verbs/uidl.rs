//! UIDL: unique ids.
//!
//! ```text
//! "UIDL" [SP number]        RFC 1939 7
//! ```

use crate::command::MessageNumber;
use crate::listing::{Column, Listing};
use crate::reply::Reply;
use crate::state::{State, Transaction, Turn};

/// Tells the unique id of one message, or begins the listing.
pub(super) fn proceed(state: Transaction, number: Option<MessageNumber>) -> Turn {
    let Some(number) = number else {
        let listing = Listing::new(state, Column::UniqueId);
        return Turn::reply(State::Listing(listing), Reply::unique_ids_follow());
    };
    let reply = match state.maildrop.find(number) {
        Ok(found) => Reply::unique_id(found.number, found.entry.uidl().as_str()),
        Err(absent) => Reply::absent(absent),
    };
    Turn::reply(State::Transaction(state), reply)
}
