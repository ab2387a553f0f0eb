//! The client's side of POP3.

use crate::cli::{LoginArgs, Pop3Tls};
use crate::wire::{Dial, Failure, Wire};

/// A step that failed, by its verb.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) stage: &'static str,
    pub(crate) failure: Failure,
}

/// A connection behind the greeting.
pub(crate) struct Client {
    pub(crate) wire: Wire,
}

/// One message of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) number: u64,
    /// Empty when the server has no unique ids.
    pub(crate) uid: String,
}

fn at(stage: &'static str) -> impl Fn(Failure) -> Broken {
    move |failure| Broken { stage, failure }
}

impl Client {
    /// Connects, reads the greeting and begins TLS.
    pub(crate) async fn open(dial: &Dial, turn: usize, args: &LoginArgs) -> Result<Self, Broken> {
        let mut client = Self {
            wire: dial.connect(turn).await.map_err(at("connect"))?,
        };
        if args.tls == Pop3Tls::Implicit {
            client.wire.start_tls(dial).await.map_err(at("TLS"))?;
        }
        client.ok("greeting").await?;
        if args.tls == Pop3Tls::Stls {
            client.ask("STLS", "STLS").await?;
            client.wire.start_tls(dial).await.map_err(at("TLS"))?;
        }
        Ok(client)
    }

    /// Appends USER and PASS.
    pub(crate) fn write_login(&mut self, args: &LoginArgs, name: &str) {
        self.wire.command(&["USER ", name]);
        self.wire.command(&["PASS ", &args.password_of(name)]);
    }

    pub(crate) async fn read_login(&mut self) -> Result<(), Broken> {
        self.ok("USER").await?;
        self.ok("PASS").await.map(|_| ())
    }

    pub(crate) async fn log_in(&mut self, args: &LoginArgs, name: &str) -> Result<(), Broken> {
        if args.pipeline {
            self.write_login(args, name);
            self.flush("USER").await?;
            return self.read_login().await;
        }
        self.wire.command(&["USER ", name]);
        self.flush("USER").await?;
        self.ok("USER").await?;
        self.wire.command(&["PASS ", &args.password_of(name)]);
        self.flush("PASS").await?;
        self.ok("PASS").await.map(|_| ())
    }

    /// The numbers of messages and octets, when STAT was sent.
    pub(crate) async fn read_stat(&mut self) -> Result<(u64, u64), Broken> {
        let line = self.ok("STAT").await?;
        let mut numbers = line.split(' ').map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(messages)), Some(Ok(octets))) => Ok((messages, octets)),
            _ => Err(at("STAT")(Failure::Garbled(line))),
        }
    }

    /// The number of lines of an answer to LIST or UIDL.
    pub(crate) async fn count_listing(&mut self, stage: &'static str) -> Result<u64, Broken> {
        self.ok(stage).await?;
        let lines = self.wire.dotted().await.map_err(at(stage))?;
        Ok(memchr::memchr_iter(b'\n', lines).count() as u64)
    }

    /// All messages; without UIDL they have numbers only. RFC 1939 7 makes it optional.
    pub(crate) async fn list(&mut self) -> Result<Vec<Listed>, Broken> {
        self.send("UIDL", "UIDL").await?;
        match self.ok("UIDL").await {
            Ok(_) => {}
            Err(Broken {
                failure: Failure::Refused { .. },
                ..
            }) => {
                self.send("LIST", "LIST").await?;
                self.ok("LIST").await?;
                let mut listed = self.read_listing("LIST").await?;
                for message in &mut listed {
                    message.uid.clear();
                }
                return Ok(listed);
            }
            Err(broken) => return Err(broken),
        }
        self.read_listing("UIDL").await
    }

    async fn read_listing(&mut self, stage: &'static str) -> Result<Vec<Listed>, Broken> {
        let lines = self.wire.dotted().await.map_err(at(stage))?;
        let text = String::from_utf8_lossy(lines);
        let parsed = text.lines().map(|line| {
            let (number, uid) = line.split_once(' ')?;
            Some(Listed {
                number: number.parse().ok()?,
                uid: uid.to_owned(),
            })
        });
        let listed: Option<Vec<_>> = parsed.collect();
        listed.ok_or_else(|| at(stage)(Failure::Garbled("a line of the listing".into())))
    }

    pub(crate) fn write_retrieve(&mut self, message: &Listed) {
        self.wire.command(&["RETR ", &message.number.to_string()]);
    }

    /// The message as it travelled, with its doubled dots.
    pub(crate) async fn read_message(&mut self) -> Result<&[u8], Broken> {
        self.ok("RETR").await?;
        self.wire.dotted().await.map_err(at("RETR"))
    }

    pub(crate) fn write_delete(&mut self, message: &Listed) {
        self.wire.command(&["DELE ", &message.number.to_string()]);
    }

    pub(crate) async fn quit(&mut self) -> Result<(), Broken> {
        self.ask("QUIT", "QUIT").await
    }

    pub(crate) async fn ask(&mut self, command: &str, stage: &'static str) -> Result<(), Broken> {
        self.send(command, stage).await?;
        self.ok(stage).await.map(|_| ())
    }

    pub(crate) async fn send(&mut self, command: &str, stage: &'static str) -> Result<(), Broken> {
        self.wire.command(&[command]);
        self.flush(stage).await
    }

    pub(crate) async fn flush(&mut self, stage: &'static str) -> Result<(), Broken> {
        self.wire.flush().await.map_err(at(stage))
    }

    /// Reads a status line; what follows +OK.
    pub(crate) async fn ok(&mut self, stage: &'static str) -> Result<String, Broken> {
        let line = self.wire.line().await.map_err(at(stage))?;
        let text = String::from_utf8_lossy(line);
        if let Some(rest) = text.strip_prefix("+OK") {
            return Ok(rest.trim().to_owned());
        }
        let text = text.into_owned();
        Err(at(stage)(if text.starts_with("-ERR") {
            Failure::Refused { code: 0, text }
        } else {
            Failure::Garbled(text)
        }))
    }
}

impl LoginArgs {
    fn password_of(&self, name: &str) -> String {
        self.password.replace("{login}", name)
    }
}

/// Removes the doubling of leading dots. RFC 1939 3.
pub(crate) fn unstuff(travelled: &[u8], message: &mut Vec<u8>) {
    message.clear();
    let mut rest = travelled.strip_prefix(b".").unwrap_or(travelled);
    while let Some(at) = memchr::memmem::find(rest, b"\r\n.") {
        let (line, behind) = rest.split_at_checked(at + 2).unwrap_or((rest, &[]));
        message.extend_from_slice(line);
        rest = behind.strip_prefix(b".").unwrap_or(behind);
    }
    message.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::unstuff;

    #[test]
    fn one_dot_is_removed_from_each_line_that_begins_with_one() {
        let mut message = Vec::new();
        unstuff(b"..a\r\nb.\r\n..\r\n...c\r\n\r\n..d\r\n", &mut message);
        assert_eq!(message, b".a\r\nb.\r\n.\r\n..c\r\n\r\n.d\r\n");
        unstuff(b"", &mut message);
        assert_eq!(message, b"");
    }
}
