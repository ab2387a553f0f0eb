//! The office with real sessions of both protocols in front of it and a store in memory behind it.

mod administrators;
mod client;
mod directory;
mod faults;
mod house;
mod intake;
mod international;
mod limits;
mod lmtp;
mod login;
mod maildrop;
mod mixups;
mod quota;
mod recorder;
mod scram;
mod submission;
mod terms;
mod tokens;
