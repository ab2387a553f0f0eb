//! The specification you can run: maps behind one lock, the simplest code that keeps the promises.
//!
//! It is the model in property tests, the store of tests and of demonstrations. Never optimise it:
//! whoever doubts what a verb means reads it here.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::ops::Bound;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use cassmail_mail::{
    AccountId, Address, Delivery, Domain, Entry, LocalPart, MessageId, Removed, Stored, Uidl,
    UnixTime,
};

use crate::{
    AccountState, Accounts, AddressEntry, AddressFilter, AdminName, Administrator, Administrators,
    Adoption, AsDelivered, Audit, AuditRecord, AuditSpan, BodyReader, Counted, Credentials,
    DomainEntry, ErrorKind, EventId, Health, Maildrops, MessageWriter, NewAccount, Patience,
    Profile, Quota, Reason, Retention, Search, Store, StoreError, StoreResult, Token, TokenId,
    TraceEvent, TraceQuery, Traces, Usage, UsageNotes, Usages, Work, Workers, delivered_size,
    delivered_surrogate_size,
};

/// A reader never gives out more at once.
const PIECE: usize = 256 * 1024;

/// A store in memory. What it keeps lives as long as the store or one that was
/// [reopened](MemoryStore::reopened) from it.
///
/// ```
/// # use cassmail_store::{Accounts, Credentials, MemoryStore, NewAccount, Store};
/// # use cassmail_mail::UnixTime;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// let new = NewAccount {
///     address: "alice@example.org".parse().unwrap(),
///     credentials: Credentials::of_hash("$argon2id$"),
///     created_at: UnixTime::from_micros(0),
/// };
/// let alice = store.create_account(new).await?;
/// store.close().await?;
/// assert!(store.reopened().account(alice).await?.is_some());
/// # Ok::<(), cassmail_store::StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Default)]
pub struct MemoryStore {
    handle: Handle,
}

/// One opening of what is kept; writers have a clone, so that closing reaches them.
#[derive(Debug, Clone, Default)]
struct Handle {
    kept: Arc<Mutex<Kept>>,
    closed: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Kept {
    domains: BTreeMap<Domain, DomainEntry>,
    addresses: BTreeMap<Address, AddressEntry>,
    accounts: BTreeMap<AccountId, (Profile, Credentials)>,
    /// Ordered by account, then id: a listing is a part of it.
    listed: BTreeMap<(AccountId, MessageId), Listed>,
    bodies: BTreeMap<MessageId, Bytes>,
    /// Of bodies that have one.
    surrogate_sizes: BTreeMap<MessageId, u64>,
    damaged: BTreeSet<MessageId>,
    notes: BTreeMap<String, Vec<u8>>,
    usage: BTreeMap<AccountId, UsageNotes>,
    administrators: BTreeMap<AdminName, Administrator>,
    tokens: BTreeMap<TokenId, Token>,
    audit: BTreeMap<MessageId, AuditRecord>,
    traces: BTreeMap<EventId, TraceEvent>,
    /// How many octets of bodies fit, if there is a limit.
    room: Option<u64>,
}

#[derive(Debug)]
struct Listed {
    recipient: Option<Address>,
    imported_uidl: Option<Uidl>,
}

impl MemoryStore {
    /// An empty store with room for everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store with room for so many octets of bodies; removal gives room back.
    pub fn with_room(octets: u64) -> Self {
        let store = Self::new();
        store.set_room(Some(octets));
        store
    }

    /// Changes how many octets of bodies there is room for; none is no limit. What is there stays,
    /// even if it is more.
    pub fn set_room(&self, octets: Option<u64>) {
        self.handle.with(|kept| kept.room = octets);
    }

    /// The same store, opened again after it was closed or has crashed; the old one is closed.
    #[must_use]
    pub fn reopened(&self) -> Self {
        self.handle.close();
        let handle = Handle {
            kept: Arc::clone(&self.handle.kept),
            closed: Arc::default(),
        };
        Self { handle }
    }

    /// Damages the octets of all messages that are there, as a bad disk would.
    pub fn damage_bodies(&self) {
        self.handle
            .with(|kept| kept.damaged = kept.bodies.keys().copied().collect());
    }

    /// A verb: one step under the lock, when the future is first polled.
    fn verb<'a, T: Send + 'a>(
        &'a self,
        verb: &'static str,
        step: impl FnOnce(&mut Kept) -> Result<T, ErrorKind> + Send + 'a,
    ) -> Work<'a, T> {
        Box::pin(async move { self.handle.step(verb, step) })
    }
}

impl Handle {
    fn step<T>(
        &self,
        verb: &'static str,
        step: impl FnOnce(&mut Kept) -> Result<T, ErrorKind>,
    ) -> StoreResult<T> {
        self.with(|kept| {
            if self.closed.load(Ordering::SeqCst) {
                return Err(ErrorKind::Unavailable(Reason::Closing));
            }
            step(kept)
        })
        .map_err(|kind| StoreError::new(kind, verb))
    }

    fn with<T>(&self, step: impl FnOnce(&mut Kept) -> T) -> T {
        step(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Under the lock, so that a step is either done or refused.
    fn close(&self) {
        self.with(|_| self.closed.store(true, Ordering::SeqCst));
    }
}

impl Accounts for MemoryStore {
    fn domains(&self) -> Work<'_, Vec<DomainEntry>> {
        self.verb("list the domains", |kept| {
            Ok(kept.domains.values().cloned().collect())
        })
    }

    fn domain(&self, name: Domain) -> Work<'_, Option<DomainEntry>> {
        self.verb("read the domain", move |kept| {
            Ok(kept.domains.get(&name).cloned())
        })
    }

    fn put_domain(&self, entry: DomainEntry) -> Work<'_, ()> {
        self.verb("put the domain", |kept| {
            kept.domains.insert(entry.name.clone(), entry);
            Ok(())
        })
    }

    fn remove_domain(&self, name: Domain) -> Work<'_, ()> {
        self.verb("remove the domain", move |kept| {
            kept.domains.remove(&name);
            Ok(())
        })
    }

    fn resolve(&self, address: Address) -> Work<'_, Option<AddressEntry>> {
        self.verb("resolve the address", move |kept| {
            Ok(kept.addresses.get(&address).cloned())
        })
    }

    fn addresses(
        &self,
        domain: Domain,
        filter: AddressFilter,
        after: Option<LocalPart>,
        limit: usize,
    ) -> Work<'_, Vec<(Address, AddressEntry)>> {
        self.verb("list the addresses", move |kept| {
            // Addresses sort by local part first.
            let page = kept
                .addresses
                .iter()
                .filter(|(address, entry)| *address.domain() == domain && filter.takes(entry))
                .filter(|(address, _)| after.as_ref().is_none_or(|after| address.local() > after));
            let owned = page.map(|(address, entry)| (address.clone(), entry.clone()));
            Ok(owned.take(limit).collect())
        })
    }

    fn create_account(&self, new: NewAccount) -> Work<'_, AccountId> {
        self.verb("create the account", |kept| kept.create_account(new))
    }

    fn remove_account(&self, address: Address) -> Work<'_, ()> {
        self.verb("remove the account", move |kept| {
            kept.remove_account(&address)
        })
    }

    fn account(&self, id: AccountId) -> Work<'_, Option<(Profile, Credentials)>> {
        self.verb("read the account", move |kept| {
            Ok(kept.accounts.get(&id).cloned())
        })
    }

    fn put_credentials(&self, id: AccountId, credentials: Credentials) -> Work<'_, ()> {
        self.verb("put the credentials", move |kept| {
            let account = kept.accounts.get_mut(&id).ok_or(ErrorKind::Missing)?;
            account.1 = credentials;
            Ok(())
        })
    }

    fn upgrade_credentials(
        &self,
        id: AccountId,
        from: Credentials,
        to: Credentials,
    ) -> Work<'_, ()> {
        self.verb("upgrade the credentials", move |kept| {
            let account = kept.accounts.get_mut(&id).ok_or(ErrorKind::Missing)?;
            if account.1 == from {
                account.1 = to;
            }
            Ok(())
        })
    }

    fn put_profile(&self, id: AccountId, profile: Profile) -> Work<'_, ()> {
        self.verb("put the profile", move |kept| {
            let account = kept.accounts.get_mut(&id).ok_or(ErrorKind::Missing)?;
            account.0 = profile;
            Ok(())
        })
    }

    fn put_alias(&self, address: Address, targets: Vec<Address>) -> Work<'_, ()> {
        self.verb("put the alias", move |kept| {
            if let Some(AddressEntry::Account { .. }) = kept.addresses.get(&address) {
                return Err(ErrorKind::Conflict);
            }
            let generation = kept.generation(&address);
            let alias = AddressEntry::Alias {
                targets,
                generation,
            };
            kept.addresses.insert(address, alias);
            Ok(())
        })
    }

    fn remove_alias(&self, address: Address) -> Work<'_, ()> {
        self.verb("remove the alias", move |kept| {
            let Some(&AddressEntry::Alias { generation, .. }) = kept.addresses.get(&address) else {
                return Err(ErrorKind::Missing);
            };
            let removed = AddressEntry::Removed { generation };
            kept.addresses.insert(address, removed);
            Ok(())
        })
    }

    fn records(
        &self,
        after: Option<Address>,
        limit: usize,
    ) -> Work<'_, Vec<(Address, AddressEntry)>> {
        self.verb("list the address records", move |kept| {
            let behind = after.map_or(Bound::Unbounded, Bound::Excluded);
            let page = kept.addresses.range((behind, Bound::Unbounded));
            let owned = page.map(|(address, entry)| (address.clone(), entry.clone()));
            Ok(owned.take(limit).collect())
        })
    }

    fn adopt(&self, address: Address, adoption: Adoption) -> Work<'_, ()> {
        self.verb("adopt the address", move |kept| {
            kept.adopt(address, adoption)
        })
    }
}

impl Kept {
    /// The last life of an account at an address.
    fn generation(&self, address: &Address) -> u64 {
        self.addresses
            .get(address)
            .map_or(0, AddressEntry::generation)
    }

    fn create_account(&mut self, new: NewAccount) -> Result<AccountId, ErrorKind> {
        match self.addresses.get(&new.address) {
            Some(&AddressEntry::Account { id, .. }) => {
                let own = |(_, credentials): &(_, Credentials)| *credentials == new.credentials;
                let is_retry = self.accounts.get(&id).is_some_and(own);
                return is_retry.then_some(id).ok_or(ErrorKind::Conflict);
            }
            Some(AddressEntry::Alias { .. }) => return Err(ErrorKind::Conflict),
            Some(AddressEntry::Removed { .. }) | None => {}
        }
        let generation = self.generation(&new.address) + 1;
        let id = AccountId::of(&new.address, generation);
        let account = AddressEntry::Account { id, generation };
        self.addresses.insert(new.address.clone(), account);
        let profile = Profile {
            address: new.address,
            state: AccountState::Enabled,
            created_at: new.created_at,
            retention: Retention::default(),
            quota: Quota::default(),
        };
        self.accounts.insert(id, (profile, new.credentials));
        Ok(id)
    }

    fn adopt(&mut self, address: Address, adoption: Adoption) -> Result<(), ErrorKind> {
        let becomes = adoption.over(&address, self.addresses.get(&address))?;
        if let Adoption::Account {
            generation,
            profile,
            credentials,
        } = adoption
        {
            let id = AccountId::of(&address, generation);
            let there = self.accounts.get(&id);
            if there.is_some_and(|(_, there)| *there != credentials) {
                return Err(ErrorKind::Conflict);
            }
            self.accounts.insert(id, (profile, credentials));
        }
        if let Some(entry) = becomes {
            self.addresses.insert(address, entry);
        }
        Ok(())
    }

    fn remove_account(&mut self, address: &Address) -> Result<(), ErrorKind> {
        let Some(&AddressEntry::Account { id, generation }) = self.addresses.get(address) else {
            return Err(ErrorKind::Missing);
        };
        let removed = AddressEntry::Removed { generation };
        self.addresses.insert(address.clone(), removed);
        self.accounts.remove(&id);
        self.usage.remove(&id);
        self.listed.retain(|(account, _), _| *account != id);
        self.drop_bodies_of_nobody();
        Ok(())
    }
}

impl Maildrops for MemoryStore {
    fn begin(&self, id: MessageId) -> Work<'_, Box<dyn MessageWriter>> {
        self.verb("begin a message", move |kept| {
            kept.check_room(1)?;
            let writer = Writer {
                handle: self.handle.clone(),
                id,
                body: BytesMut::new(),
                has_hole: false,
            };
            Ok(Box::new(writer) as Box<dyn MessageWriter>)
        })
    }

    fn list(&self, account: AccountId) -> Work<'_, Vec<Entry>> {
        self.verb("list the maildrop", move |kept| Ok(kept.list(account)))
    }

    fn open(&self, account: AccountId, id: MessageId) -> Work<'_, Box<dyn BodyReader>> {
        self.verb("open the message", move |kept| kept.open(account, id))
    }

    fn remove(
        &self,
        account: AccountId,
        ids: Vec<MessageId>,
        _patience: Patience,
    ) -> Work<'_, Removed> {
        self.verb("remove messages", move |kept| {
            for id in &ids {
                kept.listed.remove(&(account, *id));
            }
            kept.drop_bodies_of_nobody();
            Ok(Removed::asserted_gone(ids.len()))
        })
    }
}

impl Kept {
    /// One more message of `octets` must fit.
    fn check_room(&self, octets: usize) -> Result<(), ErrorKind> {
        let Some(room) = self.room else {
            return Ok(());
        };
        let used: usize = self.bodies.values().map(Bytes::len).sum();
        if size_of_body(used + octets) <= room {
            Ok(())
        } else {
            Err(ErrorKind::Unavailable(Reason::Full))
        }
    }

    fn list(&self, account: AccountId) -> Vec<Entry> {
        let of_account = self.listed.iter().filter(|((a, _), _)| *a == account);
        let entry = |(&(_, id), listed): (&(AccountId, MessageId), &Listed)| {
            let stored = size_of_body(self.bodies.get(&id).map_or(0, Bytes::len));
            let surrogate = self.surrogate_sizes.get(&id).copied();
            let recipient = listed.recipient.as_ref();
            Entry {
                id,
                size: delivered_size(stored, recipient),
                surrogate_size: delivered_surrogate_size(stored, surrogate, recipient),
                imported_uidl: listed.imported_uidl.clone().map(Box::new),
            }
        };
        of_account.map(entry).collect()
    }

    fn open(&self, account: AccountId, id: MessageId) -> Result<Box<dyn BodyReader>, ErrorKind> {
        let listed = self.listed.get(&(account, id)).ok_or(ErrorKind::Missing)?;
        let rest = self.bodies.get(&id).cloned().ok_or(ErrorKind::Missing)?;
        if self.damaged.contains(&id) {
            return Err(ErrorKind::Corrupt);
        }
        let stored = Box::new(Reader { rest });
        Ok(Box::new(AsDelivered::new(
            stored,
            listed.recipient.as_ref(),
        )))
    }

    /// Lists a body for those of its owners that exist; a retry changes nothing.
    fn commit(&mut self, id: MessageId, body: &Bytes, delivery: Delivery) -> Result<(), ErrorKind> {
        if let Some(there) = self.bodies.get(&id) {
            return if there == body {
                Ok(())
            } else {
                Err(ErrorKind::Conflict)
            };
        }
        self.check_room(body.len())?;
        for owner in delivery.owners {
            if self.accounts.contains_key(&owner.account) {
                let listed = Listed {
                    recipient: owner.recipient,
                    imported_uidl: owner.uidl,
                };
                self.listed.insert((owner.account, id), listed);
                self.bodies.insert(id, body.clone());
                if let Some(size) = delivery.surrogate_size {
                    self.surrogate_sizes.insert(id, size);
                }
            }
        }
        Ok(())
    }

    fn drop_bodies_of_nobody(&mut self) {
        let owned: BTreeSet<_> = self.listed.keys().map(|&(_, id)| id).collect();
        self.bodies.retain(|id, _| owned.contains(id));
        self.surrogate_sizes.retain(|id, _| owned.contains(id));
        self.damaged.retain(|id| owned.contains(id));
    }
}

impl Workers for MemoryStore {
    fn note(&self, worker: String) -> Work<'_, Option<Vec<u8>>> {
        self.verb("read a note", move |kept| {
            Ok(kept.notes.get(&worker).cloned())
        })
    }

    fn put_note(&self, worker: String, note: Vec<u8>) -> Work<'_, ()> {
        self.verb("put a note", move |kept| {
            kept.notes.insert(worker, note);
            Ok(())
        })
    }
}

impl Administrators for MemoryStore {
    fn administrators(&self) -> Work<'_, Vec<Administrator>> {
        self.verb("list the administrators", |kept| {
            Ok(kept.administrators.values().cloned().collect())
        })
    }

    fn administrator(&self, name: AdminName) -> Work<'_, Option<Administrator>> {
        self.verb("read the administrator", move |kept| {
            Ok(kept.administrators.get(&name).cloned())
        })
    }

    fn put_administrator(&self, administrator: Administrator) -> Work<'_, ()> {
        self.verb("put the administrator", |kept| {
            let name = administrator.name.clone();
            kept.administrators.insert(name, administrator);
            Ok(())
        })
    }

    fn remove_administrator(&self, name: AdminName) -> Work<'_, ()> {
        self.verb("remove the administrator", move |kept| {
            kept.administrators.remove(&name);
            Ok(())
        })
    }

    fn tokens(&self) -> Work<'_, Vec<Token>> {
        self.verb("list the tokens", |kept| {
            Ok(kept.tokens.values().cloned().collect())
        })
    }

    fn token(&self, id: TokenId) -> Work<'_, Option<Token>> {
        self.verb("read the token", move |kept| {
            Ok(kept.tokens.get(&id).cloned())
        })
    }

    fn put_token(&self, token: Token) -> Work<'_, ()> {
        self.verb("put the token", |kept| {
            kept.tokens.insert(token.id.clone(), token);
            Ok(())
        })
    }

    fn remove_token(&self, id: TokenId) -> Work<'_, ()> {
        self.verb("remove the token", move |kept| {
            kept.tokens.remove(&id);
            Ok(())
        })
    }
}

impl Audit for MemoryStore {
    fn put_audit(&self, record: AuditRecord, kept_for: Duration) -> Work<'_, ()> {
        self.verb("put into the audit log", move |kept| {
            let now = record.id.minted_at();
            kept.audit
                .retain(|id, _| now.since(id.minted_at()) <= kept_for);
            let there = kept.audit.get(&record.id);
            let has_ended = there.is_some_and(|there| there.outcome.is_some());
            if !has_ended || record.outcome.is_some() {
                kept.audit.insert(record.id, record);
            }
            Ok(())
        })
    }

    fn audit(&self, span: AuditSpan) -> Work<'_, Vec<AuditRecord>> {
        self.verb("read the audit log", move |kept| {
            let latest_first = kept.audit.values().rev();
            let asked = latest_first.filter(|record| span.has(record.id));
            Ok(asked.take(span.limit).cloned().collect())
        })
    }
}

impl Usages for MemoryStore {
    fn usage(&self, account: AccountId) -> Work<'_, UsageNotes> {
        self.verb("read the usage", move |kept| {
            Ok(kept.usage.get(&account).cloned().unwrap_or_default())
        })
    }

    fn put_brought(
        &self,
        account: AccountId,
        writer: crate::Writer,
        brought: Usage,
    ) -> Work<'_, ()> {
        self.verb("note what was brought", move |kept| {
            kept.note_usage(account, |notes| {
                notes.brought.insert(writer, brought);
            });
            Ok(())
        })
    }

    fn put_counted(&self, account: AccountId, counted: Counted) -> Work<'_, ()> {
        self.verb("note a count", move |kept| {
            kept.note_usage(account, |notes| notes.counted = Some(counted));
            Ok(())
        })
    }
}

impl Kept {
    /// An account that does not exist has no notes.
    fn note_usage(&mut self, account: AccountId, step: impl FnOnce(&mut UsageNotes)) {
        if self.accounts.contains_key(&account) {
            step(self.usage.entry(account).or_default());
        }
    }
}

/// Nothing goes by itself, whatever was to be kept.
impl Traces for MemoryStore {
    fn record(&self, events: Arc<[TraceEvent]>, _keep: Duration) -> Work<'_, ()> {
        self.verb("record a trace", move |kept| {
            let events = events.iter().map(|event| (event.id, event.clone()));
            kept.traces.extend(events);
            Ok(())
        })
    }

    fn find_traces(&self, query: TraceQuery) -> Work<'_, Vec<TraceEvent>> {
        self.verb("find traces", move |kept| {
            let mut search = Search::new(query);
            search.offer(kept.traces.values().cloned());
            Ok(search.finish())
        })
    }

    fn expire_traces(&self, before: UnixTime) -> Work<'_, ()> {
        self.verb("expire traces", move |kept| {
            kept.traces.retain(|id, _| id.at() >= before);
            Ok(())
        })
    }
}

fn size_of_body(octets: usize) -> u64 {
    u64::try_from(octets).unwrap_or(u64::MAX)
}

struct Writer {
    handle: Handle,
    id: MessageId,
    body: BytesMut,
    /// A piece was not appended, since its write failed or was dropped.
    has_hole: bool,
}

impl MessageWriter for Writer {
    fn write(&mut self, piece: Bytes) -> Work<'_, ()> {
        // Set before the future exists: it may be dropped without ever being polled.
        let had_hole = std::mem::replace(&mut self.has_hole, true);
        Box::pin(async move {
            self.handle.step("write a piece", |_| Ok(()))?;
            self.body.extend_from_slice(&piece);
            self.has_hole = had_hole;
            Ok(())
        })
    }

    fn commit(self: Box<Self>, delivery: Delivery, _patience: Patience) -> Work<'static, Stored> {
        Box::pin(async move {
            let Self {
                handle,
                id,
                body,
                has_hole,
            } = *self;
            handle.step("commit the message", |kept| {
                if has_hole {
                    return Err(ErrorKind::Unavailable(Reason::Engine));
                }
                kept.commit(id, &body.freeze(), delivery)?;
                Ok(Stored::asserted_durable(id))
            })
        })
    }
}

/// Gives out what it holds itself, so that removal does not disturb it.
struct Reader {
    rest: Bytes,
}

impl BodyReader for Reader {
    fn next(&mut self) -> Work<'_, Option<Bytes>> {
        Box::pin(async {
            let piece = self.rest.split_to(self.rest.len().min(PIECE));
            Ok((!piece.is_empty()).then_some(piece))
        })
    }
}

impl Store for MemoryStore {
    fn health(&self) -> Health {
        match self.handle.with(|kept| kept.check_room(1)) {
            Ok(()) => Health::Well,
            Err(_) => Health::Full,
        }
    }

    /// Never: memory does not fail.
    fn poisoned(&self) -> Pin<Box<dyn Future<Output = StoreError> + Send + '_>> {
        Box::pin(std::future::pending())
    }

    fn close(&self) -> Work<'_, ()> {
        Box::pin(async {
            self.handle.close();
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use cassmail_mail::{IdMinter, NodeId, Owner, ReversePath, UnixTime};

    use super::*;

    #[tokio::test]
    async fn room_comes_back_with_removal() {
        let store = MemoryStore::with_room(10);
        let alice = alice(&store).await;
        let minter = IdMinter::new(NodeId::from_random(7));
        let [first, second] = [1, 2].map(|now| minter.mint(UnixTime::from_micros(now)));
        deliver(&store, first, alice).await.unwrap();
        assert_eq!(store.health(), Health::Full);
        let error = deliver(&store, second, alice).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable(Reason::Full));

        let removed = store.remove(alice, vec![first], PATIENCE).await.unwrap();
        assert_eq!(removed.count(), 1);
        assert_eq!(store.health(), Health::Well);
        deliver(&store, second, alice).await.unwrap();
    }

    const PATIENCE: Patience = Patience(Duration::from_secs(10));

    async fn alice(store: &MemoryStore) -> AccountId {
        let new = NewAccount {
            address: "alice@example.org".parse().unwrap(),
            credentials: Credentials::of_hash("$argon2id$"),
            created_at: UnixTime::from_micros(0),
        };
        store.create_account(new).await.unwrap()
    }

    async fn deliver(
        store: &MemoryStore,
        id: MessageId,
        account: AccountId,
    ) -> StoreResult<MessageId> {
        let mut writer = store.begin(id).await?;
        writer.write(Bytes::from_static(b"ten octets")).await?;
        let owner = Owner {
            account,
            recipient: None,
            uidl: None,
        };
        let delivery = Delivery {
            reverse_path: ReversePath::Null,
            received_at: id.minted_at(),
            surrogate_size: None,
            owners: vec![owner],
        };
        Ok(writer.commit(delivery, PATIENCE).await?.id())
    }
}
