//! Bytes and time: listeners, TLS, the session driver, clock, limits, shutdown.
//!
//! A [`Server`] has listeners; each knows a `Reception` (of `cassmail-wire`) that makes the session
//! and the desk of each connection. [`drive`] carries bytes, questions and deadlines between peer,
//! session and desk; it is the only loop of its kind. Time comes from one [`Clock`], which tests
//! turn by hand.
//!
//! What is refused, broken or ended is told to an [`Observer`], one for each listener, and logged;
//! the summary of a session is the desk's.
//!
//! Absent on purpose: mail. No protocol, no account and no store is known here, and no signal of
//! the operating system is caught: [`Server::run_until`] takes a future.
//!
//! Read first: [`Server`], [`ListenerSpec`], [`drive`].

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod budget;
mod clock;
mod drive;
mod inherited;
mod limits;
mod link;
mod listener;
mod network;
mod observer;
pub mod proxy;
mod server;
mod stop;
mod stream;
mod supervisor;
mod tls;
#[cfg(test)]
mod toy;

pub use budget::Budget;
pub use clock::{Clock, ClockHands};
pub use drive::{Outcome, Patience, Surroundings, drive};
pub use inherited::{InheritError, Inherited, InheritedSocket};
pub use limits::Limits;
pub use link::Traffic;
pub use listener::{ListenError, ListenerSpec, Place, TlsUse, UnixSocket};
pub use network::{Network, NetworkError};
pub use observer::{Event, NoObserver, Observer};
pub use server::{Farewell, Server, ServerOptions, raise_open_files};
pub use stop::{Stage, StopOrder, StopSignal};
pub use tls::{CertificateFiles, Certificates, Expiry, TlsError, TlsService};
