//! The server's side of SASL (RFC 4422 3), shared by SMTP (RFC 4954) and POP3 (RFC 5034).
//!
//! An exchange is a small machine of its own: responses go in, challenges or the client's claim
//! come out. Whether the claim is true is a question for the desk.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cassmail_mail::Secret;

/// The mechanisms that are spoken (RFC 4422 3.1, 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// Never standardized; what old clients and devices speak.
    Login,
}

impl Mechanism {
    /// All of them, in the order in which they are announced.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Login];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }

    /// The mechanism of that name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mechanism| mechanism.as_str().eq_ignore_ascii_case(name))
    }
}

/// Who a client claims to be (RFC 4422 2, 3.4.1). The password does not print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The user's name as it was given.
    pub user: String,
    /// The password that shall prove it.
    pub password: Secret,
}

/// What a line of the client says within an exchange (RFC 4422 3.4).
#[derive(Debug, PartialEq, Eq)]
pub enum Response {
    /// Decoded bytes; empty for `=` in an initial response (RFC 4954 4).
    Data(Vec<u8>),
    /// `*`: the client gives up (RFC 4422 3.5).
    Cancelled,
    /// Not base64.
    Malformed,
}

impl Response {
    /// Reads an initial response, where `=` means that there is one and it is empty.
    pub fn initial(argument: &[u8]) -> Self {
        if argument == b"=" {
            Self::Data(Vec::new())
        } else {
            Self::line(argument)
        }
    }

    /// Reads a line that answers a challenge.
    pub fn line(line: &[u8]) -> Self {
        if line == b"*" {
            return Self::Cancelled;
        }
        STANDARD.decode(line).map_or(Self::Malformed, Self::Data)
    }
}

/// What comes next in an exchange.
#[derive(Debug, PartialEq, Eq)]
pub enum SaslStep {
    /// Send this challenge, encoded by [`encode_challenge`], and wait for a response.
    Challenge(Vec<u8>),
    /// The client has made its claim.
    Claimed(Claim),
    /// What the client sent breaks the mechanism's rules.
    Malformed,
}

/// An exchange in progress.
#[derive(Debug)]
pub enum Exchange {
    /// PLAIN waits for its only response.
    Plain,
    /// LOGIN waits for the user's name.
    LoginName,
    /// LOGIN waits for the password of this user.
    LoginPassword(String),
}

impl Exchange {
    /// Begins an exchange that got no initial response (RFC 4422 3.3).
    pub fn begin(mechanism: Mechanism) -> (Self, SaslStep) {
        match mechanism {
            Mechanism::Plain => (Self::Plain, SaslStep::Challenge(Vec::new())),
            Mechanism::Login => (Self::LoginName, SaslStep::Challenge(b"Username:".to_vec())),
        }
    }

    /// Takes a response; gives the exchange back while it goes on.
    pub fn respond(self, response: &[u8]) -> (Option<Self>, SaslStep) {
        match self {
            Self::Plain => (None, plain(response)),
            Self::LoginName => match text(response) {
                Some(user) if !user.is_empty() => (
                    Some(Self::LoginPassword(user)),
                    SaslStep::Challenge(b"Password:".to_vec()),
                ),
                _ => (None, SaslStep::Malformed),
            },
            Self::LoginPassword(user) => {
                let claim = text(response).map(|password| Claim {
                    user,
                    password: Secret::new(password),
                });
                (None, claim.map_or(SaslStep::Malformed, SaslStep::Claimed))
            }
        }
    }
}

/// Encodes a challenge for the wire.
pub fn encode_challenge(challenge: &[u8]) -> String {
    STANDARD.encode(challenge)
}

/// RFC 4616 2: `[authzid] NUL authcid NUL passwd`. To act for another user is not offered, so an
/// authorization identity has to be empty or the same name.
fn plain(message: &[u8]) -> SaslStep {
    let mut parts = message.split(|&byte| byte == 0);
    let parts = (parts.next(), parts.next(), parts.next(), parts.next());
    let (Some(authorized), Some(user), Some(password), None) = parts else {
        return SaslStep::Malformed;
    };
    let (Some(authorized), Some(user), Some(password)) =
        (text(authorized), text(user), text(password))
    else {
        return SaslStep::Malformed;
    };
    if user.is_empty() || !(authorized.is_empty() || authorized == user) {
        return SaslStep::Malformed;
    }
    SaslStep::Claimed(Claim {
        user,
        password: Secret::new(password),
    })
}

fn text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(user: &str, password: &str) -> SaslStep {
        let password = Secret::new(password.to_owned());
        SaslStep::Claimed(Claim {
            user: user.to_owned(),
            password,
        })
    }

    #[test]
    fn plain_reads_its_three_parts() {
        let respond = |message: &[u8]| Exchange::Plain.respond(message).1;
        assert_eq!(
            respond(b"\0tim\0tanstaaftanstaaf"),
            claim("tim", "tanstaaftanstaaf")
        );
        assert_eq!(respond(b"tim\0tim\0p w"), claim("tim", "p w"));
        for bad in [
            &b""[..],
            b"tim",
            b"\0tim",
            b"\0\0x",
            b"kurt\0tim\0x",
            b"\0a\0b\0c",
            b"\0\xff\0x",
        ] {
            assert_eq!(respond(bad), SaslStep::Malformed, "{bad:?}");
        }
    }

    #[test]
    fn login_asks_for_name_and_password() {
        let (exchange, step) = Exchange::begin(Mechanism::Login);
        assert_eq!(step, SaslStep::Challenge(b"Username:".to_vec()));
        let (exchange, step) = exchange.respond(b"bob");
        assert_eq!(step, SaslStep::Challenge(b"Password:".to_vec()));
        assert_eq!(
            exchange.unwrap().respond(b"secret").1,
            claim("bob", "secret")
        );
    }

    #[test]
    fn responses_are_base64_or_a_star() {
        assert_eq!(Response::line(b"*"), Response::Cancelled);
        assert_eq!(Response::line(b"Ym9i"), Response::Data(b"bob".to_vec()));
        assert_eq!(Response::line(b"Ym9i=="), Response::Malformed);
        assert_eq!(Response::line(b"Ym9i "), Response::Malformed);
        assert_eq!(Response::initial(b"="), Response::Data(Vec::new()));
        assert_eq!(Response::line(b""), Response::Data(Vec::new()));
    }
}
