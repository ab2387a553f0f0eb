//! The names of events: what can be searched for in the logs, for years.

macro_rules! events {
    ($($(#[doc = $doc:literal])+ $constant:ident = $name:literal;)+) => {
        $($(#[doc = $doc])+ pub const $constant: &str = $name;)+

        /// Every event with its explanation, for the documentation.
        pub(crate) const ALL: &[(&str, &str)] = &[$(($name, concat!($($doc),+))),+];
    };
}

events! {
    /// The service started; what it listens on and keeps mail in.
    SERVICE_STARTED = "service.started";
    /// The configuration was loaded anew: what is in effect now, what needs a restart, or why
    /// nothing changed.
    SERVICE_RELOADED = "service.reloaded";
    /// The service is ending, step by step.
    SERVICE_STOPPING = "service.stopping";
    /// A setting or a state that an operator should change.
    SERVICE_ADVICE = "service.advice";
    /// A listener is ready.
    LISTENER_READY = "net.listener.ready";
    /// A connection was turned away before a session began: limits, or the end of the service.
    CONNECTION_TURNED_AWAY = "net.connection.turned-away";
    /// The process is fuller than before, or there is room again.
    LOAD_CHANGED = "net.load.changed";
    /// A connection from an address of proxy_protocol_from did not begin with a PROXY header.
    PROXY_REFUSED = "net.proxy.refused";
    /// A TLS handshake failed.
    TLS_FAILED = "net.tls.failed";
    /// Certificates were loaded anew, or could not be.
    TLS_RELOADED = "net.tls.reloaded";
    /// A task panicked; the place is in the line. Please report it.
    PANICKED = "service.panicked";
    /// One line per SMTP session, at its end.
    SMTP_SESSION_CLOSED = "smtp.session.closed";
    /// One line per accepted message: envelope, size, id.
    SMTP_MESSAGE_STORED = "smtp.message.stored";
    /// One line per refusal: client, envelope, rule, reply (RFC 6409 5.2).
    SMTP_REFUSED = "smtp.refused";
    /// One line per POP3 session, at its end.
    POP3_SESSION_CLOSED = "pop3.session.closed";
    /// Mail of an account is due by its rule of retention; it is removed, or only looked at.
    RETENTION_DUE = "retention.due";
    /// A pass of retention over all accounts has ended.
    RETENTION_PASSED = "retention.passed";
    /// Retention could not do its work; it tries again.
    RETENTION_FAILED = "retention.failed";
    /// Nobody can say how full a mailbox is; its mail is taken all the same.
    QUOTA_UNKNOWN = "quota.unknown";
    /// The message trace could not be written; it tries again.
    TRACE_FAILED = "trace.failed";
    /// One line per refusal of POP3.
    POP3_REFUSED = "pop3.refused";
    /// Somebody could not log in; the reason is for the operator alone.
    LOGIN_REFUSED = "login.refused";
    /// The keys of those whose tokens are believed were loaded anew.
    LOGIN_KEYS_RELOADED = "login.keys.reloaded";
    /// Somebody who is no administrator asked for something; the reason is for the operator alone.
    ADMIN_LOGIN_REFUSED = "admin.login.refused";
    /// One line per change that was asked for through the administration: who, from where, what.
    ADMIN_CHANGED = "admin.changed";
    /// An administrator has read a message of somebody.
    MAILBOX_READ = "mailbox.read";
    /// An administrator has removed messages of somebody.
    MAILBOX_REMOVED = "mailbox.removed";
    /// A verb of the store failed; the chain of causes is in the line.
    STORE_OPERATION_FAILED = "store.operation.failed";
    /// The store goes on without a data center, or with all of them again, or none answers.
    STORE_REACH = "store.reach.changed";
    /// A node of Cassandra acknowledges mail before it is on its disk.
    STORE_COMMIT_LOG_PERIODIC = "store.commit-log.periodic";
    /// A node of Cassandra does not say how its commit log is synced.
    STORE_COMMIT_LOG_UNKNOWN = "store.commit-log.unknown";
    /// What the store found when it was opened, or mended since.
    STORE_MAINTAINED = "store.maintained";
}
