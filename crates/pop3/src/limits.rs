//! What a session bears.

use std::time::Duration;

/// The limits of a session; the defaults are what a public server wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a command line with its CRLF. RFC 2449 4 has 255.
    pub command_line: usize,
    /// Octets of an AUTH line and of a response within AUTH, with CRLF. RFC 5034 4 asks for as much
    /// as the mechanisms need; 12288 is what RFC 4954 4 has for SMTP.
    pub sasl_line: usize,
    /// So many commands that break the rules end the session before login.
    pub misuses_before_login: u32,
    /// So many commands that break the rules end the session after login.
    pub misuses_after_login: u32,
    /// So many refused logins end the session.
    pub refused_logins: u32,
    /// How long a client may be silent between commands. RFC 1939 3: at least 10 minutes.
    pub idle: Duration,
    /// The same for clients that have not logged in, while the process is under load.
    pub idle_before_login_under_load: Duration,
    /// Octets of output after which the session has them sent before it goes on.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_line: 255,
            sasl_line: 12_288,
            misuses_before_login: 3,
            misuses_after_login: 20,
            refused_logins: 3,
            idle: Duration::from_mins(10),
            idle_before_login_under_load: Duration::from_secs(30),
            output: 64 * 1024,
        }
    }
}
