//! `STARTTLS`, RFC 3207 4: without arguments.
//!
//! After the 220 (RFC 3207 4.1) the session is as new: what was buffered, the client's name and a
//! login are forgotten (RFC 3207 4.2), see `Session::begin_anew`. Inside a transaction it is
//! refused.

use super::super::limits::StartTlsOffer;
use super::super::state::{Context, HelloKind, Outcome, State, Turn};
use crate::reply::Reply;

pub(super) fn proceed(state: State, context: &Context<'_>) -> Turn {
    let outcome = check(&state, context)
        .map_or_else(|| Outcome::StartTls(Reply::start_tls()), Outcome::Reply);
    (state, outcome)
}

fn check(state: &State, context: &Context<'_>) -> Option<Reply> {
    if context.facts.tls.is_some() {
        return Some(Reply::tls_is_on());
    }
    if context.options.starttls == StartTlsOffer::NotOffered {
        return Some(Reply::not_offered());
    }
    match state.hello() {
        Some(hello) if hello.kind == HelloKind::Extended => {}
        _ => return Some(Reply::say_hello_first()),
    }
    state.has_transaction().then(Reply::transaction_open)
}
