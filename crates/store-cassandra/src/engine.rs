//! The session with Cassandra: statements that are prepared, counted, limited, and sent.
//!
//! Every request runs in a task of its own, so that a caller who goes away does not leave a request
//! half way in the driver (which would close the connection after a thousand of them), and so that
//! closing can wait for all that was sent. Nobody waits longer than the peer does: a request that
//! is still under way then goes on by itself, and counts as uncertain.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cassmail_store::{ErrorKind, Patience, Reason, StoreError, StoreResult};
use futures_util::future::{Either, select, try_join_all};
use scylla::client::PoolSize;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::cluster::ClusterState;
use scylla::cluster::metadata::Strategy;
use scylla::deserialize::row::DeserializeRow;
use scylla::errors::{ExecutionError, PrepareError, RequestAttemptError};
use scylla::response::query_result::QueryResult;
use scylla::response::{PagingState, PagingStateResponse};
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use tokio::sync::OwnedSemaphorePermit;

use crate::breaker::Breaker;
use crate::commit_logs::CommitLogs;
use crate::error::{Failure, OpenError, Verb, Verdict, closing, odd_answer, unread};
use crate::gate::{Gate, Pass};
use crate::lane::Lane;
use crate::pauses::{Dice, Pauses};
use crate::profiles::{Profile, Profiles};
use crate::pulse::Pulse;
use crate::rows::Row;
use crate::schema::{self, checked_name};
use crate::statements::Cql;
use crate::{Clock, Options};

/// How many rows come at once.
const PAGE: i32 = 1000;

/// How long after a failure the same is tried again: from the first, doubled, to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What a further attempt is given at least: one that is abandoned at once would only make an
/// uncertain end of a certain one.
const LEAST: Duration = Duration::from_secs(1);

/// So often a connection is asked for a sign of life ...
const ASKED: Duration = Duration::from_secs(2);

/// ... and so long that is waited for: then the node is taken for gone, and others are asked.
const SILENT: Duration = Duration::from_secs(3);

/// What a read is given, all its attempts together ...
const READING: Patience = Patience(Duration::from_secs(10));

/// ... once it has its turn. It belongs to work that was let in, which has the peer's patience.
const TURN: Patience = Patience(Duration::from_mins(1));

/// What a change is given when nobody says how long the peer waits.
pub(crate) const USUAL: Patience = Patience(Duration::from_secs(20));

pub(crate) struct Engine {
    session: Session,
    keyspace: String,
    prepared: Vec<PreparedStatement>,
    profiles: Profiles,
    lane: Lane,
    dice: Dice,
    pulse: Pulse,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) gate: Arc<Gate>,
    /// One number for each statement: how often it was sent, in requests.
    sent: Vec<AtomicU64>,
    pub(crate) breaker: Breaker,
    pub(crate) commit_logs: CommitLogs,
}

/// Statements that are sent as one: a batch, if they are more, of one partition.
pub(crate) type Change = Vec<(Cql, Row)>;

/// When there is no point in going on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(pub(crate) Duration);

impl Engine {
    /// Connects and prepares all statements, after a look at the schema and at the commit logs.
    pub(crate) async fn open(options: &Options) -> Result<Arc<Self>, OpenError> {
        checked_name(&options.keyspace)?;
        let session = connect(options).await?;
        check_replicas(&session, options)?;
        // First: statements may speak of tables that an older schema does not have.
        schema::check(&session, options).await?;
        let prepared = prepare(&session, options).await?;
        let seed = getrandom::u64().map_err(OpenError::other("draw random bits"))?;
        let engine = Self {
            session,
            keyspace: options.keyspace.clone(),
            prepared,
            profiles: Profiles::new(options),
            lane: Lane::new(options.in_flight),
            dice: Dice::new(seed),
            pulse: Pulse::default(),
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

    /// As [`Engine::enter`], for what a peer can try again later: not while too much waits.
    pub(crate) fn enter_in_turn(&self, verb: Verb) -> StoreResult<Pass> {
        if self.lane.is_crowded() {
            let kind = ErrorKind::Unavailable(Reason::Overloaded);
            return Err(StoreError::new(kind, verb));
        }
        self.enter(verb)
    }

    /// Whether Cassandra has not answered in this data center for a while.
    pub(crate) fn is_silent(&self) -> bool {
        self.pulse.is_silent()
    }

    pub(crate) fn deadline(&self, patience: Patience) -> Deadline {
        Deadline(self.clock.elapsed().saturating_add(patience.0))
    }

    /// How many requests were sent so far, by statement; a batch counts as its first one.
    pub(crate) fn requests(&self) -> impl Iterator<Item = (Cql, u64)> {
        let counts = Cql::ALL.iter().zip(&self.sent);
        counts.map(|(&cql, count)| (cql, count.load(Ordering::Relaxed)))
    }

    /// The data centers that have replicas of the keyspace; a quorum in each is asked of those.
    pub(crate) fn data_centers(&self) -> BTreeSet<String> {
        let state = self.session.get_cluster_state();
        let Some(replicas) = replicas_of(&state, &self.keyspace) else {
            let nodes = state.get_nodes_info().iter();
            return nodes.filter_map(|node| node.datacenter.clone()).collect();
        };
        let replicated = replicas.iter().filter(|(_, count)| **count > 0);
        replicated.map(|(center, _)| center.clone()).collect()
    }

    /// For each request, so without a copy of the names.
    pub(crate) fn has_other_centers(&self) -> bool {
        let state = self.session.get_cluster_state();
        match replicas_of(&state, &self.keyspace) {
            Some(replicas) => replicas.values().filter(|count| **count > 0).count() > 1,
            None => self.data_centers().len() > 1,
        }
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

    /// Reads a page, in several attempts if there is time: nodes come and go.
    async fn read_page(
        self: &Arc<Self>,
        profile: Profile,
        verb: Verb,
        (cql, size): (Cql, i32),
        row: &Arc<Row>,
        from: PagingState,
    ) -> StoreResult<(QueryResult, PagingStateResponse)> {
        const ATTEMPTS: u32 = 3;
        let mut turn = self.turn(self.deadline(TURN)).await;
        if turn.is_none() {
            return Err(unread(verb, Failure::Crowded));
        }
        let deadline = self.deadline(READING);
        let mut pauses = pauses();
        let mut attempt = 1;
        loop {
            let (row, from) = (Arc::clone(row), from.clone());
            let send = move |engine: Arc<Self>| async move {
                engine.count(cql);
                let mut statement = engine.statement(cql, profile);
                statement.set_page_size(size);
                let read = engine.session.execute_single_page(&statement, &*row, from);
                read.await
            };
            let read = match turn.take() {
                Some(turn) => {
                    self.attempt_in_turn(turn, profile, verb, deadline, send)
                        .await
                }
                None => self.attempt(profile, verb, deadline, send).await,
            };
            let failure = match read? {
                Ok(page) => return Ok(page),
                Err(failure) => failure,
            };
            let is_last = attempt == ATTEMPTS || !failure.verdict().may_pass();
            if is_last || !self.pause(&mut pauses, deadline).await {
                return Err(unread(verb, failure));
            }
            attempt += 1;
        }
    }

    /// One attempt, waited for until the deadline. The outer error says that nothing was sent.
    pub(crate) async fn attempt<T, S, W>(
        self: &Arc<Self>,
        profile: Profile,
        verb: Verb,
        deadline: Deadline,
        send: S,
    ) -> StoreResult<Result<T, Failure>>
    where
        T: Send + 'static,
        S: FnOnce(Arc<Self>) -> W + Send + 'static,
        W: Future<Output = Result<T, ExecutionError>> + Send + 'static,
    {
        match self.turn(deadline).await {
            Some(turn) => {
                let attempt = self.attempt_in_turn(turn, profile, verb, deadline, send);
                attempt.await
            }
            None => Ok(Err(Failure::Crowded)),
        }
    }

    async fn turn(&self, deadline: Deadline) -> Option<OwnedSemaphorePermit> {
        let end = self.clock.sleep(self.left(deadline));
        self.lane.turn(end).await
    }

    async fn attempt_in_turn<T, S, W>(
        self: &Arc<Self>,
        turn: OwnedSemaphorePermit,
        profile: Profile,
        verb: Verb,
        deadline: Deadline,
        send: S,
    ) -> StoreResult<Result<T, Failure>>
    where
        T: Send + 'static,
        S: FnOnce(Arc<Self>) -> W + Send + 'static,
        W: Future<Output = Result<T, ExecutionError>> + Send + 'static,
    {
        let pass = self.gate.enter_further().ok_or_else(|| closing(verb))?;
        let engine = Arc::clone(self);
        let sent = tokio::spawn(async move {
            let (_pass, _turn) = (pass, turn);
            let done = send(Arc::clone(&engine)).await;
            engine.feel(profile, &done);
            done
        });
        Ok(match self.before(deadline, sent).await {
            Some(Ok(done)) => done.map_err(Failure::from),
            Some(Err(error)) => Err(Failure::Lost(error)),
            None => Err(Failure::Abandoned),
        })
    }

    /// What an attempt says of this data center. One that needs others too says nothing, unless
    /// not even the node that was asked has answered.
    fn feel<T>(&self, profile: Profile, done: &Result<T, ExecutionError>) {
        let needs_others = match profile {
            Profile::Read | Profile::Nearest | Profile::WriteLocal => false,
            Profile::Write | Profile::Majority | Profile::Heal | Profile::Proof => {
                self.has_other_centers()
            }
        };
        match done {
            Ok(_) if profile == Profile::Nearest => {}
            Ok(_) => self.pulse.felt(),
            Err(error) => {
                let is_unanswered = matches!(error, ExecutionError::RequestTimeout(_))
                    || Verdict::of(error) == Verdict::Unreached;
                let is_local = !needs_others && Verdict::of(error).may_pass();
                if is_unanswered || is_local {
                    self.pulse.missed(self.clock.elapsed());
                }
            }
        }
    }

    fn left(&self, deadline: Deadline) -> Duration {
        deadline.0.saturating_sub(self.clock.elapsed())
    }

    /// What comes of a work until the deadline; it has to go on by itself behind it. A little more
    /// is waited: if the machine has slept over the deadline, the answer may be there.
    async fn before<T>(&self, deadline: Deadline, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        for wait in [self.left(deadline), LEAST] {
            match select(work.as_mut(), self.clock.sleep(wait)).await {
                Either::Left((done, _)) => return Some(done),
                Either::Right(_) => {}
            }
        }
        None
    }

    /// A pause that is not the same for everybody.
    pub(crate) fn shaken(&self, pause: Duration) -> Duration {
        self.dice.shake(pause)
    }

    /// Waits before the next attempt; false if there is no time for one.
    pub(crate) async fn pause(&self, pauses: &mut Pauses, deadline: Deadline) -> bool {
        let pause = self.shaken(pauses.next());
        if self.left(deadline) <= pause.saturating_add(LEAST) {
            return false;
        }
        self.clock.sleep(pause).await;
        true
    }

    pub(crate) async fn send(
        &self,
        profile: Profile,
        change: &Change,
    ) -> Result<(), ExecutionError> {
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

    /// Reads a partition at a quorum in every data center, in small pages, and looks at nothing:
    /// the read repairs.
    pub(crate) async fn read_back(&self, cql: Cql, row: &Row) -> Result<(), ExecutionError> {
        const SMALL_PAGE: i32 = 32;
        let mut statement = self.statement(cql, Profile::Heal);
        // The set of owners is never read in part.
        if cql != Cql::ReadRefs {
            statement.set_page_size(SMALL_PAGE);
        }
        let mut next = Some(PagingState::start());
        while let Some(from) = next {
            self.count(cql);
            let read = self.session.execute_single_page(&statement, row, from);
            next = match read.await?.1 {
                PagingStateResponse::HasMorePages { state } => Some(state),
                PagingStateResponse::NoMorePages => None,
            };
        }
        Ok(())
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

/// In a data center without replicas a quorum of it could never answer.
fn check_replicas(session: &Session, options: &Options) -> Result<(), OpenError> {
    let state = session.get_cluster_state();
    // That there is no keyspace is said later.
    let Some(replicas) = replicas_of(&state, &options.keyspace) else {
        return Ok(());
    };
    match replicas.get(&options.data_center) {
        Some(count) if *count > 0 => Ok(()),
        _ => Err(OpenError::NoReplicas {
            keyspace: options.keyspace.clone(),
            data_center: options.data_center.clone(),
        }),
    }
}

/// How many replicas a keyspace has in each data center, if it is made as `init` makes it.
fn replicas_of<'a>(state: &'a ClusterState, keyspace: &str) -> Option<&'a HashMap<String, usize>> {
    match &state.get_keyspace(keyspace)?.strategy {
        Strategy::NetworkTopologyStrategy {
            datacenter_repfactors,
        } => Some(datacenter_repfactors),
        _ => None,
    }
}

/// Between the attempts of one request.
pub(crate) fn pauses() -> Pauses {
    Pauses::new(FIRST_PAUSE, LONGEST_PAUSE)
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
        .keepalive_interval(ASKED)
        .keepalive_timeout(SILENT)
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
        source: explained(&error.to_string(), options).into(),
    })
}

/// What the driver says, in one line, with what it cannot know: a node that misses something just
/// ends the connection.
fn explained(error: &str, options: &Options) -> String {
    let lines: Vec<&str> = error.lines().map(str::trim).collect();
    let error = lines.join(" ");
    let is_silent = error.contains("Connection broken");
    let hint = match &options.encryption {
        None if is_silent => "; nodes that want encryption need ca_certificate",
        Some(encryption) if is_silent && !encryption.shows_certificate => {
            "; nodes that want a certificate (require_client_auth) need certificate and key"
        }
        _ => "",
    };
    error + hint
}

/// All at once: each is prepared on every node, and there are some fifty.
async fn prepare(
    session: &Session,
    options: &Options,
) -> Result<Vec<PreparedStatement>, OpenError> {
    let all = Cql::ALL
        .iter()
        .map(|cql| prepare_one(session, options, *cql));
    try_join_all(all).await
}

async fn prepare_one(
    session: &Session,
    options: &Options,
    cql: Cql,
) -> Result<PreparedStatement, OpenError> {
    let prepared = session.prepare(cql.text_in(&options.keyspace)).await;
    let mut prepared = prepared.map_err(|error| match error {
        PrepareError::AllAttemptsFailed { ref first_attempt } if is_invalid(first_attempt) => {
            OpenError::NoSchema {
                keyspace: options.keyspace.clone(),
            }
        }
        error => OpenError::other("prepare a statement")(error),
    })?;
    prepared.set_is_idempotent(true);
    prepared.set_page_size(PAGE);
    Ok(prepared)
}

/// The keyspace or a table lacks.
fn is_invalid(error: &RequestAttemptError) -> bool {
    use scylla::errors::DbError;
    matches!(error, RequestAttemptError::DbError(DbError::Invalid, _))
}
