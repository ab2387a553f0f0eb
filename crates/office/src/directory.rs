//! Who receives here: from an address as it was named to the accounts that get the mail (aliases:
//! RFC 5321 3.9.1).

use std::collections::BTreeSet;
use std::sync::Arc;

use cassmail_mail::{AccountId, Address, LocalPart};
use cassmail_store::{AccountState, AddressEntry, DomainEntry, Profile, Quota, Store, StoreError};

use crate::clock::Clock;
use crate::quota::Receiver;
use crate::recall::{Belief, Recall};

/// How addresses are looked up.
#[derive(Debug, Clone)]
pub struct DirectoryOptions {
    /// Whether `Bob@` and `bob@` are the same mailbox.
    pub local_part_case: LocalPartCase,
    /// What separates a mailbox from a tag, as in `bob+lists@`; none switches tags off.
    pub tag_separator: Option<char>,
    /// Who gets postmaster's and abuse's mail where the domain names nobody.
    pub postmaster: Option<Address>,
    /// How long what was looked up is believed.
    pub belief: Belief,
}

/// Whether the case of local parts matters (RFC 5321 2.4 leaves it to the host that receives).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalPartCase {
    /// It does not matter.
    Insensitive,
    /// It does.
    Sensitive,
}

/// What an address leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// These accounts, each once; at least one.
    Accounts(Vec<Receiver>),
    /// A domain of ours, but nobody there.
    Unknown,
    /// Not a domain of ours.
    NotLocal,
    /// Only accounts that are out of service.
    Disabled,
}

/// Names that every domain has (RFC 5321 4.5.1, RFC 6409 6.4, RFC 2142).
const ROLES: [&str; 2] = ["postmaster", "abuse"];

/// An alias that leads to aliases that lead to aliases: deeper than this is a mistake.
const MAX_ALIAS_DEPTH: usize = 10;

/// Looks addresses up in the store.
#[derive(Clone)]
pub struct Directory {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    options: DirectoryOptions,
    recipients: Arc<Recall<Resolution>>,
    owners: Arc<Recall<Option<AccountId>>>,
}

impl Directory {
    /// A directory over the store's data. Clones remember the same.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, options: DirectoryOptions) -> Self {
        Self {
            store,
            clock,
            recipients: Arc::new(Recall::new(options.belief)),
            owners: Arc::new(Recall::new(options.belief)),
            options,
        }
    }

    /// Something in the directory was changed, or may have been: what was looked up before is worth
    /// nothing.
    pub(crate) fn forget_all(&self) {
        self.recipients.forget_all();
        self.owners.forget_all();
    }

    /// The form in which an address is kept and compared.
    pub fn canonical(&self, address: &Address) -> Address {
        match self.options.local_part_case {
            LocalPartCase::Insensitive => address.with_local(address.local().to_lowercase()),
            LocalPartCase::Sensitive => address.clone(),
        }
    }

    /// Who gets mail for an address.
    pub async fn resolve(&self, address: &Address) -> Result<Resolution, StoreError> {
        let now = self.clock.now();
        let asked = match self.recipients.recall(address, now) {
            Ok(answer) => return Ok(answer),
            Err(asked) => asked,
        };
        let answer = self.look_up(address).await?;
        let is_found = matches!(answer, Resolution::Accounts(_));
        self.recipients.keep(asked, address, &answer, is_found, now);
        Ok(answer)
    }

    async fn look_up(&self, address: &Address) -> Result<Resolution, StoreError> {
        let Some(domain) = self.domain_of(address).await? else {
            return Ok(Resolution::NotLocal);
        };
        let Some(found) = self.find(address, &domain).await? else {
            return Ok(Resolution::Unknown);
        };
        self.expand(found, &domain).await
    }

    /// Who gets mail for `<Postmaster>` without a domain: the configured postmaster, else that of
    /// the first domain that has one.
    pub async fn resolve_postmaster(&self) -> Result<Resolution, StoreError> {
        if let Some(configured) = &self.options.postmaster
            && let found @ Resolution::Accounts(_) = self.resolve(configured).await?
        {
            return Ok(found);
        }
        for domain in self.store.domains().await? {
            if let found @ Resolution::Accounts(_) = self.resolve_postmaster_of(&domain).await? {
                return Ok(found);
            }
        }
        Ok(Resolution::Unknown)
    }

    /// Who gets mail for postmaster of a domain.
    pub(crate) async fn resolve_postmaster_of(
        &self,
        domain: &DomainEntry,
    ) -> Result<Resolution, StoreError> {
        let Ok(role) = ROLES[0].parse::<LocalPart>() else {
            return Ok(Resolution::Unknown);
        };
        match self
            .find(&Address::new(role, domain.name.clone()), domain)
            .await?
        {
            Some(entry) => self.expand(entry, domain).await,
            None => Ok(Resolution::Unknown),
        }
    }

    /// The account that a user's name at login means, with its id.
    pub async fn account(&self, address: &Address) -> Result<Option<AccountId>, StoreError> {
        let address = self.canonical(address);
        let now = self.clock.now();
        let asked = match self.owners.recall(&address, now) {
            Ok(answer) => return Ok(answer),
            Err(asked) => asked,
        };
        let answer = match self.store.resolve(address.clone()).await? {
            Some(AddressEntry::Account { id, .. }) => Some(id),
            _ => None,
        };
        self.owners
            .keep(asked, &address, &answer, answer.is_some(), now);
        Ok(answer)
    }

    /// The same, when what is remembered has proved wrong.
    pub(crate) async fn account_anew(
        &self,
        address: &Address,
    ) -> Result<Option<AccountId>, StoreError> {
        self.owners.forget(&self.canonical(address));
        self.account(address).await
    }

    async fn domain_of(&self, address: &Address) -> Result<Option<DomainEntry>, StoreError> {
        self.store.domain(address.domain().clone()).await
    }

    /// The entry that serves an address: its own, that of its mailbox without the tag, that of the
    /// role's keeper, that of the catch-all; in this order.
    async fn find(
        &self,
        address: &Address,
        domain: &DomainEntry,
    ) -> Result<Option<AddressEntry>, StoreError> {
        let address = self.canonical(address);
        let candidates = [
            Some(address.clone()),
            self.without_tag(&address),
            self.role_keeper(&address, domain),
            domain.catch_all.clone(),
        ];
        for candidate in candidates.into_iter().flatten() {
            let entry = self.store.resolve(self.canonical(&candidate)).await?;
            if let Some(entry) = entry.filter(AddressEntry::is_in_use) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    fn without_tag(&self, address: &Address) -> Option<Address> {
        let separator = self.options.tag_separator?;
        let (mailbox, _tag) = address.local().as_str().split_once(separator)?;
        Some(address.with_local(LocalPart::from_name(mailbox).ok()?))
    }

    fn role_keeper(&self, address: &Address, domain: &DomainEntry) -> Option<Address> {
        let is_role = ROLES
            .iter()
            .any(|role| address.local().as_str().eq_ignore_ascii_case(role));
        let keeper = || {
            domain
                .postmaster
                .as_ref()
                .or(self.options.postmaster.as_ref())
        };
        is_role.then(keeper).flatten().cloned()
    }

    /// Follows aliases to accounts. An address that was seen is not followed again, so circles end.
    /// The domain that was asked for is known already; those of other accounts are looked up.
    async fn expand(
        &self,
        entry: AddressEntry,
        domain: &DomainEntry,
    ) -> Result<Resolution, StoreError> {
        let mut seen = BTreeSet::new();
        let mut accounts: Vec<Receiver> = Vec::new();
        let mut disabled = false;
        let mut level = vec![entry];
        for _depth in 0..=MAX_ALIAS_DEPTH {
            let mut next = Vec::new();
            for entry in level {
                match entry {
                    AddressEntry::Account { id, .. }
                        if accounts.iter().any(|known| known.account == id) => {}
                    AddressEntry::Account { id, .. } => match self.enabled(id).await? {
                        Some(profile) => {
                            let quota = self.quota(&profile, domain).await?;
                            accounts.push(Receiver { account: id, quota });
                        }
                        None => disabled = true,
                    },
                    AddressEntry::Alias { targets, .. } => {
                        for target in targets {
                            next.extend(self.follow(&target, &mut seen).await?);
                        }
                    }
                    AddressEntry::Removed { .. } => {}
                }
            }
            level = next;
        }
        Ok(match (accounts.is_empty(), disabled) {
            (false, _) => Resolution::Accounts(accounts),
            (true, true) => Resolution::Disabled,
            (true, false) => Resolution::Unknown,
        })
    }

    async fn follow(
        &self,
        target: &Address,
        seen: &mut BTreeSet<Address>,
    ) -> Result<Option<AddressEntry>, StoreError> {
        if !seen.insert(self.canonical(target)) {
            return Ok(None);
        }
        let Some(domain) = self.domain_of(target).await? else {
            return Ok(None);
        };
        self.find(target, &domain).await
    }

    async fn enabled(&self, id: AccountId) -> Result<Option<Profile>, StoreError> {
        let account = self.store.account(id).await?;
        let profile = account.map(|(profile, _)| profile);
        Ok(profile.filter(|profile| profile.state == AccountState::Enabled))
    }

    /// An account's own rule over that of its domain, which is mostly the one at hand.
    async fn quota(&self, profile: &Profile, at_hand: &DomainEntry) -> Result<Quota, StoreError> {
        let name = profile.address.domain();
        let of_domain = if *name == at_hand.name {
            at_hand.quota
        } else {
            let entry = self.store.domain(name.clone()).await?;
            entry.map(|entry| entry.quota).unwrap_or_default()
        };
        Ok(profile.quota.over(of_domain))
    }
}
