//! The envelope: who sent it, whose it is.

use std::fmt;

use crate::{AccountId, Address, Uidl, UnixTime};

/// Where reports about a message go (RFC 5321 4.1.1.2); null for reports themselves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: a report, which must never cause another one.
    Null,
    /// The sender's address.
    Mailbox(Address),
}

impl fmt::Display for ReversePath {
    /// Writes the path in its angle brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Mailbox(address) => write!(f, "<{address}>"),
        }
    }
}

/// One account's share in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// In whose maildrop the message is listed.
    pub account: AccountId,
    /// The recipient as the sender named it; a `Delivered-To` line with it is given out and counted
    /// in the size. None for messages that were imported whole.
    pub recipient: Option<Address>,
    /// The unique id that another server gave the message, if it was imported.
    pub uidl: Option<Uidl>,
}

/// What a commit makes true: these accounts own this message.
///
/// An account occurs once (after alias expansion, with the first recipient that named it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Kept for salvage and trace; the `Return-Path` line is already part of the body.
    pub reverse_path: ReversePath,
    /// When it was accepted.
    pub received_at: UnixTime,
    /// How many octets the surrogate form of the body has (RFC 6858), if that is another one: the
    /// message came as internationalized mail and needs one for clients that read ASCII headers.
    pub surrogate_size: Option<u64>,
    /// Whose it is; at least one.
    pub owners: Vec<Owner>,
}
