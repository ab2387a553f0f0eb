//! Who is this? Claims against credentials, with a memory for what was verified.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use cassmail_mail::{AccountId, Address, Domain};
use cassmail_store::{AccountState, Credentials, Profile, Retention, Store, StoreError};
use cassmail_telemetry::Limit;
use cassmail_wire::Source;
use cassmail_wire::sasl::Claim;
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::directory::Directory;
use crate::guesses::{Attempted, GuessOptions, Guesses, Whom};
use crate::password::{PasswordError, Passwords};

/// How logins are treated.
#[derive(Debug, Clone)]
pub struct LoginOptions {
    /// The domain of users who give only their local part.
    pub default_domain: Option<Domain>,
    /// How wrong claims are slowed.
    pub guesses: GuessOptions,
    /// How many verified claims are remembered.
    pub remembered: usize,
}

/// An account whose owner has proved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// Which account.
    pub id: AccountId,
    /// Its address.
    pub address: Address,
    /// How long its mail stays, where it differs from its domain's.
    pub retention: Retention,
}

/// An account as it is stored.
type Found = (AccountId, Profile, Credentials);

/// Why a claim is not accepted.
#[derive(Debug)]
pub enum LoginFailure {
    /// Not proved; the text says why, for the operator alone.
    Wrong(&'static str),
    /// Not looked at: this limit forbids it for now.
    TooMany(Limit),
    /// A fault of the store.
    Store(StoreError),
    /// A fault of the pool of hashes.
    Password(PasswordError),
}

/// Verifies claims.
pub struct Logins {
    store: Arc<dyn Store>,
    directory: Directory,
    passwords: Arc<Passwords>,
    verified: Verified,
    guesses: Guesses,
    clock: Arc<dyn Clock>,
    options: LoginOptions,
}

impl Logins {
    /// Verifies claims against the store's credentials.
    ///
    /// # Errors
    /// The operating system gave no randomness for the key of what is remembered.
    pub fn new(
        store: Arc<dyn Store>,
        directory: Directory,
        passwords: Arc<Passwords>,
        clock: Arc<dyn Clock>,
        options: LoginOptions,
    ) -> Result<Self, getrandom::Error> {
        let verified = Verified::new(options.remembered)?;
        let guesses = Guesses::new(options.guesses)?;
        Ok(Self {
            store,
            directory,
            passwords,
            verified,
            guesses,
            clock,
            options,
        })
    }

    /// Whether the claim is true, if this source may try. A refusal takes its time, the same for all
    /// reasons.
    pub async fn check(&self, claim: Claim, source: Source) -> Result<LoggedIn, LoginFailure> {
        let found = self.find(&claim.user).await.map_err(LoginFailure::Store)?;
        let whom = self.whom(&claim.user, found.as_ref());
        let attempt = match self.guesses.before(source, whom, self.clock.now()) {
            Ok(attempt) => attempt,
            Err(limit) => {
                // Whoever is over a limit is no faster for it.
                self.clock.sleep(self.options.guesses.first_delay).await;
                return Err(LoginFailure::TooMany(limit));
            }
        };
        let verdict = self.verify(&claim, found).await;
        let how = match &verdict {
            Ok(_) => Attempted::Right,
            Err(LoginFailure::Wrong(_)) => Attempted::Wrong(Some(&claim.password)),
            Err(_) => Attempted::Unknown,
        };
        let delay = self.guesses.after(attempt, how, self.clock.now());
        if !delay.is_zero() {
            let _waiting = self.guesses.waiting(source);
            self.clock.sleep(delay).await;
        }
        verdict
    }

    fn whom(&self, user: &str, found: Option<&Found>) -> Whom {
        match (found, self.address_of(user)) {
            (Some((id, ..)), _) => Whom::Account(*id),
            (None, Some(address)) => self.guesses.nobody(&address.to_string()),
            (None, None) => self.guesses.nobody(user),
        }
    }

    async fn verify(&self, claim: &Claim, found: Option<Found>) -> Result<LoggedIn, LoginFailure> {
        let credentials = found.as_ref().map(|(_, _, credentials)| credentials);
        let proved = self
            .prove(claim, credentials)
            .await
            .map_err(LoginFailure::Password)?;
        match found {
            None => Err(LoginFailure::Wrong("no such account")),
            Some(_) if !proved => Err(LoginFailure::Wrong("wrong password")),
            Some((_, profile, _)) if profile.state == AccountState::Disabled => {
                Err(LoginFailure::Wrong("account is disabled"))
            }
            Some((id, profile, _)) => Ok(LoggedIn {
                id,
                address: profile.address,
                retention: profile.retention,
            }),
        }
    }

    /// The account that a user's name means; the credentials are read anew each time, so a changed
    /// password counts at once.
    async fn find(&self, user: &str) -> Result<Option<Found>, StoreError> {
        let Some(address) = self.address_of(user) else {
            return Ok(None);
        };
        let Some(id) = self.directory.account(&address).await? else {
            return Ok(None);
        };
        if let Some((profile, credentials)) = self.store.account(id).await? {
            return Ok(Some((id, profile, credentials)));
        }
        // Another node may have removed it and made another one.
        let Some(id) = self.directory.account_anew(&address).await? else {
            return Ok(None);
        };
        let account = self.store.account(id).await?;
        Ok(account.map(|(profile, credentials)| (id, profile, credentials)))
    }

    fn address_of(&self, user: &str) -> Option<Address> {
        user.parse().ok().or_else(|| {
            let domain = self.options.default_domain.clone()?;
            Some(Address::new(user.parse().ok()?, domain))
        })
    }

    async fn prove(
        &self,
        claim: &Claim,
        credentials: Option<&Credentials>,
    ) -> Result<bool, PasswordError> {
        let digest = credentials.map(|credentials| self.verified.digest(claim, credentials));
        if digest.is_some_and(|digest| self.verified.contains(&digest)) {
            return Ok(true);
        }
        let proved = self
            .passwords
            .verify(claim.password.clone(), credentials)
            .await?;
        if let (true, Some(digest)) = (proved, digest) {
            self.verified.remember(digest);
        }
        Ok(proved)
    }
}

/// Remembers claims that were verified, so that a client that polls costs microseconds.
///
/// What is kept is a digest over a key that is drawn at every start of the process, the password
/// and the stored credentials: it proves nothing elsewhere, and other credentials make another
/// digest.
struct Verified {
    key: [u8; 32],
    digests: Mutex<HashSet<[u8; 32]>>,
    limit: usize,
}

impl Verified {
    fn new(limit: usize) -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self {
            key,
            digests: Mutex::default(),
            limit,
        })
    }

    fn digest(&self, claim: &Claim, credentials: &Credentials) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.key);
        for part in [claim.password.expose(), &credentials.password_hash] {
            hash.update(part.len().to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().into()
    }

    /// Digests over a secret key tell nothing by the time that their comparison takes.
    fn contains(&self, digest: &[u8; 32]) -> bool {
        self.digests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(digest)
    }

    /// When the memory is full it starts anew: everybody is verified once more, nobody is refused.
    fn remember(&self, digest: [u8; 32]) {
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        if digests.len() >= self.limit {
            digests.clear();
        }
        digests.insert(digest);
    }
}
