//! STLS: from here on TLS.
//!
//! ```text
//! "STLS"        RFC 2595 4
//! ```

use cassmail_wire::sasl::Channel;

use crate::options::TlsOffer;
use crate::reply::Reply;
use crate::state::{Authorization, Encoding, Setting, State, Turn};

/// Begins the handshake. What was known and what came already is forgotten: somebody between may
/// have put it there. A client that said UTF8 already has given up on STLS (RFC 6856 2.1).
pub(super) fn proceed(state: Authorization, setting: &Setting<'_>) -> Turn {
    if setting.modes.encoding == Encoding::Utf8 {
        return Turn::reply(State::Authorization(state), Reply::tls_behind_utf8());
    }
    match (setting.channel, setting.options.tls) {
        (Channel::Clear, TlsOffer::Offered) => Turn::reply(State::StartingTls, Reply::begin_tls()),
        (Channel::Clear, TlsOffer::Absent) => {
            Turn::reply(State::Authorization(state), Reply::tls_absent())
        }
        (Channel::Tls(_), _) => Turn::reply(State::Authorization(state), Reply::tls_active()),
    }
}
