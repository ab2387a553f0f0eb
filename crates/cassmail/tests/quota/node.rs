//! A node: an office over a store of its own on the common keyspace, and SMTP without sockets.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cassmail_mail::{IdMinter, NodeId, UnixTime};
use cassmail_office::{
    Administration, Belief, Clock, Directory, DirectoryOptions, FullForLong, GuessOptions, Intake,
    IntakeOptions, LocalPartCase, LoginOptions, Logins, NewPassword, PasswordOptions, Passwords,
    QuotaLimits, QuotaOptions, Quotas, RateOptions,
};
use cassmail_smtp::server::{Options, Session};
use cassmail_store::{Store, Writer};
use cassmail_store_cassandra::{Cassandra, Clock as _};
use cassmail_telemetry::Metrics;
use cassmail_wire::{Caller, Desk as _, Machine as _, Moment, SessionId, Source, Step};

use crate::real::{Keyspace, Real};

/// Time passes; nobody sleeps here.
struct Ticking(Real);

impl Clock for Ticking {
    fn now(&self) -> Moment {
        Moment::default().after(self.0.elapsed())
    }

    fn wall(&self) -> UnixTime {
        self.0.now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.0.sleep(duration)
    }
}

/// An office over a store of its own.
pub(crate) struct Node {
    pub(crate) store: Cassandra,
    pub(crate) administration: Administration,
    pub(crate) quotas: Arc<Quotas>,
    intake: Arc<Intake>,
}

impl Node {
    /// The first node, which makes the domain and bob.
    pub(crate) async fn first(keyspace: &Keyspace) -> Self {
        let node = Self::further(keyspace).await;
        let office = &node.administration;
        let domain = "here.example".parse().expect("a domain");
        office.add_domain(domain, None).await.expect("a domain");
        let hash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo".to_owned();
        let bob = crate::bob();
        let added = office.add_account(&bob, NewPassword::Hash(hash)).await;
        added.expect("an account");
        node
    }

    /// Another one on the same keyspace.
    pub(crate) async fn further(keyspace: &Keyspace) -> Self {
        static NODES: AtomicU64 = AtomicU64::new(1);
        let number = NODES.fetch_add(1, Ordering::Relaxed);
        let minter = Arc::new(IdMinter::new(NodeId::from_random(number)));
        let cassandra = keyspace.store(&minter).await;
        let store: Arc<dyn Store> = Arc::new(cassandra.clone());
        let clock: Arc<dyn Clock> = Arc::new(Ticking(Real::new()));
        let metrics = Arc::new(Metrics::new());
        let directory = Directory::new(Arc::clone(&store), Arc::clone(&clock), directory_options());
        let passwords = Passwords::new(&password_options()).expect("threads");
        let passwords = Arc::new(passwords);
        let login = LoginOptions {
            default_domain: None,
            guesses: GuessOptions::default(),
            remembered: 10,
            tokens: None,
        };
        let logins = Logins::new(
            Arc::clone(&store),
            directory.clone(),
            Arc::clone(&passwords),
            Arc::clone(&clock),
            login,
        );
        let quotas = Arc::new(Quotas::new(
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::clone(&metrics),
            quota_options(number),
        ));
        let intake = Intake::new(
            Arc::clone(&store),
            directory.clone(),
            Arc::new(logins.expect("randomness")),
            minter,
            Arc::clone(&clock),
            metrics,
            intake_options(),
        );
        let administration =
            Administration::new(store, directory, passwords, Arc::clone(&quotas), clock);
        Self {
            store: cassandra,
            administration,
            intake: Arc::new(intake.keeping(Arc::clone(&quotas))),
            quotas,
        }
    }

    /// Delivers a small message; gives the first reply that refuses.
    pub(crate) async fn deliver(&self, recipients: &[&str]) -> Result<(), String> {
        let hostname = "mx.here.example".parse().expect("a name");
        let options = Arc::new(Options::mx(hostname));
        let mut session = Session::new(options, &caller());
        let mut desk = self.intake.desk(caller());
        let mut input = "EHLO c.example\r\nMAIL FROM:<a@far.example>\r\n".to_owned();
        for recipient in recipients {
            input += &["RCPT TO:<", recipient, ">\r\n"].concat();
        }
        input += "DATA\r\nSubject: hello\r\n\r\nIt works.\r\n.\r\nQUIT\r\n";
        session.tick(Moment::default());
        session.receive(input.as_bytes());
        let mut output = Vec::new();
        loop {
            match session.next(&mut output) {
                Step::Ask(question) => session.answer(desk.answer(question).await),
                Step::Body(piece) => desk.body(piece).await,
                Step::Note(note) => desk.note(note),
                Step::Flush => {}
                Step::StartTls | Step::Idle { .. } | Step::Close(_) => break,
            }
        }
        let output = String::from_utf8(output).expect("text");
        let refusal = output.lines().find(|line| line.starts_with(['4', '5']));
        refusal.map_or(Ok(()), |refusal| Err(refusal.to_owned()))
    }

    /// Lets go of the store.
    pub(crate) async fn end(&self) {
        self.store.close().await.expect("closing");
    }
}

fn caller() -> Caller {
    Caller {
        session: SessionId(1),
        peer: "192.0.2.7:4000".parse().expect("an address"),
        source: Source::of([192, 0, 2, 7].into()),
        local: "192.0.2.1:25".parse().expect("an address"),
        tls: None,
        accepted_at: Moment::default(),
    }
}

fn directory_options() -> DirectoryOptions {
    DirectoryOptions {
        local_part_case: LocalPartCase::Insensitive,
        tag_separator: None,
        postmaster: None,
        belief: Belief {
            found: Duration::from_secs(30),
            unknown: Duration::from_secs(5),
            most: 100,
        },
    }
}

fn password_options() -> PasswordOptions {
    PasswordOptions {
        memory_kib: 8,
        iterations: 1,
        parallelism: 1,
        workers: 1,
        queue: 1,
        scram: None,
    }
}

fn quota_options(number: u64) -> QuotaOptions {
    QuotaOptions {
        standard: QuotaLimits::default(),
        for_good: FullForLong::Never,
        belief: Duration::from_secs(30),
        every: Duration::from_secs(10),
        writer: Writer(number),
        remembered: 100,
    }
}

fn intake_options() -> IntakeOptions {
    IntakeOptions {
        hostname: "mx.here.example".to_owned(),
        max_hops: 100,
        rates: RateOptions::default(),
        sessions_per_account: 10,
        patience: Duration::from_mins(1),
    }
}
