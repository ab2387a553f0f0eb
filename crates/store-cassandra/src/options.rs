//! What can be chosen about a store, and the time it lives in.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cassmail_mail::{IdMinter, UnixTime};

use crate::Encryption;

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// Some nodes of the own data center, as `address:port`.
    pub contact_points: Vec<String>,
    /// The own data center, as Cassandra calls it: requests go to its nodes only.
    pub data_center: String,
    /// Where the tables are.
    pub keyspace: String,
    /// How Cassandra knows us, if it asks.
    pub login: Option<Login>,
    /// How connections are encrypted, if they are.
    pub encryption: Option<Encryption>,
    /// What to do when a node acknowledges writes before they are on its disk.
    pub commit_log: CommitLog,
    /// How many requests are under way at once; more wait.
    pub in_flight: usize,
    /// Of how many listed messages it is remembered where they are.
    pub remembered: usize,
    /// Who mints the ids of this process. Such an id, seen for the first time, needs no look
    /// whether it was used before. It is renewed when the wall clock has jumped.
    pub minted_by: Option<Arc<IdMinter>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// A user of Cassandra.
#[derive(Clone)]
pub struct Login {
    /// Its name.
    pub user: String,
    /// Its password.
    pub password: String,
}

/// What to do when a node acknowledges writes before they are on its disk (`periodic`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CommitLog {
    /// Refuse to start: a 250 would be a bet on the next ten seconds.
    #[default]
    MustBeSynced,
    /// Start and warn: the operator bets that not all data centers lose power at once.
    MayBePeriodic,
}

/// The time, passed in so that tests can turn it.
pub trait Clock: Send + Sync {
    /// What the wall clock says.
    fn now(&self) -> UnixTime;

    /// How long it is since some fixed moment, with the time that the machine slept. Never goes
    /// back.
    fn elapsed(&self) -> Duration;

    /// Resolves when so much has elapsed.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

impl Options {
    /// A store that is reached over `contact_points`, all else as a server needs it.
    pub fn new(
        contact_points: Vec<String>,
        data_center: impl Into<String>,
        keyspace: impl Into<String>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            contact_points,
            data_center: data_center.into(),
            keyspace: keyspace.into(),
            login: None,
            encryption: None,
            commit_log: CommitLog::default(),
            in_flight: 256,
            remembered: 100_000,
            minted_by: None,
            clock,
        }
    }
}
