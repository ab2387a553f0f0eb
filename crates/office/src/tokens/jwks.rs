//! The keys of those who sign (RFC 7517, RFC 7518 6, RFC 8037).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

use super::jws::Algorithm;

/// Keys that verify signatures.
#[derive(Debug)]
pub(super) struct KeySet(Vec<Key>);

/// Why a JWKS is not used.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// It is no JWKS.
    #[error("expected a JSON object with a list of keys")]
    Malformed(#[source] serde_json::Error),
    /// Nothing in it could verify a token.
    #[error("expected at least one public key for signatures: RSA, EC (P-256, P-384) or Ed25519")]
    NoKey,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    /// The only algorithm it is for, if it says so.
    algorithm: Option<String>,
    material: Material,
}

#[derive(Debug)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// A point that is not compressed.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

/// What a key may have; what is for others is ignored (RFC 7517 5).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    pub(super) fn parse(jwks: &[u8]) -> Result<Self, JwksError> {
        let jwks: Jwks = serde_json::from_slice(jwks).map_err(JwksError::Malformed)?;
        let keys: Vec<Key> = jwks.keys.into_iter().filter_map(Key::read).collect();
        if keys.is_empty() {
            return Err(JwksError::NoKey);
        }
        Ok(Self(keys))
    }

    /// Whether one of the keys has signed it. A token that names its key is verified with those of
    /// that name, and with those that have none.
    pub(super) fn has_signed(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let fits = |key: &&Key| {
            let is_named = kid.is_none() || key.id.is_none() || key.id.as_deref() == kid;
            let named = key.algorithm.as_deref();
            is_named && named.is_none_or(|named| named == algorithm.name())
        };
        let mut fitting = self.0.iter().filter(fits);
        fitting.any(|key| key.has_signed(algorithm, message, signature))
    }
}

impl Key {
    /// A key that is not for signatures, or of a kind that is not spoken, is none of ours.
    fn read(jwk: Jwk) -> Option<Self> {
        let is_for_signatures = jwk.r#use.as_deref().is_none_or(|name| name == "sig");
        let operations = jwk.key_ops.as_deref();
        let may_verify = operations.is_none_or(|all| all.iter().any(|one| one == "verify"));
        (is_for_signatures && may_verify).then_some(())?;
        Some(Self {
            material: Material::read(&jwk)?,
            id: jwk.kid,
            algorithm: jwk.alg,
        })
    }

    fn has_signed(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match (&self.material, algorithm) {
            (Material::Rsa { n, e }, Algorithm::Rsa(_, parameters)) => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(parameters, message, signature).is_ok()
            }
            (Material::P256(point), Algorithm::P256(parameters))
            | (Material::P384(point), Algorithm::P384(parameters)) => {
                let key = UnparsedPublicKey::new(parameters, point);
                key.verify(message, signature).is_ok()
            }
            (Material::Ed25519(point), Algorithm::Ed25519(parameters)) => {
                let key = UnparsedPublicKey::new(parameters, point);
                key.verify(message, signature).is_ok()
            }
            _ => false,
        }
    }
}

impl Material {
    fn read(jwk: &Jwk) -> Option<Self> {
        let octets = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
        let point = |length: usize| {
            let (x, y) = (octets(&jwk.x)?, octets(&jwk.y)?);
            let fits = x.len() == length && y.len() == length;
            fits.then(|| [&[4][..], &x, &y].concat())
        };
        match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => Some(Self::Rsa {
                n: without_zeros(octets(&jwk.n)?),
                e: octets(&jwk.e)?,
            }),
            ("EC", Some("P-256")) => point(32).map(Self::P256),
            ("EC", Some("P-384")) => point(48).map(Self::P384),
            ("OKP", Some("Ed25519")) => octets(&jwk.x).map(Self::Ed25519),
            _ => None,
        }
    }
}

/// Some write a zero in front, which RFC 7518 6.3.1.1 does not want and `ring` does not take.
fn without_zeros(mut number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|&&octet| octet == 0).count();
    number.drain(..zeros);
    number
}
