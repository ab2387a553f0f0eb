//! UTF8: messages as they are kept, with headers in UTF-8.
//!
//! ```text
//! "UTF8"        RFC 6856 2.1
//! ```

use crate::reply::Reply;
use crate::state::{Authorization, Encoding, State, Switch, Turn};

/// Enables UTF-8, for good: a session cannot go back. From here on STLS is refused, since a client
/// that says it now has mixed up the order.
pub(super) fn proceed(state: Authorization) -> Turn {
    Turn::reply(State::Authorization(state), Reply::utf8_enabled())
        .switching(Switch::Encoding(Encoding::Utf8))
}
