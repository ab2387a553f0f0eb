//! Who is here now: the sessions of each account.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cassmail_mail::AccountId;

/// How many sessions each account has in this process. As large as the number of sessions.
#[derive(Debug, Default)]
pub(crate) struct Presence(Mutex<HashMap<AccountId, usize>>);

/// One session of an account, until it is dropped.
#[derive(Debug)]
pub(crate) struct Present {
    presence: Arc<Presence>,
    account: AccountId,
}

impl Presence {
    /// Counts a session, if there are fewer than so many.
    pub(crate) fn enter(self: &Arc<Self>, account: AccountId, most: usize) -> Option<Present> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = sessions.get(&account).copied().unwrap_or_default();
        if open >= most {
            return None;
        }
        sessions.insert(account, open.saturating_add(1));
        Some(Present {
            presence: Arc::clone(self),
            account,
        })
    }

    /// How many sessions each account has that has any.
    pub(crate) fn all(&self) -> Vec<(AccountId, usize)> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.iter().map(|(id, open)| (*id, *open)).collect()
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let sessions = &self.presence.0;
        let mut sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = sessions.get_mut(&self.account) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                sessions.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_so_many_sessions_and_another_when_one_ends() {
        let presence = Arc::new(Presence::default());
        let [bob, carol] = [1, 2].map(|key| AccountId::from_key([key; 16]));
        let first = presence.enter(bob, 2).unwrap();
        let _second = presence.enter(bob, 2).unwrap();
        assert!(presence.enter(bob, 2).is_none());
        assert!(presence.enter(carol, 2).is_some());
        let mut all = presence.all();
        all.sort_unstable_by_key(|(_, open)| *open);
        assert_eq!(all, [(carol, 0), (bob, 2)][1..]);
        drop(first);
        assert!(presence.enter(bob, 2).is_some());
    }

    #[test]
    fn nobody_is_remembered_who_has_gone() {
        let presence = Arc::new(Presence::default());
        drop(presence.enter(AccountId::from_key([1; 16]), 1));
        assert!(presence.0.lock().unwrap().is_empty());
    }
}
