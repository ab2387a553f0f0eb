//! The admin API: through the router without a socket, and on a Unix socket.

mod access;
mod accounts;
mod aliases;
mod app_passwords;
mod audit;
mod description;
mod domains;
mod house;
mod listen;
mod mailboxes;
mod messages;
mod page_forms;
mod pages;
mod preconditions;
mod problems;
mod quota;
mod readings;
mod retention;
mod service;
mod socket;
mod store;
