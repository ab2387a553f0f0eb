//! Who has the store for a job that does not go together with another one.
//!
//! A scrub deletes bodies that nobody owns, and a copy writes bodies before their owners; two
//! scrubs would write down two places where they are. So each writes a row of its own into the
//! table of facts and then looks whether there is another one: of two that begin at once at least
//! one sees the other, and gives way. A row lives for some minutes and is written again meanwhile,
//! so a process that dies claims nothing for long. Every row has a key of its own, so that no
//! clock is compared with another.

use std::sync::Arc;
use std::time::Duration;

use cassmail_store::StoreResult;
use uuid::Uuid;

use crate::breaker::Fallback;
use crate::cassandra::Core;
use crate::engine::USUAL;
use crate::error::Verb;
use crate::rows::{Micros, bigint, row};
use crate::statements::Cql;

const CLAIM: Verb = "claim the store for a job";

/// What the keys of all claims begin with.
const PREFIX: &str = "claim/";

/// How long a claim lives that is not written again, in seconds.
const KEPT: i32 = 300;

/// How often it is written again.
const EVERY: Duration = Duration::from_mins(1);

/// A job that wants the store for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    Scrub,
    Copy,
}

impl Job {
    fn name(self) -> &'static str {
        match self {
            Self::Scrub => "scrub",
            Self::Copy => "copy",
        }
    }
}

/// Another job has the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken(pub(crate) String);

/// A job has the store as long as this is held, and some minutes longer if it is not released.
pub(crate) struct Claim {
    core: Arc<Core>,
    job: Job,
    key: String,
    written: Duration,
    at: Micros,
}

impl Core {
    /// Takes the store for a job, unless somebody has it.
    pub(crate) async fn claim(
        self: &Arc<Self>,
        job: Job,
        random: Uuid,
    ) -> StoreResult<Result<Claim, Taken>> {
        let mut claim = Claim {
            core: Arc::clone(self),
            job,
            key: format!("{PREFIX}{}/{random}", job.name()),
            written: Duration::ZERO,
            at: Micros(0),
        };
        claim.write().await?;
        match claim.others().await? {
            None => Ok(Ok(claim)),
            Some(taken) => {
                claim.release().await?;
                Ok(Err(taken))
            }
        }
    }
}

impl Claim {
    /// Holds the claim on, and says whether somebody has come in between: before every step that
    /// the other job would suffer from.
    pub(crate) async fn hold(&mut self) -> StoreResult<Result<(), Taken>> {
        let now = self.core.clock().elapsed();
        if now.saturating_sub(self.written) >= EVERY {
            self.write().await?;
        }
        Ok(self.others().await?.map_or(Ok(()), Err))
    }

    async fn write(&mut self) -> StoreResult<()> {
        let now = self.core.clock().elapsed();
        let wall = Micros(bigint(self.core.clock().now().as_micros()));
        self.at = wall.max(self.at.plus(1));
        let row = row![&*self.key, self.job.name(), self.at, KEPT];
        self.change(Cql::PutClaim, row).await?;
        self.written = now;
        Ok(())
    }

    async fn others(&self) -> StoreResult<Option<Taken>> {
        type Cells = (String, Option<String>);
        let engine = &self.core.engine;
        let facts = engine.read::<Cells>(CLAIM, Cql::ReadFacts, row![]).await?;
        let claims = facts.into_iter().filter(|(key, _)| key.starts_with(PREFIX));
        let mut others = claims.filter(|(key, _)| *key != self.key);
        Ok(others.find_map(|(_, job)| job).map(Taken))
    }

    pub(crate) async fn release(self) -> StoreResult<()> {
        self.change(Cql::DropClaim, row![self.at.plus(1), &*self.key])
            .await
    }

    async fn change(&self, cql: Cql, row: crate::rows::Row) -> StoreResult<()> {
        let engine = &self.core.engine;
        let deadline = engine.deadline(USUAL);
        let change = vec![(cql, row)];
        let done = engine.change_or_fall_back(Fallback::Refused, CLAIM, deadline, change);
        done.await.map(drop)
    }
}
