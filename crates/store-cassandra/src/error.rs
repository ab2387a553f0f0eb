//! What the driver says, as what the caller may conclude.
//!
//! The question is always the same: can it have happened? A node that refuses before it sends
//! anything (unavailable, overloaded) says no. A time limit, a lost connection or an answer that
//! cannot be read says nothing. The kinds are matched one by one, so that a new version of the
//! driver is read here before it is trusted; what it adds counts as uncertain.

use std::error::Error;

use cassmail_store::{ErrorKind, Reason, StoreError};
use scylla::errors::{DbError, ExecutionError, RequestAttemptError};

/// What a verb does, in the words of its errors.
pub(crate) type Verb = &'static str;

/// What one attempt tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing happened: too few replicas are alive for the level that was asked for.
    TooFew,
    /// Nothing happened: nobody could be asked.
    Unreached,
    /// Too few replicas have acknowledged it in time, or some have failed: it may have happened,
    /// or may happen yet.
    Late,
    /// Nothing happened: a node has too much to do.
    Overloaded,
    /// Nothing happened: the disks are full.
    Full,
    /// It may have happened, or may happen yet.
    Uncertain,
    /// Nothing happened, and a repetition will not help: what we asked is wrong or forbidden.
    Refused,
}

impl Verdict {
    pub(crate) fn of(error: &ExecutionError) -> Self {
        match error {
            ExecutionError::BadQuery(_)
            | ExecutionError::PrepareError(_)
            | ExecutionError::UseKeyspaceError(_) => Self::Refused,
            ExecutionError::EmptyPlan | ExecutionError::ConnectionPoolError(_) => Self::Unreached,
            ExecutionError::RequestTimeout(_) => Self::Late,
            ExecutionError::LastAttemptError(attempt) => Self::of_attempt(attempt),
            // Questions about the schema, and what later versions add.
            _ => Self::Uncertain,
        }
    }

    fn of_attempt(error: &RequestAttemptError) -> Self {
        match error {
            RequestAttemptError::SerializationError(_)
            | RequestAttemptError::CqlRequestSerialization(_)
            | RequestAttemptError::RepreparedIdChanged { .. }
            | RequestAttemptError::RepreparedIdMissingInBatch => Self::Refused,
            RequestAttemptError::UnableToAllocStreamId => Self::Overloaded,
            RequestAttemptError::DbError(error, text) => Self::of_server(error, text),
            // A lost connection, an answer that cannot be read, and what later versions add.
            _ => Self::Uncertain,
        }
    }

    fn of_server(error: &DbError, text: &str) -> Self {
        match error {
            DbError::Unavailable { .. } => Self::TooFew,
            DbError::WriteTimeout { .. }
            | DbError::ReadTimeout { .. }
            | DbError::WriteFailure { .. }
            | DbError::ReadFailure { .. } => Self::Late,
            DbError::IsBootstrapping => Self::Unreached,
            DbError::Overloaded | DbError::RateLimitReached { .. } => Self::Overloaded,
            // The guardrail on the use of disks answers as an invalid request.
            DbError::Invalid if text.contains("disk usage") => Self::Full,
            DbError::SyntaxError
            | DbError::Invalid
            | DbError::AlreadyExists { .. }
            | DbError::FunctionFailure { .. }
            | DbError::AuthenticationError
            | DbError::Unauthorized
            | DbError::ConfigError
            | DbError::ProtocolError
            | DbError::Unprepared { .. } => Self::Refused,
            // Errors of the server, what later versions add.
            _ => Self::Uncertain,
        }
    }

    /// Whether the same once more may have another end.
    pub(crate) fn may_pass(self) -> bool {
        match self {
            Self::TooFew | Self::Unreached | Self::Late | Self::Overloaded | Self::Uncertain => {
                true
            }
            Self::Full | Self::Refused => false,
        }
    }

    /// Whether it may have happened.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Late | Self::Uncertain)
    }

    /// The kind of a failed change. Reads are never uncertain: see [`unread`].
    pub(crate) fn kind(self) -> ErrorKind {
        match self {
            Self::TooFew | Self::Unreached | Self::Refused => {
                ErrorKind::Unavailable(Reason::Engine)
            }
            Self::Overloaded => ErrorKind::Unavailable(Reason::Overloaded),
            Self::Full => ErrorKind::Unavailable(Reason::Full),
            Self::Late | Self::Uncertain => ErrorKind::Indeterminate,
        }
    }
}

/// Why one attempt is not known to have succeeded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The driver says so.
    #[error(transparent)]
    Driver(Box<ExecutionError>),
    /// It was not sent: others had their turn until the peer's patience was at its end.
    #[error("too many requests were under way")]
    Crowded,
    /// It is still under way, and the peer's patience at its end.
    #[error("there was no answer in time")]
    Abandoned,
    /// Its task has ended without a word.
    #[error("the request was lost")]
    Lost(#[source] tokio::task::JoinError),
}

impl From<ExecutionError> for Failure {
    fn from(error: ExecutionError) -> Self {
        Self::Driver(Box::new(error))
    }
}

impl Failure {
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Driver(error) => Verdict::of(error),
            Self::Crowded => Verdict::Overloaded,
            Self::Abandoned => Verdict::Late,
            Self::Lost(_) => Verdict::Uncertain,
        }
    }
}

/// A read failed: whatever the driver says, nothing happened.
pub(crate) fn unread(verb: Verb, failure: Failure) -> StoreError {
    let kind = match failure.verdict() {
        Verdict::Overloaded => ErrorKind::Unavailable(Reason::Overloaded),
        _ => ErrorKind::Unavailable(Reason::Engine),
    };
    StoreError::caused(kind, verb, failure)
}

/// An answer was not what the schema says.
pub(crate) fn odd_answer(verb: Verb, error: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
    StoreError::caused(ErrorKind::Unavailable(Reason::Engine), verb, error)
}

pub(crate) fn closing(verb: Verb) -> StoreError {
    StoreError::new(ErrorKind::Unavailable(Reason::Closing), verb)
}

pub(crate) fn corrupt(verb: Verb, what: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
    StoreError::caused(ErrorKind::Corrupt, verb, what)
}

/// A store cannot be made or opened: for operators.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No node answered as Cassandra does.
    #[error("failed to connect to Cassandra at {contact_points}")]
    Connect {
        /// Where it was tried.
        contact_points: String,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The keyspace or its tables are not there.
    #[error("keyspace {keyspace} has no schema of cassmail; make it with: cassmail store init")]
    NoSchema {
        /// Which.
        keyspace: String,
    },
    /// The schema is of another version.
    #[error(
        "the schema has version {found}, this version of cassmail needs {needed}; see what would \
         change with: cassmail store migrate"
    )]
    OtherSchema {
        /// What is there.
        found: String,
        /// What is needed.
        needed: usize,
    },
    /// The schema was made by a later version.
    #[error("the schema has version {found}, this version of cassmail knows {known}; upgrade it")]
    NewerSchema {
        /// What is there.
        found: usize,
        /// What we know.
        known: usize,
    },
    /// Nothing could be kept or read in the own data center.
    #[error(
        "keyspace {keyspace} has no replicas in data center {data_center}; give it some with \
         ALTER KEYSPACE and repair, or correct the name of the data center"
    )]
    NoReplicas {
        /// Of which keyspace.
        keyspace: String,
        /// Where.
        data_center: String,
    },
    /// A node acknowledges writes before they are on its disk.
    #[error(
        "node {node} has commitlog_sync {mode}: it acknowledges mail before it is on disk; set \
         batch or group in its cassandra.yaml, or allow periodic in the configuration"
    )]
    CommitLog {
        /// Which node.
        node: String,
        /// Its mode.
        mode: String,
    },
    /// The name of a keyspace or data center has characters that CQL gives a meaning.
    #[error("{0:?} is no name for a keyspace or a data center")]
    BadName(String),
    /// Something else failed.
    #[error("failed to {operation}")]
    Other {
        /// What was tried.
        operation: &'static str,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl OpenError {
    pub(crate) fn other<E: Into<Box<dyn Error + Send + Sync>>>(
        operation: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Other {
            operation,
            source: source.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use scylla::errors::WriteType;
    use scylla::statement::Consistency;

    use super::*;

    fn from_server(error: DbError, text: &str) -> Verdict {
        let attempt = RequestAttemptError::DbError(error, text.to_owned());
        Verdict::of(&ExecutionError::LastAttemptError(attempt))
    }

    #[test]
    fn a_write_that_timed_out_may_have_happened() {
        let timeout = DbError::WriteTimeout {
            consistency: Consistency::EachQuorum,
            received: 3,
            required: 4,
            write_type: WriteType::Simple,
        };
        assert_eq!(from_server(timeout, "").kind(), ErrorKind::Indeterminate);
        let limit = ExecutionError::RequestTimeout(Duration::from_secs(6));
        assert_eq!(Verdict::of(&limit).kind(), ErrorKind::Indeterminate);
        let server = from_server(DbError::ServerError, "");
        assert_eq!(server.kind(), ErrorKind::Indeterminate);
    }

    #[test]
    fn replicas_that_fail_are_as_bad_as_those_that_are_late() {
        let failure = DbError::WriteFailure {
            consistency: Consistency::EachQuorum,
            received: 3,
            required: 4,
            numfailures: 2,
            write_type: WriteType::Simple,
        };
        assert_eq!(from_server(failure, ""), Verdict::Late);
    }

    #[test]
    fn what_was_not_sent_did_not_happen_and_what_was_abandoned_may_have() {
        let overloaded = ErrorKind::Unavailable(Reason::Overloaded);
        assert_eq!(Failure::Crowded.verdict().kind(), overloaded);
        let abandoned = Failure::Abandoned.verdict();
        assert_eq!(abandoned.kind(), ErrorKind::Indeterminate);
        assert!(abandoned.may_pass());
    }

    #[test]
    fn a_write_that_was_refused_before_it_was_sent_did_not_happen() {
        let unavailable = DbError::Unavailable {
            consistency: Consistency::EachQuorum,
            required: 2,
            alive: 0,
        };
        let engine = ErrorKind::Unavailable(Reason::Engine);
        assert_eq!(from_server(unavailable, "").kind(), engine);
        assert_eq!(Verdict::of(&ExecutionError::EmptyPlan).kind(), engine);
        let overloaded = from_server(DbError::Overloaded, "");
        assert_eq!(
            overloaded.kind(),
            ErrorKind::Unavailable(Reason::Overloaded)
        );
    }

    #[test]
    fn full_disks_are_told_from_invalid_requests() {
        let text = "Guardrail replica_disk_usage violated: disk usage exceeds the threshold";
        assert_eq!(from_server(DbError::Invalid, text), Verdict::Full);
        assert_eq!(
            from_server(DbError::Invalid, "unknown column"),
            Verdict::Refused
        );
        assert!(!Verdict::Refused.may_pass());
    }

    #[test]
    fn a_read_is_never_uncertain() {
        let limit = ExecutionError::RequestTimeout(Duration::from_secs(6));
        let kind = unread("read", limit.into()).kind();
        assert_eq!(kind, ErrorKind::Unavailable(Reason::Engine));
    }
}
