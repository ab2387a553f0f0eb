//! Domains, addresses, accounts.
//!
//! The address row decides who is an account. The rows of the account and of its maildrop stand in
//! other partitions, so they say how much they can be believed: their *life* is a number that only
//! goes on, written at the timestamp that it is, so that no clock is asked.
//!
//! Making an account, in this order: the maildrop with its first bucket and the account, both
//! [`Life::Born`]; the name in the list of the domain; the address row, **the point of
//! acceptance**; then both lives become [`Life::Settled`]. Removing one: both lives become
//! [`Life::Leaving`]; the address row says removed, **the point of acceptance**; then both are
//! [`Life::Gone`], the cells are emptied, and the mail is removed in the background. A crash in
//! between leaves a life in doubt, and whoever reads one asks the address row.

use std::sync::Arc;

use cassmail_mail::{AccountId, Address, Domain, LocalPart};
use cassmail_store::{
    AccountState, Accounts, AddressEntry, AddressFilter, Adoption, Credentials, DomainEntry,
    ErrorKind, NewAccount, Profile, Quota, Retention, StoreError, StoreResult, Work,
};
use futures_util::future::try_join;

use crate::Cassandra;
use crate::breaker::Fallback;
use crate::cassandra::Core;
use crate::engine::USUAL;
use crate::error::{Verb, corrupt};
use crate::rows::{Micros, bigint, row};
use crate::statements::Cql;
use crate::together::at_once;

/// How far an account has come. A later one wins over an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Life {
    /// There is no address row yet, as far as is known.
    Born,
    /// The address row was written.
    Settled,
    /// The address row may have been changed.
    Leaving,
    /// The address row says so: nobody's, for ever.
    Gone,
}

/// Over so many partitions the names of a domain are spread.
const SHARDS: u8 = 4;

/// So many address rows are read at once for a list.
const AT_ONCE: usize = 32;

/// What the list of a domain calls a name that is an account, and one that is an alias.
const ACCOUNT: i8 = 1;
const ALIAS: i8 = 0;

/// So many names are read of each shard at once to find aliases among them: an account costs 30
/// octets then, and no look at its address.
const NAMES_FOR_ALIASES: usize = 5000;

/// What the list of a domain calls an address that is in use.
pub(crate) fn kind_of(entry: &AddressEntry) -> i8 {
    match entry {
        AddressEntry::Account { .. } => ACCOUNT,
        AddressEntry::Alias { .. } | AddressEntry::Removed { .. } => ALIAS,
    }
}

/// Names of a domain in their order, with what they are called.
struct NamesRead {
    names: Vec<(String, Option<i8>)>,
    /// The last name up to which all are there; none if that is the end of the list.
    up_to: Option<String>,
}

impl Life {
    pub(crate) fn number(self) -> i8 {
        match self {
            Self::Born => 1,
            Self::Settled => 2,
            Self::Leaving => 3,
            Self::Gone => 4,
        }
    }

    pub(crate) fn from_number(number: i8) -> Option<Self> {
        let all = [Self::Born, Self::Settled, Self::Leaving, Self::Gone];
        all.into_iter().find(|life| life.number() == number)
    }
}

/// An address row.
struct Place {
    entry: Option<AddressEntry>,
    written_at: Option<i64>,
}

/// An account's row, whatever its life.
pub(crate) struct Kept {
    account: Option<(Profile, Credentials)>,
    life: Option<Life>,
    profile_at: Option<i64>,
    credentials_at: Option<i64>,
}

impl Core {
    /// A time for a row that is changed in place: later than what is there, whatever the clock
    /// says.
    pub(crate) fn later_than(&self, written_at: Option<i64>) -> Micros {
        let now = bigint(self.clock().now().as_micros());
        Micros(written_at.map_or(now, |at| now.max(at.saturating_add(1))))
    }

    async fn place(&self, verb: Verb, address: &Address) -> StoreResult<Place> {
        let key = row![address.domain().as_str(), address.local().as_str()];
        let read = self
            .engine
            .read::<(Option<Vec<u8>>, Option<i64>)>(verb, Cql::ReadAddress, key);
        let found = read.await?.pop();
        let (entry, written_at) = found.unwrap_or_default();
        let entry = entry.map(|entry| AddressEntry::decode(&entry)).transpose();
        Ok(Place {
            entry: entry.map_err(|error| corrupt(verb, error))?,
            written_at,
        })
    }

    async fn put_place(
        &self,
        verb: Verb,
        address: &Address,
        entry: &AddressEntry,
        (at, fallback): (Micros, Fallback),
    ) -> StoreResult<()> {
        let (domain, local) = (address.domain().as_str(), address.local().as_str());
        let row = row![domain, local, entry.encode(), at];
        let change = vec![(Cql::PutAddress, row)];
        let deadline = self.engine.deadline(USUAL);
        let engine = &self.engine;
        let put = engine.change_or_fall_back(fallback, verb, deadline, change);
        put.await.map(drop)
    }

    async fn put_name(
        &self,
        verb: Verb,
        address: &Address,
        entry: &AddressEntry,
        at: Micros,
    ) -> StoreResult<()> {
        let (domain, local) = (address.domain().as_str(), address.local().as_str());
        let change = if entry.is_in_use() {
            let kind = kind_of(entry);
            (Cql::PutName, row![domain, shard_of(local), local, kind, at])
        } else {
            (Cql::DropName, row![at, domain, shard_of(local), local])
        };
        let deadline = self.engine.deadline(USUAL);
        self.engine.change(verb, deadline, vec![change]).await
    }

    /// Changes what an address is, with its name in the list of the domain. What begins or ends a
    /// generation is refused while a data center is away: two could begin the same.
    async fn change_place(
        &self,
        verb: Verb,
        address: &Address,
        place: &Place,
        (entry, fallback): (AddressEntry, Fallback),
    ) -> StoreResult<()> {
        let at = self.later_than(place.written_at);
        if entry.is_in_use() {
            self.put_name(verb, address, &entry, at).await?;
            return self.put_place(verb, address, &entry, (at, fallback)).await;
        }
        self.put_place(verb, address, &entry, (at, fallback))
            .await?;
        // A name that stays behind is filtered by whoever lists it.
        let _ = self.put_name(verb, address, &entry, at).await;
        Ok(())
    }

    async fn kept(&self, verb: Verb, id: AccountId) -> StoreResult<Kept> {
        type Cells = (
            Option<Vec<u8>>,
            Option<Vec<u8>>,
            Option<i8>,
            Option<i64>,
            Option<i64>,
        );
        let read = self.engine.read::<Cells>(verb, Cql::ReadAccount, row![id]);
        let (profile, credentials, life, profile_at, credentials_at) =
            read.await?.pop().unwrap_or_default();
        let is_there = |cell: &Vec<u8>| !cell.is_empty();
        let account = match (profile.filter(is_there), credentials.filter(is_there)) {
            (Some(profile), Some(credentials)) => Some((
                Profile::decode(&profile).map_err(|error| corrupt(verb, error))?,
                Credentials::decode(&credentials).map_err(|error| corrupt(verb, error))?,
            )),
            _ => None,
        };
        Ok(Kept {
            account,
            life: life.and_then(Life::from_number),
            profile_at,
            credentials_at,
        })
    }

    /// The account's row, if the account lives.
    pub(crate) async fn living(&self, verb: Verb, id: AccountId) -> StoreResult<Option<Kept>> {
        let kept = self.kept(verb, id).await?;
        let Some((profile, _)) = &kept.account else {
            return Ok(None);
        };
        let lives = match kept.life {
            Some(Life::Settled) => true,
            Some(Life::Gone) => false,
            None | Some(Life::Born | Life::Leaving) => {
                let place = self.place(verb, &profile.address).await?;
                is_account(&place, id)
            }
        };
        Ok(lives.then_some(kept))
    }

    /// Whether an account exists whose maildrop says this about its life.
    pub(crate) async fn exists(
        &self,
        verb: Verb,
        id: AccountId,
        life: Option<Life>,
    ) -> StoreResult<bool> {
        match life {
            None | Some(Life::Gone) => Ok(false),
            Some(Life::Settled) => Ok(true),
            Some(Life::Born | Life::Leaving) => Ok(self.living(verb, id).await?.is_some()),
        }
    }

    pub(crate) async fn put_life(&self, verb: Verb, id: AccountId, life: Life) -> StoreResult<()> {
        let at = Micros(i64::from(life.number()));
        let deadline = self.engine.deadline(USUAL);
        // Before the point of acceptance a life is known everywhere, or nothing is begun.
        let fallback = match life {
            Life::Born | Life::Leaving => Fallback::Refused,
            Life::Settled | Life::Gone => Fallback::Allowed,
        };
        let put = |cql| {
            let change = vec![(cql, row![id, life.number(), at])];
            self.engine
                .change_or_fall_back(fallback, verb, deadline, change)
        };
        try_join(put(Cql::PutMaildropLife), put(Cql::PutAccountLife)).await?;
        Ok(())
    }

    async fn put_account(
        &self,
        verb: Verb,
        id: AccountId,
        profile: Option<(Vec<u8>, Micros)>,
        credentials: Option<(Vec<u8>, Micros)>,
    ) -> StoreResult<()> {
        let cells = [
            profile.map(|(cell, at)| (Cql::PutProfile, row![id, cell, at])),
            credentials.map(|(cell, at)| (Cql::PutCredentials, row![id, cell, at])),
        ];
        let deadline = self.engine.deadline(USUAL);
        let change = cells.into_iter().flatten().collect();
        self.engine.change(verb, deadline, change).await
    }

    async fn create(self: &Arc<Self>, verb: Verb, new: NewAccount) -> StoreResult<AccountId> {
        let place = self.place(verb, &new.address).await?;
        match place.entry {
            Some(AddressEntry::Account { id, .. }) => {
                return self.repeat_of(verb, id, &new.credentials).await;
            }
            Some(AddressEntry::Alias { .. }) => return Err(conflict(verb)),
            Some(AddressEntry::Removed { .. }) | None => {}
        }
        let generation = place.entry.as_ref().map_or(0, AddressEntry::generation) + 1;
        let profile = Profile {
            address: new.address.clone(),
            state: AccountState::Enabled,
            created_at: new.created_at,
            retention: Retention::default(),
            quota: Quota::default(),
        };
        let id = self
            .begin_life(
                verb,
                &new.address,
                &place,
                generation,
                (&profile, &new.credentials),
            )
            .await?;
        self.repeat_of(verb, id, &new.credentials).await
    }

    /// The order of durable steps in which an account is made.
    async fn begin_life(
        self: &Arc<Self>,
        verb: Verb,
        address: &Address,
        place: &Place,
        generation: u64,
        (profile, credentials): (&Profile, &Credentials),
    ) -> StoreResult<AccountId> {
        let id = AccountId::of(address, generation);
        let before = self.kept(verb, id).await?;
        let profile = (profile.encode(), self.later_than(before.profile_at));
        let credentials = credentials.encode();
        let credentials = (credentials, self.later_than(before.credentials_at));
        self.put_life(verb, id, Life::Born).await?;
        let account = self.put_account(verb, id, Some(profile), Some(credentials));
        try_join(self.open_first_bucket(verb, id), account).await?;
        let entry = (AddressEntry::Account { id, generation }, Fallback::Refused);
        self.change_place(verb, address, place, entry).await?;
        let _ = self.put_life(verb, id, Life::Settled).await;
        Ok(id)
    }

    /// Makes an address what it was in another store.
    async fn adopt(
        self: &Arc<Self>,
        verb: Verb,
        address: &Address,
        adoption: Adoption,
    ) -> StoreResult<()> {
        let place = self.place(verb, address).await?;
        let becomes = adoption.over(address, place.entry.as_ref());
        let becomes = becomes.map_err(|kind| StoreError::new(kind, verb))?;
        match (adoption, becomes) {
            (
                Adoption::Account {
                    generation,
                    profile,
                    credentials,
                },
                Some(_),
            ) => {
                let account = (&profile, &credentials);
                let begun = self.begin_life(verb, address, &place, generation, account);
                let id = begun.await?;
                self.repeat_of(verb, id, &credentials).await.map(drop)
            }
            (
                Adoption::Account {
                    generation,
                    profile,
                    credentials,
                },
                None,
            ) => {
                let id = AccountId::of(address, generation);
                self.repeat_of(verb, id, &credentials).await?;
                self.put_profile(verb, id, &profile).await
            }
            (_, Some(entry)) => {
                let entry = (entry, Fallback::Refused);
                self.change_place(verb, address, &place, entry).await
            }
            (_, None) => Ok(()),
        }
    }

    async fn put_profile(&self, verb: Verb, id: AccountId, profile: &Profile) -> StoreResult<()> {
        let kept = self.living(verb, id).await?.ok_or_else(|| missing(verb))?;
        let cell = Some((profile.encode(), self.later_than(kept.profile_at)));
        self.put_account(verb, id, cell, None).await
    }

    /// A page of the table of addresses. Tokens may be shared: what has that of `after` and stands
    /// before it was on the last page.
    async fn records(
        &self,
        verb: Verb,
        after: Option<Address>,
        limit: usize,
    ) -> StoreResult<Vec<(Address, AddressEntry)>> {
        type Cells = (String, String, Option<Vec<u8>>);
        let most = i32::try_from(limit).unwrap_or(i32::MAX);
        let read = match &after {
            None => self
                .engine
                .read::<Cells>(verb, Cql::FirstRecords, row![most]),
            Some(after) => {
                let (domain, local) = (after.domain().as_str(), after.local().as_str());
                let key = row![domain, local, most.saturating_add(1)];
                self.engine.read::<Cells>(verb, Cql::NextRecords, key)
            }
        };
        let mut records = Vec::new();
        for (domain, local, entry) in read.await? {
            let Some(entry) = entry else { continue };
            let local = LocalPart::from_name(&local).map_err(|error| corrupt(verb, error))?;
            let domain = domain.parse().map_err(|error| corrupt(verb, error))?;
            let address = Address::new(local, domain);
            let entry = AddressEntry::decode(&entry).map_err(|error| corrupt(verb, error))?;
            if Some(&address) == after.as_ref() {
                records.clear();
                continue;
            }
            records.push((address, entry));
        }
        records.truncate(limit);
        Ok(records)
    }

    /// An account that is there already is the answer to its own maker only. Of two that were made
    /// at once the later credentials stay, and the other maker hears of it here.
    async fn repeat_of(
        &self,
        verb: Verb,
        id: AccountId,
        credentials: &Credentials,
    ) -> StoreResult<AccountId> {
        let kept = self.kept(verb, id).await?;
        let own = kept.account.is_some_and(|(_, found)| found == *credentials);
        own.then_some(id).ok_or_else(|| conflict(verb))
    }

    async fn remove_account(self: &Arc<Self>, verb: Verb, address: &Address) -> StoreResult<()> {
        let place = self.place(verb, address).await?;
        let Some(AddressEntry::Account { id, generation }) = place.entry else {
            return Err(missing(verb));
        };
        self.put_life(verb, id, Life::Leaving).await?;
        let entry = (AddressEntry::Removed { generation }, Fallback::Refused);
        self.change_place(verb, address, &place, entry).await?;
        self.forget(id);
        // From here on the address row speaks; what fails is in doubt, and a scrub's.
        let _ = self.put_life(verb, id, Life::Gone).await;
        let kept = self.kept(verb, id).await?;
        let profile = (Vec::new(), self.later_than(kept.profile_at));
        let credentials = (Vec::new(), self.later_than(kept.credentials_at));
        let _ = self
            .put_account(verb, id, Some(profile), Some(credentials))
            .await;
        self.in_background(move |core| async move { core.empty(id).await });
        Ok(())
    }

    async fn list_names(
        &self,
        verb: Verb,
        domain: &Domain,
        after: &str,
        page: usize,
    ) -> StoreResult<NamesRead> {
        let most = i32::try_from(page).unwrap_or(i32::MAX);
        let mut reads = Vec::new();
        for shard in 0..SHARDS {
            let key = row![domain.as_str(), i16::from(shard), after, most];
            let read = self
                .engine
                .read::<(String, Option<i8>)>(verb, Cql::ReadNames, key);
            reads.push(read);
        }
        let shards = at_once(AT_ONCE, reads).await?;
        // Behind the end of a full page its shard may have more.
        let ends = shards.iter().filter(|names| names.len() >= page);
        let up_to = ends.filter_map(|names| names.last()).min().cloned();
        let up_to = up_to.map(|(name, _)| name);
        let mut names: Vec<_> = shards.into_iter().flatten().collect();
        names.retain(|(name, _)| up_to.as_ref().is_none_or(|end| name <= end));
        names.sort_unstable();
        Ok(NamesRead { names, up_to })
    }

    async fn addresses(
        &self,
        verb: Verb,
        domain: &Domain,
        filter: AddressFilter,
        after: Option<LocalPart>,
        limit: usize,
    ) -> StoreResult<Vec<(Address, AddressEntry)>> {
        let page = match filter {
            AddressFilter::InUse | AddressFilter::Accounts => limit,
            AddressFilter::Aliases => limit.max(NAMES_FOR_ALIASES),
        };
        let mut after = after.map_or_else(String::new, |after| after.as_str().to_owned());
        let mut found = Vec::new();
        while found.len() < limit {
            let read = self.list_names(verb, domain, &after, page).await?;
            let mut names = read
                .names
                .into_iter()
                .filter(|(_, kind)| filter != AddressFilter::Aliases || *kind != Some(ACCOUNT));
            while found.len() < limit {
                let room = limit - found.len();
                let next = names.by_ref().take(room);
                let reads = next.map(|(name, _)| self.entry(verb, domain, name, filter));
                let reads: Vec<_> = reads.collect();
                if reads.is_empty() {
                    break;
                }
                let entries = at_once(AT_ONCE, reads).await?;
                found.extend(entries.into_iter().flatten());
            }
            match read.up_to {
                Some(end) => after = end,
                None => break,
            }
        }
        Ok(found)
    }

    /// What a listed name is, if it is still in use as what is wanted.
    async fn entry(
        &self,
        verb: Verb,
        domain: &Domain,
        name: String,
        filter: AddressFilter,
    ) -> StoreResult<Option<(Address, AddressEntry)>> {
        let local = LocalPart::from_name(&name).map_err(|error| corrupt(verb, error))?;
        let address = Address::new(local, domain.clone());
        let entry = self.place(verb, &address).await?.entry;
        let entry = entry.filter(|entry| filter.takes(entry));
        Ok(entry.map(|entry| (address, entry)))
    }

    async fn put_domain(&self, verb: Verb, name: &Domain, entry: Vec<u8>) -> StoreResult<()> {
        let (_, written_at) = self.read_domain(verb, name).await?;
        let row = row![name.as_str(), entry, self.later_than(written_at)];
        let deadline = self.engine.deadline(USUAL);
        let change = vec![(Cql::PutDomain, row)];
        self.engine.change(verb, deadline, change).await
    }

    async fn read_domain(
        &self,
        verb: Verb,
        name: &Domain,
    ) -> StoreResult<(Option<DomainEntry>, Option<i64>)> {
        let key = row![name.as_str()];
        let read = self
            .engine
            .read::<(Option<Vec<u8>>, Option<i64>)>(verb, Cql::ReadDomain, key);
        let (entry, written_at) = read.await?.pop().unwrap_or_default();
        Ok((decode_domain(verb, entry)?, written_at))
    }

    async fn domains(&self, verb: Verb) -> StoreResult<Vec<DomainEntry>> {
        let read = self
            .engine
            .read::<(String, Option<Vec<u8>>)>(verb, Cql::ReadDomains, row![]);
        let mut domains = Vec::new();
        for (_, entry) in read.await? {
            domains.extend(decode_domain(verb, entry)?);
        }
        domains.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(domains)
    }
}

fn decode_domain(verb: Verb, entry: Option<Vec<u8>>) -> StoreResult<Option<DomainEntry>> {
    let entry = entry.filter(|entry| !entry.is_empty());
    let decoded = entry.map(|entry| DomainEntry::decode(&entry)).transpose();
    decoded.map_err(|error| corrupt(verb, error))
}

fn is_account(place: &Place, wanted: AccountId) -> bool {
    matches!(place.entry, Some(AddressEntry::Account { id, .. }) if id == wanted)
}

/// FNV-1a, written here since the place of a name must never change.
pub(crate) fn shard_of(local: &str) -> i16 {
    let hash = local.bytes().fold(0x811c_9dc5_u32, |hash, octet| {
        (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193)
    });
    i16::try_from(hash % u32::from(SHARDS)).unwrap_or_default()
}

fn conflict(verb: Verb) -> StoreError {
    StoreError::new(ErrorKind::Conflict, verb)
}

fn missing(verb: Verb) -> StoreError {
    StoreError::new(ErrorKind::Missing, verb)
}

impl Accounts for Cassandra {
    fn domains(&self) -> Work<'_, Vec<DomainEntry>> {
        const VERB: Verb = "list the domains";
        Box::pin(async {
            let _pass = self.core.engine.enter(VERB)?;
            self.core.domains(VERB).await
        })
    }

    fn domain(&self, name: Domain) -> Work<'_, Option<DomainEntry>> {
        const VERB: Verb = "read the domain";
        Box::pin(async move {
            let _pass = self.core.engine.enter_in_turn(VERB)?;
            Ok(self.core.read_domain(VERB, &name).await?.0)
        })
    }

    fn put_domain(&self, entry: DomainEntry) -> Work<'_, ()> {
        const VERB: Verb = "put the domain";
        self.core.carry_out(VERB, move |core| async move {
            core.put_domain(VERB, &entry.name, entry.encode()).await
        })
    }

    fn remove_domain(&self, name: Domain) -> Work<'_, ()> {
        const VERB: Verb = "remove the domain";
        self.core.carry_out(VERB, move |core| async move {
            core.put_domain(VERB, &name, Vec::new()).await
        })
    }

    fn resolve(&self, address: Address) -> Work<'_, Option<AddressEntry>> {
        const VERB: Verb = "resolve the address";
        Box::pin(async move {
            let _pass = self.core.engine.enter_in_turn(VERB)?;
            Ok(self.core.place(VERB, &address).await?.entry)
        })
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
            let _pass = self.core.engine.enter(VERB)?;
            let found = self.core.addresses(VERB, &domain, filter, after, limit);
            found.await
        })
    }

    fn create_account(&self, new: NewAccount) -> Work<'_, AccountId> {
        const VERB: Verb = "create the account";
        self.core.carry_out(
            VERB,
            move |core| async move { core.create(VERB, new).await },
        )
    }

    fn remove_account(&self, address: Address) -> Work<'_, ()> {
        const VERB: Verb = "remove the account";
        self.core.carry_out(VERB, move |core| async move {
            core.remove_account(VERB, &address).await
        })
    }

    fn account(&self, id: AccountId) -> Work<'_, Option<(Profile, Credentials)>> {
        const VERB: Verb = "read the account";
        Box::pin(async move {
            let _pass = self.core.engine.enter_in_turn(VERB)?;
            let kept = self.core.living(VERB, id).await?;
            Ok(kept.and_then(|kept| kept.account))
        })
    }

    fn put_credentials(&self, id: AccountId, credentials: Credentials) -> Work<'_, ()> {
        const VERB: Verb = "put the credentials";
        self.core.carry_out(VERB, move |core| async move {
            let kept = core.living(VERB, id).await?.ok_or_else(|| missing(VERB))?;
            let upgraded_at = kept.credentials_at.map(just_behind);
            let cell = Some((credentials.encode(), core.later_than(upgraded_at)));
            core.put_account(VERB, id, None, cell).await
        })
    }

    fn upgrade_credentials(
        &self,
        id: AccountId,
        from: Credentials,
        to: Credentials,
    ) -> Work<'_, ()> {
        const VERB: Verb = "upgrade the credentials";
        self.core.carry_out(VERB, move |core| async move {
            let kept = core.living(VERB, id).await?.ok_or_else(|| missing(VERB))?;
            let is_current = kept.account.is_some_and(|(_, there)| there == from);
            let Some(written_at) = kept.credentials_at.filter(|_| is_current) else {
                return Ok(());
            };
            let at = Micros(just_behind(written_at));
            core.put_account(VERB, id, None, Some((to.encode(), at)))
                .await
        })
    }

    fn put_profile(&self, id: AccountId, profile: Profile) -> Work<'_, ()> {
        const VERB: Verb = "put the profile";
        self.core.carry_out(VERB, move |core| async move {
            core.put_profile(VERB, id, &profile).await
        })
    }

    fn put_alias(&self, address: Address, targets: Vec<Address>) -> Work<'_, ()> {
        const VERB: Verb = "put the alias";
        self.core.carry_out(VERB, move |core| async move {
            let place = core.place(VERB, &address).await?;
            if let Some(AddressEntry::Account { .. }) = place.entry {
                return Err(conflict(VERB));
            }
            let generation = place.entry.as_ref().map_or(0, AddressEntry::generation);
            let entry = AddressEntry::Alias {
                targets,
                generation,
            };
            core.change_place(VERB, &address, &place, (entry, Fallback::Allowed))
                .await
        })
    }

    fn remove_alias(&self, address: Address) -> Work<'_, ()> {
        const VERB: Verb = "remove the alias";
        self.core.carry_out(VERB, move |core| async move {
            let place = core.place(VERB, &address).await?;
            let Some(AddressEntry::Alias { generation, .. }) = place.entry else {
                return Err(missing(VERB));
            };
            let entry = AddressEntry::Removed { generation };
            core.change_place(VERB, &address, &place, (entry, Fallback::Allowed))
                .await
        })
    }

    fn records(
        &self,
        after: Option<Address>,
        limit: usize,
    ) -> Work<'_, Vec<(Address, AddressEntry)>> {
        const VERB: Verb = "list the address records";
        Box::pin(async move {
            let _pass = self.core.engine.enter(VERB)?;
            self.core.records(VERB, after, limit).await
        })
    }

    fn adopt(&self, address: Address, adoption: Adoption) -> Work<'_, ()> {
        const VERB: Verb = "adopt the address";
        self.core.carry_out(VERB, move |core| async move {
            core.adopt(VERB, &address, adoption).await
        })
    }
}

/// The time of an upgrade of credentials: before any change of them, which is at least one later,
/// whatever the clocks of nodes say. So the change wins even if the upgrade comes after it.
fn just_behind(written_at: i64) -> i64 {
    written_at.saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_come_back_and_only_go_on() {
        let all = [Life::Born, Life::Settled, Life::Leaving, Life::Gone];
        assert!(all.is_sorted());
        for life in all {
            assert_eq!(Life::from_number(life.number()), Some(life));
        }
        assert_eq!(Life::from_number(0), None);
    }

    #[test]
    fn the_place_of_a_name_never_changes() {
        let shards = ["alice", "bob", "carol", "dave", "postmaster"].map(shard_of);
        assert_eq!(shards, shards.map(|shard| shard & 3));
        assert_eq!(shard_of(""), i16::try_from(0x811c_9dc5_u32 % 4).unwrap());
    }
}
