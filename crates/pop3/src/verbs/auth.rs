//! AUTH: login by SASL.
//!
//! ```text
//! "AUTH" [SP mechanism [SP initial-response]]        RFC 5034 4
//! ```
//!
//! AUTH alone lists the mechanisms: of no RFC, but Outlook asks so. LOGIN was never standardized;
//! old clients and devices speak nothing else.

use cassmail_mail::Secret;
use cassmail_wire::sasl::scram::{ScramStart, Starting};
use cassmail_wire::sasl::{Exchange, Mechanism, Refusal, Response, SaslStep};

use super::{login, user};
use crate::command::{AuthRequest, Misuse};
use crate::note::Note;
use crate::question::{LoginRefusal, Question};
use crate::reply::Reply;
use crate::state::{Authorization, Setting, State, Turn};

/// Lists the mechanisms or begins an exchange.
pub(super) fn proceed(state: Authorization, request: AuthRequest, setting: &Setting<'_>) -> Turn {
    if !setting.may_log_in() {
        return user::refuse_in_clear(state, setting);
    }
    let offer = &setting.options.sasl;
    match request {
        AuthRequest::Names => {
            let names = offer.mechanisms(setting.channel);
            Turn::reply(State::Authorization(state), Reply::mechanisms(&names))
        }
        AuthRequest::Exchange { mechanism, initial } => {
            match offer.find(&mechanism, setting.channel) {
                Some(mechanism) => begin(state, mechanism, initial.as_ref(), setting),
                // No misuse: clients try mechanisms one after the other.
                None => Turn::reply(State::Authorization(state), Reply::unknown_mechanism()),
            }
        }
    }
}

/// Goes on with an exchange after a line of the client.
pub(crate) fn respond(
    state: Authorization,
    exchange: Exchange,
    line: &[u8],
    setting: &Setting<'_>,
) -> Turn {
    take(state, exchange, Response::line(line), setting)
}

/// Goes on with an exchange of SCRAM.
pub(super) fn started(
    state: Authorization,
    starting: Starting,
    start: Result<ScramStart, LoginRefusal>,
    setting: &Setting<'_>,
) -> Turn {
    match start {
        Ok(start) => {
            let (exchange, challenge) = starting.start(&start);
            challenged(state, exchange, &challenge)
        }
        Err(refusal) => login::refused(&state, refusal, setting),
    }
}

fn begin(
    state: Authorization,
    mechanism: Mechanism,
    initial: Option<&Secret>,
    setting: &Setting<'_>,
) -> Turn {
    let (exchange, challenge) = Exchange::begin(mechanism, setting.channel);
    match initial {
        Some(initial) => {
            let response = Response::initial(initial.expose().as_bytes());
            take(state, exchange, response, setting)
        }
        None => challenged(state, exchange, &challenge),
    }
}

fn take(
    state: Authorization,
    exchange: Exchange,
    response: Response,
    setting: &Setting<'_>,
) -> Turn {
    match response {
        Response::Data(data) => advance(state, exchange.respond(&data), setting),
        // RFC 5034 4: `*` cancels.
        Response::Cancelled => {
            Turn::reply(State::Authorization(state), Reply::exchange_cancelled())
        }
        Response::Malformed => Turn::misuse(State::Authorization(state), Misuse::BadResponse),
    }
}

fn advance(state: Authorization, step: SaslStep, setting: &Setting<'_>) -> Turn {
    match step {
        SaslStep::Challenge(exchange, challenge) => challenged(state, exchange, &challenge),
        SaslStep::Start(starting) => {
            let question = Question::StartScram(starting.user().to_owned());
            Turn::ask(State::StartingScram(state, starting), question)
        }
        SaslStep::Claimed(claim, conclusion) => login::claim(&state, claim, conclusion),
        SaslStep::Refused(Refusal { reason, .. }) => {
            let turn = login::refused(&state, LoginRefusal::Wrong, setting);
            match turn.note {
                Some(_) => turn,
                None => turn.noting(Note::BadProof(reason)),
            }
        }
        SaslStep::Malformed => Turn::misuse(State::Authorization(state), Misuse::BadResponse),
    }
}

fn challenged(state: Authorization, exchange: Exchange, challenge: &[u8]) -> Turn {
    let reply = Reply::challenge(challenge);
    Turn::reply(State::Exchange(state, exchange), reply)
}
