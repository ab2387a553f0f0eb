//! Buckets that are empty leave the directory: only this makes a maildrop cheap that is emptied
//! again and again, since a listing reads every bucket there is, tombstones included.
//!
//! A login that finds a bucket empty makes it a candidate, and the logins after it go on, one step
//! each: a read of the directory at ALL shows a newer bucket, which that read also repairs into
//! every data center, so that in 60 minutes no writer believes in the old one any more (they read
//! again after ten, and list again what they put after thirty); then two reads at ALL, a minute
//! apart, find no row. Should a row appear all the same, it is hidden, not lost: a scrub lists the
//! bucket again. A bucket that was listed again stays: its row is later than this deletion.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cassmail_mail::{AccountId, MessageId};
use cassmail_store::StoreResult;

use crate::breaker::Fallback;
use crate::cassandra::Core;
use crate::engine::USUAL;
use crate::error::Verb;
use crate::profiles::Profile;
use crate::rows::{Micros, row};
use crate::statements::Cql;

const RETIRE: Verb = "retire a bucket";

/// So long nobody may put a row into a bucket that is not the newest.
const NEWER_SINCE: Duration = Duration::from_hours(1);

/// So far apart are the two looks.
const BETWEEN: Duration = Duration::from_mins(1);

/// So many candidates are kept; who does not fit comes again with the next login.
const MOST: usize = 10_000;

/// How far a candidate has come, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Somebody is at work on it.
    Busy,
    /// There was a newer one in every data center.
    Superseded(Duration),
    /// There was a newer one, and no row everywhere.
    Empty(Duration),
    /// It has left, or was listed again: nothing more is done.
    Left,
}

/// What is to be done with a candidate now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    FindNewer,
    FindRows,
    Retire,
}

#[derive(Default)]
pub(crate) struct Retiring {
    candidates: Mutex<HashMap<(AccountId, MessageId), Stage>>,
}

impl Retiring {
    /// The next step for a bucket, if it is time; whoever gets one has to settle it.
    fn begin(&self, key: (AccountId, MessageId), now: Duration) -> Option<(Step, Option<Stage>)> {
        self.with(|candidates| {
            let stage = candidates.get(&key).copied();
            let step = match stage {
                None if candidates.len() < MOST => Step::FindNewer,
                Some(Stage::Superseded(at)) if now.saturating_sub(at) >= NEWER_SINCE => {
                    Step::FindRows
                }
                Some(Stage::Empty(at)) if now.saturating_sub(at) >= BETWEEN => Step::Retire,
                _ => return None,
            };
            candidates.insert(key, Stage::Busy);
            Some((step, stage))
        })
    }

    fn settle(&self, key: (AccountId, MessageId), stage: Option<Stage>) {
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

    fn with<T>(&self, step: impl FnOnce(&mut HashMap<(AccountId, MessageId), Stage>) -> T) -> T {
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
        let now = self.clock().elapsed();
        for &bucket in older.iter().filter(|&&bucket| is_empty(bucket)) {
            let key = (account, bucket);
            if let Some((step, before)) = self.retiring.begin(key, now) {
                self.in_background(move |core| async move {
                    let done = core.take_step(step, account, bucket).await;
                    let after = match &done {
                        Ok(after) => *after,
                        Err(_) => before,
                    };
                    core.retiring.settle(key, after);
                    done.map(drop)
                });
            }
        }
    }

    /// Answers the stage behind the step; none begins anew.
    async fn take_step(
        &self,
        step: Step,
        account: AccountId,
        bucket: MessageId,
    ) -> StoreResult<Option<Stage>> {
        let now = self.clock().elapsed();
        if step == Step::FindNewer {
            let directory = self.directory_at(Profile::Proof, RETIRE, account).await?;
            let newest = directory.buckets.last();
            let is_superseded = newest.is_some_and(|newest| newest.id > bucket);
            return Ok(is_superseded.then_some(Stage::Superseded(now)));
        }
        if self.has_row(account, bucket).await? {
            return Ok(None);
        }
        if step == Step::FindRows {
            return Ok(Some(Stage::Empty(now)));
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

    fn key() -> (AccountId, MessageId) {
        let account = AccountId::of(&"alice@example.org".parse().unwrap(), 1);
        let minter = IdMinter::new(NodeId::from_random(1));
        (account, minter.mint(UnixTime::from_micros(1)))
    }

    #[test]
    fn a_bucket_leaves_an_hour_after_a_newer_one_and_two_looks() {
        let retiring = Retiring::default();
        let at = |minutes| Duration::from_mins(minutes);
        let begin = |minutes| retiring.begin(key(), at(minutes)).map(|(step, _)| step);
        assert_eq!(begin(0), Some(Step::FindNewer));
        assert_eq!(begin(0), None, "somebody is at work on it");
        retiring.settle(key(), Some(Stage::Superseded(at(0))));
        assert_eq!(begin(59), None);
        assert_eq!(begin(60), Some(Step::FindRows));
        retiring.settle(key(), Some(Stage::Empty(at(60))));
        assert_eq!(begin(60), None);
        assert_eq!(begin(61), Some(Step::Retire));
        retiring.settle(key(), Some(Stage::Left));
        assert_eq!(begin(1000), None);
        retiring.keep_only(key().0, &[]);
        assert_eq!(begin(1000), Some(Step::FindNewer));
    }
}
