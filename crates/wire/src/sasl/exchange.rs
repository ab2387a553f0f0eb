//! An exchange of any mechanism, one response after the other.

use super::bearer::{self, BearerForm};
use super::claim::{Acceptance, Claim};
use super::mechanism::{Channel, Mechanism, Offer};
use super::password::{plain, text};
use super::scram::{ClientFinal, ClientFirst, Starting, server_final};

/// What comes next in an exchange.
#[derive(Debug, PartialEq, Eq)]
pub enum SaslStep {
    /// Send this challenge, encoded by [`encode_challenge`](super::encode_challenge), and wait for
    /// a response.
    Challenge(Exchange, Vec<u8>),
    /// Ask the desk where the exchange for this user begins.
    Start(Starting),
    /// The client has made its claim: ask the desk, and end as the conclusion says.
    Claimed(Claim, Conclusion),
    /// The claim cannot be true, whatever the desk would say. The text is for the operator.
    Refused(Refusal),
    /// What the client sent breaks the mechanism's rules.
    Malformed,
}

/// Why a claim is refused before anybody is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Whose claim it was.
    pub user: String,
    /// What is wrong with it, for the operator alone.
    pub reason: &'static str,
}

/// An exchange that waits for a response.
#[derive(Debug, PartialEq, Eq)]
pub enum Exchange {
    /// PLAIN waits for its only response.
    Plain,
    /// LOGIN waits for the user's name.
    LoginName,
    /// LOGIN waits for the password of this user.
    LoginPassword(String),
    /// SCRAM waits for the client's first message.
    ScramFirst(ClientFirst),
    /// SCRAM waits for the client's proof.
    ScramFinal(ClientFinal),
    /// OAUTHBEARER or XOAUTH2 waits for its only response.
    Bearer(BearerForm),
}

impl Exchange {
    /// Begins an exchange that got no initial response (RFC 4422 3.3): it waits for one, behind
    /// this challenge.
    /// challenge.
    pub fn begin(mechanism: Mechanism, channel: Channel<'_>) -> (Self, Vec<u8>) {
        match mechanism {
            Mechanism::Plain => (Self::Plain, Vec::new()),
            Mechanism::Login => (Self::LoginName, b"Username:".to_vec()),
            Mechanism::ScramSha256 => {
                let first = ClientFirst::unbound(channel);
                (Self::ScramFirst(first), Vec::new())
            }
            Mechanism::ScramSha256Plus => {
                let first = ClientFirst::bound(channel);
                (Self::ScramFirst(first), Vec::new())
            }
            Mechanism::OAuthBearer => (Self::Bearer(BearerForm::OAuthBearer), Vec::new()),
            Mechanism::XOAuth2 => (Self::Bearer(BearerForm::XOAuth2), Vec::new()),
        }
    }

    /// Takes a response.
    pub fn respond(self, response: &[u8]) -> SaslStep {
        match self {
            Self::Plain => plain(response),
            Self::LoginName => match text(response) {
                Some(user) if !user.is_empty() => {
                    SaslStep::Challenge(Self::LoginPassword(user), b"Password:".to_vec())
                }
                _ => SaslStep::Malformed,
            },
            Self::LoginPassword(user) => text(response).map_or(SaslStep::Malformed, |password| {
                SaslStep::Claimed(Claim::of_password(user, password), Conclusion::AtOnce)
            }),
            Self::ScramFirst(first) => first.respond(response),
            Self::ScramFinal(last) => last.respond(response),
            Self::Bearer(form) => bearer::respond(form, response),
        }
    }
}

/// How an exchange ends once the verdict is there. Where there is a last challenge, the client
/// answers it before it is told the outcome: neither protocol can send data with that (RFC 4954 4,
/// RFC 5034 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// With the outcome.
    AtOnce,
    /// With our signature, if the claim is true.
    Signature,
    /// With the reason, if it is not.
    Status(BearerForm),
}

impl Conclusion {
    /// The last challenge behind a true claim.
    pub fn accepted(self, acceptance: &Acceptance) -> Option<Vec<u8>> {
        match (self, acceptance.server_signature) {
            (Self::Signature, Some(signature)) => Some(server_final(&signature)),
            _ => None,
        }
    }

    /// The last challenge behind a wrong claim.
    pub fn refused(self, offer: &Offer) -> Option<Vec<u8>> {
        match self {
            Self::Status(form) => {
                let bearer = offer.bearer.as_ref();
                let scope = bearer.map_or("", |bearer| bearer.scope.as_str());
                Some(form.status(scope).into_bytes())
            }
            Self::AtOnce | Self::Signature => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_asks_for_name_and_password() {
        let (exchange, challenge) = Exchange::begin(Mechanism::Login, Channel::Clear);
        assert_eq!(challenge, b"Username:");
        let SaslStep::Challenge(exchange, challenge) = exchange.respond(b"bob") else {
            panic!("LOGIN asks for the password");
        };
        assert_eq!(challenge, b"Password:");
        let claim = Claim::of_password("bob", "secret");
        let expected = SaslStep::Claimed(claim, Conclusion::AtOnce);
        assert_eq!(exchange.respond(b"secret"), expected);
    }

    #[test]
    fn login_needs_a_name_and_text() {
        assert_eq!(Exchange::LoginName.respond(b""), SaslStep::Malformed);
        assert_eq!(Exchange::LoginName.respond(b"a\0b"), SaslStep::Malformed);
        let password = Exchange::LoginPassword("bob".to_owned());
        assert_eq!(password.respond(b"\xff"), SaslStep::Malformed);
    }

    #[test]
    fn only_scram_signs_and_only_tokens_are_refused_with_a_status() {
        let signed = Acceptance {
            server_signature: Some([0; 32]),
        };
        let signature = Conclusion::Signature.accepted(&signed).unwrap();
        assert!(signature.starts_with(b"v=AAAA"));
        assert_eq!(Conclusion::AtOnce.accepted(&signed), None);
        let offer = Offer::default();
        assert_eq!(Conclusion::Signature.refused(&offer), None);
        let status = Conclusion::Status(BearerForm::OAuthBearer).refused(&offer);
        assert!(status.unwrap().starts_with(b"{\"status\":"));
    }
}
