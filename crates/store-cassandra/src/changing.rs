//! Changes: repeated until they are acknowledged, at the full level or, while a data center is
//! away, without it.
//!
//! A repetition sends the same bytes. What may have happened once is never said not to have
//! happened, whatever the last attempt says.

use std::sync::Arc;

use cassmail_store::{ErrorKind, StoreError, StoreResult};

use crate::breaker::{FAILURES, Fallback, Reach};
use crate::engine::{Change, Deadline, Engine, pauses};
use crate::error::{Failure, Verb, Verdict};
use crate::profiles::Profile;

/// What is to be changed, and how.
#[derive(Clone)]
struct Order {
    verb: Verb,
    deadline: Deadline,
    change: Arc<Change>,
    level: Profile,
    /// There is another data center that may be away, and the change may be made without it.
    can_fall_back: bool,
}

/// What the attempts so far tell.
#[derive(Default)]
struct Tried {
    may_have_happened: bool,
    /// Time limits at the full level.
    late: u32,
}

/// An attempt, or one after the other at several levels, failed.
struct Failed {
    failure: Failure,
    is_open: bool,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        let is_open = failure.verdict().is_open();
        Self { failure, is_open }
    }
}

impl Engine {
    /// Makes a change with the profile of its first statement, again and again until it is
    /// acknowledged or the deadline has come. While a data center is away, without it.
    pub(crate) async fn change(
        self: &Arc<Self>,
        verb: Verb,
        deadline: Deadline,
        change: Change,
    ) -> StoreResult<()> {
        let changed = self.change_or_fall_back(Fallback::Allowed, verb, deadline, change);
        changed.await.map(drop)
    }

    /// The same for those who must know how far it got, or refuse to fall back.
    pub(crate) async fn change_or_fall_back(
        self: &Arc<Self>,
        fallback: Fallback,
        verb: Verb,
        deadline: Deadline,
        change: Change,
    ) -> StoreResult<Reach> {
        let Some(&(first, _)) = change.first() else {
            return Ok(Reach::Everywhere);
        };
        let level = first.profile();
        let may_fall_back = level == Profile::Write && fallback == Fallback::Allowed;
        let order = Order {
            verb,
            deadline,
            change: Arc::new(change),
            level,
            can_fall_back: may_fall_back && self.has_other_centers(),
        };
        let mut tried = Tried::default();
        let mut pauses = pauses();
        loop {
            let Failed { failure, is_open } = match self.try_once(&order, &mut tried).await {
                Ok(Ok(reach)) => return Ok(reach),
                Ok(Err(failed)) => failed,
                Err(error) => return Err(tried.end_by(error)),
            };
            tried.may_have_happened |= is_open;
            let may_pass = failure.verdict().may_pass() && !self.is_refused(&order, &failure);
            if !may_pass || !self.pause(&mut pauses, deadline).await {
                return Err(tried.end(verb, failure));
            }
            tracing::debug!(error = %failure, verb, "a change is tried again");
        }
    }

    /// What must be known everywhere is not waited for while a data center is away.
    fn is_refused(&self, order: &Order, failure: &Failure) -> bool {
        let needs_all = order.level == Profile::Write && !order.can_fall_back;
        let is_away = matches!(failure.verdict(), Verdict::TooFew | Verdict::Late);
        needs_all && is_away && self.breaker.is_degraded()
    }

    async fn try_once(
        self: &Arc<Self>,
        order: &Order,
        tried: &mut Tried,
    ) -> StoreResult<Result<Reach, Failed>> {
        let is_away = self.breaker.is_open() || tried.late >= FAILURES;
        if order.can_fall_back && is_away {
            return self.fall_back(order).await;
        }
        match self.try_everywhere(order).await? {
            Ok(()) => Ok(Ok(Reach::Everywhere)),
            Err(failure) if order.can_fall_back && failure.verdict() == Verdict::TooFew => {
                self.fall_back(order).await
            }
            Err(failure) => {
                tried.late += u32::from(failure.verdict() == Verdict::Late);
                Ok(Err(failure.into()))
            }
        }
    }

    async fn try_everywhere(self: &Arc<Self>, order: &Order) -> StoreResult<Result<(), Failure>> {
        let done = self.try_at(order.level, order).await?;
        if order.level == Profile::Write {
            match &done {
                Ok(()) => self.breaker.succeeded(),
                Err(failure) if failure.verdict() == Verdict::Late && self.has_other_centers() => {
                    self.breaker.timed_out(self.clock.elapsed(), &order.change);
                    self.mend();
                }
                Err(_) => {}
            }
        }
        Ok(done)
    }

    /// The same bytes without the data center that is away. With three or more, a majority of all
    /// replicas and a quorum here must have it: more than one data center, and this one.
    async fn fall_back(self: &Arc<Self>, order: &Order) -> StoreResult<Result<Reach, Failed>> {
        let levels: &[Profile] = match self.data_centers().len() {
            0..=2 => &[Profile::WriteLocal],
            _ => &[Profile::Majority, Profile::WriteLocal],
        };
        for (before, &level) in levels.iter().enumerate() {
            if let Err(failure) = self.try_at(level, order).await? {
                // What a level before has acknowledged has happened.
                let is_open = before > 0 || failure.verdict().is_open();
                return Ok(Err(Failed { failure, is_open }));
            }
        }
        self.breaker.acknowledged_here(&order.change);
        self.mend();
        Ok(Ok(Reach::Here))
    }

    async fn try_at(
        self: &Arc<Self>,
        level: Profile,
        order: &Order,
    ) -> StoreResult<Result<(), Failure>> {
        let change = Arc::clone(&order.change);
        let send = move |engine: Arc<Self>| async move { engine.send(level, &change).await };
        self.attempt(level, order.verb, order.deadline, send).await
    }
}

impl Tried {
    fn end(&self, verb: Verb, failure: Failure) -> StoreError {
        let kind = if self.may_have_happened {
            ErrorKind::Indeterminate
        } else {
            failure.verdict().kind()
        };
        StoreError::caused(kind, verb, failure)
    }

    /// The last attempt was not even made.
    fn end_by(&self, error: StoreError) -> StoreError {
        if self.may_have_happened {
            return StoreError::caused(ErrorKind::Indeterminate, error.verb(), error);
        }
        error
    }
}
