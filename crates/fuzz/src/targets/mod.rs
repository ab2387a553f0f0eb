//! The table of targets; each file says what must hold.

mod addresses;
mod cassandra_records;
mod configuration;
mod dots;
mod embedded_records;
mod headers;
mod lines;
mod lmtp;
mod pop3;
mod pop3_world;
mod proxy_header;
mod records;
mod sasl_exchange;
mod smtp;
mod smtp_command;
mod smtp_world;
mod surrogates;
mod talk;
mod tokens;
mod transcript_file;

/// A function over bytes that panics when something that must always hold does not.
#[derive(Debug)]
pub struct Target {
    /// How it is called.
    pub name: &'static str,
    /// What is tried, in a few words.
    pub about: &'static str,
    /// Tries an input.
    pub run: fn(&[u8]),
    /// What to begin with.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// Words that lead somewhere.
    pub words: &'static [&'static [u8]],
}

/// All of them.
pub const TARGETS: [Target; 18] = [
    smtp_command::TARGET,
    smtp::SESSION,
    smtp::LOGIN,
    lmtp::TARGET,
    pop3::SESSION,
    sasl_exchange::TARGET,
    tokens::TARGET,
    proxy_header::TARGET,
    dots::TARGET,
    lines::TARGET,
    addresses::TARGET,
    configuration::TARGET,
    transcript_file::TARGET,
    records::TARGET,
    embedded_records::TARGET,
    cassandra_records::TARGET,
    headers::TARGET,
    surrogates::TARGET,
];

/// The target of that name.
pub fn find(name: &str) -> Option<&'static Target> {
    static ALL: &[Target] = &TARGETS;
    ALL.iter().find(|target| target.name == name)
}
