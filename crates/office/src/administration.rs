//! What an administrator does: domains, accounts, aliases. The admin API and the command line both
//! come here, so what one refuses the other refuses in the same words.

use std::ops::ControlFlow;
use std::sync::Arc;

use cassmail_mail::{AccountId, Address, Domain, LocalPart, MessageId, Secret, UnixTime};
use cassmail_store::{
    AccountState, AddressEntry, AddressFilter, AppPassword, Bound, Credentials, DomainEntry,
    ErrorKind, NewAccount, Profile, Quota, Retention, Service, Store, StoreError,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::app_password;
use crate::clock::Clock;
use crate::directory::{Directory, Resolution};
use crate::password::{PasswordError, Passwords, is_password_hash};
use crate::quota::{Filled, QuotaLimits, Quotas, Receiver, Recounted, Recounting, recount};

/// So many accounts of a page are looked at at once: in a cluster each look is a request.
const LOOKS_AT_ONCE: usize = 16;

/// Changes the directory.
#[derive(Clone)]
pub struct Administration {
    pub(crate) store: Arc<dyn Store>,
    directory: Directory,
    passwords: Arc<Passwords>,
    pub(crate) quotas: Arc<Quotas>,
    clock: Arc<dyn Clock>,
}

/// How a new account's owner will log in.
#[derive(Debug, Clone)]
pub enum NewPassword {
    /// A password, which is hashed here.
    Clear(Secret),
    /// An argon2id hash in the PHC string format, from another system.
    Hash(String),
}

/// An account as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountLine {
    /// Its address.
    pub address: Address,
    /// Whether it is in service.
    pub state: AccountState,
    /// How long its mail stays, where it differs from its domain's.
    pub retention: Retention,
    /// How much mail it may have, where it differs from its domain's.
    pub quota: Quota,
    /// How full it is; none if nobody can say now.
    pub filled: Option<Filled>,
}

/// What is to be changed of a rule; the inner ones are none for what the rule above says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetentionChange {
    /// Days after which mail is removed.
    pub days: Option<Option<Bound>>,
    /// Messages that may stay.
    pub messages: Option<Option<Bound>>,
    /// Octets that may stay.
    pub octets: Option<Option<Bound>>,
}

/// What is to be changed of a quota; the inner ones are none for what the rule above says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuotaChange {
    /// Messages.
    pub messages: Option<Option<Bound>>,
    /// Octets of messages.
    pub octets: Option<Option<Bound>>,
}

impl QuotaChange {
    fn apply(self, to: &mut Quota) {
        to.messages = self.messages.unwrap_or(to.messages);
        to.octets = self.octets.unwrap_or(to.octets);
    }
}

/// The quota of an account, as it came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaReport {
    /// The account's own rule.
    pub own: Quota,
    /// That of its domain.
    pub of_domain: Quota,
    /// How full it is by them, counted just now.
    pub filled: Filled,
}

impl RetentionChange {
    fn apply(self, to: &mut Retention) {
        to.days = self.days.unwrap_or(to.days);
        to.messages = self.messages.unwrap_or(to.messages);
        to.octets = self.octets.unwrap_or(to.octets);
    }
}

/// An application password as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppPasswordLine {
    /// What its owner calls it.
    pub name: String,
    /// What it opens.
    pub services: Vec<Service>,
    /// When it was made.
    pub created_at: UnixTime,
}

/// An alias as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasLine {
    /// The address that is no account.
    pub address: Address,
    /// Where its mail goes.
    pub targets: Vec<Address>,
}

/// Why something was not done; each text says what was expected and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum AdministrationError {
    /// The domain is not served here.
    #[error("domain {0} is not served here; add it with: cassmail domain add {0}")]
    NoSuchDomain(Domain),
    /// An address literal cannot be a domain of mailboxes.
    #[error("{0} is an address literal; a domain to be served has a name")]
    LiteralDomain(Domain),
    /// The domain is served already.
    #[error("domain {0} is served already; nothing was changed")]
    DomainExists(Domain),
    /// The domain still has addresses.
    #[error("domain {0} still has accounts or aliases, such as {1}; remove those first")]
    DomainInUse(Domain, Address),
    /// No such account.
    #[error("there is no account {0}; list them with: cassmail account list")]
    NoSuchAccount(Address),
    /// No such message.
    #[error("{0} has no message {1}; list them with: cassmail mailbox list {0}")]
    NoSuchMessage(Address, MessageId),
    /// No such alias.
    #[error("there is no alias {0}; list them with: cassmail alias list")]
    NoSuchAlias(Address),
    /// The address is in use.
    #[error("{0} is an account or an alias already; nothing was changed")]
    AddressInUse(Address),
    /// An alias without a target.
    #[error("an alias needs at least one address to lead to")]
    NoTarget,
    /// An alias that would leave this system, which cannot send to others.
    #[error("{0} is not in a domain that is served here; mail cannot be sent to other servers yet")]
    ForeignTarget(Address),
    /// An alias to itself.
    #[error("{0} would lead to itself")]
    AliasToItself(Address),
    /// A password that nobody could use.
    #[error("a password has 1 to 1024 bytes and no NUL, carriage return or line feed")]
    BadPassword,
    /// A hash that cannot be verified here.
    #[error(
        "expected a password, or an argon2id hash that begins with $argon2id$ and needs at most \
         1 GiB of memory"
    )]
    BadHash,
    /// The name of an application password that cannot be.
    #[error("the name of an application password has 1 to 64 characters and no control characters")]
    BadAppPasswordName,
    /// The account has one of that name.
    #[error("{0} has an application password {1:?} already; nothing was changed")]
    AppPasswordExists(Address, String),
    /// The account has none of that name.
    #[error(
        "{0} has no application password {1:?}; list them with: cassmail account app-password list \
         {0}"
    )]
    NoSuchAppPassword(Address, String),
    /// The account has as many as it may.
    #[error("{0} has {MOST_APP_PASSWORDS} application passwords already; remove one first")]
    TooManyAppPasswords(Address),
    /// An application password that would open nothing.
    #[error("an application password is for pop3, for submission, or for both")]
    NoService,
    /// The system gave no random number.
    #[error("failed to draw a password: {0}")]
    Randomness(#[from] getrandom::Error),
    /// The hash could not be made.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// So many tries a login takes at most, each of which costs two hashes where it is by SCRAM.
const MOST_APP_PASSWORDS: usize = 50;

type Outcome<T> = Result<T, AdministrationError>;

impl Administration {
    /// Administers what is in the store.
    pub fn new(
        store: Arc<dyn Store>,
        directory: Directory,
        passwords: Arc<Passwords>,
        quotas: Arc<Quotas>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            directory,
            passwords,
            quotas,
            clock,
        }
    }

    /// Serves a domain. For a domain that is served already, a postmaster is changed.
    pub async fn add_domain(&self, name: Domain, postmaster: Option<Address>) -> Outcome<()> {
        if name.is_literal() {
            return Err(AdministrationError::LiteralDomain(name));
        }
        let existing = self.store.domain(name.clone()).await?;
        if existing.is_some() && postmaster.is_none() {
            return Err(AdministrationError::DomainExists(name));
        }
        // Somebody of the domain itself may be made later.
        if let Some(elsewhere) = postmaster.as_ref().filter(|who| *who.domain() != name) {
            self.served_target(elsewhere).await?;
        }
        let mut entry = existing.unwrap_or_else(|| DomainEntry::new(name));
        entry.postmaster = postmaster.map(|address| self.directory.canonical(&address));
        Ok(self.changed(self.store.put_domain(entry).await)?)
    }

    /// A domain that is served.
    pub async fn domain(&self, name: &Domain) -> Outcome<DomainEntry> {
        self.served(name).await
    }

    /// Changes who gets a domain's mail for postmaster.
    pub async fn set_postmaster(&self, name: Domain, postmaster: Option<Address>) -> Outcome<()> {
        let mut entry = self.served(&name).await?;
        if let Some(elsewhere) = postmaster.as_ref().filter(|who| *who.domain() != name) {
            self.served_target(elsewhere).await?;
        }
        entry.postmaster = postmaster.map(|address| self.directory.canonical(&address));
        Ok(self.changed(self.store.put_domain(entry).await)?)
    }

    /// All domains.
    pub async fn domains(&self) -> Outcome<Vec<DomainEntry>> {
        Ok(self.store.domains().await?)
    }

    /// The domains where mail for postmaster is refused, though RFC 5321 4.5.1 wants it accepted:
    /// nobody is named for it, or somebody who is not there.
    pub async fn domains_without_postmaster(&self) -> Outcome<Vec<Domain>> {
        let mut without = Vec::new();
        for domain in self.store.domains().await? {
            match self.directory.resolve_postmaster_of(&domain).await? {
                Resolution::Accounts(_) => {}
                _ => without.push(domain.name),
            }
        }
        Ok(without)
    }

    /// Stops serving a domain that has no addresses left.
    pub async fn remove_domain(&self, name: Domain) -> Outcome<()> {
        self.served(&name).await?;
        let left = self
            .store
            .addresses(name.clone(), AddressFilter::InUse, None, 1)
            .await?;
        if let Some((address, _)) = left.into_iter().next() {
            return Err(AdministrationError::DomainInUse(name, address));
        }
        Ok(self.changed(self.store.remove_domain(name).await)?)
    }

    /// Sends mail for addresses of a domain that do not exist to `target`, or refuses it again.
    pub async fn set_catch_all(&self, name: Domain, target: Option<Address>) -> Outcome<()> {
        let mut entry = self.served(&name).await?;
        if let Some(target) = &target {
            self.served_target(target).await?;
        }
        entry.catch_all = target.map(|target| self.directory.canonical(&target));
        Ok(self.changed(self.store.put_domain(entry).await)?)
    }

    /// Makes an account.
    pub async fn add_account(&self, address: &Address, password: NewPassword) -> Outcome<()> {
        self.served(address.domain()).await?;
        let address = self.directory.canonical(address);
        let existing = self.store.resolve(address.clone()).await?;
        if existing.is_some_and(|entry| entry.is_in_use()) {
            return Err(AdministrationError::AddressInUse(address));
        }
        let credentials = self.credentials(&address, password, Vec::new()).await?;
        let created_at = self.clock.wall();
        let new = NewAccount {
            address: address.clone(),
            credentials,
            created_at,
        };
        match self.changed(self.store.create_account(new).await) {
            Ok(_id) => Ok(()),
            Err(error) if error.kind() == ErrorKind::Conflict => {
                Err(AdministrationError::AddressInUse(address))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The form in which two addresses that mean the same account are equal; a text that is no
    /// address stays as it is.
    pub fn comparable(&self, address: &str) -> String {
        match address.parse::<Address>() {
            Ok(address) => self.directory.canonical(&address).to_string(),
            Err(_) => address.to_owned(),
        }
    }

    /// Removes an account with its mail.
    pub async fn remove_account(&self, address: &Address) -> Outcome<()> {
        let address = self.directory.canonical(address);
        let missing = || AdministrationError::NoSuchAccount(address.clone());
        missing_is(
            self.changed(self.store.remove_account(address.clone()).await),
            missing,
        )
    }

    /// Changes an account's password.
    pub async fn set_password(&self, address: &Address, password: NewPassword) -> Outcome<()> {
        let (id, profile, existing) = self.account(address).await?;
        let apps = existing.app_passwords;
        let credentials = self.credentials(&profile.address, password, apps).await?;
        Ok(self.store.put_credentials(id, credentials).await?)
    }

    /// Makes a further password of an account, for one device or program, and gives it: it cannot
    /// be shown again.
    pub async fn add_app_password(
        &self,
        address: &Address,
        name: &str,
        services: Vec<Service>,
    ) -> Outcome<Secret> {
        let fits = (1..=64).contains(&name.chars().count()) && !name.contains(char::is_control);
        if !fits {
            return Err(AdministrationError::BadAppPasswordName);
        }
        if services.is_empty() {
            return Err(AdministrationError::NoService);
        }
        let (id, profile, mut credentials) = self.account(address).await?;
        let apps = &credentials.app_passwords;
        if apps.iter().any(|app| app.name == name) {
            let name = name.to_owned();
            return Err(AdministrationError::AppPasswordExists(
                profile.address,
                name,
            ));
        }
        if apps.len() >= MOST_APP_PASSWORDS {
            return Err(AdministrationError::TooManyAppPasswords(profile.address));
        }
        let password = app_password::draw()?;
        let account = profile.address.to_string();
        let keys = self
            .passwords
            .scram_keys(password.clone(), &account, &credentials);
        let made = AppPassword {
            name: name.to_owned(),
            services,
            sha_256: app_password::digest(&password),
            scram_sha_256: keys.await?,
            created_at: self.clock.wall().as_micros(),
        };
        credentials.app_passwords.push(made);
        self.store.put_credentials(id, credentials).await?;
        Ok(password)
    }

    /// The application passwords of an account, in the order of their making.
    pub async fn app_passwords(&self, address: &Address) -> Outcome<Vec<AppPasswordLine>> {
        let (_, _, credentials) = self.account(address).await?;
        let apps = credentials.app_passwords.into_iter();
        let line = |app: AppPassword| AppPasswordLine {
            name: app.name,
            services: app.services,
            created_at: UnixTime::from_micros(app.created_at),
        };
        Ok(apps.map(line).collect())
    }

    /// Removes an application password; who has it cannot log in with it any more.
    pub async fn remove_app_password(&self, address: &Address, name: &str) -> Outcome<()> {
        let (id, profile, mut credentials) = self.account(address).await?;
        let before = credentials.app_passwords.len();
        credentials.app_passwords.retain(|app| app.name != name);
        if credentials.app_passwords.len() == before {
            let name = name.to_owned();
            return Err(AdministrationError::NoSuchAppPassword(
                profile.address,
                name,
            ));
        }
        Ok(self.store.put_credentials(id, credentials).await?)
    }

    /// Puts an account in or out of service.
    pub async fn set_state(&self, address: &Address, state: AccountState) -> Outcome<()> {
        let (id, profile, _) = self.account(address).await?;
        let put = self.store.put_profile(id, Profile { state, ..profile });
        Ok(self.changed(put.await)?)
    }

    /// Changes how long a domain's mail stays.
    pub async fn set_retention_of(&self, name: Domain, change: RetentionChange) -> Outcome<()> {
        let mut entry = self.served(&name).await?;
        change.apply(&mut entry.retention);
        Ok(self.changed(self.store.put_domain(entry).await)?)
    }

    /// Changes how long an account's mail stays.
    pub async fn set_retention(&self, address: &Address, change: RetentionChange) -> Outcome<()> {
        let (id, mut profile, _) = self.account(address).await?;
        change.apply(&mut profile.retention);
        Ok(self.changed(self.store.put_profile(id, profile).await)?)
    }

    /// Changes how much mail the accounts of a domain may have.
    pub async fn set_quota_of(&self, name: Domain, change: QuotaChange) -> Outcome<()> {
        let mut entry = self.served(&name).await?;
        change.apply(&mut entry.quota);
        Ok(self.changed(self.store.put_domain(entry).await)?)
    }

    /// The quota of a domain: its own rule, and what is in force where an account has none.
    pub async fn quota_of(&self, name: Domain) -> Outcome<(Quota, QuotaLimits)> {
        let entry = self.served(&name).await?;
        Ok((entry.quota, self.quotas.limits(entry.quota)))
    }

    /// Changes how much mail an account may have.
    pub async fn set_quota(&self, address: &Address, change: QuotaChange) -> Outcome<()> {
        let (id, mut profile, _) = self.account(address).await?;
        change.apply(&mut profile.quota);
        Ok(self.changed(self.store.put_profile(id, profile).await)?)
    }

    /// The quota of an account, and how full it is: its maildrop is counted.
    pub async fn quota(&self, address: &Address) -> Outcome<QuotaReport> {
        let (id, profile, _) = self.account(address).await?;
        let entry = self.store.domain(profile.address.domain().clone()).await?;
        let of_domain = entry.map(|entry| entry.quota).unwrap_or_default();
        let quota = profile.quota.over(of_domain);
        let receiver = Receiver { account: id, quota };
        Ok(QuotaReport {
            own: profile.quota,
            of_domain,
            filled: self.quotas.counted(receiver).await?,
        })
    }

    /// Counts the maildrops of all accounts that have a quota, and mends what is noted of them.
    pub async fn recount(&self) -> Outcome<Recounted> {
        let how = (self.quotas.limits(Quota::default()), Recounting::Mends);
        let go_on = |_| ControlFlow::Continue(());
        Ok(recount(&*self.store, how, self.clock.wall(), go_on).await?)
    }

    /// Behind every change, those of which nobody knows whether they happened too.
    fn changed<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        self.directory.forget_all();
        done
    }

    /// A page of a domain's accounts, behind `after`.
    pub async fn accounts(
        &self,
        domain: &Domain,
        after: Option<LocalPart>,
        limit: usize,
    ) -> Outcome<Vec<AccountLine>> {
        let of_domain = self.served(domain).await?.quota;
        let found = self
            .store
            .addresses(domain.clone(), AddressFilter::Accounts, after, limit);
        let mut looks = Vec::with_capacity(limit);
        for (address, entry) in found.await? {
            if let AddressEntry::Account { id, .. } = entry {
                looks.push(self.listed_account(address, id, of_domain));
            }
        }
        let lines: Vec<_> = stream::iter(looks)
            .buffered(LOOKS_AT_ONCE)
            .try_collect()
            .await?;
        Ok(lines.into_iter().flatten().collect())
    }

    /// None if it was removed since it was listed.
    async fn listed_account(
        &self,
        address: Address,
        id: AccountId,
        of_domain: Quota,
    ) -> Outcome<Option<AccountLine>> {
        let Some((profile, _)) = self.store.account(id).await? else {
            return Ok(None);
        };
        let quota = profile.quota.over(of_domain);
        let filled = self.quotas.filled(Receiver { account: id, quota }).await;
        Ok(Some(AccountLine {
            address,
            state: profile.state,
            retention: profile.retention,
            quota: profile.quota,
            // The list is worth more than a figure in it.
            filled: filled.ok(),
        }))
    }

    /// One account, without how full it is: that changes without anybody who changes the account.
    pub async fn account_line(&self, address: &Address) -> Outcome<AccountLine> {
        let (_, profile, _) = self.account(address).await?;
        Ok(AccountLine {
            address: profile.address,
            state: profile.state,
            retention: profile.retention,
            quota: profile.quota,
            filled: None,
        })
    }

    /// One alias.
    pub async fn alias(&self, address: &Address) -> Outcome<AliasLine> {
        let address = self.directory.canonical(address);
        match self.store.resolve(address.clone()).await? {
            Some(AddressEntry::Alias { targets, .. }) => Ok(AliasLine { address, targets }),
            _ => Err(AdministrationError::NoSuchAlias(address)),
        }
    }

    /// Makes an address another name of others, which have to be served here.
    pub async fn add_alias(&self, address: &Address, targets: Vec<Address>) -> Outcome<()> {
        self.served(address.domain()).await?;
        let address = self.directory.canonical(address);
        if targets.is_empty() {
            return Err(AdministrationError::NoTarget);
        }
        for target in &targets {
            self.served_target(target).await?;
            if self.directory.canonical(target) == address {
                return Err(AdministrationError::AliasToItself(address));
            }
        }
        match self.changed(self.store.put_alias(address.clone(), targets).await) {
            Err(error) if error.kind() == ErrorKind::Conflict => {
                Err(AdministrationError::AddressInUse(address))
            }
            other => Ok(other?),
        }
    }

    /// A page of a domain's aliases, behind `after`.
    pub async fn aliases(
        &self,
        domain: &Domain,
        after: Option<LocalPart>,
        limit: usize,
    ) -> Outcome<Vec<AliasLine>> {
        self.served(domain).await?;
        let found = self
            .store
            .addresses(domain.clone(), AddressFilter::Aliases, after, limit);
        let mut lines = Vec::new();
        for (address, entry) in found.await? {
            if let AddressEntry::Alias { targets, .. } = entry {
                lines.push(AliasLine { address, targets });
            }
        }
        Ok(lines)
    }

    /// Removes an alias.
    pub async fn remove_alias(&self, address: &Address) -> Outcome<()> {
        let address = self.directory.canonical(address);
        let missing = || AdministrationError::NoSuchAlias(address.clone());
        missing_is(
            self.changed(self.store.remove_alias(address.clone()).await),
            missing,
        )
    }

    async fn served(&self, name: &Domain) -> Outcome<DomainEntry> {
        let entry = self.store.domain(name.clone()).await?;
        entry.ok_or_else(|| AdministrationError::NoSuchDomain(name.clone()))
    }

    async fn served_target(&self, target: &Address) -> Outcome<()> {
        match self.store.domain(target.domain().clone()).await? {
            Some(_) => Ok(()),
            None => Err(AdministrationError::ForeignTarget(target.clone())),
        }
    }

    pub(crate) async fn account(
        &self,
        address: &Address,
    ) -> Outcome<(AccountId, Profile, Credentials)> {
        let missing = || AdministrationError::NoSuchAccount(address.clone());
        let id = self.directory.account_anew(address).await?;
        let id = id.ok_or_else(missing)?;
        let account = self.store.account(id).await?;
        let (profile, credentials) = account.ok_or_else(missing)?;
        Ok((id, profile, credentials))
    }

    async fn credentials(
        &self,
        address: &Address,
        password: NewPassword,
        app_passwords: Vec<AppPassword>,
    ) -> Outcome<Credentials> {
        match password {
            NewPassword::Clear(password) => {
                check_password(&password)?;
                let name = address.to_string();
                Ok(self.passwords.make(password, &name, app_passwords).await?)
            }
            NewPassword::Hash(hash) if is_password_hash(&hash) => Ok(Credentials {
                app_passwords,
                ..Credentials::of_hash(hash)
            }),
            NewPassword::Hash(_) => Err(AdministrationError::BadHash),
        }
    }
}

/// What POP3's PASS and the SASL mechanisms can carry.
fn check_password(password: &Secret) -> Outcome<()> {
    let text = password.expose();
    let carried = !text.contains(['\0', '\r', '\n']);
    if carried && (1..=1024).contains(&text.len()) {
        Ok(())
    } else {
        Err(AdministrationError::BadPassword)
    }
}

fn missing_is(
    result: Result<(), StoreError>,
    missing: impl FnOnce() -> AdministrationError,
) -> Outcome<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::Missing => Err(missing()),
        other => Ok(other?),
    }
}
