//! A house for tests: a store in memory, people, a clock that stands still, and conversations
//! without sockets.

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cassmail_mail::{Address, IdMinter, NodeId, Secret, UnixTime};
use cassmail_office::{
    Administration, Belief, Clock, Counter, Days, Directory, DirectoryOptions, FullForLong,
    GuessOptions, Intake, IntakeDesk, IntakeOptions, Janitor, Limits, LocalPartCase, LoginOptions,
    Logins, Lookup, MaildropDesk, MaildropLock, MaildropOptions, NewPassword, PasswordOptions,
    Passwords, QuotaLimits, QuotaOptions, Quotas, RateOptions, Recorder, RecorderOptions,
    RetentionMode, RetentionOptions, SaltSecret, ScramOptions, Tokens,
};
use cassmail_smtp::server::{Options, Session as SmtpSession};
use cassmail_store::{MemoryStore, Store, Writer};
use cassmail_telemetry::Metrics;
use cassmail_wire::{
    Caller, ChannelBindings, Desk, Ending, Machine, Moment, SessionId, Source, Step, TlsFacts,
    TlsVersion,
};

/// Everybody's password.
pub(crate) const PASSWORD: &str = "open sesame";

/// Stands still; remembers who slept for how long.
#[derive(Default)]
pub(crate) struct StillClock {
    /// What it was turned on by.
    pub(crate) turned: Mutex<Duration>,
    /// What somebody has set the wall clock on by.
    pub(crate) set: Mutex<Duration>,
    pub(crate) slept: Mutex<Vec<Duration>>,
}

impl Clock for StillClock {
    fn now(&self) -> Moment {
        Moment::default().after(*self.turned.lock().unwrap())
    }

    fn wall(&self) -> UnixTime {
        let turned = *self.turned.lock().unwrap() + *self.set.lock().unwrap();
        let turned = u64::try_from(turned.as_micros()).unwrap();
        UnixTime::from_micros(1_700_000_000_000_000 + turned)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.slept.lock().unwrap().push(duration);
        Box::pin(std::future::ready(()))
    }
}

/// As on a cluster: every test has to live with it.
const BELIEF: Belief = Belief {
    found: Duration::from_secs(30),
    unknown: Duration::from_secs(5),
    most: 100,
};

/// A house that serves `here.example` and `also.example`.
pub(crate) struct House {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) directory: Directory,
    pub(crate) administration: Administration,
    pub(crate) logins: Arc<Logins>,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) counter: Arc<Counter>,
    pub(crate) clock: Arc<StillClock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) janitor: Janitor,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) lookup: Lookup,
}

/// How mail is given out where a test does not care.
pub(crate) fn usual(lock: MaildropLock) -> MaildropOptions {
    MaildropOptions {
        lock,
        sessions_per_account: 3,
        login_delay: None,
        retention: RetentionOptions {
            mode: RetentionMode::Off,
            shortest: Days(NonZeroU32::MIN),
            standard: Limits::default(),
            every: Duration::from_hours(1),
            accounts_per_second: 10,
        },
        patience: Duration::from_mins(1),
    }
}

/// No limit but those that are set; each house is another writer, and mints other ids.
fn quota_options() -> QuotaOptions {
    static HOUSES: AtomicU64 = AtomicU64::new(1);
    QuotaOptions {
        standard: QuotaLimits::default(),
        for_good: FullForLong::After(Duration::from_hours(24)),
        belief: Duration::from_secs(30),
        every: Duration::from_secs(10),
        writer: Writer(HOUSES.fetch_add(1, Ordering::Relaxed)),
        remembered: 100,
    }
}

impl House {
    /// A house over a store in memory.
    pub(crate) async fn build() -> Self {
        Self::over(Arc::new(MemoryStore::default()), MaildropLock::Shared).await
    }

    /// A house over this store; bob, carol and dave (who is out of service) live in it.
    pub(crate) async fn over(store: Arc<dyn Store>, lock: MaildropLock) -> Self {
        Self::furnished(Self::empty(store, usual(lock))).await
    }

    /// A house that gives mail out in this way.
    pub(crate) async fn giving_out(options: MaildropOptions) -> Self {
        let store = Arc::new(MemoryStore::default());
        Self::furnished(Self::empty(store, options)).await
    }

    async fn furnished(house: Self) -> Self {
        for domain in ["here.example", "also.example"] {
            let postmaster = Some(address("bob@here.example"));
            house
                .administration
                .add_domain(domain.parse().unwrap(), postmaster)
                .await
                .unwrap();
        }
        for person in [
            "bob@here.example",
            "carol@here.example",
            "dave@here.example",
        ] {
            house.settle(person).await;
        }
        let dave = address("dave@here.example");
        let disabled = cassmail_store::AccountState::Disabled;
        house
            .administration
            .set_state(&dave, disabled)
            .await
            .unwrap();
        house
    }

    /// Another node over the same store.
    pub(crate) fn beside(other: &Self) -> Self {
        Self::empty(other.store.clone(), usual(MaildropLock::Shared))
    }

    /// Another node over the same store, where nobody logs in by SCRAM.
    pub(crate) fn without_scram(other: &Self) -> Self {
        let options = usual(MaildropLock::Shared);
        Self::knowing(other.store.clone(), options, false, None)
    }

    /// Another node over the same store that believes these tokens.
    pub(crate) fn believing(other: &Self, tokens: Tokens) -> Self {
        let tokens = Some(Arc::new(tokens));
        let options = usual(MaildropLock::Shared);
        Self::knowing(other.store.clone(), options, true, tokens)
    }

    /// Lets time pass.
    pub(crate) fn turn(&self, by: Duration) {
        *self.clock.turned.lock().unwrap() += by;
    }

    fn empty(store: Arc<dyn Store>, giving_out: MaildropOptions) -> Self {
        Self::knowing(store, giving_out, true, None)
    }

    fn knowing(
        store: Arc<dyn Store>,
        giving_out: MaildropOptions,
        scram: bool,
        tokens: Option<Arc<Tokens>>,
    ) -> Self {
        let clock = Arc::new(StillClock::default());
        let ticking: Arc<dyn Clock> = clock.clone();
        let metrics = Arc::new(Metrics::new());
        let options = DirectoryOptions {
            local_part_case: LocalPartCase::Insensitive,
            tag_separator: Some('+'),
            postmaster: None,
            belief: BELIEF,
        };
        let directory = Directory::new(store.clone(), ticking.clone(), options);
        let passwords = PasswordOptions {
            memory_kib: 8,
            iterations: 1,
            parallelism: 1,
            workers: 1,
            queue: 10,
            scram: scram.then(|| ScramOptions {
                iterations: 16,
                salt_secret: SaltSecret::of(b"of all nodes"),
            }),
        };
        let passwords = Arc::new(Passwords::new(&passwords).unwrap());
        let options = LoginOptions {
            default_domain: "here.example".parse().ok(),
            guesses: GuessOptions::default(),
            remembered: 2,
            tokens,
        };
        let logins = Logins::new(
            store.clone(),
            directory.clone(),
            passwords.clone(),
            ticking.clone(),
            options,
        );
        let logins = Arc::new(logins.unwrap());
        let options = quota_options();
        let node = options.writer.0;
        let quotas = Arc::new(Quotas::new(
            store.clone(),
            ticking.clone(),
            metrics.clone(),
            options,
        ));
        let minute = Duration::from_mins(1);
        let minter = Arc::new(IdMinter::new(NodeId::from_random(node)));
        let keep = Duration::from_hours(14 * 24);
        let recorder = Arc::new(Recorder::new(
            store.clone(),
            ticking.clone(),
            metrics.clone(),
            minter.clone(),
            RecorderOptions {
                keep,
                node: "mx.here.example".into(),
            },
        ));
        let lookup = Lookup::new(
            store.clone(),
            directory.clone(),
            ticking.clone(),
            Some(keep),
        );
        let intake = Intake::new(
            store.clone(),
            directory.clone(),
            logins.clone(),
            minter,
            ticking.clone(),
            metrics.clone(),
            IntakeOptions {
                hostname: "mx.here.example".into(),
                max_hops: 100,
                rates: RateOptions::default(),
                sessions_per_account: 3,
                patience: minute,
            },
        )
        .recorded_by(Some(recorder.clone()));
        let janitor = Janitor::new(
            store.clone(),
            quotas.clone(),
            ticking.clone(),
            metrics.clone(),
            giving_out.retention.clone(),
            1,
        )
        .recorded_by(Some(recorder.clone()));
        let counter = Counter::new(
            store.clone(),
            logins.clone(),
            quotas.clone(),
            ticking.clone(),
            metrics.clone(),
            giving_out,
        )
        .recorded_by(Some(recorder.clone()));
        Self {
            recorder,
            lookup,
            janitor,
            metrics,
            administration: Administration::new(
                store.clone(),
                directory.clone(),
                passwords,
                quotas.clone(),
                ticking,
            ),
            store,
            directory,
            logins,
            intake: Arc::new(intake.keeping(quotas.clone())),
            quotas,
            counter: Arc::new(counter),
            clock,
        }
    }

    /// Makes an account with everybody's password.
    pub(crate) async fn settle(&self, person: &str) {
        let password = NewPassword::Clear(Secret::new(PASSWORD.to_owned()));
        self.administration
            .add_account(&address(person), password)
            .await
            .unwrap();
    }

    /// A conversation with the MX port.
    pub(crate) fn mx_talk(&self) -> Talk<SmtpSession, IntakeDesk> {
        let options = Options::mx("mx.here.example".parse().unwrap());
        let session = SmtpSession::new(Arc::new(options), &caller(None));
        Talk::begin(session, self.intake.desk(caller(None)))
    }

    /// A conversation with the LMTP socket.
    pub(crate) fn lmtp_talk(&self) -> Talk<SmtpSession, IntakeDesk> {
        let options = Options::lmtp("mx.here.example".parse().unwrap());
        let session = SmtpSession::new(Arc::new(options), &caller(None));
        Talk::begin(session, self.intake.desk(caller(None)))
    }

    /// A conversation with the submission port, under TLS.
    pub(crate) fn submission_talk(&self) -> Talk<SmtpSession, IntakeDesk> {
        let options = Options::submission("mx.here.example".parse().unwrap());
        let session = SmtpSession::new(Arc::new(options), &caller(Some(tls())));
        Talk::begin(session, self.intake.desk(caller(Some(tls()))))
    }

    /// A conversation with the POP3 port, under TLS.
    pub(crate) fn pop3_talk(&self) -> Talk<cassmail_pop3::Session, MaildropDesk> {
        let session = cassmail_pop3::Session::new(Arc::default(), &caller(Some(tls())));
        Talk::begin(session, self.counter.desk(caller(Some(tls()))))
    }

    /// What an MX session answers to this input, all in one piece.
    pub(crate) async fn mx(&self, input: &[u8]) -> String {
        self.mx_talk().whole(input).await
    }

    /// What a submission session under TLS answers.
    pub(crate) async fn submission(&self, input: &[u8]) -> String {
        self.submission_talk().whole(input).await
    }

    /// What a POP3 session under TLS answers.
    pub(crate) async fn pop3(&self, input: &[u8]) -> String {
        self.pop3_talk().whole(input).await
    }

    /// Delivers a message to recipients over the MX port.
    pub(crate) async fn deliver(&self, recipients: &[&str], message: &str) -> String {
        let mut input = "EHLO client.example\r\nMAIL FROM:<a@far.example>\r\n".to_owned();
        for recipient in recipients {
            input += &["RCPT TO:<", recipient, ">\r\n"].concat();
        }
        input += &["DATA\r\n", message, ".\r\nQUIT\r\n"].concat();
        self.mx(input.as_bytes()).await
    }

    /// Everything in somebody's maildrop, as RETR gives it out.
    pub(crate) async fn maildrop(&self, user: &str) -> Vec<String> {
        let account = self
            .directory
            .account(&address(user))
            .await
            .unwrap()
            .unwrap();
        let mut messages = Vec::new();
        for entry in self.store.list(account).await.unwrap() {
            let mut body = self.store.open(account, entry.id).await.unwrap();
            let mut octets = Vec::new();
            while let Some(piece) = body.next().await.unwrap() {
                octets.extend_from_slice(&piece);
            }
            assert_eq!(
                octets.len() as u64,
                entry.size,
                "the size that is listed is given out"
            );
            messages.push(String::from_utf8(octets).unwrap());
        }
        messages
    }
}

/// An address of a test.
pub(crate) fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn tls() -> TlsFacts {
    TlsFacts {
        version: TlsVersion::Tls13,
        cipher: "TLS_AES_256_GCM_SHA384",
        server_name: None,
        bindings: ChannelBindings::default(),
    }
}

/// Somebody who connects.
pub(crate) fn caller(tls: Option<TlsFacts>) -> Caller {
    Caller {
        session: SessionId(1),
        peer: "192.0.2.7:4000".parse().unwrap(),
        source: Source::of([192, 0, 2, 7].into()),
        local: "192.0.2.1:25".parse().unwrap(),
        tls,
        accepted_at: Moment::default(),
    }
}

/// A session and its desk, driven without sockets.
pub(crate) struct Talk<M, D> {
    session: M,
    desk: D,
    pub(crate) is_open: bool,
}

impl<M, D> Talk<M, D>
where
    M: Machine,
    D: Desk<Machine = M>,
{
    fn begin(mut session: M, desk: D) -> Self {
        session.tick(Moment::default());
        Self {
            session,
            desk,
            is_open: true,
        }
    }

    /// Says something, and gives what is answered until the session waits or has ended; saying
    /// nothing gives the greeting.
    pub(crate) async fn say(&mut self, input: &[u8]) -> String {
        let mut output = Vec::new();
        self.go_on(&mut output).await;
        if self.is_open && !input.is_empty() {
            self.session.receive(input);
            self.go_on(&mut output).await;
        }
        String::from_utf8(output).unwrap()
    }

    /// Says everything at once, hangs up, and gives all that was answered.
    async fn whole(mut self, input: &[u8]) -> String {
        let output = self.say(input).await;
        self.hang_up().await;
        output
    }

    /// The connection drops.
    pub(crate) async fn hang_up(mut self) {
        if self.is_open {
            self.session.peer_closed();
            self.go_on(&mut Vec::new()).await;
        }
        if self.is_open {
            self.desk.closed(&self.session, Ending::Dropped);
        }
    }

    async fn go_on(&mut self, output: &mut Vec<u8>) {
        while self.is_open {
            match self.session.next(output) {
                Step::Flush => {}
                Step::Ask(question) => self.session.answer(self.desk.answer(question).await),
                Step::Body(piece) => self.desk.body(piece).await,
                Step::Note(note) => self.desk.note(note),
                Step::StartTls => panic!("these sessions have TLS from the start, or never"),
                Step::Idle { .. } => return,
                Step::Close(ending) => {
                    self.desk.closed(&self.session, ending);
                    self.is_open = false;
                }
            }
        }
    }
}
