//! What a listener offers, and how much it takes.

use std::time::Duration;

use cassmail_mail::Domain;
use cassmail_wire::BareLf;
use cassmail_wire::sasl::Offer;

/// What a session is told when it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The name in the greeting and in the answer to EHLO.
    pub hostname: Domain,
    /// What the listener is for.
    pub role: Role,
    /// Whether clear connections may start TLS. Connections that began with TLS never may.
    pub starttls: StartTlsOffer,
    /// When users may log in.
    pub auth: AuthOffer,
    /// By what, besides passwords.
    pub sasl: Offer,
    /// What a bare LF in a message leads to.
    pub bare_lf: BareLf,
    /// How much is taken.
    pub limits: Limits,
}

impl Options {
    /// For port 25: mail from anybody, no logins, bare LF refused.
    pub fn mx(hostname: Domain) -> Self {
        Self {
            hostname,
            role: Role::Mx,
            starttls: StartTlsOffer::Offered,
            auth: AuthOffer::Never,
            sasl: Offer::default(),
            bare_lf: BareLf::Refuse,
            limits: Limits::default(),
        }
    }

    /// For ports 587 (where the caller has no TLS) and 465 (where he has): mail from users who log
    /// in under TLS, bare LF converted.
    pub fn submission(hostname: Domain) -> Self {
        Self {
            role: Role::Submission,
            auth: AuthOffer::UnderTls,
            bare_lf: BareLf::Convert,
            ..Self::mx(hostname)
        }
    }

    /// For a socket where another server hands mail in: nobody logs in, bare LF converted, since
    /// the message was accepted long ago and a refusal would only send it back.
    pub fn lmtp(hostname: Domain) -> Self {
        Self {
            role: Role::Lmtp,
            bare_lf: BareLf::Convert,
            ..Self::mx(hostname)
        }
    }
}

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Mail from other servers (RFC 5321).
    Mx,
    /// Mail from users (RFC 6409 3.1, 3.3): nothing is taken before a login.
    Submission,
    /// Mail from a server that keeps what is refused (RFC 2033): every recipient has its own reply
    /// to the end of a message, and the client says LHLO.
    Lmtp,
}

impl Role {
    /// The protocol's name, for the greeting.
    pub(crate) fn protocol(self) -> &'static str {
        match self {
            Self::Mx | Self::Submission => "ESMTP",
            Self::Lmtp => "LMTP",
        }
    }
}

/// Whether STARTTLS is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StartTlsOffer {
    /// There is a certificate.
    Offered,
    /// There is none.
    NotOffered,
}

/// When AUTH is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthOffer {
    /// Nobody logs in here.
    Never,
    /// Passwords travel under TLS only (RFC 4954 4).
    UnderTls,
    /// Also in clear: for development and closed networks.
    Always,
}

/// How much a session takes. Each limit has its reply; where an RFC has a minimum, it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a message, without stuffed dots (RFC 1870 5): 552 5.3.4. At least 64 KiB (RFC 5321
    /// 4.5.3.1.7).
    pub message_octets: u64,
    /// How far a message may go on behind `message_octets`, thrown away, before the connection is
    /// closed.
    pub overrun_octets: u64,
    /// Accepted recipients of a message: 452 4.5.3 (RFC 5321 4.5.3.1.10). At least 100 (RFC 5321
    /// 4.5.3.1.8).
    pub recipients: usize,
    /// Octets of a command line without its CRLF: 500. At least 510 (RFC 5321 4.5.3.1.4), and 26
    /// for SIZE, 17 for BODY, 10 for SMTPUTF8, 500 for AUTH in MAIL (their RFCs).
    pub command_line: usize,
    /// Octets of AUTH and of responses without their CRLF: 500 5.5.6. At least 12286 (RFC 4954 4).
    pub auth_line: usize,
    /// Commands refused for good before the connection is closed with 421 (RFC 5321 7.8). A
    /// refused recipient counts only while most of its transaction's recipients are refused: lists
    /// have stale members.
    pub errors: u32,
    /// Commands that lead nowhere (NOOP, RSET, EHLO and the like) since the last message, before
    /// each counts as an error.
    pub idle_commands: u32,
    /// Refused logins after which the connection is closed.
    pub refused_logins: u32,
    /// How long the client may be silent: 421 4.4.2. RFC 5321 4.5.3.2.7 wants 5 minutes.
    pub silence: Duration,
    /// How long the client may take for a whole command, or 64 KiB of a message, however often it
    /// sends an octet: 421 4.4.2.
    pub stall: Duration,
    /// The same as `silence` while the process is under load.
    pub silence_under_load: Duration,
    /// The same as `stall` while the process is under load.
    pub stall_under_load: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            message_octets: 50 * MIB,
            overrun_octets: 64 * MIB,
            recipients: 1000,
            command_line: 510 + 26 + 17 + 10 + 500,
            auth_line: 12_288 - 2,
            errors: 20,
            idle_commands: 100,
            refused_logins: 3,
            silence: Duration::from_mins(5),
            stall: Duration::from_mins(10),
            silence_under_load: Duration::from_secs(30),
            stall_under_load: Duration::from_mins(2),
        }
    }
}
