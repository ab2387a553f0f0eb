//! A strict POP3 reader, which gives octets as they came.

use std::io::{BufRead, BufReader, Error, ErrorKind, Result, Write};

use crate::{PASSWORD, Wire};

/// A logged-in POP3 session.
#[derive(Debug)]
pub struct Maildrop {
    stream: BufReader<Wire>,
}

impl Maildrop {
    /// Connects to a port in clear and logs in.
    ///
    /// # Errors
    ///
    /// When the connection breaks or the login is refused.
    pub fn open(port: u16, user: &str) -> Result<Self> {
        Self::over(Wire::connect(port)?, user, PASSWORD)
    }

    /// Connects to a port for TLS and logs in.
    ///
    /// # Errors
    ///
    /// As above, and when there is no TLS.
    pub fn open_under_tls(port: u16, user: &str) -> Result<Self> {
        Self::over(Wire::connect(port)?.into_tls()?, user, PASSWORD)
    }

    /// Logs in on a fresh connection.
    ///
    /// # Errors
    ///
    /// When the connection breaks or the login is refused.
    pub fn over(wire: Wire, user: &str, password: &str) -> Result<Self> {
        let mut maildrop = Self {
            stream: BufReader::new(wire),
        };
        accepted(&maildrop.line()?)?;
        maildrop.wants(&format!("USER {user}"))?;
        maildrop.wants(&format!("PASS {password}"))?;
        Ok(maildrop)
    }

    /// Says a line and gives the first line of the answer.
    ///
    /// # Errors
    ///
    /// When the connection breaks.
    pub fn say(&mut self, line: &str) -> Result<String> {
        self.stream
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())?;
        let answer = self.line()?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// The sizes of all messages, by number.
    ///
    /// # Errors
    ///
    /// When the connection breaks or the answer is not what RFC 1939 5 says.
    pub fn sizes(&mut self) -> Result<Vec<usize>> {
        let listing = self.multi_line("LIST")?;
        let listing = String::from_utf8_lossy(&listing).into_owned();
        listing.lines().map(size).collect()
    }

    /// The unique identifiers of all messages, by number.
    ///
    /// # Errors
    ///
    /// When the connection breaks or the answer is not what RFC 1939 7 says.
    pub fn identifiers(&mut self) -> Result<Vec<String>> {
        let listing = self.multi_line("UIDL")?;
        let listing = String::from_utf8_lossy(&listing).into_owned();
        let identifier = |line: &str| line.split(' ').nth(1).map(str::to_owned);
        let identifiers: Option<Vec<String>> = listing.lines().map(identifier).collect();
        identifiers.ok_or_else(|| Error::other(format!("not a listing of UIDL: {listing}")))
    }

    /// One message.
    ///
    /// # Errors
    ///
    /// When the connection breaks or the message is refused.
    pub fn retrieve(&mut self, number: usize) -> Result<Vec<u8>> {
        self.multi_line(&format!("RETR {number}"))
    }

    /// All messages, each as long as LIST says.
    ///
    /// # Errors
    ///
    /// When the connection breaks, a message is refused, or a size is wrong.
    pub fn retrieve_all(&mut self) -> Result<Vec<Vec<u8>>> {
        let sizes = self.sizes()?;
        let mut all = Vec::with_capacity(sizes.len());
        for (number, size) in (1..).zip(sizes) {
            let message = self.retrieve(number)?;
            if message.len() != size {
                let came = message.len();
                return Err(Error::other(format!("{number}: LIST {size}, RETR {came}")));
            }
            all.push(message);
        }
        Ok(all)
    }

    /// Marks all messages as deleted and ends the session.
    ///
    /// # Errors
    ///
    /// When the connection breaks or something was not removed.
    pub fn empty(mut self) -> Result<()> {
        for number in 1..=self.sizes()?.len() {
            self.wants(&format!("DELE {number}"))?;
        }
        self.quit()
    }

    /// Ends the session; what was marked is removed.
    ///
    /// # Errors
    ///
    /// When the connection breaks or something was not removed.
    pub fn quit(mut self) -> Result<()> {
        self.wants("QUIT")
    }

    fn wants(&mut self, line: &str) -> Result<()> {
        let answer = self.say(line)?;
        accepted(answer.as_bytes())
    }

    /// The lines behind +OK, dots unstuffed, without the last dot.
    fn multi_line(&mut self, command: &str) -> Result<Vec<u8>> {
        self.wants(command)?;
        let mut all = Vec::new();
        loop {
            let line = self.line()?;
            match line.strip_prefix(b".") {
                Some(b"\r\n") => return Ok(all),
                Some(unstuffed) => all.extend_from_slice(unstuffed),
                None => all.extend_from_slice(&line),
            }
        }
    }

    fn line(&mut self) -> Result<Vec<u8>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if line.ends_with(b"\r\n") {
            Ok(line)
        } else {
            Err(ErrorKind::UnexpectedEof.into())
        }
    }
}

fn accepted(answer: &[u8]) -> Result<()> {
    if answer.starts_with(b"+OK") {
        return Ok(());
    }
    Err(Error::other(String::from_utf8_lossy(answer).into_owned()))
}

fn size(line: &str) -> Result<usize> {
    let size = line
        .split_whitespace()
        .nth(1)
        .and_then(|size| size.parse().ok());
    size.ok_or_else(|| Error::other(format!("not a line of LIST: {line}")))
}
