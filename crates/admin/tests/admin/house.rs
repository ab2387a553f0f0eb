//! The administration of a store in memory, and requests to it.

use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use cassmail_admin::{
    AdminDoor, Administered, CertificateShown, ClusterShown, HealthAccess, LoginAuthenticator,
    NodeShown, NodeState, Pages, Problem, Readings, ReloadShown, Report, ScrubShown, ServiceKeeper,
    StoreKeeper, Told, Traffic, Upkeep, administration, remote_administration,
};
use cassmail_mail::{IdMinter, NodeId, UnixTime};
use cassmail_office::{
    AdminAccounts, AdminLogins, Administration, AuditLog, Belief, Clock, Counter, Days, Directory,
    DirectoryOptions, FullForLong, GuessOptions, Intake, IntakeOptions, Janitor, Limits,
    LocalPartCase, LoginOptions, Logins, Lookup, MaildropLock, MaildropOptions, PasswordOptions,
    Passwords, QuotaLimits, QuotaOptions, Quotas, RateOptions, RetentionMode, RetentionOptions,
    SaltSecret, ScramOptions, Source, Watch,
};
use cassmail_store::{Faulty, MemoryStore, Script, Store, Writer};
use cassmail_telemetry::{ClusterFigures, Metrics};
use cassmail_wire::{Moment, Rate};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower_service::Service as _;

/// Stands still, until it is turned.
#[derive(Default)]
pub(crate) struct StillClock(AtomicU64);

impl StillClock {
    /// So much later.
    pub(crate) fn turn(&self, by: Duration) {
        let micros = u64::try_from(by.as_micros()).unwrap();
        self.0.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Clock for StillClock {
    fn now(&self) -> Moment {
        Moment(Duration::from_micros(self.0.load(Ordering::Relaxed)))
    }

    fn wall(&self) -> UnixTime {
        let turned = self.0.load(Ordering::Relaxed);
        UnixTime::from_micros(1_700_000_000_000_000 + turned)
    }

    fn sleep(&self, _duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}

/// Remembers where backups went; its checks find something, or are not possible.
#[derive(Default)]
pub(crate) struct Keeper {
    pub(crate) backups: Mutex<Vec<std::path::PathBuf>>,
    pub(crate) is_ill: bool,
    /// Nothing is recorded here.
    pub(crate) has_no_trace: bool,
}

impl StoreKeeper for Keeper {
    fn backup(&self, folder: &Path) -> Upkeep<'_> {
        self.backups.lock().unwrap().push(folder.to_owned());
        let report = Report {
            is_well: true,
            lines: vec!["2 segments copied".to_owned()],
        };
        Box::pin(std::future::ready(Ok(report)))
    }

    fn kind(&self) -> &'static str {
        "memory"
    }

    fn cluster(&self) -> Option<ClusterShown> {
        None
    }

    fn last_scrub(&self) -> Told<'_, Option<ScrubShown>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn nodes(&self) -> Told<'_, Vec<NodeShown>> {
        let this = NodeShown {
            id: "7".to_owned(),
            data_center: None,
            seen_at: None,
            state: NodeState::Alive,
            is_this: true,
        };
        Box::pin(std::future::ready(Ok(vec![this])))
    }

    fn count(&self, metrics: &Metrics) {
        metrics.store_on_cluster(ClusterFigures {
            requests: 7,
            acknowledged_by_fewer: 3,
            waiting_for_healing: 2,
            periodic_commit_logs: 1,
        });
    }

    fn check(&self) -> Upkeep<'_> {
        let outcome = if self.is_ill {
            Err("the disk is gone".to_owned())
        } else {
            Ok(Report {
                is_well: false,
                lines: vec!["1 body is damaged".to_owned()],
            })
        };
        Box::pin(std::future::ready(outcome))
    }
}

/// Has one certificate; its configuration is loaded anew as often as it is asked, or is wrong.
#[derive(Default)]
pub(crate) struct Service {
    pub(crate) reloads: Mutex<usize>,
    pub(crate) is_wrong: Mutex<bool>,
}

impl ServiceKeeper for Service {
    fn certificates(&self) -> Vec<CertificateShown> {
        vec![CertificateShown {
            names: vec!["mx.example".to_owned()],
            not_after: Some(1_800_000_000),
            days_left: Some(1157),
        }]
    }

    fn reload(&self) -> Told<'_, ReloadShown> {
        *self.reloads.lock().unwrap() += 1;
        let told = if *self.is_wrong.lock().unwrap() {
            Err("cassmail.toml:3: expected something else".to_owned())
        } else {
            Ok(ReloadShown {
                changed: vec!["log.level".to_owned()],
                needs_restart: Vec::new(),
            })
        };
        Box::pin(std::future::ready(told))
    }
}

fn quota_options() -> QuotaOptions {
    QuotaOptions {
        standard: QuotaLimits::default(),
        for_good: FullForLong::Never,
        belief: Duration::from_secs(30),
        every: Duration::from_secs(10),
        writer: Writer(1),
        remembered: 100,
    }
}

/// What is administered, and the router that does it.
pub(crate) struct House {
    /// For the owner of the service.
    pub(crate) router: Router,
    /// For whoever connects, and says who he is.
    pub(crate) remote: Router,
    /// Who logs in to fetch and to send mail.
    pub(crate) users: Arc<Logins>,
    pub(crate) service: Arc<Service>,
    pub(crate) script: Script,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Arc<StillClock>,
    pub(crate) traffic: Arc<Traffic>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) kind: String,
    pub(crate) text: String,
}

impl Answer {
    /// A header as text; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The sentence of a problem, which has to be one.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.kind, "application/problem+json", "{self:?}");
        let problem: Problem = serde_json::from_str(&self.text).unwrap();
        assert_eq!(problem.status, status);
        assert_eq!(
            problem.title,
            self.status.canonical_reason().unwrap_or_default()
        );
        assert!(!problem.detail.is_empty() && !problem.detail.contains('\n'));
        problem.detail
    }
}

impl House {
    /// Nothing is there yet.
    pub(crate) fn empty() -> Self {
        Self::kept_by(Keeper::default())
    }

    /// A house whose store has this keeper.
    pub(crate) fn kept_by(keeper: Keeper) -> Self {
        Self::build(keeper, HealthAccess::LoggedIn)
    }

    /// A house whose health is for everybody.
    pub(crate) fn with_open_health() -> Self {
        Self::build(Keeper::default(), HealthAccess::Anybody)
    }

    fn build(keeper: Keeper, health: HealthAccess) -> Self {
        let script = Script::new();
        let still = Arc::new(StillClock::default());
        let store: Arc<dyn Store> = Arc::new(Faulty::new(Arc::new(MemoryStore::new()), &script));
        let options = DirectoryOptions {
            local_part_case: LocalPartCase::Insensitive,
            tag_separator: Some('+'),
            postmaster: None,
            belief: Belief::NONE,
        };
        let directory = Directory::new(Arc::clone(&store), still.clone(), options);
        let passwords = PasswordOptions {
            memory_kib: 8,
            iterations: 1,
            parallelism: 1,
            workers: 2,
            queue: 1,
            scram: Some(ScramOptions {
                iterations: 16,
                salt_secret: SaltSecret::of(b"of the house"),
            }),
        };
        let passwords = Arc::new(Passwords::new(&passwords).unwrap());
        let metrics = Arc::new(Metrics::new());
        let quotas = Arc::new(Quotas::new(
            Arc::clone(&store),
            still.clone(),
            Arc::clone(&metrics),
            quota_options(),
        ));
        let keep = Duration::from_hours(14 * 24);
        let lookup = Lookup::new(
            Arc::clone(&store),
            directory.clone(),
            still.clone(),
            (!keeper.has_no_trace).then_some(keep),
        );
        let office = Administration::new(
            Arc::clone(&store),
            directory.clone(),
            Arc::clone(&passwords),
            Arc::clone(&quotas),
            still.clone(),
        );
        let days = |count| Days(NonZeroU32::new(count).unwrap());
        let retention = RetentionOptions {
            mode: RetentionMode::Off,
            shortest: days(7),
            standard: Limits::default(),
            every: Duration::from_hours(1),
            accounts_per_second: 1,
        };
        let janitor = Janitor::new(
            Arc::clone(&store),
            Arc::clone(&quotas),
            still.clone(),
            Arc::clone(&metrics),
            retention.clone(),
            1,
        );
        let clock: Arc<dyn Clock> = still.clone();
        let ids = Arc::new(IdMinter::new(NodeId::from_random(1)));
        let users = Logins::new(
            Arc::clone(&store),
            directory.clone(),
            Arc::clone(&passwords),
            Arc::clone(&clock),
            LoginOptions {
                default_domain: None,
                guesses: GuessOptions::default(),
                remembered: 10,
                tokens: None,
            },
        );
        let users = Arc::new(users.unwrap());
        let intake = Intake::new(
            Arc::clone(&store),
            directory.clone(),
            Arc::clone(&users),
            Arc::clone(&ids),
            Arc::clone(&clock),
            Arc::clone(&metrics),
            IntakeOptions {
                hostname: "mx.example".to_owned(),
                max_hops: 100,
                rates: RateOptions::default(),
                sessions_per_account: 10,
                patience: Duration::from_mins(1),
            },
        );
        let counter = Counter::new(
            Arc::clone(&store),
            Arc::clone(&users),
            quotas,
            Arc::clone(&clock),
            Arc::clone(&metrics),
            MaildropOptions {
                lock: MaildropLock::Shared,
                sessions_per_account: 10,
                login_delay: None,
                retention,
                patience: Duration::from_mins(1),
            },
        );
        let logins = AdminLogins::new(
            Arc::clone(&store),
            Arc::clone(&passwords),
            Arc::clone(&clock),
            GuessOptions {
                per_source: Rate::per_hour(3),
                ..GuessOptions::default()
            },
        );
        let logins = Arc::new(logins.unwrap());
        let service = Arc::new(Service::default());
        let watch = Watch {
            store: Arc::clone(&store),
            directory,
            clock: Arc::clone(&clock),
            logins: Arc::clone(&users),
            admin_logins: Arc::clone(&logins),
            counter: Arc::new(counter),
            intake: Arc::new(intake),
        };
        let office = Administered {
            watch: Some(watch),
            service: Some(service.clone()),
            administration: office,
            janitor: Arc::new(janitor),
            lookup,
            admins: AdminAccounts::new(
                Arc::clone(&store),
                Arc::clone(&passwords),
                Arc::clone(&clock),
            ),
            audit: AuditLog::new(
                Arc::clone(&store),
                ids,
                Arc::clone(&clock),
                Duration::from_hours(400 * 24),
            ),
            clock,
        };
        let logins = Arc::new(LoginAuthenticator {
            logins,
            metrics: Arc::clone(&metrics),
        });
        let traffic = Arc::new(Traffic::new());
        let pages = Pages {
            logins: Arc::clone(&logins),
        };
        let door = AdminDoor {
            authenticators: vec![logins],
            health,
            source_of: Arc::new(Source::of),
        };
        let keeper = Arc::new(keeper);
        let readings = Readings {
            store: Arc::clone(&store),
            metrics: Arc::clone(&metrics),
            keeper: keeper.clone(),
            drained: Arc::default(),
            traffic: Arc::clone(&traffic),
        };
        Self {
            users,
            service,
            remote: remote_administration(
                office.clone(),
                keeper.clone(),
                readings.clone(),
                door,
                pages,
            ),
            clock: still,
            traffic,
            router: administration(office, keeper.clone(), readings),
            script,
            keeper,
            store,
            metrics,
        }
    }

    /// `here.example` with bob and carol.
    pub(crate) async fn furnished() -> Self {
        let house = Self::empty();
        house.domain("here.example").await;
        house.account("bob@here.example").await;
        house.account("carol@here.example").await;
        house
    }

    pub(crate) async fn domain(&self, name: &str) {
        let made = self.post("/v1/domains", &json!({ "name": name })).await;
        assert_eq!(made.status, 201, "{made:?}");
    }

    pub(crate) async fn account(&self, address: &str) {
        let body = json!({ "address": address, "password": "open sesame" });
        let made = self.post("/v1/accounts", &body).await;
        assert_eq!(made.status, 201, "{made:?}");
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &body.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, &body.to_string()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, "").await
    }

    /// Sends a body as it is, as JSON.
    pub(crate) async fn send(&self, method: Method, path: &str, body: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json");
        self.call(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }

    /// Sends any request, as the owner.
    pub(crate) async fn call(&self, request: Request<Body>) -> Answer {
        Self::call_at(&self.router, request).await
    }

    /// Sends a request over TCP, with these headers.
    pub(crate) async fn remote(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .extension(SocketAddr::from(([192, 0, 2, 7], 4000)));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        Self::call_at(&self.remote, request).await
    }

    pub(crate) async fn call_at(router: &Router, request: Request<Body>) -> Answer {
        let answer = router.clone().call(request).await.unwrap();
        let status = answer.status();
        let headers = answer.headers().clone();
        let kind = headers.get(header::CONTENT_TYPE);
        let kind = kind.map(|kind| kind.to_str().unwrap().to_owned());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        Answer {
            status,
            headers,
            kind: kind.unwrap_or_default(),
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}
