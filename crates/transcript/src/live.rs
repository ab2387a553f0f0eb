//! A transcript against a real socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::failure::Failure;
use crate::pattern::printable;
use crate::stage::{Cut, stages};
use crate::transcript::{Entry, Item, Transcript};

/// How long a server may take for a line.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a transcript that [is live](Transcript::is_live) against a server.
///
/// # Errors
/// What differed, or that the connection broke or the server was silent for 20 seconds.
pub fn run_live(transcript: &Transcript, server: SocketAddr) -> Result<(), Box<Failure>> {
    let mut call = Call {
        transcript,
        line: 0,
        log: Vec::new(),
        reader: None,
    };
    if !transcript.is_live() {
        return call.fail("this transcript is not live");
    }
    let connect = || -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(server)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    match connect() {
        Ok(stream) => call.reader = Some(BufReader::new(stream)),
        Err(error) => return call.fail(&format!("failed to connect: {error}")),
    }
    for stage in stages(transcript, Cut::AsWritten) {
        if let Some(act) = stage.act {
            call.act(act)?;
        }
        call.say(&stage.input);
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
    line: usize,
    log: Vec<String>,
    reader: Option<BufReader<TcpStream>>,
}

type Called = Result<(), Box<Failure>>;

impl Call<'_> {
    fn act(&mut self, act: &Entry) -> Called {
        self.line = act.line;
        self.log.push(act.text.clone());
        let Some(reader) = &mut self.reader else {
            return Ok(());
        };
        match act.item {
            Item::Close => {
                let _ = reader.get_ref().shutdown(Shutdown::Write);
                Ok(())
            }
            Item::Closed(_) => {
                let mut rest = Vec::new();
                // A reset is an ending, too: the server closed with input of ours unread.
                let _ = reader.read_to_end(&mut rest);
                if rest.is_empty() {
                    Ok(())
                } else {
                    self.fail(&format!("came before the end: {}", printable(&rest)))
                }
            }
            _ => Ok(()),
        }
    }

    /// Writes; a server that has closed already is found out when it is listened to.
    fn say(&mut self, bytes: &[u8]) {
        if let Some(reader) = &mut self.reader {
            let _ = reader.get_mut().write_all(bytes);
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

    fn read_line(&mut self, entry: &Entry) -> Result<String, Box<Failure>> {
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
        let line = printable(line);
        self.log.push(format!("   came:  {line}"));
        Ok(line)
    }

    fn fail(&self, what: &str) -> Called {
        Err(Box::new(Failure {
            place: format!("{}:{}", self.transcript.path().display(), self.line),
            run: "against a server".to_owned(),
            what: what.to_owned(),
            before: self.log.iter().rev().take(12).rev().cloned().collect(),
        }))
    }
}
