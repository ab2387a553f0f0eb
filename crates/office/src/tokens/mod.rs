//! Tokens of somebody who vouches for users: JWTs (RFC 7519) signed by a key of a JWKS (RFC 7517).
//!
//! A token is believed when a key that we were given has signed it by an algorithm that fits the
//! key (so never by none, and never by a secret that is shared), when it is of the issuer and for
//! the audience that are configured, when it is its time, and when it has the scope.
//!
//! The envelope and the claims are read here, the signatures are verified by `ring`, which TLS uses
//! as well. Nothing is fetched: the keys come from a file that somebody else keeps up to date.

mod claims;
mod jwks;
mod jws;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cassmail_mail::{Secret, UnixTime};

use claims::Claims;
pub use jwks::JwksError;
use jwks::KeySet;

/// Which tokens are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOptions {
    /// Who made them: `iss`.
    pub issuer: String,
    /// For whom: one of `aud`.
    pub audience: String,
    /// The claim that names the account.
    pub account_claim: String,
    /// The words that `scope` or `scp` has to have; may be empty.
    pub scope: String,
    /// How far the clocks of those who make them may be off.
    pub leeway: Duration,
}

/// Verifies tokens.
pub struct Tokens {
    options: TokenOptions,
    keys: Mutex<Arc<KeySet>>,
}

impl Tokens {
    /// Believes tokens that a key of this JWKS has signed.
    ///
    /// # Errors
    /// No such key is in it.
    pub fn new(options: TokenOptions, jwks: &[u8]) -> Result<Self, JwksError> {
        let keys = Mutex::new(Arc::new(KeySet::parse(jwks)?));
        Ok(Self { options, keys })
    }

    /// Whether a JWKS has keys that tokens can be verified with.
    ///
    /// # Errors
    /// It has none.
    pub fn check_keys(jwks: &[u8]) -> Result<(), JwksError> {
        KeySet::parse(jwks).map(drop)
    }

    /// Takes the keys of another JWKS from now on; after an error the old ones stay.
    ///
    /// # Errors
    /// No key that signs tokens is in it.
    pub fn replace_keys(&self, jwks: &[u8]) -> Result<(), JwksError> {
        let keys = Arc::new(KeySet::parse(jwks)?);
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// What a refused client is told that tokens need.
    pub fn scope(&self) -> &str {
        &self.options.scope
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// Why it is not believed, for the operator alone.
    pub fn owner(&self, token: &Secret, now: UnixTime) -> Result<String, &'static str> {
        let keys = Arc::clone(&self.keys.lock().unwrap_or_else(PoisonError::into_inner));
        let payload = jws::verified_payload(token.expose(), &keys)?;
        let claims = Claims::parse(&payload).ok_or("the claims of the token cannot be read")?;
        claims.check(&self.options, now)?;
        claims.owner(&self.options.account_claim)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
    use serde_json::{Value, json};

    use super::*;

    pub(crate) const NOW: u64 = 1_700_000_000;

    /// Somebody who makes tokens.
    pub(crate) struct Issuer {
        p256: EcdsaKeyPair,
        ed25519: Ed25519KeyPair,
    }

    fn text(octets: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(octets)
    }

    impl Issuer {
        pub(crate) fn new() -> Self {
            let random = SystemRandom::new();
            let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let p256 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            let ed25519 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
            Self {
                p256: EcdsaKeyPair::from_pkcs8(algorithm, p256.as_ref(), &random).unwrap(),
                ed25519: Ed25519KeyPair::from_pkcs8(ed25519.as_ref()).unwrap(),
            }
        }

        pub(crate) fn jwks(&self) -> Vec<u8> {
            let point = self.p256.public_key().as_ref();
            let (x, y) = (text(&point[1..33]), text(&point[33..]));
            let edwards = text(self.ed25519.public_key().as_ref());
            let keys = json!({ "keys": [
                { "kty": "oct", "kid": "shared", "k": "c2VjcmV0" },
                { "kty": "EC", "crv": "P-256", "kid": "p", "use": "sig", "x": x, "y": y },
                { "kty": "OKP", "crv": "Ed25519", "kid": "e", "alg": "EdDSA", "x": edwards },
            ] });
            keys.to_string().into_bytes()
        }

        pub(crate) fn token(&self, header: &Value, claims: &Value) -> Secret {
            let signed =
                text(header.to_string().as_bytes()) + "." + &text(claims.to_string().as_bytes());
            let random = SystemRandom::new();
            let signature = match header["alg"].as_str() {
                Some("ES256") => {
                    let signature = self.p256.sign(&random, signed.as_bytes()).unwrap();
                    signature.as_ref().to_vec()
                }
                Some("EdDSA") => self.ed25519.sign(signed.as_bytes()).as_ref().to_vec(),
                Some("none") => Vec::new(),
                _ => vec![0; 32],
            };
            Secret::new(signed + "." + &text(&signature))
        }

        /// Of bob, good for an hour.
        pub(crate) fn good(&self) -> Secret {
            self.token(&json!({ "alg": "ES256", "kid": "p" }), &claims())
        }
    }

    pub(crate) fn options() -> TokenOptions {
        TokenOptions {
            issuer: "https://login.example".to_owned(),
            audience: "cassmail".to_owned(),
            account_claim: "email".to_owned(),
            scope: "mail".to_owned(),
            leeway: Duration::from_mins(1),
        }
    }

    pub(crate) fn claims() -> Value {
        json!({
            "iss": "https://login.example", "aud": ["other", "cassmail"], "exp": NOW + 3600,
            "nbf": NOW - 10, "scope": "openid mail", "email": "bob@here.example",
        })
    }

    fn with(key: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[key] = value;
        claims
    }

    fn without(key: &str) -> Value {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(key);
        claims
    }

    struct House {
        issuer: Issuer,
        tokens: Tokens,
    }

    impl House {
        fn new() -> Self {
            let issuer = Issuer::new();
            let tokens = Tokens::new(options(), &issuer.jwks()).unwrap();
            Self { issuer, tokens }
        }

        fn owner(&self, token: &Secret) -> Result<String, &'static str> {
            self.tokens
                .owner(token, UnixTime::from_micros(NOW * 1_000_000))
        }

        fn of_claims(&self, claims: &Value) -> Result<String, &'static str> {
            self.owner(
                &self
                    .issuer
                    .token(&json!({ "alg": "ES256", "kid": "p" }), claims),
            )
        }

        fn of_header(&self, header: &Value) -> Result<String, &'static str> {
            self.owner(&self.issuer.token(header, &claims()))
        }
    }

    #[test]
    fn a_good_token_names_its_owner() {
        let house = House::new();
        let bob = Ok("bob@here.example".to_owned());
        assert_eq!(house.owner(&house.issuer.good()), bob);
        assert_eq!(house.of_header(&json!({ "alg": "EdDSA" })), bob);
        let access_token = json!({ "alg": "ES256", "typ": "at+jwt" });
        assert_eq!(house.of_header(&access_token), bob);
    }

    #[test]
    fn what_nobody_signed_or_with_a_shared_secret_is_never_believed() {
        let house = House::new();
        for algorithm in ["none", "None", "HS256", "HS512", "", "ES257"] {
            for kid in ["shared", "p", "e"] {
                let refused = house.of_header(&json!({ "alg": algorithm, "kid": kid }));
                assert_eq!(
                    refused,
                    Err("the algorithm of the token is not taken"),
                    "{algorithm}"
                );
            }
        }
        let another_kind = house.of_header(&json!({ "alg": "ES256", "kid": "e" }));
        assert_eq!(another_kind, Err("no key has signed the token"));
        let unknown = house.of_header(&json!({ "alg": "ES256", "kid": "q" }));
        assert_eq!(unknown, Err("no key has signed the token"));
        let critical = house.of_header(&json!({ "alg": "ES256", "crit": ["b64"], "b64": false }));
        assert_eq!(
            critical,
            Err("the header of the token demands what is not known")
        );
    }

    #[test]
    fn a_token_of_another_issuer_is_not_believed() {
        let house = House::new();
        let stranger = Issuer::new();
        assert_eq!(
            house.owner(&stranger.good()),
            Err("no key has signed the token")
        );
    }

    #[test]
    fn a_token_that_was_changed_anywhere_is_not_believed() {
        let house = House::new();
        let good = house.issuer.good();
        let good = good.expose();
        for at in 0..good.len() {
            let mut changed = good.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = Secret::new(String::from_utf8(changed).unwrap());
            // The last character has bits that are not used; any other is refused by the codec.
            assert!(house.owner(&changed).is_err(), "{at}");
        }
        for text in [
            "",
            ".",
            "..",
            "a.b",
            "a.b.c.d",
            &good[1..],
            &format!("{good}="),
        ] {
            assert!(
                house.owner(&Secret::new(text.to_owned())).is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_token_has_its_time() {
        let house = House::new();
        let over = Err("the token has expired");
        assert_eq!(house.of_claims(&with("exp", json!(NOW - 61))), over);
        assert!(house.of_claims(&with("exp", json!(NOW - 59))).is_ok());
        assert!(
            house
                .of_claims(&with("exp", json!(1_700_000_000.5)))
                .is_ok()
        );
        assert_eq!(
            house.of_claims(&without("exp")),
            Err("the token does not say when it expires")
        );
        let early = Err("the token is not good yet");
        assert_eq!(house.of_claims(&with("nbf", json!(NOW + 61))), early);
        assert!(house.of_claims(&with("nbf", json!(NOW + 59))).is_ok());
        assert!(house.of_claims(&without("nbf")).is_ok());
        let odd = Err("the claims of the token cannot be read");
        assert_eq!(house.of_claims(&with("exp", json!("tomorrow"))), odd);
    }

    #[test]
    fn a_token_is_of_the_issuer_and_for_us() {
        let house = House::new();
        let other = Err("the token is of another issuer");
        assert_eq!(
            house.of_claims(&with("iss", json!("https://login.example/"))),
            other
        );
        assert_eq!(house.of_claims(&without("iss")), other);
        let audience = Err("the token is for another audience");
        assert_eq!(house.of_claims(&with("aud", json!("other"))), audience);
        assert_eq!(house.of_claims(&with("aud", json!([]))), audience);
        assert_eq!(house.of_claims(&without("aud")), audience);
        assert!(house.of_claims(&with("aud", json!("cassmail"))).is_ok());
    }

    #[test]
    fn a_token_has_the_scope() {
        let house = House::new();
        let lacking = Err("the token lacks the scope");
        assert_eq!(
            house.of_claims(&with("scope", json!("openid mail2"))),
            lacking
        );
        assert_eq!(house.of_claims(&without("scope")), lacking);
        let mut listed = without("scope");
        listed["scp"] = json!(["openid", "mail"]);
        assert!(house.of_claims(&listed).is_ok());
        listed["scp"] = json!("mail");
        assert!(house.of_claims(&listed).is_ok());
    }

    #[test]
    fn the_owner_is_named_by_the_claim_that_is_configured() {
        let house = House::new();
        let unnamed = Err("the token does not name an account");
        assert_eq!(house.of_claims(&without("email")), unnamed);
        assert_eq!(house.of_claims(&with("email", json!(7))), unnamed);
        assert_eq!(house.of_claims(&with("email", json!(""))), unnamed);
        let unverified = house.of_claims(&with("email_verified", json!(false)));
        assert_eq!(unverified, Err("the address in the token is not verified"));
        assert!(
            house
                .of_claims(&with("email_verified", json!(true)))
                .is_ok()
        );
    }

    #[test]
    fn keys_can_be_replaced_and_stay_if_the_new_ones_are_none() {
        let house = House::new();
        let next = Issuer::new();
        for wrong in [
            "",
            "{}",
            r#"{"keys":[]}"#,
            r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#,
        ] {
            assert!(
                house.tokens.replace_keys(wrong.as_bytes()).is_err(),
                "{wrong}"
            );
        }
        assert!(house.owner(&house.issuer.good()).is_ok());
        house.tokens.replace_keys(&next.jwks()).unwrap();
        assert!(house.owner(&house.issuer.good()).is_err());
        assert!(house.owner(&next.good()).is_ok());
    }
}
