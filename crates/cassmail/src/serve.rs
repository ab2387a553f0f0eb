//! The composition root: the whole start-up, from settings to the first 220, and the whole end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use axum::Router;
use cassmail_admin::{
    Administered, Readings, ReloadShown, administration, bind_socket, readings, serve_socket,
    serve_tcp,
};
use cassmail_config::{Listener, Loaded, LogFormat, Role, Settings, StoreKind};
use cassmail_net::{
    Certificates, Clock, Inherited, ListenError, ListenerSpec, Network, Server, ServerOptions,
    TlsService, TlsUse,
};
use cassmail_office::Recorder;
use cassmail_store::{Health, Store};
use cassmail_telemetry::{Metrics, Protocol, chain, event, logs, panics};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::cli::{Serve, Which};
use crate::cluster::NoSchema;
use crate::dev::{self, Folder, Ports};
use crate::exit::{Failure, Outcome};
use crate::reception::{Count, Pop3Reception, SmtpReception};
use crate::reload::{Receives, Reloader, Running};
use crate::service::{Reloads, Service};
use crate::settings::Given;
use crate::wiring::{self, Office, OpenStore, TlsThere};
use crate::{http, place, settings};

/// How long the end of the service waits for the notes of quotas.
const LAST_NOTES: Duration = Duration::from_secs(5);

/// Runs the service until a signal or a fault ends it.
pub(crate) async fn serve(which: &Which, how: Serve) -> Outcome {
    let mode = Mode::choose(which, &how)?;
    let mut loaded = settings::load(which)?;
    mode.check(&loaded.settings)?;
    mode.adjust(&mut loaded.settings, &how);
    if let Some(kind) = &how.store {
        loaded.settings.store.kind = match kind.as_str() {
            "embedded" => StoreKind::Embedded,
            "memory" => StoreKind::Memory,
            "cassandra" => StoreKind::Cassandra,
            _ => {
                let text = format!("--store {kind}: expected embedded, cassandra or memory");
                return Err(Failure::usage(text));
            }
        };
    }
    let mut given = which.given();
    if let Some(level) = how.log {
        loaded.settings.log.level = level;
        given.push(Given::Log);
    }
    let advice = settings::check(&loaded, &given)?;
    let certificates = mode.certificates(&loaded)?;
    let tokens = settings::tokens(&loaded)?;
    let settings = &loaded.settings;

    let metrics = Arc::new(Metrics::new());
    let logs = start_logs(settings, &metrics)?;
    panics::watch(metrics.panics());
    give_advice(settings, &advice, &mode);

    place::prepare(&settings.identity.data_dir)?;
    if let Some(folder) = &settings.identity.run_dir {
        place::prepare(folder)?;
    }
    let opened = wiring::open_store(settings, mode.no_schema()).await?;
    let running = Running {
        receptions: Vec::new(),
        certificates,
        tokens,
        levels: logs.levels(),
        metrics,
    };
    let served = serve_store(&loaded, &mode, &opened, running, |running| {
        Reloader::new(which.clone(), given, loaded.clone(), running)
    });
    let served = served.await;
    tracing::info!(event = event::SERVICE_STOPPING, "closing the store");
    let closed = opened.store.close().await;
    tracing::info!(event = event::SERVICE_STOPPING, "the store is closed");
    served?;
    closed.map_err(Failure::unavailable)
}

/// For whom the service runs.
enum Mode {
    /// For its users.
    Production,
    /// For somebody who tries it or builds it.
    Development { ports: Ports, folder: Folder },
}

impl Mode {
    fn choose(which: &Which, how: &Serve) -> Outcome<Self> {
        if !how.dev {
            return Ok(Self::Production);
        }
        let ports = Ports::with_offset(how.port_offset)?;
        Ok(Self::Development {
            ports,
            folder: Folder::choose(which.data.as_deref())?,
        })
    }

    /// What development mode has instead of the file's settings: the loopback and nothing else,
    /// high ports, cheap hashes, small segments.
    fn adjust(&self, settings: &mut Settings, how: &Serve) {
        let Self::Development { ports, folder } = self else {
            return;
        };
        let listener = |name: &str, role, address| Listener {
            name: name.to_owned(),
            role,
            addresses: vec![address],
            socket: None,
            socket_mode: cassmail_config::FileMode(0o600),
            beyond_loopback: false,
            proxy_protocol_from: Vec::new(),
            max_connections: 10_000,
            max_connections_per_minute: 60_000,
            bare_newline: None,
        };
        settings.listeners = vec![
            listener("mx", Role::Mx, ports.mx()),
            listener("submission", Role::Submission, ports.submission()),
            listener("submissions", Role::Submissions, ports.submissions()),
            listener("pop3", Role::Pop3, ports.pop3()),
            listener("pop3s", Role::Pop3s, ports.pop3s()),
        ];
        settings.admin.readings = Some(ports.admin());
        settings.admin.listen = Vec::new();
        settings.admin.listen_in_clear = Vec::new();
        settings.tls.certificate = None;
        settings.tls.key = None;
        folder.path().clone_into(&mut settings.identity.data_dir);
        settings.identity.run_dir = None;
        settings.identity.hostname = "localhost".parse().ok();
        settings.identity.default_domain = dev::DOMAIN.parse().ok();
        settings.pop3.clear_text_login = how.dev_plaintext;
        settings.limits.exempt = Network::LOOPBACK.iter().map(ToString::to_string).collect();
        settings.login.memory = cassmail_config::ByteSize(8 * 1024);
        settings.login.iterations = 1;
        settings.login.scram_iterations = 4096;
        settings.embedded.segment_size = cassmail_config::ByteSize(16 << 20);
        settings.embedded.low_water = cassmail_config::ByteSize(64 << 20);
    }

    /// Development mode has passwords that everybody knows, so nobody else may reach it: what asks
    /// for more is refused, not ignored.
    fn check(&self, settings: &Settings) -> Outcome {
        let Self::Development { .. } = self else {
            return Ok(());
        };
        let defaults = cassmail_config::load(None, []).map_err(Failure::configuration)?;
        let of_the_user = |listener: &&Listener| !defaults.settings.listeners.contains(listener);
        let own = settings.listeners.iter().filter(of_the_user);
        let mut asked = own
            .flat_map(|listener| &listener.addresses)
            .chain(settings.admin.readings.as_ref());
        match asked.find(|address| !address.ip().is_loopback()) {
            None => Ok(()),
            Some(address) => Err(Failure::usage(format!(
                "serve --dev listens on the loopback alone, but the configuration asks for \
                 {address}; leave that out (development mode has listeners of its own), or leave \
                 --dev out"
            ))),
        }
    }

    /// Sockets that systemd has opened; in development mode they might be open to everybody.
    fn inherited(&self) -> Outcome<Vec<Inherited>> {
        match self {
            Self::Production => Inherited::take().map_err(|error| {
                Failure::unavailable(anyhow::anyhow!("failed to {}", chain(&error)))
            }),
            Self::Development { .. } => Ok(Vec::new()),
        }
    }

    fn no_schema(&self) -> NoSchema {
        match self {
            Self::Production => NoSchema::IsRefused,
            Self::Development { .. } => NoSchema::IsMade,
        }
    }

    fn certificates(&self, loaded: &Loaded) -> Outcome<Option<Certificates>> {
        match self {
            Self::Production => settings::certificates(loaded),
            Self::Development { .. } => dev::certificates().map(Some),
        }
    }
}

fn start_logs(settings: &Settings, metrics: &Metrics) -> Outcome<logs::LogGuard> {
    let format = match settings.log.format {
        LogFormat::Human => logs::Format::Human,
        LogFormat::Json => logs::Format::Json,
    };
    let level = settings::level(settings)?;
    logs::start(format, level, metrics.log_lines_dropped()).map_err(Failure::software)
}

fn give_advice(settings: &Settings, advice: &[String], mode: &Mode) {
    let files = cassmail_net::raise_open_files();
    let wanted = u64::from(settings.limits.connections) + 200;
    if files < wanted {
        let text = "connections may fail for want of open files; raise the limit (LimitNOFILE=)";
        tracing::warn!(event = event::SERVICE_ADVICE, files, wanted, "{text}");
    }
    if matches!(mode, Mode::Development { .. }) {
        return;
    }
    if rustix::process::geteuid().is_root() {
        let text = "running as root; use a user of its own, with CAP_NET_BIND_SERVICE or sockets \
                    from systemd for ports below 1024";
        tracing::warn!(event = event::SERVICE_ADVICE, "{text}");
    }
    let hostname = settings::hostname(settings);
    if !hostname.as_str().contains('.') {
        let text = "the hostname is not fully qualified, other servers may refuse it; set hostname";
        tracing::warn!(event = event::SERVICE_ADVICE, %hostname, "{text}");
    }
    for advice in advice {
        tracing::warn!(event = event::SERVICE_ADVICE, "{advice}");
    }
}

/// Serves an open store until a signal or a fault.
async fn serve_store(
    loaded: &Loaded,
    mode: &Mode,
    opened: &OpenStore,
    mut running: Running,
    reloader: impl FnOnce(Running) -> Reloader,
) -> Outcome {
    let settings = &loaded.settings;
    let metrics = &Arc::clone(&running.metrics);
    let clock = Clock::system();
    let office = wiring::office(settings, opened, &clock, metrics, running.tokens.clone())?;
    match mode {
        Mode::Development { .. } => dev::settle(&office.administration).await?,
        Mode::Production => advise_about_domains(&office).await?,
    }

    // Before anybody can see that we are there: who then ends us gets an orderly end.
    let mut signals = Signals::listen()?;
    let mut server = Server::new(ServerOptions {
        octets_in_flight: metrics.octets_in_flight.clone(),
        ..wiring::server_options(settings, &clock)?
    });
    listen(
        &mut server,
        settings,
        mode.inherited()?,
        &office,
        &mut running,
    )?;
    let (service, mut reloads) = Service::new(running.certificates.clone(), &clock);
    let service = Arc::new(service);
    let house = House {
        settings,
        office: &office,
        opened,
        metrics,
        certificates: running.certificates.as_ref(),
        clock: &clock,
        service: &service,
    };
    let administrators = Administrators::start(&house)?;
    let janitor = Arc::clone(&office.janitor);
    let janitor = tokio::spawn(async move { janitor.run().await });
    let notes_of_usage = tokio::spawn(Arc::clone(&office.quotas).run());
    let recording = office.recorder.clone().map(Recording::start);

    if let Mode::Development { ports, folder } = mode {
        dev::introduce(*ports, folder, settings);
    }
    tracing::info!(
        event = event::SERVICE_STARTED,
        version = env!("CARGO_PKG_VERSION"),
        store = ?settings.store.kind,
        folder = %settings.identity.data_dir.display(),
    );
    let mut reloader = reloader(running);
    let mut on_hang_up = || match mode {
        Mode::Production => reloader.reload(),
        Mode::Development { .. } => {
            let text = "development mode has no configuration to load anew";
            tracing::info!(event = event::SERVICE_RELOADED, "{text}");
            Err(text.to_owned())
        }
    };
    let mut fault = None;
    server
        .run_until(async {
            let store = &*opened.store;
            fault = until_the_end(&mut signals, store, &mut reloads, &mut on_hang_up).await;
        })
        .await;
    // It can be ended anywhere: what it did not finish is done again.
    janitor.abort();
    let _ = janitor.await;
    notes_of_usage.abort();
    let _ = notes_of_usage.await;
    // What is not noted is counted again some day; nobody waits long for it.
    let flushed = tokio::time::timeout(LAST_NOTES, office.quotas.flush()).await;
    if flushed.is_err() {
        let text = "what was brought lately is not noted; quotas are counted again";
        tracing::warn!(event = event::SERVICE_STOPPING, "{text}");
    }
    if let Some(recording) = recording {
        recording.stop().await;
    }
    administrators.stop().await;
    match fault {
        None => Ok(()),
        Some(fault) => Err(Failure::software(fault)),
    }
}

async fn advise_about_domains(office: &Office) -> Outcome {
    let domains = office
        .administration
        .domains()
        .await
        .map_err(Failure::unavailable)?;
    if domains.is_empty() {
        let text = "no domain is served, so every recipient is refused; add one with: cassmail \
                    domain add NAME, and: cassmail account add ADDRESS";
        tracing::warn!(event = event::SERVICE_ADVICE, "{text}");
    }
    let without = office.administration.domains_without_postmaster().await;
    let without = without.map_err(Failure::unavailable)?;
    if let Some(first) = without.first() {
        let text = "nobody gets the mail for postmaster, so it is refused; name somebody with: \
                    cassmail domain add NAME --postmaster ACCOUNT";
        let count = without.len();
        tracing::warn!(event = event::SERVICE_ADVICE, domain = %first, domains = count, "{text}");
    }
    Ok(())
}

/// Opens every listener. What cannot be offered without a certificate is left out.
fn listen(
    server: &mut Server,
    settings: &Settings,
    mut inherited: Vec<Inherited>,
    office: &Office,
    running: &mut Running,
) -> Outcome {
    let hostname = settings::hostname(settings);
    let there = if running.certificates.is_some() {
        TlsThere::Yes
    } else {
        TlsThere::No
    };
    for listener in &settings.listeners {
        let smtp = wiring::smtp_options(settings, listener, &hostname, there);
        let protocol = if smtp.is_some() {
            Protocol::Smtp
        } else {
            Protocol::Pop3
        };
        let Some(tls) = tls_use(listener.role, protocol, running.certificates.as_ref())? else {
            let text = "a listener is left out: it needs a certificate";
            tracing::warn!(
                event = event::SERVICE_ADVICE,
                listener = listener.name,
                "{text}"
            );
            continue;
        };
        let of_listener = |socket: &mut Inherited| socket.name == listener.name;
        let sockets: Vec<_> = inherited
            .extract_if(.., of_listener)
            .map(|s| s.listener)
            .collect();
        let (addresses, socket) = if sockets.is_empty() {
            (listener.addresses.as_slice(), wiring::socket(listener))
        } else {
            (&[][..], None)
        };
        let spec = ListenerSpec {
            socket,
            inherited: sockets,
            proxies: wiring::proxies(listener)?,
            tls,
            max_connections: listener.max_connections as usize,
            max_connections_per_minute: listener.max_connections_per_minute,
            observer: Arc::new(Count {
                protocol,
                metrics: Arc::clone(&running.metrics),
            }),
            ..ListenerSpec::new(&listener.name, addresses)
        };
        let (opened, receives) = match smtp {
            Some(options) => {
                let reception = Arc::new(SmtpReception {
                    intake: Arc::clone(&office.intake),
                    options: ArcSwap::from_pointee(options),
                });
                (server.listen(spec, &reception), Receives::Smtp(reception))
            }
            None => {
                let reception = Arc::new(Pop3Reception {
                    counter: Arc::clone(&office.counter),
                    options: ArcSwap::from_pointee(wiring::pop3_options(settings, there)),
                });
                (server.listen(spec, &reception), Receives::Pop3(reception))
            }
        };
        opened.map_err(|error| not_listening(&error))?;
        running.receptions.push((listener.name.clone(), receives));
    }
    Ok(())
}

fn not_listening(error: &ListenError) -> Failure {
    let text = format!("failed to {}", chain(error));
    match error {
        ListenError::NotAllowed { .. } => Failure::no_permission(text),
        _ => Failure::unavailable(anyhow::Error::msg(text)),
    }
}

/// From when on a listener speaks TLS; none when it cannot be without.
fn tls_use(
    role: Role,
    protocol: Protocol,
    certificates: Option<&Certificates>,
) -> Outcome<Option<TlsUse>> {
    let from_the_start = matches!(role, Role::Submissions | Role::Pop3s);
    let Some(certificates) = certificates else {
        return Ok((!from_the_start).then_some(TlsUse::Never));
    };
    // The names that the registry of ALPN protocols has (RFC 7301 6).
    let alpn = match protocol {
        Protocol::Smtp => "smtp",
        Protocol::Pop3 => "pop3",
    };
    let service = TlsService::new(certificates, &[alpn]).map_err(Failure::configuration)?;
    Ok(Some(if from_the_start {
        TlsUse::FromTheStart(service)
    } else {
        TlsUse::OnRequest(service)
    }))
}

/// The recorder at work.
struct Recording {
    recorder: Arc<Recorder>,
    task: tokio::task::JoinHandle<()>,
}

impl Recording {
    fn start(recorder: Arc<Recorder>) -> Self {
        let works = Arc::clone(&recorder);
        let task = tokio::spawn(async move { works.run().await });
        Self { recorder, task }
    }

    /// When no session is left that could record something.
    async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
        self.recorder.finish().await;
    }
}

/// What the administration is joined from.
#[derive(Clone, Copy)]
pub(crate) struct House<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) office: &'a Office,
    pub(crate) opened: &'a OpenStore,
    pub(crate) metrics: &'a Arc<Metrics>,
    pub(crate) certificates: Option<&'a Certificates>,
    pub(crate) clock: &'a Clock,
    pub(crate) service: &'a Arc<Service>,
}

impl House<'_> {
    /// What is administered while the service runs.
    pub(crate) fn administered(&self) -> Administered {
        let service = Arc::clone(self.service);
        self.office.administered(Some(service))
    }
}

/// The admin API on its socket, and the readings on a port if one is configured.
struct Administrators {
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    socket: PathBuf,
}

impl Administrators {
    fn start(house: &House<'_>) -> Outcome<Self> {
        let House {
            settings,
            opened,
            metrics,
            ..
        } = *house;
        let (stop, stopped) = watch::channel(false);
        let figures = Readings {
            store: Arc::clone(&opened.store),
            metrics: Arc::clone(metrics),
            keeper: Arc::clone(&opened.keeper) as _,
            drained: Arc::default(),
            traffic: Arc::default(),
        };
        let keeper = Arc::clone(&opened.keeper);
        let router = administration(house.administered(), keeper, figures.clone());
        let socket = settings::socket(settings);
        let listener = bind_socket(&socket).map_err(Failure::unavailable)?;
        let mut tasks = vec![tokio::spawn(log_end(serve_socket(
            listener,
            router,
            told_to_stop(stopped.clone()),
        )))];
        let traffic = Arc::clone(&figures.traffic);
        let clock = house.administered().clock;
        let kept = traffic.keep(Arc::clone(metrics), clock, stopped.clone());
        tasks.push(tokio::spawn(kept));
        // Before the readings: who sees those may use these.
        for served in http::listen(house, &figures, &stopped)? {
            tasks.push(tokio::spawn(served));
        }
        if let Some(address) = settings.admin.readings {
            let listener = bind_tcp("admin.readings", address)?;
            let router: Router = readings(figures);
            let served = serve_tcp(listener, router, told_to_stop(stopped));
            tasks.push(tokio::spawn(log_end(served)));
        }
        Ok(Self {
            stop,
            tasks,
            socket,
        })
    }

    /// Requests that are being answered are finished.
    async fn stop(self) {
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

pub(crate) fn bind_tcp(
    setting: &str,
    address: std::net::SocketAddr,
) -> Outcome<tokio::net::TcpListener> {
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(listener)
    });
    bound
        .with_context(|| format!("failed to listen on {address}; set {setting} to another"))
        .map_err(Failure::unavailable)
}

async fn told_to_stop(mut stopped: watch::Receiver<bool>) {
    // When the sender is gone the process ends anyway.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn log_end(served: impl Future<Output = Result<(), cassmail_admin::ServeError>>) {
    if let Err(error) = served.await {
        tracing::error!(event = event::SERVICE_ADVICE, error = %chain(&error));
    }
}

/// What the operating system tells us.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> Outcome<Self> {
        let listen = |kind| {
            let failed = |error: std::io::Error| {
                Failure::software(anyhow::Error::new(error).context("failed to await signals"))
            };
            signal(kind).map_err(failed)
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }
}

/// Waits for the signal to stop, loading anew on SIGHUP; gives the fault if one came first.
async fn until_the_end(
    signals: &mut Signals,
    store: &dyn Store,
    reloads: &mut Reloads,
    on_hang_up: &mut impl FnMut() -> Result<ReloadShown, String>,
) -> Option<anyhow::Error> {
    loop {
        // Each branch is cancel safe: nothing is lost when another one wins.
        tokio::select! {
            _ = signals.terminate.recv() => return None,
            _ = signals.interrupt.recv() => return None,
            _ = signals.hang_up.recv() => drop(on_hang_up()),
            Some(answer) = reloads.recv() => {
                // Whoever asked may have gone.
                let _ = answer.send(on_hang_up());
            }
            error = store.poisoned() => {
                if let Health::Poisoned(reason) = store.health() {
                    tracing::error!(event = event::SERVICE_STOPPING, reason, "the store failed");
                }
                return Some(anyhow::Error::new(error));
            }
        }
    }
}
