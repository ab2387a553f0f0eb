//! Tokens of somebody who vouches for the user: OAUTHBEARER (RFC 7628) and XOAUTH2, which was there
//! before and has the same token in another wrapping.

use cassmail_mail::Secret;

use super::claim::{Claim, Proof};
use super::exchange::{Conclusion, SaslStep};
use super::password::text;
use super::scram::saslname;

/// Separates the parts of a message, and alone is the answer to a refusal (RFC 7628 3.1, 3.2.3).
const SEPARATOR: char = '\u{1}';

/// How a token is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BearerForm {
    /// RFC 7628 3.1.
    OAuthBearer,
    /// `user=NAME ^A auth=Bearer TOKEN ^A ^A`.
    XOAuth2,
}

impl BearerForm {
    /// What is told of a token that is refused, as JSON (RFC 7628 3.2.2).
    pub(super) fn status(self, scope: &str) -> String {
        // The characters of RFC 6749 3.3; none of them needs an escape in JSON.
        let is_allowed = |c: &char| matches!(c, ' ' | '!' | '#'..='[' | ']'..='~');
        let scope: String = scope.chars().filter(is_allowed).collect();
        let mut status = match self {
            Self::OAuthBearer => r#"{"status":"invalid_token""#.to_owned(),
            Self::XOAuth2 => r#"{"status":"401","schemes":"bearer""#.to_owned(),
        };
        if !scope.is_empty() {
            status.push_str(r#","scope":""#);
            status.push_str(&scope);
            status.push('"');
        }
        status.push('}');
        status
    }
}

/// Takes the only response.
pub(super) fn respond(form: BearerForm, message: &[u8]) -> SaslStep {
    let read = text(message).and_then(|message| match form {
        BearerForm::OAuthBearer => oauth_bearer(&message),
        BearerForm::XOAuth2 => xoauth2(&message),
    });
    read.map_or(SaslStep::Malformed, |(user, token)| {
        let proof = Proof::Token(Secret::new(token));
        SaslStep::Claimed(Claim { user, proof }, Conclusion::Status(form))
    })
}

/// ```text
/// client-resp = (gs2-header kvsep *kvpair kvsep) / kvsep        RFC 7628 3.1
/// gs2-header  = ("n" / "y") "," ["a=" saslname] ","             RFC 5801 4
/// ```
///
/// No binding of the channel is defined for it, so `p=` is refused.
fn oauth_bearer(message: &str) -> Option<(String, String)> {
    let (header, pairs) = message.split_once(SEPARATOR)?;
    let user = header.strip_prefix("n,").or(header.strip_prefix("y,"))?;
    let user = match user.strip_suffix(',')? {
        "" => String::new(),
        named => saslname(named.strip_prefix("a=")?)?,
    };
    Some((user, token(pairs)?))
}

fn xoauth2(message: &str) -> Option<(String, String)> {
    let (user, pairs) = message.strip_prefix("user=")?.split_once(SEPARATOR)?;
    Some((user.to_owned(), token(pairs)?))
}

/// The token among `key=value` pairs, each with a separator behind it, and one more at the end. One
/// that is missing or empty proves nothing; that is for the desk to say, so that the client hears
/// what a token needs.
fn token(pairs: &str) -> Option<String> {
    let pairs = pairs.strip_suffix(SEPARATOR)?;
    let pairs = pairs.strip_suffix(SEPARATOR).unwrap_or(pairs);
    let mut found = None;
    for pair in pairs.split(SEPARATOR).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=')?;
        if key == "auth" && found.replace(value).is_some() {
            return None;
        }
    }
    let Some(authorization) = found.filter(|value| !value.is_empty()) else {
        return Some(String::new());
    };
    let (scheme, token) = authorization.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then(|| token.trim_matches(' ').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: BearerForm, message: &str) -> Option<(String, String)> {
        match respond(form, message.as_bytes()) {
            SaslStep::Claimed(Claim { user, proof }, _) => match proof {
                Proof::Token(token) => Some((user, token.expose().to_owned())),
                _ => panic!("a token is claimed"),
            },
            SaslStep::Malformed => None,
            step => panic!("{step:?}"),
        }
    }

    fn pair(user: &str, token: &str) -> (String, String) {
        (user.to_owned(), token.to_owned())
    }

    /// RFC 7628 4.1.
    const EXAMPLE: &str = "n,a=user@example.com,\x01host=server.example.com\x01port=143\x01\
                           auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";

    #[test]
    fn the_example_of_rfc_7628_is_read() {
        let expected = Some(pair(
            "user@example.com",
            "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
        ));
        assert_eq!(read(BearerForm::OAuthBearer, EXAMPLE), expected);
    }

    #[test]
    fn oauthbearer_may_name_nobody_and_odd_names() {
        let read = |message| read(BearerForm::OAuthBearer, message);
        assert_eq!(read("n,,\x01auth=Bearer t\x01\x01"), Some(pair("", "t")));
        assert_eq!(read("y,,\x01auth=bearer t\x01\x01"), Some(pair("", "t")));
        assert_eq!(
            read("n,a=a=2Cb=3Dc,\x01auth=Bearer t\x01\x01"),
            Some(pair("a,b=c", "t"))
        );
        assert_eq!(read("n,a=bob,\x01\x01"), Some(pair("bob", "")));
        assert_eq!(read("n,a=bob,\x01auth=\x01\x01"), Some(pair("bob", "")));
    }

    #[test]
    fn xoauth2_is_read() {
        let read = |message| read(BearerForm::XOAuth2, message);
        let message = "user=bob@here.example\x01auth=Bearer ya29.x\x01\x01";
        assert_eq!(read(message), Some(pair("bob@here.example", "ya29.x")));
        assert_eq!(read("user=\x01auth=Bearer t\x01\x01"), Some(pair("", "t")));
    }

    #[test]
    fn what_is_no_message_is_malformed() {
        for message in [
            "",
            "\x01",
            "n,,",
            "n,,\x01auth=Bearer t",
            "p=tls-exporter,,\x01auth=Bearer t\x01\x01",
            "n,b=bob,\x01auth=Bearer t\x01\x01",
            "n,a==2X,\x01auth=Bearer t\x01\x01",
            "n,,\x01auth=Basic t\x01\x01",
            "n,,\x01auth=Bearer t\x01auth=Bearer u\x01\x01",
            "n,,\x01auth\x01\x01",
            "user=bob\x01auth=Bearer t\x01\x01",
        ] {
            assert_eq!(read(BearerForm::OAuthBearer, message), None, "{message:?}");
        }
        for message in ["", "user=bob", "bob\x01auth=Bearer t\x01\x01", EXAMPLE] {
            assert_eq!(read(BearerForm::XOAuth2, message), None, "{message:?}");
        }
    }

    #[test]
    fn a_status_names_the_scope_and_breaks_out_of_no_string() {
        let status = BearerForm::OAuthBearer.status("mail \"\\\r\n");
        assert_eq!(status, r#"{"status":"invalid_token","scope":"mail "}"#);
        assert_eq!(
            BearerForm::XOAuth2.status(""),
            r#"{"status":"401","schemes":"bearer"}"#
        );
    }
}
