//! How long mail stays that its owner does not remove: the rule, and the worker that keeps it.
//!
//! The rule of an account is its own, else that of its domain, else that of the configuration, for
//! age, number and octets each. Whatever the rule says, no mail is removed before it is as old as
//! the configured shortest time: that is what EXPIRE announces (RFC 2449 6.7), so numbers and
//! octets bound only what is older.

mod janitor;
mod lease;
mod rule;

pub use janitor::{Due, Janitor, Passed};
pub use rule::{Days, Limits, Retaining, RetentionMode, RetentionOptions};
