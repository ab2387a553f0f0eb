//! The admin API: through the router without a socket, and on a Unix socket.

mod accounts;
mod aliases;
mod app_passwords;
mod domains;
mod house;
mod problems;
mod readings;
mod retention;
mod socket;
mod store;
