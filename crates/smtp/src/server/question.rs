//! The complete list of what an SMTP session needs from the world.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use cassmail_mail::{Address, Domain, ReversePath, Stored};
use cassmail_wire::TlsFacts;
use cassmail_wire::sasl::scram::ScramStart;
use cassmail_wire::sasl::{Acceptance, Claim};

/// What the session asks its desk. One question is open at a time, so replies keep their order and
/// pipelined commands wait.
#[derive(Debug, PartialEq, Eq)]
pub enum Question {
    /// Where does an exchange of SCRAM for a user of this name begin? Answer:
    /// [`Answer::StartScram`].
    StartScram(String),
    /// Is this claim true? Answer: [`Answer::LogIn`].
    LogIn(Claim),
    /// May this sender open a transaction? Answer: [`Answer::Sender`]. Whatever transaction was
    /// open before is over.
    Sender(Sender),
    /// Is there such a recipient here? Answer: [`Answer::Recipient`]. An accepted one belongs to
    /// the transaction from now on.
    Recipient(Recipient),
    /// The body is about to come: is there room? Answer: [`Answer::Begin`].
    Begin(Hop),
    /// The body has come whole, every piece was handed over: make it durable for all recipients.
    /// Answer: [`Answer::Commit`].
    Commit,
    /// The same, where every recipient has its own reply (RFC 2033 4.2): for all that are still
    /// there. Answer: [`Answer::CommitEach`].
    CommitEach,
    /// The transaction ended without a commit (RSET, a refused body): forget it. Answer:
    /// [`Answer::Forgotten`].
    Forget,
}

/// What MAIL said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Where reports go.
    pub reverse_path: ReversePath,
    /// The size that was announced (RFC 1870), in octets.
    pub size: Option<u64>,
    /// Whether addresses and header may hold UTF-8 (RFC 6531).
    pub smtputf8: bool,
    /// Whether every further hop is to be under TLS (RFC 8689 4.1); to what reads the
    /// mailbox it does not matter (RFC 8689 4.4).
    pub require_tls: bool,
    /// Who logged in, in this session; none on the MX port.
    pub user: Option<Login>,
}

/// Who logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The account's address.
    pub address: Address,
}

impl fmt::Display for Recipient {
    /// Writes the path, for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mailbox(address) => write!(f, "<{address}>"),
            Self::Postmaster => f.write_str("<postmaster>"),
        }
    }
}

/// What RCPT said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// A mailbox; a source route in front of it was ignored (RFC 5321 appendix C).
    Mailbox(Address),
    /// `<Postmaster>` without a domain (RFC 5321 4.5.1).
    Postmaster,
}

/// What the `Received` field tells of this hop (RFC 5321 4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// What the client calls itself: recorded, never trusted.
    pub helo: Helo,
    /// The `with` keyword of RFC 3848 and RFC 6531 4.3, such as `ESMTPSA`.
    pub with: &'static str,
    /// What TLS agreed on, if it is on.
    pub tls: Option<TlsFacts>,
}

/// The argument of EHLO or HELO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Helo {
    /// A domain.
    Domain(Domain),
    /// An address literal.
    Literal(IpAddr),
    /// Something else, which many clients send; at most 255 printable characters without spaces,
    /// parentheses and the like, so that it can stand in a header field.
    Other(String),
}

/// What the desk answers, in the order of the questions.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Question::StartScram`]; for a name that is nobody's it looks the same.
    StartScram(Result<ScramStart, LoginRefusal>),
    /// To [`Question::LogIn`].
    LogIn(Result<(Login, Acceptance), LoginRefusal>),
    /// To [`Question::Sender`].
    Sender(Result<(), SenderRefusal>),
    /// To [`Question::Recipient`].
    Recipient(Result<(), RecipientRefusal>),
    /// To [`Question::Begin`].
    Begin(Result<(), BeginRefusal>),
    /// To [`Question::Commit`]. Only a store makes the receipt.
    Commit(Result<Stored, CommitRefusal>),
    /// To [`Question::CommitEach`].
    CommitEach(Committed),
    /// To [`Question::Forget`].
    Forgotten,
}

/// What became of a message for each of its recipients.
#[derive(Debug, PartialEq, Eq)]
pub struct Committed {
    /// For those that are not refused below. Where all are, it says nothing.
    pub stored: Result<Stored, CommitRefusal>,
    /// Those that RCPT accepted and that are gone since, or could not be asked for again: by their
    /// number in the order of acceptance, from zero.
    pub refused: BTreeMap<usize, RefusedLate>,
}

/// A recipient that was accepted and then refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLate {
    /// Whom, as the client named it.
    pub recipient: Recipient,
    /// Why.
    pub why: RecipientRefusal,
}

/// Why a claim is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginRefusal {
    /// Unknown user, wrong password or disabled account, told alike: 535 5.7.8.
    Wrong,
    /// A fault of ours, or too many logins at once: 454 4.7.0.
    TryLater,
    /// Too many wrong ones of this source or for this account, or too many sessions of it: 454
    /// 4.7.0.
    TooMany,
}

/// Why a sender may not open a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SenderRefusal {
    /// The address does not belong to who logged in: 553 5.7.1.
    NotYours,
    /// Too many messages of this source or account: 450 4.7.1.
    TooMany,
    /// There is no room for messages: 452 4.3.1.
    Full,
    /// A fault of ours: 451 4.3.0.
    Fault,
}

/// Why there is no such recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecipientRefusal {
    /// A domain of ours without such an address: 550 5.1.1.
    Unknown,
    /// Not ours, and this client may not relay: 550 5.7.1.
    NotLocal,
    /// The account is out of service: 550 5.2.1.
    Disabled,
    /// Too many recipients of this source or account: 450 4.7.1.
    TooMany,
    /// The mailbox has no room for it.
    NoRoom(NoRoom),
    /// A fault of ours: 451 4.3.0.
    Fault,
}

/// Why a mailbox that is there takes no message, or not this one (RFC 3463 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoRoom {
    /// It is full, or would be with this message: 452 4.2.2. There is room again when its owner has
    /// removed something.
    Full,
    /// It has been full for long: 552 5.2.2.
    FullForLong,
    /// The message is larger than all that the mailbox may hold: 552 5.2.3.
    MessageTooLarge,
}

/// Why no body can be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BeginRefusal {
    /// There is no room: 452 4.3.1.
    Full,
    /// A fault of ours: 451 4.3.0.
    Fault,
}

/// Why a message was not made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommitRefusal {
    /// Too many `Received` fields: a loop, 554 5.4.6 (RFC 5321 6.3).
    Loop,
    /// There is no room: 452 4.3.1.
    Full,
    /// No mailbox that it is for has room for it; nothing happened.
    NoRoom(NoRoom),
    /// A fault of ours; nothing happened: 451 4.3.0.
    Fault,
    /// A fault of ours; it may have happened: 451 4.3.0.
    Indeterminate,
}
