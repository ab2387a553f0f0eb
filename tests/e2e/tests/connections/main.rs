//! The ways to the real binary that no protocol sees: Unix sockets, proxies in front, TLS and its
//! certificates, and what SIGHUP changes.

mod house;
mod proxy;
mod reload;
mod socket;
mod tls;
