//! What an operator wants to know while a session runs.

use std::fmt;

use crate::command::Misuse;

/// A refusal, or a fault that the peer cannot be told of. It never holds what the peer wrote.
///
/// Logins that somebody else refused are not among them: who checks a claim knows more about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// A command broke a rule.
    Misuse(Misuse),
    /// Too many commands broke rules; the session ends.
    TooManyMisuses,
    /// Too many logins were refused; the session ends.
    TooManyLogins,
    /// A login was tried in clear where that is refused.
    LoginInClear,
    /// The proof of a login cannot be right, for this reason: it belongs to another channel or
    /// exchange, or the channel should have been part of it.
    BadProof(&'static str),
    /// The peer speaks something else; the session ends.
    ForeignProtocol(ForeignProtocol),
    /// Another session has the maildrop.
    InUse,
    /// A message could not be given out to its end; the session ends, so that the client does not
    /// take it for whole.
    BrokenOff {
        /// Its number in this session.
        number: usize,
        /// Its octets that were sent.
        sent: u64,
    },
    /// A message has not as many octets as it was listed with.
    SizeDiffers {
        /// Its number in this session.
        number: usize,
        /// What the listing says.
        listed: u64,
        /// What was sent.
        sent: u64,
    },
    /// Not all that was marked is known to be removed.
    NotRemoved,
    /// An answer came to another question than the one that was asked: a defect of ours.
    AnswerOutOfTurn,
}

/// What else is spoken to ports that it is not for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignProtocol {
    /// A TLS handshake, where TLS begins with STLS.
    Tls,
    /// A request of a web browser, possibly under the command of a web page.
    Http,
}

impl Note {
    /// One word for logs and for the label of a metric.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Misuse(misuse) => misuse.reason(),
            Self::TooManyMisuses => "too-many-misuses",
            Self::TooManyLogins => "too-many-logins",
            Self::LoginInClear => "login-in-clear",
            Self::BadProof(_) => "bad-proof",
            Self::ForeignProtocol(_) => "foreign-protocol",
            Self::InUse => "in-use",
            Self::BrokenOff { .. } => "broken-off",
            Self::SizeDiffers { .. } => "size-differs",
            Self::NotRemoved => "not-removed",
            Self::AnswerOutOfTurn => "answer-out-of-turn",
        }
    }
}

impl Note {
    /// Whether the peer, or somebody on its side, has to act; else it passes, or we have to.
    pub fn is_for_good(&self) -> bool {
        match self {
            Self::Misuse(_)
            | Self::TooManyMisuses
            | Self::TooManyLogins
            | Self::LoginInClear
            | Self::BadProof(_)
            | Self::ForeignProtocol(_) => true,
            Self::InUse
            | Self::BrokenOff { .. }
            | Self::SizeDiffers { .. }
            | Self::NotRemoved
            | Self::AnswerOutOfTurn => false,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misuse(misuse) => write!(f, "command refused: {misuse}"),
            Self::TooManyMisuses => f.write_str("closed after too many bad commands"),
            Self::TooManyLogins => f.write_str("closed after too many refused logins"),
            Self::LoginInClear => f.write_str("login without TLS refused"),
            Self::BadProof(reason) => write!(f, "login refused: {reason}"),
            Self::ForeignProtocol(ForeignProtocol::Tls) => {
                f.write_str("closed: a TLS handshake on a port in clear")
            }
            Self::ForeignProtocol(ForeignProtocol::Http) => f.write_str("closed: an HTTP request"),
            Self::InUse => f.write_str("another session has the maildrop"),
            Self::BrokenOff { number, sent } => {
                write!(f, "closed: message {number} broke off after {sent} octets")
            }
            Self::SizeDiffers {
                number,
                listed,
                sent,
            } => write!(
                f,
                "message {number} has {sent} octets, listed with {listed}"
            ),
            Self::NotRemoved => f.write_str("not all marked messages are known to be removed"),
            Self::AnswerOutOfTurn => f.write_str("closed: an answer to another question"),
        }
    }
}
