//! What is known of maildrops without reading the index: the last listing of a small one, and where
//! the listing of any may begin.
//!
//! Most polls find what the last one found. And a maildrop that is emptied again and again leaves
//! removed rows in front of those that are alive, which the index reads over until it has sorted
//! them away: so the first id that was found alive is remembered.
//!
//! Neither may hide mail or show what is gone. A change is told after it is published and before
//! anybody is answered ([`Listings::changed`]); what a listing found is remembered only if nothing
//! was told since before it took its snapshot ([`Listings::found`]).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cassmail_mail::{AccountId, Entry, MessageId};

/// Of more maildrops nothing is remembered: all are forgotten at once.
const MAILDROPS: usize = 50_000;

/// Longer listings are not kept whole.
const SHORT: usize = 256;

/// Of all kept listings together, some 4 MiB; then all are forgotten.
const ENTRIES: usize = 100_000;

/// What is known of all maildrops that were in use since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Listings {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    maildrops: HashMap<AccountId, Maildrop>,
    /// Of the kept listings.
    entries: usize,
    /// How often everything was forgotten.
    epoch: u64,
}

#[derive(Debug, Clone, Default)]
struct Maildrop {
    /// No message below it is listed; as a number, as the index sorts ids.
    first: u128,
    /// How often a change was told.
    told: u64,
    listing: Option<Arc<[Entry]>>,
}

/// What was known before a snapshot was taken.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    maildrop: Maildrop,
    epoch: u64,
}

impl Seen {
    /// The whole listing, if it is known.
    pub(crate) fn listing(&self) -> Option<&[Entry]> {
        self.maildrop.listing.as_deref()
    }

    /// A listing begins behind this id; none: at the front.
    pub(crate) fn below(&self) -> Option<MessageId> {
        let below = self.maildrop.first.checked_sub(1)?;
        Some(MessageId::from_key(below.to_be_bytes()))
    }
}

impl Listings {
    /// To be asked before the snapshot is taken.
    pub(crate) fn look(&self, account: AccountId) -> Seen {
        let known = self.lock();
        let maildrop = known.maildrops.get(&account).cloned();
        Seen {
            maildrop: maildrop.unwrap_or_default(),
            epoch: known.epoch,
        }
    }

    /// A listing found these entries; if it is not whole, only where it begins is remembered.
    pub(crate) fn found(&self, account: AccountId, seen: &Seen, entries: &[Entry], whole: Whole) {
        let mut known = self.lock();
        if known.epoch != seen.epoch {
            return;
        }
        let maildrop = known.of(account);
        if maildrop.told != seen.maildrop.told {
            return;
        }
        let first = entries.first().map_or(u128::MAX, |entry| number(entry.id));
        maildrop.first = maildrop.first.max(first);
        if whole == Whole::Yes && entries.len() <= SHORT && maildrop.listing.is_none() {
            maildrop.listing = Some(entries.into());
            known.entries = known.entries.saturating_add(entries.len());
            known.forget_listings_when_too_many();
        }
    }

    /// A change of a maildrop was published; with the message, if it brought one.
    pub(crate) fn changed(&self, account: AccountId, brought: Option<MessageId>) {
        let mut known = self.lock();
        let maildrop = known.of(account);
        maildrop.first = maildrop.first.min(brought.map_or(u128::MAX, number));
        maildrop.told = maildrop.told.wrapping_add(1);
        let gone = maildrop.listing.take();
        known.entries = known
            .entries
            .saturating_sub(gone.map_or(0, |gone| gone.len()));
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a listing has all entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    Yes,
    No,
}

impl Known {
    fn of(&mut self, account: AccountId) -> &mut Maildrop {
        if self.maildrops.len() >= MAILDROPS && !self.maildrops.contains_key(&account) {
            self.maildrops.clear();
            self.entries = 0;
            self.epoch = self.epoch.wrapping_add(1);
        }
        self.maildrops.entry(account).or_default()
    }

    fn forget_listings_when_too_many(&mut self) {
        if self.entries > ENTRIES {
            self.entries = 0;
            for maildrop in self.maildrops.values_mut() {
                maildrop.listing = None;
            }
        }
    }
}

fn number(id: MessageId) -> u128 {
    u128::from_be_bytes(id.to_key())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u128) -> Entry {
        Entry {
            id: MessageId::from_key(number.to_be_bytes()),
            size: 7,
            surrogate_size: None,
            imported_uidl: None,
        }
    }

    fn account(generation: u64) -> AccountId {
        AccountId::of(&"alice@example.org".parse().unwrap(), generation)
    }

    #[test]
    fn a_listing_is_known_until_something_changes() {
        let (listings, alice) = (Listings::default(), account(1));
        let found = [entry(10), entry(11)];
        listings.found(alice, &listings.look(alice), &found, Whole::Yes);
        assert_eq!(listings.look(alice).listing(), Some(&found[..]));
        listings.changed(alice, None);
        assert_eq!(listings.look(alice).listing(), None);
        assert_eq!(listings.look(alice).below(), Some(entry(9).id));
        listings.changed(alice, Some(entry(5).id));
        assert_eq!(listings.look(alice).below(), Some(entry(4).id));
    }

    #[test]
    fn an_empty_maildrop_is_known_to_be_empty() {
        let (listings, alice) = (Listings::default(), account(1));
        listings.found(alice, &listings.look(alice), &[], Whole::Yes);
        assert_eq!(listings.look(alice).listing(), Some(&[][..]));
        listings.changed(alice, Some(entry(5).id));
        assert_eq!(listings.look(alice).below(), Some(entry(4).id));
    }

    #[test]
    fn what_was_published_since_the_snapshot_is_not_hidden() {
        let (listings, alice) = (Listings::default(), account(1));
        let seen = listings.look(alice);
        listings.changed(alice, Some(entry(5).id));
        listings.found(alice, &seen, &[entry(10)], Whole::Yes);
        let now = listings.look(alice);
        assert_eq!((now.listing(), now.below()), (None, None));
    }

    #[test]
    fn what_is_not_whole_or_long_is_not_kept() {
        let (listings, alice) = (Listings::default(), account(1));
        listings.found(alice, &listings.look(alice), &[entry(10)], Whole::No);
        let long: Vec<_> = (10..).map(entry).take(SHORT + 1).collect();
        listings.found(alice, &listings.look(alice), &long, Whole::Yes);
        assert_eq!(listings.look(alice).listing(), None);
        assert_eq!(listings.look(alice).below(), Some(entry(9).id));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let listings = Listings::default();
        let seen = listings.look(account(0));
        let found: Vec<_> = (10..).map(entry).take(SHORT).collect();
        for generation in 1..=60_000 {
            let one = account(generation);
            listings.changed(one, Some(entry(5).id));
            if generation % 50 == 0 {
                listings.found(one, &listings.look(one), &found, Whole::Yes);
            }
            let known = listings.lock();
            assert!(known.entries <= ENTRIES && known.maildrops.len() <= MAILDROPS);
        }
        listings.found(account(0), &seen, &found, Whole::Yes);
        assert_eq!(listings.look(account(0)).listing(), None);
    }
}
