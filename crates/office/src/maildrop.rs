//! The desk of POP3 sessions: login, the snapshot, giving out, removing.
//!
//! A session is a snapshot, and deletes are idempotent, so two sessions on one maildrop harm
//! nobody; an operator who wants RFC 1939's exclusive lock can have it within one process.
//!
//! Only QUIT removes: [`Question::Remove`] is asked by the session when QUIT was said and never
//! otherwise, and the +OK is made from the store's receipt.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cassmail_mail::{AccountId, Address, MessageId, Removed};
use cassmail_pop3::{
    Answer, BodyRefusal, Contents, Form, LoginRefusal, MaildropRefusal, Note, Question,
    RemoveRefusal, Session,
};
use cassmail_store::{
    BodyReader, ErrorKind, Happened, Patience, Refusal, Remover, Rule, Service, Store, StoreError,
    Traced,
};
use cassmail_telemetry::{Label as _, Limit, Metrics, Outcome, Protocol, chain, event};
use cassmail_wire::sasl::scram::ScramStart;
use cassmail_wire::sasl::{Acceptance, Claim};
use cassmail_wire::{Caller, Desk, Ending};

use crate::clock::Clock;
use crate::login::{LoggedIn, LoginFailure, Logins};
use crate::pause::Pauses;
use crate::presence::{Presence, Present};
use crate::quota::{Inventory, QuotaLimits, Quotas};
use crate::recorder::Recorder;
use crate::retention::RetentionOptions;
use crate::surrogate::AsSurrogate;
use crate::terms::Terms;

/// How mail is given out.
#[derive(Debug, Clone)]
pub struct MaildropOptions {
    /// Whether one session of an account shuts out others in this process.
    pub lock: MaildropLock,
    /// Sessions that an account may have at once.
    pub sessions_per_account: usize,
    /// How long an account pauses between two logins on this node.
    pub login_delay: Option<Duration>,
    /// How long mail stays.
    pub retention: RetentionOptions,
    /// How long a client waits for the answer to QUIT.
    pub patience: Duration,
}

/// Whether sessions of one account exclude each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaildropLock {
    /// They do not: the normal case of two devices.
    Shared,
    /// The second one is told `[IN-USE]`, as long as both are in this process.
    Exclusive,
}

/// What all POP3 desks share.
pub struct Counter {
    store: Arc<dyn Store>,
    logins: Arc<Logins>,
    quotas: Arc<Quotas>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    presence: Arc<Presence>,
    pauses: Option<Pauses>,
    terms: Terms,
    recorder: Option<Arc<Recorder>>,
    options: MaildropOptions,
}

impl Counter {
    /// How many sessions each account has that has any.
    pub(crate) fn sessions(&self) -> Vec<(AccountId, usize)> {
        self.presence.all()
    }

    /// Joins what a desk needs.
    pub fn new(
        store: Arc<dyn Store>,
        logins: Arc<Logins>,
        quotas: Arc<Quotas>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        options: MaildropOptions,
    ) -> Self {
        Self {
            store,
            logins,
            quotas,
            clock,
            metrics,
            presence: Arc::default(),
            pauses: options.login_delay.map(Pauses::new),
            terms: Terms::new(options.retention.clone()),
            recorder: None,
            options,
        }
    }

    /// Records what becomes of messages; else nothing is recorded.
    #[must_use]
    pub fn recorded_by(self, recorder: Option<Arc<Recorder>>) -> Self {
        Self { recorder, ..self }
    }

    /// A desk for one connection.
    pub fn desk(self: &Arc<Self>, caller: Caller) -> MaildropDesk {
        MaildropDesk {
            counter: Arc::clone(self),
            caller,
            user: None,
            present: None,
            body: None,
            inventory: None,
        }
    }
}

/// Answers one POP3 session.
pub struct MaildropDesk {
    counter: Arc<Counter>,
    caller: Caller,
    user: Option<LoggedIn>,
    /// Held while the maildrop is open.
    present: Option<Present>,
    body: Option<GivenOut>,
    /// What was there at login, where there is a limit.
    inventory: Option<Inventory>,
}

/// A message that is given out.
struct GivenOut {
    id: MessageId,
    reader: Box<dyn BodyReader>,
    octets: u64,
}

impl Desk for MaildropDesk {
    type Machine = Session;

    async fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::StartScram(user) => Answer::StartScram(self.start_scram(&user).await),
            Question::LogIn(claim) => Answer::LogIn(self.log_in(claim).await),
            Question::OpenMaildrop => Answer::Maildrop(self.list().await),
            Question::OpenBody(id, form) => Answer::Opened(self.open(id, form).await),
            Question::NextPiece => Answer::Piece(self.next_piece().await),
            Question::CloseBody => {
                self.body = None;
                Answer::BodyClosed
            }
            Question::Remove(ids) => Answer::Removed(self.remove(ids).await),
        }
    }

    /// POP3 clients send no messages.
    async fn body(&mut self, _piece: Bytes) {}

    fn note(&mut self, note: Note) {
        self.counter
            .metrics
            .refusal(Protocol::Pop3, is_peers_duty(&note));
        tracing::info!(
            event = event::POP3_REFUSED,
            session.id = %self.caller.session,
            client.address = %self.caller.peer.ip(),
            user = %self.user_for_logs(),
            refusal = %note,
        );
        self.record_refusal("POP3", None, rule_of(&note), note.to_string());
    }

    fn closed(&mut self, session: &Session, ending: Ending) {
        let duration = self.counter.clock.now().since(self.caller.accepted_at);
        let tally = session.tally();
        self.counter.metrics.pop3_retrieved(tally.retrieved);
        tracing::info!(
            event = event::POP3_SESSION_CLOSED,
            session.id = %self.caller.session,
            client.address = %self.caller.peer.ip(),
            user = %self.user_for_logs(),
            ending = ending.as_str(),
            listed = tally.listed,
            retrieved = tally.retrieved,
            removed = tally.removed,
            seconds = duration.as_secs_f64(),
        );
    }
}

impl MaildropDesk {
    async fn start_scram(&mut self, user: &str) -> Result<ScramStart, LoginRefusal> {
        let start = self.counter.logins.start_scram(user).await;
        start.map_err(|failure| self.refused_login(user, failure))
    }

    async fn log_in(&mut self, claim: Claim) -> Result<Acceptance, LoginRefusal> {
        let user = claim.user.clone();
        let source = self.caller.source;
        let verdict = self.counter.logins.check(claim, Service::Pop3, source);
        let verdict = verdict.await;
        let outcome = if verdict.is_ok() {
            Outcome::Ok
        } else {
            Outcome::Failed
        };
        self.counter.metrics.login(Protocol::Pop3, outcome);
        match verdict {
            Ok((logged_in, acceptance)) => {
                self.user = Some(logged_in);
                Ok(acceptance)
            }
            Err(failure) => {
                let (rule, text) = describe(&failure);
                self.record_refusal("LOGIN", Some(&user), rule, text);
                Err(self.refused_login(&user, failure))
            }
        }
    }

    fn refused_login(&self, user: &str, failure: LoginFailure) -> LoginRefusal {
        match failure {
            LoginFailure::TooMany(limit) => {
                self.log_limited(limit, user);
                return LoginRefusal::TooMany;
            }
            LoginFailure::Wrong(reason) => {
                tracing::info!(
                    event = event::LOGIN_REFUSED, session.id = %self.caller.session,
                    client.address = %self.caller.peer.ip(), user, reason
                );
                return LoginRefusal::Wrong;
            }
            LoginFailure::Store(error) => self.log_fault(&error),
            LoginFailure::Password(error) => self.log_fault(&error),
            LoginFailure::Randomness(error) => self.log_fault(&error),
        }
        LoginRefusal::TryLater
    }

    async fn list(&mut self) -> Result<Contents, MaildropRefusal> {
        let account = self.account().ok_or(MaildropRefusal::TryLater)?;
        let now = self.counter.clock.now();
        let counter = Arc::clone(&self.counter);
        let pauses = counter.pauses.as_ref();
        if pauses.is_some_and(|pauses| pauses.is_pausing(account, now)) {
            return Err(MaildropRefusal::TooSoon);
        }
        let present = self.enter(account)?;
        let expire = self.expire().await?;
        let limits = self.limits().await;
        let basis = counter.quotas.before_listing(account);
        let listed = self.counter.store.list(account).await;
        let entries = listed.map_err(|error| {
            self.log_fault(&error);
            MaildropRefusal::TryLater
        })?;
        self.inventory = counter.quotas.listed(account, limits, basis, &entries);
        // Only now: a listing that failed must not shut out the next try of the same session.
        self.present = present;
        if let Some(pauses) = pauses {
            pauses.begin(account, now);
        }
        Ok(Contents { entries, expire })
    }

    async fn expire(&mut self) -> Result<Option<NonZeroU32>, MaildropRefusal> {
        let counter = &self.counter;
        let user = self.user.as_ref().ok_or(MaildropRefusal::TryLater)?;
        let terms = &counter.terms;
        let days = terms.days_of(&counter.store, &*counter.clock, user).await;
        days.map_err(|error| {
            self.log_fault(&error);
            MaildropRefusal::TryLater
        })
    }

    /// The limits of who logged in. If they cannot be found out, nothing is noted.
    async fn limits(&mut self) -> QuotaLimits {
        let counter = &self.counter;
        let Some(user) = &self.user else {
            return QuotaLimits::default();
        };
        let quota = counter
            .terms
            .quota_of(&counter.store, &*counter.clock, user);
        match quota.await {
            Ok(quota) => counter.quotas.limits(quota),
            Err(error) => {
                self.log_fault(&error);
                QuotaLimits::default()
            }
        }
    }

    fn enter(&self, account: AccountId) -> Result<Option<Present>, MaildropRefusal> {
        let presence = &self.counter.presence;
        let MaildropOptions {
            lock,
            sessions_per_account,
            ..
        } = self.counter.options;
        match lock {
            MaildropLock::Exclusive => match presence.enter(account, 1) {
                None => Err(MaildropRefusal::InUse),
                entered => Ok(entered),
            },
            MaildropLock::Shared if self.caller.source.is_exempt() => Ok(None),
            MaildropLock::Shared => match presence.enter(account, sessions_per_account) {
                None => {
                    self.log_limited(Limit::SessionsPerAccount, &self.user_for_logs());
                    Err(MaildropRefusal::TooMany)
                }
                entered => Ok(entered),
            },
        }
    }

    async fn open(&mut self, id: MessageId, form: Form) -> Result<(), BodyRefusal> {
        let account = self.account().ok_or(BodyRefusal::TryLater)?;
        match self.counter.store.open(account, id).await {
            Ok(body) => {
                self.body = Some(GivenOut {
                    id,
                    reader: match form {
                        Form::AsKept => body,
                        Form::Surrogate => Box::new(AsSurrogate::new(body)),
                    },
                    octets: 0,
                });
                Ok(())
            }
            Err(error) => Err(self.body_refusal(&error)),
        }
    }

    async fn next_piece(&mut self) -> Result<Option<Bytes>, BodyRefusal> {
        let body = self.body.as_mut().ok_or(BodyRefusal::TryLater)?;
        let piece = body.reader.next().await;
        match &piece {
            Ok(Some(piece)) => {
                let octets = u64::try_from(piece.len()).unwrap_or(u64::MAX);
                body.octets = body.octets.saturating_add(octets);
            }
            Ok(None) => {
                let ended = self.body.take();
                self.record_retrieved(ended);
            }
            Err(_) => self.body = None,
        }
        piece.map_err(|error| self.body_refusal(&error))
    }

    fn body_refusal(&self, error: &StoreError) -> BodyRefusal {
        if error.kind() == ErrorKind::Missing {
            return BodyRefusal::Gone;
        }
        self.log_fault(error);
        match error.kind() {
            ErrorKind::Corrupt => BodyRefusal::Damaged,
            _ => BodyRefusal::TryLater,
        }
    }

    async fn remove(&mut self, ids: Vec<MessageId>) -> Result<Removed, RemoveRefusal> {
        let account = self.account().ok_or(RemoveRefusal)?;
        let count = ids.len();
        let patience = Patience(self.counter.options.patience);
        let removed = self
            .counter
            .store
            .remove(account, ids.clone(), patience)
            .await;
        if removed.is_ok() {
            self.record_removed(&ids);
        }
        let outcome = if removed.is_ok() {
            Outcome::Ok
        } else {
            Outcome::Failed
        };
        if let Some(inventory) = &mut self.inventory {
            self.counter.quotas.removed(inventory, &ids, outcome);
        }
        self.counter.metrics.pop3_removed(outcome, count);
        removed.map_err(|error| {
            self.log_fault(&error);
            RemoveRefusal
        })
    }

    fn recorder(&self) -> Option<&Recorder> {
        self.counter.recorder.as_deref()
    }

    fn record_retrieved(&self, given: Option<GivenOut>) {
        if let (Some(recorder), Some(user), Some(given)) = (self.recorder(), &self.user, given) {
            let of = Traced {
                message: given.id,
                account: user.id,
                user: user.address.clone(),
            };
            let octets = given.octets;
            recorder.in_session(&self.caller, Happened::Retrieved { of, octets });
        }
    }

    fn record_removed(&self, ids: &[MessageId]) {
        let (Some(recorder), Some(user)) = (self.recorder(), &self.user) else {
            return;
        };
        for removed in removals(ids, user.id, &user.address, Remover::Owner) {
            recorder.in_session(&self.caller, removed);
        }
    }

    fn record_refusal(&self, command: &str, claimed: Option<&str>, rule: Rule, reply: String) {
        let Some(recorder) = self.recorder() else {
            return;
        };
        let refusal = Refusal {
            command: command.to_owned(),
            message: None,
            user: self.user.as_ref().map(|user| user.address.clone()),
            reverse_path: None,
            recipients: Vec::new(),
            about: claimed.map(legible),
            recipient: claimed.and_then(|user| user.parse().ok()),
            reply,
            rule,
        };
        recorder.in_session(&self.caller, Happened::Refused(Box::new(refusal)));
    }

    fn account(&self) -> Option<AccountId> {
        self.user.as_ref().map(|user| user.id)
    }

    fn user_for_logs(&self) -> String {
        self.user
            .as_ref()
            .map(|user| user.address.to_string())
            .unwrap_or_default()
    }

    fn log_limited(&self, limit: Limit, user: &str) {
        self.counter.metrics.limited(limit);
        tracing::info!(
            event = event::LOGIN_REFUSED, session.id = %self.caller.session,
            client.address = %self.caller.peer.ip(), user, limit = limit.text()
        );
    }

    fn log_fault(&self, error: &(dyn std::error::Error + 'static)) {
        tracing::error!(
            event = event::STORE_OPERATION_FAILED, session.id = %self.caller.session,
            user = %self.user_for_logs(), error = %chain(error)
        );
    }
}

/// What was removed of an account, in events that are not too large.
pub(crate) fn removals<'a>(
    ids: &'a [MessageId],
    account: AccountId,
    user: &'a Address,
    by: Remover,
) -> impl Iterator<Item = Happened> + 'a {
    const AT_ONCE: usize = 200;
    ids.chunks(AT_ONCE).map(move |some| Happened::Removed {
        messages: some.to_vec(),
        account,
        user: user.clone(),
        by,
    })
}

/// A name that somebody claimed, as it can be shown.
fn legible(name: &str) -> String {
    const LONGEST: usize = 100;
    let shown = |c: char| if c.is_control() { '?' } else { c };
    name.chars().take(LONGEST).map(shown).collect()
}

/// Why a login is refused, and in which words it is recorded; the peer is told less.
fn describe(failure: &LoginFailure) -> (Rule, String) {
    match failure {
        LoginFailure::TooMany(limit) => (Rule::TooMany, format!("too many: {}", limit.text())),
        LoginFailure::Wrong(reason) => (Rule::Login, (*reason).to_owned()),
        LoginFailure::Store(_) | LoginFailure::Password(_) | LoginFailure::Randomness(_) => {
            (Rule::Fault, "a fault of ours, see the log".to_owned())
        }
    }
}

fn rule_of(note: &Note) -> Rule {
    match note {
        Note::Misuse(_) | Note::TooManyMisuses | Note::ForeignProtocol(_) => Rule::Protocol,
        Note::TooManyLogins | Note::LoginInClear | Note::BadProof(_) => Rule::Login,
        Note::InUse => Rule::InUse,
        Note::NotRemoved => Rule::Indeterminate,
        Note::BrokenOff { .. } | Note::SizeDiffers { .. } | Note::AnswerOutOfTurn => Rule::Fault,
    }
}

/// Whether the peer has to act, not we.
fn is_peers_duty(note: &Note) -> bool {
    !matches!(
        note,
        Note::InUse
            | Note::BrokenOff { .. }
            | Note::SizeDiffers { .. }
            | Note::NotRemoved
            | Note::AnswerOutOfTurn
    )
}
