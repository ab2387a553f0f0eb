//! Who administers: names with passwords, and tokens, against what the store says now.
//!
//! Wrong claims are slowed as those of users are, by the same rules, in a book of their own. A
//! token is drawn at random and has 256 bits, so a digest is enough, and one is verified in
//! microseconds; a password costs its hash once, and is remembered as verified.

use std::fmt;
use std::sync::Arc;

use cassmail_mail::{AccountId, Secret, hex};
use cassmail_store::{
    AdminName, Administrator, Credentials, Rights, Store, StoreError, Token, TokenId,
};
use cassmail_telemetry::Limit;
use cassmail_wire::Source;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use crate::clock::Clock;
use crate::guesses::{Attempted, GuessOptions, Guesses, Whom};
use crate::login::Verified;
use crate::password::{PasswordError, Passwords};

/// Somebody who is known, and what he may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Who it is.
    pub who: Who,
    /// What he may do.
    pub rights: Rights,
}

/// Who asks for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Whoever can open the service's socket or its store.
    Owner,
    /// Whoever reaches a port, where that is enough.
    Anybody,
    /// Somebody with a name and a password.
    Administrator(AdminName),
    /// A program.
    Token {
        /// Its token.
        id: TokenId,
        /// What the token is for.
        label: String,
        /// Who made it; none for the owner.
        owner: Option<AdminName>,
    },
}

/// An administrator as he is now, for whoever remembers that he was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Who it is, and what he may do.
    pub principal: Principal,
    /// His password.
    pub password: PasswordMark,
}

/// Stands for a password: another one has another mark. It says nothing about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordMark([u8; 32]);

/// What somebody says who he is.
#[derive(Debug, Clone)]
pub enum AdminClaim {
    /// A name and a password.
    Password {
        /// Who he says he is.
        name: String,
        /// The password.
        password: Secret,
    },
    /// A token, as it was shown when it was made.
    Token(Secret),
}

/// Why a claim is not accepted.
#[derive(Debug)]
pub enum AdminLoginFailure {
    /// Not proved; the text says why, for the operator alone.
    Wrong(&'static str),
    /// Not looked at: this limit forbids it for now.
    TooMany(Limit),
    /// A fault of the store.
    Store(StoreError),
    /// A fault of the pool of hashes.
    Password(PasswordError),
}

/// Verifies claims of those who administer.
pub struct AdminLogins {
    store: Arc<dyn Store>,
    passwords: Arc<Passwords>,
    verified: Verified,
    guesses: Guesses,
    clock: Arc<dyn Clock>,
    options: GuessOptions,
}

/// How many verified claims are remembered.
const REMEMBERED: usize = 1000;

/// What a claim is about.
enum Found {
    Administrator(Administrator),
    /// With its owner, where it has one that is still there.
    Token(Token, Option<Administrator>),
}

impl Principal {
    /// Whoever can open the socket of the service: he could read the store without us as well.
    pub fn owner() -> Self {
        Self {
            who: Who::Owner,
            rights: Rights::all(),
        }
    }

    /// The administrator who answers for it, if there is one.
    pub fn name(&self) -> Option<&AdminName> {
        match &self.who {
            Who::Owner | Who::Anybody => None,
            Who::Administrator(name) => Some(name),
            Who::Token { owner, .. } => owner.as_ref(),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("owner"),
            Self::Anybody => f.write_str("anybody"),
            Self::Administrator(name) => name.fmt(f),
            Self::Token { id, owner, .. } => {
                let owner = owner.as_ref().map_or("owner", AdminName::as_str);
                write!(f, "token {id} of {owner}")
            }
        }
    }
}

impl AdminLogins {
    /// Verifies claims against what the store has.
    ///
    /// # Errors
    /// The operating system gave no randomness for the key of what is remembered.
    pub fn new(
        store: Arc<dyn Store>,
        passwords: Arc<Passwords>,
        clock: Arc<dyn Clock>,
        options: GuessOptions,
    ) -> Result<Self, getrandom::Error> {
        Ok(Self {
            store,
            passwords,
            verified: Verified::new(REMEMBERED)?,
            guesses: Guesses::new(options)?,
            clock,
            options,
        })
    }

    /// Who it is, if the claim is true and this source may try. A refusal takes its time, the same
    /// for all reasons.
    pub async fn check(
        &self,
        claim: &AdminClaim,
        source: Source,
    ) -> Result<Principal, AdminLoginFailure> {
        let found = self.find(claim).await.map_err(AdminLoginFailure::Store)?;
        let whom = self.whom(claim, found.as_ref());
        let attempt = match self.guesses.before(source, whom, self.clock.now()) {
            Ok(attempt) => attempt,
            Err(limit) => {
                // Whoever is over a limit is no faster for it.
                self.clock.sleep(self.options.first_delay).await;
                return Err(AdminLoginFailure::TooMany(limit));
            }
        };
        let verdict = self.judge(claim, found).await;
        let how = match &verdict {
            Ok(_) => Attempted::Right,
            Err(AdminLoginFailure::Wrong(_)) => Attempted::Wrong(Some(claim.secret())),
            Err(_) => Attempted::Unknown,
        };
        let delay = self.guesses.after(attempt, how, self.clock.now());
        if !delay.is_zero() {
            let _waiting = self.guesses.waiting(source);
            self.clock.sleep(delay).await;
        }
        verdict
    }

    /// What an administrator is now; none if there is none of that name.
    ///
    /// # Errors
    /// The store's.
    pub async fn standing(&self, name: &AdminName) -> Result<Option<Standing>, StoreError> {
        let found = self.store.administrator(name.clone()).await?;
        Ok(found.map(|one| Standing {
            // Each hash has a salt of its own: the same password set again is another one.
            password: PasswordMark(Sha256::digest(one.password_hash.as_bytes()).into()),
            principal: Principal {
                who: Who::Administrator(one.name),
                rights: one.rights,
            },
        }))
    }

    /// Whose wrong claims are counted.
    pub(crate) fn guesses(&self) -> &Guesses {
        &self.guesses
    }

    async fn find(&self, claim: &AdminClaim) -> Result<Option<Found>, StoreError> {
        match claim {
            AdminClaim::Password { name, .. } => {
                let Ok(name) = name.parse() else {
                    return Ok(None);
                };
                let found = self.store.administrator(name).await?;
                Ok(found.map(Found::Administrator))
            }
            AdminClaim::Token(text) => {
                let Some((id, _)) = read_token(text.expose()) else {
                    return Ok(None);
                };
                let Some(token) = self.store.token(id).await? else {
                    return Ok(None);
                };
                let owner = match &token.owner {
                    None => None,
                    Some(name) => self.store.administrator(name.clone()).await?,
                };
                Ok(Some(Found::Token(token, owner)))
            }
        }
    }

    fn whom(&self, claim: &AdminClaim, found: Option<&Found>) -> Whom {
        match (found, claim) {
            (Some(Found::Administrator(one)), _) => known("administrator", one.name.as_str()),
            (Some(Found::Token(token, _)), _) => known("token", token.id.as_str()),
            (None, AdminClaim::Password { name, .. }) => self.guesses.nobody(name),
            (None, AdminClaim::Token(_)) => self.guesses.nobody("token"),
        }
    }

    async fn judge(
        &self,
        claim: &AdminClaim,
        found: Option<Found>,
    ) -> Result<Principal, AdminLoginFailure> {
        match (claim, found) {
            (AdminClaim::Token(text), Some(Found::Token(token, owner))) => {
                self.judge_token(text, token, owner)
            }
            (AdminClaim::Password { password, .. }, Some(Found::Administrator(one))) => {
                self.judge_password(password, Some(one)).await
            }
            (AdminClaim::Password { password, .. }, _) => self.judge_password(password, None).await,
            (AdminClaim::Token(_), _) => Err(AdminLoginFailure::Wrong("no such token")),
        }
    }

    fn judge_token(
        &self,
        text: &Secret,
        token: Token,
        owner: Option<Administrator>,
    ) -> Result<Principal, AdminLoginFailure> {
        let wrong = |why| Err(AdminLoginFailure::Wrong(why));
        let secret = read_token(text.expose()).map_or("", |(_, secret)| secret);
        let digest = token_digest(secret);
        if !bool::from(digest.as_bytes().ct_eq(token.sha_256.as_bytes())) {
            return wrong("wrong token");
        }
        if token.expires_at.is_some_and(|end| end <= self.clock.wall()) {
            return wrong("the token has expired");
        }
        let rights = match (&token.owner, owner) {
            (None, _) => token.rights,
            (Some(_), Some(owner)) => token.rights.and(&owner.rights),
            (Some(_), None) => return wrong("the owner of the token is gone"),
        };
        Ok(Principal {
            who: Who::Token {
                id: token.id,
                label: token.label,
                owner: token.owner,
            },
            rights,
        })
    }

    async fn judge_password(
        &self,
        password: &Secret,
        found: Option<Administrator>,
    ) -> Result<Principal, AdminLoginFailure> {
        let hash = found.as_ref().map(|one| one.password_hash.as_str());
        let digest = hash.map(|hash| self.verified.digest(password.expose(), hash));
        let is_known = digest.is_some_and(|digest| self.verified.contains(&digest));
        if !is_known {
            let credentials = hash.map(Credentials::of_hash);
            let verified = self
                .passwords
                .verify(password.clone(), credentials.as_ref());
            if !verified.await.map_err(AdminLoginFailure::Password)? {
                return Err(AdminLoginFailure::Wrong("wrong name or password"));
            }
            if let Some(digest) = digest {
                self.verified.remember(digest);
            }
        }
        let one = found.ok_or(AdminLoginFailure::Wrong("no such administrator"))?;
        Ok(Principal {
            who: Who::Administrator(one.name),
            rights: one.rights,
        })
    }
}

impl AdminClaim {
    /// Who he says he is, for the operator: the name of an administrator, or a token's id.
    pub fn name(&self) -> String {
        match self {
            Self::Password { name, .. } => name.chars().take(64).collect(),
            Self::Token(text) => match read_token(text.expose()) {
                Some((id, _)) => format!("token {id}"),
                None => "a token".to_owned(),
            },
        }
    }

    fn secret(&self) -> &Secret {
        match self {
            Self::Password { password, .. } => password,
            Self::Token(text) => text,
        }
    }
}

/// What every token begins with, so that programs which look for secrets in files find it.
const TOKEN: &str = "cassmail_";

/// The text of a token.
pub(crate) fn token_text(id: &TokenId, secret: &str) -> Secret {
    Secret::new(format!("{TOKEN}{id}_{secret}"))
}

fn read_token(text: &str) -> Option<(TokenId, &str)> {
    let (id, secret) = text.strip_prefix(TOKEN)?.split_once('_')?;
    Some((id.parse().ok()?, secret))
}

/// What is kept of the secret of a token.
pub(crate) fn token_digest(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

/// Names of those who administer among the ids of accounts, which the book of guesses knows.
fn known(kind: &str, name: &str) -> Whom {
    Whom::Account(id_of(kind, name))
}

/// The id that stands for an administrator in the book of guesses.
pub(crate) fn id_of_administrator(name: &AdminName) -> AccountId {
    id_of("administrator", name.as_str())
}

fn id_of(kind: &str, name: &str) -> AccountId {
    let digest: [u8; 32] = Sha256::digest(format!("{kind} {name}")).into();
    let mut key = [0; 16];
    key.copy_from_slice(&digest[..16]);
    AccountId::from_key(key)
}
