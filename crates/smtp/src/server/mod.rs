//! The server side: one session of one client.

mod helo;
mod limits;
mod note;
mod question;
mod session;
mod state;
mod tally;
mod verbs;

pub use limits::{AuthOffer, Limits, Options, Role, StartTlsOffer};
pub use note::Refused;
pub use question::*;
pub use session::Session;
pub use tally::Tally;
