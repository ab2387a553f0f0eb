//! `DATA`, RFC 5321 4.1.1.4, and the end of every message.
//!
//! After the 354 everything up to CRLF.CRLF is text. The 250 waits for the store; what is not known
//! to be stored is answered with 451. A refused end of data ends the transaction, a refused DATA
//! does not.

use cassmail_mail::Stored;
use cassmail_wire::Unstuffer;

use super::super::question::{BeginRefusal, CommitRefusal, Hop, Question};
use super::super::state::{
    Asked, Body, Context, Hello, HelloKind, Outcome, State, Text, Transaction, Turn,
};
use super::forget;
use crate::reply::Reply;

pub(super) fn proceed(state: State, context: &Context<'_>) -> Turn {
    match check(state) {
        Readiness::Ready(transaction) => {
            let question = Question::Begin(hop(&transaction, context));
            let asked = Asked::BeginText(transaction);
            (State::Asked(asked), Outcome::Ask(question))
        }
        Readiness::Not(state, reply) => (state, reply.into()),
    }
}

/// Whether a text may come now.
pub(super) enum Readiness {
    Ready(Transaction),
    Not(State, Reply),
}

pub(super) fn check(state: State) -> Readiness {
    let reply = match state {
        State::Open(transaction) if transaction.accepted > 0 => {
            return Readiness::Ready(transaction);
        }
        State::Open(ref transaction) if transaction.refused > 0 => Reply::no_valid_recipients(),
        State::Open(_) => Reply::recipient_first(),
        State::Chunked(_) => Reply::transaction_open(),
        State::Ready(_) => Reply::sender_first(),
        _ => Reply::say_hello_first(),
    };
    Readiness::Not(state, reply)
}

/// What the trace field will tell (RFC 5321 4.4).
pub(super) fn hop(transaction: &Transaction, context: &Context<'_>) -> Hop {
    Hop {
        helo: transaction.hello.helo.clone(),
        with: with_keyword(transaction, context),
        tls: context.facts.tls.clone(),
    }
}

/// RFC 3848 1, RFC 6531 3.7.3 and 4.3.
fn with_keyword(transaction: &Transaction, context: &Context<'_>) -> &'static str {
    let tls = context.facts.tls.is_some();
    let user = context.facts.user.is_some();
    match (transaction.smtputf8, tls, user) {
        _ if transaction.hello.kind == HelloKind::Plain => "SMTP",
        (false, false, false) => "ESMTP",
        (false, false, true) => "ESMTPA",
        (false, true, false) => "ESMTPS",
        (false, true, true) => "ESMTPSA",
        (true, false, false) => "UTF8SMTP",
        (true, false, true) => "UTF8SMTPA",
        (true, true, false) => "UTF8SMTPS",
        (true, true, true) => "UTF8SMTPSA",
    }
}

pub(super) fn answered(
    transaction: Transaction,
    answer: Result<(), BeginRefusal>,
    context: &Context<'_>,
) -> Turn {
    if let Err(refusal) = answer {
        return (State::Open(transaction), begin_refused(refusal).into());
    }
    let text = Text {
        hello: transaction.hello,
        body: Body::new(Unstuffer::new(context.options.bare_lf)),
        ended: false,
    };
    (State::Text(text), Reply::begin_text().into())
}

pub(super) fn begin_refused(refusal: BeginRefusal) -> Reply {
    match refusal {
        BeginRefusal::Full => Reply::full(),
        BeginRefusal::Fault => Reply::fault(),
    }
}

/// The end of data has come. Only now is a message that was not declared found to be too large
/// (RFC 1870 6.3), or to break the rules (RFC 5321 4.2.5).
pub(crate) fn text_ended(text: Text, context: &Context<'_>) -> Turn {
    match text.body.refusal(&context.options.limits) {
        Some(reply) => forget(State::Ready(text.hello), reply.into()),
        None => commit(text.hello),
    }
}

pub(super) fn commit(hello: Hello) -> Turn {
    let asked = State::Asked(Asked::Commit(hello));
    (asked, Outcome::Ask(Question::Commit))
}

/// The store has spoken. Whatever it said, the transaction is over, for the desk, too.
pub(super) fn committed(
    hello: Hello,
    answer: Result<Stored, CommitRefusal>,
    context: &mut Context<'_>,
) -> Turn {
    let reply = match answer {
        Ok(receipt) => {
            context.facts.messages = context.facts.messages.saturating_add(1);
            context.facts.idle_commands = 0;
            Reply::stored(receipt)
        }
        Err(CommitRefusal::Loop) => Reply::mail_loop(),
        Err(CommitRefusal::Full) => Reply::full(),
        Err(CommitRefusal::Fault | CommitRefusal::Indeterminate) => Reply::fault(),
    };
    (State::Ready(hello), reply.into())
}
