//! `EHLO` and `HELO`, RFC 5321 4.1.1.1: `("EHLO" / "HELO") SP name`; in LMTP `LHLO`, which is
//! EHLO with another name (RFC 2033 4.1).
//!
//! All reset the transaction (RFC 5321 4.1.4). The name is recorded and never trusted (RFC 5321
//! 2.3.5: it should be a fully qualified domain, and often is none). After HELO no extension is
//! available (RFC 5321 3.2).

use super::super::question::Helo;
use super::super::state::{Context, Hello, HelloKind, State, Turn};
use super::{channel, forget};
use crate::extension::announced;
use crate::reply::Reply;

pub(super) fn ehlo(state: &State, helo: Helo, context: &mut Context<'_>) -> Turn {
    let extensions = announced(context.options, channel(context));
    let reply = Reply::extended_hello(&context.options.hostname, extensions);
    introduce(state, helo, HelloKind::Extended, reply, context)
}

pub(super) fn helo(state: &State, helo: Helo, context: &mut Context<'_>) -> Turn {
    let reply = Reply::hello(&context.options.hostname);
    introduce(state, helo, HelloKind::Plain, reply, context)
}

fn introduce(
    state: &State,
    helo: Helo,
    kind: HelloKind,
    reply: Reply,
    context: &mut Context<'_>,
) -> Turn {
    context.facts.helo = Some(helo.clone());
    let then = State::Ready(Hello { helo, kind });
    if state.has_transaction() {
        forget(then, reply.into())
    } else {
        (then, reply.into())
    }
}
