//! Delivering mail by SMTP.

mod client;
mod load;

pub(crate) use load::deliver;
