//! How long mail stays at least, as an account is told it (EXPIRE, RFC 2449 6.7).

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cassmail_mail::Domain;
use cassmail_store::{Retention, Store, StoreError};
use cassmail_wire::Moment;

use crate::clock::Clock;
use crate::login::LoggedIn;
use crate::retention::RetentionOptions;

/// How long the rule of a domain is believed, so that polls do not ask for it.
const BELIEF: Duration = Duration::from_secs(30);

/// Of more domains all are forgotten.
const MOST: usize = 10_000;

/// Tells accounts how long their mail stays.
pub(crate) struct Terms {
    options: RetentionOptions,
    domains: Mutex<HashMap<Domain, (Retention, Moment)>>,
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
        let name = user.address.domain();
        let domain = match self.recall(name, clock.now()) {
            Some(known) => known,
            None => {
                let entry = store.domain(name.clone()).await?;
                let found = entry.map(|entry| entry.retention).unwrap_or_default();
                self.keep(name.clone(), found, clock.now());
                found
            }
        };
        Ok(self.options.days_of(domain, user.retention))
    }

    fn recall(&self, name: &Domain, now: Moment) -> Option<Retention> {
        let domains = self.domains.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, since) = domains.get(name)?;
        (now.since(*since) < BELIEF).then_some(*known)
    }

    fn keep(&self, name: Domain, found: Retention, now: Moment) {
        let mut domains = self.domains.lock().unwrap_or_else(PoisonError::into_inner);
        if domains.len() >= MOST {
            domains.clear();
        }
        domains.insert(name, (found, now));
    }
}
