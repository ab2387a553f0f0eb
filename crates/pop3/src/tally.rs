//! What a session did, for its one line in the log.

/// What a session did so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Who logged in, as the name was given; none before login.
    pub user: Option<String>,
    /// Messages that were in the maildrop at login.
    pub listed: usize,
    /// Messages that RETR gave out whole.
    pub retrieved: u64,
    /// Messages of which TOP gave out a part.
    pub topped: u64,
    /// Octets of messages that were given out, without the dots of the wire.
    pub bytes: u64,
    /// Messages that QUIT removed.
    pub removed: usize,
}
