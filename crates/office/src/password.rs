//! Password hashes: argon2id (RFC 9106), made and verified on a small pool of threads.
//!
//! A hash takes tens of milliseconds and as many megabytes on purpose. The pool keeps that from
//! becoming everybody's burden: so many threads, so many waiting, and who comes after that is told
//! to try later. The keys of SCRAM (RFC 5802) are made beside the hash, on the same threads.

use std::sync::Arc;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use cassmail_mail::Secret;
use cassmail_store::{AppPassword, Credentials};
use cassmail_wire::sasl::prepared;
use cassmail_wire::sasl::scram::ScramKeys;
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use crate::hashing::{Hashing, Memory};
use crate::salt::{SaltSecret, Salts, ScramBegin};

/// The cost of a hash, and how many may be computed at once.
#[derive(Debug, Clone)]
pub struct PasswordOptions {
    /// Memory of one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
    /// How many hashes are computed at once.
    pub workers: usize,
    /// How many may wait for a worker.
    pub queue: usize,
    /// How keys of SCRAM are made; none where nobody may log in with it.
    pub scram: Option<ScramOptions>,
}

/// How keys of SCRAM are made.
#[derive(Debug, Clone)]
pub struct ScramOptions {
    /// How often the hash is iterated (RFC 7677 4: at least 4096).
    pub iterations: u32,
    /// What salts are made with.
    pub salt_secret: SaltSecret,
}

/// Why there is no verdict on a password.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// More are waiting than the queue takes.
    #[error("failed to check a password: too many are waiting")]
    Overloaded,
    /// The parameters are out of the algorithm's range, or randomness failed.
    #[error("failed to hash a password: {0}")]
    Hash(String),
    /// A hash in the store that cannot be read.
    #[error("failed to read a stored password hash: {0}")]
    Stored(String),
}

/// Makes and verifies hashes.
pub struct Passwords {
    params: Params,
    /// A permit for everybody who computes or waits.
    places: Arc<Semaphore>,
    /// A permit for everybody who computes.
    workers: Arc<Semaphore>,
    hashing: Hashing,
    salts: Salts,
    makes_scram_keys: bool,
    /// What an unknown user's password is compared with, so that it takes the same time.
    decoy: Arc<str>,
}

impl Passwords {
    /// A pool with these costs.
    ///
    /// # Errors
    /// Costs out of the algorithm's range.
    pub fn new(options: &PasswordOptions) -> Result<Self, PasswordError> {
        let params = Params::new(
            options.memory_kib,
            options.iterations,
            options.parallelism,
            None,
        )
        .map_err(|error| PasswordError::Hash(error.to_string()))?;
        let decoy = decoy(&params);
        let hashing = Hashing::start(options.workers);
        let hashing = hashing.map_err(|error| PasswordError::Hash(error.to_string()))?;
        Ok(Self {
            params,
            places: Arc::new(Semaphore::new(
                options.workers.saturating_add(options.queue),
            )),
            workers: Arc::new(Semaphore::new(options.workers)),
            hashing,
            salts: Salts::new(options.scram.as_ref()),
            makes_scram_keys: options.scram.is_some(),
            decoy: decoy.into(),
        })
    }

    /// Makes the credentials that a password proves, for the account of this name, which keeps its
    /// application passwords.
    pub async fn make(
        &self,
        password: Secret,
        name: &str,
        app_passwords: Vec<AppPassword>,
    ) -> Result<Credentials, PasswordError> {
        let params = self.params.clone();
        let others = Credentials {
            app_passwords,
            ..Credentials::of_hash(String::new())
        };
        let begin = self
            .makes_scram_keys
            .then(|| self.scram_begin(name, Some(&others)));
        // Made for an administrator, who may wait: no limit on the queue.
        let permit = Arc::clone(&self.workers).acquire_owned().await;
        let hashed = self.hashing.compute(move |memory| {
            let _permit = permit;
            let hash = hash(&params, prepared(password.expose()).as_bytes(), memory)?;
            Ok((hash, begin.map(|begin| keys(&password, &begin))))
        });
        let (password_hash, scram_sha_256) = hashed.await.ok_or_else(worker_failed)??;
        Ok(Credentials {
            password_hash,
            scram_sha_256,
            ..others
        })
    }

    /// Makes the hash of a password alone, of somebody who does not log in by SCRAM.
    pub async fn hash(&self, password: Secret) -> Result<String, PasswordError> {
        let params = self.params.clone();
        let permit = Arc::clone(&self.workers).acquire_owned().await;
        let hashed = self.hashing.compute(move |memory| {
            let _permit = permit;
            hash(&params, prepared(password.expose()).as_bytes(), memory)
        });
        hashed.await.ok_or_else(worker_failed)?
    }

    /// Where exchanges of SCRAM for the account of this name begin: for one without keys, or one
    /// that is not there, at a salt that looks like any other.
    pub(crate) fn scram_begin(&self, name: &str, credentials: Option<&Credentials>) -> ScramBegin {
        self.salts.begin(name, credentials)
    }

    /// Makes the keys of another password of an account, such as an application's.
    pub(crate) async fn scram_keys(
        &self,
        password: Secret,
        name: &str,
        credentials: &Credentials,
    ) -> Result<Option<String>, PasswordError> {
        if !self.makes_scram_keys {
            return Ok(None);
        }
        let begin = self.scram_begin(name, Some(credentials));
        let permit = Arc::clone(&self.workers).acquire_owned().await;
        let made = self.hashing.compute(move |_| {
            let _permit = permit;
            keys(&password, &begin)
        });
        made.await.ok_or_else(worker_failed).map(Some)
    }

    /// The credentials with the keys of SCRAM for their password, if they have none and may have
    /// some.
    pub(crate) async fn with_scram_keys(
        &self,
        password: Secret,
        name: &str,
        credentials: &Credentials,
    ) -> Result<Option<Credentials>, PasswordError> {
        if credentials.scram_sha_256.is_some() {
            return Ok(None);
        }
        let keys = self.scram_keys(password, name, credentials).await?;
        Ok(keys.map(|keys| Credentials {
            scram_sha_256: Some(keys),
            ..credentials.clone()
        }))
    }

    /// Whether the password is the one of these credentials; without credentials it takes as long
    /// and is wrong.
    pub async fn verify(
        &self,
        password: Secret,
        credentials: Option<&Credentials>,
    ) -> Result<bool, PasswordError> {
        let known = credentials.is_some();
        let stored: Arc<str> = match credentials {
            Some(credentials) => credentials.password_hash.as_str().into(),
            None => Arc::clone(&self.decoy),
        };
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| PasswordError::Overloaded)?;
        let worker = Arc::clone(&self.workers).acquire_owned().await;
        let verified = self.hashing.compute(move |memory| {
            let _held = (place, worker);
            verify_either(&stored, password.expose(), memory)
        });
        Ok(verified.await.ok_or_else(worker_failed)?? && known)
    }
}

/// A hash in the PHC string format that no password has, with the costs of a real one. It is
/// written and not computed: that would take as long as a login, at each start.
fn decoy(params: &Params) -> String {
    let (salt, hash) = ("A".repeat(22), "A".repeat(43));
    let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
    format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${hash}")
}

fn keys(password: &Secret, begin: &ScramBegin) -> String {
    ScramKeys::derive(password, &begin.salt, begin.iterations).to_string()
}

fn worker_failed() -> PasswordError {
    PasswordError::Hash("the worker did not finish".to_owned())
}

fn hash(params: &Params, password: &[u8], memory: &mut Memory) -> Result<String, PasswordError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(not_hashed)?;
    let salt = Salt::new(&salt).map_err(not_hashed)?;
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    compute(params, password, &salt, &mut output, memory).map_err(not_hashed)?;
    let hash = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(not_hashed)?,
        salt: Some(salt),
        hash: Some(Output::new(&output).map_err(not_hashed)?),
    };
    Ok(hash.to_string())
}

fn not_hashed(error: impl std::fmt::Display) -> PasswordError {
    PasswordError::Hash(error.to_string())
}

/// Hashes are made of prepared passwords; imported ones may be of what was typed.
fn verify_either(stored: &str, password: &str, memory: &mut Memory) -> Result<bool, PasswordError> {
    let prepared = prepared(password);
    if verify(stored, prepared.as_bytes(), memory)? {
        return Ok(true);
    }
    Ok(prepared != password && verify(stored, password.as_bytes(), memory)?)
}

/// The costs are those of the stored hash, not those of today's configuration.
fn verify(stored: &str, password: &[u8], memory: &mut Memory) -> Result<bool, PasswordError> {
    let (params, salt, expected) = parsed(stored)?;
    let mut output = vec![0; expected.len()];
    let computed = compute(&params, password, &salt, &mut output, memory);
    computed.map_err(|error| PasswordError::Stored(error.to_string()))?;
    Ok(bool::from(output.ct_eq(expected.as_bytes())))
}

/// The parts of a hash of ours or of others that can be verified.
fn parsed(stored: &str) -> Result<(Params, Salt, Output), PasswordError> {
    let unreadable = |why: &dyn std::fmt::Display| PasswordError::Stored(why.to_string());
    let hash = PasswordHash::new(stored).map_err(|error| unreadable(&error))?;
    let is_known = hash.algorithm == ARGON2ID_IDENT && hash.version == Some(Version::V0x13.into());
    let params = Params::try_from(&hash).map_err(|error| unreadable(&error))?;
    let (Some(salt), Some(expected), true) = (hash.salt, hash.hash, is_known) else {
        return Err(unreadable(
            &"it is not argon2id, version 19, with salt and hash",
        ));
    };
    if salt.len() < argon2::MIN_SALT_LEN {
        return Err(unreadable(&"its salt has less than 8 octets"));
    }
    Ok((params, salt, expected))
}

/// Computes a hash in memory that is kept for the next one.
fn compute(
    params: &Params,
    password: &[u8],
    salt: &[u8],
    output: &mut [u8],
    memory: &mut Memory,
) -> argon2::Result<()> {
    memory.resize(params.block_count(), Block::new());
    // A hash that was imported may have cost more than those that are made here.
    memory.shrink_to_fit();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_into_with_memory(password, salt, output, memory)
}

/// The most memory that an imported hash may cost at a login, in KiB: all logins of the process
/// share what the machine has.
const MOST_MEMORY_KIB: u32 = 1024 * 1024;

/// Whether a text is an argon2id hash that can be verified here, for imports. What it costs to
/// verify is not paid now, or thousands of them would take minutes.
pub fn is_password_hash(text: &str) -> bool {
    parsed(text).is_ok_and(|(params, ..)| params.m_cost() <= MOST_MEMORY_KIB)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn cheap() -> PasswordOptions {
        PasswordOptions {
            memory_kib: 8,
            iterations: 1,
            parallelism: 1,
            workers: 1,
            queue: 1,
            scram: Some(ScramOptions {
                iterations: 16,
                salt_secret: SaltSecret::of(b"secret"),
            }),
        }
    }

    /// It would take years to verify the dear one.
    #[test]
    fn a_hash_is_looked_at_without_being_computed() {
        let hash = |costs: &str, salt: &str| {
            let hash = format!("$argon2id$v=19${costs}${salt}$aGFzaGhhc2hoYXNo");
            is_password_hash(&hash)
        };
        let salt = "c2FsdHNhbHQ";
        assert!(hash("m=8,t=1,p=1", salt));
        assert!(hash("m=1048576,t=4294967295,p=1", salt));
        assert!(!hash("m=1048577,t=1,p=1", salt), "more than a GiB");
        assert!(!hash("m=8,t=1,p=1", "c2FsdA"), "a salt of four octets");
        assert!(!hash("m=7,t=1,p=1", salt), "less than the algorithm needs");
        assert!(!is_password_hash(
            "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo"
        ));
        assert!(!is_password_hash("password"));
    }

    async fn made(passwords: &Passwords, text: &str) -> Credentials {
        let made = passwords.make(secret(text), "bob@here.example", Vec::new());
        made.await.unwrap()
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn the_right_password_verifies_and_others_do_not() {
        let passwords = Passwords::new(&cheap()).unwrap();
        let credentials = made(&passwords, "open sesame").await;
        let verify = |text| passwords.verify(secret(text), Some(&credentials));
        assert!(verify("open sesame").await.unwrap());
        assert!(!verify("open sesam").await.unwrap());
        assert!(!passwords.verify(secret(""), None).await.unwrap());
    }

    /// RFC 6856 2.2, RFC 4616 2: typed with a combining accent or without, it is one password.
    #[tokio::test]
    async fn a_password_is_the_same_from_every_keyboard() {
        let passwords = Passwords::new(&cheap()).unwrap();
        let credentials = made(&passwords, "Caf\u{e9} IX").await;
        let verify = |text| passwords.verify(secret(text), Some(&credentials));
        for same in ["Caf\u{e9} IX", "Cafe\u{301} IX", "Caf\u{e9}\u{a0}\u{2168}"] {
            assert!(verify(same).await.unwrap(), "{same}");
        }
        assert!(!verify("Cafe IX").await.unwrap());
    }

    #[tokio::test]
    async fn an_imported_hash_may_be_of_a_password_that_was_not_prepared() {
        let passwords = Passwords::new(&cheap()).unwrap();
        let typed = "Cafe\u{301}";
        let hash = hash(&passwords.params, typed.as_bytes(), &mut Memory::new()).unwrap();
        let credentials = Credentials::of_hash(hash);
        let verified = passwords.verify(secret(typed), Some(&credentials));
        assert!(verified.await.unwrap());
    }

    #[test]
    fn the_decoy_is_a_hash_with_the_costs_of_real_ones() {
        let passwords = Passwords::new(&cheap()).unwrap();
        assert!(is_password_hash(&passwords.decoy));
        let real = hash(&passwords.params, b"x", &mut Memory::new()).unwrap();
        let costs = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(costs(&passwords.decoy), costs(&real));
        assert_eq!(passwords.decoy.len(), real.len());
    }

    #[tokio::test]
    async fn two_hashes_of_one_password_differ() {
        let passwords = Passwords::new(&cheap()).unwrap();
        let first = made(&passwords, "x").await;
        assert_ne!(first, made(&passwords, "x").await);
    }

    #[tokio::test]
    async fn keys_of_all_passwords_of_an_account_have_one_salt() {
        let passwords = Passwords::new(&cheap()).unwrap();
        let mut credentials = made(&passwords, "x").await;
        let salt_of = |keys: &Option<String>| {
            let keys: ScramKeys = keys.as_ref().unwrap().parse().unwrap();
            (keys.salt().to_owned(), keys.iterations())
        };
        let own = salt_of(&credentials.scram_sha_256);
        let keys = passwords.scram_keys(secret("y"), "bob@here.example", &credentials);
        assert_eq!(salt_of(&keys.await.unwrap()), own);
        // Also when the account's own password becomes another, and the costs are others by now.
        let keys = ScramKeys::derive(&secret("y"), b"of old", 8).to_string();
        credentials.app_passwords.push(AppPassword {
            name: "phone".to_owned(),
            services: Vec::new(),
            sha_256: String::new(),
            scram_sha_256: Some(keys),
            created_at: 0,
        });
        let apps = credentials.app_passwords.clone();
        let changed = passwords
            .make(secret("z"), "bob@here.example", apps)
            .await
            .unwrap();
        assert_eq!(salt_of(&changed.scram_sha_256), (b"of old".to_vec(), 8));
        assert!(changed.app_passwords == credentials.app_passwords);
    }

    #[tokio::test]
    async fn who_wants_no_scram_gets_no_keys() {
        let options = PasswordOptions {
            scram: None,
            ..cheap()
        };
        let passwords = Passwords::new(&options).unwrap();
        assert_eq!(made(&passwords, "x").await.scram_sha_256, None);
    }

    #[tokio::test]
    async fn who_comes_when_the_queue_is_full_is_told_so() {
        let passwords = Passwords::new(&cheap()).unwrap();
        let _places = Arc::clone(&passwords.places)
            .try_acquire_many_owned(2)
            .unwrap();
        let refused = passwords.verify(secret("x"), None).await;
        assert!(matches!(refused, Err(PasswordError::Overloaded)));
    }

    #[tokio::test]
    async fn a_damaged_hash_is_a_fault_not_a_wrong_password() {
        let passwords = Passwords::new(&cheap()).unwrap();
        let damaged = Credentials::of_hash("plain");
        let verdict = passwords.verify(secret("plain"), Some(&damaged)).await;
        assert!(matches!(verdict, Err(PasswordError::Stored(_))));
    }

    #[test]
    fn a_hash_made_by_the_library_alone_verifies() {
        use argon2::PasswordHasher as _;
        let params = Params::new(64, 2, 2, None).unwrap();
        let other = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash = other.hash_password_with_salt(b"open sesame", b"0123456789abcdef");
        let hash = hash.unwrap().to_string();
        let mut memory = Memory::new();
        assert!(verify(&hash, b"open sesame", &mut memory).unwrap());
        assert!(!verify(&hash, b"open sesam", &mut memory).unwrap());
    }

    #[test]
    fn only_real_hashes_are_imported_as_such() {
        let cheap = Params::new(8, 1, 1, None).unwrap();
        let made = hash(&cheap, b"x", &mut Memory::new()).unwrap();
        assert!(is_password_hash(&made));
        for text in ["secret", "$argon2id$", "$argon2id$v=19$m=8$x", "$2y$10$abc"] {
            assert!(!is_password_hash(text), "{text}");
        }
    }
}
