//! `RCPT`, RFC 5321 4.1.1.3: `"RCPT TO:" ( "<Postmaster>" / Forward-path )`.
//!
//! A refused recipient does not end the transaction (RFC 5321 3.3). Who does not exist is refused
//! here, where no report is needed (RFC 5321 3.6.2, 6.1).

use super::super::question::{NoRoom, Question, Recipient, RecipientRefusal};
use super::super::state::{Asked, Context, Outcome, Refusal, State, Transaction, Turn, Weight};
use crate::reply::Reply;

pub(super) fn proceed(state: State, recipient: Recipient, context: &Context<'_>) -> Turn {
    let transaction = match state {
        State::Open(transaction) => transaction,
        State::Chunked(_) => return (state, Reply::transaction_open().into()),
        State::Ready(_) => return (state, Reply::sender_first().into()),
        state => return (state, Reply::say_hello_first().into()),
    };
    if let Some(reply) = check(&transaction, &recipient, context) {
        return refuse(transaction, &recipient, reply);
    }
    let asked = Asked::Recipient {
        transaction,
        recipient: recipient.clone(),
    };
    let question = Question::Recipient(recipient);
    (State::Asked(asked), Outcome::Ask(question))
}

fn check(transaction: &Transaction, recipient: &Recipient, context: &Context<'_>) -> Option<Reply> {
    if transaction.accepted >= context.options.limits.recipients {
        return Some(Reply::too_many_recipients());
    }
    match recipient {
        Recipient::Mailbox(address) if !address.is_ascii() && !transaction.terms.smtputf8 => {
            Some(Reply::utf8_not_announced())
        }
        _ => None,
    }
}

pub(super) fn answered(
    mut transaction: Transaction,
    recipient: &Recipient,
    answer: Result<(), RecipientRefusal>,
) -> Turn {
    match answer {
        Ok(()) => {
            transaction.accepted = transaction.accepted.saturating_add(1);
            (State::Open(transaction), Reply::recipient_accepted().into())
        }
        Err(refusal) => refuse(transaction, recipient, reply_to(refusal)),
    }
}

pub(super) fn reply_to(refusal: RecipientRefusal) -> Reply {
    match refusal {
        RecipientRefusal::Unknown => Reply::unknown_recipient(),
        RecipientRefusal::NotLocal => Reply::not_local(),
        RecipientRefusal::Disabled => Reply::disabled_recipient(),
        RecipientRefusal::TooMany => Reply::too_many_recipients_from_you(),
        RecipientRefusal::NoRoom(why) => no_room(why),
        RecipientRefusal::Fault => Reply::fault(),
    }
}

/// What a mailbox without room is answered with, at RCPT and at the end of data.
pub(super) fn no_room(why: NoRoom) -> Reply {
    match why {
        NoRoom::Full => Reply::mailbox_full(),
        NoRoom::FullForLong => Reply::mailbox_full_for_long(),
        NoRoom::MessageTooLarge => Reply::larger_than_the_mailbox(),
    }
}

/// Refusals count as errors only while they are the larger part: a mailing list with some stale
/// members is no dictionary attack.
fn refuse(mut transaction: Transaction, recipient: &Recipient, reply: Reply) -> Turn {
    transaction.refused = transaction.refused.saturating_add(1);
    let weight = if transaction.refused > transaction.accepted {
        Weight::Counts
    } else {
        Weight::Forgiven
    };
    let refusal = Refusal {
        reply,
        about: Some(recipient.to_string()),
        weight,
    };
    (State::Open(transaction), Outcome::Refuse(refusal))
}
