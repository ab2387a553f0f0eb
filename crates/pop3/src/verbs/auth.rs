//! AUTH: login by SASL.
//!
//! ```text
//! "AUTH" [SP mechanism [SP initial-response]]        RFC 5034 4
//! ```
//!
//! AUTH alone lists the mechanisms: of no RFC, but Outlook asks so. LOGIN was never standardized;
//! old clients and devices speak nothing else.

use cassmail_mail::Secret;
use cassmail_wire::sasl::{Exchange, Mechanism, Response, SaslStep};

use super::{login, user};
use crate::command::{AuthRequest, Misuse};
use crate::reply::Reply;
use crate::state::{Authorization, Setting, State, Turn};

/// Lists the mechanisms or begins an exchange.
pub(super) fn proceed(state: Authorization, request: AuthRequest, setting: &Setting<'_>) -> Turn {
    if !setting.may_log_in() {
        return user::refuse_in_clear(state, setting);
    }
    match request {
        AuthRequest::Names => Turn::reply(
            State::Authorization(state),
            Reply::mechanisms(&Mechanism::ALL),
        ),
        AuthRequest::Exchange { mechanism, initial } => match Mechanism::from_name(&mechanism) {
            Some(mechanism) => begin(state, mechanism, initial.as_ref()),
            // No misuse: clients try mechanisms one after the other.
            None => Turn::reply(State::Authorization(state), Reply::unknown_mechanism()),
        },
    }
}

/// Goes on with an exchange after a line of the client.
pub(crate) fn respond(state: Authorization, exchange: Exchange, line: &[u8]) -> Turn {
    take(state, exchange, Response::line(line))
}

fn begin(state: Authorization, mechanism: Mechanism, initial: Option<&Secret>) -> Turn {
    let (exchange, step) = Exchange::begin(mechanism);
    match initial {
        Some(initial) => {
            let response = Response::initial(initial.expose().as_bytes());
            take(state, exchange, response)
        }
        None => advance(state, Some(exchange), step),
    }
}

fn take(state: Authorization, exchange: Exchange, response: Response) -> Turn {
    match response {
        Response::Data(data) => {
            let (exchange, step) = exchange.respond(&data);
            advance(state, exchange, step)
        }
        // RFC 5034 4: `*` cancels.
        Response::Cancelled => {
            Turn::reply(State::Authorization(state), Reply::exchange_cancelled())
        }
        Response::Malformed => Turn::misuse(State::Authorization(state), Misuse::BadResponse),
    }
}

fn advance(state: Authorization, exchange: Option<Exchange>, step: SaslStep) -> Turn {
    match (exchange, step) {
        (_, SaslStep::Claimed(claim)) => login::claim(&state, claim),
        (Some(exchange), SaslStep::Challenge(challenge)) => {
            let reply = Reply::challenge(&challenge);
            Turn::reply(State::Exchange(state, exchange), reply)
        }
        (None, SaslStep::Challenge(_)) | (_, SaslStep::Malformed) => {
            Turn::misuse(State::Authorization(state), Misuse::BadResponse)
        }
    }
}
