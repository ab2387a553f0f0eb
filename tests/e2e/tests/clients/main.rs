//! Real clients and rough treatment, against the real binary in development mode.
//!
//! A client that is not installed is skipped with a line that says so, unless
//! `CASSMAIL_ALL_CLIENTS=1` or CI makes that a failure. See `cassmail_e2e::settings` for all
//! variables.

mod browser;
mod centers;
mod commands;
mod crash;
mod door;
mod fetchers;
mod hellos;
mod limits;
mod logins;
mod maildrop;
mod manual;
mod mechanisms;
mod refusals;
mod senders;
mod skip;
