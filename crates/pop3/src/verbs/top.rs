//! TOP: the header of a message and the first lines of its body.
//!
//! ```text
//! "TOP" SP number SP lines        RFC 1939 7
//! ```

use super::retr;
use crate::command::{LineCount, MessageNumber};
use crate::excerpt::Excerpt;
use crate::retrieval::Wanted;
use crate::state::{Transaction, Turn};

/// Asks for the message, as RETR does, but stops early. Marks nothing. Where the session gets the
/// surrogate of a message, the lines are those of the surrogate (RFC 6858 4).
pub(super) fn proceed(state: Transaction, number: MessageNumber, lines: LineCount) -> Turn {
    retr::open(state, number, Wanted::Top(Excerpt::new(lines)))
}
