//! Domains, addresses, accounts: rows, read from the published state, changed by the writer.

use std::ops::ControlFlow;

use cassmail_mail::{AccountId, Address, Domain, LocalPart};
use cassmail_store::{
    AccountState, Accounts, AddressEntry, AddressFilter, Adoption, Credentials, DomainEntry,
    NewAccount, Profile, Quota, RecordError, Retention, StoreResult, Work,
};

use crate::Embedded;
use crate::front::{Verb, damaged_row, unreadable};
use crate::index::{Key, Space};
use crate::rows::{account_key, address_key, address_of, address_prefix, domain_key, usage_key};
use crate::writer::{Group, Refusal};

/// What a change of accounts counts for in the inbox.
const OCTETS: usize = 1024;

impl Embedded {
    /// Reads a row and decodes it.
    pub(crate) fn read<T>(
        &self,
        verb: Verb,
        key: &Key,
        decode: impl FnOnce(&[u8]) -> Result<T, RecordError>,
    ) -> StoreResult<Option<T>> {
        let snapshot = self.front.snapshot(verb)?;
        let found = snapshot.get(key.0, &key.1);
        let found = found.map_err(|error| unreadable(verb, error))?;
        let decoded = found.map(|value| decode(&value)).transpose();
        decoded.map_err(|_| damaged_row(verb))
    }

    /// Reads rows of a space that begin with a prefix, until there are enough.
    pub(crate) fn read_all<T>(
        &self,
        verb: Verb,
        (space, prefix): (Space, &[u8]),
        after: Option<&[u8]>,
        mut decode: impl FnMut(&[u8], &[u8]) -> Option<Option<T>>,
        limit: usize,
    ) -> StoreResult<Vec<T>> {
        let snapshot = self.front.snapshot(verb)?;
        let mut all = Vec::new();
        let mut is_damaged = false;
        let scanned = snapshot.scan(space, prefix, after, &mut |key, value| {
            if all.len() >= limit {
                return ControlFlow::Break(());
            }
            match decode(key, value) {
                Some(one) => all.extend(one),
                None => is_damaged = true,
            }
            ControlFlow::Continue(())
        });
        scanned.map_err(|error| unreadable(verb, error))?;
        if is_damaged {
            return Err(damaged_row(verb));
        }
        Ok(all)
    }

    pub(crate) fn change_row<T: Send + 'static>(
        &self,
        verb: Verb,
        step: impl FnOnce(&mut Group<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Work<'_, T> {
        Box::pin(self.front.change(verb, OCTETS, step))
    }
}

impl Accounts for Embedded {
    fn domains(&self) -> Work<'_, Vec<DomainEntry>> {
        const VERB: Verb = "list the domains";
        Box::pin(async {
            let decode = |_: &[u8], value: &[u8]| DomainEntry::decode(value).ok().map(Some);
            self.read_all(VERB, (Space::Domain, &[]), None, decode, usize::MAX)
        })
    }

    fn domain(&self, name: Domain) -> Work<'_, Option<DomainEntry>> {
        let key = domain_key(&name);
        Box::pin(async move { self.read("read the domain", &key, DomainEntry::decode) })
    }

    fn put_domain(&self, entry: DomainEntry) -> Work<'_, ()> {
        self.change_row("put the domain", move |group| {
            group.draft.put(domain_key(&entry.name), entry.encode());
            Ok(())
        })
    }

    fn remove_domain(&self, name: Domain) -> Work<'_, ()> {
        self.change_row("remove the domain", move |group| {
            group.draft.remove(domain_key(&name));
            Ok(())
        })
    }

    fn resolve(&self, address: Address) -> Work<'_, Option<AddressEntry>> {
        let key = address_key(&address);
        Box::pin(async move { self.read("resolve the address", &key, AddressEntry::decode) })
    }

    fn addresses(
        &self,
        domain: Domain,
        filter: AddressFilter,
        after: Option<LocalPart>,
        limit: usize,
    ) -> Work<'_, Vec<(Address, AddressEntry)>> {
        const VERB: Verb = "list the addresses";
        Box::pin(async move {
            let prefix = address_prefix(&domain);
            let after = after.map(|local| address_key(&Address::new(local, domain)).1);
            let decode = |key: &[u8], value: &[u8]| {
                let entry = AddressEntry::decode(value).ok()?;
                if !filter.takes(&entry) {
                    return Some(None);
                }
                Some(Some((address_of(key)?, entry)))
            };
            let space = (Space::Address, prefix.as_slice());
            self.read_all(VERB, space, after.as_deref(), decode, limit)
        })
    }

    fn create_account(&self, new: NewAccount) -> Work<'_, AccountId> {
        self.change_row("create the account", |group| create_account(group, new))
    }

    fn remove_account(&self, address: Address) -> Work<'_, ()> {
        self.change_row("remove the account", move |group| {
            remove_account(group, &address)
        })
    }

    fn account(&self, id: AccountId) -> Work<'_, Option<(Profile, Credentials)>> {
        const VERB: Verb = "read the account";
        Box::pin(async move {
            let key = account_key(Space::Profile, id);
            let Some(profile) = self.read(VERB, &key, Profile::decode)? else {
                return Ok(None);
            };
            let key = account_key(Space::Credentials, id);
            let credentials = self.read(VERB, &key, Credentials::decode)?;
            Ok(credentials.map(|credentials| (profile, credentials)))
        })
    }

    fn put_credentials(&self, id: AccountId, credentials: Credentials) -> Work<'_, ()> {
        self.change_row("put the credentials", move |group| {
            must_exist(group, id)?;
            let key = account_key(Space::Credentials, id);
            group.draft.put(key, credentials.encode());
            Ok(())
        })
    }

    fn upgrade_credentials(
        &self,
        id: AccountId,
        from: Credentials,
        to: Credentials,
    ) -> Work<'_, ()> {
        self.change_row("upgrade the credentials", move |group| {
            must_exist(group, id)?;
            let key = account_key(Space::Credentials, id);
            if group.draft.get(&key)? == Some(from.encode()) {
                group.draft.put(key, to.encode());
            }
            Ok(())
        })
    }

    fn put_profile(&self, id: AccountId, profile: Profile) -> Work<'_, ()> {
        self.change_row("put the profile", move |group| {
            must_exist(group, id)?;
            let key = account_key(Space::Profile, id);
            group.draft.put(key, profile.encode());
            Ok(())
        })
    }

    fn put_alias(&self, address: Address, targets: Vec<Address>) -> Work<'_, ()> {
        self.change_row("put the alias", move |group| {
            let generation = match entry(group, &address)? {
                Some(AddressEntry::Account { .. }) => return Err(Refusal::CONFLICT),
                found => found.map_or(0, |entry| entry.generation()),
            };
            let alias = AddressEntry::Alias {
                targets,
                generation,
            };
            group.draft.put(address_key(&address), alias.encode());
            Ok(())
        })
    }

    fn remove_alias(&self, address: Address) -> Work<'_, ()> {
        self.change_row("remove the alias", move |group| {
            let Some(AddressEntry::Alias { generation, .. }) = entry(group, &address)? else {
                return Err(Refusal::MISSING);
            };
            let removed = AddressEntry::Removed { generation };
            group.draft.put(address_key(&address), removed.encode());
            Ok(())
        })
    }

    fn records(
        &self,
        after: Option<Address>,
        limit: usize,
    ) -> Work<'_, Vec<(Address, AddressEntry)>> {
        const VERB: Verb = "list the address records";
        Box::pin(async move {
            let after = after.map(|after| address_key(&after).1);
            let decode = |key: &[u8], value: &[u8]| {
                let entry = AddressEntry::decode(value).ok()?;
                Some(Some((address_of(key)?, entry)))
            };
            let all = (Space::Address, &[][..]);
            self.read_all(VERB, all, after.as_deref(), decode, limit)
        })
    }

    fn adopt(&self, address: Address, adoption: Adoption) -> Work<'_, ()> {
        self.change_row("adopt the address", move |group| {
            adopt(group, &address, &adoption)
        })
    }
}

fn entry(group: &Group<'_>, address: &Address) -> Result<Option<AddressEntry>, Refusal> {
    let found = group.draft.get(&address_key(address))?;
    let decoded = found.map(|value| AddressEntry::decode(&value)).transpose();
    decoded.map_err(|_| Refusal::CORRUPT)
}

fn must_exist(group: &Group<'_>, id: AccountId) -> Result<(), Refusal> {
    let found = group.draft.get(&account_key(Space::Profile, id))?;
    found.map(drop).ok_or(Refusal::MISSING)
}

/// A repeated call is known by its credentials, whose salt is drawn anew for each.
fn create_account(group: &mut Group<'_>, new: NewAccount) -> Result<AccountId, Refusal> {
    let credentials = new.credentials.encode();
    let found = entry(group, &new.address)?;
    match found {
        Some(AddressEntry::Account { id, .. }) => {
            let there = group.draft.get(&account_key(Space::Credentials, id))?;
            return (there == Some(credentials))
                .then_some(id)
                .ok_or(Refusal::CONFLICT);
        }
        Some(AddressEntry::Alias { .. }) => return Err(Refusal::CONFLICT),
        Some(AddressEntry::Removed { .. }) | None => {}
    }
    let generation = found
        .map_or(0, |entry| entry.generation())
        .saturating_add(1);
    let id = AccountId::of(&new.address, generation);
    let account = AddressEntry::Account { id, generation };
    group.draft.put(address_key(&new.address), account.encode());
    let profile = Profile {
        address: new.address,
        state: AccountState::Enabled,
        created_at: new.created_at,
        retention: Retention::default(),
        quota: Quota::default(),
    };
    let key = account_key(Space::Profile, id);
    group.draft.put(key, profile.encode());
    let key = account_key(Space::Credentials, id);
    group.draft.put(key, credentials);
    Ok(id)
}

/// All of it in one step, so a crash leaves all or nothing.
fn adopt(group: &mut Group<'_>, address: &Address, adoption: &Adoption) -> Result<(), Refusal> {
    let here = entry(group, address)?;
    let becomes = adoption.over(address, here.as_ref());
    let becomes = becomes.map_err(|_| Refusal::CONFLICT)?;
    if let Adoption::Account {
        generation,
        profile,
        credentials,
    } = adoption
    {
        let id = AccountId::of(address, *generation);
        let credentials = credentials.encode();
        let key = account_key(Space::Credentials, id);
        if group
            .draft
            .get(&key)?
            .is_some_and(|there| there != credentials)
        {
            return Err(Refusal::CONFLICT);
        }
        group.draft.put(key, credentials);
        let key = account_key(Space::Profile, id);
        group.draft.put(key, profile.encode());
    }
    if let Some(entry) = becomes {
        group.draft.put(address_key(address), entry.encode());
    }
    Ok(())
}

/// Without its profile an account has no mail; its rows go in the background.
fn remove_account(group: &mut Group<'_>, address: &Address) -> Result<(), Refusal> {
    let Some(AddressEntry::Account { id, generation }) = entry(group, address)? else {
        return Err(Refusal::MISSING);
    };
    let removed = AddressEntry::Removed { generation };
    group.draft.put(address_key(address), removed.encode());
    for space in [Space::Profile, Space::Credentials] {
        group.draft.remove(account_key(space, id));
    }
    group.draft.remove(usage_key(id));
    group.touch(id);
    let leaving = account_key(Space::Leaving, id);
    group.draft.put(leaving, Vec::new());
    Ok(())
}
