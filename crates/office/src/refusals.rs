//! What a refusal of SMTP is recorded with: the rule that the desk kept, and the envelope.

use std::collections::BTreeMap;

use cassmail_mail::{Address, MessageId, ReversePath};
use cassmail_smtp::Verb;
use cassmail_smtp::server::{
    Answer, BeginRefusal, CommitRefusal, Helo, Hop, LoginRefusal, RecipientRefusal, Refused,
    SenderRefusal,
};
use cassmail_store::{Refusal, Rule, Way};

/// What the desk knows of the refusal that the session is about to note.
#[derive(Default)]
pub(crate) struct Notes {
    /// Why the last answer was a refusal; none if it was not, so that the session refuses by a rule
    /// of the protocol.
    rule: Option<Rule>,
    /// The same for recipients that were refused after the message had come.
    late: BTreeMap<String, Rule>,
    /// Of a transaction that has just ended.
    pub(crate) envelope: Option<Envelope>,
}

/// A transaction as far as it had come.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    pub(crate) message: MessageId,
    pub(crate) user: Option<Address>,
    pub(crate) reverse_path: ReversePath,
    pub(crate) recipients: Vec<Address>,
}

impl Notes {
    /// Another question is asked: what was noted has been said.
    pub(crate) fn begin(&mut self) {
        *self = Self::default();
    }

    /// Remembers why an answer is a refusal, if it is one.
    pub(crate) fn answered(&mut self, answer: &Answer) {
        self.rule = match answer {
            Answer::StartScram(Err(why)) | Answer::LogIn(Err(why)) => Some(of_login(*why)),
            Answer::Sender(Err(why)) => Some(of_sender(*why)),
            Answer::Recipient(Err(why)) => Some(of_recipient(*why)),
            Answer::Begin(Err(why)) => Some(of_begin(*why)),
            Answer::Commit(Err(why)) => Some(of_commit(*why)),
            Answer::CommitEach(committed) => {
                let late = committed.refused.values();
                let late = late.map(|late| (late.recipient.to_string(), of_recipient(late.why)));
                self.late = late.collect();
                committed.stored.as_ref().err().map(|why| of_commit(*why))
            }
            _ => None,
        };
    }

    /// The transaction that has just ended, if this refusal is that of its message, or of the time
    /// that it took: a command behind it has none.
    pub(crate) fn ended(&self, verb: Verb) -> Option<&Envelope> {
        let is_text = matches!(verb, Verb::Data | Verb::Bdat | Verb::Unasked);
        self.envelope.as_ref().filter(|_| is_text)
    }

    /// The record of a refusal; `open` is the transaction that goes on.
    pub(crate) fn refusal(&self, refused: Refused, open: Option<Envelope>) -> Refusal {
        let about = refused.about;
        let late = about.as_ref().and_then(|about| self.late.get(about));
        let rule = late.copied().or(self.rule).unwrap_or(Rule::Protocol);
        let named = about.as_deref().and_then(path_in);
        let is_sender = refused.verb == Verb::Mail;
        let envelope = open.or_else(|| self.ended(refused.verb).cloned());
        let (message, user, reverse_path, recipients) = match envelope {
            Some(envelope) => (
                Some(envelope.message),
                envelope.user,
                Some(envelope.reverse_path),
                envelope.recipients,
            ),
            None => (None, None, None, Vec::new()),
        };
        let (sender, recipient) = if is_sender {
            (named, None)
        } else {
            (None, named)
        };
        // Who else gets the message is not concerned by a recipient that is refused.
        let recipients = match recipient {
            Some(_) => Vec::new(),
            None => recipients,
        };
        Refusal {
            command: refused.verb.to_string(),
            message,
            user,
            reverse_path: sender.map(ReversePath::Mailbox).or(reverse_path),
            recipients,
            about,
            recipient,
            reply: refused.reply.to_string(),
            rule,
        }
    }
}

/// The address of a path, which may stand in a malformed argument.
fn path_in(about: &str) -> Option<Address> {
    let inner = match about.split_once('<') {
        Some((_, rest)) => rest.rsplit_once('>')?.0,
        None => about,
    };
    inner.parse().ok()
}

/// How a client came, as it is recorded.
pub(crate) fn way(hop: &Hop) -> Way {
    Way {
        helo: match &hop.helo {
            Helo::Domain(domain) => domain.to_string(),
            Helo::Literal(address) => format!("[{address}]"),
            Helo::Other(text) => text.clone(),
        },
        with: hop.with.to_owned(),
        tls: hop.tls.as_ref().map(|tls| tls.version.to_string()),
    }
}

fn of_login(why: LoginRefusal) -> Rule {
    match why {
        LoginRefusal::Wrong => Rule::Login,
        LoginRefusal::TooMany => Rule::TooMany,
        LoginRefusal::TryLater => Rule::Fault,
    }
}

fn of_sender(why: SenderRefusal) -> Rule {
    match why {
        SenderRefusal::NotYours => Rule::NotYours,
        SenderRefusal::TooMany => Rule::TooMany,
        SenderRefusal::Full => Rule::StoreFull,
        SenderRefusal::Fault => Rule::Fault,
    }
}

fn of_recipient(why: RecipientRefusal) -> Rule {
    match why {
        RecipientRefusal::Unknown => Rule::UnknownRecipient,
        RecipientRefusal::NotLocal => Rule::NotLocal,
        RecipientRefusal::Disabled => Rule::Disabled,
        RecipientRefusal::NoRoom(_) => Rule::MailboxFull,
        RecipientRefusal::TooMany => Rule::TooMany,
        RecipientRefusal::Fault => Rule::Fault,
    }
}

fn of_begin(why: BeginRefusal) -> Rule {
    match why {
        BeginRefusal::Full => Rule::StoreFull,
        BeginRefusal::Fault => Rule::Fault,
    }
}

fn of_commit(why: CommitRefusal) -> Rule {
    match why {
        CommitRefusal::Loop => Rule::Loop,
        CommitRefusal::NoRoom(_) => Rule::MailboxFull,
        CommitRefusal::Full => Rule::StoreFull,
        CommitRefusal::Fault => Rule::Fault,
        CommitRefusal::Indeterminate => Rule::Indeterminate,
    }
}
