//! The commands that are not `serve`.

pub(crate) mod cluster;
pub(crate) mod config;
pub(crate) mod copy;
pub(crate) mod directory;
mod password;
pub(crate) mod retention;
pub(crate) mod scrub;
pub(crate) mod store;
