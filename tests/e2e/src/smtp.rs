//! A strict SMTP sender in clear, which sends octets as they are.

use std::io::{BufRead, BufReader, Error, ErrorKind, Result, Write};

use crate::Wire;

/// One connection to an SMTP port.
#[derive(Debug)]
pub struct Conversation {
    stream: BufReader<Wire>,
}

impl Conversation {
    /// Connects and says EHLO.
    ///
    /// # Errors
    ///
    /// When the connection breaks or the server does not welcome.
    pub fn open(port: u16) -> Result<Self> {
        let mut conversation = Self {
            stream: BufReader::new(Wire::connect(port)?),
        };
        expect(&conversation.reply()?, "220")?;
        conversation.wants("EHLO client.example", "250")?;
        Ok(conversation)
    }

    /// Offers a message for a local account; gives the answer to the end of data.
    ///
    /// # Errors
    ///
    /// When the connection breaks, or something in front of the end of data is refused.
    pub fn offer(&mut self, account: &str, message: &[u8]) -> Result<String> {
        self.offer_raw(account, &stuffed(message))
    }

    /// The same for a message that is stuffed, or on purpose is not.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn offer_raw(&mut self, account: &str, wire: &[u8]) -> Result<String> {
        self.offer_to(&format!("{account}@example.org"), wire)
    }

    /// The same for any recipient.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn offer_to(&mut self, recipient: &str, wire: &[u8]) -> Result<String> {
        let sender = "<alice@example.org>";
        self.hand_over(sender, &format!("<{recipient}>"), wire)
    }

    /// The same for any paths, parameters included.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn hand_over(&mut self, sender: &str, recipient: &str, wire: &[u8]) -> Result<String> {
        self.wants(&format!("MAIL FROM:{sender}"), "250")?;
        self.wants(&format!("RCPT TO:{recipient}"), "250")?;
        self.wants("DATA", "354")?;
        self.stream.get_mut().write_all(wire)?;
        self.say(".")
    }

    /// Says a line and gives the answer, its lines joined.
    ///
    /// # Errors
    ///
    /// When the connection breaks.
    pub fn say(&mut self, line: &str) -> Result<String> {
        self.stream
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    fn wants(&mut self, line: &str, code: &str) -> Result<()> {
        expect(&self.say(line)?, code)
    }

    fn reply(&mut self) -> Result<String> {
        let mut all = String::new();
        loop {
            let start = all.len();
            if self.stream.read_line(&mut all)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if all.as_bytes().get(start + 3) != Some(&b'-') {
                return Ok(all);
            }
        }
    }
}

/// The message as it goes on the wire, without the end of data (RFC 5321 4.5.2).
pub fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + 64);
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    wire
}

fn expect(reply: &str, code: &str) -> Result<()> {
    if reply.starts_with(code) {
        Ok(())
    } else {
        Err(Error::other(reply.to_owned()))
    }
}
