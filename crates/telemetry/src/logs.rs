//! Where log lines go: standard error, through a bounded queue and a thread of its own.
//!
//! Writing a line must never hold up mail. When standard error is too slow, lines are dropped and
//! counted, never waited for.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Human,
    /// One JSON object each.
    Json,
}

/// Lines that wait for standard error at most; behind them lines are dropped.
const QUEUE: usize = 8192;

/// Keeps the thread that writes; dropping it writes what is waiting.
pub struct LogGuard {
    sender: Option<SyncSender<Vec<u8>>>,
    writer: Option<JoinHandle<()>>,
}

/// Reads a level such as `info`, or levels for targets such as `warn,cassmail_net=debug`.
///
/// # Errors
/// The text is neither.
pub fn parse_level(text: &str) -> Result<Targets, ParseError> {
    text.parse()
}

/// Sends the log of the whole process to standard error.
///
/// # Errors
/// The thread could not be started, or logging was set up before.
pub fn start(format: Format, level: Targets, dropped: Counter) -> io::Result<LogGuard> {
    let (sender, receiver) = sync_channel(QUEUE);
    let writer = std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_all(&receiver, &mut io::stderr().lock()))?;
    let lines = Lines {
        sender: sender.clone(),
        dropped: Arc::new(dropped),
    };
    let layer = fmt::layer()
        .with_ansi(false)
        .with_target(false)
        .with_writer(lines);
    let layer = match format {
        Format::Human => layer.boxed(),
        Format::Json => layer.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(level))
        .try_init()
        .map_err(io::Error::other)?;
    Ok(LogGuard {
        sender: Some(sender),
        writer: Some(writer),
    })
}

/// An empty line is the sign to end, since the senders inside the subscriber live for ever.
const END: &[u8] = b"";

/// Writes what arrives; gathers what waits into one write.
fn write_all(receiver: &Receiver<Vec<u8>>, output: &mut impl Write) {
    let mut gathered = Vec::new();
    while let Ok(line) = receiver.recv() {
        let mut is_end = line == END;
        gathered.extend_from_slice(&line);
        while let (false, Ok(line)) = (is_end || gathered.len() > 64 * 1024, receiver.try_recv()) {
            is_end = line == END;
            gathered.extend_from_slice(&line);
        }
        // When standard error is gone there is nobody to tell.
        let _ = output.write_all(&gathered);
        gathered.clear();
        if is_end {
            return;
        }
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            let _ = sender.send(END.to_vec());
        }
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Makes a buffer for each line.
struct Lines {
    sender: SyncSender<Vec<u8>>,
    dropped: Arc<Counter>,
}

/// One line, sent when it is dropped.
struct Line<'a> {
    text: Vec<u8>,
    lines: &'a Lines,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            text: Vec::with_capacity(256),
            lines: self,
        }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let text = std::mem::take(&mut self.text);
        if !text.is_empty() && self.lines.sender.try_send(text).is_err() {
            self.lines.dropped.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_whole_and_in_order() {
        let (sender, receiver) = sync_channel(QUEUE);
        let lines = Lines {
            sender: sender.clone(),
            dropped: Arc::default(),
        };
        for number in 0..3 {
            writeln!(lines.make_writer(), "line {number}").unwrap();
        }
        sender.send(END.to_vec()).unwrap();
        let mut output = Vec::new();
        write_all(&receiver, &mut output);
        assert_eq!(output, b"line 0\nline 1\nline 2\n");
    }

    #[test]
    fn a_line_too_many_is_dropped_and_counted() {
        let (sender, _receiver) = sync_channel(1);
        let lines = Lines {
            sender,
            dropped: Arc::default(),
        };
        writeln!(lines.make_writer(), "fits").unwrap();
        writeln!(lines.make_writer(), "does not").unwrap();
        assert_eq!(lines.dropped.get(), 1);
    }

    #[test]
    fn levels_are_for_all_or_for_targets() {
        assert!(parse_level("info").is_ok());
        assert!(parse_level("warn,cassmail_net=debug").is_ok());
        assert!(parse_level("loud=very").is_err());
    }
}
