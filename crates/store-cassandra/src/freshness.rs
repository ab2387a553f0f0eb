//! Which ids cannot have been used before.
//!
//! Before a message is put, it must be known whether one with its id is there already: then the
//! same body changes nothing, and another one is a conflict. That costs reads. An id that this
//! process minted and sees for the first time has never been used, and needs none.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cassmail_mail::{IdMinter, MessageId, NodeId, UnixTime};

/// So many ids are remembered; older ones are not called fresh.
const MOST: usize = 16 * 1024;

pub(crate) struct Freshness(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// What all ids of this process end with.
    minted_by: Option<[u8; 8]>,
    ids: BTreeSet<MessageId>,
    /// Every id up to here may have been seen.
    floor: Option<MessageId>,
}

/// Whether an id may have been used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    First,
    Perhaps,
}

impl Freshness {
    pub(crate) fn new(minted_by: Option<NodeId>) -> Self {
        let freshness = Self(Mutex::default());
        freshness.renew(minted_by);
        freshness
    }

    /// This process may be a copy: what it minted so far is no fresher than the ids of others, and
    /// from now on it mints as somebody else, whose ids nobody has seen.
    pub(crate) fn renew(&self, minted_by: Option<NodeId>) {
        *self.seen() = Seen {
            minted_by: minted_by.map(|node| end_of(one_of(node))),
            ..Seen::default()
        };
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that an id is used from now on, and says whether it may have been before.
    pub(crate) fn see(&self, id: MessageId) -> Use {
        let mut seen = self.seen();
        let is_of_others = seen.minted_by != Some(end_of(id));
        let may_be_known = is_of_others || seen.floor.is_some_and(|floor| id <= floor);
        if may_be_known || !seen.ids.insert(id) {
            return Use::Perhaps;
        }
        if seen.ids.len() > MOST {
            seen.floor = seen.ids.pop_first();
        }
        Use::First
    }
}

fn one_of(node: NodeId) -> MessageId {
    IdMinter::new(node).mint(UnixTime::from_micros(0))
}

fn end_of(id: MessageId) -> [u8; 8] {
    *id.to_uuid().as_fields().3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_ids_are_fresh_and_only_once() {
        let node = NodeId::from_random(1);
        let freshness = Freshness::new(Some(node));
        let own = IdMinter::new(node).mint(UnixTime::from_micros(7));
        let other = IdMinter::new(NodeId::from_random(2)).mint(UnixTime::from_micros(7));
        assert_eq!(freshness.see(own), Use::First);
        assert_eq!(freshness.see(own), Use::Perhaps);
        assert_eq!(freshness.see(other), Use::Perhaps);
        assert_eq!(Freshness::new(None).see(own), Use::Perhaps);
    }

    #[test]
    fn a_process_that_may_be_a_copy_has_fresh_ids_again_as_somebody_else() {
        let minter = IdMinter::new(NodeId::from_random(1));
        let freshness = Freshness::new(Some(minter.node()));
        let seen = minter.mint(UnixTime::from_micros(7));
        assert_eq!(freshness.see(seen), Use::First);
        let before = minter.mint(UnixTime::from_micros(8));
        minter.renew(NodeId::from_random(2));
        freshness.renew(Some(minter.node()));
        assert_eq!(
            freshness.see(before),
            Use::Perhaps,
            "the twin may have it, too"
        );
        assert_eq!(freshness.see(seen), Use::Perhaps);
        let after = minter.mint(UnixTime::from_micros(9));
        assert_eq!(freshness.see(after), Use::First);
        assert_eq!(freshness.see(after), Use::Perhaps);
    }

    #[test]
    fn what_was_forgotten_is_not_fresh_again() {
        let node = NodeId::from_random(1);
        let freshness = Freshness::new(Some(node));
        let minter = IdMinter::new(node);
        let first = minter.mint(UnixTime::from_micros(7));
        assert_eq!(freshness.see(first), Use::First);
        for _ in 0..=MOST {
            assert_eq!(
                freshness.see(minter.mint(UnixTime::from_micros(7))),
                Use::First
            );
        }
        assert_eq!(freshness.see(first), Use::Perhaps);
    }
}
