//! What a password becomes, and what is proved with it.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cassmail_mail::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::sasl::prepared;

/// The keys of RFC 5802 3 that a server keeps. Whoever has them can pretend to be this server, and
/// can guess the password at the price of the iterations; to log in takes the password.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    salt: Vec<u8>,
    iterations: u32,
    stored_key: [u8; 32],
    server_key: [u8; 32],
}

/// That somebody knows a password, in one exchange: the signature over its messages, made with a
/// key that only the password gives. It can be checked and not used again.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramProof {
    pub(super) auth_message: String,
    pub(super) client_proof: [u8; 32],
}

/// A text that is no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected SCRAM-SHA-256$iterations:salt$stored-key:server-key")]
pub struct MalformedKeys;

const SCHEME: &str = "SCRAM-SHA-256";

impl ScramKeys {
    /// Makes the keys of a password. This takes as long as the iterations want.
    pub fn derive(password: &Secret, salt: &[u8], iterations: u32) -> Self {
        let salted = salted_password(password, salt, iterations);
        let client_key = hmac(&salted, b"Client Key");
        Self {
            salt: salt.to_owned(),
            iterations,
            stored_key: Sha256::digest(client_key).into(),
            server_key: hmac(&salted, b"Server Key"),
        }
    }

    /// Keys that no password has, to compare a stranger's proof with.
    pub fn decoy(salt: &[u8], iterations: u32) -> Self {
        Self {
            salt: salt.to_owned(),
            iterations,
            stored_key: [0; 32],
            server_key: [0; 32],
        }
    }

    /// The salt.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// How often the hash was iterated.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Our signature, if the proof is one of the password that these keys were made of.
    pub fn verify(&self, proof: &ScramProof) -> Option<[u8; 32]> {
        let message = proof.auth_message.as_bytes();
        let mut client_key = hmac(&self.stored_key, message);
        for (octet, proved) in client_key.iter_mut().zip(proof.client_proof) {
            *octet ^= proved;
        }
        let stored_key = Sha256::digest(client_key);
        let is_proved = stored_key.ct_eq(&self.stored_key);
        bool::from(is_proved).then(|| hmac(&self.server_key, message))
    }
}

/// `Hi` of RFC 5802 2.2.
fn salted_password(password: &Secret, salt: &[u8], iterations: u32) -> [u8; 32] {
    let prepared = prepared(password.expose());
    let mut salted = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(prepared.as_bytes(), salt, iterations, &mut salted);
    salted
}

/// A key is filled up to a block with zeros (RFC 2104 2).
fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    for (octet, of_key) in block.iter_mut().zip(key) {
        *octet = *of_key;
    }
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// As RFC 5803 2 writes them.
impl fmt::Display for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored_key, server_key] =
            [&self.salt[..], &self.stored_key, &self.server_key].map(|key| STANDARD.encode(key));
        let iterations = self.iterations;
        write!(f, "{SCHEME}${iterations}:{salt}${stored_key}:{server_key}")
    }
}

impl FromStr for ScramKeys {
    type Err = MalformedKeys;

    fn from_str(text: &str) -> Result<Self, MalformedKeys> {
        read(text).ok_or(MalformedKeys)
    }
}

fn read(text: &str) -> Option<ScramKeys> {
    let mut parts = text.split('$');
    let parts = (parts.next(), parts.next(), parts.next(), parts.next());
    let (Some(SCHEME), Some(information), Some(keys), None) = parts else {
        return None;
    };
    let (iterations, salt) = information.split_once(':')?;
    let (stored_key, server_key) = keys.split_once(':')?;
    let octets = |text: &str| STANDARD.decode(text).ok();
    Some(ScramKeys {
        salt: octets(salt)?,
        iterations: iterations.parse().ok()?,
        stored_key: octets(stored_key)?.try_into().ok()?,
        server_key: octets(server_key)?.try_into().ok()?,
    })
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramKeys(...)")
    }
}

impl fmt::Debug for ScramProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramProof(...)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(password: &str) -> ScramKeys {
        ScramKeys::derive(&Secret::new(password.to_owned()), b"0123456789abcdef", 64)
    }

    #[test]
    fn keys_come_back_as_they_were_written() {
        let keys = keys("pencil");
        let text = keys.to_string();
        assert!(text.starts_with("SCRAM-SHA-256$64:MDEyMzQ1Njc4OWFiY2RlZg==$"));
        assert_eq!(text.parse(), Ok(keys));
    }

    #[test]
    fn what_is_no_keys_is_refused() {
        let text = keys("pencil").to_string();
        for wrong in [
            "",
            "SCRAM-SHA-256",
            &text[..text.len() - 1],
            &text.replace("256", "1"),
            &text.replace(':', ";"),
            &format!("{text}$"),
            &text.replace("$64:", "$x:"),
        ] {
            assert_eq!(wrong.parse::<ScramKeys>(), Err(MalformedKeys), "{wrong}");
        }
    }

    /// RFC 4013 3: what looks the same is the same.
    #[test]
    fn passwords_are_prepared() {
        for (one, other) in [("I\u{ad}X", "IX"), ("\u{aa}", "a"), ("\u{2168}", "IX")] {
            assert_eq!(keys(one), keys(other));
        }
        assert_ne!(keys("user"), keys("USER"));
        // Prohibited, and so taken as it is.
        assert_ne!(keys("a\u{7}"), keys("a"));
    }

    #[test]
    fn neither_keys_nor_proofs_print() {
        let proof = ScramProof {
            auth_message: "sesame".to_owned(),
            client_proof: [0; 32],
        };
        let printed = format!("{:?} {proof:?}", keys("sesame"));
        assert_eq!(printed, "ScramKeys(...) ScramProof(...)");
    }

    #[test]
    fn a_decoy_proves_nothing() {
        let proof = ScramProof {
            auth_message: String::new(),
            client_proof: [0; 32],
        };
        assert_eq!(ScramKeys::decoy(b"salt", 1).verify(&proof), None);
    }
}
