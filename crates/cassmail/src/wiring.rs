//! How a setting becomes an option of a crate: each conversion in one place.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cassmail_admin::{Administered, ServiceKeeper};
use cassmail_config::{BareNewline, Listener, LocalPartCase, Role, Settings, StoreKind};
use cassmail_mail::{Domain, IdMinter, NodeId};
use cassmail_net::{CertificateFiles, Clock, Network, ServerOptions, UnixSocket};
use cassmail_office::{
    AdminAccounts, AdminLogins, Administration, AuditLog, Belief, Counter, Days, Directory,
    DirectoryOptions, FullForLong, GuessOptions, Intake, IntakeOptions, Janitor, Limits,
    LoginOptions, Logins, Lookup, MaildropLock, MaildropOptions, PasswordOptions, Passwords,
    QuotaLimits, QuotaOptions, Quotas, RateOptions, Recorder, RecorderOptions, RetentionMode,
    RetentionOptions, ScramOptions, TokenOptions, Tokens, Watch,
};
use cassmail_smtp::server::{Options as SmtpOptions, StartTlsOffer};
use cassmail_store::{MemoryStore, Store, Writer};
use cassmail_store_cassandra::{ClaimError, CopyClaim};
use cassmail_store_embedded::{Embedded, Options as EmbeddedOptions};
use cassmail_telemetry::Metrics;
use cassmail_wire::sasl::{BearerOffer, Offer, ScramOffer};
use cassmail_wire::{BareLf, Rate};

use crate::clock::OfficeClock;
use crate::cluster::{self, NoSchema};
use crate::exit::{Failure, Outcome};
use crate::keeper::Keeper;
use crate::salt;

/// The store that is configured, and who keeps it.
pub(crate) struct OpenStore {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keeper: Arc<Keeper>,
    /// Who mints the ids of what this process brings into the store.
    pub(crate) ids: Arc<IdMinter>,
}

/// Opens the configured store. Blocks: call it before anything is served.
pub(crate) async fn open_store(settings: &Settings, no_schema: NoSchema) -> Outcome<OpenStore> {
    let ids = Arc::new(IdMinter::new(NodeId::from_random(random()?)));
    let (store, keeper): (Arc<dyn Store>, _) = match settings.store.kind {
        StoreKind::Memory => (Arc::new(MemoryStore::default()), Keeper::Memory),
        StoreKind::Embedded => {
            let store = Embedded::open(&embedded_options(settings));
            let store = Arc::new(store.map_err(Failure::unavailable)?);
            let keeper = Keeper::Embedded(Arc::clone(&store));
            (store, keeper)
        }
        StoreKind::Cassandra => {
            let store = cluster::open(settings, &ids, no_schema).await?;
            (Arc::new(store.clone()), Keeper::Cassandra(store))
        }
    };
    Ok(OpenStore {
        store,
        keeper: Arc::new(keeper),
        ids,
    })
}

/// A store that is open for a copy, and nothing else.
pub(crate) struct Ready {
    pub(crate) store: Arc<dyn Store>,
    /// An embedded store has its lock.
    claim: Option<tokio::sync::Mutex<CopyClaim>>,
}

impl Ready {
    /// Resolves when the store is no longer ours alone.
    pub(crate) async fn hold(&self) -> Failure {
        const EVERY: Duration = Duration::from_secs(20);
        let Some(claim) = &self.claim else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(EVERY).await;
            match claim.lock().await.hold().await {
                Err(taken @ ClaimError::Taken(_)) => return Failure::unavailable(taken),
                // A cluster that does not answer ends the copy by itself, if it matters.
                Ok(()) | Err(ClaimError::Store(_)) => {}
            }
        }
    }

    /// Lets go of it.
    pub(crate) async fn close(self) -> Outcome {
        let released = match self.claim {
            Some(claim) => claim.into_inner().release().await,
            None => Ok(()),
        };
        self.store.close().await.map_err(Failure::unavailable)?;
        released.map_err(Failure::unavailable)
    }
}

/// Opens a store for a copy.
pub(crate) async fn open_for_copy(settings: &Settings, no_schema: NoSchema) -> Outcome<Ready> {
    let OpenStore { store, keeper, .. } = open_store(settings, no_schema).await?;
    let claim = match &*keeper {
        Keeper::Cassandra(cassandra) => match cassandra.claim_for_copy().await {
            Ok(claim) => Some(tokio::sync::Mutex::new(claim)),
            Err(error) => {
                store.close().await.map_err(Failure::unavailable)?;
                return Err(Failure::unavailable(error));
            }
        },
        Keeper::Memory | Keeper::Embedded(_) => None,
    };
    Ok(Ready { store, claim })
}

fn embedded_options(settings: &Settings) -> EmbeddedOptions {
    let embedded = &settings.embedded;
    EmbeddedOptions {
        segment_size: embedded.segment_size.0,
        low_water: embedded.low_water.0,
        codec: match embedded.codec {
            cassmail_config::Codec::Lz4 => cassmail_store_embedded::Codec::Lz4,
            cassmail_config::Codec::None => cassmail_store_embedded::Codec::Plain,
        },
        trace_size: settings.trace.size.0,
        ..EmbeddedOptions::new(&settings.identity.data_dir)
    }
}

/// Everything that decides, joined.
pub(crate) struct Office {
    pub(crate) intake: Arc<Intake>,
    pub(crate) counter: Arc<Counter>,
    pub(crate) administration: Administration,
    pub(crate) janitor: Arc<Janitor>,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) admins: AdminAccounts,
    pub(crate) admin_logins: Arc<AdminLogins>,
    pub(crate) audit: AuditLog,
    pub(crate) watch: Watch,
    pub(crate) clock: Arc<dyn cassmail_office::Clock>,
    pub(crate) lookup: Lookup,
    /// None if nothing is recorded.
    pub(crate) recorder: Option<Arc<Recorder>>,
}

impl Office {
    /// The parts that are administered.
    /// Without a service nobody is slowed, and nobody is here.
    pub(crate) fn administered(&self, service: Option<Arc<dyn ServiceKeeper>>) -> Administered {
        Administered {
            watch: service.is_some().then(|| self.watch.clone()),
            service,
            administration: self.administration.clone(),
            janitor: Arc::clone(&self.janitor),
            admins: self.admins.clone(),
            audit: self.audit.clone(),
            lookup: self.lookup.clone(),
            clock: Arc::clone(&self.clock),
        }
    }
}

/// Joins the office over a store; it believes these tokens.
pub(crate) fn office(
    settings: &Settings,
    opened: &OpenStore,
    clock: &Clock,
    metrics: &Arc<Metrics>,
    tokens: Option<Arc<Tokens>>,
) -> Outcome<Office> {
    let store = &opened.store;
    let clock: Arc<dyn cassmail_office::Clock> = Arc::new(OfficeClock(clock.clone()));
    let directory = Directory::new(
        Arc::clone(store),
        Arc::clone(&clock),
        directory_options(settings),
    );
    let options = password_options(settings)?;
    let passwords = Passwords::new(&options).map_err(Failure::configuration)?;
    let passwords = Arc::new(passwords);
    let logins = Logins::new(
        Arc::clone(store),
        directory.clone(),
        Arc::clone(&passwords),
        Arc::clone(&clock),
        login_options(settings, tokens),
    );
    let logins = Arc::new(logins.map_err(no_randomness)?);
    let quotas = Arc::new(Quotas::new(
        Arc::clone(store),
        Arc::clone(&clock),
        Arc::clone(metrics),
        quota_options(settings)?,
    ));
    let keep = keep(settings);
    let recorder = keep.map(|keep| {
        let options = RecorderOptions {
            keep,
            node: crate::settings::hostname(settings).to_string(),
        };
        let (clock, metrics) = (Arc::clone(&clock), Arc::clone(metrics));
        let recorder = Recorder::new(
            Arc::clone(store),
            clock,
            metrics,
            Arc::clone(&opened.ids),
            options,
        );
        Arc::new(recorder)
    });
    let intake = Intake::new(
        Arc::clone(store),
        directory.clone(),
        Arc::clone(&logins),
        Arc::clone(&opened.ids),
        Arc::clone(&clock),
        Arc::clone(metrics),
        intake_options(settings),
    )
    .recorded_by(recorder.clone());
    let counter = Counter::new(
        Arc::clone(store),
        Arc::clone(&logins),
        Arc::clone(&quotas),
        Arc::clone(&clock),
        Arc::clone(metrics),
        maildrop_options(settings),
    )
    .recorded_by(recorder.clone());
    let janitor = Janitor::new(
        Arc::clone(store),
        Arc::clone(&quotas),
        Arc::clone(&clock),
        Arc::clone(metrics),
        retention_options(settings),
        random()?,
    );
    let janitor = Arc::new(janitor.recorded_by(recorder.clone()));
    let lookup = Lookup::new(
        Arc::clone(store),
        directory.clone(),
        Arc::clone(&clock),
        keep,
    );
    let admins = AdminAccounts::new(
        Arc::clone(store),
        Arc::clone(&passwords),
        Arc::clone(&clock),
    );
    let admin_logins = AdminLogins::new(
        Arc::clone(store),
        Arc::clone(&passwords),
        Arc::clone(&clock),
        guess_options(settings),
    );
    let audit = AuditLog::new(
        Arc::clone(store),
        Arc::clone(&opened.ids),
        Arc::clone(&clock),
        Duration::from_hours(24 * u64::from(settings.admin.audit_days)),
    );
    let admin_logins = Arc::new(admin_logins.map_err(no_randomness)?);
    let intake = Arc::new(intake.keeping(Arc::clone(&quotas)));
    let counter = Arc::new(counter);
    let watch = Watch {
        store: Arc::clone(store),
        directory: directory.clone(),
        clock: Arc::clone(&clock),
        logins,
        admin_logins: Arc::clone(&admin_logins),
        counter: Arc::clone(&counter),
        intake: Arc::clone(&intake),
    };
    Ok(Office {
        janitor,
        lookup,
        recorder,
        admins,
        admin_logins,
        watch,
        audit,
        clock: Arc::clone(&clock),
        intake,
        counter,
        administration: Administration::new(
            Arc::clone(store),
            directory,
            passwords,
            Arc::clone(&quotas),
            clock,
        ),
        quotas,
    })
}

/// How long traces are kept; none if none are recorded.
fn keep(settings: &Settings) -> Option<Duration> {
    let days = settings.trace.keep_days?;
    Some(Duration::from_hours(24 * u64::from(days)))
}

fn directory_options(settings: &Settings) -> DirectoryOptions {
    DirectoryOptions {
        local_part_case: match settings.directory.local_part_case {
            LocalPartCase::Insensitive => cassmail_office::LocalPartCase::Insensitive,
            LocalPartCase::Sensitive => cassmail_office::LocalPartCase::Sensitive,
        },
        tag_separator: settings.directory.tag_separator,
        postmaster: settings.identity.postmaster.clone(),
        belief: match settings.store.kind {
            StoreKind::Cassandra => BELIEF,
            StoreKind::Embedded | StoreKind::Memory => Belief::NONE,
        },
    }
}

/// On a cluster each look-up is a request. Changes that another node made count as late as this.
const BELIEF: Belief = Belief {
    found: Duration::from_secs(30),
    unknown: Duration::from_secs(5),
    most: 100_000,
};

fn password_options(settings: &Settings) -> Outcome<PasswordOptions> {
    let login = &settings.login;
    let scram = if login.scram {
        Some(ScramOptions {
            iterations: login.scram_iterations,
            salt_secret: salt::secret(settings)?,
        })
    } else {
        None
    };
    Ok(PasswordOptions {
        memory_kib: u32::try_from(login.memory.0 / 1024).unwrap_or(u32::MAX),
        iterations: login.iterations,
        parallelism: login.parallelism,
        workers: login.workers as usize,
        queue: login.queue as usize,
        scram,
    })
}

fn login_options(settings: &Settings, tokens: Option<Arc<Tokens>>) -> LoginOptions {
    LoginOptions {
        default_domain: settings.identity.default_domain.clone(),
        guesses: guess_options(settings),
        remembered: settings.login.remembered as usize,
        tokens,
    }
}

fn guess_options(settings: &Settings) -> GuessOptions {
    let login = &settings.login;
    GuessOptions {
        per_source: Rate::per_hour(login.guesses_per_source_and_hour),
        per_account: Rate::per_hour(login.guesses_per_account_and_hour),
        first_delay: login.failure_delay.0,
        longest_delay: login.longest_delay.0,
        remembered_for: login.remembered_for.0,
        remembered: settings.limits.remembered as usize,
        ..GuessOptions::default()
    }
}

fn rate_options(settings: &Settings) -> RateOptions {
    let limits = &settings.limits;
    RateOptions {
        messages_per_source: Rate::per_minute(limits.messages_per_source_and_minute),
        recipients_per_source: Rate::per_minute(limits.recipients_per_source_and_minute),
        messages_per_account: Rate::per_hour(limits.messages_per_account_and_hour),
        recipients_per_account: Rate::per_hour(limits.recipients_per_account_and_hour),
        remembered: limits.remembered as usize,
    }
}

fn intake_options(settings: &Settings) -> IntakeOptions {
    IntakeOptions {
        hostname: crate::settings::hostname(settings).to_string(),
        max_hops: settings.smtp.max_hops as usize,
        rates: rate_options(settings),
        sessions_per_account: settings.limits.sessions_per_account as usize,
        // Senders wait for ten minutes (RFC 5321 4.5.3.2.6); a minute is what hasty ones give.
        patience: Duration::from_mins(1),
    }
}

fn maildrop_options(settings: &Settings) -> MaildropOptions {
    let lock = if settings.pop3.exclusive {
        MaildropLock::Exclusive
    } else {
        MaildropLock::Shared
    };
    MaildropOptions {
        lock,
        sessions_per_account: settings.limits.sessions_per_account as usize,
        login_delay: login_delay(settings),
        retention: retention_options(settings),
        patience: Duration::from_mins(1),
    }
}

fn login_delay(settings: &Settings) -> Option<Duration> {
    let delay = settings.pop3.login_delay.0;
    (!delay.is_zero()).then_some(delay)
}

fn retention_options(settings: &Settings) -> RetentionOptions {
    let retention = &settings.retention;
    let days = |days| Days(NonZeroU32::new(days).unwrap_or(NonZeroU32::MIN));
    RetentionOptions {
        mode: match retention.mode {
            cassmail_config::RetentionMode::Off => RetentionMode::Off,
            cassmail_config::RetentionMode::Observe => RetentionMode::Observe,
            cassmail_config::RetentionMode::Remove => RetentionMode::Remove,
        },
        shortest: days(retention.shortest_days),
        standard: Limits {
            age: retention.days.map(days),
            messages: retention.messages.map(u64::from),
            octets: retention.size.map(|size| size.0),
        },
        every: retention.every.0,
        accounts_per_second: retention.accounts_per_second,
    }
}

fn quota_options(settings: &Settings) -> Outcome<QuotaOptions> {
    let quota = &settings.quota;
    Ok(QuotaOptions {
        standard: quota_standard(settings),
        for_good: match quota.refused_for_good_after {
            Some(days) => FullForLong::After(Duration::from_secs(u64::from(days) * 24 * 60 * 60)),
            None => FullForLong::Never,
        },
        belief: BELIEF.found,
        every: quota.noted_every.0,
        writer: match settings.store.kind {
            // The only one there is: it goes on with the notes of its last life.
            StoreKind::Embedded | StoreKind::Memory => Writer(1),
            StoreKind::Cassandra => Writer(random()?),
        },
        remembered: settings.limits.remembered as usize,
    })
}

/// The limits where neither domain nor account has its own.
pub(crate) fn quota_standard(settings: &Settings) -> QuotaLimits {
    QuotaLimits {
        messages: settings.quota.messages.map(u64::from),
        octets: settings.quota.size.map(|size| size.0),
    }
}

/// What net does for all listeners.
pub(crate) fn server_options(settings: &Settings, clock: &Clock) -> Outcome<ServerOptions> {
    let limits = &settings.limits;
    let prefix = |bits: u32| u8::try_from(bits).unwrap_or(u8::MAX);
    let exempt = limits.exempt.iter().map(|network| network.parse());
    let exempt = exempt.collect::<Result<Vec<_>, _>>();
    let exempt = exempt
        .context("limits.exempt")
        .map_err(Failure::configuration)?;
    Ok(ServerOptions {
        clock: clock.clone(),
        limits: cassmail_net::Limits {
            connections: limits.connections as usize,
            octets_in_flight: usize::try_from(limits.octets_in_flight.0).unwrap_or(usize::MAX),
            ipv4_prefix: prefix(limits.ipv4_prefix),
            ipv6_prefix: prefix(limits.ipv6_prefix),
            per_source: limits.per_source as usize,
            per_source_and_minute: limits.per_source_and_minute,
            remembered: limits.remembered as usize,
            exempt,
        },
        patience: cassmail_net::Patience {
            handshake: settings.tls.handshake_timeout.0,
            write: limits.write_timeout.0,
            write_under_load: limits.patience_under_load.0,
            ..cassmail_net::Patience::default()
        },
        stop_within: settings.shutdown.deadline.0,
        ..ServerOptions::default()
    })
}

/// The files of the certificates that are configured, if any are: of the first, and of the others.
pub(crate) fn certificate_files(
    settings: &Settings,
) -> Option<(CertificateFiles, Vec<CertificateFiles>)> {
    let files = |chain: &Path, key: &Path| CertificateFiles {
        chain: chain.to_owned(),
        key: key.to_owned(),
    };
    let tls = &settings.tls;
    let first = files(tls.certificate.as_deref()?, tls.key.as_deref()?);
    let others = tls.further.0.iter().map(|(chain, key)| files(chain, key));
    Some((first, others.collect()))
}

/// From where a listener's connections begin with a PROXY header.
pub(crate) fn proxies(listener: &Listener) -> Outcome<Vec<Network>> {
    let networks = listener.proxy_protocol_from.iter().map(|text| text.parse());
    let networks = networks.collect::<Result<_, _>>();
    let networks = networks.context("listener.proxy_protocol_from");
    networks.map_err(Failure::configuration)
}

/// The Unix socket of a listener, if it has one.
pub(crate) fn socket(listener: &Listener) -> Option<UnixSocket> {
    listener.socket.as_ref().map(|path| UnixSocket {
        path: path.clone(),
        mode: listener.socket_mode.0,
    })
}

/// Whose tokens are believed, if anybody's are.
pub(crate) fn tokens(settings: &Settings) -> Outcome<Option<Arc<Tokens>>> {
    let oauth = &settings.oauth;
    let (Some(file), Some(issuer), Some(audience)) =
        (&oauth.jwks_file, &oauth.issuer, &oauth.audience)
    else {
        return Ok(None);
    };
    let options = TokenOptions {
        issuer: issuer.clone(),
        audience: audience.clone(),
        account_claim: oauth.account_claim.clone(),
        scope: oauth.scope.clone(),
        leeway: oauth.leeway.0,
    };
    let tokens = Tokens::new(options, &jwks(file)?);
    let tokens = tokens.with_context(|| format!("failed to use {}", file.display()));
    let tokens = tokens.map_err(Failure::configuration)?;
    Ok(Some(Arc::new(tokens)))
}

/// What stands in the file with the keys of those who make tokens.
pub(crate) fn jwks(file: &Path) -> Outcome<Vec<u8>> {
    let read = std::fs::read(file);
    read.with_context(|| format!("failed to read {}", file.display()))
        .map_err(Failure::configuration)
}

/// By what users log in, besides passwords.
fn sasl_offer(settings: &Settings) -> Offer {
    let scram = if settings.login.scram {
        ScramOffer::Offered
    } else {
        ScramOffer::Absent
    };
    let bearer = settings.oauth.jwks_file.as_ref().map(|_| BearerOffer {
        scope: settings.oauth.scope.clone(),
    });
    Offer { scram, bearer }
}

/// Whether there is a certificate to offer TLS with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsThere {
    Yes,
    No,
}

/// What an SMTP listener offers; none when it is for POP3.
pub(crate) fn smtp_options(
    settings: &Settings,
    listener: &Listener,
    hostname: &Domain,
    tls: TlsThere,
) -> Option<SmtpOptions> {
    let base = match listener.role {
        Role::Mx => SmtpOptions::mx(hostname.clone()),
        Role::Submission | Role::Submissions => SmtpOptions::submission(hostname.clone()),
        Role::Lmtp => SmtpOptions::lmtp(hostname.clone()),
        Role::Pop3 | Role::Pop3s => return None,
    };
    Some(SmtpOptions {
        starttls: match tls {
            TlsThere::Yes => StartTlsOffer::Offered,
            TlsThere::No => StartTlsOffer::NotOffered,
        },
        sasl: sasl_offer(settings),
        bare_lf: match listener.bare_newline {
            Some(BareNewline::Refuse) => BareLf::Refuse,
            Some(BareNewline::Convert) => BareLf::Convert,
            None => base.bare_lf,
        },
        limits: cassmail_smtp::server::Limits {
            message_octets: settings.smtp.max_message_size.0,
            recipients: settings.smtp.max_recipients as usize,
            errors: settings.smtp.max_errors,
            silence: settings.smtp.idle_timeout.0,
            stall: settings.smtp.stall_timeout.0,
            silence_under_load: settings.limits.patience_under_load.0,
            stall_under_load: settings.limits.patience_under_load.0.saturating_mul(4),
            ..base.limits.clone()
        },
        ..base
    })
}

/// What a POP3 listener offers.
pub(crate) fn pop3_options(settings: &Settings, tls: TlsThere) -> cassmail_pop3::Options {
    let limits = cassmail_pop3::Limits {
        misuses_after_login: settings.pop3.max_errors,
        idle: settings.pop3.idle_timeout.0,
        idle_before_login_under_load: settings.limits.patience_under_load.0,
        ..cassmail_pop3::Limits::default()
    };
    cassmail_pop3::Options {
        tls: match tls {
            TlsThere::Yes => cassmail_pop3::TlsOffer::Offered,
            TlsThere::No => cassmail_pop3::TlsOffer::Absent,
        },
        clear_text_login: if settings.pop3.clear_text_login {
            cassmail_pop3::ClearTextLogin::Allowed
        } else {
            cassmail_pop3::ClearTextLogin::Refused
        },
        sasl: sasl_offer(settings),
        implementation: Some(&settings.pop3.implementation)
            .filter(|name| !name.is_empty())
            .cloned(),
        expire: retention_options(settings).least_days(),
        login_delay: login_delay(settings),
        language: match settings.pop3.language {
            cassmail_config::Language::English => cassmail_pop3::Language::English,
            cassmail_config::Language::German => cassmail_pop3::Language::German,
        },
        limits,
    }
}

fn random() -> Outcome<u64> {
    getrandom::u64().map_err(no_randomness)
}

fn no_randomness(error: getrandom::Error) -> Failure {
    Failure::software(anyhow::Error::new(error).context("failed to draw a random number"))
}
