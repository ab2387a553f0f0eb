//! The settings as types. What each means stands in `default.toml`, and only there.

use std::net::SocketAddr;
use std::path::PathBuf;

use cassmail_mail::{Address, Domain};

use crate::layer::Raw;
use crate::reader::Reader;
use crate::value::{ByteSize, FileMode, FilePairs, Interval, Replicas, Value};

/// Declares a table of settings: the struct, how it is read, the bounds of its values.
macro_rules! table {
    ($(#[doc = $doc:literal])+ $table:ident at $path:literal {
        $($field:ident: $type:ty $([$low:expr, $high:expr])?,)+
    }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $table {
            $(
                #[doc = concat!("`", stringify!($field), "`; see `default.toml`.")]
                pub $field: $type,
            )+
        }

        impl $table {
            pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
                $(let $field = field!(
                    reader, concat!($path, stringify!($field)) $(, &($low..=$high))?
                );)+
                Some(Self { $($field: $field?,)+ })
            }
        }
    };
}

/// Reads one field, with or without bounds.
macro_rules! field {
    ($reader:ident, $key:expr) => {
        $reader.value($key)
    };
    ($reader:ident, $key:expr, $bounds:expr) => {
        $reader.measure($key, $bounds)
    };
}

/// Declares a choice between words.
macro_rules! choice {
    ($(#[doc = $doc:literal])+ $choice:ident, $expected:literal {
        $($(#[doc = $variant_doc:literal])+ $variant:ident = $word:literal,)+
    }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $choice { $($(#[doc = $variant_doc])+ $variant,)+ }

        impl Value for $choice {
            fn expected() -> String {
                $expected.to_owned()
            }

            fn read(raw: &Raw) -> Option<Self> {
                match raw.text()? {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

choice! {
    /// What a listener is for.
    Role, "\"mx\", \"submission\", \"submissions\", \"lmtp\", \"pop3\" or \"pop3s\"" {
        /// Takes mail for local domains from anybody.
        Mx = "mx",
        /// Takes mail of users who log in after STARTTLS.
        Submission = "submission",
        /// Takes mail of users who log in, TLS from the first octet.
        Submissions = "submissions",
        /// Takes mail from another server, and answers for each recipient.
        Lmtp = "lmtp",
        /// Gives mail out, with STLS.
        Pop3 = "pop3",
        /// Gives mail out, TLS from the first octet.
        Pop3s = "pop3s",
    }
}

choice! {
    /// What happens to lines that end without CRLF.
    BareNewline, "\"refuse\" or \"convert\"" {
        /// The message is refused.
        Refuse = "refuse",
        /// The line gets its CRLF.
        Convert = "convert",
    }
}

choice! {
    /// Whether the case of local parts matters.
    LocalPartCase, "\"insensitive\" or \"sensitive\"" {
        /// It does not.
        Insensitive = "insensitive",
        /// It does.
        Sensitive = "sensitive",
    }
}

choice! {
    /// Where mail is kept.
    StoreKind, "\"embedded\", \"cassandra\" or \"memory\"" {
        /// In one folder.
        Embedded = "embedded",
        /// On the nodes of a cluster.
        Cassandra = "cassandra",
        /// Nowhere.
        Memory = "memory",
    }
}

choice! {
    /// How bodies are compressed.
    Codec, "\"lz4\" or \"none\"" {
        /// LZ4.
        Lz4 = "lz4",
        /// Not at all.
        None = "none",
    }
}

choice! {
    /// A language that replies can be in.
    Language, "\"en\" or \"de\"" {
        /// English.
        English = "en",
        /// German.
        German = "de",
    }
}

choice! {
    /// Whether rules of retention are kept.
    RetentionMode, "\"off\", \"observe\" or \"remove\"" {
        /// They are not.
        Off = "off",
        /// The log tells what is due.
        Observe = "observe",
        /// What is due is removed.
        Remove = "remove",
    }
}

choice! {
    /// How log lines look.
    LogFormat, "\"human\" or \"json\"" {
        /// For people.
        Human = "human",
        /// One JSON object each.
        Json = "json",
    }
}

/// All settings of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The settings that stand in front of all tables.
    pub identity: Identity,
    /// `[[listener]]`.
    pub listeners: Vec<Listener>,
    /// `[tls]`.
    pub tls: Tls,
    /// `[smtp]`.
    pub smtp: Smtp,
    /// `[pop3]`.
    pub pop3: Pop3,
    /// `[retention]`.
    pub retention: Retention,
    /// `[quota]`.
    pub quota: Quota,
    /// `[trace]`.
    pub trace: Trace,
    /// `[limits]`.
    pub limits: Limits,
    /// `[login]`.
    pub login: Login,
    /// `[login.oauth]`.
    pub oauth: OAuth,
    /// `[directory]`.
    pub directory: Directory,
    /// `[store]`.
    pub store: Store,
    /// `[store.embedded]`.
    pub embedded: Embedded,
    /// `[store.cassandra]`.
    pub cassandra: Cassandra,
    /// `[admin]`.
    pub admin: Admin,
    /// `[log]`.
    pub log: Log,
    /// `[shutdown]`.
    pub shutdown: Shutdown,
}

impl Settings {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let identity = Identity::read(reader);
        let listeners = (0..reader.listeners()).map(|index| Listener::read(reader, index));
        let listeners: Vec<_> = listeners.collect();
        let tls = Tls::read(reader);
        let smtp = Smtp::read(reader);
        let pop3 = Pop3::read(reader);
        let retention = Retention::read(reader);
        let quota = Quota::read(reader);
        let trace = Trace::read(reader);
        let limits = Limits::read(reader);
        let login = Login::read(reader);
        let oauth = OAuth::read(reader);
        let directory = Directory::read(reader);
        let store = Store::read(reader);
        let embedded = Embedded::read(reader);
        let cassandra = Cassandra::read(reader);
        let admin = Admin::read(reader);
        let log = Log::read(reader);
        let shutdown = Shutdown::read(reader);
        Some(Self {
            identity: identity?,
            listeners: listeners.into_iter().collect::<Option<_>>()?,
            tls: tls?,
            smtp: smtp?,
            pop3: pop3?,
            retention: retention?,
            quota: quota?,
            trace: trace?,
            limits: limits?,
            login: login?,
            oauth: oauth?,
            directory: directory?,
            store: store?,
            embedded: embedded?,
            cassandra: cassandra?,
            admin: admin?,
            log: log?,
            shutdown: shutdown?,
        })
    }
}

table! {
    /// Who this server is, and where its files are.
    Identity at "" {
        hostname: Option<Domain>,
        default_domain: Option<Domain>,
        postmaster: Option<Address>,
        data_dir: PathBuf,
        run_dir: Option<PathBuf>,
    }
}

/// `[[listener]]`: one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Its name, in logs and for sockets from systemd.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// A Unix socket where it listens besides.
    pub socket: Option<PathBuf>,
    /// The mode of that socket.
    pub socket_mode: FileMode,
    /// Whether it may be reached from other machines although nobody logs in; LMTP alone asks.
    pub beyond_loopback: bool,
    /// From where connections begin with a PROXY header.
    pub proxy_protocol_from: Vec<String>,
    /// How many connections it takes.
    pub max_connections: u32,
    /// How many new ones in a minute.
    pub max_connections_per_minute: u32,
    /// What happens to lines that end without CRLF; none for the role's default.
    pub bare_newline: Option<BareNewline>,
}

impl Listener {
    fn read(reader: &mut Reader<'_>, index: usize) -> Option<Self> {
        let name = reader.of_listener(index, "name", None);
        let role = reader.of_listener(index, "role", None);
        let addresses = reader.of_listener(index, "addresses", None);
        let socket = reader.of_listener(index, "socket", Some(None));
        let socket_mode = reader.of_listener(index, "socket_mode", Some(FileMode(0o660)));
        let beyond_loopback = reader.of_listener(index, "beyond_loopback", Some(false));
        let proxies = reader.of_listener(index, "proxy_protocol_from", Some(Vec::new()));
        let max_connections = reader.of_listener(index, "max_connections", Some(5000));
        let per_minute = reader.of_listener(index, "max_connections_per_minute", Some(60_000));
        let bare_newline = reader.of_listener(index, "bare_newline", Some(None));
        Some(Self {
            name: name?,
            role: role?,
            addresses: addresses?,
            socket: socket?,
            socket_mode: socket_mode?,
            beyond_loopback: beyond_loopback?,
            proxy_protocol_from: proxies?,
            max_connections: max_connections?,
            max_connections_per_minute: per_minute?,
            bare_newline: bare_newline?,
        })
    }
}

/// The keys of a `[[listener]]`.
pub(crate) const LISTENER_KEYS: [&str; 10] = [
    "name",
    "role",
    "addresses",
    "socket",
    "socket_mode",
    "beyond_loopback",
    "proxy_protocol_from",
    "max_connections",
    "max_connections_per_minute",
    "bare_newline",
];

table! {
    /// `[tls]`.
    Tls at "tls." {
        certificate: Option<PathBuf>,
        key: Option<PathBuf>,
        further: FilePairs,
        handshake_timeout: Interval [Interval::seconds(1), Interval::minutes(10)],
    }
}

table! {
    /// `[smtp]`.
    Smtp at "smtp." {
        // RFC 5321 4.5.3.1.7: at least 64 KiB.
        max_message_size: ByteSize [ByteSize::kib(64), ByteSize::gib(4)],
        // RFC 5321 4.5.3.1.8: at least 100.
        max_recipients: u32 [100, 100_000],
        max_errors: u32 [1, 10_000],
        // RFC 5321 6.3: at least 100; some houses have fewer on purpose.
        max_hops: u32 [30, 1000],
        idle_timeout: Interval [Interval::seconds(30), Interval::minutes(60)],
        stall_timeout: Interval [Interval::minutes(1), Interval::minutes(24 * 60)],
    }
}

table! {
    /// `[pop3]`.
    Pop3 at "pop3." {
        idle_timeout: Interval [Interval::seconds(30), Interval::minutes(24 * 60)],
        clear_text_login: bool,
        exclusive: bool,
        max_errors: u32 [1, 10_000],
        login_delay: Interval [Interval::seconds(0), Interval::minutes(24 * 60)],
        language: Language,
        implementation: String,
    }
}

table! {
    /// `[retention]`.
    Retention at "retention." {
        mode: RetentionMode,
        shortest_days: u32 [1, 36_500],
        days: Option<u32>,
        messages: Option<u32>,
        size: Option<ByteSize>,
        every: Interval [Interval::minutes(1), Interval::minutes(7 * 24 * 60)],
        accounts_per_second: u32 [1, 100_000],
    }
}

table! {
    /// `[quota]`.
    Quota at "quota." {
        size: Option<ByteSize>,
        messages: Option<u32>,
        refused_for_good_after: Option<u32>,
        noted_every: Interval [Interval::seconds(1), Interval::minutes(60)],
    }
}

table! {
    /// `[trace]`.
    Trace at "trace." {
        keep_days: Option<u32>,
        size: ByteSize [ByteSize::mib(1), ByteSize::gib(1024)],
    }
}

table! {
    /// `[limits]`.
    Limits at "limits." {
        connections: u32 [1, 1_000_000],
        octets_in_flight: ByteSize [ByteSize::mib(1), ByteSize::gib(1024)],
        // Less than 30 seconds without an octet is no sign of ill will.
        patience_under_load: Interval [Interval::seconds(30), Interval::minutes(60)],
        ipv4_prefix: u32 [8, 32],
        ipv6_prefix: u32 [16, 128],
        per_source: u32 [1, 1_000_000],
        per_source_and_minute: u32 [1, 1_000_000],
        messages_per_source_and_minute: u32 [1, 1_000_000],
        recipients_per_source_and_minute: u32 [1, 100_000_000],
        messages_per_account_and_hour: u32 [1, 10_000_000],
        recipients_per_account_and_hour: u32 [1, 1_000_000_000],
        sessions_per_account: u32 [1, 1_000_000],
        remembered: u32 [100, 100_000_000],
        exempt: Vec<String>,
        write_timeout: Interval [Interval::seconds(1), Interval::minutes(60)],
    }
}

table! {
    /// `[login]`.
    Login at "login." {
        memory: ByteSize [ByteSize::kib(8), ByteSize::gib(4)],
        iterations: u32 [1, 1000],
        parallelism: u32 [1, 64],
        workers: u32 [1, 256],
        queue: u32 [1, 100_000],
        failure_delay: Interval [Interval::seconds(0), Interval::seconds(30)],
        longest_delay: Interval [Interval::seconds(0), Interval::seconds(30)],
        guesses_per_source_and_hour: u32 [1, 1_000_000],
        guesses_per_account_and_hour: u32 [1, 1_000_000],
        remembered_for: Interval [Interval::minutes(1), Interval::minutes(366 * 24 * 60)],
        remembered: u32 [1, 100_000_000],
        scram: bool,
        // RFC 7677 4: at least 4096.
        scram_iterations: u32 [4096, 10_000_000],
        salt_secret_file: Option<PathBuf>,
    }
}

table! {
    /// `[login.oauth]`.
    OAuth at "login.oauth." {
        jwks_file: Option<PathBuf>,
        issuer: Option<String>,
        audience: Option<String>,
        account_claim: String,
        scope: String,
        leeway: Interval [Interval::seconds(0), Interval::minutes(60)],
    }
}

table! {
    /// `[directory]`.
    Directory at "directory." {
        local_part_case: LocalPartCase,
        tag_separator: Option<char>,
    }
}

table! {
    /// `[store]`.
    Store at "store." {
        kind: StoreKind,
    }
}

table! {
    /// `[store.embedded]`.
    Embedded at "store.embedded." {
        segment_size: ByteSize [ByteSize::mib(1), ByteSize::gib(16)],
        low_water: ByteSize [ByteSize::mib(2), ByteSize::gib(1024 * 1024)],
        codec: Codec,
    }
}

table! {
    /// `[store.cassandra]`.
    Cassandra at "store.cassandra." {
        contact_points: Vec<String>,
        local_datacenter: String,
        keyspace: String,
        replication: Replicas,
        user: Option<String>,
        password_file: Option<PathBuf>,
        ca_certificate: Option<PathBuf>,
        certificate: Option<PathBuf>,
        key: Option<PathBuf>,
        allow_periodic_commit_log: bool,
        requests_in_flight: u32 [8, 16_384],
    }
}

table! {
    /// `[admin]`.
    Admin at "admin." {
        readings: Option<SocketAddr>,
        listen: Vec<SocketAddr>,
        listen_in_clear: Vec<SocketAddr>,
        max_connections: u32 [1, 10_000],
        health_without_login: bool,
        audit_days: u32 [1, 3650],
    }
}

table! {
    /// `[log]`.
    Log at "log." {
        format: LogFormat,
        level: String,
    }
}

table! {
    /// `[shutdown]`.
    Shutdown at "shutdown." {
        deadline: Interval [Interval::seconds(0), Interval::minutes(60)],
    }
}
