//! What a listing showed of a maildrop that has a limit, so that a removal after it can be counted.

use cassmail_mail::{AccountId, Entry, MessageId};
use cassmail_store::Usage;

use super::known::Basis;
use super::rule::QuotaLimits;

/// What was there, message by message.
#[derive(Debug)]
pub(crate) struct Inventory {
    pub(super) account: AccountId,
    pub(super) limits: QuotaLimits,
    pub(super) basis: Basis,
    /// In the order of the ids.
    sizes: Vec<(MessageId, u64)>,
}

impl Inventory {
    pub(super) fn of(
        account: AccountId,
        limits: QuotaLimits,
        basis: Basis,
        entries: &[Entry],
    ) -> Self {
        Self {
            account,
            limits,
            basis,
            sizes: entries.iter().map(|entry| (entry.id, entry.size)).collect(),
        }
    }

    /// Takes out what was removed; what is not in it changes nothing.
    pub(super) fn remove(&mut self, ids: &[MessageId]) {
        let mut removed = ids.to_vec();
        removed.sort_unstable();
        self.sizes
            .retain(|(id, _)| removed.binary_search(id).is_err());
    }

    pub(super) fn usage(&self) -> Usage {
        let sizes = self.sizes.iter().map(|(_, size)| Usage::of_one(*size));
        sizes.fold(Usage::default(), Usage::plus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_is_taken_out_once() {
        let entry = |n: u8| Entry {
            id: MessageId::from_key([n; 16]),
            size: u64::from(n),
            surrogate_size: None,
            imported_uidl: None,
        };
        let entries: Vec<_> = (1..=4).map(entry).collect();
        let account = AccountId::from_key([1; 16]);
        let limits = QuotaLimits::default();
        let mut inventory = Inventory::of(account, limits, Basis::default(), &entries);
        let left = |inventory: &Inventory| (inventory.usage().messages, inventory.usage().octets);
        assert_eq!(left(&inventory), (4, 10));
        let ids = [4, 2, 9].map(|n| MessageId::from_key([n; 16]));
        inventory.remove(&ids);
        assert_eq!(left(&inventory), (2, 4));
        inventory.remove(&ids);
        assert_eq!(left(&inventory), (2, 4));
    }
}
