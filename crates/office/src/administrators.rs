//! Changing who administers. Nobody makes or changes anybody who may do more than himself.

use std::sync::Arc;
use std::time::Duration;

use cassmail_mail::{Secret, UnixTime, hex};
use cassmail_store::{AdminName, Administrator, Rights, Store, StoreError, Token, TokenId};

use crate::admin_login::{Principal, Who, token_digest, token_text};
use crate::clock::Clock;
use crate::password::{PasswordError, Passwords};

/// Makes, changes and removes administrators and tokens.
#[derive(Clone)]
pub struct AdminAccounts {
    store: Arc<dyn Store>,
    passwords: Arc<Passwords>,
    clock: Arc<dyn Clock>,
}

/// A token that was made.
#[derive(Debug)]
pub struct NewToken {
    /// Its name.
    pub id: TokenId,
    /// The whole of it; it cannot be shown again.
    pub text: Secret,
    /// When it ends.
    pub expires_at: UnixTime,
}

/// Why something was not done; each text says what was expected and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum AdminAccountsError {
    /// No such administrator, or one who may do more.
    #[error("there is no administrator {0} that you may see")]
    NoSuchAdministrator(AdminName),
    /// There is one of that name.
    #[error("there is an administrator {0} already; nothing was changed")]
    AdministratorExists(AdminName),
    /// No such token, or one that may do more.
    #[error("there is no token {0} that you may see")]
    NoSuchToken(TokenId),
    /// More than the one who asks has.
    #[error("nobody can give rights that he does not have himself")]
    BeyondRights,
    /// Without any right.
    #[error("expected at least one scope")]
    NoScope,
    /// A password that is too easy, or that nobody could send.
    #[error("the password of an administrator has 10 to 1024 octets and no control characters")]
    BadPassword,
    /// A label that cannot be.
    #[error("the label of a token has 1 to 64 characters and no control characters")]
    BadLabel,
    /// Only people have passwords.
    #[error("a token and the owner of the socket have no password; name an administrator")]
    NoPassword,
    /// As many tokens as there may be.
    #[error("there are {MOST_TOKENS} tokens already; revoke some first")]
    TooManyTokens,
    /// The system gave no random number.
    #[error("failed to draw a token: {0}")]
    Randomness(#[from] getrandom::Error),
    /// The hash could not be made.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All are read for a list.
const MOST_TOKENS: usize = 10_000;

type Outcome<T> = Result<T, AdminAccountsError>;

impl AdminAccounts {
    /// Changes what is in the store.
    pub fn new(store: Arc<dyn Store>, passwords: Arc<Passwords>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            passwords,
            clock,
        }
    }

    /// The administrators that somebody may see, in the order of their names.
    pub async fn administrators(&self, by: &Principal) -> Outcome<Vec<Administrator>> {
        let mut all = self.store.administrators().await?;
        all.retain(|one| may_touch(by, one));
        Ok(all)
    }

    /// One of them.
    pub async fn administrator(&self, by: &Principal, name: &AdminName) -> Outcome<Administrator> {
        let found = self.store.administrator(name.clone()).await?;
        found
            .filter(|one| may_touch(by, one))
            .ok_or_else(|| AdminAccountsError::NoSuchAdministrator(name.clone()))
    }

    /// Makes an administrator.
    pub async fn add(
        &self,
        by: &Principal,
        name: AdminName,
        password: Secret,
        rights: Rights,
    ) -> Outcome<()> {
        check_rights(by, &rights)?;
        check_password(&password)?;
        if self.store.administrator(name.clone()).await?.is_some() {
            return Err(AdminAccountsError::AdministratorExists(name));
        }
        let made = Administrator {
            name,
            password_hash: self.passwords.hash(password).await?,
            rights,
            created_at: self.clock.wall(),
        };
        Ok(self.store.put_administrator(made).await?)
    }

    /// Changes what an administrator may do.
    pub async fn set_rights(
        &self,
        by: &Principal,
        name: &AdminName,
        rights: Rights,
    ) -> Outcome<()> {
        check_rights(by, &rights)?;
        let one = self.administrator(by, name).await?;
        let changed = Administrator { rights, ..one };
        Ok(self.store.put_administrator(changed).await?)
    }

    /// Changes an administrator's password.
    pub async fn set_password(
        &self,
        by: &Principal,
        name: &AdminName,
        password: Secret,
    ) -> Outcome<()> {
        check_password(&password)?;
        let one = self.administrator(by, name).await?;
        let changed = Administrator {
            password_hash: self.passwords.hash(password).await?,
            ..one
        };
        Ok(self.store.put_administrator(changed).await?)
    }

    /// Changes the password of whoever asks.
    pub async fn set_own_password(&self, by: &Principal, password: Secret) -> Outcome<()> {
        let Who::Administrator(name) = &by.who else {
            return Err(AdminAccountsError::NoPassword);
        };
        self.set_password(by, name, password).await
    }

    /// Removes an administrator; his tokens are worth nothing from now on.
    pub async fn remove(&self, by: &Principal, name: &AdminName) -> Outcome<()> {
        self.administrator(by, name).await?;
        // Somebody of the same name who is made later shall not have them.
        for token in self.store.tokens().await? {
            if token.owner.as_ref() == Some(name) {
                self.store.remove_token(token.id).await?;
            }
        }
        Ok(self.store.remove_administrator(name.clone()).await?)
    }

    /// The tokens that somebody may see, in the order of their ids.
    pub async fn tokens(&self, by: &Principal) -> Outcome<Vec<Token>> {
        let mut all = self.store.tokens().await?;
        all.retain(|token| may_revoke(by, token));
        Ok(all)
    }

    /// One of them.
    pub async fn token(&self, by: &Principal, id: &TokenId) -> Outcome<Token> {
        let found = self.store.token(id.clone()).await?;
        found
            .filter(|token| may_revoke(by, token))
            .ok_or_else(|| AdminAccountsError::NoSuchToken(id.clone()))
    }

    /// Makes a token for whoever asks.
    pub async fn add_token(
        &self,
        by: &Principal,
        label: &str,
        rights: Rights,
        lasts: Duration,
    ) -> Outcome<NewToken> {
        check_rights(by, &rights)?;
        let fits = (1..=64).contains(&label.chars().count()) && !label.contains(char::is_control);
        if !fits {
            return Err(AdminAccountsError::BadLabel);
        }
        if self.store.tokens().await?.len() >= MOST_TOKENS {
            return Err(AdminAccountsError::TooManyTokens);
        }
        let id = draw_id()?;
        let secret = draw_secret()?;
        let created_at = self.clock.wall();
        let lasts = u64::try_from(lasts.as_micros()).unwrap_or(u64::MAX);
        let expires_at = UnixTime::from_micros(created_at.as_micros().saturating_add(lasts));
        let token = Token {
            id: id.clone(),
            label: label.to_owned(),
            sha_256: token_digest(&secret),
            rights,
            owner: by.name().cloned(),
            created_at,
            expires_at: Some(expires_at),
        };
        self.store.put_token(token).await?;
        Ok(NewToken {
            text: token_text(&id, &secret),
            id,
            expires_at,
        })
    }

    /// Takes a token back: it is worth nothing from now on.
    pub async fn revoke(&self, by: &Principal, id: &TokenId) -> Outcome<()> {
        self.token(by, id).await?;
        Ok(self.store.remove_token(id.clone()).await?)
    }
}

fn draw_id() -> Result<TokenId, getrandom::Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    Ok(TokenId::of(random))
}

/// 256 random bits, in hexadecimal.
///
/// # Errors
/// The system gives no random numbers.
pub fn draw_secret() -> Result<String, getrandom::Error> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)?;
    Ok(hex(&random))
}

/// Whoever could change somebody who may do more could make himself that.
fn may_touch(by: &Principal, one: &Administrator) -> bool {
    one.rights.are_within(&by.rights)
}

fn may_revoke(by: &Principal, token: &Token) -> bool {
    let is_own = by.name().is_some() && token.owner.as_ref() == by.name();
    is_own || token.rights.are_within(&by.rights)
}

fn check_rights(by: &Principal, rights: &Rights) -> Outcome<()> {
    if rights.scopes.is_empty() {
        return Err(AdminAccountsError::NoScope);
    }
    if rights.are_within(&by.rights) {
        Ok(())
    } else {
        Err(AdminAccountsError::BeyondRights)
    }
}

fn check_password(password: &Secret) -> Outcome<()> {
    let text = password.expose();
    if (10..=1024).contains(&text.len()) && !text.contains(char::is_control) {
        Ok(())
    } else {
        Err(AdminAccountsError::BadPassword)
    }
}
