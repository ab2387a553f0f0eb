//! The admin API: HTTP with JSON, and the readings that monitoring asks for.
//!
//! Three routers. [`readings`] has `/healthz`, `/readyz` and `/metrics`, can change nothing, and
//! may be shown on a TCP port. [`administration`] has those and `/v1/...`, and is served only on a
//! Unix socket in a folder that is its owner's alone: who can open it may do everything.
//! [`remote_administration`] is the same for people and programs over TCP, who have to say who they
//! are; what they may do stands in one table, in `access`. It has pages for people too (`page`),
//! which are clients of the API like everybody else.
//!
//! The command line is a client of this API ([`Client`]): of the running service's socket, or, when
//! no service runs, of the same router in its own process. So both say the same in the same words.
//!
//! Errors are problem details (RFC 9457).
//!
//! Absent on purpose: engines and protocols; decisions are the office's.

mod access;
mod api;
mod client;
mod listen;
mod page;
mod problem;
mod readings;
mod serve;
mod traffic;

pub use access::{
    AdminDoor, Authenticator, Claimant, HealthAccess, Judged, LoginAuthenticator, Refused,
};
pub use api::{
    Administered, CertificateShown, ClusterShown, NodeShown, NodeState, ReloadShown, Report,
    ScrubShown, ServiceKeeper, StoreKeeper, Told, Upkeep, administration, description,
    remote_administration,
};
pub use client::{Client, ClientError};
pub use listen::{
    AdminListener, Conversation, Handshake, NoTls, Tls, Transport, serve_administrators,
};
pub use page::Pages;
pub use problem::Problem;
pub use readings::{Readings, readings};
pub use serve::{ServeError, bind_socket, serve_socket, serve_tcp};
pub use traffic::Traffic;
