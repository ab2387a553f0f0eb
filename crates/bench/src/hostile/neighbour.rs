//! Somebody who only wants mail delivered and fetched, and looks at the clock.
//!
//! With sockets that block, in a thread of its own: what is measured is the server, not the crowd
//! of attackers in this process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use crate::clock;

/// Who wants mail.
#[derive(Debug)]
pub(super) struct Neighbour {
    pub(super) smtp: SocketAddr,
    pub(super) pop3: SocketAddr,
    pub(super) mailbox: String,
    pub(super) password: String,
}

/// How the neighbour was served.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Served {
    /// Mails that were delivered.
    pub(crate) deliveries: u64,
    /// Sessions in which what was there was fetched and removed.
    pub(crate) polls: u64,
    pub(crate) failures: u64,
    pub(crate) first_failure: Option<String>,
    /// The longest that one of them took, from connecting to the last answer.
    pub(crate) slowest_ms: f64,
}

/// Long after anybody's patience: then it has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two visits; well below what one source may connect in a minute.
const PAUSE: Duration = Duration::from_millis(250);

impl Served {
    /// Whether everything was served, and anything at all.
    pub(super) fn is_good(&self) -> bool {
        self.failures == 0 && self.deliveries > 0 && self.polls > 0
    }

    fn add(&mut self, what: &str, done: Result<()>, took: Duration) -> bool {
        self.slowest_ms = self.slowest_ms.max(took.as_secs_f64() * 1e3);
        let Err(error) = done else { return true };
        self.failures += 1;
        let text = format!("{what}, after {} ms: {error:#}", took.as_millis());
        self.first_failure.get_or_insert(text);
        false
    }
}

impl Neighbour {
    /// Everything once or twice, so that what is made at first is there.
    pub(super) fn warm_up(&self) -> Result<()> {
        for _ in 0..5 {
            deliver(self.smtp, &self.mailbox, b"Subject: warm\r\n\r\nup\r\n")?;
            self.poll()?;
        }
        Ok(())
    }

    /// Delivers and polls until it is over, and once at least.
    pub(super) fn live(&self, is_over: &AtomicBool) -> Served {
        let mut served = Served::default();
        loop {
            let begun = clock::now();
            let done = deliver(self.smtp, &self.mailbox, b"Subject: x\r\n\r\nhello\r\n");
            if served.add("delivery", done, clock::now().duration_since(begun)) {
                served.deliveries += 1;
            }
            let begun = clock::now();
            let done = self.poll();
            if served.add("poll", done, clock::now().duration_since(begun)) {
                served.polls += 1;
            }
            if is_over.load(Ordering::Relaxed) {
                return served;
            }
            thread::sleep(PAUSE);
        }
    }

    /// Logs in, removes what is there, and quits.
    fn poll(&self) -> Result<()> {
        let mut talk = Talk::begin(self.pop3)?;
        talk.expect("+OK")?;
        talk.ask(&format!("USER {}", self.mailbox), "+OK")?;
        talk.ask(&format!("PASS {}", self.password), "+OK")?;
        let stat = talk.ask("STAT", "+OK ")?;
        let count = stat.split(' ').nth(1).and_then(|count| count.parse().ok());
        let count: u32 = count.with_context(|| format!("STAT said {stat}"))?;
        for number in 1..=count {
            talk.ask(&format!("DELE {number}"), "+OK")?;
        }
        talk.ask("QUIT", "+OK").map(|_| ())
    }
}

/// Delivers a message, without dots at the begin of lines, to a mailbox.
pub(super) fn deliver(smtp: SocketAddr, mailbox: &str, message: &[u8]) -> Result<()> {
    let mut talk = Talk::begin(smtp)?;
    talk.expect("220 ")?;
    talk.ask("HELO neighbour.example", "250 ")?;
    talk.ask("MAIL FROM:<neighbour@example.net>", "250 ")?;
    talk.ask(&format!("RCPT TO:<{mailbox}>"), "250 ")?;
    talk.ask("DATA", "354 ")?;
    talk.stream.get_mut().write_all(message)?;
    talk.ask(".", "250 ")?;
    talk.ask("QUIT", "221 ").map(|_| ())
}

/// A conversation, a line at a time.
struct Talk {
    stream: BufReader<TcpStream>,
}

impl Talk {
    fn begin(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).context("connecting")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    fn ask(&mut self, line: &str, wanted: &str) -> Result<String> {
        let line = [line, "\r\n"].concat();
        self.stream.get_mut().write_all(line.as_bytes())?;
        self.expect(wanted)
            .with_context(|| format!("after {}", line.trim_end()))
    }

    fn expect(&mut self, wanted: &str) -> Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        if !line.starts_with(wanted) {
            bail!("{:?} instead of {wanted}", line.trim_end());
        }
        Ok(line.trim_end().to_owned())
    }
}
