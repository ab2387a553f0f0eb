//! The server side.

mod question;

pub use question::*;
