//! Buckets that are empty leave the directory: only this makes a maildrop cheap that is emptied
//! again and again, since a listing reads every bucket there is, tombstones included.
//!
//! A session that leaves a bucket behind, or a login that finds one empty, makes it a candidate.
//! What follows is done in the background, and by the logins of its account. A newer bucket is
//! listed in every data center: whoever opened it knows, else a read of the directory at ALL shows
//! it and repairs it. From then on no reading of the directory can take the old one for the newest,
//! and who read before puts no row later than [`LATE`] without listing the bucket again. After
//! [`NEWER_SINCE`] two reads at ALL, a minute apart, find no row. Should a row appear all the same,
//! it is hidden, not lost: a scrub lists the bucket again. A bucket that was listed again stays:
//! its row is later than this deletion.
//!
//! [`LATE`]: crate::buckets::LATE

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cassmail_mail::{AccountId, MessageId};
use cassmail_store::StoreResult;

use crate::breaker::Fallback;
use crate::buckets::{Directory, LATE};
use crate::cassandra::Core;
use crate::engine::USUAL;
use crate::error::Verb;
use crate::profiles::Profile;
use crate::rows::{Micros, row};
use crate::statements::Cql;

const RETIRE: Verb = "retire a bucket";

/// So long a newer bucket must have been listed: [`LATE`], and what clocks and requests may take.
const NEWER_SINCE: Duration = LATE.saturating_add(Duration::from_mins(10));

/// So far apart are the two looks.
const BETWEEN: Duration = Duration::from_mins(1);

/// A bucket with mail is looked at again after twice the time, but not for longer than this: then
/// its owner leaves mail on the server, and the login that finds it empty begins anew.
const GIVEN_UP: Duration = Duration::from_hours(24);

/// So many candidates are kept; who does not fit comes again with the next login.
const MOST: usize = 10_000;

/// So many steps are begun at once in the background.
const AT_ONCE: usize = 8;

type Key = (AccountId, MessageId);

/// How far a candidate has come, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Somebody is at work on it.
    Busy,
    /// A login found it empty.
    Found,
    /// There is a newer one in every data center.
    Superseded { since: Duration, look_at: Duration },
    /// The same, and there was no row anywhere.
    Empty { since: Duration, seen_at: Duration },
    /// It has left, or was listed again: nothing more is done.
    Left,
}

/// What is to be done with a candidate now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    FindNewer,
    FindRows { since: Duration },
    Retire { since: Duration },
}

/// A step that somebody has to take and to settle, and the stage before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Due {
    key: Key,
    step: Step,
    before: Stage,
}

#[derive(Default)]
pub(crate) struct Retiring {
    candidates: Mutex<HashMap<Key, Stage>>,
    /// Of the bucket that was last removed from, how much was.
    worn: Mutex<HashMap<AccountId, (MessageId, usize)>>,
}

impl Stage {
    fn superseded(since: Duration) -> Self {
        Self::Superseded {
            since,
            look_at: since.saturating_add(NEWER_SINCE),
        }
    }

    /// It had a row: none while it may still matter soon.
    fn occupied(since: Duration, now: Duration) -> Option<Self> {
        let age = now.saturating_sub(since);
        let look_at = now.saturating_add(age);
        (age < GIVEN_UP).then_some(Self::Superseded { since, look_at })
    }

    fn step(self, now: Duration) -> Option<Step> {
        match self {
            Self::Found => Some(Step::FindNewer),
            Self::Superseded { since, look_at } if now >= look_at => Some(Step::FindRows { since }),
            Self::Empty { since, seen_at } if now.saturating_sub(seen_at) >= BETWEEN => {
                Some(Step::Retire { since })
            }
            _ => None,
        }
    }
}

impl Retiring {
    /// A login found this one empty.
    fn propose(&self, key: Key) {
        self.with(|candidates| {
            let is_full = candidates.len() >= MOST;
            match candidates.get_mut(&key) {
                Some(stage) => {
                    if let Stage::Superseded { since, .. } = *stage {
                        *stage = Stage::superseded(since);
                    }
                }
                None if is_full => {}
                None => drop(candidates.insert(key, Stage::Found)),
            }
        });
    }

    /// From now on there is a newer one than this in every data center.
    fn supersede(&self, key: Key, now: Duration) {
        self.with(|candidates| {
            if candidates.len() < MOST {
                candidates.entry(key).or_insert(Stage::superseded(now));
            }
        });
    }

    /// What is due now, of one account or of all; whoever gets it has to settle it.
    fn begin(&self, account: Option<AccountId>, now: Duration, most: usize) -> Vec<Due> {
        self.with(|candidates| {
            let is_meant = |key: &Key| account.is_none_or(|account| account == key.0);
            let due = candidates.iter_mut().filter(|(key, _)| is_meant(key));
            let due = due.filter_map(|(&key, stage)| {
                let step = stage.step(now)?;
                let before = std::mem::replace(stage, Stage::Busy);
                Some(Due { key, step, before })
            });
            due.take(most).collect()
        })
    }

    fn settle(&self, key: Key, stage: Option<Stage>) {
        self.with(|candidates| match stage {
            Some(stage) => candidates.insert(key, stage),
            None => candidates.remove(&key),
        });
    }

    /// Of an account only the buckets that are listed still matter.
    fn keep_only(&self, account: AccountId, listed: &[MessageId]) {
        self.with(|candidates| {
            candidates.retain(|(of, bucket), _| *of != account || listed.contains(bucket));
        });
    }

    /// Takes note of rows that are removed from a bucket; how many it were so far.
    pub(crate) fn wear(&self, account: AccountId, bucket: MessageId, rows: usize) -> usize {
        let mut worn = self.worn.lock().unwrap_or_else(PoisonError::into_inner);
        if worn.len() >= MOST && !worn.contains_key(&account) {
            worn.clear();
        }
        let (of, so_far) = worn.entry(account).or_insert((bucket, 0));
        if *of != bucket {
            (*of, *so_far) = (bucket, 0);
        }
        *so_far = so_far.saturating_add(rows);
        *so_far
    }

    fn with<T>(&self, step: impl FnOnce(&mut HashMap<Key, Stage>) -> T) -> T {
        step(
            &mut self
                .candidates
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

impl Core {
    /// A login found these buckets listed, and some of them empty: all but the newest may leave.
    pub(crate) fn consider(
        self: &Arc<Self>,
        account: AccountId,
        listed: &[MessageId],
        is_empty: impl Fn(MessageId) -> bool,
    ) {
        let Some((_, older)) = listed.split_last() else {
            return;
        };
        if older.is_empty() {
            return;
        }
        self.retiring.keep_only(account, listed);
        for &bucket in older.iter().filter(|&&bucket| is_empty(bucket)) {
            self.retiring.propose((account, bucket));
        }
        self.retire(Some(account));
    }

    /// A bucket was left behind: `newest` is known to be listed everywhere, or was just opened.
    pub(crate) fn supersede(&self, account: AccountId, bucket: MessageId, newest: &Directory) {
        let is_superseded = newest
            .buckets
            .last()
            .is_some_and(|newest| newest.id > bucket && newest.everywhere);
        if is_superseded {
            let now = self.clock().elapsed();
            self.retiring.supersede((account, bucket), now);
        }
    }

    /// Takes the steps that are due, of one account or of all.
    pub(crate) fn retire(self: &Arc<Self>, account: Option<AccountId>) {
        let now = self.clock().elapsed();
        for due in self.retiring.begin(account, now, AT_ONCE) {
            self.in_background(move |core| async move {
                let done = core.take_step(due).await;
                let after = match &done {
                    Ok(after) => *after,
                    Err(_) => Some(due.before),
                };
                core.retiring.settle(due.key, after);
                done.map(drop)
            });
        }
    }

    /// Answers the stage behind the step; none begins anew.
    async fn take_step(&self, due: Due) -> StoreResult<Option<Stage>> {
        let (account, bucket) = due.key;
        let now = self.clock().elapsed();
        let since = match due.step {
            Step::FindNewer => {
                let directory = self.directory_at(Profile::Proof, RETIRE, account).await?;
                let newest = directory.buckets.last();
                let is_superseded = newest.is_some_and(|newest| newest.id > bucket);
                return Ok(is_superseded.then_some(Stage::superseded(now)));
            }
            Step::FindRows { since } | Step::Retire { since } => since,
        };
        if self.has_row(account, bucket).await? {
            return Ok(Stage::occupied(since, now));
        }
        if let Step::FindRows { since } = due.step {
            let seen_at = now;
            return Ok(Some(Stage::Empty { since, seen_at }));
        }
        let at = Micros::of(bucket).plus(1);
        let change = vec![(Cql::DropBucket, row![at, account, bucket])];
        let deadline = self.engine.deadline(USUAL);
        let engine = &self.engine;
        let left = engine.change_or_fall_back(Fallback::Refused, RETIRE, deadline, change);
        left.await?;
        Ok(Some(Stage::Left))
    }
}

#[cfg(test)]
mod tests {
    use cassmail_mail::{IdMinter, NodeId, UnixTime};

    use super::*;

    fn key() -> Key {
        let account = AccountId::of(&"alice@example.org".parse().unwrap(), 1);
        let minter = IdMinter::new(NodeId::from_random(1));
        (account, minter.mint(UnixTime::from_micros(1)))
    }

    fn at(minutes: u64) -> Duration {
        Duration::from_mins(minutes)
    }

    fn begin(retiring: &Retiring, minutes: u64) -> Option<Step> {
        let due = retiring.begin(Some(key().0), at(minutes), AT_ONCE);
        due.first().map(|due| due.step)
    }

    #[test]
    fn a_bucket_leaves_forty_minutes_after_a_newer_one_and_two_looks() {
        let (retiring, since) = (Retiring::default(), at(0));
        assert_eq!(begin(&retiring, 0), None);
        retiring.propose(key());
        assert_eq!(begin(&retiring, 0), Some(Step::FindNewer));
        assert_eq!(begin(&retiring, 0), None, "somebody is at work on it");
        retiring.settle(key(), Some(Stage::superseded(since)));
        assert_eq!(begin(&retiring, 39), None);
        assert_eq!(begin(&retiring, 40), Some(Step::FindRows { since }));
        let seen_at = at(40);
        retiring.settle(key(), Some(Stage::Empty { since, seen_at }));
        assert_eq!(begin(&retiring, 40), None);
        assert_eq!(begin(&retiring, 41), Some(Step::Retire { since }));
        retiring.settle(key(), Some(Stage::Left));
        retiring.propose(key());
        assert_eq!(begin(&retiring, 1000), None);
        retiring.keep_only(key().0, &[]);
        retiring.propose(key());
        assert_eq!(begin(&retiring, 1000), Some(Step::FindNewer));
    }

    #[test]
    fn one_with_mail_is_looked_at_again_after_twice_the_time_or_when_it_is_found_empty() {
        let (retiring, since) = (Retiring::default(), at(0));
        retiring.supersede(key(), since);
        assert_eq!(begin(&retiring, 40), Some(Step::FindRows { since }));
        retiring.settle(key(), Stage::occupied(since, at(40)));
        assert_eq!(begin(&retiring, 79), None);
        assert_eq!(begin(&retiring, 80), Some(Step::FindRows { since }));
        retiring.settle(key(), Stage::occupied(since, at(80)));
        assert_eq!(begin(&retiring, 90), None);
        retiring.propose(key());
        assert_eq!(begin(&retiring, 90), Some(Step::FindRows { since }));
        assert_eq!(Stage::occupied(since, GIVEN_UP), None);
    }

    #[test]
    fn a_bucket_wears_out_in_many_sessions() {
        let retiring = Retiring::default();
        let (account, bucket) = key();
        assert_eq!(retiring.wear(account, bucket, 100), 100);
        assert_eq!(retiring.wear(account, bucket, 156), 256);
        let minter = IdMinter::new(NodeId::from_random(2));
        let next = minter.mint(UnixTime::from_micros(9));
        assert_eq!(retiring.wear(account, next, 1), 1);
    }
}
