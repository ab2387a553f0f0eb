//! Who is this? Claims against credentials, with a memory for what was verified.
//!
//! A password is compared with the hash of the account, and before that with its application
//! passwords, which cost nothing to compare. A proof of SCRAM is verified with the stored keys of
//! both, which costs two hashes each; a token with the keys of those who sign tokens. All refusals
//! take the same time and read the same.

mod verified;

use std::sync::Arc;
use std::time::Duration;

use cassmail_mail::{AccountId, Address, Domain, Secret, hex};
use cassmail_store::{
    AccountState, Credentials, Profile, Quota, Retention, Service, Store, StoreError,
};
use cassmail_telemetry::{Limit, chain, event};
use cassmail_wire::Source;
use cassmail_wire::sasl::scram::{ScramKeys, ScramProof, ScramStart};
use cassmail_wire::sasl::{Acceptance, Claim, Proof, prepared};

use crate::app_password;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::guesses::{Attempted, GuessOptions, Guesses, Whom};
use crate::password::{PasswordError, Passwords};
use crate::tokens::Tokens;
pub(crate) use verified::Verified;

/// How logins are treated.
#[derive(Debug, Clone)]
pub struct LoginOptions {
    /// The domain of users who give only their local part.
    pub default_domain: Option<Domain>,
    /// How wrong claims are slowed.
    pub guesses: GuessOptions,
    /// How many verified claims are remembered.
    pub remembered: usize,
    /// Whose tokens are believed.
    pub tokens: Option<Arc<Tokens>>,
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
    /// How much mail it may have, where it differs from its domain's.
    pub quota: Quota,
    /// The name of the application password that proved it, if it was one.
    pub app_password: Option<String>,
}

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
    /// No random number for a nonce.
    Randomness(getrandom::Error),
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

/// What a user's name means.
struct Found {
    id: AccountId,
    profile: Profile,
    credentials: Credentials,
}

/// What proved a claim.
enum Proved {
    /// The account's own password, or a token.
    Own,
    AppPassword(String),
    Scram {
        app_password: Option<String>,
        signature: [u8; 32],
    },
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

    /// Where an exchange of SCRAM for a user of this name begins. Nothing tells whether there is
    /// such a user: a name that is nobody's has a salt as well, which is the same each time.
    pub async fn start_scram(&self, user: &str) -> Result<ScramStart, LoginFailure> {
        let (address, found) = self.find_named(user).await.map_err(LoginFailure::Store)?;
        let name = match &address {
            Some(address) => self.directory.canonical(address).to_string(),
            None => user.to_owned(),
        };
        let credentials = found.as_ref().map(|found| &found.credentials);
        let begin = self.passwords.scram_begin(&name, credentials);
        let nonce = nonce().map_err(LoginFailure::Randomness)?;
        Ok(ScramStart {
            nonce,
            salt: begin.salt,
            iterations: begin.iterations,
        })
    }

    /// Whether the claim is true, if this source may try. A refusal takes its time, the same for
    /// all reasons.
    pub async fn check(
        &self,
        claim: Claim,
        service: Service,
        source: Source,
    ) -> Result<(LoggedIn, Acceptance), LoginFailure> {
        let vouched = self.vouched(&claim);
        let user = match &vouched {
            Some(Ok(owner)) => owner,
            Some(Err(_)) | None => &claim.user,
        };
        let (address, found) = self.find_named(user).await.map_err(LoginFailure::Store)?;
        let whom = match (&found, &address) {
            (Some(found), _) => Whom::Account(found.id),
            (None, Some(address)) => self.guesses.nobody(&address.to_string()),
            (None, None) => self.guesses.nobody(user),
        };
        let attempt = match self.guesses.before(source, whom, self.clock.now()) {
            Ok(attempt) => attempt,
            Err(limit) => {
                // Whoever is over a limit is no faster for it.
                self.clock.sleep(self.options.guesses.first_delay).await;
                return Err(LoginFailure::TooMany(limit));
            }
        };
        let verdict = match vouched {
            Some(Err(reason)) => Err(LoginFailure::Wrong(reason)),
            Some(Ok(_)) => judge(found, Some(Proved::Own)),
            None => self.verify(&claim, found, service).await,
        };
        let how = match &verdict {
            Ok(_) => Attempted::Right,
            Err(LoginFailure::Wrong(_)) => Attempted::Wrong(shown(&claim.proof)),
            Err(_) => Attempted::Unknown,
        };
        let delay = self.guesses.after(attempt, how, self.clock.now());
        if !delay.is_zero() {
            let _waiting = self.guesses.waiting(source);
            self.clock.sleep(delay).await;
        }
        verdict
    }

    /// Whose wrong claims are counted.
    pub(crate) fn guesses(&self) -> &Guesses {
        &self.guesses
    }

    /// Whose token it is, if the claim is one by a token, or why it is not believed. It says who it
    /// is (RFC 7628 3.2.1); a name beside it has to be the same account's.
    fn vouched(&self, claim: &Claim) -> Option<Result<String, &'static str>> {
        let Proof::Token(token) = &claim.proof else {
            return None;
        };
        let Some(tokens) = &self.options.tokens else {
            return Some(Err("no tokens are taken here"));
        };
        let owner = tokens.owner(token, self.clock.wall());
        Some(owner.and_then(|owner| {
            let is_same = claim.user.is_empty() || self.is_same_account(&claim.user, &owner);
            is_same
                .then_some(owner)
                .ok_or("the token is another account's")
        }))
    }

    fn is_same_account(&self, one: &str, other: &str) -> bool {
        let canonical = |user| {
            let address = self.address_of(user);
            address.map(|address| self.directory.canonical(&address))
        };
        canonical(one).is_some_and(|one| canonical(other) == Some(one))
    }

    async fn verify(
        &self,
        claim: &Claim,
        found: Option<Found>,
        service: Service,
    ) -> Result<(LoggedIn, Acceptance), LoginFailure> {
        let proved = match &claim.proof {
            Proof::Password(password) => self.proved_by(password, found.as_ref(), service).await?,
            Proof::Scram(proof) => proved_by_scram(found.as_ref(), proof, service),
            Proof::Token(_) => None,
        };
        judge(found, proved)
    }

    async fn proved_by(
        &self,
        password: &Secret,
        found: Option<&Found>,
        service: Service,
    ) -> Result<Option<Proved>, LoginFailure> {
        let matching =
            found.and_then(|found| app_password::matching(&found.credentials, password, service));
        match matching {
            Some(name) => Ok(Some(Proved::AppPassword(name))),
            None => self.prove(password.clone(), found).await,
        }
    }

    /// Compares with the account's own password, and keeps what could be made of it.
    async fn prove(
        &self,
        password: Secret,
        found: Option<&Found>,
    ) -> Result<Option<Proved>, LoginFailure> {
        let credentials = found.map(|found| &found.credentials);
        let digest = credentials.map(|credentials| {
            let hash = &credentials.password_hash;
            self.verified.digest(password.expose(), hash)
        });
        if digest.is_some_and(|digest| self.verified.contains(&digest)) {
            return Ok(Some(Proved::Own));
        }
        let verified = self.passwords.verify(password.clone(), credentials).await;
        if !verified.map_err(LoginFailure::Password)? {
            return Ok(None);
        }
        if let Some(digest) = digest {
            self.verified.remember(digest);
        }
        if let Some(found) = found {
            self.add_scram_keys(password, found).await;
        }
        Ok(Some(Proved::Own))
    }

    /// Makes the keys of SCRAM for an account that has none yet, now that its password is at hand.
    /// A login does not fail by it, and hardly waits for it.
    async fn add_scram_keys(&self, password: Secret, found: &Found) {
        const PATIENCE: Duration = Duration::from_secs(2);
        let name = found.profile.address.to_string();
        let upgraded = self
            .passwords
            .with_scram_keys(password, &name, &found.credentials)
            .await;
        let Ok(Some(upgraded)) = upgraded else {
            return;
        };
        let from = found.credentials.clone();
        let upgrade = self.store.upgrade_credentials(found.id, from, upgraded);
        // Both are cancel safe: an upgrade that was given up may still happen.
        let done = tokio::select! {
            biased;
            done = upgrade => done,
            () = self.clock.sleep(PATIENCE) => return,
        };
        if let Err(error) = done {
            tracing::warn!(
                event = event::STORE_OPERATION_FAILED, user = %found.profile.address,
                error = %chain(&error)
            );
        }
    }

    /// The account of a user's name: of the name as it is, and if that is nobody, of the name as
    /// SASLprep makes it (RFC 6856 2.2), so that a name from another keyboard finds its account and
    /// no account is hidden behind another.
    async fn find_named(&self, user: &str) -> Result<(Option<Address>, Option<Found>), StoreError> {
        let address = self.address_of(user);
        let found = self.find(address.as_ref()).await?;
        let prepared = prepared(user);
        if found.is_some() || prepared == user {
            return Ok((address, found));
        }
        let address = self.address_of(&prepared);
        let found = self.find(address.as_ref()).await?;
        Ok((address, found))
    }

    /// The account at an address; the credentials are read anew each time, so a changed password
    /// counts at once. Where there is none, as much is read.
    async fn find(&self, address: Option<&Address>) -> Result<Option<Found>, StoreError> {
        let Some(address) = address else {
            return Ok(None);
        };
        let Some(id) = self.directory.account(address).await? else {
            self.store.account(AccountId::of(address, 0)).await?;
            return Ok(None);
        };
        if let Some((profile, credentials)) = self.store.account(id).await? {
            return Ok(Some(Found {
                id,
                profile,
                credentials,
            }));
        }
        // Another node may have removed it and made another one.
        let Some(id) = self.directory.account_anew(address).await? else {
            return Ok(None);
        };
        let account = self.store.account(id).await?;
        Ok(account.map(|(profile, credentials)| Found {
            id,
            profile,
            credentials,
        }))
    }

    fn address_of(&self, user: &str) -> Option<Address> {
        user.parse().ok().or_else(|| {
            let domain = self.options.default_domain.clone()?;
            Some(Address::new(user.parse().ok()?, domain))
        })
    }
}

/// The secret that was shown; a proof of SCRAM differs each time.
fn shown(proof: &Proof) -> Option<&Secret> {
    match proof {
        Proof::Password(secret) | Proof::Token(secret) => Some(secret),
        Proof::Scram(_) => None,
    }
}

/// The verdict, once it is known whether the claim was proved.
fn judge(
    found: Option<Found>,
    proved: Option<Proved>,
) -> Result<(LoggedIn, Acceptance), LoginFailure> {
    let wrong = |reason| Err(LoginFailure::Wrong(reason));
    let Some(Found { id, profile, .. }) = found else {
        return wrong("no such account");
    };
    let (app_password, server_signature) = match proved {
        None => return wrong("wrong password"),
        Some(Proved::Own) => (None, None),
        Some(Proved::AppPassword(name)) => (Some(name), None),
        Some(Proved::Scram {
            app_password,
            signature,
        }) => (app_password, Some(signature)),
    };
    if profile.state == AccountState::Disabled {
        return wrong("account is disabled");
    }
    let logged_in = LoggedIn {
        id,
        address: profile.address,
        retention: profile.retention,
        quota: profile.quota,
        app_password,
    };
    Ok((logged_in, Acceptance { server_signature }))
}

/// Tries the keys of all passwords that open the service: the client does not say which it has. For
/// nobody there are keys to try as well.
fn proved_by_scram(found: Option<&Found>, proof: &ScramProof, service: Service) -> Option<Proved> {
    let Some(Found { credentials, .. }) = found else {
        let _ = ScramKeys::decoy(&[], 0).verify(proof);
        return None;
    };
    let own = (None, credentials.scram_sha_256.as_deref());
    let of_apps = credentials.app_passwords.iter();
    let of_apps = of_apps.filter(|app| app.services.contains(&service));
    let of_apps = of_apps.map(|app| (Some(&app.name), app.scram_sha_256.as_deref()));
    std::iter::once(own)
        .chain(of_apps)
        .find_map(|(name, keys)| {
            let keys: ScramKeys = keys?.parse().ok()?;
            Some(Proved::Scram {
                signature: keys.verify(proof)?,
                app_password: name.cloned(),
            })
        })
}

/// Our part of a nonce: 144 bits, as letters, digits and the like.
fn nonce() -> Result<String, getrandom::Error> {
    let mut random = [0; 18];
    getrandom::fill(&mut random)?;
    Ok(hex(&random))
}
