//! What is known of every message: what was acknowledged, what is not known.

use std::collections::BTreeMap;

use cassmail_mail::{AccountId, MessageId};
use cassmail_store::{ErrorKind, StoreResult};

use super::machine::Machine;

/// What the outside world was told.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    messages: BTreeMap<MessageId, Known>,
    pub(super) acknowledged: u64,
    pub(super) indeterminate: u64,
}

#[derive(Debug)]
struct Known {
    body: Vec<u8>,
    /// For each owner, whether it lists the message if the message is there at all.
    owners: BTreeMap<AccountId, Told>,
    there: Told,
}

/// What is known of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Yes,
    No,
    Perhaps,
}

impl Told {
    /// What a verb's outcome says of what it was to make true.
    pub(super) fn by<T>(outcome: &StoreResult<T>) -> Self {
        match outcome {
            Ok(_) => Self::Yes,
            Err(error) if error.kind() == ErrorKind::Indeterminate => Self::Perhaps,
            Err(_) => Self::No,
        }
    }
}

impl Ledger {
    pub(super) fn delivered(
        &mut self,
        id: MessageId,
        owners: &[AccountId],
        body: Vec<u8>,
        there: Told,
    ) {
        match there {
            Told::Yes => self.acknowledged += 1,
            Told::Perhaps => self.indeterminate += 1,
            Told::No => {}
        }
        let owners = owners.iter().map(|&owner| (owner, Told::Yes)).collect();
        let known = Known {
            body,
            owners,
            there,
        };
        let before = self.messages.insert(id, known);
        assert!(before.is_none(), "ids are minted once");
    }

    pub(super) fn removed(&mut self, account: AccountId, ids: &[MessageId], gone: Told) {
        for id in ids {
            let owner = self
                .messages
                .get_mut(id)
                .and_then(|k| k.owners.get_mut(&account));
            if let Some(listed) = owner {
                match gone {
                    Told::Yes => *listed = Told::No,
                    Told::Perhaps if *listed == Told::Yes => *listed = Told::Perhaps,
                    _ => {}
                }
            }
        }
    }

    pub(super) fn account_removed(&mut self, account: AccountId, gone: Told) {
        let ids: Vec<_> = self.messages.keys().copied().collect();
        self.removed(account, &ids, gone);
    }

    /// Messages that an account is known to list.
    pub(super) fn listed_by(&self, account: AccountId) -> Vec<MessageId> {
        let is_listed = |known: &Known| {
            known.there == Told::Yes && known.owners.get(&account) == Some(&Told::Yes)
        };
        let all = self.messages.iter();
        all.filter(|(_, known)| is_listed(known))
            .map(|(&id, _)| id)
            .collect()
    }

    /// Compares with the store, after which nothing is unknown any more: what an opened store shows
    /// is safe.
    pub(super) fn reconcile(&mut self, machine: &Machine, accounts: &[AccountId]) {
        let mut shown: BTreeMap<MessageId, Vec<AccountId>> = BTreeMap::new();
        for &account in accounts {
            let ids = machine.ids(account);
            assert!(ids.is_sorted_by(|a, b| a < b), "in order, each once");
            for id in ids {
                shown.entry(id).or_default().push(account);
            }
        }
        for id in shown.keys() {
            assert!(self.messages.contains_key(id), "{id} came from nowhere");
        }
        for (&id, known) in &mut self.messages {
            let owners = shown.remove(&id).unwrap_or_default();
            known.reconcile(machine, id, accounts, &owners);
        }
    }
}

impl Known {
    fn reconcile(
        &mut self,
        machine: &Machine,
        id: MessageId,
        accounts: &[AccountId],
        shown: &[AccountId],
    ) {
        for account in shown {
            let listed = self.owners.get(account);
            assert_ne!(self.there, Told::No, "{id} was refused, and is there");
            assert!(listed.is_some(), "{id} is listed by a stranger");
            assert_ne!(listed, Some(&Told::No), "{id} was removed, and is back");
            let body = machine
                .read(*account, id)
                .expect("listed bodies can be read");
            assert!(body == self.body, "{id} is not what was written");
        }
        let mut expected = self
            .owners
            .iter()
            .filter(|(account, listed)| **listed == Told::Yes && accounts.contains(account));
        match self.there {
            Told::Yes => {
                let lost = expected.find(|(account, _)| !shown.contains(account));
                assert!(
                    lost.is_none(),
                    "{id} was acknowledged, and is lost for {lost:?}"
                );
            }
            Told::Perhaps => {
                let states: Vec<_> = expected.map(|(a, _)| shown.contains(a)).collect();
                let is_one = states.windows(2).all(|pair| pair[0] == pair[1]);
                assert!(is_one, "{id} is listed for some of its owners only");
                let is_there = states.first().is_some_and(|&s| s) || !shown.is_empty();
                self.there = if is_there { Told::Yes } else { Told::No };
            }
            Told::No => {}
        }
        for (account, listed) in &mut self.owners {
            if *listed == Told::Perhaps {
                *listed = if shown.contains(account) {
                    Told::Yes
                } else {
                    Told::No
                };
            }
        }
    }
}
