//! The complete list of what a POP3 session needs from the world.

use std::num::NonZeroU32;

use bytes::Bytes;
use cassmail_mail::{Entry, MessageId, Removed};
use cassmail_wire::sasl::scram::ScramStart;
use cassmail_wire::sasl::{Acceptance, Claim};

/// What the session asks its desk. One question is open at a time.
#[derive(Debug, PartialEq, Eq)]
pub enum Question {
    /// Where does an exchange of SCRAM for a user of this name begin? Answer:
    /// [`Answer::StartScram`].
    StartScram(String),
    /// Is this claim true? Answer: [`Answer::LogIn`].
    LogIn(Claim),
    /// What is in the maildrop of who logged in? Answer: [`Answer::Maildrop`].
    OpenMaildrop,
    /// Begin to give out this message in this form. Answer: [`Answer::Opened`].
    OpenBody(MessageId, Form),
    /// The next piece of the message that was opened. Answer: [`Answer::Piece`].
    NextPiece,
    /// Stop giving out (TOP has enough). Answer: [`Answer::BodyClosed`].
    CloseBody,
    /// Remove these for good. Answer: [`Answer::Removed`].
    Remove(Vec<MessageId>),
}

/// What the desk answers, in the order of the questions.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Question::StartScram`]; for a name that is nobody's it looks the same.
    StartScram(Result<ScramStart, LoginRefusal>),
    /// To [`Question::LogIn`].
    LogIn(Result<Acceptance, LoginRefusal>),
    /// To [`Question::OpenMaildrop`].
    Maildrop(Result<Contents, MaildropRefusal>),
    /// To [`Question::OpenBody`].
    Opened(Result<(), BodyRefusal>),
    /// To [`Question::NextPiece`]: none at the end. After an error, what was sent stands, and the
    /// connection has to end without the terminator, so that the client does not take it for whole.
    Piece(Result<Option<Bytes>, BodyRefusal>),
    /// To [`Question::CloseBody`].
    BodyClosed,
    /// To [`Question::Remove`]. Only a store makes the receipt. Without one, some may be gone.
    Removed(Result<Removed, RemoveRefusal>),
}

/// In which form a message is given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Octet by octet as it is kept.
    AsKept,
    /// Without what a client that did not say UTF8 cannot read: the surrogate of RFC 6858, with as
    /// many octets as the entry says.
    Surrogate,
}

/// What a maildrop holds at login.
#[derive(Debug, PartialEq, Eq)]
pub struct Contents {
    /// The listing in its order, fixed for the session.
    pub entries: Vec<Entry>,
    /// For so many days at least mail stays, unless its owner removes it; none: for good. What
    /// EXPIRE says to this account (RFC 2449 6.7).
    pub expire: Option<NonZeroU32>,
}

/// Why a claim is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginRefusal {
    /// Unknown user, wrong password or disabled account, told alike: `-ERR [AUTH]`.
    Wrong,
    /// A fault of ours, or too many logins at once: `-ERR [SYS/TEMP]`.
    TryLater,
    /// Too many wrong ones of this source or for this account: `-ERR [SYS/TEMP]`, so that no client
    /// asks for another password.
    TooMany,
    /// Another session has the maildrop, where the operator wants that lock: `-ERR [IN-USE]`.
    InUse,
}

/// Why a maildrop cannot be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MaildropRefusal {
    /// A fault of ours: `-ERR [SYS/TEMP]`.
    TryLater,
    /// As many sessions have it as an account may have: `-ERR [SYS/TEMP]`.
    TooMany,
    /// Another session has the maildrop, where the operator wants that lock: `-ERR [IN-USE]`.
    InUse,
    /// The account logged in a moment ago, where the operator wants a pause between:
    /// `-ERR [LOGIN-DELAY]`.
    TooSoon,
}

/// Why a message cannot be given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BodyRefusal {
    /// Another session removed it meanwhile: `-ERR`, the session goes on.
    Gone,
    /// A fault of ours: `-ERR [SYS/TEMP]`.
    TryLater,
    /// The stored octets are damaged; an operator was told: `-ERR [SYS/PERM]`.
    Damaged,
}

/// Not everything is known to be removed: `-ERR some deleted messages not removed` (RFC 1939 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RemoveRefusal;
