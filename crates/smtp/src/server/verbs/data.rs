//! `DATA`, RFC 5321 4.1.1.4, and the end of every message.
//!
//! After the 354 everything up to CRLF.CRLF is text. The 250 waits for the store; what is not known
//! to be stored is answered with 451. A refused end of data ends the transaction, a refused DATA
//! does not.
//!
//! In LMTP the end has a reply for each accepted recipient (RFC 2033 4.2), the DATA only one.

use cassmail_mail::Stored;
use cassmail_wire::Unstuffer;

use super::super::limits::Role;
use super::super::question::{BeginRefusal, CommitRefusal, Committed, Hop, Question};
use super::super::state::{
    Asked, Body, Context, Hello, HelloKind, Outcome, Replies, ReplyTo, State, Text, Transaction,
    Turn,
};
use super::rcpt::{no_room, reply_to};
use super::{confused, forget};
use crate::reply::Reply;

pub(super) fn proceed(state: State, context: &Context<'_>) -> Turn {
    match check(state, context) {
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

pub(super) fn check(state: State, context: &Context<'_>) -> Readiness {
    let is_lmtp = context.options.role == Role::Lmtp;
    let reply = match state {
        State::Open(transaction) if transaction.accepted > 0 => {
            return Readiness::Ready(transaction);
        }
        State::Open(_) if is_lmtp => Reply::nobody_accepted(),
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

/// RFC 3848 1, RFC 6531 3.7.3 and 4.3. Nobody logs in to LMTP.
fn with_keyword(transaction: &Transaction, context: &Context<'_>) -> &'static str {
    let tls = context.facts.tls.is_some();
    let user = context.facts.user.is_some();
    if context.options.role == Role::Lmtp {
        return match (transaction.terms.smtputf8, tls) {
            (false, false) => "LMTP",
            (false, true) => "LMTPS",
            (true, false) => "UTF8LMTP",
            (true, true) => "UTF8LMTPS",
        };
    }
    match (transaction.terms.smtputf8, tls, user) {
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
        replies: replies(&transaction, context),
        hello: transaction.hello,
        body: Body::new(Unstuffer::new(context.options.bare_lf)),
        ended: false,
    };
    (State::Text(text), Reply::begin_text().into())
}

/// How many replies the end of this message gets.
pub(super) fn replies(transaction: &Transaction, context: &Context<'_>) -> Replies {
    match context.options.role {
        Role::Mx | Role::Submission => Replies::One,
        // Where nobody was accepted, there is the command to answer.
        Role::Lmtp if transaction.accepted == 0 => Replies::One,
        Role::Lmtp => Replies::ForEach(transaction.accepted),
    }
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
        Some(reply) => forget(State::Ready(text.hello), text.replies.all(reply)),
        None => commit(text.hello, text.replies),
    }
}

pub(super) fn commit(hello: Hello, replies: Replies) -> Turn {
    let question = match replies {
        Replies::One => Question::Commit,
        Replies::ForEach(_) => Question::CommitEach,
    };
    let asked = Asked::Commit { hello, replies };
    (State::Asked(asked), Outcome::Ask(question))
}

/// The store has spoken. Whatever it said, the transaction is over, for the desk, too.
pub(super) fn committed(
    hello: Hello,
    answer: Result<Stored, CommitRefusal>,
    context: &mut Context<'_>,
) -> Turn {
    (State::Ready(hello), verdict(answer, context).into())
}

/// The same where every recipient has its own reply.
pub(super) fn committed_each(
    hello: Hello,
    recipients: usize,
    mut answer: Committed,
    context: &mut Context<'_>,
) -> Turn {
    if answer.refused.keys().any(|number| *number >= recipients) {
        return confused();
    }
    let all_are_gone = answer.refused.len() == recipients;
    // The one receipt is for all that are left; who is refused gets nothing of it.
    let common = (!all_are_gone).then(|| verdict(answer.stored, context));
    let reply = |number| match answer.refused.remove(&number) {
        Some(late) => Some(ReplyTo {
            reply: reply_to(late.why),
            about: Some(late.recipient.to_string()),
        }),
        None => common.clone().map(|reply| ReplyTo { reply, about: None }),
    };
    let replies = (0..recipients).filter_map(reply).collect();
    (State::Ready(hello), Outcome::ReplyToEach(replies))
}

fn verdict(answer: Result<Stored, CommitRefusal>, context: &mut Context<'_>) -> Reply {
    match answer {
        Ok(receipt) => {
            context.facts.messages = context.facts.messages.saturating_add(1);
            context.facts.idle_commands = 0;
            Reply::stored(receipt)
        }
        Err(CommitRefusal::Loop) => Reply::mail_loop(),
        Err(CommitRefusal::Full) => Reply::full(),
        Err(CommitRefusal::NoRoom(why)) => no_room(why),
        Err(CommitRefusal::Fault | CommitRefusal::Indeterminate) => Reply::fault(),
    }
}
