//! The verbs, one file each: grammar, whether it may be said now, what it leads to.
//!
//! A verb takes the state by value and gives back the next one with an outcome, so that there is
//! exactly one reply to every command (RFC 5321 4.3.1, 4.3.2). What is common to all is this table
//! and [`check`].
//!
//! | verb     | before TLS | before login | after a refused chunk | leads nowhere |
//! |----------|------------|--------------|-----------------------|---------------|
//! | EHLO     | yes        | yes          | no                    | yes           |
//! | HELO     | no         | yes          | no                    | yes           |
//! | LHLO     | no         | yes          | no                    | yes           |
//! | STARTTLS | yes        | yes          | no                    | no            |
//! | AUTH     | no         | yes          | no                    | no            |
//! | MAIL     | no         | no           | no                    | no            |
//! | RCPT     | no         | no           | no                    | no            |
//! | DATA     | no         | no           | no                    | no            |
//! | BDAT     | no         | no           | no                    | no            |
//! | RSET     | yes        | yes          | yes                   | yes           |
//! | NOOP     | yes        | yes          | yes                   | yes           |
//! | VRFY     | no         | no           | no                    | yes           |
//! | EXPN     | no         | no           | no                    | yes           |
//! | HELP     | no         | yes          | no                    | yes           |
//! | QUIT     | yes        | yes          | yes                   | no            |
//!
//! "Before TLS" and "before login" are about submission, where both are required (RFC 3207 4.3, RFC
//! 6409 4.3). Commands that
//! lead nowhere are counted, see [`Limits::idle_commands`](super::limits::Limits::idle_commands).
//! Any command may be pipelined; RFC 2920 3.1 forbids some to clients, and to punish that would hit
//! the careless only: what is said behind STARTTLS is thrown away, and behind DATA it is text.

pub(crate) mod auth;
pub(crate) mod bdat;
pub(crate) mod data;
mod ehlo;
mod mail;
mod rcpt;
mod rset;
mod simple;
mod starttls;

use cassmail_wire::Ending;
use cassmail_wire::sasl::Channel;

use super::limits::{AuthOffer, Role};
use super::question::{Answer, Question};
use super::state::{Asked, Context, Outcome, Replies, State, Turn};
use crate::command::{Command, Verb};
use crate::reply::Reply;

struct Rules {
    before_tls: Allowed,
    before_login: Allowed,
    after_refused_chunk: Allowed,
    leads: Leads,
}

#[derive(PartialEq, Eq)]
enum Allowed {
    Yes,
    No,
}

#[derive(PartialEq, Eq)]
enum Leads {
    Somewhere,
    Nowhere,
}

/// The table above.
fn rules(verb: Verb) -> Rules {
    use Allowed::{No, Yes};
    use Leads::{Nowhere, Somewhere};
    let row = |before_tls, before_login, after_refused_chunk, leads| Rules {
        before_tls,
        before_login,
        after_refused_chunk,
        leads,
    };
    match verb {
        Verb::Ehlo => row(Yes, Yes, No, Nowhere),
        Verb::Helo | Verb::Lhlo | Verb::Help => row(No, Yes, No, Nowhere),
        Verb::StartTls => row(Yes, Yes, No, Somewhere),
        Verb::Auth => row(No, Yes, No, Somewhere),
        Verb::Mail | Verb::Rcpt | Verb::Data | Verb::Bdat => row(No, No, No, Somewhere),
        Verb::Rset | Verb::Noop => row(Yes, Yes, Yes, Nowhere),
        Verb::Vrfy | Verb::Expn => row(No, No, No, Nowhere),
        Verb::Quit | Verb::Unknown | Verb::Foreign | Verb::Unasked => row(Yes, Yes, Yes, Somewhere),
    }
}

/// Whether a verb is counted as idle talk.
pub(crate) fn leads_nowhere(verb: Verb) -> bool {
    rules(verb).leads == Leads::Nowhere
}

/// Does what a command says.
pub(crate) fn proceed(state: State, command: Command, context: &mut Context<'_>) -> Turn {
    let verb = command.verb();
    let role = context.options.role;
    if let Some(reply) = of_another_role(verb, role).or_else(|| check(&state, verb, context)) {
        return match command {
            Command::Bdat { octets, last } => bdat::refuse(state, octets, last, reply, context),
            _ => (state, reply.into()),
        };
    }
    match command {
        Command::Ehlo(helo) | Command::Lhlo(helo) => ehlo::ehlo(&state, helo, context),
        Command::Helo(helo) => ehlo::helo(&state, helo, context),
        Command::StartTls => starttls::proceed(state, context),
        Command::Auth { mechanism, initial } => {
            auth::proceed(state, &mechanism, initial.as_deref(), context)
        }
        Command::Mail(mail) => mail::proceed(state, mail, context),
        Command::Rcpt(recipient) => rcpt::proceed(state, recipient, context),
        Command::Data => data::proceed(state, context),
        Command::Bdat { octets, last } => bdat::proceed(state, octets, last, context),
        Command::Rset => rset::proceed(state),
        Command::Noop => simple::noop(state),
        Command::Vrfy => simple::vrfy(state),
        Command::Expn => simple::expn(state),
        Command::Help => simple::help(state),
        Command::Quit => simple::quit(state),
    }
}

/// The words with which clients of SMTP and of LMTP introduce themselves are not understood by the
/// other (RFC 2033 4.1), so that a wrong port is noticed at once.
pub(crate) fn of_another_role(verb: Verb, role: Role) -> Option<Reply> {
    match (verb, role) {
        (Verb::Ehlo | Verb::Helo, Role::Lmtp) => Some(Reply::lmtp_is_spoken()),
        (Verb::Lhlo, Role::Mx | Role::Submission) => Some(Reply::unknown_verb()),
        _ => None,
    }
}

/// What the table forbids now.
fn check(state: &State, verb: Verb, context: &Context<'_>) -> Option<Reply> {
    let rules = rules(verb);
    if rules.after_refused_chunk == Allowed::No && matches!(state, State::Broken(_)) {
        return Some(Reply::chunk_was_refused());
    }
    if context.options.role != Role::Submission {
        return None;
    }
    let needs_tls =
        context.options.auth == AuthOffer::UnderTls && channel(context) == Channel::Clear;
    if needs_tls && rules.before_tls == Allowed::No {
        return Some(Reply::tls_first());
    }
    let needs_login = context.facts.user.is_none();
    (needs_login && rules.before_login == Allowed::No).then(Reply::login_first)
}

/// Goes on after an answer.
pub(crate) fn answered(asked: Asked, answer: Answer, context: &mut Context<'_>) -> Turn {
    match (asked, answer) {
        (Asked::StartScram { hello, starting }, Answer::StartScram(answer)) => {
            auth::started(hello, starting, answer, context)
        }
        (Asked::LogIn(claimed), Answer::LogIn(answer)) => auth::judged(claimed, answer, context),
        (
            Asked::Sender {
                hello,
                terms,
                reverse_path,
            },
            Answer::Sender(answer),
        ) => mail::answered(hello, terms, &reverse_path, answer),
        (
            Asked::Recipient {
                transaction,
                recipient,
            },
            Answer::Recipient(answer),
        ) => rcpt::answered(transaction, &recipient, answer),
        (Asked::BeginText(transaction), Answer::Begin(answer)) => {
            data::answered(transaction, answer, context)
        }
        (
            Asked::BeginChunk {
                transaction,
                octets,
                last,
            },
            Answer::Begin(answer),
        ) => bdat::answered(transaction, octets, last, answer, context),
        (
            Asked::Commit {
                hello,
                replies: Replies::One,
            },
            Answer::Commit(answer),
        ) => data::committed(hello, answer, context),
        (
            Asked::Commit {
                hello,
                replies: Replies::ForEach(recipients),
            },
            Answer::CommitEach(answer),
        ) => data::committed_each(hello, recipients, answer, context),
        (Asked::Forget(then), Answer::Forgotten) => *then,
        _ => confused(),
    }
}

/// Somebody drives the session wrongly: an answer to another question. That is a bug of ours, and
/// no reason to end the process.
pub(crate) fn confused() -> Turn {
    (State::Start, Outcome::Close(Reply::bug(), Ending::Fault))
}

/// The client speaks HTTP or TLS: a browser or a proxy that somebody abuses to talk to us.
pub(crate) fn foreign() -> Turn {
    let close = Outcome::Close(Reply::another_protocol(), Ending::Abuse);
    (State::Start, close)
}

/// Lets the desk forget the transaction that was just left, before the outcome.
fn forget(then: State, outcome: Outcome) -> Turn {
    let asked = Asked::Forget(Box::new((then, outcome)));
    (State::Asked(asked), Outcome::Ask(Question::Forget))
}

fn channel<'a>(context: &'a Context<'_>) -> Channel<'a> {
    match &context.facts.tls {
        Some(tls) => Channel::Tls(&tls.bindings),
        None => Channel::Clear,
    }
}
