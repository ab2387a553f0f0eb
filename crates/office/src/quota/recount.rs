//! Counting all maildrops that have a limit, and mending what is noted of them: for `scrub`, and
//! for whoever does not trust the figures.

use std::collections::HashMap;
use std::ops::ControlFlow;

use cassmail_mail::{Address, Domain, UnixTime};
use cassmail_store::{
    AccountState, AddressEntry, Counted, Quota, Store, StoreError, Usage, UsageNotes,
};

use super::rule::QuotaLimits;

/// So many address records are one page.
const PAGE: usize = 100;

/// What a recount found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recounted {
    /// Accounts with a limit, which were counted.
    pub counted: u64,
    /// Of those, how many had a figure that was not what is there.
    pub mended: u64,
    /// Of those that were counted, how many are full.
    pub full: u64,
}

/// Whether a recount may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recounting {
    /// It mends the figures.
    Mends,
    /// It only looks.
    Looks,
}

/// Counts the maildrops of all accounts that have a limit; `go_on` is asked before each page.
///
/// # Errors
/// The store failed; what was mended so far stays.
pub async fn recount(
    store: &dyn Store,
    (standard, how): (QuotaLimits, Recounting),
    at: UnixTime,
    mut go_on: impl FnMut(Recounted) -> ControlFlow<()>,
) -> Result<Recounted, StoreError> {
    let domains = store.domains().await?;
    let domains: HashMap<Domain, Quota> = domains
        .into_iter()
        .map(|entry| (entry.name, entry.quota))
        .collect();
    let mut found = Recounted::default();
    let mut after: Option<Address> = None;
    loop {
        if go_on(found).is_break() {
            return Ok(found);
        }
        let page = store.records(after, PAGE).await?;
        let Some((last, _)) = page.last() else {
            return Ok(found);
        };
        after = Some(last.clone());
        for (address, entry) in page {
            let AddressEntry::Account { id, .. } = entry else {
                continue;
            };
            let Some((profile, _)) = store.account(id).await? else {
                continue;
            };
            let of_domain = domains.get(address.domain()).copied().unwrap_or_default();
            let limits = standard.under(profile.quota.over(of_domain));
            if limits.are_none() || profile.state == AccountState::Disabled {
                continue;
            }
            let notes = store.usage(id).await?;
            let usage = Usage::of(&store.list(id).await?);
            found.counted += 1;
            found.full += u64::from(limits.fullness(usage) == super::Fullness::Full);
            if notes.estimate() == Some(usage) {
                continue;
            }
            found.mended += 1;
            if how == Recounting::Mends {
                let counted = count(limits, &notes, usage, at);
                store.put_counted(id, counted).await?;
            }
        }
    }
}

/// A count that says what was there, and which notes it includes.
fn count(limits: QuotaLimits, notes: &UsageNotes, usage: Usage, at: UnixTime) -> Counted {
    let at = at.as_micros();
    let before = notes.counted.as_ref().and_then(|before| before.full_since);
    let is_full = limits.are_as_good_as_reached(usage);
    Counted {
        usage,
        at,
        full_since: before.filter(|_| is_full),
        seen: notes.brought.clone(),
    }
}
