//! Bytes to lines and back, and the traits that join the parts of the house.
//!
//! A protocol is a value here: a [`Machine`] takes bytes, answers and time, and gives out steps. A
//! [`Desk`] answers its questions. `cassmail-net` drives the two without knowing either protocol;
//! the protocol crates know neither sockets nor stores.
//!
//! Besides: [`Lines`] (lines with a limit), [`Unstuffer`] and [`Stuffer`] (the dots of RFC 5321
//! 4.5.2 and RFC 1939 3), and the server's side of SASL.
//!
//! Absent on purpose: I/O, a clock, a runtime, logging.
//!
//! Read first: [`Machine`], [`Step`], [`Desk`].

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod caller;
mod desk;
mod dot;
mod line;
mod machine;
mod rate;
pub mod sasl;
mod stuffer;

pub use caller::{
    Caller, ChannelBindings, Moment, SessionId, Source, Standing, TlsFacts, TlsVersion,
};
pub use desk::{Desk, Reception, TurnedAway};
pub use dot::{BareLf, TextFault, TextStep, Unstuffer};
pub use line::{Line, Lines};
pub use machine::{Ending, Load, Machine, Step};
pub use rate::{Rate, Used};
pub use stuffer::Stuffer;
