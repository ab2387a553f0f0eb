//! LIST: sizes.
//!
//! ```text
//! "LIST" [SP number]        RFC 1939 5
//! ```

use crate::command::MessageNumber;
use crate::listing::{Column, Listing};
use crate::reply::Reply;
use crate::state::{State, Transaction, Turn};

/// Tells the size of one message, or begins the listing.
pub(super) fn proceed(state: Transaction, number: Option<MessageNumber>) -> Turn {
    let Some(number) = number else {
        let reply = Reply::listing_follows(state.maildrop.totals());
        return Turn::reply(State::Listing(Listing::new(state, Column::Size)), reply);
    };
    let reply = match state.maildrop.find(number) {
        Ok(found) => Reply::size(found.number, found.octets),
        Err(absent) => Reply::absent(absent),
    };
    Turn::reply(State::Transaction(state), reply)
}
