//! The worker that removes what is due.
//!
//! A pass walks over all address records page by page, so it can be ended after any page and goes
//! on behind it, on this node or another one. Removal is that of QUIT: it can be repeated, and two
//! nodes that remove the same are harmless. Whatever fails, the message stays until a later pass.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use cassmail_mail::{AccountId, Address, Domain, Entry, MessageId, UnixTime};
use cassmail_store::{
    AccountState, AddressEntry, DomainEntry, Patience, Profile, Quota, Remover, Retention, Store,
    StoreError,
};
use cassmail_telemetry::{Metrics, Outcome, chain, event};
use cassmail_wire::Moment;

use super::lease::{Note, Turn};
use super::rule::{Limits, Retaining, RetentionMode, RetentionOptions};
use crate::clock::Clock;
use crate::maildrop::removals;
use crate::quota::{Inventory, QuotaLimits, Quotas};
use crate::recorder::Recorder;

/// Under which name the note is kept.
const NAME: &str = "retention";

/// So many address records are one page.
const PAGE: usize = 100;

/// So many messages are removed by one call.
const AT_ONCE: usize = 100;

/// How long a call may take.
const PATIENCE: Patience = Patience(Duration::from_mins(1));

/// How long the worker rests when the store failed.
const AFTER_A_FAULT: Duration = Duration::from_mins(5);

/// The wall clock may run so much ahead of the other one, or behind. More is no drift: somebody has
/// set it, and what it says of the age of mail may be wrong by years.
const DRIFT: Duration = Duration::from_hours(1);

/// Removes what is due.
pub struct Janitor {
    store: Arc<dyn Store>,
    quotas: Arc<Quotas>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    options: RetentionOptions,
    recorder: Option<Arc<Recorder>>,
    /// Tells this process from others that share the store.
    node: u64,
    /// Both clocks at the start.
    began: (Moment, UnixTime),
}

/// What a pass, or a part of one, did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// Accounts that were looked at.
    pub accounts: u64,
    /// Messages that were due.
    pub due: u64,
    /// Messages that were removed.
    pub removed: u64,
    /// Accounts of which something failed.
    pub failed: u64,
}

/// What is due of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Whose it is.
    pub address: Address,
    /// The rule, as it is kept.
    pub limits: Limits,
    /// How many messages there are.
    pub messages: usize,
    /// Those that are due.
    pub ids: Vec<MessageId>,
}

/// An account that is in service, with its rule.
struct Found {
    id: AccountId,
    address: Address,
    rule: Retaining,
    quota: QuotaLimits,
}

/// What a domain says of its accounts.
#[derive(Clone, Copy, Default)]
struct OfDomain {
    retention: Retention,
    quota: Quota,
}

impl OfDomain {
    fn of(entry: DomainEntry) -> (Domain, Self) {
        let of_domain = Self {
            retention: entry.retention,
            quota: entry.quota,
        };
        (entry.name, of_domain)
    }
}

impl Janitor {
    /// A worker over a store; `node` tells it from those of other processes.
    pub fn new(
        store: Arc<dyn Store>,
        quotas: Arc<Quotas>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        options: RetentionOptions,
        node: u64,
    ) -> Self {
        let began = (clock.now(), clock.wall());
        Self {
            store,
            quotas,
            clock,
            metrics,
            options,
            recorder: None,
            node,
            began,
        }
    }

    /// Records what becomes of messages; else nothing is recorded.
    #[must_use]
    pub fn recorded_by(self, recorder: Option<Arc<Recorder>>) -> Self {
        Self { recorder, ..self }
    }

    /// The least days that any rule may have.
    pub fn shortest_days(&self) -> NonZeroU32 {
        self.options.shortest.0
    }

    /// Works until it is dropped, which is safe at any point: a page that was not finished is done
    /// again.
    pub async fn run(&self) {
        if self.options.mode == RetentionMode::Off {
            return;
        }
        let mut total = Passed::default();
        loop {
            let rest = match self.step(&mut total).await {
                Ok(rest) => rest,
                Err(error) => {
                    tracing::warn!(event = event::RETENTION_FAILED, error = %chain(&error));
                    AFTER_A_FAULT
                }
            };
            self.clock.sleep(rest).await;
        }
    }

    /// Does a page, or finds that there is nothing to do for so long.
    pub async fn step(&self, total: &mut Passed) -> Result<Duration, StoreError> {
        let now = self.clock.wall();
        if self.clock_was_set() {
            let text = "the clock of this machine was set while the service ran, so nothing is \
                        removed; start the service again when the time is right";
            tracing::error!(event = event::RETENTION_FAILED, "{text}");
            return Ok(AFTER_A_FAULT);
        }
        let note = self.store.note(NAME.to_owned()).await?;
        let note = Note::decode(&note.unwrap_or_default());
        let after = match note.turn(self.node, now, self.options.every) {
            Turn::Rest(rest) => return Ok(rest),
            Turn::Work(after) => after,
        };
        // Taken before the work is done, so that others let us.
        self.take(after.as_ref(), None).await?;
        let domains = self.domains().await?;
        let page = self.store.records(after, PAGE).await?;
        let last = page.last().map(|(address, _)| address.clone());
        for (address, entry) in page {
            if let AddressEntry::Account { id, .. } = entry {
                self.look_after(id, &address, &domains, total).await;
                self.pace().await;
            }
        }
        match last {
            Some(last) => self.take(Some(&last), None).await?,
            None => self.end(total).await?,
        }
        Ok(Duration::ZERO)
    }

    /// What is due of a page of a domain's accounts: nothing is removed. Also where no rule is
    /// kept, for an operator who is about to keep one.
    pub async fn due(&self, domain: &Domain, page: Vec<Address>) -> Result<Vec<Due>, StoreError> {
        let entry = self.store.domain(domain.clone()).await?;
        let domains = entry.map(OfDomain::of).into_iter().collect();
        let mut all = Vec::new();
        for address in page {
            let Some(AddressEntry::Account { id, .. }) = self.store.resolve(address).await? else {
                continue;
            };
            if let Some(found) = self.find(id, &domains).await? {
                let entries = self.store.list(found.id).await?;
                all.push(self.due_of(found, &entries));
            }
        }
        Ok(all)
    }

    /// Whether the wall clock and the other one have gone apart.
    fn clock_was_set(&self) -> bool {
        let (moment, wall) = self.began;
        let passed = self.clock.now().since(moment);
        let by_the_wall = self.clock.wall();
        let ahead = by_the_wall.since(wall).saturating_sub(passed);
        let behind = passed.saturating_sub(by_the_wall.since(wall));
        ahead.max(behind) > DRIFT
    }

    async fn domains(&self) -> Result<HashMap<Domain, OfDomain>, StoreError> {
        let domains = self.store.domains().await?.into_iter();
        Ok(domains.map(OfDomain::of).collect())
    }

    /// Looks at one account. What fails is told and left for a later pass.
    async fn look_after(
        &self,
        id: AccountId,
        address: &Address,
        domains: &HashMap<Domain, OfDomain>,
        total: &mut Passed,
    ) {
        total.accounts += 1;
        if let Err(error) = self.tidy(id, domains, total).await {
            total.failed += 1;
            tracing::warn!(
                event = event::RETENTION_FAILED, user = %address, error = %chain(&error)
            );
        }
    }

    async fn tidy(
        &self,
        id: AccountId,
        domains: &HashMap<Domain, OfDomain>,
        total: &mut Passed,
    ) -> Result<(), StoreError> {
        let Some(found) = self.find(id, domains).await? else {
            return Ok(());
        };
        if found.rule.keeps_all() {
            return Ok(());
        }
        let (limits, basis) = (found.quota, self.quotas.before_listing(id));
        let entries = self.store.list(id).await?;
        let mut inventory = self.quotas.listed(id, limits, basis, &entries);
        let due = self.due_of(found, &entries);
        total.due += due.ids.len() as u64;
        if due.ids.is_empty() {
            return Ok(());
        }
        let removes = self.options.mode == RetentionMode::Remove;
        tracing::info!(
            event = event::RETENTION_DUE, user = %due.address, messages = due.messages,
            due = due.ids.len(), removes
        );
        if removes {
            self.remove(id, &due, inventory.as_mut(), total).await?;
        }
        Ok(())
    }

    async fn remove(
        &self,
        id: AccountId,
        due: &Due,
        mut inventory: Option<&mut Inventory>,
        total: &mut Passed,
    ) -> Result<(), StoreError> {
        for some in due.ids.chunks(AT_ONCE) {
            let removed = self.store.remove(id, some.to_vec(), PATIENCE).await;
            let outcome = match &removed {
                Ok(_) => Outcome::Ok,
                Err(_) => Outcome::Failed,
            };
            self.metrics.retention_removed(outcome, some.len());
            if let Some(inventory) = &mut inventory {
                self.quotas.removed(inventory, some, outcome);
            }
            total.removed += removed?.count() as u64;
            if let Some(recorder) = &self.recorder {
                let removals = removals(some, id, &due.address, Remover::Retention);
                removals.for_each(|removed| recorder.by_itself(removed));
            }
            self.pace().await;
        }
        Ok(())
    }

    /// The account with its rule. One that is out of service keeps what is there.
    async fn find(
        &self,
        id: AccountId,
        domains: &HashMap<Domain, OfDomain>,
    ) -> Result<Option<Found>, StoreError> {
        let Some((profile, _)) = self.store.account(id).await? else {
            return Ok(None);
        };
        let Profile {
            address,
            state,
            retention,
            quota,
            ..
        } = profile;
        let domain = domains.get(address.domain()).copied().unwrap_or_default();
        let is_in_service = state == AccountState::Enabled;
        Ok(is_in_service.then_some(Found {
            id,
            address,
            rule: self.options.of(domain.retention, retention),
            quota: self.quotas.limits(quota.over(domain.quota)),
        }))
    }

    fn due_of(&self, found: Found, entries: &[Entry]) -> Due {
        Due {
            address: found.address,
            limits: found.rule.limits(),
            messages: entries.len(),
            ids: found.rule.due(entries, self.clock.wall()),
        }
    }

    async fn take(
        &self,
        after: Option<&Address>,
        ended_at: Option<UnixTime>,
    ) -> Result<(), StoreError> {
        let note = Note {
            holder: self.node,
            at: self.clock.wall().as_micros(),
            after: after.map(ToString::to_string),
            ended_at: ended_at.map(UnixTime::as_micros),
        };
        let put = self.store.put_note(NAME.to_owned(), note.encode());
        put.await
    }

    async fn end(&self, total: &mut Passed) -> Result<(), StoreError> {
        let now = self.clock.wall();
        self.take(None, Some(now)).await?;
        let Passed {
            accounts,
            due,
            removed,
            failed,
        } = std::mem::take(total);
        self.metrics.retention_passed(now.as_micros() / 1_000_000);
        tracing::info!(
            event = event::RETENTION_PASSED,
            accounts,
            due,
            removed,
            failed
        );
        Ok(())
    }

    async fn pace(&self) {
        let second = Duration::from_secs(1);
        let pause = second / self.options.accounts_per_second.max(1);
        self.clock.sleep(pause).await;
    }
}
