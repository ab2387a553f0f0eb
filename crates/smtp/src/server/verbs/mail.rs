//! `MAIL`, RFC 5321 4.1.1.2: `"MAIL FROM:" Reverse-path [SP Mail-parameters]`.
//!
//! Parameters: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), REQUIRETLS (RFC 8689 2, under
//! TLS only; of users, too, RFC 8689 4.3), AUTH (RFC 4954 5, where logins are offered; it is not
//! trusted, which is what the RFC demands of who cannot check it).

use cassmail_mail::ReversePath;
use cassmail_wire::{Ending, Load};

use super::super::limits::AuthOffer;
use super::super::question::{Question, Sender, SenderRefusal};
use super::super::state::{Asked, Context, Hello, HelloKind, Outcome, State, Transaction, Turn};
use super::channel;
use crate::command::{Mail, Terms};
use crate::extension::offers_require_tls;
use crate::reply::Reply;

pub(super) fn proceed(state: State, mail: Mail, context: &Context<'_>) -> Turn {
    let hello = match state {
        State::Ready(hello) => hello,
        state @ (State::Open(_) | State::Chunked(_)) => {
            return (state, Reply::transaction_open().into());
        }
        state => return (state, Reply::say_hello_first().into()),
    };
    if context.facts.load == Load::Full {
        // RFC 5321 3.8: whoever is sent away so comes back.
        return (
            State::Ready(hello),
            Outcome::Close(Reply::too_busy(), Ending::Stopped),
        );
    }
    if let Some(reply) = check(&hello, &mail, context) {
        let outcome = Outcome::refuse(reply, &mail.reverse_path);
        return (State::Ready(hello), outcome);
    }
    let asked = Asked::Sender {
        hello,
        terms: mail.terms,
        reverse_path: mail.reverse_path.clone(),
    };
    let question = Question::Sender(Sender {
        reverse_path: mail.reverse_path,
        size: mail.size,
        smtputf8: mail.terms.smtputf8,
        require_tls: mail.terms.require_tls,
        user: context.facts.user.clone(),
    });
    (State::Asked(asked), Outcome::Ask(question))
}

/// RFC 1870 4, 6.1: what is too large for everybody is refused before it is sent. RFC 6531 3.5: an
/// address beyond ASCII has to be announced.
fn check(hello: &Hello, mail: &Mail, context: &Context<'_>) -> Option<Reply> {
    let options = context.options;
    let no_logins = mail.auth && options.auth == AuthOffer::Never;
    let in_clear = mail.terms.require_tls && !offers_require_tls(channel(context));
    if no_logins || in_clear || (mail.extended && hello.kind == HelloKind::Plain) {
        return Some(Reply::unknown_parameter());
    }
    if !mail.terms.smtputf8 && !is_ascii(&mail.reverse_path) {
        return Some(Reply::utf8_not_announced());
    }
    let is_too_large = mail
        .size
        .is_some_and(|size| size > options.limits.message_octets);
    is_too_large.then(Reply::too_large)
}

fn is_ascii(path: &ReversePath) -> bool {
    match path {
        ReversePath::Null => true,
        ReversePath::Mailbox(address) => address.is_ascii(),
    }
}

pub(super) fn answered(
    hello: Hello,
    terms: Terms,
    reverse_path: &ReversePath,
    answer: Result<(), SenderRefusal>,
) -> Turn {
    let reply = match answer {
        Ok(()) => {
            let transaction = Transaction {
                hello,
                terms,
                accepted: 0,
                refused: 0,
            };
            return (State::Open(transaction), Reply::sender_accepted().into());
        }
        Err(SenderRefusal::NotYours) => Reply::not_your_address(),
        Err(SenderRefusal::TooMany) => Reply::too_many_messages(),
        Err(SenderRefusal::Full) => Reply::full(),
        Err(SenderRefusal::Fault) => Reply::fault(),
    };
    (State::Ready(hello), Outcome::refuse(reply, reverse_path))
}
