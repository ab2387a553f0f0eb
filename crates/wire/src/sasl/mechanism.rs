//! Which mechanisms are spoken, and where.

use crate::caller::ChannelBindings;

/// The mechanisms that are spoken (RFC 4422 3.1, 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// RFC 7677 3, RFC 5802 4: bound to the channel of TLS.
    ScramSha256Plus,
    /// RFC 7677 3.
    ScramSha256,
    /// RFC 7628.
    OAuthBearer,
    /// What came before RFC 7628, and what more clients speak.
    XOAuth2,
    /// RFC 4616.
    Plain,
    /// Never standardized; what old clients and devices speak.
    Login,
}

impl Mechanism {
    /// All of them, in the order in which they are announced: the stronger in front, for clients
    /// that take the first they know.
    pub const ALL: [Self; 6] = [
        Self::ScramSha256Plus,
        Self::ScramSha256,
        Self::OAuthBearer,
        Self::XOAuth2,
        Self::Plain,
        Self::Login,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }
}

/// What a listener offers besides passwords.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offer {
    /// Whether SCRAM is spoken.
    pub scram: ScramOffer,
    /// How tokens are taken; none where nobody vouches for users.
    pub bearer: Option<BearerOffer>,
}

/// Whether SCRAM is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScramOffer {
    /// There are keys for it.
    #[default]
    Offered,
    /// The operator does not want it.
    Absent,
}

/// What a client whose token is refused is told (RFC 7628 3.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BearerOffer {
    /// The scope that tokens need; may be empty.
    pub scope: String,
}

/// The channel that a login would travel on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel<'a> {
    /// No TLS.
    Clear,
    /// TLS, with what a login can be bound to.
    Tls(&'a ChannelBindings),
}

impl Offer {
    /// What is announced on this channel, where logins are taken at all.
    pub fn mechanisms(&self, channel: Channel<'_>) -> Vec<Mechanism> {
        let all = Mechanism::ALL.into_iter();
        all.filter(|&one| self.has(one, channel)).collect()
    }

    /// The mechanism of that name, in any case, if it is announced on this channel.
    pub fn find(&self, name: &str, channel: Channel<'_>) -> Option<Mechanism> {
        let mut offered = self.mechanisms(channel).into_iter();
        offered.find(|mechanism| mechanism.as_str().eq_ignore_ascii_case(name))
    }

    fn has(&self, mechanism: Mechanism, channel: Channel<'_>) -> bool {
        match mechanism {
            Mechanism::Plain | Mechanism::Login => true,
            Mechanism::ScramSha256 => self.scram == ScramOffer::Offered,
            Mechanism::ScramSha256Plus => {
                self.scram == ScramOffer::Offered && channel.can_be_bound_to()
            }
            // RFC 7628 3: tokens travel under TLS, also where passwords may travel in clear.
            Mechanism::OAuthBearer | Mechanism::XOAuth2 => {
                self.bearer.is_some() && matches!(channel, Channel::Tls(_))
            }
        }
    }
}

impl Channel<'_> {
    /// Whether -PLUS has a meaning here.
    pub(super) fn can_be_bound_to(self) -> bool {
        match self {
            Self::Clear => false,
            Self::Tls(bindings) => !bindings.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(offer: &Offer, channel: Channel<'_>) -> String {
        let names = offer.mechanisms(channel).into_iter().map(Mechanism::as_str);
        names.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_cannot_work_on_a_channel_is_not_announced_there() {
        let bound = ChannelBindings {
            exporter: Some([7; 32]),
            ..ChannelBindings::default()
        };
        let unbound = ChannelBindings::default();
        let all = Offer {
            scram: ScramOffer::Offered,
            bearer: Some(BearerOffer::default()),
        };
        let under_tls = announced(&all, Channel::Tls(&bound));
        let expected = "SCRAM-SHA-256-PLUS SCRAM-SHA-256 OAUTHBEARER XOAUTH2 PLAIN LOGIN";
        assert_eq!(under_tls, expected);
        let without_binding = announced(&all, Channel::Tls(&unbound));
        assert_eq!(without_binding, expected.split_once(' ').unwrap().1);
        assert_eq!(announced(&all, Channel::Clear), "SCRAM-SHA-256 PLAIN LOGIN");
        let passwords = Offer {
            scram: ScramOffer::Absent,
            bearer: None,
        };
        assert_eq!(announced(&passwords, Channel::Tls(&bound)), "PLAIN LOGIN");
    }

    #[test]
    fn names_have_no_case_and_have_to_be_announced() {
        let offer = Offer::default();
        let found = |name| offer.find(name, Channel::Clear);
        assert_eq!(found("scram-sha-256"), Some(Mechanism::ScramSha256));
        assert_eq!(found("Plain"), Some(Mechanism::Plain));
        assert_eq!(found("SCRAM-SHA-256-PLUS"), None);
        assert_eq!(found("XOAUTH2"), None);
        assert_eq!(found(""), None);
    }
}
