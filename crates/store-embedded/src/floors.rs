//! Where the listing of a maildrop may begin.
//!
//! A maildrop that is emptied again and again leaves removed rows in front of those that are alive,
//! and the index reads over them until it has sorted them away. So for each maildrop the first id
//! that was found alive is remembered, in memory: a listing begins there.
//!
//! A floor that is too high would hide mail. It cannot be: a message is told to the floors after it
//! is published and before anybody is told of it ([`Floors::lower`]), and a listing raises a floor
//! only if nothing was told since before it took its snapshot ([`Floors::raise`]).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cassmail_mail::{AccountId, MessageId};

/// More are forgotten, all at once: then listings begin at the front again.
const MOST: usize = 50_000;

/// The floors of all maildrops that were in use since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Floors {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    floors: HashMap<AccountId, Floor>,
    /// How often everything was forgotten.
    epoch: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Floor {
    /// No message below it is listed; as a number, as the index sorts ids.
    first: u128,
    /// How often a message was told.
    told: u64,
}

/// What was known before a snapshot was taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    floor: Floor,
    epoch: u64,
}

impl Seen {
    /// The listing begins behind this id; none: at the front.
    pub(crate) fn below(&self) -> Option<MessageId> {
        let below = self.floor.first.checked_sub(1)?;
        Some(MessageId::from_key(below.to_be_bytes()))
    }
}

impl Floors {
    /// To be asked before the snapshot is taken.
    pub(crate) fn look(&self, account: AccountId) -> Seen {
        let known = self.lock();
        let floor = known.floors.get(&account).copied();
        Seen {
            floor: floor.unwrap_or_default(),
            epoch: known.epoch,
        }
    }

    /// A listing has found this message first, or none.
    pub(crate) fn raise(&self, account: AccountId, seen: Seen, first: Option<MessageId>) {
        let mut known = self.lock();
        if known.epoch != seen.epoch {
            return;
        }
        let floor = known.of(account);
        if floor.told == seen.floor.told {
            floor.first = first.map_or(u128::MAX, number).max(floor.first);
        }
    }

    /// This message was published.
    pub(crate) fn lower(&self, account: AccountId, id: MessageId) {
        let mut known = self.lock();
        let floor = known.of(account);
        floor.first = floor.first.min(number(id));
        floor.told = floor.told.wrapping_add(1);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn of(&mut self, account: AccountId) -> &mut Floor {
        if self.floors.len() >= MOST && !self.floors.contains_key(&account) {
            self.floors.clear();
            self.epoch = self.epoch.wrapping_add(1);
        }
        self.floors.entry(account).or_default()
    }
}

fn number(id: MessageId) -> u128 {
    u128::from_be_bytes(id.to_key())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> MessageId {
        MessageId::from_key(number.to_be_bytes())
    }

    fn account(generation: u64) -> AccountId {
        AccountId::of(&"alice@example.org".parse().unwrap(), generation)
    }

    #[test]
    fn a_listing_begins_at_what_the_last_one_found_first() {
        let (floors, alice) = (Floors::default(), account(1));
        let seen = floors.look(alice);
        assert_eq!(seen.below(), None);
        floors.raise(alice, seen, Some(id(10)));
        assert_eq!(floors.look(alice).below(), Some(id(9)));
        floors.raise(alice, floors.look(alice), None);
        floors.lower(alice, id(5));
        assert_eq!(floors.look(alice).below(), Some(id(4)));
    }

    #[test]
    fn what_was_published_since_the_snapshot_is_not_hidden() {
        let (floors, alice) = (Floors::default(), account(1));
        let seen = floors.look(alice);
        floors.lower(alice, id(5));
        floors.raise(alice, seen, Some(id(10)));
        assert!(floors.look(alice).below() < Some(id(5)));
    }

    #[test]
    fn what_is_forgotten_between_is_not_raised() {
        let floors = Floors::default();
        let seen = floors.look(account(0));
        for generation in 1..=60_000 {
            floors.lower(account(generation), id(5));
        }
        floors.raise(account(0), seen, Some(id(10)));
        assert_eq!(floors.look(account(0)).below(), None);
        assert!(floors.lock().floors.len() <= MOST);
    }
}
