//! What can happen to a message, and by what it is looked up.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use cassmail_mail::{AccountId, Address, MessageId, MessageIdError, ReversePath, UnixTime};
use xxhash_rust::xxh3::xxh3_64;

/// The id of an event: of the same kind as those of messages, and sorted by time as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub MessageId);

impl EventId {
    /// When it happened.
    pub fn at(self) -> UnixTime {
        self.0.minted_at()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for EventId {
    type Err = MessageIdError;

    fn from_str(text: &str) -> Result<Self, MessageIdError> {
        text.parse().map(Self)
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceEvent {
    /// Which, and when.
    pub id: EventId,
    /// The name of the host where.
    pub node: String,
    /// The session in which, as logs name it; none for what the service did by itself.
    pub session: Option<u64>,
    /// The other end of that session.
    pub source: Option<IpAddr>,
    /// What.
    pub what: Happened,
}

/// What can happen; the complete list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// A message was made durable.
    Accepted(Box<Arrival>),
    /// A command, and with it a recipient, a message or a session, was refused.
    Refused(Box<Refusal>),
    /// A message was given out to its end.
    Retrieved {
        /// Which, and whose.
        of: Traced,
        /// How many octets.
        octets: u64,
    },
    /// Messages are gone from a maildrop.
    Removed {
        /// Which, of one account.
        messages: Vec<MessageId>,
        /// Whose.
        account: AccountId,
        /// Its address.
        user: Address,
        /// By whom.
        by: Remover,
    },
}

/// A message in somebody's maildrop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// Which.
    pub message: MessageId,
    /// Whose.
    pub account: AccountId,
    /// The address of that account.
    pub user: Address,
}

/// Who removes mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remover {
    /// Its owner, with QUIT.
    Owner,
    /// A rule of retention.
    Retention,
}

/// How a message came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Its id, which its sender was told with the 250.
    pub message: MessageId,
    /// How it came.
    pub way: Way,
    /// Who had logged in.
    pub user: Option<Address>,
    /// Where reports go.
    pub reverse_path: ReversePath,
    /// Its octets as they came.
    pub size: u64,
    /// What its field `Message-ID` says, without the angle brackets.
    pub header_id: Option<String>,
    /// Who was accepted as a recipient, and to whose maildrops that leads.
    pub recipients: Vec<Reached>,
}

/// How a client spoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// What it called itself.
    pub helo: String,
    /// The keyword of RFC 3848, such as `ESMTPS`.
    pub with: String,
    /// The version of TLS, if it was on.
    pub tls: Option<String>,
}

/// A recipient and the accounts that it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// As the client named it; none is `<Postmaster>` without a domain.
    pub named: Option<Address>,
    /// Whose maildrops it leads to.
    pub accounts: Vec<AccountId>,
}

/// What was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The command, such as `RCPT`.
    pub command: String,
    /// The id that the message would have had, if one was begun.
    pub message: Option<MessageId>,
    /// Who had logged in.
    pub user: Option<Address>,
    /// The sender, if one was named.
    pub reverse_path: Option<ReversePath>,
    /// Those that were accepted before, at most a few.
    pub recipients: Vec<Address>,
    /// Whom or what it was about, as the log shows it.
    pub about: Option<String>,
    /// The address in that, if it is one.
    pub recipient: Option<Address>,
    /// What was answered.
    pub reply: String,
    /// Which rule.
    pub rule: Rule,
}

/// Makes the list of rules with the names and numbers that they have for good.
macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $rule:ident = $number:literal, $text:literal;)+) => {
        /// Why something is refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Rule { $($(#[doc = $doc])+ $rule,)+ }

        impl Rule {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$rule),+];

            /// One word for it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$rule => $text,)+ }
            }

            pub(super) fn number(self) -> u8 {
                match self { $(Self::$rule => $number,)+ }
            }
        }
    };
}

rules! {
    /// A rule that a later version has.
    Other = 0, "other";
    /// The protocol: syntax, order, what is not offered, lines, sizes, too many errors.
    Protocol = 1, "protocol";
    /// A domain of ours without such an address.
    UnknownRecipient = 2, "unknown-recipient";
    /// Not a domain of ours, and this client may not relay.
    NotLocal = 3, "not-local";
    /// The account is out of service.
    Disabled = 4, "disabled";
    /// The sender's address does not belong to who logged in.
    NotYours = 5, "not-yours";
    /// A limit per source or account.
    TooMany = 6, "too-many";
    /// The store has no room.
    StoreFull = 7, "store-full";
    /// A fault of ours; nothing happened.
    Fault = 8, "fault";
    /// A fault of ours; it may have happened.
    Indeterminate = 9, "indeterminate";
    /// Too many `Received` fields.
    Loop = 10, "loop";
    /// A login that is not right.
    Login = 11, "login";
    /// The mailbox is full.
    MailboxFull = 12, "mailbox-full";
    /// Another session has the maildrop, or the account has to pause.
    InUse = 13, "in-use";
}

/// By what events are found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TraceKey {
    /// A message's id.
    Message(MessageId),
    /// An address of whoever sent, was named as a recipient, or fetched; whatever its case.
    Address(Address),
    /// An account that a message came to, by whatever address.
    Account(AccountId),
    /// What stands in a field `Message-ID`, without angle brackets.
    HeaderId(String),
    /// The first address of a network that clients come from, see [`TraceKey::source`].
    Source(IpAddr),
}

impl TraceKey {
    /// The network of an address: 24 bits of IPv4, 64 of IPv6.
    pub fn source(address: IpAddr) -> Self {
        Self::Source(match address {
            IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4) & 0xFFFF_FF00).into(),
            IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) >> 64 << 64).into(),
        })
    }

    /// An address in the form that is compared.
    pub fn address(address: &Address) -> Self {
        Self::Address(address.with_local(address.local().to_lowercase()))
    }

    /// A Message-ID without what people type around it.
    pub fn header_id(text: &str) -> Self {
        let bare = text.trim().trim_start_matches('<').trim_end_matches('>');
        Self::HeaderId(bare.to_owned())
    }

    /// A number that tells most keys apart: what has it may have this key, what lacks it has not.
    pub fn digest(&self) -> u32 {
        let (tag, octets) = match self {
            Self::Message(id) => (1, id.to_key().to_vec()),
            Self::Address(address) => (2, address.to_string().into_bytes()),
            Self::Account(id) => (3, id.to_key().to_vec()),
            Self::HeaderId(text) => (4, text.clone().into_bytes()),
            Self::Source(address) => (5, address.to_string().into_bytes()),
        };
        let hash = xxh3_64(&octets).wrapping_add(xxh3_64(&[tag]));
        u32::try_from(hash >> 32).unwrap_or_default()
    }
}

impl TraceEvent {
    /// When it happened.
    pub fn at(&self) -> UnixTime {
        self.id.at()
    }

    /// By what it is found.
    pub fn keys(&self) -> Vec<TraceKey> {
        let mut keys: Vec<_> = self.source.map(TraceKey::source).into_iter().collect();
        match &self.what {
            Happened::Accepted(accepted) => accepted.put_keys(&mut keys),
            Happened::Refused(refused) => refused.put_keys(&mut keys),
            Happened::Retrieved { of, .. } => keys.extend([
                TraceKey::Message(of.message),
                TraceKey::Account(of.account),
                TraceKey::address(&of.user),
            ]),
            Happened::Removed {
                messages,
                account,
                user,
                ..
            } => {
                keys.extend(messages.iter().copied().map(TraceKey::Message));
                keys.extend([TraceKey::Account(*account), TraceKey::address(user)]);
            }
        }
        keys
    }

    /// Whether it is found by a key.
    pub fn has(&self, key: &TraceKey) -> bool {
        self.keys().contains(key)
    }
}

impl Arrival {
    fn put_keys(&self, keys: &mut Vec<TraceKey>) {
        keys.push(TraceKey::Message(self.message));
        keys.extend(self.user.as_ref().map(TraceKey::address));
        keys.extend(sender(&self.reverse_path));
        keys.extend(self.header_id.clone().map(TraceKey::HeaderId));
        for recipient in &self.recipients {
            keys.extend(recipient.named.as_ref().map(TraceKey::address));
            keys.extend(recipient.accounts.iter().copied().map(TraceKey::Account));
        }
    }
}

impl Refusal {
    fn put_keys(&self, keys: &mut Vec<TraceKey>) {
        keys.extend(self.message.map(TraceKey::Message));
        keys.extend(self.user.as_ref().map(TraceKey::address));
        keys.extend(self.reverse_path.as_ref().and_then(sender));
        keys.extend(self.recipients.iter().map(TraceKey::address));
        keys.extend(self.recipient.as_ref().map(TraceKey::address));
    }
}

fn sender(path: &ReversePath) -> Option<TraceKey> {
    match path {
        ReversePath::Null => None,
        ReversePath::Mailbox(address) => Some(TraceKey::address(address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_found_by_its_network() {
        let key = |text: &str| TraceKey::source(text.parse().unwrap());
        assert_eq!(key("192.0.2.77"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.77"), key("192.0.3.77"));
        assert_eq!(key("2001:db8::1:2:3:4"), key("2001:db8::"));
        assert_ne!(key("2001:db8:0:1::1"), key("2001:db8::1"));
    }

    #[test]
    fn addresses_and_message_ids_are_found_as_people_type_them() {
        let key = |text: &str| TraceKey::address(&text.parse().unwrap());
        assert_eq!(key("Bob@Example.org"), key("bob@example.org"));
        let bare = TraceKey::HeaderId("x@y".to_owned());
        for text in ["x@y", "<x@y>", " <x@y> "] {
            assert_eq!(TraceKey::header_id(text), bare);
        }
    }

    #[test]
    fn the_numbers_and_the_names_of_rules_are_theirs_alone() {
        for (nth, rule) in Rule::ALL.iter().enumerate() {
            let others = || Rule::ALL.iter().skip(nth + 1);
            assert!(others().all(|other| other.number() != rule.number()));
            assert!(others().all(|other| other.as_str() != rule.as_str()));
        }
    }
}
