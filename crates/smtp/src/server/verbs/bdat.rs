//! `BDAT`, RFC 3030 2: `"BDAT" SP chunk-size [ SP "LAST" ]`, then that many octets.
//!
//! The octets follow whatever the server thinks of the command, so those of a refused chunk are
//! read and thrown away before the reply; otherwise they would be taken for commands. After a
//! refused chunk inside a transaction everything but RSET, NOOP and QUIT is 503, since the client
//! may have sent the rest already; a refused LAST chunk is the end of data and ends the
//! transaction.
//!
//! In LMTP the last chunk has a reply for each recipient, whatever becomes of it, and any other
//! chunk has one (RFC 2033 4.3).

use bytes::Bytes;
use cassmail_wire::{Ending, Unstuffer};

use super::super::question::{BeginRefusal, Question};
use super::super::state::{
    Asked, Body, Broken, Chunk, Chunked, Context, Discarding, Hello, HelloKind, Outcome, Replies,
    State, Transaction, Turn,
};
use super::data::{Readiness, begin_refused, check, commit, hop, replies};
use super::forget;
use crate::reply::Reply;

pub(super) fn proceed(state: State, octets: u64, last: bool, context: &Context<'_>) -> Turn {
    let limit = context.options.limits.message_octets;
    if state
        .hello()
        .is_some_and(|hello| hello.kind == HelloKind::Plain)
    {
        return refuse(state, octets, last, Reply::say_hello_first(), context);
    }
    match state {
        State::Chunked(message) if message.body.octets().saturating_add(octets) > limit => {
            let reply = Reply::too_large();
            refuse(State::Chunked(message), octets, last, reply, context)
        }
        State::Chunked(message) => read(message, octets, last),
        state => match check(state, context) {
            Readiness::Ready(transaction) if octets > limit => {
                let reply = Reply::too_large();
                refuse(State::Open(transaction), octets, last, reply, context)
            }
            Readiness::Ready(transaction) => ask(transaction, octets, last, context),
            Readiness::Not(state, reply) => refuse(state, octets, last, reply, context),
        },
    }
}

fn ask(transaction: Transaction, octets: u64, last: bool, context: &Context<'_>) -> Turn {
    let question = Question::Begin(hop(&transaction, context));
    let asked = Asked::BeginChunk {
        transaction,
        octets,
        last,
    };
    (State::Asked(asked), Outcome::Ask(question))
}

pub(super) fn answered(
    transaction: Transaction,
    octets: u64,
    last: bool,
    answer: Result<(), BeginRefusal>,
    context: &Context<'_>,
) -> Turn {
    if let Err(refusal) = answer {
        let reply = begin_refused(refusal);
        return refuse(State::Open(transaction), octets, last, reply, context);
    }
    let message = Chunked {
        replies: replies(&transaction, context),
        hello: transaction.hello,
        body: Body::new(Unstuffer::of_chunks(context.options.bare_lf)),
    };
    read(message, octets, last)
}

fn read(message: Chunked, octets: u64, last: bool) -> Turn {
    let chunk = Chunk {
        message,
        octets,
        remaining: octets,
        last,
    };
    (State::Chunk(chunk), Outcome::Read)
}

/// Reads the octets of a refused chunk, then replies.
pub(super) fn refuse(
    state: State,
    octets: u64,
    last: bool,
    reply: Reply,
    context: &Context<'_>,
) -> Turn {
    let limits = &context.options.limits;
    let most = limits.message_octets.saturating_add(limits.overrun_octets);
    if octets > most {
        return (state, Outcome::Close(Reply::too_large(), Ending::Abuse));
    }
    let then = match state {
        State::Open(transaction) => {
            let replies = replies(&transaction, context);
            refused(transaction.hello, replies, last, reply)
        }
        State::Chunked(message) => refused(message.hello, message.replies, last, reply),
        State::Broken(broken) if last => {
            let outcome = broken.replies.all(reply);
            (State::Broken(broken), outcome)
        }
        state => (state, reply.into()),
    };
    let discarding = Discarding {
        remaining: octets,
        then: Box::new(then),
    };
    (State::Discarding(discarding), Outcome::Read)
}

fn refused(hello: Hello, replies: Replies, last: bool, reply: Reply) -> Turn {
    if last {
        forget(State::Ready(hello), replies.all(reply))
    } else {
        forget(State::Broken(Broken { hello, replies }), reply.into())
    }
}

/// The octets of a chunk have come; gives what is to be handed on before the turn, too.
pub(crate) fn chunk_ended(mut chunk: Chunk, context: &Context<'_>) -> (Turn, Option<Bytes>) {
    let limits = &context.options.limits;
    let piece = if chunk.last {
        chunk.message.body.finish(limits)
    } else {
        None
    };
    let turn = match chunk.message.body.refusal(limits) {
        Some(reply) => {
            let message = chunk.message;
            refused(message.hello, message.replies, chunk.last, reply)
        }
        None if chunk.last => commit(chunk.message.hello, chunk.message.replies),
        None => {
            let reply = Reply::chunk_taken(chunk.octets);
            (State::Chunked(chunk.message), reply.into())
        }
    };
    (turn, piece)
}
