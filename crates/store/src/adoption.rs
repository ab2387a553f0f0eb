//! An address as another store kept it, on its way into this one.

use cassmail_mail::{AccountId, Address};

use crate::{AddressEntry, Credentials, ErrorKind, Profile};

/// All that is kept of one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adoption {
    /// An account, in its n-th life at this address.
    Account {
        /// Which life.
        generation: u64,
        /// Its state.
        profile: Profile,
        /// How its owner logs in.
        credentials: Credentials,
    },
    /// Another name of other addresses.
    Alias {
        /// Which; at least one.
        targets: Vec<Address>,
        /// The last life of an account at this address, zero if there was none.
        generation: u64,
    },
    /// Nothing any more.
    Removed {
        /// The last life of an account at this address, zero if there was none.
        generation: u64,
    },
}

impl Adoption {
    /// What the address record says afterwards, where nothing was before.
    pub fn entry(&self, address: &Address) -> AddressEntry {
        match self {
            Self::Account { generation, .. } => AddressEntry::Account {
                id: AccountId::of(address, *generation),
                generation: *generation,
            },
            Self::Alias {
                targets,
                generation,
            } => AddressEntry::Alias {
                targets: targets.clone(),
                generation: *generation,
            },
            Self::Removed { generation } => AddressEntry::Removed {
                generation: *generation,
            },
        }
    }

    /// What the address record becomes where it is `here` now; none if it says the same already.
    ///
    /// What is in use here is never replaced, a life that is over never begins again, and the
    /// generation never falls: the rule of all back-ends.
    pub fn over(
        &self,
        address: &Address,
        here: Option<&AddressEntry>,
    ) -> Result<Option<AddressEntry>, ErrorKind> {
        let mut entry = self.entry(address);
        let Some(here) = here else {
            return Ok(Some(entry));
        };
        let (own, other) = (here.generation(), entry.generation());
        let is_possible = match (&entry, here) {
            (AddressEntry::Account { .. }, AddressEntry::Account { .. }) => own == other,
            (AddressEntry::Account { .. }, AddressEntry::Removed { .. }) => own < other,
            (AddressEntry::Account { .. }, AddressEntry::Alias { .. })
            | (AddressEntry::Alias { .. }, AddressEntry::Account { .. }) => false,
            (
                AddressEntry::Alias { targets, .. },
                AddressEntry::Alias {
                    targets: targets_here,
                    ..
                },
            ) => targets == targets_here,
            (AddressEntry::Removed { .. }, AddressEntry::Account { .. }) => own > other,
            (_, AddressEntry::Removed { .. })
            | (AddressEntry::Removed { .. }, AddressEntry::Alias { .. }) => true,
        };
        if !is_possible {
            return Err(ErrorKind::Conflict);
        }
        if here.is_in_use() && !entry.is_in_use() {
            entry = here.clone();
        }
        entry.raise_generation(own.max(other));
        Ok((entry != *here).then_some(entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountState, Quota, Retention};
    use cassmail_mail::UnixTime;

    fn address() -> Address {
        "alice@example.org".parse().unwrap()
    }

    fn account(generation: u64) -> Adoption {
        Adoption::Account {
            generation,
            profile: Profile {
                address: address(),
                state: AccountState::Enabled,
                created_at: UnixTime::from_micros(0),
                retention: Retention::default(),
                quota: Quota::default(),
            },
            credentials: Credentials::of_hash("$argon2id$"),
        }
    }

    fn alias(target: &str, generation: u64) -> Adoption {
        Adoption::Alias {
            targets: vec![target.parse().unwrap()],
            generation,
        }
    }

    fn removed(generation: u64) -> Adoption {
        Adoption::Removed { generation }
    }

    /// What the second becomes over the first; none for a conflict.
    fn over(here: &Adoption, other: &Adoption) -> Option<AddressEntry> {
        let here = here.entry(&address());
        let adopted = other.over(&address(), Some(&here)).ok()?;
        Some(adopted.unwrap_or(here))
    }

    #[test]
    fn what_is_not_here_is_adopted_as_it_is() {
        for other in [account(3), alias("b@x.example", 1), removed(2)] {
            let adopted = other.over(&address(), None).unwrap();
            assert_eq!(adopted, Some(other.entry(&address())));
        }
    }

    #[test]
    fn what_is_here_already_changes_nothing() {
        for other in [account(3), alias("b@x.example", 1), removed(2)] {
            let here = other.entry(&address());
            assert_eq!(other.over(&address(), Some(&here)), Ok(None));
        }
    }

    #[test]
    fn what_is_in_use_is_never_replaced() {
        assert_eq!(over(&account(1), &account(2)), None);
        assert_eq!(over(&account(2), &account(1)), None);
        assert_eq!(over(&account(1), &alias("b@x.example", 0)), None);
        assert_eq!(over(&alias("b@x.example", 0), &account(1)), None);
        let aliases = over(&alias("b@x.example", 0), &alias("c@x.example", 0));
        assert_eq!(aliases, None);
        assert_eq!(over(&account(1), &removed(1)), None);
    }

    #[test]
    fn a_life_that_is_over_does_not_begin_again() {
        assert_eq!(over(&removed(2), &account(2)), None);
        let next = account(3).entry(&address());
        assert_eq!(over(&removed(2), &account(3)), Some(next));
    }

    #[test]
    fn generations_only_grow() {
        let removed_twice = over(&removed(2), &removed(1)).unwrap();
        assert_eq!(removed_twice, removed(2).entry(&address()));
        let later = alias("b@x.example", 4).entry(&address());
        assert_eq!(over(&removed(4), &alias("b@x.example", 1)), Some(later));
        let raised = alias("b@x.example", 3).entry(&address());
        let over_alias = over(&alias("b@x.example", 1), &removed(3));
        assert_eq!(over_alias, Some(raised));
        let kept = account(3).entry(&address());
        assert_eq!(over(&account(3), &removed(2)), Some(kept));
    }
}
