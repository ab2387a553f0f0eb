//! Visiting mailboxes by POP3.

mod client;
mod load;
mod mailbox;

pub(crate) use client::{Broken, Client, Listed, unstuff};
pub(crate) use load::visit;
pub(crate) use mailbox::time_mailbox;
