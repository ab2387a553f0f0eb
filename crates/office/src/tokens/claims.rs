//! What a token says (RFC 7519 4.1, RFC 8693 4.2).

use std::time::Duration;

use cassmail_mail::UnixTime;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::TokenOptions;

/// The claims that are looked at.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    iss: Option<String>,
    aud: Option<OneOrMany>,
    /// Seconds since 1970, possibly with a fraction.
    exp: Option<f64>,
    nbf: Option<f64>,
    scope: Option<OneOrMany>,
    /// How some write `scope`.
    scp: Option<OneOrMany>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn texts(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl Claims {
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok()
    }

    pub(super) fn check(&self, options: &TokenOptions, now: UnixTime) -> Result<(), &'static str> {
        let now = Duration::from_micros(now.as_micros()).as_secs_f64();
        let leeway = options.leeway.as_secs_f64();
        let expires = self.exp.ok_or("the token does not say when it expires")?;
        if expires + leeway <= now {
            return Err("the token has expired");
        }
        if self.nbf.is_some_and(|begins| begins - leeway > now) {
            return Err("the token is not good yet");
        }
        if self.iss.as_ref() != Some(&options.issuer) {
            return Err("the token is of another issuer");
        }
        let audience = self.aud.as_ref().map_or(&[][..], OneOrMany::texts);
        if !audience.contains(&options.audience) {
            return Err("the token is for another audience");
        }
        if !self.has_scope(&options.scope) {
            return Err("the token lacks the scope");
        }
        Ok(())
    }

    fn has_scope(&self, wanted: &str) -> bool {
        let texts = [&self.scope, &self.scp].into_iter().flatten();
        let words: Vec<&str> = texts
            .flat_map(OneOrMany::texts)
            .flat_map(|text| text.split_ascii_whitespace())
            .collect();
        let mut wanted = wanted.split_ascii_whitespace();
        wanted.all(|word| words.contains(&word))
    }

    /// The account that it is for. An address that whoever made the token has not verified could be
    /// anybody's.
    pub(super) fn owner(&self, claim: &str) -> Result<String, &'static str> {
        let verified = self.others.get("email_verified");
        if claim == "email" && verified == Some(&Value::Bool(false)) {
            return Err("the address in the token is not verified");
        }
        let named = self.others.get(claim).and_then(Value::as_str);
        let named = named.filter(|name| !name.is_empty());
        named
            .map(str::to_owned)
            .ok_or("the token does not name an account")
    }
}
