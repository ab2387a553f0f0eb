//! The desk of SMTP sessions: who may send what to whom, and the way of a message into the store.
//!
//! The order of what makes a 250 true:
//!
//! 1. RCPT: every recipient is resolved to accounts, of which one must have room; nothing is kept
//!    yet.
//! 2. Begin: the trace fields are written in front of the body (they are final now, so sizes are
//!    exact). A crash from here on leaves bytes that nobody lists; the store sweeps them.
//! 3. The body streams into the store's writer; a slow store slows the peer.
//! 4. Commit: one call makes body and listing durable for all owners or for none: **the point of
//!    acceptance**. Its receipt is what the session makes the 250 from.
//!
//! Whatever fails before 4 is answered 4xx and leaves nothing. When 4 does not know, the answer is
//! 451: a sender that tries again may cause a second copy, never a lost one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cassmail_mail::{AccountId, Address, Delivery, IdMinter, MessageId, Owner, Stored, UnixTime};
use cassmail_smtp::Class;
use cassmail_smtp::server::{
    Answer, BeginRefusal, CommitRefusal, Committed, Hop, Login, LoginRefusal, NoRoom, Question,
    Recipient, RecipientRefusal, Refused, RefusedLate, Sender, SenderRefusal, Session,
};
use cassmail_store::{
    Arrival, ErrorKind, Happened, Health, MessageWriter, Patience, Reached, Reason, Service, Store,
    StoreError, StoreResult, Way, delivered_size,
};
use cassmail_telemetry::{
    Label as _, Limit, Metrics, Outcome, Protocol, ReplyClass, SmtpVerb, chain, event,
};
use cassmail_wire::sasl::scram::ScramStart;
use cassmail_wire::sasl::{Acceptance, Claim};
use cassmail_wire::{Caller, Desk, Ending};

use crate::clock::Clock;
use crate::directory::{Directory, Resolution};
use crate::header::HeaderScan;
use crate::login::{LoggedIn, LoginFailure, Logins};
use crate::presence::{Presence, Present};
use crate::quota::{Incoming, Quotas, Receiver, Reserved};
use crate::rates::{Bringer, RateOptions, Rates};
use crate::recorder::Recorder;
use crate::refusals::{Envelope, Notes, way};
use crate::submission::Completion;
use crate::surrogate::Gauge;
use crate::trace::Trace;

/// How mail is taken in.
#[derive(Debug, Clone)]
pub struct IntakeOptions {
    /// Our name in `Received`.
    pub hostname: String,
    /// How many `Received` fields a message may have before it is taken for a loop.
    pub max_hops: usize,
    /// How much a source or an account may bring.
    pub rates: RateOptions,
    /// Sessions that an account may have at once.
    pub sessions_per_account: usize,
    /// How long a peer waits for the answer to the end of its message (RFC 5321 4.5.3.2.6 gives us
    /// ten minutes; senders in a hurry give less).
    pub patience: Duration,
}

/// What all SMTP desks share.
pub struct Intake {
    store: Arc<dyn Store>,
    directory: Directory,
    logins: Arc<Logins>,
    minter: Arc<IdMinter>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    rates: Rates,
    presence: Arc<Presence>,
    quotas: Option<Arc<Quotas>>,
    recorder: Option<Arc<Recorder>>,
    options: IntakeOptions,
}

impl Intake {
    /// How many sessions each account has that has logged in to send.
    pub(crate) fn sessions(&self) -> Vec<(AccountId, usize)> {
        self.presence.all()
    }

    /// Joins what a desk needs.
    pub fn new(
        store: Arc<dyn Store>,
        directory: Directory,
        logins: Arc<Logins>,
        minter: Arc<IdMinter>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        options: IntakeOptions,
    ) -> Self {
        Self {
            store,
            directory,
            logins,
            minter,
            clock,
            metrics,
            rates: Rates::new(options.rates),
            presence: Arc::default(),
            quotas: None,
            recorder: None,
            options,
        }
    }

    /// Keeps quotas; else everybody may have any amount of mail.
    #[must_use]
    pub fn keeping(self, quotas: Arc<Quotas>) -> Self {
        Self {
            quotas: Some(quotas),
            ..self
        }
    }

    /// Whether one of these has room for a message of so many octets.
    async fn room(&self, receivers: &[Receiver], octets: u64) -> Result<(), NoRoom> {
        match &self.quotas {
            Some(quotas) => quotas.room(receivers, octets).await,
            None => Ok(()),
        }
    }

    async fn reserve(&self, incoming: &[Incoming]) -> Result<Option<Reserved>, NoRoom> {
        match &self.quotas {
            Some(quotas) => quotas.reserve(incoming).await.map(Some),
            None => Ok(None),
        }
    }

    /// Records what becomes of messages; else nothing is recorded.
    #[must_use]
    pub fn recorded_by(self, recorder: Option<Arc<Recorder>>) -> Self {
        Self { recorder, ..self }
    }

    /// A desk for one connection.
    pub fn desk(self: &Arc<Self>, caller: Caller) -> IntakeDesk {
        IntakeDesk {
            intake: Arc::clone(self),
            caller,
            present: None,
            transaction: None,
            notes: Notes::default(),
            stored: 0,
        }
    }
}

/// Answers one SMTP session.
pub struct IntakeDesk {
    intake: Arc<Intake>,
    caller: Caller,
    /// Held while somebody is logged in.
    present: Option<Present>,
    transaction: Option<Transaction>,
    /// What a refusal is recorded with.
    notes: Notes,
    /// Messages that were stored in this session.
    stored: u64,
}

/// What MAIL opened.
struct Transaction {
    id: MessageId,
    sender: Sender,
    recipients: Vec<Accepted>,
    message: Option<Message>,
}

/// A recipient that was accepted.
struct Accepted {
    /// As the client named it.
    named: Option<Address>,
    accounts: Vec<Receiver>,
}

impl Accepted {
    fn recipient(&self) -> Recipient {
        match &self.named {
            Some(address) => Recipient::Mailbox(address.clone()),
            None => Recipient::Postmaster,
        }
    }
}

/// A body on its way into the store.
struct Message {
    writer: Option<Box<dyn MessageWriter>>,
    scan: HeaderScan,
    /// What a submission still has to be completed with; none on the MX port, where nothing is
    /// changed.
    completion: Option<Completion>,
    /// Of internationalized mail, the size of its surrogate.
    gauge: Option<Gauge>,
    failure: Option<StoreError>,
    size: u64,
    /// What was written of it, with what was put in front.
    kept: u64,
    received_at: UnixTime,
    way: Way,
}

impl Desk for IntakeDesk {
    type Machine = Session;

    async fn answer(&mut self, question: Question) -> Answer {
        self.notes.begin();
        let answer = match question {
            Question::StartScram(user) => Answer::StartScram(self.start_scram(&user).await),
            Question::LogIn(claim) => Answer::LogIn(self.log_in(claim).await),
            Question::Sender(sender) => Answer::Sender(self.open(sender).await),
            Question::Recipient(recipient) => Answer::Recipient(self.accept(recipient).await),
            Question::Begin(hop) => Answer::Begin(self.begin(&hop).await),
            Question::Commit => Answer::Commit(self.commit().await),
            Question::CommitEach => Answer::CommitEach(self.commit_each().await),
            Question::Forget => {
                self.forget();
                Answer::Forgotten
            }
        };
        self.notes.answered(&answer);
        answer
    }

    async fn body(&mut self, piece: Bytes) {
        let Some(message) = self
            .transaction
            .as_mut()
            .and_then(|open| open.message.as_mut())
        else {
            return;
        };
        if let Err(error) = message.take(piece).await {
            message.failure = Some(error);
            message.writer = None;
        }
    }

    fn held(&self) -> usize {
        let message = self
            .transaction
            .as_ref()
            .and_then(|open| open.message.as_ref());
        message.map_or(0, Message::held)
    }

    fn note(&mut self, note: Refused) {
        self.log_refusal(&note);
        self.record_refusal(note);
    }

    fn closed(&mut self, session: &Session, ending: Ending) {
        self.count_commands(session);
        self.log_closed(session, ending);
    }
}

impl IntakeDesk {
    /// Lets go of the transaction. If its message had begun, it is being refused, and the note of
    /// that comes next.
    fn forget(&mut self) {
        let ended = self.transaction.take();
        let refused = ended.filter(|transaction| transaction.message.is_some());
        self.notes.envelope = refused.as_ref().map(Transaction::envelope);
    }

    async fn start_scram(&mut self, user: &str) -> Result<ScramStart, LoginRefusal> {
        let start = self.intake.logins.start_scram(user).await;
        start.map_err(|failure| self.refused_login(user, failure))
    }

    async fn log_in(&mut self, claim: Claim) -> Result<(Login, Acceptance), LoginRefusal> {
        let user = claim.user.clone();
        let source = self.caller.source;
        let verdict = self.intake.logins.check(claim, Service::Submission, source);
        let verdict = verdict.await;
        let outcome = outcome_of(&verdict);
        self.intake.metrics.login(Protocol::Smtp, outcome);
        match verdict {
            Ok((logged_in, acceptance)) => Ok((self.enter(logged_in)?, acceptance)),
            Err(failure) => Err(self.refused_login(&user, failure)),
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

    /// Who has logged in counts as a session of the account.
    fn enter(&mut self, user: LoggedIn) -> Result<Login, LoginRefusal> {
        self.present = None;
        if !self.caller.source.is_exempt() {
            let most = self.intake.options.sessions_per_account;
            self.present = self.intake.presence.enter(user.id, most);
            if self.present.is_none() {
                self.log_limited(Limit::SessionsPerAccount, &user.address.to_string());
                return Err(LoginRefusal::TooMany);
            }
        }
        Ok(Login {
            address: user.address,
        })
    }

    /// The reply itself is logged with its envelope when the session notes it.
    fn is_over_rate(&self, counted: Result<(), Limit>) -> bool {
        let Err(limit) = counted else { return false };
        self.intake.metrics.limited(limit);
        true
    }

    async fn open(&mut self, sender: Sender) -> Result<(), SenderRefusal> {
        self.transaction = None;
        match self.intake.store.health() {
            Health::Full => return Err(SenderRefusal::Full),
            Health::Unreachable(_) | Health::Poisoned(_) => return Err(SenderRefusal::Fault),
            Health::Well | Health::Degraded(_) => {}
        }
        if !self.may_send_as(&sender).await? {
            return Err(SenderRefusal::NotYours);
        }
        let bringer = Bringer::new(
            self.caller.source,
            sender.user.as_ref().map(|user| &user.address),
        );
        let now = self.intake.clock.now();
        if self.is_over_rate(self.intake.rates.message(&bringer, now)) {
            return Err(SenderRefusal::TooMany);
        }
        let id = self.intake.minter.mint(self.intake.clock.wall());
        self.transaction = Some(Transaction {
            id,
            sender,
            recipients: Vec::new(),
            message: None,
        });
        Ok(())
    }

    /// Who logged in sends in the name of addresses that lead to the own account (RFC 6409 4.2,
    /// 6.1), or in nobody's, as reports do.
    async fn may_send_as(&mut self, sender: &Sender) -> Result<bool, SenderRefusal> {
        use cassmail_mail::ReversePath;
        let (Some(user), ReversePath::Mailbox(address)) = (&sender.user, &sender.reverse_path)
        else {
            return Ok(true);
        };
        let directory = &self.intake.directory;
        let own = directory.account(&user.address).await;
        let named = directory.resolve(address).await;
        match (own, named) {
            (Ok(Some(own)), Ok(Resolution::Accounts(accounts))) => {
                Ok(accounts.iter().any(|named| named.account == own))
            }
            (Ok(_), Ok(_)) => Ok(false),
            (Err(error), _) | (_, Err(error)) => {
                self.log_fault(&error);
                Err(SenderRefusal::Fault)
            }
        }
    }

    async fn accept(&mut self, recipient: Recipient) -> Result<(), RecipientRefusal> {
        // Those that nobody has count as well: who guesses addresses names many.
        let user = self.transaction.as_ref().and_then(Transaction::user);
        let bringer = Bringer::new(self.caller.source, user);
        let now = self.intake.clock.now();
        if self.is_over_rate(self.intake.rates.recipient(&bringer, now)) {
            return Err(RecipientRefusal::TooMany);
        }
        let accounts = self.resolve(&recipient).await?;
        let declared = self.transaction.as_ref().and_then(|open| open.sender.size);
        let room = self.intake.room(&accounts, declared.unwrap_or_default());
        room.await.map_err(RecipientRefusal::NoRoom)?;
        let transaction = self.transaction.as_mut().ok_or(RecipientRefusal::Fault)?;
        let named = match recipient {
            Recipient::Mailbox(address) => Some(address),
            Recipient::Postmaster => None,
        };
        transaction.recipients.push(Accepted { named, accounts });
        Ok(())
    }

    async fn resolve(&mut self, recipient: &Recipient) -> Result<Vec<Receiver>, RecipientRefusal> {
        let directory = &self.intake.directory;
        let resolution = match recipient {
            Recipient::Mailbox(address) => directory.resolve(address).await,
            Recipient::Postmaster => directory.resolve_postmaster().await,
        };
        match resolution {
            Ok(Resolution::Accounts(accounts)) => Ok(accounts),
            Ok(Resolution::Unknown) => Err(RecipientRefusal::Unknown),
            Ok(Resolution::NotLocal) => Err(RecipientRefusal::NotLocal),
            Ok(Resolution::Disabled) => Err(RecipientRefusal::Disabled),
            Err(error) => {
                self.log_fault(&error);
                Err(RecipientRefusal::Fault)
            }
        }
    }

    async fn begin(&mut self, hop: &Hop) -> Result<(), BeginRefusal> {
        let transaction = self.transaction.as_mut().ok_or(BeginRefusal::Fault)?;
        let begun = transaction.begin(&self.intake, &self.caller, hop).await;
        match begun {
            Ok(message) => {
                transaction.message = Some(message);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Unavailable(Reason::Full) => {
                Err(BeginRefusal::Full)
            }
            Err(error) => {
                self.log_fault(&error);
                Err(BeginRefusal::Fault)
            }
        }
    }

    async fn commit(&mut self) -> Result<Stored, CommitRefusal> {
        let begun_at = self.intake.clock.now();
        let mut transaction = self.transaction.take().ok_or(CommitRefusal::Fault)?;
        let mut message = transaction.message.take().ok_or(CommitRefusal::Fault)?;
        if message.scan.seen().received > self.intake.options.max_hops {
            self.notes.envelope = Some(transaction.envelope());
            return Err(CommitRefusal::Loop);
        }
        let patience = Patience(self.intake.options.patience);
        message.complete().await;
        let incoming = transaction.incoming(message.kept);
        let reserved = self.intake.reserve(&incoming).await;
        let reserved = reserved.map_err(CommitRefusal::NoRoom)?;
        let delivery = transaction.delivery(message.received_at);
        let stored = message.finish(delivery, patience).await;
        if let Some(reserved) = reserved {
            reserved.settle(&stored);
        }
        let took = self.intake.clock.now().since(begun_at);
        self.intake
            .metrics
            .message_accepted(outcome_of(&stored), message.size, took);
        match stored {
            Ok(receipt) => {
                self.stored += 1;
                self.log_stored(&transaction, &message);
                self.record_stored(transaction, message);
                Ok(receipt)
            }
            Err(error) => {
                self.notes.envelope = Some(transaction.envelope());
                Err(self.commit_refusal(&error))
            }
        }
    }

    fn record_stored(&self, transaction: Transaction, message: Message) {
        let Some(recorder) = &self.intake.recorder else {
            return;
        };
        let accepted = transaction.accepted(message, &self.intake.options.hostname);
        recorder.in_session(&self.caller, Happened::Accepted(Box::new(accepted)));
    }

    fn record_refusal(&mut self, refused: Refused) {
        let Some(recorder) = &self.intake.recorder else {
            return;
        };
        let open = self.transaction.as_ref().map(Transaction::envelope);
        let refusal = self.notes.refusal(refused, open);
        recorder.in_session(&self.caller, Happened::Refused(Box::new(refusal)));
    }

    /// Commits for those recipients that are still there: a server that hands mail in over LMTP can
    /// tell its sender about each of them.
    async fn commit_each(&mut self) -> Committed {
        let refused = self.refuse_late().await;
        if !refused.is_empty() {
            self.notes.envelope = self.transaction.as_ref().map(Transaction::envelope);
        }
        let is_for_nobody = self
            .transaction
            .as_ref()
            .is_some_and(|open| open.recipients.is_empty());
        let stored = if is_for_nobody {
            self.transaction = None;
            Err(CommitRefusal::Fault)
        } else {
            self.commit().await
        };
        Committed { stored, refused }
    }

    /// Takes those recipients out of the transaction that are no longer there, cannot be asked for,
    /// or have no room for the message.
    async fn refuse_late(&mut self) -> BTreeMap<usize, RefusedLate> {
        let mut refused = BTreeMap::new();
        let kept = self.complete().await;
        let accepted = match &mut self.transaction {
            Some(open) => std::mem::take(&mut open.recipients),
            None => Vec::new(),
        };
        let mut left = Vec::with_capacity(accepted.len());
        for (number, accepted) in accepted.into_iter().enumerate() {
            let recipient = accepted.recipient();
            match self.still_there(&accepted, kept).await {
                Ok(()) => left.push(accepted),
                Err(why) => {
                    refused.insert(number, RefusedLate { recipient, why });
                }
            }
        }
        if let Some(open) = &mut self.transaction {
            open.recipients = left;
        }
        refused
    }

    /// Writes what the message still lacks; gives how much was written of it.
    async fn complete(&mut self) -> u64 {
        let open = self.transaction.as_mut();
        let Some(message) = open.and_then(|open| open.message.as_mut()) else {
            return 0;
        };
        message.complete().await;
        message.kept
    }

    async fn still_there(
        &mut self,
        accepted: &Accepted,
        kept: u64,
    ) -> Result<(), RecipientRefusal> {
        let accounts = self.resolve(&accepted.recipient()).await?;
        let octets = delivered_size(kept, accepted.named.as_ref());
        let room = self.intake.room(&accounts, octets).await;
        room.map_err(RecipientRefusal::NoRoom)
    }

    fn commit_refusal(&self, error: &StoreError) -> CommitRefusal {
        match error.kind() {
            ErrorKind::Unavailable(Reason::Full) => CommitRefusal::Full,
            ErrorKind::Indeterminate => {
                self.log_fault(error);
                CommitRefusal::Indeterminate
            }
            _ => {
                self.log_fault(error);
                CommitRefusal::Fault
            }
        }
    }

    fn log_limited(&self, limit: Limit, user: &str) {
        self.intake.metrics.limited(limit);
        tracing::info!(
            event = event::LOGIN_REFUSED, session.id = %self.caller.session,
            client.address = %self.caller.peer.ip(), user, limit = limit.text()
        );
    }

    fn log_fault(&self, error: &(dyn std::error::Error + 'static)) {
        tracing::error!(
            event = event::STORE_OPERATION_FAILED, session.id = %self.caller.session,
            error = %chain(error)
        );
    }

    fn log_stored(&self, transaction: &Transaction, message: &Message) {
        tracing::info!(
            event = event::SMTP_MESSAGE_STORED,
            session.id = %self.caller.session,
            message.id = %transaction.id,
            client.address = %self.caller.peer.ip(),
            mail.from = %transaction.sender.reverse_path,
            mail.to = %transaction.recipients_for_logs(),
            mail.size = message.size,
        );
    }

    /// One line per refusal: client, envelope, rule, reply, session.
    fn log_refusal(&self, refused: &Refused) {
        let (from, to) = match (&self.transaction, self.notes.ended(refused.verb)) {
            (Some(open), _) => (
                open.sender.reverse_path.to_string(),
                open.recipients_for_logs(),
            ),
            // A refused message has ended its transaction by now.
            (None, Some(ended)) => (
                ended.reverse_path.to_string(),
                listed(ended.recipients.iter().map(ToString::to_string)),
            ),
            (None, None) => (String::new(), String::new()),
        };
        self.intake
            .metrics
            .refusal(Protocol::Smtp, refused.reply.class() == Class::Never);
        tracing::info!(
            event = event::SMTP_REFUSED,
            session.id = %self.caller.session,
            client.address = %self.caller.peer.ip(),
            mail.from = from,
            mail.to = to,
            refusal = %refused,
        );
    }

    fn count_commands(&self, session: &Session) {
        for (verb, class, count) in session.tally().iter() {
            let verb = SmtpVerb::named(verb.as_str()).unwrap_or(SmtpVerb::Other);
            let class = match class {
                Class::Done => ReplyClass::Done,
                Class::Continue => ReplyClass::Continue,
                Class::TryLater => ReplyClass::TryLater,
                Class::Never => ReplyClass::Never,
            };
            let commands = &self.intake.metrics.smtp_commands_total;
            commands.of(verb, class).inc_by(count.into());
        }
    }

    fn log_closed(&self, session: &Session, ending: Ending) {
        let duration = self.intake.clock.now().since(self.caller.accepted_at);
        let tally = session.tally();
        let of_class = |class| -> u32 {
            tally
                .iter()
                .filter(|(_, found, _)| *found == class)
                .map(|(_, _, count)| count)
                .sum()
        };
        tracing::info!(
            event = event::SMTP_SESSION_CLOSED,
            session.id = %self.caller.session,
            client.address = %self.caller.peer.ip(),
            ending = ending.as_str(),
            commands = tally.iter().map(|(_, _, count)| count).sum::<u32>(),
            refused = of_class(Class::TryLater) + of_class(Class::Never),
            messages = self.stored,
            seconds = duration.as_secs_f64(),
        );
    }
}

impl Transaction {
    async fn begin(&mut self, intake: &Intake, caller: &Caller, hop: &Hop) -> StoreResult<Message> {
        let received_at = intake.clock.wall();
        let mut writer = intake.store.begin(self.id).await?;
        let trace = Trace {
            reverse_path: &self.sender.reverse_path,
            hop,
            client: caller.peer.ip(),
            hostname: &intake.options.hostname,
            id: self.id,
            only_recipient: self.only_recipient(),
            require_tls: self.sender.require_tls,
            received_at,
        };
        let mut gauge = self.sender.smtputf8.then(Gauge::new);
        let fields = Bytes::from(trace.fields());
        if let Some(gauge) = &mut gauge {
            gauge.take(&fields);
        }
        let kept = fields.len() as u64;
        writer.write(fields).await?;
        let completion = self.sender.user.as_ref().map(|user| {
            Completion::new(
                &user.address,
                self.id,
                &intake.options.hostname,
                received_at,
            )
        });
        let scan = HeaderScan::default();
        Ok(Message {
            writer: Some(writer),
            scan,
            completion,
            gauge,
            failure: None,
            size: 0,
            kept,
            received_at,
            way: way(hop),
        })
    }

    /// What a refusal is recorded with: of many recipients the first.
    fn envelope(&self) -> Envelope {
        const SHOWN: usize = 10;
        let named = self.recipients.iter().filter_map(|to| to.named.clone());
        Envelope {
            message: self.id,
            user: self.user().cloned(),
            reverse_path: self.sender.reverse_path.clone(),
            recipients: named.take(SHOWN).collect(),
        }
    }

    fn accepted(self, message: Message, hostname: &str) -> Arrival {
        let header_id = match (message.scan.message_id(), &self.sender.user) {
            // What a submission was completed with (RFC 6409 8.3).
            (None, Some(_)) if !message.scan.seen().message_id => {
                Some(format!("{}@{hostname}", self.id))
            }
            (found, _) => found,
        };
        let reached = |recipient: Accepted| Reached {
            named: recipient.named,
            accounts: recipient.accounts.iter().map(|to| to.account).collect(),
        };
        Arrival {
            message: self.id,
            way: message.way,
            user: self.sender.user.map(|user| user.address),
            reverse_path: self.sender.reverse_path,
            size: message.size,
            header_id,
            recipients: self.recipients.into_iter().map(reached).collect(),
        }
    }

    fn user(&self) -> Option<&Address> {
        self.sender.user.as_ref().map(|user| &user.address)
    }

    fn only_recipient(&self) -> Option<&Address> {
        match self.recipients.as_slice() {
            [only] => only.named.as_ref(),
            _ => None,
        }
    }

    /// Every account once, with the first recipient that named it.
    fn owners(&self) -> impl Iterator<Item = (Receiver, Option<&Address>)> {
        let mut seen = std::collections::HashSet::with_capacity(self.recipients.len());
        let named = self.recipients.iter().flat_map(|recipient| {
            let accounts = recipient.accounts.iter();
            accounts.map(|&receiver| (receiver, recipient.named.as_ref()))
        });
        named.filter(move |(receiver, _)| seen.insert(receiver.account))
    }

    /// What each owner will have of a message of which so much is written.
    fn incoming(&self, kept: u64) -> Vec<Incoming> {
        let owners = self.owners().map(|(receiver, named)| Incoming {
            receiver,
            octets: delivered_size(kept, named),
        });
        owners.collect()
    }

    fn delivery(&self, received_at: UnixTime) -> Delivery {
        let owners = self.owners().map(|(receiver, named)| Owner {
            account: receiver.account,
            recipient: named.cloned(),
            uidl: None,
        });
        let owners = owners.collect();
        Delivery {
            reverse_path: self.sender.reverse_path.clone(),
            received_at,
            surrogate_size: None,
            owners,
        }
    }

    fn recipients_for_logs(&self) -> String {
        let named = |accepted: &Accepted| match &accepted.named {
            Some(address) => address.to_string(),
            None => "postmaster".to_owned(),
        };
        listed(self.recipients.iter().map(named))
    }
}

impl Message {
    /// The octets that are in memory and not with the store's engine yet.
    fn held(&self) -> usize {
        let by_writer = self.writer.as_ref().map_or(0, |writer| writer.held());
        let for_completion = self.completion.as_ref().map_or(0, Completion::held);
        by_writer.saturating_add(for_completion)
    }

    async fn take(&mut self, piece: Bytes) -> StoreResult<()> {
        self.size += piece.len() as u64;
        let header_end = self.scan.take(&piece);
        match &mut self.completion {
            None => self.write(piece).await,
            Some(completion) => {
                let Some(ready) = completion.take(piece, header_end, self.scan.seen()) else {
                    return Ok(());
                };
                self.completion = None;
                for piece in ready {
                    self.write(piece).await?;
                }
                Ok(())
            }
        }
    }

    /// Writes a piece as it is to be kept, if the message can still be committed.
    async fn write(&mut self, piece: Bytes) -> StoreResult<()> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        if let Some(gauge) = &mut self.gauge {
            gauge.take(&piece);
        }
        self.kept += piece.len() as u64;
        writer.write(piece).await
    }

    /// Writes what a submission without an end of its header still lacks; a failure is told by
    /// [`Message::finish`].
    async fn complete(&mut self) {
        let Some(completion) = self.completion.take() else {
            return;
        };
        for piece in completion.finish(self.scan.seen()) {
            if let Err(error) = self.write(piece).await {
                self.failure = Some(error);
                self.writer = None;
            }
        }
    }

    /// Commits a message that is complete.
    async fn finish(&mut self, mut delivery: Delivery, patience: Patience) -> StoreResult<Stored> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        let closed = || StoreError::new(ErrorKind::Unavailable(Reason::Engine), "store a message");
        let writer = self.writer.take().ok_or_else(closed)?;
        delivery.surrogate_size = self.gauge.take().and_then(Gauge::finish);
        writer.commit(delivery, patience).await
    }
}

/// The first names; a thousand would flood the log.
fn listed(mut names: impl Iterator<Item = String>) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<_> = names.by_ref().take(SHOWN).collect();
    let mut text = shown.join(" ");
    if names.next().is_some() {
        text.push_str(" and more");
    }
    text
}

fn outcome_of<T, E>(result: &Result<T, E>) -> Outcome {
    if result.is_ok() {
        Outcome::Ok
    } else {
        Outcome::Failed
    }
}
