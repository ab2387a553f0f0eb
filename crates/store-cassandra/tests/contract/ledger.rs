//! Servers at work while something is wrong, and the book of what they were told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cassmail_mail::{AccountId, Delivery, MessageId, Owner, ReversePath};
use cassmail_store::{ErrorKind, Maildrops, Patience, StoreResult};

use crate::disturbed::Side;
use crate::support::noise;

/// What a peer of these tests waits.
const PATIENCE: Patience = Patience(Duration::from_secs(40));

/// What is known of a message in one maildrop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Acknowledged: so many octets.
    Kept(usize),
    /// Its removal was acknowledged.
    Gone,
    /// Nobody knows: so many octets, if it is there.
    Unknown(usize),
}

/// What was acknowledged.
#[derive(Default)]
pub(crate) struct Ledger {
    messages: BTreeMap<(AccountId, MessageId), State>,
    pub(crate) delivered: usize,
    pub(crate) removed: usize,
    pub(crate) unavailable: usize,
    pub(crate) indeterminate: usize,
    /// When something was acknowledged, by the clock of the side.
    acknowledged: Vec<Duration>,
}

/// Sizes of bodies, and for how many owners: beside the row, chunked, shared, and both.
const KINDS: [(usize, usize); 4] = [(2_000, 1), (200_000, 1), (3_000, 2), (200_000, 2)];

impl Ledger {
    pub(crate) async fn deliver(&mut self, side: &Side, accounts: &[AccountId], octets: usize) {
        let id = side.mint();
        let done = deliver(side, id, accounts, octets).await;
        let state = match &done {
            Ok(()) => State::Kept(octets),
            Err(error) if error.kind() == ErrorKind::Indeterminate => State::Unknown(octets),
            Err(_) => State::Gone,
        };
        self.count(side, &done, accounts.len(), 0);
        for &account in accounts {
            self.messages.insert((account, id), state);
        }
    }

    pub(crate) async fn remove(&mut self, side: &Side, account: AccountId, id: MessageId) {
        let removed = side.store.remove(account, vec![id], PATIENCE).await;
        let done = removed.map(drop);
        let before = self.messages.get(&(account, id)).copied();
        let octets = match before {
            Some(State::Kept(octets) | State::Unknown(octets)) => octets,
            Some(State::Gone) | None => return,
        };
        let state = match &done {
            Ok(()) => State::Gone,
            Err(error) if error.kind() == ErrorKind::Indeterminate => State::Unknown(octets),
            Err(_) => State::Kept(octets),
        };
        self.count(side, &done, 0, 1);
        self.messages.insert((account, id), state);
    }

    fn count(&mut self, side: &Side, done: &StoreResult<()>, delivered: usize, removed: usize) {
        match done {
            Ok(()) => {
                self.delivered += delivered;
                self.removed += removed;
                self.acknowledged.push(side.elapsed());
            }
            Err(error) if error.kind() == ErrorKind::Indeterminate => self.indeterminate += 1,
            Err(error) => {
                let is_said = matches!(error.kind(), ErrorKind::Unavailable(_));
                assert!(is_said, "{error:?}");
                self.unavailable += 1;
            }
        }
    }

    /// Delivers all kinds of mail to two accounts and removes every third of them, until told to
    /// stop.
    pub(crate) async fn work(&mut self, side: &Side, [a, b]: [AccountId; 2], stop: &AtomicBool) {
        let mut turn = 0_usize;
        while !stop.load(Ordering::SeqCst) {
            let (octets, owners) = KINDS[turn % KINDS.len()];
            self.deliver(side, &[a, b][..owners], octets).await;
            if turn % 3 == 2 {
                let kept = |(key, state): (&(AccountId, MessageId), &State)| {
                    matches!(state, State::Kept(_)).then_some(*key)
                };
                if let Some((account, id)) = self.messages.iter().rev().find_map(kept) {
                    self.remove(side, account, id).await;
                }
            }
            turn += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The longest time from `start` to the end of the work in which nothing was acknowledged.
    pub(crate) fn longest_silence(&self, start: Duration, end: Duration) -> Duration {
        let inside = self.acknowledged.iter().copied();
        let mut last = start;
        let mut longest = Duration::ZERO;
        for at in inside.filter(|at| (start..end).contains(at)).chain([end]) {
            longest = longest.max(at.saturating_sub(last));
            last = at;
        }
        longest
    }

    /// Some messages that were acknowledged.
    pub(crate) fn kept_of(&self, account: AccountId) -> Vec<MessageId> {
        let of = self.messages.iter().filter(|((of, _), _)| *of == account);
        let kept = of.filter(|(_, state)| matches!(state, State::Kept(_)));
        kept.map(|((_, id), _)| *id).collect()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.messages.extend(other.messages);
        self.delivered += other.delivered;
        self.removed += other.removed;
        self.unavailable += other.unavailable;
        self.indeterminate += other.indeterminate;
    }

    /// Each side lists what was acknowledged, once, and nothing that was removed or never accepted;
    /// every body comes back.
    pub(crate) async fn check(&self, side: &Side, accounts: &[AccountId]) {
        let name = side.name;
        for &account in accounts {
            let listed = side.store.list(account).await.expect("a listing");
            let mut times = BTreeMap::<MessageId, usize>::new();
            for entry in listed {
                *times.entry(entry.id).or_default() += 1;
            }
            for (&(of, id), &state) in &self.messages {
                if of != account {
                    continue;
                }
                let listed = times.remove(&id).unwrap_or_default();
                let octets = match state {
                    State::Kept(octets) => {
                        assert_eq!(listed, 1, "{name} lists {id} of {account}");
                        octets
                    }
                    State::Gone => {
                        assert_eq!(listed, 0, "{name} lists {id} of {account}");
                        continue;
                    }
                    State::Unknown(_) if listed == 0 => continue,
                    State::Unknown(octets) => octets,
                };
                assert_eq!(read(side, account, id).await, octets, "{name} reads {id}");
            }
            assert!(
                times.is_empty(),
                "{name} lists what nobody delivered: {times:?}"
            );
        }
    }
}

pub(crate) async fn deliver(
    side: &Side,
    id: MessageId,
    accounts: &[AccountId],
    octets: usize,
) -> StoreResult<()> {
    let mut writer = side.store.begin(id).await?;
    writer.write(noise(octets)).await?;
    let owner = |&account| Owner {
        account,
        recipient: None,
        uidl: None,
    };
    let delivery = Delivery {
        reverse_path: ReversePath::Null,
        received_at: id.minted_at(),
        surrogate_size: None,
        owners: accounts.iter().map(owner).collect(),
    };
    writer.commit(delivery, PATIENCE).await.map(drop)
}

async fn read(side: &Side, account: AccountId, id: MessageId) -> usize {
    let mut body = side.store.open(account, id).await.expect("a reader");
    let mut octets = 0;
    while let Some(piece) = body.next().await.expect("a piece") {
        octets += piece.len();
    }
    octets
}
