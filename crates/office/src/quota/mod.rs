//! How much mail an account may have, and how much it has.
//!
//! Near the truth, and cheap: a listing is the truth, and whoever has made one notes what it
//! showed; every node notes what it has brought since, and adds what the others noted. So a
//! delivery asks nobody, as long as this node has asked lately and has taken less than a twentieth
//! of the limit since. Before a message is refused, and when four fifths are used, the maildrop is
//! listed.
//!
//! Quota is policy, not safety. It refuses before a message is acknowledged and never after; what
//! cannot be known is taken. With n nodes a mailbox can exceed its limit by at most n times a
//! twentieth of it, and by the messages that are being taken at that moment, one for each session;
//! by more only while the notes can be neither written nor read.

mod inventory;
mod known;
mod recount;
mod rule;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cassmail_mail::{AccountId, Entry, MessageId};
use cassmail_smtp::server::NoRoom;
use cassmail_store::{ErrorKind, Quota, Store, StoreError, StoreResult, Usage, Writer};
use cassmail_telemetry::{Metrics, Outcome, chain, event};
use tokio::task::JoinSet;

use crate::clock::Clock;
pub(crate) use inventory::Inventory;
pub(crate) use known::Basis;
use known::{Known, Needs, Owed};
pub use recount::{Recounted, Recounting, recount};
pub use rule::{FullForLong, Fullness, QuotaLimits};

/// How quotas are kept.
#[derive(Debug, Clone)]
pub struct QuotaOptions {
    /// The limits where neither domain nor account has its own.
    pub standard: QuotaLimits,
    /// When a full mailbox is refused for good.
    pub for_good: FullForLong,
    /// How long it is believed what other nodes have noted.
    pub belief: Duration,
    /// How often this node notes what it has brought.
    pub every: Duration,
    /// Under which name it notes that; no other process that runs has it.
    pub writer: Writer,
    /// How many maildrops are remembered.
    pub remembered: usize,
}

/// An account that gets a message, with what it may have otherwise than the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receiver {
    /// Whose maildrop it is.
    pub account: AccountId,
    /// The account's own rule over that of its domain.
    pub quota: Quota,
}

/// A message on its way to an account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Incoming {
    pub(crate) receiver: Receiver,
    /// As its owner is given it.
    pub(crate) octets: u64,
}

/// How full a maildrop is, by the notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// Its limits.
    pub limits: QuotaLimits,
    /// What is used; none if it was never counted.
    pub used: Option<Usage>,
}

/// Keeps quotas, for all sessions of a process.
pub struct Quotas {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    options: QuotaOptions,
    known: Mutex<HashMap<AccountId, Known>>,
}

/// Messages that are on their way into the store and have their room.
pub(crate) struct Reserved {
    quotas: Arc<Quotas>,
    messages: Vec<(AccountId, Usage)>,
}

/// What asking and counting before a message is judged came to.
enum Judged {
    Fits,
    No(NoRoom),
}

/// So many maildrops are noted at once.
const AT_ONCE: usize = 16;

/// So often a maildrop is asked for before it is taken to be one that nobody can know.
const TRIES: usize = 4;

impl Filled {
    /// How near the limits it is.
    pub fn fullness(&self) -> Fullness {
        self.limits.fullness(self.used.unwrap_or_default())
    }
}

impl Quotas {
    /// Quotas of accounts in a store.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        options: QuotaOptions,
    ) -> Self {
        Self {
            store,
            clock,
            metrics,
            options,
            known: Mutex::default(),
        }
    }

    /// The limits of an account, by its own rule over that of its domain.
    pub fn limits(&self, quota: Quota) -> QuotaLimits {
        self.options.standard.under(quota)
    }

    /// Whether any of the accounts that an address leads to has room for a message of so many
    /// octets; zero if that is not known yet. If none has, why the one has not that may have it
    /// soonest.
    pub(crate) async fn room(&self, receivers: &[Receiver], octets: u64) -> Result<(), NoRoom> {
        let mut worst = None;
        for &receiver in receivers {
            match self.judge(Incoming { receiver, octets }, |_| {}).await {
                Judged::Fits => return Ok(()),
                Judged::No(why) => worst = worst.min_of(why),
            }
        }
        worst.map_or(Ok(()), |why| {
            self.metrics.quota_refusals_total.inc();
            Err(why)
        })
    }

    /// Takes room for a message, if any of its owners has it; then for all, since all get it.
    pub(crate) async fn reserve(
        self: &Arc<Self>,
        incoming: &[Incoming],
    ) -> Result<Reserved, NoRoom> {
        let mut reserved = Reserved {
            quotas: Arc::clone(self),
            messages: Vec::new(),
        };
        let mut without = Vec::new();
        let mut worst = None;
        let mut is_taken = false;
        for &one in incoming {
            let message = Usage::of_one(one.octets);
            match self.judge(one, |known| known.set_out(message)).await {
                Judged::Fits if self.limits(one.receiver.quota).are_none() => is_taken = true,
                Judged::Fits => {
                    is_taken = true;
                    reserved.messages.push((one.receiver.account, message));
                }
                Judged::No(why) => {
                    without.push((one.receiver.account, message));
                    worst = worst.min_of(why);
                }
            }
        }
        if let (false, Some(why)) = (is_taken, worst) {
            self.metrics.quota_refusals_total.inc();
            return Err(why);
        }
        let mut all = self.lock();
        for (account, message) in without {
            if let Some(known) = all.get_mut(&account) {
                known.set_out(message);
                reserved.messages.push((account, message));
            }
        }
        drop(all);
        Ok(reserved)
    }

    /// What had been brought when a listing begins.
    pub(crate) fn before_listing(&self, account: AccountId) -> Basis {
        let all = self.lock();
        let known = all.get(&account);
        known.map_or_else(Basis::default, |known| known.basis(self.options.writer))
    }

    /// A listing that began on this basis showed what is there. Gives what a removal after it needs
    /// to be counted; nothing for an account without limits.
    pub(crate) fn listed(
        &self,
        account: AccountId,
        limits: QuotaLimits,
        basis: Basis,
        entries: &[Entry],
    ) -> Option<Inventory> {
        if limits.are_none() {
            return None;
        }
        let inventory = Inventory::of(account, limits, basis, entries);
        self.noted_as(&inventory);
        Some(inventory)
    }

    /// These were asked to be removed. If nobody knows whether they are, it is counted before
    /// anybody is refused.
    pub(crate) fn removed(&self, inventory: &mut Inventory, ids: &[MessageId], outcome: Outcome) {
        if outcome == Outcome::Failed {
            if let Some(known) = self.lock().get_mut(&inventory.account) {
                known.doubt();
            }
            return;
        }
        inventory.remove(ids);
        self.noted_as(inventory);
    }

    fn noted_as(&self, inventory: &Inventory) {
        let (usage, basis) = (inventory.usage(), inventory.basis.clone());
        let (account, limits) = (inventory.account, inventory.limits);
        let (now, at) = (self.clock.now(), self.clock.wall().as_micros());
        self.with(account, limits, |known| {
            known.count(self.options.writer, basis, usage, at, now);
        });
    }

    /// How full a maildrop is, by the notes: one read, where this node does not know it.
    ///
    /// # Errors
    /// The notes cannot be read.
    pub async fn filled(&self, receiver: Receiver) -> Result<Filled, StoreError> {
        let limits = self.limits(receiver.quota);
        let filled = |used| Filled { limits, used };
        if limits.are_none() {
            return Ok(filled(None));
        }
        let (own, now) = (self.options.writer, self.clock.now());
        let account = receiver.account;
        let belief = self.options.belief;
        let known = |known: &Known| known.used_now(own, now, belief);
        if let Some(used) = self.lock().get(&account).and_then(known) {
            return Ok(filled(Some(used)));
        }
        let mut notes = self.store.usage(account).await?;
        if let Some(known) = self.lock().get(&account) {
            known.correct(&mut notes, own);
        }
        Ok(filled(notes.estimate()))
    }

    /// How full a maildrop is: it is listed, and what is noted of it is mended.
    ///
    /// # Errors
    /// It cannot be listed.
    pub async fn counted(&self, receiver: Receiver) -> Result<Filled, StoreError> {
        let account = receiver.account;
        let limits = self.limits(receiver.quota);
        let basis = self.before_listing(account);
        let entries = self.store.list(account).await?;
        self.listed(account, limits, basis, &entries);
        let used = Some(Usage::of(&entries));
        Ok(Filled { limits, used })
    }

    /// Notes what there is to note, now and then, until it is dropped; call [`Quotas::flush`]
    /// afterwards.
    pub async fn run(self: Arc<Self>) {
        loop {
            self.clock.sleep(self.options.every).await;
            self.flush().await;
        }
    }

    /// Notes all that this node knows and the store does not. What fails is tried again.
    pub async fn flush(self: &Arc<Self>) {
        let owing: Vec<_> = {
            let all = self.lock();
            let owing = all.iter().filter(|(_, known)| known.owes());
            owing.map(|(account, _)| *account).collect()
        };
        let mut tasks = JoinSet::new();
        for account in owing {
            if tasks.len() >= AT_ONCE {
                tasks.join_next().await;
            }
            let quotas = Arc::clone(self);
            tasks.spawn(async move { quotas.note(account).await });
        }
        while tasks.join_next().await.is_some() {}
        self.measure();
    }

    async fn note(&self, account: AccountId) {
        let Some(turn) = self.turn(account) else {
            return;
        };
        let _turn = turn.lock_owned().await;
        if let Err(error) = self.tell(account).await {
            self.unknown(&error);
        }
    }

    /// Tells the others; what is not known of them yet is asked first.
    async fn tell(&self, account: AccountId) -> StoreResult<()> {
        let is_read = self.lock().get(&account).is_some_and(Known::is_read);
        if !is_read {
            self.exchange(account).await?;
        }
        self.write(account).await
    }

    /// Judges a message, after asking and counting where that is needed, and does something in the
    /// same step if it fits. What cannot be known fits.
    async fn judge(&self, incoming: Incoming, if_it_fits: impl FnOnce(&mut Known)) -> Judged {
        let Incoming { receiver, octets } = incoming;
        let limits = self.limits(receiver.quota);
        if limits.are_none() {
            return Judged::Fits;
        }
        if let Err(NoRoom::MessageTooLarge) = limits.judge(Usage::default(), octets) {
            return Judged::No(NoRoom::MessageTooLarge);
        }
        let account = receiver.account;
        if let Err(error) = self.get_ready(account, limits, octets).await {
            self.unknown(&error);
            self.with(account, limits, if_it_fits);
            return Judged::Fits;
        }
        let wall = self.clock.wall().as_micros();
        let judged = self.with(account, limits, |known| {
            let used = known.used(self.options.writer).unwrap_or_default();
            match limits.judge(used, octets) {
                Ok(()) => {
                    if_it_fits(known);
                    Judged::Fits
                }
                Err(NoRoom::Full) => {
                    let since = known.refused(used, wall);
                    Judged::No(self.full_or_longer(since, wall))
                }
                Err(why) => Judged::No(why),
            }
        });
        judged.unwrap_or(Judged::Fits)
    }

    fn full_or_longer(&self, since: u64, wall: u64) -> NoRoom {
        let FullForLong::After(long) = self.options.for_good else {
            return NoRoom::Full;
        };
        let full_for = Duration::from_micros(wall.saturating_sub(since));
        if full_for >= long {
            NoRoom::FullForLong
        } else {
            NoRoom::Full
        }
    }

    /// Asks and counts until it is known how full the maildrop is. Others may bring something in
    /// between; after a few tries it is judged by what is known.
    async fn get_ready(
        &self,
        account: AccountId,
        limits: QuotaLimits,
        octets: u64,
    ) -> StoreResult<()> {
        let own = self.options.writer;
        for _ in 0..TRIES {
            let needs = self.with(account, limits, |known| {
                known.needs(own, octets, self.clock.now(), self.options.belief)
            });
            if matches!(needs, None | Some(Needs::Nothing(_))) {
                return Ok(());
            }
            let Some(turn) = self.turn(account) else {
                return Ok(());
            };
            let _turn = turn.lock_owned().await;
            // Somebody may have done it meanwhile.
            let needs = self.with(account, limits, |known| {
                known.needs(own, octets, self.clock.now(), self.options.belief)
            });
            match needs {
                None | Some(Needs::Nothing(_)) => return Ok(()),
                Some(Needs::Notes) => self.exchange(account).await?,
                Some(Needs::Count) => {
                    self.exchange(account).await?;
                    self.count(account, limits).await?;
                }
            }
        }
        Ok(())
    }

    /// Tells the others what this node knows, and asks what they have noted.
    async fn exchange(&self, account: AccountId) -> StoreResult<()> {
        self.write(account).await?;
        let asked = self.lock().get(&account).map(Known::noted);
        let read = self.store.usage(account).await?;
        let now = self.clock.now();
        if let (Some(asked), Some(known)) = (asked, self.lock().get_mut(&account)) {
            known.take(self.options.writer, read, asked, now);
        }
        Ok(())
    }

    async fn write(&self, account: AccountId) -> StoreResult<()> {
        let owed = self.lock().get(&account).map(Known::owed);
        let owed = owed.unwrap_or_default();
        let Owed { brought, counted } = owed.clone();
        if let Some(brought) = brought {
            let put = self
                .store
                .put_brought(account, self.options.writer, brought);
            put.await?;
        }
        if let Some(counted) = counted {
            self.store.put_counted(account, counted).await?;
        }
        if let Some(known) = self.lock().get_mut(&account) {
            known.written(&owed);
        }
        Ok(())
    }

    async fn count(&self, account: AccountId, limits: QuotaLimits) -> StoreResult<()> {
        let basis = self.before_listing(account);
        let entries = self.store.list(account).await?;
        self.metrics.quota_counts_total.inc();
        self.listed(account, limits, basis, &entries);
        Ok(())
    }

    fn turn(&self, account: AccountId) -> Option<Arc<tokio::sync::Mutex<()>>> {
        let all = self.lock();
        all.get(&account).map(|known| Arc::clone(&known.turn))
    }

    /// Does something with what is known of a maildrop; nothing if there is no room to know more.
    fn with<T>(
        &self,
        account: AccountId,
        limits: QuotaLimits,
        step: impl FnOnce(&mut Known) -> T,
    ) -> Option<T> {
        let mut all = self.lock();
        if !all.contains_key(&account) && all.len() >= self.options.remembered {
            all.retain(|_, known| known.is_busy());
            if all.len() >= self.options.remembered {
                return None;
            }
        }
        let known = all.entry(account).or_default();
        known.limits = limits;
        Some(step(known))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unknown(&self, error: &StoreError) {
        self.metrics.quota_unknown_total.inc();
        tracing::warn!(event = event::QUOTA_UNKNOWN, error = %chain(error));
    }

    /// Of how many maildrops this node knows that they are full, or nearly.
    fn measure(&self) {
        let own = self.options.writer;
        let all = self.lock();
        let count = |wanted| all.values().filter(|k| k.fullness(own) == wanted).count();
        let (nearly, full) = (count(Fullness::Nearly), count(Fullness::Full));
        drop(all);
        self.metrics.quota_fullness(nearly, full);
    }
}

impl Reserved {
    /// The store has answered: what may have been stored counts.
    pub(crate) fn settle<T>(mut self, stored: &StoreResult<T>) {
        let may_be_there = match stored {
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::Indeterminate,
        };
        self.end(may_be_there);
    }

    fn end(&mut self, may_be_there: bool) {
        let mut all = self.quotas.lock();
        for (account, message) in self.messages.drain(..) {
            let Some(known) = all.get_mut(&account) else {
                continue;
            };
            if may_be_there {
                known.arrived(message);
            } else {
                known.turned_back(message);
            }
        }
    }
}

impl Drop for Reserved {
    /// Nobody heard the store's answer.
    fn drop(&mut self) {
        self.end(true);
    }
}

/// The refusal that may pass soonest.
trait MinOf {
    fn min_of(self, other: NoRoom) -> Self;
}

impl MinOf for Option<NoRoom> {
    fn min_of(self, other: NoRoom) -> Self {
        Some(self.map_or(other, |one| one.min(other)))
    }
}
