//! One connection, one question at a time.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::reader::Reader;
use super::rows::Rows;

/// Levels of consistency; the place of each is its number (section 3).
pub(in super::super) const LEVELS: [&str; 11] = [
    "ANY",
    "ONE",
    "TWO",
    "THREE",
    "QUORUM",
    "ALL",
    "LOCAL_QUORUM",
    "EACH_QUORUM",
    "SERIAL",
    "LOCAL_SERIAL",
    "LOCAL_ONE",
];

/// The first byte of requests (section 2.1).
const VERSION: u8 = 4;
/// How the error begins with which a login is refused (section 9).
const BAD_CREDENTIALS: &str = "0100 ";
/// No flags in a header: nothing compressed, nothing traced (section 2.2).
const NO_FLAGS: u8 = 0;
/// Answers larger than this are no answers to what is asked here.
const LARGEST_ANSWER: u32 = 64 << 20;

/// Messages (section 2.4).
mod code {
    pub(super) const ERROR: u8 = 0x00;
    pub(super) const STARTUP: u8 = 0x01;
    pub(super) const AUTHENTICATE: u8 = 0x03;
    pub(super) const QUERY: u8 = 0x07;
    pub(super) const AUTH_RESPONSE: u8 = 0x0f;
}

/// Who logs in, where logins are wanted.
struct Login {
    name: &'static str,
    password: &'static str,
}

/// In the order in which they are tried: the role that `start` makes, and the first role of a new
/// cluster. The latter is looked up at QUORUM, so it can log in nowhere while the data centers are
/// cut apart; all others are looked up at LOCAL_QUORUM.
const LOGINS: [Login; 2] = [
    Login {
        name: "cassmail",
        password: "cassmail",
    },
    Login {
        name: "cassandra",
        password: "cassandra",
    },
];

/// A connection that is ready for statements.
pub(in super::super) struct Connection {
    stream: TcpStream,
}

impl Connection {
    /// Connects, greets, and logs in if that is asked for. The limit holds for each step and for
    /// each answer.
    pub(in super::super) fn open(node: SocketAddr, limit: Duration) -> Result<Self> {
        let [operator, first] = &LOGINS;
        match Self::open_as(operator, node, limit) {
            Err(error) if error.to_string().starts_with(BAD_CREDENTIALS) => {
                Self::open_as(first, node, limit)
            }
            opened => opened,
        }
    }

    fn open_as(login: &Login, node: SocketAddr, limit: Duration) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&node, limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        let mut connection = Self { stream };
        let (answer, _) = connection.ask(code::STARTUP, &startup())?;
        if answer == code::AUTHENTICATE {
            connection.ask(code::AUTH_RESPONSE, &plain(login)?)?;
        }
        Ok(connection)
    }

    /// Runs a statement. The rows are few, or the statement does not belong here: no paging.
    pub(in super::super) fn query(&mut self, statement: &str, level: &str) -> Result<Rows> {
        let level = LEVELS.iter().position(|name| *name == level);
        let level = u16::try_from(level.context("no such level of consistency")?)?;
        let mut body = u32::try_from(statement.len())?.to_be_bytes().to_vec();
        body.extend_from_slice(statement.as_bytes());
        body.extend_from_slice(&level.to_be_bytes());
        body.push(0);
        let (_, answer) = self.ask(code::QUERY, &body)?;
        Rows::parse(&answer)
    }

    fn ask(&mut self, message: u8, body: &[u8]) -> Result<(u8, Vec<u8>)> {
        self.stream.write_all(&frame(message, body)?)?;
        let mut header = [0; 9];
        self.stream.read_exact(&mut header)?;
        let [_, flags, _, _, answer, length @ ..] = header;
        let length = u32::from_be_bytes(length);
        if length > LARGEST_ANSWER {
            bail!("an answer of {length} bytes");
        }
        let mut body = vec![0; usize::try_from(length)?];
        self.stream.read_exact(&mut body)?;
        let body = strip(flags, &body)?;
        if answer == code::ERROR {
            return Err(error(&body));
        }
        Ok((answer, body))
    }
}

fn startup() -> Vec<u8> {
    let mut body = 1_u16.to_be_bytes().to_vec();
    for text in ["CQL_VERSION", "3.0.0"] {
        body.push(0);
        body.extend(u8::try_from(text.len()));
        body.extend_from_slice(text.as_bytes());
    }
    body
}

/// SASL PLAIN without an identity to act for (RFC 4616).
fn plain(login: &Login) -> Result<Vec<u8>> {
    let token = format!("\0{}\0{}", login.name, login.password);
    let mut body = u32::try_from(token.len())?.to_be_bytes().to_vec();
    body.extend_from_slice(token.as_bytes());
    Ok(body)
}

fn frame(message: u8, body: &[u8]) -> Result<Vec<u8>> {
    let mut frame = vec![VERSION, NO_FLAGS, 0, 0, message];
    frame.extend_from_slice(&u32::try_from(body.len())?.to_be_bytes());
    frame.extend_from_slice(body);
    Ok(frame)
}

/// Takes away what may stand before the body: the id of a trace, and warnings (section 2.2).
fn strip(flags: u8, body: &[u8]) -> Result<Vec<u8>> {
    let mut reader = Reader::new(body);
    if flags & 0x02 != 0 {
        reader.take(16)?;
    }
    if flags & 0x08 != 0 {
        for _ in 0..reader.short()? {
            reader.string()?;
        }
    }
    Ok(reader.rest().to_vec())
}

/// What a node refuses, with its number in hexadecimal (section 9).
fn error(body: &[u8]) -> anyhow::Error {
    let mut reader = Reader::new(body);
    match (reader.int(), reader.string()) {
        (Ok(code), Ok(text)) => anyhow::anyhow!("{code:04x} {text}"),
        _ => anyhow::anyhow!("an error that cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_begins_with_version_flags_stream_message_and_length() {
        let frame = frame(code::STARTUP, &startup()).unwrap();
        assert_eq!(frame[..9], [4, 0, 0, 0, 1, 0, 0, 0, 22]);
        assert_eq!(frame.len(), 9 + 22);
        assert_eq!(frame[9..13], [0, 1, 0, 11]);
    }

    #[test]
    fn a_trace_and_warnings_are_not_taken_for_the_answer() {
        let mut body = vec![7; 16];
        body.extend_from_slice(b"\0\x01\0\x03old");
        body.extend_from_slice(b"rest");
        assert_eq!(strip(0x0a, &body).unwrap(), b"rest");
        assert_eq!(strip(0, b"rest").unwrap(), b"rest");
    }

    #[test]
    fn an_error_has_the_number_that_is_looked_for_in_the_specification() {
        assert_eq!(error(b"\0\0\x10\0\0\x04none").to_string(), "1000 none");
    }
}
