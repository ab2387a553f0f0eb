//! Faults on purpose: a store that fails, waits or is poisoned where a script says so.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cassmail_mail::{
    AccountId, Address, Delivery, Domain, Entry, LocalPart, MessageId, Removed, Stored, UnixTime,
};
use tokio::sync::{Semaphore, watch};

use crate::{
    Accounts, AddressEntry, AddressFilter, AdminName, Administrator, Administrators, Adoption,
    Audit, AuditRecord, AuditSpan, BodyReader, Counted, Credentials, DomainEntry, ErrorKind,
    Health, Maildrops, MessageWriter, NewAccount, Patience, Profile, Reason, Store, StoreError,
    Token, TokenId, TraceEvent, TraceQuery, Traces, Usage, UsageNotes, Usages, Work, Workers,
    Writer,
};

/// A store around another one that follows a [`Script`].
///
/// Each verb is one operation, and so is each piece that is written, each commit and each piece
/// that is read; they are counted when they begin to run. To sweep over all points of failure, let
/// a scene run once without faults, ask how many operations it took, and fail each:
///
/// ```
/// # use std::sync::Arc;
/// # use cassmail_store::{Accounts, At, ErrorKind, Fault, Faulty, MemoryStore, Reason, Script};
/// # use cassmail_store::{DomainEntry, StoreResult};
/// async fn scene(store: &Faulty) -> StoreResult<usize> {
///     store.put_domain(DomainEntry::new("example.org".parse().unwrap())).await?;
///     Ok(store.domains().await?.len())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let script = Script::new();
/// assert_eq!(scene(&Faulty::new(Arc::new(MemoryStore::new()), &script)).await.unwrap(), 1);
/// for k in 1..=script.operations() {
///     let script = Script::new();
///     script.fail(At::Operation(k), Fault::Before(ErrorKind::Unavailable(Reason::Engine)));
///     assert!(scene(&Faulty::new(Arc::new(MemoryStore::new()), &script)).await.is_err());
/// }
/// # });
/// ```
#[derive(Clone)]
pub struct Faulty {
    inner: Arc<dyn Store>,
    script: Script,
}

/// What goes wrong, and when; clones share it, so a test can change it while the store is used.
#[derive(Debug, Clone, Default)]
pub struct Script {
    lines: Arc<Mutex<Lines>>,
    poison: Poison,
}

/// Which operations a line of a script is about; numbers begin at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The k-th operation, whatever it is.
    Operation(u64),
    /// The k-th operation of a verb.
    Nth(Verb, u64),
    /// Each operation of a verb.
    Every(Verb),
    /// Each operation.
    All,
}

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happens, and this is answered.
    Before(ErrorKind),
    /// It happens, and this is answered all the same.
    After(ErrorKind),
}

/// Where an operation waits for a [`Gate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Nothing has happened yet.
    Before,
    /// It has happened, but nobody was told.
    After,
}

/// The verbs of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the verb of the same name")]
pub enum Verb {
    Domains,
    Domain,
    PutDomain,
    RemoveDomain,
    Resolve,
    Addresses,
    CreateAccount,
    RemoveAccount,
    Account,
    PutCredentials,
    UpgradeCredentials,
    PutProfile,
    PutAlias,
    RemoveAlias,
    Records,
    Adopt,
    Note,
    PutNote,
    Administrators,
    Administrator,
    PutAdministrator,
    RemoveAdministrator,
    Tokens,
    Token,
    PutToken,
    RemoveToken,
    PutAudit,
    Audit,
    Usage,
    PutBrought,
    PutCounted,
    Record,
    FindTraces,
    ExpireTraces,
    Begin,
    Write,
    Commit,
    List,
    Open,
    Next,
    Remove,
    Close,
}

/// A barrier in front of or behind operations; they go on when it is opened or dropped.
#[derive(Debug)]
pub struct Gate {
    barrier: Arc<Barrier>,
}

#[derive(Debug)]
struct Barrier {
    arrived: Semaphore,
    open: Semaphore,
}

#[derive(Debug, Default)]
struct Lines {
    operations: u64,
    of_verb: BTreeMap<Verb, u64>,
    faults: Vec<(At, Fault)>,
    gates: Vec<(At, Side, Arc<Barrier>)>,
    health: Option<Health>,
}

/// Why the store is poisoned, if it is.
#[derive(Debug, Clone)]
struct Poison(Arc<watch::Sender<Option<String>>>);

impl Default for Poison {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Script {
    /// Nothing goes wrong, everything is counted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes operations fail.
    pub fn fail(&self, at: At, fault: Fault) {
        self.lines().faults.push((at, fault));
    }

    /// Makes operations wait until the gate is opened.
    #[must_use = "a gate that is dropped is open"]
    pub fn hold(&self, at: At, side: Side) -> Gate {
        let barrier = Arc::new(Barrier {
            arrived: Semaphore::new(0),
            open: Semaphore::new(0),
        });
        self.lines().gates.push((at, side, Arc::clone(&barrier)));
        Gate { barrier }
    }

    /// Ends all faults and gates, and counts from zero again: between the preparation of a test and
    /// its scene.
    pub fn restart(&self) {
        let mut lines = self.lines();
        let health = lines.health.take();
        *lines = Lines {
            health,
            ..Lines::default()
        };
    }

    /// How many operations began.
    pub fn operations(&self) -> u64 {
        self.lines().operations
    }

    /// How many operations of one verb began.
    pub fn operations_of(&self, verb: Verb) -> u64 {
        self.lines().of_verb.get(&verb).copied().unwrap_or(0)
    }

    /// What the store says of itself from now on; none is what the store inside says.
    pub fn set_health(&self, health: Option<Health>) {
        self.lines().health = health;
    }

    /// Poisons the store: those who wait for [`Store::poisoned`] are told, and each operation that
    /// begins now is refused with `Unavailable(Engine)`. There is no way back.
    pub fn poison(&self, why: &str) {
        self.poison.0.send_replace(Some(why.to_owned()));
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    /// Waits until one more operation has arrived.
    pub async fn reached(&self) {
        if let Ok(one) = self.barrier.arrived.acquire().await {
            one.forget();
        }
    }

    /// Lets all operations through, those that come later too.
    pub fn open(self) {
        drop(self);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.barrier.open.close();
    }
}

impl Barrier {
    async fn pass(&self) {
        self.arrived.add_permits(1);
        // Nobody ever adds permits: this ends when the gate is opened, which closes it.
        let _ = self.open.acquire().await;
    }
}

impl Verb {
    /// What the error of a fault says has failed.
    fn as_str(self) -> &'static str {
        match self {
            Self::Domains => "list the domains",
            Self::Domain => "read the domain",
            Self::PutDomain => "put the domain",
            Self::RemoveDomain => "remove the domain",
            Self::Resolve => "resolve the address",
            Self::Addresses => "list the addresses",
            Self::CreateAccount => "create the account",
            Self::RemoveAccount => "remove the account",
            Self::Account => "read the account",
            Self::PutCredentials => "put the credentials",
            Self::UpgradeCredentials => "upgrade the credentials",
            Self::PutProfile => "put the profile",
            Self::PutAlias => "put the alias",
            Self::RemoveAlias => "remove the alias",
            Self::Records => "list the address records",
            Self::Adopt => "adopt the address",
            Self::Note => "read a note",
            Self::PutNote => "put a note",
            Self::Administrators => "list the administrators",
            Self::Administrator => "read the administrator",
            Self::PutAdministrator => "put the administrator",
            Self::RemoveAdministrator => "remove the administrator",
            Self::Tokens => "list the tokens",
            Self::Token => "read the token",
            Self::PutToken => "put the token",
            Self::RemoveToken => "remove the token",
            Self::PutAudit => "put into the audit log",
            Self::Audit => "read the audit log",
            Self::Usage => "read the usage",
            Self::PutBrought => "note what was brought",
            Self::PutCounted => "note a count",
            Self::Record => "record a trace",
            Self::FindTraces => "find traces",
            Self::ExpireTraces => "expire traces",
            Self::Begin => "begin a message",
            Self::Write => "write a piece",
            Self::Commit => "commit the message",
            Self::List => "list the maildrop",
            Self::Open => "open the message",
            Self::Next => "read a piece",
            Self::Remove => "remove messages",
            Self::Close => "close the store",
        }
    }
}

/// What the script says of one operation.
struct Cue {
    verb: Verb,
    faults: Vec<Fault>,
    gates: Vec<(Side, Arc<Barrier>)>,
}

impl Script {
    /// Counts an operation that begins, and reads what is to happen with it.
    fn begin(&self, verb: Verb) -> Result<Cue, StoreError> {
        let mut lines = self.lines();
        lines.operations += 1;
        let of_verb = lines.of_verb.entry(verb).or_default();
        *of_verb += 1;
        let (nth_of_verb, nth) = (*of_verb, lines.operations);
        if self.poison.0.borrow().is_some() {
            let engine = ErrorKind::Unavailable(Reason::Engine);
            return Err(StoreError::new(engine, verb.as_str()));
        }
        let is_meant = |at: &At| match *at {
            At::Operation(k) => k == nth,
            At::Nth(named, k) => named == verb && k == nth_of_verb,
            At::Every(named) => named == verb,
            At::All => true,
        };
        let faults = lines.faults.iter().filter(|(at, _)| is_meant(at));
        let gates = lines.gates.iter().filter(|(at, ..)| is_meant(at));
        Ok(Cue {
            verb,
            faults: faults.map(|&(_, fault)| fault).collect(),
            gates: gates
                .map(|(_, side, gate)| (*side, Arc::clone(gate)))
                .collect(),
        })
    }

    /// Runs an operation as the script says. The work inside exists already, unpolled: dropping it
    /// is what its *Cancel* says, so a piece that failed leaves a message that cannot be committed.
    async fn run<T>(&self, verb: Verb, work: Work<'_, T>) -> Result<T, StoreError> {
        let cue = self.begin(verb)?;
        cue.pass(Side::Before).await?;
        let answer = work.await?;
        cue.pass(Side::After).await?;
        Ok(answer)
    }
}

impl Cue {
    async fn pass(&self, here: Side) -> Result<(), StoreError> {
        for (side, gate) in &self.gates {
            if *side == here {
                gate.pass().await;
            }
        }
        for fault in &self.faults {
            match (*fault, here) {
                (Fault::Before(kind), Side::Before) | (Fault::After(kind), Side::After) => {
                    return Err(StoreError::new(kind, self.verb.as_str()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Faulty {
    /// Wraps a store.
    pub fn new(inner: Arc<dyn Store>, script: &Script) -> Self {
        Self {
            inner,
            script: script.clone(),
        }
    }

    fn run<'a, T: Send + 'a>(&'a self, verb: Verb, work: Work<'a, T>) -> Work<'a, T> {
        Box::pin(self.script.run(verb, work))
    }
}

impl Workers for Faulty {
    fn note(&self, worker: String) -> Work<'_, Option<Vec<u8>>> {
        self.run(Verb::Note, self.inner.note(worker))
    }

    fn put_note(&self, worker: String, note: Vec<u8>) -> Work<'_, ()> {
        self.run(Verb::PutNote, self.inner.put_note(worker, note))
    }
}

impl Administrators for Faulty {
    fn administrators(&self) -> Work<'_, Vec<Administrator>> {
        self.run(Verb::Administrators, self.inner.administrators())
    }

    fn administrator(&self, name: AdminName) -> Work<'_, Option<Administrator>> {
        self.run(Verb::Administrator, self.inner.administrator(name))
    }

    fn put_administrator(&self, administrator: Administrator) -> Work<'_, ()> {
        let put = self.inner.put_administrator(administrator);
        self.run(Verb::PutAdministrator, put)
    }

    fn remove_administrator(&self, name: AdminName) -> Work<'_, ()> {
        let remove = self.inner.remove_administrator(name);
        self.run(Verb::RemoveAdministrator, remove)
    }

    fn tokens(&self) -> Work<'_, Vec<Token>> {
        self.run(Verb::Tokens, self.inner.tokens())
    }

    fn token(&self, id: TokenId) -> Work<'_, Option<Token>> {
        self.run(Verb::Token, self.inner.token(id))
    }

    fn put_token(&self, token: Token) -> Work<'_, ()> {
        self.run(Verb::PutToken, self.inner.put_token(token))
    }

    fn remove_token(&self, id: TokenId) -> Work<'_, ()> {
        self.run(Verb::RemoveToken, self.inner.remove_token(id))
    }
}

impl Audit for Faulty {
    fn put_audit(&self, record: AuditRecord, kept_for: Duration) -> Work<'_, ()> {
        self.run(Verb::PutAudit, self.inner.put_audit(record, kept_for))
    }

    fn audit(&self, span: AuditSpan) -> Work<'_, Vec<AuditRecord>> {
        self.run(Verb::Audit, self.inner.audit(span))
    }
}

impl Usages for Faulty {
    fn usage(&self, account: AccountId) -> Work<'_, UsageNotes> {
        self.run(Verb::Usage, self.inner.usage(account))
    }

    fn put_brought(&self, account: AccountId, writer: Writer, brought: Usage) -> Work<'_, ()> {
        let put = self.inner.put_brought(account, writer, brought);
        self.run(Verb::PutBrought, put)
    }

    fn put_counted(&self, account: AccountId, counted: Counted) -> Work<'_, ()> {
        let put = self.inner.put_counted(account, counted);
        self.run(Verb::PutCounted, put)
    }
}

impl Traces for Faulty {
    fn record(&self, events: Arc<[TraceEvent]>, keep: Duration) -> Work<'_, ()> {
        self.run(Verb::Record, self.inner.record(events, keep))
    }

    fn find_traces(&self, query: TraceQuery) -> Work<'_, Vec<TraceEvent>> {
        self.run(Verb::FindTraces, self.inner.find_traces(query))
    }

    fn expire_traces(&self, before: UnixTime) -> Work<'_, ()> {
        self.run(Verb::ExpireTraces, self.inner.expire_traces(before))
    }
}

impl Accounts for Faulty {
    fn domains(&self) -> Work<'_, Vec<DomainEntry>> {
        self.run(Verb::Domains, self.inner.domains())
    }

    fn domain(&self, name: Domain) -> Work<'_, Option<DomainEntry>> {
        self.run(Verb::Domain, self.inner.domain(name))
    }

    fn put_domain(&self, entry: DomainEntry) -> Work<'_, ()> {
        self.run(Verb::PutDomain, self.inner.put_domain(entry))
    }

    fn remove_domain(&self, name: Domain) -> Work<'_, ()> {
        self.run(Verb::RemoveDomain, self.inner.remove_domain(name))
    }

    fn resolve(&self, address: Address) -> Work<'_, Option<AddressEntry>> {
        self.run(Verb::Resolve, self.inner.resolve(address))
    }

    fn addresses(
        &self,
        domain: Domain,
        filter: AddressFilter,
        after: Option<LocalPart>,
        limit: usize,
    ) -> Work<'_, Vec<(Address, AddressEntry)>> {
        let page = self.inner.addresses(domain, filter, after, limit);
        self.run(Verb::Addresses, page)
    }

    fn create_account(&self, new: NewAccount) -> Work<'_, AccountId> {
        self.run(Verb::CreateAccount, self.inner.create_account(new))
    }

    fn remove_account(&self, address: Address) -> Work<'_, ()> {
        self.run(Verb::RemoveAccount, self.inner.remove_account(address))
    }

    fn account(&self, id: AccountId) -> Work<'_, Option<(Profile, Credentials)>> {
        self.run(Verb::Account, self.inner.account(id))
    }

    fn put_credentials(&self, id: AccountId, credentials: Credentials) -> Work<'_, ()> {
        let put = self.inner.put_credentials(id, credentials);
        self.run(Verb::PutCredentials, put)
    }

    fn upgrade_credentials(
        &self,
        id: AccountId,
        from: Credentials,
        to: Credentials,
    ) -> Work<'_, ()> {
        let upgrade = self.inner.upgrade_credentials(id, from, to);
        self.run(Verb::UpgradeCredentials, upgrade)
    }

    fn put_profile(&self, id: AccountId, profile: Profile) -> Work<'_, ()> {
        self.run(Verb::PutProfile, self.inner.put_profile(id, profile))
    }

    fn put_alias(&self, address: Address, targets: Vec<Address>) -> Work<'_, ()> {
        self.run(Verb::PutAlias, self.inner.put_alias(address, targets))
    }

    fn remove_alias(&self, address: Address) -> Work<'_, ()> {
        self.run(Verb::RemoveAlias, self.inner.remove_alias(address))
    }

    fn records(
        &self,
        after: Option<Address>,
        limit: usize,
    ) -> Work<'_, Vec<(Address, AddressEntry)>> {
        self.run(Verb::Records, self.inner.records(after, limit))
    }

    fn adopt(&self, address: Address, adoption: Adoption) -> Work<'_, ()> {
        self.run(Verb::Adopt, self.inner.adopt(address, adoption))
    }
}

impl Maildrops for Faulty {
    fn begin(&self, id: MessageId) -> Work<'_, Box<dyn MessageWriter>> {
        let begin = self.run(Verb::Begin, self.inner.begin(id));
        Box::pin(async {
            let writer = FaultyWriter {
                inner: begin.await?,
                script: self.script.clone(),
            };
            Ok(Box::new(writer) as Box<dyn MessageWriter>)
        })
    }

    fn list(&self, account: AccountId) -> Work<'_, Vec<Entry>> {
        self.run(Verb::List, self.inner.list(account))
    }

    fn open(&self, account: AccountId, id: MessageId) -> Work<'_, Box<dyn BodyReader>> {
        let open = self.run(Verb::Open, self.inner.open(account, id));
        Box::pin(async {
            let reader = FaultyReader {
                inner: open.await?,
                script: self.script.clone(),
            };
            Ok(Box::new(reader) as Box<dyn BodyReader>)
        })
    }

    fn remove(
        &self,
        account: AccountId,
        ids: Vec<MessageId>,
        patience: Patience,
    ) -> Work<'_, Removed> {
        let remove = self.inner.remove(account, ids, patience);
        self.run(Verb::Remove, remove)
    }
}

struct FaultyWriter {
    inner: Box<dyn MessageWriter>,
    script: Script,
}

impl MessageWriter for FaultyWriter {
    fn write(&mut self, piece: Bytes) -> Work<'_, ()> {
        Box::pin(self.script.run(Verb::Write, self.inner.write(piece)))
    }

    fn held(&self) -> usize {
        self.inner.held()
    }

    fn commit(self: Box<Self>, delivery: Delivery, patience: Patience) -> Work<'static, Stored> {
        let Self { inner, script } = *self;
        let commit = inner.commit(delivery, patience);
        Box::pin(async move { script.run(Verb::Commit, commit).await })
    }
}

struct FaultyReader {
    inner: Box<dyn BodyReader>,
    script: Script,
}

impl BodyReader for FaultyReader {
    fn next(&mut self) -> Work<'_, Option<Bytes>> {
        Box::pin(self.script.run(Verb::Next, self.inner.next()))
    }
}

impl Store for Faulty {
    fn health(&self) -> Health {
        if let Some(why) = self.script.poison.0.borrow().clone() {
            return Health::Poisoned(why);
        }
        let scripted = self.script.lines().health.clone();
        scripted.unwrap_or_else(|| self.inner.health())
    }

    fn poisoned(&self) -> Pin<Box<dyn Future<Output = StoreError> + Send + '_>> {
        let mut poison = self.script.poison.0.subscribe();
        Box::pin(async move {
            let scripted = async {
                let why = poison.wait_for(Option::is_some).await;
                why.ok().and_then(|why| why.clone()).unwrap_or_default()
            };
            tokio::select! {
                error = self.inner.poisoned() => error,
                why = scripted => {
                    let engine = ErrorKind::Unavailable(Reason::Engine);
                    StoreError::caused(engine, "go on", why)
                }
            }
        })
    }

    fn close(&self) -> Work<'_, ()> {
        self.run(Verb::Close, self.inner.close())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;

    fn faulty() -> (Faulty, Script) {
        let script = Script::new();
        let store = Faulty::new(Arc::new(MemoryStore::new()), &script);
        (store, script)
    }

    async fn put(store: &Faulty, name: &str) -> Result<(), ErrorKind> {
        let entry = DomainEntry::new(name.parse().unwrap());
        let put = store.put_domain(entry).await;
        put.map_err(|error| error.kind())
    }

    async fn names(store: &Faulty) -> Vec<String> {
        let domains = store.domains().await.unwrap();
        domains.iter().map(|entry| entry.name.to_string()).collect()
    }

    #[tokio::test]
    async fn a_fault_before_leaves_nothing_and_one_after_leaves_the_effect() {
        let (store, script) = faulty();
        let engine = ErrorKind::Unavailable(Reason::Engine);
        script.fail(At::Operation(1), Fault::Before(engine));
        let unknown = ErrorKind::Indeterminate;
        script.fail(At::Nth(Verb::PutDomain, 2), Fault::After(unknown));
        assert_eq!(put(&store, "a.example").await, Err(engine));
        assert_eq!(put(&store, "b.example").await, Err(unknown));
        assert_eq!(put(&store, "c.example").await, Ok(()));
        assert_eq!(names(&store).await, ["b.example", "c.example"]);
        assert_eq!(script.operations(), 4);
        assert_eq!(script.operations_of(Verb::PutDomain), 3);
    }

    #[tokio::test]
    async fn restarting_ends_the_faults_and_the_count() {
        let (store, script) = faulty();
        let engine = ErrorKind::Unavailable(Reason::Engine);
        script.fail(At::All, Fault::Before(engine));
        assert_eq!(put(&store, "a.example").await, Err(engine));
        script.restart();
        assert_eq!(put(&store, "a.example").await, Ok(()));
        assert_eq!(script.operations(), 1);
    }

    #[tokio::test]
    async fn a_gate_holds_an_operation_until_it_is_opened() {
        for (side, seen) in [(Side::Before, 0), (Side::After, 1)] {
            let (store, script) = faulty();
            let gate = script.hold(At::Every(Verb::PutDomain), side);
            let held = store.clone();
            let task = tokio::spawn(async move { put(&held, "a.example").await });
            gate.reached().await;
            assert_eq!(names(&store).await.len(), seen);
            assert!(!task.is_finished());
            gate.open();
            assert_eq!(task.await.unwrap(), Ok(()));
            assert_eq!(put(&store, "b.example").await, Ok(()), "open for all");
        }
    }

    #[tokio::test]
    async fn a_piece_that_failed_leaves_a_message_that_cannot_be_committed() {
        let (store, script) = faulty();
        let engine = ErrorKind::Unavailable(Reason::Engine);
        script.fail(At::Every(Verb::Write), Fault::Before(engine));
        let id = MessageId::from_key([1; 16]);
        let mut writer = store.begin(id).await.unwrap();
        let piece = Bytes::from_static(b"piece");
        assert!(writer.write(piece.clone()).await.is_err());
        script.restart();
        writer.write(piece).await.unwrap();
        let delivery = Delivery {
            reverse_path: cassmail_mail::ReversePath::Null,
            received_at: id.minted_at(),
            surrogate_size: None,
            owners: Vec::new(),
        };
        let patience = Patience(Duration::from_secs(1));
        assert!(writer.commit(delivery, patience).await.is_err());
    }

    #[tokio::test]
    async fn a_poisoned_store_says_so_and_refuses_everything() {
        let (store, script) = faulty();
        let waiting = store.clone();
        let task = tokio::spawn(async move { waiting.poisoned().await });
        tokio::task::yield_now().await;
        assert!(!task.is_finished());
        script.poison("the disk is gone");
        let error = task.await.unwrap();
        assert!(format!("{error:?}").contains("the disk is gone"));
        let health = Health::Poisoned("the disk is gone".into());
        assert_eq!(store.health(), health);
        let engine = ErrorKind::Unavailable(Reason::Engine);
        assert_eq!(put(&store, "a.example").await, Err(engine));
    }

    #[tokio::test]
    async fn health_is_what_the_script_says() {
        let (store, script) = faulty();
        assert_eq!(store.health(), Health::Well);
        let degraded = Health::Degraded("one data center is away".into());
        script.set_health(Some(degraded.clone()));
        assert_eq!(store.health(), degraded);
        script.set_health(None);
        assert_eq!(store.health(), Health::Well);
    }
}
