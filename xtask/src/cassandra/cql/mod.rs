//! As much of CQL as is needed to ask a node whether it is ready, and to type a statement.
//!
//! The native protocol is written down in `native_protocol_v4.spec` of Apache Cassandra; the
//! numbers of sections here are its. A driver would bring a runtime into this program, which every
//! contributor builds first; what is needed of the protocol are four messages and the reading of
//! rows.

mod connection;
mod reader;
mod rows;
mod statements;

pub(super) use connection::{Connection, LEVELS};
pub(super) use rows::Rows;
pub(super) use statements::split;
