//! USER: who wants to log in.
//!
//! ```text
//! "USER" SP name        RFC 1939 7; everything after the space is the name
//! ```

use crate::note::Note;
use crate::reply::Reply;
use crate::state::{Authorization, Setting, State, Turn};

/// Notes the name. Whether there is such a user is not told; in clear no name is taken, so that a
/// client does not send the password behind it.
pub(super) fn proceed(state: Authorization, name: String, setting: &Setting<'_>) -> Turn {
    if !setting.may_log_in() {
        return refuse_in_clear(state, setting);
    }
    let next = Authorization {
        user: Some(name),
        ..state
    };
    Turn::reply(State::Authorization(next), Reply::name_noted())
}

/// The answer to every way to log in where TLS has to come first.
pub(super) fn refuse_in_clear(state: Authorization, setting: &Setting<'_>) -> Turn {
    let reply = Reply::tls_needed(setting.options.tls);
    Turn::reply(State::Authorization(state), reply).noting(Note::LoginInClear)
}
