//! `AUTH`, RFC 4954 4: `"AUTH" SP mechanism [SP initial-response]`.
//!
//! Once per session (RFC 4422 3.8), not inside a transaction, and only where it was offered.
//! Whether a claim is true is a question; wrong name and wrong password are answered alike (RFC
//! 4422 3.6).

use cassmail_wire::Ending;
use cassmail_wire::sasl::scram::{ScramStart, Starting};
use cassmail_wire::sasl::{
    Acceptance, Exchange, Mechanism, Refusal, Response, SaslStep, encode_challenge,
};

use super::super::limits::AuthOffer;
use super::super::note::legible;
use super::super::question::{Login, LoginRefusal, Question};
use super::super::state::{
    Asked, Claimed, Context, Hello, HelloKind, LoginExchange, LoginStage, Outcome, State, Turn,
};
use super::channel;
use crate::extension::offers_auth;
use crate::reply::Reply;

pub(super) fn proceed(
    state: State,
    mechanism: &str,
    initial: Option<&str>,
    context: &mut Context<'_>,
) -> Turn {
    if let Some(reply) = check(&state, context) {
        return (state, reply.into());
    }
    let mechanism = context.options.sasl.find(mechanism, channel(context));
    match (state, mechanism) {
        (State::Ready(hello), Some(mechanism)) => begin(hello, mechanism, initial, context),
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
    (!offers_auth(context.options, channel(context))).then(Reply::login_needs_tls)
}

fn begin(
    hello: Hello,
    mechanism: Mechanism,
    initial: Option<&str>,
    context: &mut Context<'_>,
) -> Turn {
    let (exchange, challenge) = Exchange::begin(mechanism, channel(context));
    match initial {
        None => go_on(hello, SaslStep::Challenge(exchange, challenge), context),
        Some(initial) => {
            let response = Response::initial(initial.as_bytes());
            take(hello, exchange, response, context)
        }
    }
}

/// Takes a line that answers a challenge.
pub(crate) fn respond(login: LoginExchange, line: &[u8], context: &mut Context<'_>) -> Turn {
    let LoginExchange { hello, stage } = login;
    let response = Response::line(line);
    match stage {
        LoginStage::Exchange(exchange) => take(hello, exchange, response, context),
        LoginStage::Concluded { user, verdict } => {
            let outcome = conclude(&user, verdict, &response, context);
            (State::Ready(hello), outcome)
        }
    }
}

/// A response was longer than any that we read; the exchange is over.
pub(crate) fn line_too_long(login: LoginExchange) -> Turn {
    (
        State::Ready(login.hello),
        Reply::auth_line_too_long().into(),
    )
}

fn take(hello: Hello, exchange: Exchange, response: Response, context: &mut Context<'_>) -> Turn {
    match response {
        Response::Data(data) => go_on(hello, exchange.respond(&data), context),
        Response::Cancelled => (State::Ready(hello), Reply::login_cancelled().into()),
        Response::Malformed => (State::Ready(hello), Reply::bad_response().into()),
    }
}

fn go_on(hello: Hello, step: SaslStep, context: &mut Context<'_>) -> Turn {
    match step {
        SaslStep::Challenge(exchange, challenge) => {
            challenged(hello, LoginStage::Exchange(exchange), &challenge)
        }
        SaslStep::Start(starting) => {
            let question = Question::StartScram(starting.user().to_owned());
            let asked = Asked::StartScram { hello, starting };
            (State::Asked(asked), Outcome::Ask(question))
        }
        SaslStep::Claimed(claim, conclusion) => {
            let claimed = Claimed {
                hello,
                user: claim.user.clone(),
                conclusion,
            };
            let asked = State::Asked(Asked::LogIn(claimed));
            (asked, Outcome::Ask(Question::LogIn(claim)))
        }
        SaslStep::Refused(Refusal { user, reason }) => {
            let about = format!("{}: {reason}", legible(user.as_bytes()));
            let outcome = count(Reply::wrong_credentials(), about, context);
            (State::Ready(hello), outcome)
        }
        SaslStep::Malformed => (State::Ready(hello), Reply::bad_response().into()),
    }
}

fn challenged(hello: Hello, stage: LoginStage, challenge: &[u8]) -> Turn {
    let reply = Reply::challenge(encode_challenge(challenge));
    let login = LoginExchange { hello, stage };
    (State::Login(login), reply.into())
}

/// An exchange of SCRAM goes on.
pub(super) fn started(
    hello: Hello,
    starting: Starting,
    answer: Result<ScramStart, LoginRefusal>,
    context: &mut Context<'_>,
) -> Turn {
    match answer {
        Ok(start) => {
            let (exchange, challenge) = starting.start(&start);
            challenged(hello, LoginStage::Exchange(exchange), &challenge)
        }
        Err(refusal) => {
            let outcome = refused(starting.user(), refusal, context);
            (State::Ready(hello), outcome)
        }
    }
}

/// The desk has judged a claim. What a mechanism says besides the outcome comes first.
pub(super) fn judged(
    claimed: Claimed,
    answer: Result<(Login, Acceptance), LoginRefusal>,
    context: &mut Context<'_>,
) -> Turn {
    let Claimed {
        hello,
        user,
        conclusion,
    } = claimed;
    let (verdict, last) = match answer {
        Ok((login, acceptance)) => (Ok(login), conclusion.accepted(&acceptance)),
        Err(LoginRefusal::Wrong) => {
            let last = conclusion.refused(&context.options.sasl);
            (Err(LoginRefusal::Wrong), last)
        }
        Err(refusal) => (Err(refusal), None),
    };
    match last {
        Some(last) => challenged(hello, LoginStage::Concluded { user, verdict }, &last),
        None => {
            let outcome = settle(&user, verdict, context);
            (State::Ready(hello), outcome)
        }
    }
}

/// The client has heard the last word. To a refusal there is nothing to add (RFC 7628 3.2.3); who
/// has found that we do not know the keys gives up, and is not logged in.
fn conclude(
    user: &str,
    verdict: Result<Login, LoginRefusal>,
    response: &Response,
    context: &mut Context<'_>,
) -> Outcome {
    match (&verdict, response) {
        (Err(_), _) => settle(user, verdict, context),
        (Ok(_), Response::Data(data)) if data.is_empty() => settle(user, verdict, context),
        (Ok(_), Response::Cancelled) => Reply::login_cancelled().into(),
        (Ok(_), Response::Data(_) | Response::Malformed) => Reply::bad_response().into(),
    }
}

fn settle(user: &str, verdict: Result<Login, LoginRefusal>, context: &mut Context<'_>) -> Outcome {
    match verdict {
        Ok(login) => {
            context.facts.user = Some(login);
            Reply::logged_in().into()
        }
        Err(refusal) => refused(user, refusal, context),
    }
}

/// A client that has failed too often has to connect again, where it can be counted and slowed.
/// Faults of ours count as well, since each try costs the same.
fn refused(user: &str, refusal: LoginRefusal, context: &mut Context<'_>) -> Outcome {
    let reply = match refusal {
        LoginRefusal::Wrong => Reply::wrong_credentials(),
        LoginRefusal::TryLater => Reply::login_later(),
        LoginRefusal::TooMany => Reply::too_many_logins(),
    };
    count(reply, legible(user.as_bytes()), context)
}

fn count(reply: Reply, about: String, context: &mut Context<'_>) -> Outcome {
    let refused = &mut context.facts.refused_logins;
    *refused = refused.saturating_add(1);
    if *refused >= context.options.limits.refused_logins {
        Outcome::RefuseAndClose(reply, about, Ending::Abuse)
    } else {
        Outcome::refuse(reply, &about)
    }
}
