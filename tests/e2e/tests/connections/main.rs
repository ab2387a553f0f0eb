//! The ways to the real binary that no protocol sees: Unix sockets, proxies in front, TLS and its
//! certificates, what SIGHUP changes, and what the log tells.

mod administration;
mod house;
mod logs;
mod proxy;
mod reload;
mod socket;
mod tls;
