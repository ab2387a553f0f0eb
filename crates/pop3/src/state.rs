//! The states, and the way from one to another.

use std::num::NonZeroU32;

use cassmail_wire::Ending;
use cassmail_wire::sasl::scram::Starting;
use cassmail_wire::sasl::{Channel, Conclusion, Exchange};

use crate::command::Misuse;
use crate::listing::Listing;
use crate::maildrop::Maildrop;
use crate::note::Note;
use crate::options::{ClearTextLogin, Options};
use crate::question::{LoginRefusal, Question};
use crate::reply::Reply;
use crate::retrieval::{Errand, Retrieval};
use crate::texts::Language;

/// Where a session is. Each state holds what is valid in it and nothing else.
///
/// ```text
/// Greeting             -> Authorization
///
/// Authorization
///   USER, CAPA, UTF8,
///   LANG               -> Authorization
///   PASS               -> LoggingIn -> OpeningMaildrop -> Transaction
///   AUTH               -> Exchange [-> StartingScram -> Exchange] -> LoggingIn
///                         [-> Concluding] -> OpeningMaildrop ...  (cancelled: Authorization)
///   STLS               -> StartingTls -> Handshaking -> Authorization
///   QUIT               -> Ended
/// StartingScram, LoggingIn, Concluding, OpeningMaildrop, refused
///                      -> Authorization, or Ended after too many
///
/// Transaction
///   STAT, DELE, RSET,
///   NOOP, CAPA, LANG   -> Transaction
///   LIST, UIDL         -> Listing -> Transaction
///   RETR, TOP          -> Opening -> Retrieving [-> ClosingBody] -> Transaction
///   QUIT               -> Ended, or when something is marked: Removing -> Ended
/// Retrieving, broken off -> Ended
/// ```
///
/// StartingScram, LoggingIn, OpeningMaildrop, Opening, Retrieving, ClosingBody and Removing wait
/// for an answer. Only QUIT leads to Removing, which is RFC 1939's UPDATE; a connection that ends
/// otherwise goes to Ended from wherever it is.
#[derive(Debug)]
pub(crate) enum State {
    /// Nothing was said yet.
    Greeting,
    /// RFC 1939 4.
    Authorization(Authorization),
    /// Within AUTH: the client has to respond.
    Exchange(Authorization, Exchange),
    /// SCRAM asks where it begins.
    StartingScram(Authorization, Starting),
    /// The claim of this user is being checked.
    LoggingIn(Claimed),
    /// The verdict is there. Its last word was sent as a challenge, and the client says that it has
    /// heard it: with nothing, or by giving up.
    Concluding(Claimed, Result<(), LoginRefusal>),
    /// The maildrop of this user is being listed.
    OpeningMaildrop(Claimed),
    /// RFC 1939 5.
    Transaction(Transaction),
    /// A listing is being written.
    Listing(Listing),
    /// A message is being opened, up to its first piece, so that a fault has its own reply.
    Opening(Errand),
    /// A message is being written.
    Retrieving(Retrieval),
    /// TOP had enough.
    ClosingBody(Transaction),
    /// RFC 1939 6: what was marked is being removed.
    Removing,
    /// STLS was said: what came in clear is about to be thrown away.
    StartingTls,
    /// The handshake is going on.
    Handshaking,
    /// Over.
    Ended(Ending),
}

/// Before login.
#[derive(Debug, Default)]
pub(crate) struct Authorization {
    /// What USER said.
    pub(crate) user: Option<String>,
    pub(crate) refused_logins: u32,
}

/// A claim is with the desk.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) user: String,
    pub(crate) refused_logins: u32,
    pub(crate) conclusion: Conclusion,
}

/// After login.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) maildrop: Maildrop,
    /// So many days the account's mail stays at least; none: for good.
    pub(crate) expire: Option<NonZeroU32>,
}

/// What a verb may look at besides its state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting<'a> {
    pub(crate) options: &'a Options,
    pub(crate) channel: Channel<'a>,
    pub(crate) modes: Modes,
}

/// What a client has switched on. It outlives the states, but not the start of TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Modes {
    pub(crate) encoding: Encoding,
    pub(crate) language: Language,
}

/// What headers are given out in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// ASCII: internationalized messages are given out in their surrogate form (RFC 6858).
    #[default]
    Ascii,
    /// UTF-8: all messages are given out as they are kept (RFC 6856 2.1).
    Utf8,
}

/// A change of the modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    Encoding(Encoding),
    Language(Language),
}

impl Modes {
    pub(crate) fn switch(&mut self, switch: Switch) {
        match switch {
            Switch::Encoding(encoding) => self.encoding = encoding,
            Switch::Language(language) => self.language = language,
        }
    }
}

impl Claimed {
    /// Where the session is when the claim came to nothing.
    pub(crate) fn back(self) -> Authorization {
        Authorization {
            user: None,
            refused_logins: self.refused_logins,
        }
    }
}

impl Setting<'_> {
    /// Whether passwords may come over this channel.
    pub(crate) fn may_log_in(&self) -> bool {
        matches!(self.channel, Channel::Tls(_))
            || self.options.clear_text_login == ClearTextLogin::Allowed
    }
}

/// What a command, or the answer that it waited for, leads to: the next state, and one outcome.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) next: State,
    pub(crate) outcome: Outcome,
    /// Holds for the reply already.
    pub(crate) switch: Option<Switch>,
    pub(crate) note: Option<Note>,
}

/// What a command comes to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It has its reply.
    Reply(Reply),
    /// It broke a rule; that is counted, and has its reply.
    Misuse(Misuse),
    /// Its reply depends on an answer.
    Ask(Question),
    /// It has its reply already, or cannot have one any more.
    Nothing,
}

impl Turn {
    pub(crate) fn reply(next: State, reply: Reply) -> Self {
        Self::new(next, Outcome::Reply(reply))
    }

    pub(crate) fn misuse(next: State, misuse: Misuse) -> Self {
        Self::new(next, Outcome::Misuse(misuse))
    }

    pub(crate) fn ask(next: State, question: Question) -> Self {
        Self::new(next, Outcome::Ask(question))
    }

    pub(crate) fn silent(next: State) -> Self {
        Self::new(next, Outcome::Nothing)
    }

    pub(crate) fn switching(self, switch: Switch) -> Self {
        Self {
            switch: Some(switch),
            ..self
        }
    }

    pub(crate) fn noting(self, note: Note) -> Self {
        Self {
            note: Some(note),
            ..self
        }
    }

    fn new(next: State, outcome: Outcome) -> Self {
        Self {
            next,
            outcome,
            switch: None,
            note: None,
        }
    }
}
