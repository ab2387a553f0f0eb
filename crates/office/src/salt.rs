//! Salts of SCRAM: where an exchange begins, also for those who are not there.
//!
//! A salt is a keyed hash of the account's name, so that a name that is nobody's has one too, which
//! does not change when somebody gets that name. Where all nodes have the same secret, nothing that
//! is said before the proof tells who is there. Keys are kept with the salt they were made with, so
//! a secret that is lost costs that alone.

use std::fmt;

use cassmail_store::Credentials;
use cassmail_wire::sasl::scram::ScramKeys;
use sha2::{Digest, Sha256};

use crate::password::ScramOptions;

/// What salts are made with. Does not print.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SaltSecret([u8; 32]);

impl SaltSecret {
    /// A secret made of these octets, which nobody else has.
    pub fn of(octets: &[u8]) -> Self {
        Self(Sha256::digest(octets).into())
    }
}

impl fmt::Debug for SaltSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SaltSecret(...)")
    }
}

/// Salt and iterations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScramBegin {
    pub(crate) salt: Vec<u8>,
    pub(crate) iterations: u32,
}

/// Makes salts.
pub(crate) struct Salts {
    secret: SaltSecret,
    iterations: u32,
}

const SALT_OCTETS: usize = 16;

impl Salts {
    pub(crate) fn new(options: Option<&ScramOptions>) -> Self {
        // Where nobody is offered SCRAM nobody asks.
        let (secret, iterations) = options.map_or((SaltSecret([0; 32]), 4096), |options| {
            (options.salt_secret, options.iterations)
        });
        Self { secret, iterations }
    }

    /// That of the keys that are there; all passwords of an account have the same.
    pub(crate) fn begin(&self, name: &str, credentials: Option<&Credentials>) -> ScramBegin {
        credentials.and_then(kept).unwrap_or_else(|| ScramBegin {
            salt: self.salt(name),
            iterations: self.iterations,
        })
    }

    fn salt(&self, name: &str) -> Vec<u8> {
        let mut hash = Sha256::new();
        hash.update(self.secret.0);
        hash.update(b"salt of ");
        hash.update(name.as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        digest.iter().copied().take(SALT_OCTETS).collect()
    }
}

fn kept(credentials: &Credentials) -> Option<ScramBegin> {
    let of_apps = credentials.app_passwords.iter();
    let of_apps = of_apps.filter_map(|app| app.scram_sha_256.as_ref());
    let mut all = credentials.scram_sha_256.iter().chain(of_apps);
    let keys: Option<ScramKeys> = all.find_map(|keys| keys.parse().ok());
    keys.map(|keys| ScramBegin {
        salt: keys.salt().to_owned(),
        iterations: keys.iterations(),
    })
}

#[cfg(test)]
mod tests {
    use cassmail_mail::Secret;

    use super::*;

    fn salts(secret: &[u8]) -> Salts {
        Salts::new(Some(&ScramOptions {
            iterations: 5000,
            salt_secret: SaltSecret::of(secret),
        }))
    }

    #[test]
    fn a_name_has_the_same_salt_each_time_and_another_name_another() {
        let (one, other) = (salts(b"a"), salts(b"b"));
        let begin = one.begin("bob@here.example", None);
        assert_eq!(begin, salts(b"a").begin("bob@here.example", None));
        assert_eq!((begin.salt.len(), begin.iterations), (SALT_OCTETS, 5000));
        assert_ne!(begin.salt, one.begin("rob@here.example", None).salt);
        assert_ne!(begin.salt, other.begin("bob@here.example", None).salt);
    }

    #[test]
    fn keys_that_are_there_say_where_their_exchange_begins() {
        let password = Secret::new("x".to_owned());
        let keys = ScramKeys::derive(&password, b"kept", 7).to_string();
        let credentials = Credentials {
            scram_sha_256: Some(keys),
            ..Credentials::of_hash("*")
        };
        let begin = salts(b"a").begin("bob@here.example", Some(&credentials));
        assert_eq!((begin.salt, begin.iterations), (b"kept".to_vec(), 7));
        let without = Credentials::of_hash("*");
        let begin = salts(b"a").begin("bob@here.example", Some(&without));
        assert_eq!(begin.iterations, 5000);
    }
}
