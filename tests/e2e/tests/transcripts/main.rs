//! The golden conversations with the real binary, over real sockets: one file proves session,
//! driver, office and store.
//!
//! The world of the transcripts is made with a configuration file and the command line, as an
//! operator would; `serve --dev` has other names. A conversation that cannot be had there is left
//! out with its reason, counted and printed.

mod pop3;
mod smtp;
mod world;
