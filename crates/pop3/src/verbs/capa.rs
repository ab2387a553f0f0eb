//! CAPA: what is offered here and now.
//!
//! ```text
//! "CAPA"        RFC 2449 5
//! ```

use crate::capability::{SaidIn, announced};
use crate::reply::Reply;
use crate::state::{Setting, State, Turn};

/// Lists the capabilities.
pub(super) fn proceed(state: State, said_in: SaidIn, setting: &Setting<'_>) -> Turn {
    Turn::reply(state, Reply::capabilities(&announced(setting, said_in)))
}
