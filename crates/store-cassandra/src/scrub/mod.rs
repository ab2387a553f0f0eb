//! Looks at everything there is, mends what can be mended, and deletes what nobody owns.
//!
//! A scrub walks whole tables in the order of their tokens, piece by piece, at a rate that leaves
//! room for mail. What it reads costs little where all is well: keys and listing rows, no bodies.
//! Only what looks wrong is looked at again, at ALL.
//!
//! | walk | looks for | file |
//! |---|---|---|
//! | heal (if asked) | what a data center lacks, by reading all of it in all | `healing.rs` |
//! | maildrops | unlisted buckets, rows without body, bodies without row | `maildrops.rs` |
//! | directories | buckets to retire, removals to finish | `directories.rs` |
//! | bodies | chunks whose owners are gone, chunks without a first one | `bodies.rs` |
//! | addresses, names | names that are not listed, or listed and not in use | `names.rs` |
//!
//! The rules, which no walk breaks:
//!
//! * Nothing is inferred from absence, but by reads at ALL, in two passes an hour or a day apart
//!   (`suspects.rs`); what an earlier scrub has found counts as the first pass.
//! * A piece of a walk is first looked at and then acted on. Once a read has failed, nothing is
//!   deleted any more in this run: what it would have shown is not known.
//! * Before anything is deleted it is looked whether a copy or another scrub has begun
//!   (`claims.rs` of the crate).
//! * Deletions have the timestamp of one microsecond after what they delete, as always, so nothing
//!   that is written later can be hit.
//! * A dry run writes nothing at all, not even how far it came or what it suspects.
//! * Mail is never deleted, but that of accounts whose removal was acknowledged. A message whose
//!   body is lost stays listed and is reported.

mod bodies;
mod directories;
mod healing;
mod maildrops;
mod names;
mod position;
mod report;
mod slices;
mod suspects;

use std::fmt;
use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use cassmail_store::{ErrorKind, Reason, StoreError, StoreResult};

use crate::cassandra::Core;
use crate::claims::{Claim, Job, Taken};
use crate::engine::{Change, Deadline, USUAL};
use crate::error::{OpenError, Verb};
use healing::Table;
pub use position::LastScrub;
use position::Position;
pub(crate) use position::{KEY, read_last};
pub use report::{Count, End, Finding, Meaning, Report};
use slices::Span;

const SCRUB: Verb = "scrub";

/// So many checks run at once.
const AT_ONCE: usize = 8;

/// After so many failed reads a run gives up: there is no point in it now.
const MOST_FAILURES: u32 = 50;

/// What a scrub does with what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effect {
    /// Mends and deletes.
    #[default]
    Mend,
    /// Changes nothing at all, and says what it would do.
    DryRun,
}

/// How closely bodies are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bodies {
    /// They have to be there.
    #[default]
    Present,
    /// They are read, and have to be what was written.
    Verified,
}

/// Whether whole tables are repaired into a data center that was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Heal {
    /// Hints, repair and the nodes themselves do that.
    #[default]
    Nothing,
    /// Everything is read at a quorum in every data center, which repairs it.
    AllTables,
}

/// Where a scrub begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Begin {
    /// Where one with the same options was interrupted, or else at the start.
    #[default]
    WhereLeft,
    /// Where one with the same options was interrupted, and nowhere else.
    Resume,
    /// At the start.
    Restart,
}

/// How a scrub is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// What it does with what it finds.
    pub effect: Effect,
    /// How closely it looks at bodies.
    pub bodies: Bodies,
    /// Whether it heals first.
    pub heal: Heal,
    /// Where it begins. A dry run always begins at the start.
    pub begin: Begin,
    /// How many rows and requests a second, all in all.
    pub rate: NonZeroU32,
}

impl Default for Options {
    fn default() -> Self {
        const RATE: u32 = 2000;
        Self {
            effect: Effect::default(),
            bodies: Bodies::default(),
            heal: Heal::default(),
            begin: Begin::default(),
            rate: NonZeroU32::MIN.saturating_add(RATE - 1),
        }
    }
}

/// How far a scrub has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// In which walk it is.
    pub walk: &'static str,
    /// How much of all walks is done, from 0 to 1.
    pub done: f64,
    /// How many rows and requests it took so far.
    pub cost: u64,
}

/// A scrub could not be begun or had to give way.
#[derive(Debug, thiserror::Error)]
pub enum ScrubError {
    /// Another job has the store.
    #[error(
        "a {0} is at work on this store; if it died, its claim ends after five minutes by itself"
    )]
    Taken(String),
    /// There is nothing to go on with.
    #[error("no interrupted scrub with these options is there to be resumed")]
    NothingToResume,
    /// The store failed.
    #[error("the scrub failed")]
    Store(#[from] StoreError),
}

impl From<Taken> for ScrubError {
    fn from(Taken(job): Taken) -> Self {
        Self::Taken(job)
    }
}

/// A connection for scrubs, beside those of the services, which need not run.
pub struct Scrub {
    core: Arc<Core>,
}

impl Scrub {
    /// Connects. The nodes of the service do not take notice.
    pub async fn open(options: &crate::Options) -> Result<Self, OpenError> {
        let core = Core::connect(options).await?;
        Ok(Self { core })
    }

    /// Does a scrub, and says again and again how far it is; whoever is told so may break it off,
    /// and the next one goes on there.
    pub async fn run(
        &self,
        options: Options,
        progress: &mut (dyn FnMut(Progress) -> ControlFlow<()> + Send),
    ) -> Result<Report, ScrubError> {
        let mut run = Run::begin(&self.core, options).await?;
        let done = run.walk_all(progress).await;
        let released = run.release().await;
        done?;
        released?;
        Ok(run.report)
    }

    /// Waits for what is under way, and ends the connection.
    pub async fn close(self) {
        let gate = &self.core.engine.gate;
        gate.shut();
        gate.until_empty().await;
    }
}

/// One walk over one table, or two that go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walk {
    Heal(Table),
    Maildrops,
    Directories,
    Bodies,
    Addresses,
    Names,
}

impl Walk {
    fn all(options: Options) -> Vec<Self> {
        let heal = match options.heal {
            Heal::Nothing => &[][..],
            Heal::AllTables => Table::ALL,
        };
        let heal = heal.iter().map(|&table| Self::Heal(table));
        let looks = [
            Self::Maildrops,
            Self::Directories,
            Self::Bodies,
            Self::Addresses,
            Self::Names,
        ];
        heal.chain(looks).collect()
    }

    fn name(self) -> &'static str {
        match self {
            Self::Heal(table) => table.name(),
            Self::Maildrops => "maildrops",
            Self::Directories => "directories",
            Self::Bodies => "bodies",
            Self::Addresses => "addresses",
            Self::Names => "names",
        }
    }
}

/// A scrub under way.
struct Run<'a> {
    core: &'a Arc<Core>,
    options: Options,
    /// None in a dry run.
    claim: Option<Claim>,
    walks: Vec<Walk>,
    position: Position,
    report: Report,
    /// Reads that failed in this run.
    failures: u32,
    /// Rows that were read.
    rows: u64,
}

/// Whether there is a point in going on.
type Outcome = Result<ControlFlow<()>, ScrubError>;

impl<'a> Run<'a> {
    async fn begin(core: &'a Arc<Core>, options: Options) -> Result<Self, ScrubError> {
        let _pass = core.engine.enter(SCRUB)?;
        let claim = match options.effect {
            Effect::DryRun => None,
            Effect::Mend => Some(core.claim(Job::Scrub, random()?).await??),
        };
        let mut run = Self {
            core,
            options,
            claim,
            walks: Walk::all(options),
            position: Position::default(),
            report: Report::default(),
            failures: 0,
            rows: 0,
        };
        if let Err(error) = run.find_begin().await {
            run.release().await?;
            return Err(error);
        }
        Ok(run)
    }

    async fn release(&mut self) -> StoreResult<()> {
        match self.claim.take() {
            Some(claim) => claim.release().await,
            None => Ok(()),
        }
    }

    async fn walk_all(
        &mut self,
        progress: &mut (dyn FnMut(Progress) -> ControlFlow<()> + Send),
    ) -> Result<(), ScrubError> {
        while let Some(&walk) = self.walks.get(self.position.walk) {
            let went = self.walk(walk, progress).await?;
            if went.is_break() {
                return Ok(());
            }
            self.position.next_walk();
            self.save().await?;
        }
        self.report.end = End::Finished;
        Ok(())
    }

    /// Goes on in a walk to its end, unless it is told to stop or too much fails.
    async fn walk(
        &mut self,
        walk: Walk,
        progress: &mut (dyn FnMut(Progress) -> ControlFlow<()> + Send),
    ) -> Outcome {
        let mut span = Span::default();
        while !self.position.is_at_end() {
            if let Some(claim) = &mut self.claim {
                claim.hold().await??;
            }
            let (from, began) = (self.position.token, self.core.clock().elapsed());
            let to = span.end(from);
            let before = self.requests();
            match self.step(walk, from, to).await {
                Ok(end) => {
                    self.position.token = end;
                    span.widen();
                }
                Err(ScrubError::Store(error)) => {
                    self.failed(&error);
                    // A range that cannot be read as a whole may be read in parts.
                    if span.narrow().is_break() {
                        self.position.token = to;
                    }
                }
                Err(error) => return Err(error),
            }
            if self.failures > MOST_FAILURES {
                self.report.end = End::GaveUp;
                return Ok(ControlFlow::Break(()));
            }
            self.save().await?;
            if progress(self.progress(walk)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            let cost = self.requests() - before;
            self.rest(began, cost).await;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// One piece of a walk; answers how far it went.
    async fn step(&mut self, walk: Walk, from: i64, to: i64) -> Result<i64, ScrubError> {
        match walk {
            Walk::Heal(table) => self.heal(table, from, to).await,
            Walk::Maildrops => self.maildrops(from, to).await,
            Walk::Directories => self.directories(from, to).await,
            Walk::Bodies => self.bodies(from, to).await,
            Walk::Addresses => self.addresses(from, to).await,
            Walk::Names => self.names(from, to).await,
        }
    }

    fn progress(&self, walk: Walk) -> Progress {
        Progress {
            walk: walk.name(),
            done: self.position.part_of(self.walks.len()),
            cost: self.requests(),
        }
    }

    /// How many rows come in one piece: a few seconds' worth.
    fn piece(&self) -> i32 {
        const SECONDS: u32 = 5;
        const MOST: u32 = 2000;
        let rows = self.options.rate.get().saturating_mul(SECONDS).min(MOST);
        i32::try_from(rows).unwrap_or(i32::MAX)
    }

    /// Requests and rows so far.
    fn requests(&self) -> u64 {
        let sent = self.core.engine.requests().map(|(_, count)| count);
        sent.sum::<u64>() + self.rows
    }

    /// Takes note of rows that were read: they count as much as requests.
    fn took(&mut self, rows: usize) {
        self.rows += u64::try_from(rows).unwrap_or(u64::MAX);
    }

    /// Waits until so much may have been done at the rate that is allowed.
    async fn rest(&self, began: Duration, cost: u64) {
        let due = Duration::from_secs(1).mul_f64(
            f64::from(u32::try_from(cost).unwrap_or(u32::MAX)) / f64::from(self.options.rate.get()),
        );
        let spent = self.core.clock().elapsed().saturating_sub(began);
        let left = due.saturating_sub(spent);
        if !left.is_zero() {
            self.core.clock().sleep(left).await;
        }
    }

    /// A read failed: from now on nothing is deleted in this run.
    fn failed(&mut self, error: &StoreError) {
        self.failures += 1;
        self.report.add(Count::FailedReads, 1);
        tracing::warn!(?error, "a read of the scrub failed");
    }

    /// Takes the results of checks that succeeded, and note of those that failed.
    fn succeeded<T>(&mut self, checks: Vec<StoreResult<T>>) -> Vec<T> {
        let mut results = Vec::with_capacity(checks.len());
        for check in checks {
            match check {
                Ok(result) => results.push(result),
                Err(error) => self.failed(&error),
            }
        }
        results
    }

    fn may_mend(&self) -> bool {
        self.options.effect == Effect::Mend
    }

    /// Asked before every deletion of a piece; a copy that has begun ends the scrub.
    async fn may_delete(&mut self) -> Result<bool, ScrubError> {
        if !self.may_mend() || self.failures > 0 {
            return Ok(false);
        }
        match &mut self.claim {
            Some(claim) => claim.hold().await??,
            None => return Ok(false),
        }
        Ok(true)
    }

    fn deadline(&self) -> Deadline {
        self.core.engine.deadline(USUAL)
    }

    /// Makes a change in every data center or not at all; answers whether it was acknowledged.
    async fn change(&mut self, change: Change) -> bool {
        let deadline = self.deadline();
        let engine = &self.core.engine;
        let fallback = crate::breaker::Fallback::Refused;
        let done = engine.change_or_fall_back(fallback, SCRUB, deadline, change);
        let done = done.await.map(drop);
        self.done(&done)
    }

    /// Takes note of a change that failed.
    fn done(&mut self, done: &StoreResult<()>) -> bool {
        if let Err(error) = done {
            self.report.add(Count::FailedChanges, 1);
            tracing::warn!(?error, "a change of the scrub failed");
        }
        done.is_ok()
    }
}

/// For the key of a claim.
fn random() -> StoreResult<uuid::Uuid> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        StoreError::caused(ErrorKind::Unavailable(Reason::Engine), SCRUB, error)
    })?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

impl fmt::Debug for Scrub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrub").finish_non_exhaustive()
    }
}
