//! The session with Cassandra: statements that are prepared, counted, limited and repeated.
//!
//! Every request runs in a task of its own, so that a caller who goes away does not leave a request
//! half way in the driver (which would close the connection after a thousand of them), and so that
//! closing can wait for all that was sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cassmail_store::{ErrorKind, Patience, StoreError, StoreResult};
use scylla::client::PoolSize;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::deserialize::row::DeserializeRow;
use scylla::errors::{ExecutionError, RequestAttemptError};
use scylla::response::query_result::QueryResult;
use scylla::response::{PagingState, PagingStateResponse};
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use tokio::sync::Semaphore;

use crate::breaker::{Breaker, Fallback, Mending, Reach};
use crate::commit_logs::CommitLogs;
use crate::error::{OpenError, Verb, Verdict, closing, odd_answer, unread};
use crate::gate::{Gate, Pass};
use crate::profiles::{Profile, Profiles};
use crate::rows::Row;
use crate::schema::{self, checked_name};
use crate::statements::Cql;
use crate::{Clock, Options};

/// How many rows come at once.
const PAGE: i32 = 1000;

/// How long after a failure the same is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// What a change is given when nobody says how long the peer waits.
pub(crate) const USUAL: Patience = Patience(Duration::from_secs(20));

pub(crate) struct Engine {
    session: Session,
    prepared: Vec<PreparedStatement>,
    profiles: Profiles,
    in_flight: Semaphore,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) gate: Arc<Gate>,
    /// One number for each statement: how often it was sent, in requests.
    sent: Vec<AtomicU64>,
    pub(crate) breaker: Breaker,
    pub(crate) commit_logs: CommitLogs,
}

/// One or several attempts of a change failed.
struct Failed {
    error: ExecutionError,
    /// It may have happened.
    is_open: bool,
}

impl From<ExecutionError> for Failed {
    fn from(error: ExecutionError) -> Self {
        let is_open = Verdict::of(&error).is_open();
        Self { error, is_open }
    }
}

/// Statements that are sent as one: a batch, if they are more, of one partition.
pub(crate) type Change = Vec<(Cql, Row)>;

/// When there is no point in going on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Duration);

impl Engine {
    /// Connects and prepares all statements, after a look at the schema and at the commit logs.
    pub(crate) async fn open(options: &Options) -> Result<Arc<Self>, OpenError> {
        checked_name(&options.keyspace)?;
        let session = connect(options).await?;
        // First: statements may speak of tables that an older schema does not have.
        schema::check(&session, options).await?;
        let prepared = prepare(&session, options).await?;
        let engine = Self {
            session,
            prepared,
            profiles: Profiles::new(options),
            in_flight: Semaphore::new(options.in_flight),
            clock: Arc::clone(&options.clock),
            gate: Arc::default(),
            sent: Cql::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            breaker: Breaker::default(),
            commit_logs: CommitLogs::default(),
        };
        let engine = Arc::new(engine);
        engine.check_commit_logs(options.commit_log).await?;
        engine.watch_commit_logs();
        Ok(engine)
    }

    /// A verb comes in; it may be finished when the store is closed meanwhile.
    pub(crate) fn enter(&self, verb: Verb) -> StoreResult<Pass> {
        self.gate.enter().ok_or_else(|| closing(verb))
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    pub(crate) fn deadline(&self, patience: Patience) -> Deadline {
        Deadline(self.clock.elapsed().saturating_add(patience.0))
    }

    /// How many requests were sent so far, by statement; a batch counts as its first one.
    pub(crate) fn requests(&self) -> impl Iterator<Item = (Cql, u64)> {
        let counts = Cql::ALL.iter().zip(&self.sent);
        counts.map(|(&cql, count)| (cql, count.load(Ordering::Relaxed)))
    }

    /// The data centers that are known.
    pub(crate) fn data_centers(&self) -> std::collections::BTreeSet<String> {
        let state = self.session.get_cluster_state();
        let nodes = state.get_nodes_info().iter();
        nodes.filter_map(|node| node.datacenter.clone()).collect()
    }

    /// Reads all rows with the statement's own profile.
    pub(crate) async fn read<R>(
        self: &Arc<Self>,
        verb: Verb,
        cql: Cql,
        row: Row,
    ) -> StoreResult<Vec<R>>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        self.read_at(cql.profile(), verb, cql, row).await
    }

    /// Reads all rows, page by page.
    pub(crate) async fn read_at<R>(
        self: &Arc<Self>,
        profile: Profile,
        verb: Verb,
        cql: Cql,
        row: Row,
    ) -> StoreResult<Vec<R>>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        self.read_in_pages(PAGE, profile, verb, cql, row).await
    }

    /// The same in pages of so many rows, for those that are large or must not be cut.
    pub(crate) async fn read_in_pages<R>(
        self: &Arc<Self>,
        page: i32,
        profile: Profile,
        verb: Verb,
        cql: Cql,
        row: Row,
    ) -> StoreResult<Vec<R>>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        let size = page;
        let row = Arc::new(row);
        let mut all = Vec::new();
        let mut next = Some(PagingState::start());
        while let Some(from) = next {
            let asked = (cql, size);
            let (page, rest) = self.read_page(profile, verb, asked, &row, from).await?;
            let rows = page
                .into_rows_result()
                .map_err(|error| odd_answer(verb, error))?;
            all.reserve(rows.rows_num());
            for read in rows.rows::<R>().map_err(|error| odd_answer(verb, error))? {
                all.push(read.map_err(|error| odd_answer(verb, error))?);
            }
            next = match rest {
                PagingStateResponse::HasMorePages { state } => Some(state),
                PagingStateResponse::NoMorePages => None,
            };
        }
        Ok(all)
    }

    /// Reads a page, in at most three attempts: nodes come and go.
    async fn read_page(
        self: &Arc<Self>,
        profile: Profile,
        verb: Verb,
        (cql, size): (Cql, i32),
        row: &Arc<Row>,
        from: PagingState,
    ) -> StoreResult<(QueryResult, PagingStateResponse)> {
        const ATTEMPTS: u32 = 3;
        let mut attempt = 1;
        loop {
            let (engine, row, from) = (Arc::clone(self), Arc::clone(row), from.clone());
            let pass = self.gate.enter_further().ok_or_else(|| closing(verb))?;
            let sent = tokio::spawn(async move {
                let _pass = pass;
                let _permit = engine.in_flight.acquire().await;
                engine.count(cql);
                let mut statement = engine.statement(cql, profile);
                statement.set_page_size(size);
                let read = engine.session.execute_single_page(&statement, &*row, from);
                read.await
            });
            match sent.await {
                Ok(Ok(page)) => return Ok(page),
                Ok(Err(error)) if attempt < ATTEMPTS && Verdict::of(&error).may_pass() => {
                    attempt += 1;
                }
                Ok(Err(error)) => return Err(unread(verb, error)),
                Err(error) => return Err(odd_answer(verb, error)),
            }
            self.clock.sleep(PAUSE).await;
        }
    }

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
        let full = first.profile();
        let can_fall_back = full == Profile::Write && fallback == Fallback::Allowed;
        let change = Arc::new(change);
        let mut may_have_happened = false;
        loop {
            let is_away = can_fall_back && self.breaker.is_open();
            let mut done = if is_away {
                self.fall_back(verb, &change).await?
            } else {
                self.try_everywhere(full, verb, &change).await?
            };
            if let Err(failed) = &done
                && Verdict::of(&failed.error) == Verdict::TooFew
                && can_fall_back
                && !is_away
                && self.has_other_centers()
            {
                done = self.fall_back(verb, &change).await?;
            }
            let Failed { error, is_open } = match done {
                Ok(reach) => return Ok(reach),
                Err(failed) => failed,
            };
            let verdict = Verdict::of(&error);
            may_have_happened |= is_open;
            let is_late = self.clock.elapsed().saturating_add(PAUSE) >= deadline.0;
            if is_late || !verdict.may_pass() {
                let kind = if may_have_happened {
                    ErrorKind::Indeterminate
                } else {
                    verdict.kind()
                };
                return Err(StoreError::caused(kind, verb, error));
            }
            tracing::debug!(%error, verb, "a change is tried again");
            self.clock.sleep(PAUSE).await;
        }
    }

    async fn try_everywhere(
        self: &Arc<Self>,
        profile: Profile,
        verb: Verb,
        change: &Arc<Change>,
    ) -> StoreResult<Result<Reach, Failed>> {
        let done = self.attempt(profile, verb, change).await?;
        if profile == Profile::Write {
            match &done {
                Ok(()) => self.breaker.succeeded(),
                Err(error) if Verdict::of(error) == Verdict::Late && self.has_other_centers() => {
                    self.breaker.timed_out(self.clock.elapsed(), change);
                    self.mend();
                }
                Err(_) => {}
            }
        }
        Ok(done.map(|()| Reach::Everywhere).map_err(Failed::from))
    }

    /// The same bytes without the data center that is away. With three or more, a majority of all
    /// replicas and a quorum here must have it: more than one data center, and this one.
    async fn fall_back(
        self: &Arc<Self>,
        verb: Verb,
        change: &Arc<Change>,
    ) -> StoreResult<Result<Reach, Failed>> {
        let levels: &[Profile] = match self.data_centers().len() {
            0..=2 => &[Profile::WriteLocal],
            _ => &[Profile::Majority, Profile::WriteLocal],
        };
        for (before, &level) in levels.iter().enumerate() {
            if let Err(error) = self.attempt(level, verb, change).await? {
                // What a level before has acknowledged has happened.
                let is_open = before > 0 || Verdict::of(&error).is_open();
                return Ok(Err(Failed { error, is_open }));
            }
        }
        self.breaker.acknowledged_here(change);
        self.mend();
        Ok(Ok(Reach::Here))
    }

    fn has_other_centers(&self) -> bool {
        self.data_centers().len() > 1
    }

    /// Probes and heals in the background, as long as there is something to mend.
    fn mend(self: &Arc<Self>) {
        if !self.breaker.begin_mending() {
            return;
        }
        let engine = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                engine.clock.sleep(engine.breaker.next_pause()).await;
                let Some(_pass) = engine.gate.enter() else {
                    return engine.breaker.stop_mending();
                };
                match engine.breaker.next_step() {
                    Mending::Done => return,
                    Mending::Probe(change) => engine.probe(&change).await,
                    Mending::Heal(waiting) => engine.heal(waiting).await,
                }
            }
        });
    }

    async fn probe(self: &Arc<Self>, change: &Arc<Change>) {
        const PROBE: Verb = "probe the data centers";
        if let Ok(Ok(())) = self.attempt(Profile::Write, PROBE, change).await {
            self.breaker.close();
        }
    }

    /// Ends with the first partition that cannot be healed yet.
    async fn heal(self: &Arc<Self>, waiting: Vec<(String, Cql, Row)>) {
        for (name, cql, row) in waiting {
            if let Err(error) = self.read_back(cql, row).await {
                tracing::debug!(%error, "a partition still waits to be healed");
                return;
            }
            self.breaker.healed(&name);
        }
    }

    /// Reads a partition at a quorum in every data center, in small pages, and looks at nothing:
    /// the read repairs.
    async fn read_back(self: &Arc<Self>, cql: Cql, row: Row) -> Result<(), ExecutionError> {
        const SMALL_PAGE: i32 = 32;
        let mut statement = self.statement(cql, Profile::Heal);
        // The set of owners is never read in part.
        if cql != Cql::ReadRefs {
            statement.set_page_size(SMALL_PAGE);
        }
        let mut next = Some(PagingState::start());
        while let Some(from) = next {
            self.count(cql);
            let read = self.session.execute_single_page(&statement, &row, from);
            next = match read.await?.1 {
                PagingStateResponse::HasMorePages { state } => Some(state),
                PagingStateResponse::NoMorePages => None,
            };
        }
        Ok(())
    }

    /// One attempt. The outer error says that nothing was sent.
    async fn attempt(
        self: &Arc<Self>,
        profile: Profile,
        verb: Verb,
        change: &Arc<Change>,
    ) -> StoreResult<Result<(), ExecutionError>> {
        let (engine, change) = (Arc::clone(self), Arc::clone(change));
        let pass = self.gate.enter_further().ok_or_else(|| closing(verb))?;
        let sent = tokio::spawn(async move {
            let _pass = pass;
            let _permit = engine.in_flight.acquire().await;
            engine.send(profile, &change).await
        });
        let lost = |error| StoreError::caused(ErrorKind::Indeterminate, verb, error);
        sent.await.map_err(lost)
    }

    async fn send(&self, profile: Profile, change: &Change) -> Result<(), ExecutionError> {
        match &change[..] {
            [] => Ok(()),
            [(cql, row)] => {
                self.count(*cql);
                let statement = self.statement(*cql, profile);
                self.session.execute_unpaged(&statement, row).await?;
                Ok(())
            }
            [(first, _), ..] => {
                self.count(*first);
                let mut batch = Batch::new(BatchType::Unlogged);
                batch.set_is_idempotent(true);
                batch.set_execution_profile_handle(Some(self.profiles.handle(profile)));
                for (cql, _) in change {
                    batch.append_statement(self.prepared[*cql as usize].clone());
                }
                let rows: Vec<&Row> = change.iter().map(|(_, row)| row).collect();
                self.session.batch(&batch, rows).await?;
                Ok(())
            }
        }
    }

    fn statement(&self, cql: Cql, profile: Profile) -> PreparedStatement {
        let mut statement = self.prepared[cql as usize].clone();
        statement.set_execution_profile_handle(Some(self.profiles.handle(profile)));
        statement
    }

    fn count(&self, cql: Cql) {
        self.sent[cql as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// Connects to the nodes of the own data center.
pub(crate) async fn connect(options: &Options) -> Result<Session, OpenError> {
    let connections = std::num::NonZeroUsize::MIN.saturating_add(1);
    let profile = Profiles::new(options).handle(Profile::Write);
    let mut builder = SessionBuilder::new()
        .known_nodes(&options.contact_points)
        .pool_size(PoolSize::PerHost(connections))
        .default_execution_profile_handle(profile)
        .keyspaces_to_fetch([options.keyspace.clone()])
        .connection_timeout(Duration::from_secs(5))
        .schema_agreement_interval(Duration::from_millis(50))
        .tcp_nodelay(true)
        .tls_context(
            options
                .encryption
                .as_ref()
                .map(|encryption| Arc::clone(&encryption.config)),
        );
    if let Some(login) = &options.login {
        builder = builder.user(&login.user, &login.password);
    }
    builder.build().await.map_err(|error| OpenError::Connect {
        contact_points: options.contact_points.join(", "),
        // Its text has its causes, so they are not shown again.
        source: error.to_string().into(),
    })
}

async fn prepare(
    session: &Session,
    options: &Options,
) -> Result<Vec<PreparedStatement>, OpenError> {
    let mut prepared = Vec::with_capacity(Cql::ALL.len());
    for cql in Cql::ALL {
        let statement = session.prepare(cql.text_in(&options.keyspace)).await;
        let mut statement = statement.map_err(|error| match error {
            scylla::errors::PrepareError::AllAttemptsFailed { ref first_attempt }
                if is_invalid(first_attempt) =>
            {
                OpenError::NoSchema {
                    keyspace: options.keyspace.clone(),
                }
            }
            error => OpenError::other("prepare a statement")(error),
        })?;
        statement.set_is_idempotent(true);
        statement.set_page_size(PAGE);
        prepared.push(statement);
    }
    Ok(prepared)
}

/// The keyspace or a table lacks.
fn is_invalid(error: &RequestAttemptError) -> bool {
    use scylla::errors::DbError;
    matches!(error, RequestAttemptError::DbError(DbError::Invalid, _))
}
