//! The client's side of SMTP: opening a connection and reading replies.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::cli::{SmtpArgs, SmtpTls};
use crate::wire::{Dial, Failure, Wire};

/// What the server announced: the lines of its answer to EHLO, in capitals.
#[derive(Debug, Default)]
struct Extensions(Vec<String>);

/// A step that failed, by its verb.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) stage: &'static str,
    pub(crate) failure: Failure,
}

/// A connection that is ready for MAIL.
pub(crate) struct Client {
    pub(crate) wire: Wire,
    /// Whether MAIL may name the size of the message. RFC 1870.
    pub(crate) takes_size: bool,
    extensions: Extensions,
}

/// Connects, and says and does everything up to the first MAIL.
pub(crate) async fn open(dial: &Dial, turn: usize, args: &SmtpArgs) -> Result<Client, Broken> {
    let wire = dial.connect(turn).await.map_err(at("connect"))?;
    let mut client = Client {
        wire,
        takes_size: false,
        extensions: Extensions::default(),
    };
    if args.tls == SmtpTls::Implicit {
        client.wire.start_tls(dial).await.map_err(at("TLS"))?;
    }
    client.expect(220, "greeting").await?;
    client.hello(&args.helo).await?;
    if args.tls == SmtpTls::Starttls {
        client.require("STARTTLS")?;
        client.ask(&["STARTTLS"], 220, "STARTTLS").await?;
        client.wire.start_tls(dial).await.map_err(at("TLS"))?;
        client.hello(&args.helo).await?;
    }
    if let Some((user, password)) = &args.auth {
        client.require("AUTH PLAIN")?;
        let initial = STANDARD.encode(format!("\0{user}\0{password}"));
        client.ask(&["AUTH PLAIN ", &initial], 235, "AUTH").await?;
    }
    if args.pipeline {
        client.require("PIPELINING")?;
    }
    if args.bdat {
        client.require("CHUNKING")?;
    }
    client.takes_size = client.extensions.has("SIZE");
    Ok(client)
}

/// Names the stage of a failure.
pub(crate) fn at(stage: &'static str) -> impl Fn(Failure) -> Broken {
    move |failure| Broken { stage, failure }
}

impl Client {
    /// Reads a reply; one that is not positive is an error. RFC 5321 4.2.
    pub(crate) async fn reply(&mut self, stage: &'static str) -> Result<u16, Broken> {
        loop {
            let line = self.wire.line().await.map_err(at(stage))?;
            let (code, is_last) = read_code(line).ok_or_else(|| {
                at(stage)(Failure::Garbled(String::from_utf8_lossy(line).into_owned()))
            })?;
            if is_last && code >= 400 {
                let text = String::from_utf8_lossy(line).into_owned();
                return Err(at(stage)(Failure::Refused { code, text }));
            }
            if is_last {
                return Ok(code);
            }
        }
    }

    pub(crate) async fn expect(&mut self, wanted: u16, stage: &'static str) -> Result<(), Broken> {
        match self.reply(stage).await? {
            code if code == wanted => Ok(()),
            code => Err(at(stage)(Failure::Garbled(format!(
                "{code} instead of {wanted}"
            )))),
        }
    }

    pub(crate) async fn ask(
        &mut self,
        command: &[&str],
        wanted: u16,
        stage: &'static str,
    ) -> Result<(), Broken> {
        self.wire.command(command);
        self.flush(stage).await?;
        self.expect(wanted, stage).await
    }

    pub(crate) async fn flush(&mut self, stage: &'static str) -> Result<(), Broken> {
        self.wire.flush().await.map_err(at(stage))
    }

    async fn hello(&mut self, name: &str) -> Result<(), Broken> {
        self.extensions = Extensions::default();
        self.wire.command(&["EHLO ", name]);
        self.flush("EHLO").await?;
        loop {
            let line = self.wire.line().await.map_err(at("EHLO"))?;
            let text = String::from_utf8_lossy(line).into_owned();
            match read_code(line) {
                Some((250, is_last)) => {
                    self.extensions.learn(text.get(4..).unwrap_or_default());
                    if is_last {
                        return Ok(());
                    }
                }
                Some((code, true)) => return Err(at("EHLO")(Failure::Refused { code, text })),
                Some((_, false)) => {}
                None => return Err(at("EHLO")(Failure::Garbled(text))),
            }
        }
    }

    fn require(&self, extension: &str) -> Result<(), Broken> {
        if self.extensions.has(extension) {
            return Ok(());
        }
        Err(at("EHLO")(Failure::Impossible(format!(
            "the server does not announce {extension}"
        ))))
    }
}

impl Extensions {
    fn learn(&mut self, line: &str) {
        self.0.push(line.to_ascii_uppercase());
    }

    /// A keyword, or a keyword and one of its parameters.
    fn has(&self, wanted: &str) -> bool {
        let (keyword, parameter) = wanted.split_once(' ').unwrap_or((wanted, ""));
        self.0.iter().any(|line| {
            let mut words = line.split_ascii_whitespace();
            words.next() == Some(keyword)
                && (parameter.is_empty() || words.any(|word| word == parameter))
        })
    }
}

/// The code of a line, and whether it is the last one of its reply.
fn read_code(line: &[u8]) -> Option<(u16, bool)> {
    let code: u16 = std::str::from_utf8(line.get(..3)?).ok()?.parse().ok()?;
    let is_last = match line.get(3) {
        None | Some(b' ') => true,
        Some(b'-') => false,
        Some(_) => return None,
    };
    (200..600).contains(&code).then_some((code, is_last))
}

#[cfg(test)]
mod tests {
    use super::{Extensions, read_code};

    #[test]
    fn a_reply_ends_with_the_line_without_a_hyphen() {
        assert_eq!(read_code(b"250-SIZE"), Some((250, false)));
        assert_eq!(read_code(b"250 ok"), Some((250, true)));
        assert_eq!(read_code(b"250"), Some((250, true)));
        assert_eq!(read_code(b"25"), None);
        assert_eq!(read_code(b"999 x"), None);
        assert_eq!(read_code(b"250x"), None);
    }

    #[test]
    fn extensions_are_known_in_any_case() {
        let mut extensions = Extensions::default();
        for line in ["size 1000", "Pipelining", "AUTH LOGIN plain"] {
            extensions.learn(line);
        }
        assert!(
            ["SIZE", "PIPELINING", "AUTH PLAIN"]
                .iter()
                .all(|wanted| extensions.has(wanted))
        );
        assert!(!extensions.has("CHUNKING") && !extensions.has("AUTH CRAM-MD5"));
    }
}
