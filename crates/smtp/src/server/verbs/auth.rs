//! `AUTH`, RFC 4954 4: `"AUTH" SP mechanism [SP initial-response]`.
//!
//! Once per session (RFC 4422 3.8), not inside a transaction, and only where it was offered.
//! Whether a claim is true is a question; wrong name and wrong password are answered alike (RFC
//! 4422 3.6).

use cassmail_wire::Ending;
use cassmail_wire::sasl::{Exchange, Mechanism, Response, SaslStep, encode_challenge};

use super::super::limits::AuthOffer;
use super::super::note::legible;
use super::super::question::{Login, LoginRefusal, Question};
use super::super::state::{Asked, Context, Hello, HelloKind, LoginExchange, Outcome, State, Turn};
use super::cover;
use crate::extension::offers_auth;
use crate::reply::Reply;

pub(super) fn proceed(
    state: State,
    mechanism: &str,
    initial: Option<&str>,
    context: &Context<'_>,
) -> Turn {
    if let Some(reply) = check(&state, context) {
        return (state, reply.into());
    }
    match (state, Mechanism::from_name(mechanism)) {
        (State::Ready(hello), Some(mechanism)) => begin(hello, mechanism, initial),
        (state, _) => (state, Reply::unknown_mechanism().into()),
    }
}

fn check(state: &State, context: &Context<'_>) -> Option<Reply> {
    if context.options.auth == AuthOffer::Never {
        return Some(Reply::not_offered());
    }
    match state.hello() {
        Some(hello) if hello.kind == HelloKind::Extended => {}
        _ => return Some(Reply::say_hello_first()),
    }
    if state.has_transaction() {
        return Some(Reply::transaction_open());
    }
    if context.facts.user.is_some() {
        return Some(Reply::already_logged_in());
    }
    (!offers_auth(context.options, cover(context))).then(Reply::login_needs_tls)
}

fn begin(hello: Hello, mechanism: Mechanism, initial: Option<&str>) -> Turn {
    let (exchange, step) = Exchange::begin(mechanism);
    match initial {
        None => go_on(hello, Some(exchange), step),
        Some(initial) => take(hello, exchange, Response::initial(initial.as_bytes())),
    }
}

/// Takes a line that answers a challenge.
pub(crate) fn respond(login: LoginExchange, line: &[u8]) -> Turn {
    take(login.hello, login.exchange, Response::line(line))
}

/// A response was longer than any that we read; the exchange is over.
pub(crate) fn line_too_long(login: LoginExchange) -> Turn {
    (
        State::Ready(login.hello),
        Reply::auth_line_too_long().into(),
    )
}

fn take(hello: Hello, exchange: Exchange, response: Response) -> Turn {
    match response {
        Response::Data(data) => {
            let (exchange, step) = exchange.respond(&data);
            go_on(hello, exchange, step)
        }
        Response::Cancelled => (State::Ready(hello), Reply::login_cancelled().into()),
        Response::Malformed => (State::Ready(hello), Reply::bad_response().into()),
    }
}

fn go_on(hello: Hello, exchange: Option<Exchange>, step: SaslStep) -> Turn {
    match (exchange, step) {
        (Some(exchange), SaslStep::Challenge(challenge)) => {
            let reply = Reply::challenge(encode_challenge(&challenge));
            let login = LoginExchange { hello, exchange };
            (State::Login(login), reply.into())
        }
        (_, SaslStep::Claimed(claim)) => {
            let user = claim.user.clone();
            let asked = Asked::LogIn { hello, user };
            (State::Asked(asked), Outcome::Ask(Question::LogIn(claim)))
        }
        (_, SaslStep::Challenge(_) | SaslStep::Malformed) => {
            (State::Ready(hello), Reply::bad_response().into())
        }
    }
}

pub(super) fn answered(
    hello: Hello,
    user: &str,
    answer: Result<Login, LoginRefusal>,
    context: &mut Context<'_>,
) -> Turn {
    let outcome = match answer {
        Ok(login) => {
            context.facts.user = Some(login);
            Reply::logged_in().into()
        }
        Err(refusal) => refused(user, refusal, context),
    };
    (State::Ready(hello), outcome)
}

/// A client that has failed too often has to connect again, where it can be counted and slowed.
/// Faults of ours count as well, since each try costs the same.
fn refused(user: &str, refusal: LoginRefusal, context: &mut Context<'_>) -> Outcome {
    let reply = match refusal {
        LoginRefusal::Wrong => Reply::wrong_credentials(),
        LoginRefusal::TryLater => Reply::login_later(),
        LoginRefusal::TooMany => Reply::too_many_logins(),
    };
    let refused = &mut context.facts.refused_logins;
    *refused = refused.saturating_add(1);
    let about = legible(user.as_bytes());
    if *refused >= context.options.limits.refused_logins {
        Outcome::RefuseAndClose(reply, about, Ending::Abuse)
    } else {
        Outcome::refuse(reply, &about)
    }
}
