//! A transcript against a real socket.

use std::io::{BufRead, BufReader, ErrorKind, Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::failure::Failure;
use crate::pattern::printable;
use crate::stage::{Cut, stages};
use crate::transcript::{Entry, Item, Transcript};

/// How long a server may take for a line, and for closing.
const PATIENCE: Duration = Duration::from_secs(20);

/// The way to a server whose world is that of the transcripts.
pub trait Live {
    /// Connects; under TLS from the first octet where the transcript wants it.
    ///
    /// # Errors
    /// When nobody answers.
    fn connect(&mut self) -> Result<Box<dyn Connection>>;

    /// A line of the server in the words of the transcripts: the octets of a message, for instance,
    /// count more where a real server adds trace fields. None for a line that has no place there.
    fn seen(&mut self, line: String) -> Option<String> {
        Some(line)
    }
}

/// A connection. Reading must end with an error when the server is silent for too long.
pub trait Connection: Read + Write {
    /// Shakes hands for TLS.
    ///
    /// # Errors
    /// When it fails, or cannot be done.
    fn start_tls(self: Box<Self>) -> Result<Box<dyn Connection>>;

    /// Tells the server that nothing more will come.
    ///
    /// # Errors
    /// When the connection is broken already.
    fn end(&mut self) -> Result<()>;
}

impl Live for SocketAddr {
    fn connect(&mut self) -> Result<Box<dyn Connection>> {
        let stream = TcpStream::connect(*self)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

impl Connection for TcpStream {
    fn start_tls(self: Box<Self>) -> Result<Box<dyn Connection>> {
        Err(ErrorKind::Unsupported.into())
    }

    fn end(&mut self) -> Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// In which pieces the client's octets are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Lines that follow one another together, as they are written.
    AsWritten,
    /// Octet by octet, up to where TLS starts; what is very long in small pieces.
    Octets,
}

impl Pace {
    /// Both.
    pub const ALL: [Self; 2] = [Self::AsWritten, Self::Octets];

    fn pieces(self, bytes: &[u8]) -> std::slice::Chunks<'_, u8> {
        const LONG: usize = 16 * 1024;
        bytes.chunks(match self {
            Self::AsWritten => bytes.len().max(1),
            Self::Octets if bytes.len() > LONG => 251,
            Self::Octets => 1,
        })
    }
}

/// Runs a transcript that [is live](Transcript::is_live) against a server, as it is written.
///
/// # Errors
/// What differed, or that the connection broke or the server was silent for too long.
pub fn run_live(
    transcript: &Transcript,
    server: &mut dyn Live,
) -> std::result::Result<(), Box<Failure>> {
    run_live_at(Pace::AsWritten, transcript, server)
}

/// The same at another pace.
///
/// # Errors
/// As above.
pub fn run_live_at(
    pace: Pace,
    transcript: &Transcript,
    server: &mut dyn Live,
) -> std::result::Result<(), Box<Failure>> {
    let mut call = Call {
        transcript,
        pace,
        line: 0,
        log: Vec::new(),
        reader: None,
        server,
    };
    if !transcript.is_live() {
        return call.fail("this transcript is not live");
    }
    match call.server.connect() {
        Ok(connection) => call.reader = Some(BufReader::new(connection)),
        Err(error) => return call.fail(&format!("failed to connect: {error}")),
    }
    let mut stages = stages(transcript, Cut::AsWritten).into_iter().peekable();
    while let Some(stage) = stages.next() {
        if let Some(act) = stage.act {
            call.act(act)?;
        }
        // What is behind STARTTLS has to come with it, or it is a bad handshake.
        let next = stages.peek().and_then(|next| next.act);
        let before_tls = next.is_some_and(|act| matches!(act.item, Item::Tls));
        call.say(
            &stage.input,
            if before_tls { Pace::AsWritten } else { pace },
        );
        for entry in stage.clients {
            call.log.push(entry.text.clone());
        }
        for entry in stage.expected {
            call.hear(entry)?;
        }
    }
    Ok(())
}

struct Call<'a> {
    transcript: &'a Transcript,
    pace: Pace,
    line: usize,
    log: Vec<String>,
    reader: Option<BufReader<Box<dyn Connection>>>,
    server: &'a mut dyn Live,
}

type Called = std::result::Result<(), Box<Failure>>;

impl Call<'_> {
    fn act(&mut self, act: &Entry) -> Called {
        self.line = act.line;
        self.log.push(act.text.clone());
        match act.item {
            Item::Close => {
                if let Some(reader) = &mut self.reader {
                    // Who is gone already has closed, which is looked at next.
                    let _ = reader.get_mut().end();
                }
                Ok(())
            }
            Item::Closed(_) => self.hear_the_end(),
            Item::Tls => self.start_tls(),
            _ => Ok(()),
        }
    }

    fn start_tls(&mut self) -> Called {
        let Some(reader) = self.reader.take() else {
            return Ok(());
        };
        if !reader.buffer().is_empty() {
            let early = printable(reader.buffer());
            return self.fail(&format!("came in clear in front of TLS: {early}"));
        }
        match reader.into_inner().start_tls() {
            Ok(connection) => {
                self.reader = Some(BufReader::new(connection));
                Ok(())
            }
            Err(error) => self.fail(&format!("failed to start TLS: {error}")),
        }
    }

    fn hear_the_end(&mut self) -> Called {
        let Some(reader) = &mut self.reader else {
            return Ok(());
        };
        let mut rest = Vec::new();
        let read = reader.read_to_end(&mut rest);
        if !rest.is_empty() {
            return self.fail(&format!("came before the end: {}", printable(&rest)));
        }
        match read {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                self.fail("the server did not close")
            }
            // A reset is an ending, too: the server closed with input of ours unread.
            _ => Ok(()),
        }
    }

    /// Writes; a server that has closed already is found out when it is listened to.
    fn say(&mut self, bytes: &[u8], pace: Pace) {
        if let Some(reader) = &mut self.reader {
            let connection = reader.get_mut();
            for piece in pace.pieces(bytes) {
                let written = connection.write_all(piece);
                if written.and_then(|()| connection.flush()).is_err() {
                    break;
                }
            }
        }
    }

    fn hear(&mut self, entry: &Entry) -> Called {
        if !matches!(entry.item, Item::Server(_) | Item::Reply(_)) {
            return Ok(());
        }
        self.line = entry.line;
        loop {
            let line = self.read_line(entry)?;
            let goes_on = match &entry.item {
                Item::Server(pattern) if pattern.matches(&line) => false,
                Item::Reply(kind) if kind.matches(&line) => kind.continues_after(&line),
                _ => {
                    let what = format!("expected  {}\ncame      S: {line}", entry.text);
                    return self.fail(&what);
                }
            };
            if !goes_on {
                return Ok(());
            }
        }
    }

    fn read_line(&mut self, entry: &Entry) -> std::result::Result<String, Box<Failure>> {
        loop {
            let line = self.read_any_line(entry)?;
            self.log.push(format!("   came:  {line}"));
            if let Some(seen) = self.server.seen(line) {
                return Ok(seen);
            }
        }
    }

    fn read_any_line(&mut self, entry: &Entry) -> std::result::Result<String, Box<Failure>> {
        let mut bytes = Vec::new();
        let read = match &mut self.reader {
            Some(reader) => reader.read_until(b'\n', &mut bytes),
            None => Ok(0),
        };
        if let Err(error) = read {
            self.fail(&format!("expected  {}\ncame      {error}", entry.text))?;
        }
        let Some(line) = bytes.strip_suffix(b"\r\n") else {
            let came = printable(&bytes);
            self.fail(&format!(
                "expected  {}\ncame      {came}, then the end",
                entry.text
            ))?;
            return Ok(came);
        };
        Ok(printable(line))
    }

    fn fail(&self, what: &str) -> Called {
        Err(Box::new(Failure {
            place: format!("{}:{}", self.transcript.path().display(), self.line),
            run: match self.pace {
                Pace::AsWritten => "against a server",
                Pace::Octets => "against a server, octet by octet",
            }
            .to_owned(),
            what: what.to_owned(),
            before: self.log.iter().rev().take(12).rev().cloned().collect(),
        }))
    }
}
