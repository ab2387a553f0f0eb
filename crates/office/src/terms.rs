//! What the domain of an account says of it: how long mail stays at least, as an account is told it
//! (EXPIRE, RFC 2449 6.7), and how much it may have.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cassmail_mail::Domain;
use cassmail_store::{Quota, Retention, Store, StoreError};
use cassmail_wire::Moment;

use crate::clock::Clock;
use crate::login::LoggedIn;
use crate::retention::RetentionOptions;

/// How long the rule of a domain is believed, so that polls do not ask for it.
const BELIEF: Duration = Duration::from_secs(30);

/// Of more domains all are forgotten.
const MOST: usize = 10_000;

/// What a domain says of its accounts.
#[derive(Debug, Clone, Copy, Default)]
struct OfDomain {
    retention: Retention,
    quota: Quota,
}

/// Tells what holds for accounts.
pub(crate) struct Terms {
    options: RetentionOptions,
    domains: Mutex<HashMap<Domain, (OfDomain, Moment)>>,
}

impl Terms {
    pub(crate) fn new(options: RetentionOptions) -> Self {
        Self {
            options,
            domains: Mutex::default(),
        }
    }

    /// For how many days at least the account's mail stays; none: for good.
    pub(crate) async fn days_of(
        &self,
        store: &Arc<dyn Store>,
        clock: &dyn Clock,
        user: &LoggedIn,
    ) -> Result<Option<NonZeroU32>, StoreError> {
        if self.options.least_days().is_none() {
            return Ok(None);
        }
        let domain = self.of_domain(store, clock, user.address.domain()).await?;
        Ok(self.options.days_of(domain.retention, user.retention))
    }

    /// The account's own rule of how much it may have over that of its domain.
    pub(crate) async fn quota_of(
        &self,
        store: &Arc<dyn Store>,
        clock: &dyn Clock,
        user: &LoggedIn,
    ) -> Result<Quota, StoreError> {
        let domain = self.of_domain(store, clock, user.address.domain()).await?;
        Ok(user.quota.over(domain.quota))
    }

    async fn of_domain(
        &self,
        store: &Arc<dyn Store>,
        clock: &dyn Clock,
        name: &Domain,
    ) -> Result<OfDomain, StoreError> {
        if let Some(known) = self.recall(name, clock.now()) {
            return Ok(known);
        }
        let entry = store.domain(name.clone()).await?;
        let found = entry.map(|entry| OfDomain {
            retention: entry.retention,
            quota: entry.quota,
        });
        let found = found.unwrap_or_default();
        self.keep(name.clone(), found, clock.now());
        Ok(found)
    }

    fn recall(&self, name: &Domain, now: Moment) -> Option<OfDomain> {
        let domains = self.domains.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, since) = domains.get(name)?;
        (now.since(*since) < BELIEF).then_some(*known)
    }

    fn keep(&self, name: Domain, found: OfDomain, now: Moment) {
        let mut domains = self.domains.lock().unwrap_or_else(PoisonError::into_inner);
        if domains.len() >= MOST {
            domains.clear();
        }
        domains.insert(name, (found, now));
    }
}
