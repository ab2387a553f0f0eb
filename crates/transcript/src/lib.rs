//! Golden conversations: a file in `tests/transcripts` is a test that a postmaster can read.
//!
//! ```text
//! # RFC 5321 4.1.1.4. What this shows, and which mishap it prevents.
//! @ with submission            settings of the session, for `Scripted::begin`; at the head
//! S: 220 *                     a line of the server; `*` is free text; bytes that are not
//!                              printable ASCII are written \xHH, a backslash \\
//! S~ done                      a whole reply of which only the class counts: done, continue,
//!                              trylater, never (SMTP), ok, err (POP3); `listing` is all lines up
//!                              to the lone dot
//! C: NOOP                      a line of the client; CRLF is added
//! C= "raw\r\n\x00"             exact bytes of the client (\r \n \t \0 \\ \" \xHH)
//! C* 1000 "x"                  the same, many times
//! ?: recipient <b@x.example>   the session must ask this here, `*` as above; questions that no
//!                              line names get the usual answer
//! !: unknown                   the answer to the question in front, or to the next question
//! ?! commit*                   this must not be asked, in the whole file
//! N: refused RCPT 550*         this must be noted for the operator before the next client line
//! @ wait 5m                    time goes by (ms, s, m, h)
//! @ tls                        the session has asked for TLS; the handshake succeeds
//! @ close                      the client closes
//! @ closed timed-out           the session has closed; the word for its ending may be left out
//! @ stop                       the process wants to end
//! @ load high                  the process is full to this degree: usual, high, full
//! ```
//!
//! Client lines that follow one another arrive together. Every file runs as written, then with all
//! input in one piece, byte by byte, and cut in two at every byte; `@` lines are waited for. What
//! the session asks and sends must be the same in all runs.
//!
//! Files without `!:`, `@ wait`, `@ stop` and `@ load` run against a real socket as well, as
//! written and octet by octet, see [`run_live`].
//!
//! Absent on purpose: anything that is shipped; this crate is for tests.
//!
//! Read first: [`Scripted`], [`check_folder`], [`Transcript`].

mod bless;
mod failure;
mod folder;
mod live;
mod pattern;
mod perform;
mod sasl;
mod stage;
#[cfg(test)]
mod tests;
mod transcript;

pub use bless::bless;
pub use failure::Failure;
pub use folder::{check, check_folder, transcripts_in};
pub use live::{Connection, Live, Pace, run_live, run_live_at};
pub use pattern::Pattern;
pub use perform::{Scripted, tls_facts};
pub use sasl::{Accounts, proof_text};
pub use transcript::{ParseError, Transcript};
