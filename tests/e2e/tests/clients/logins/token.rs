//! Somebody who makes tokens, written for tests from RFC 7515 and RFC 8037.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData as _, SigningKey as _};

/// Signs with a key of its own.
pub(super) struct Issuer(KeyPair);

impl Issuer {
    pub(super) fn new() -> Self {
        Self(KeyPair::generate_for(&PKCS_ED25519).expect("keys can be made"))
    }

    /// The public key, as RFC 7517 has it.
    pub(super) fn jwks(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.0.der_bytes());
        format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"{x}"}}]}}"#)
    }

    /// A token of this account that expires so many seconds from now.
    pub(super) fn token(&self, account: &str, expires_in: i64) -> String {
        let expires = now() + expires_in;
        let claims = format!(
            r#"{{"iss":"https://login.example","aud":"mail","exp":{expires},"email":"{account}"}}"#
        );
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","kid":"k1"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = self.0.sign(signed.as_bytes()).expect("keys sign");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the server's clock is that of the system"
)]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.expect("it is after 1970").as_secs();
    i64::try_from(seconds).expect("it is before the year 292 billion")
}
