//! Verbs that change nothing.

use cassmail_wire::Ending;

use super::super::state::{Outcome, State, Turn};
use crate::reply::Reply;

/// `NOOP`, RFC 5321 4.1.1.9; an argument is allowed and ignored.
pub(super) fn noop(state: State) -> Turn {
    (state, Reply::noop().into())
}

/// `VRFY`, RFC 5321 4.1.1.6: 252, which tells nothing (RFC 5321 3.5.3, 7.3).
pub(super) fn vrfy(state: State) -> Turn {
    (state, Reply::cannot_verify().into())
}

/// `EXPN`, RFC 5321 3.5.4, 4.1.1.7: nobody learns who is on a list.
pub(super) fn expn(state: State) -> Turn {
    (state, Reply::not_offered().into())
}

/// `HELP`, RFC 5321 4.1.1.8.
pub(super) fn help(state: State) -> Turn {
    (state, Reply::help().into())
}

/// `QUIT`, RFC 5321 4.1.1.10. An open transaction ends with the connection.
pub(super) fn quit(state: State) -> Turn {
    (state, Outcome::Close(Reply::goodbye(), Ending::Quit))
}
