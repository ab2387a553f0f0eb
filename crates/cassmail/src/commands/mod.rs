//! The commands that are not `serve`.

pub(crate) mod administrators;
pub(crate) mod cluster;
pub(crate) mod config;
pub(crate) mod copy;
pub(crate) mod directory;
pub(crate) mod help;
pub(crate) mod mailbox;
pub(crate) mod message;
mod pages;
mod password;
pub(crate) mod quota;
pub(crate) mod retention;
pub(crate) mod scrub;
pub(crate) mod service;
pub(crate) mod store;
