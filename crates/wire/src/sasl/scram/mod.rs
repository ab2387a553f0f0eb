//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), bound to channels by `tls-exporter`
//! (RFC 9266) and `tls-server-end-point` (RFC 5929 4).
//!
//! The messages are read and written in [`ClientFirst`], [`Starting`] and [`ClientFinal`], in this
//! order; [`ScramKeys`] is what a password becomes and what verifies a [`ScramProof`]. The session
//! has the first three, the office has the keys.

mod keys;
mod message;
mod server;

pub use keys::{MalformedKeys, ScramKeys, ScramProof};
pub(super) use message::saslname;
pub(super) use server::server_final;
pub use server::{ClientFinal, ClientFirst, ScramStart, Starting};
