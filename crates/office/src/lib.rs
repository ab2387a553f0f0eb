//! Decisions: who is this, may he, where does it go, what is the answer.
//!
//! Two desks answer the questions of the protocols: [`IntakeDesk`] those of SMTP, [`MaildropDesk`]
//! those of POP3. [`Directory`] says who receives, [`Logins`] who somebody is, [`Administration`]
//! what an administrator may change, [`Quotas`] how much somebody may have. [`AdminLogins`] says
//! who administers, [`AdminAccounts`] changes that, and the [`AuditLog`] remembers it. [`Recorder`]
//! records what becomes of messages, [`Lookup`] finds it.
//!
//! Absent on purpose: sockets, engines, file formats. Time comes from a [`Clock`], bodies go to and
//! come from a `cassmail_store::Store`, and nothing here keeps a message in memory.
//!
//! Read first: [`intake`](IntakeDesk) for what is done before a 250, [`MaildropDesk`] for QUIT.

mod admin_login;
mod administration;
mod administrators;
mod app_password;
mod audit_log;
mod clock;
mod directory;
mod guesses;
mod hashing;
mod header;
mod intake;
mod login;
mod lookup;
mod mailboxes;
mod maildrop;
mod password;
mod pause;
mod presence;
mod quota;
mod rates;
mod recall;
mod recent;
mod recorder;
mod refusals;
mod retention;
mod salt;
mod submission;
mod surrogate;
mod terms;
mod tokens;
mod trace;
mod watch;

pub use admin_login::{
    AdminClaim, AdminLoginFailure, AdminLogins, PasswordMark, Principal, Standing, Who,
};
pub use administration::{
    AccountLine, Administration, AdministrationError, AliasLine, AppPasswordLine, NewPassword,
    QuotaChange, QuotaReport, RetentionChange,
};
pub use administrators::{AdminAccounts, AdminAccountsError, NewToken, draw_secret};
pub use audit_log::{AuditLog, AuditQuestion, Change};
pub use clock::Clock;
pub use directory::{Directory, DirectoryOptions, LocalPartCase, Resolution};
pub use guesses::GuessOptions;
pub use header::{HeaderScan, Seen};
pub use intake::{Intake, IntakeDesk, IntakeOptions};
pub use login::{LoggedIn, LoginFailure, LoginOptions, Logins};
pub use lookup::{
    Lookup, MessageTrace, Place, SourceRange, SourceRangeError, TraceAsked, TracesFound,
};
pub use mailboxes::{MailboxReport, MessageHeader, MessageLine};
pub use maildrop::{Counter, MaildropDesk, MaildropLock, MaildropOptions};
pub use password::{PasswordError, PasswordOptions, Passwords, ScramOptions, is_password_hash};
pub use quota::{
    Filled, FullForLong, Fullness, QuotaLimits, QuotaOptions, Quotas, Receiver, Recounted,
    Recounting, recount,
};
pub use rates::RateOptions;
pub use recall::Belief;
pub use recorder::{Recorder, RecorderOptions};
pub use retention::{
    Days, Due, Janitor, Limits, Passed, Retaining, RetentionMode, RetentionOptions,
};
pub use salt::SaltSecret;
pub use submission::Completion;
pub use tokens::{JwksError, TokenOptions, Tokens};
pub use watch::{SessionLine, SlowedLine, SlowedOne, TriedAt, Watch};

/// From where somebody connects, and when.
pub use cassmail_wire::{Moment, Source};
