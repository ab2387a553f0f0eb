//! Where log lines go: standard error, through a bounded buffer and a thread of its own.
//!
//! Writing a line must never hold up mail. Whoever logs appends to a buffer in memory; a thread
//! hands to the system what has gathered, a few dozen times a second, so that a line costs neither
//! a system call nor a switch to another thread. When standard error is too slow, lines are dropped
//! and counted, never waited for.
//!
//! An event is one line, whatever is in its fields: control characters of peers are escaped, so
//! that nobody can forge a line or a terminal's commands.
//!
//! Never in a log: passwords and whatever proves who somebody is, subjects, bodies. Who writes a
//! line leaves them out; nothing here could find them.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::kind::Counter;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Human,
    /// One JSON object each.
    Json,
}

/// Octets that wait for standard error at most: some thousand lines.
const ROOM: usize = 1024 * 1024;

/// How long lines gather before they are written together.
const GATHER: Duration = Duration::from_millis(20);

/// How long the end of the process waits for a standard error that nobody reads.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Keeps the thread that writes; dropping it writes what is waiting.
pub struct LogGuard {
    buffer: Arc<Buffer>,
    writer: Option<JoinHandle<()>>,
    levels: Levels,
}

impl LogGuard {
    /// What changes how much is logged.
    pub fn levels(&self) -> Levels {
        self.levels.clone()
    }
}

/// How much is logged, of what.
pub type Level = Targets;

/// Changes how much is logged while the process runs.
#[derive(Debug, Clone)]
pub struct Levels(reload::Handle<Level, Registry>);

impl Levels {
    /// Logs so much from now on.
    pub fn set(&self, level: Level) {
        // It fails where nothing is logged any more.
        let _ = self.0.reload(level);
    }
}

/// Reads a level such as `info`, or levels for targets such as `warn,cassmail_net=debug`. The
/// driver of Cassandra tells of every connection: only its warnings are shown unless it is named.
///
/// # Errors
/// The text is neither.
pub fn parse_level(text: &str) -> Result<Level, ParseError> {
    const DRIVER: &str = "scylla";
    let targets: Targets = text.parse()?;
    let most = targets.default_level().unwrap_or(LevelFilter::OFF);
    if targets.iter().any(|(target, _)| target.starts_with(DRIVER)) {
        return Ok(targets);
    }
    Ok(targets.with_target(DRIVER, most.min(LevelFilter::WARN)))
}

/// Sends the log of the whole process to standard error.
///
/// # Errors
/// The thread could not be started, or logging was set up before.
pub fn start(format: Format, level: Level, dropped: Counter) -> io::Result<LogGuard> {
    let (level, levels) = reload::Layer::new(level);
    let buffer = Arc::new(Buffer::new(ROOM, dropped));
    tracing_subscriber::registry()
        .with(layer(format, Lines(Arc::clone(&buffer))).with_filter(level))
        .try_init()
        .map_err(io::Error::other)?;
    let shared = Arc::clone(&buffer);
    let writer = std::thread::Builder::new()
        .name("log".to_owned())
        // Standard error is not locked for longer than a write: others may have to say something.
        .spawn(move || shared.write_all_to(&mut io::stderr()))?;
    Ok(LogGuard {
        buffer,
        writer: Some(writer),
        levels: Levels(levels),
    })
}

type BoxedLayer<S> = Box<dyn Layer<S> + Send + Sync>;

fn layer<S>(format: Format, lines: Lines) -> BoxedLayer<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let layer = fmt::layer().with_ansi(false).with_target(false);
    let layer = layer.with_writer(lines);
    match format {
        Format::Human => layer.boxed(),
        Format::Json => layer.json().flatten_event(true).boxed(),
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let is_written = self.buffer.end(LAST_WAIT);
        if let Some(writer) = self.writer.take().filter(|_| is_written) {
            let _ = writer.join();
        }
    }
}

/// Lines that wait to be written.
struct Buffer {
    state: Mutex<State>,
    changed: Condvar,
    room: usize,
    dropped: Counter,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    phase: Phase,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// No more lines come; what waits is to be written at once.
    Ending,
    /// The last line is written.
    Ended,
}

impl Buffer {
    fn new(room: usize, dropped: Counter) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            room,
            dropped,
        }
    }

    /// Takes a line, or counts that there was no room for it.
    fn append(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.phase != Phase::Open || state.lines.len() + line.len() > self.room {
            drop(state);
            self.dropped.inc();
            return;
        }
        let was_empty = state.lines.is_empty();
        state.lines.extend_from_slice(line);
        drop(state);
        if was_empty {
            self.changed.notify_all();
        }
    }

    /// Writes what comes, until the end.
    fn write_all_to(&self, output: &mut impl Write) {
        let mut gathered = Vec::new();
        loop {
            let phase = self.gather(&mut gathered);
            // When standard error is gone there is nobody to tell.
            let _ = output.write_all(&gathered);
            gathered.clear();
            if phase != Phase::Open {
                break;
            }
        }
        let _ = output.flush();
        self.lock().phase = Phase::Ended;
        self.changed.notify_all();
    }

    /// Waits for a line, and a moment for more of them, and takes them all.
    fn gather(&self, gathered: &mut Vec<u8>) -> Phase {
        let idle = |state: &mut State| state.lines.is_empty() && state.phase == Phase::Open;
        let waited = self.changed.wait_while(self.lock(), idle);
        let state = waited.unwrap_or_else(PoisonError::into_inner);
        // Lines that come meanwhile wake nobody, since the buffer is not empty; the end does.
        let waited = self
            .changed
            .wait_timeout_while(state, GATHER, |state| state.phase == Phase::Open);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut state.lines, gathered);
        state.phase
    }

    /// Has the rest written; says whether it was within the time.
    fn end(&self, within: Duration) -> bool {
        let mut state = self.lock();
        state.phase = Phase::Ending;
        self.changed.notify_all();
        let is_writing = |state: &mut State| state.phase != Phase::Ended;
        let waited = self.changed.wait_timeout_while(state, within, is_writing);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.phase == Phase::Ended
    }

    /// A panic cannot leave the buffer in two minds: each change is one call.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a writer for each line.
struct Lines(Arc<Buffer>);

/// One line, appended when it is dropped.
struct Line<'a> {
    text: Vec<u8>,
    buffer: &'a Buffer,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            text: Vec::with_capacity(512),
            buffer: &self.0,
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
        let Some((b'\n', line)) = self.text.split_last() else {
            return;
        };
        if line.iter().any(u8::is_ascii_control) {
            self.buffer.append(&escaped(line));
        } else {
            self.buffer.append(&self.text);
        }
    }
}

/// The line with its control characters written out, and its end.
fn escaped(line: &[u8]) -> Vec<u8> {
    let mut safe = Vec::with_capacity(line.len() + 16);
    for &octet in line {
        if octet.is_ascii_control() {
            safe.extend(octet.escape_ascii());
        } else {
            safe.push(octet);
        }
    }
    safe.push(b'\n');
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(room: usize) -> Arc<Buffer> {
        Arc::new(Buffer::new(room, Counter::default()))
    }

    #[test]
    fn the_driver_is_quiet_unless_it_is_named() {
        let shown = |level: &str, at| parse_level(level).unwrap().would_enable("scylla", at);
        assert!(shown("info", &tracing::Level::WARN));
        assert!(!shown("info", &tracing::Level::INFO));
        assert!(!shown("error", &tracing::Level::WARN));
        assert!(shown("info,scylla=debug", &tracing::Level::DEBUG));
    }

    /// What is written of the events that `log` makes.
    fn written(format: Format, level: &str, log: impl FnOnce()) -> String {
        let buffer = buffer(ROOM);
        let lines = Lines(Arc::clone(&buffer));
        let layer = layer(format, lines).with_filter(parse_level(level).unwrap());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        finish(&buffer)
    }

    fn finish(buffer: &Buffer) -> String {
        buffer.lock().phase = Phase::Ending;
        let mut output = Vec::new();
        buffer.write_all_to(&mut output);
        String::from_utf8(output).unwrap()
    }

    /// Takes nothing until it is told to.
    struct Stuck(std::sync::mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // The sender being gone is the sign, too.
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_whole_and_in_order() {
        let buffer = buffer(ROOM);
        let lines = Lines(Arc::clone(&buffer));
        for number in 0..3 {
            writeln!(lines.make_writer(), "line {number}").unwrap();
        }
        assert_eq!(finish(&buffer), "line 0\nline 1\nline 2\n");
    }

    #[test]
    fn a_line_without_room_is_dropped_and_counted_and_leaves_no_half() {
        let buffer = buffer(10);
        let lines = Lines(Arc::clone(&buffer));
        writeln!(lines.make_writer(), "fits").unwrap();
        writeln!(lines.make_writer(), "does not").unwrap();
        writeln!(lines.make_writer(), "does").unwrap();
        assert_eq!(buffer.dropped.get(), 1);
        assert_eq!(finish(&buffer), "fits\ndoes\n");
    }

    #[test]
    fn who_logs_does_not_wait_for_a_reader_that_is_stuck_nor_does_the_end() {
        let buffer = buffer(100);
        let shared = Arc::clone(&buffer);
        let (release, stuck) = std::sync::mpsc::sync_channel(0);
        let writer = std::thread::spawn(move || shared.write_all_to(&mut Stuck(stuck)));
        let lines = Lines(Arc::clone(&buffer));
        for _ in 0..1000 {
            writeln!(lines.make_writer(), "nobody reads this").unwrap();
        }
        assert!(buffer.dropped.get() > 900);
        assert!(!buffer.end(Duration::from_millis(1)));
        drop(release);
        writer.join().unwrap();
        assert!(buffer.end(Duration::ZERO) || buffer.lock().phase == Phase::Ending);
    }

    #[test]
    fn the_end_waits_for_the_last_line() {
        let buffer = buffer(ROOM);
        let shared = Arc::clone(&buffer);
        let writer = std::thread::spawn(move || {
            let mut output = Vec::new();
            shared.write_all_to(&mut output);
            output
        });
        buffer.append(b"last\n");
        assert!(buffer.end(Duration::from_mins(1)));
        assert_eq!(writer.join().unwrap(), b"last\n");
    }

    #[test]
    fn an_event_is_one_line_whatever_a_peer_put_into_it() {
        let forged = "bob\r\n2026-01-01 ERROR forged\x1b[2J\0";
        let log = || tracing::info!(event = "e", user = %forged, ?forged, "{forged}");
        let human = written(Format::Human, "info", log);
        assert_eq!(human.matches('\n').count(), 1, "{human}");
        assert!(human.contains("user=bob\\r\\n2026"), "{human}");
        assert!(!human.trim_end().contains(char::is_control), "{human}");
        let json = written(Format::Json, "info", log);
        assert_eq!(json.matches('\n').count(), 1, "{json}");
        assert!(json.contains("\"user\":\"bob\\r\\n2026"), "{json}");
    }

    #[test]
    fn fields_stand_beside_the_event_in_json() {
        let log = || tracing::info!(event = "smtp.message.stored", mail.size = 7_u64);
        let line = written(Format::Json, "info", log);
        assert!(
            line.contains("\"event\":\"smtp.message.stored\",\"mail.size\":7"),
            "{line}"
        );
        assert!(line.contains("\"level\":\"INFO\""), "{line}");
    }

    #[test]
    fn levels_are_for_all_or_for_targets() {
        let log = || {
            tracing::debug!(target: "cassmail_net", "of net");
            tracing::debug!(target: "cassmail_office", "of the office");
            tracing::warn!(target: "cassmail_office", "a warning");
        };
        let lines = |level| written(Format::Human, level, log).lines().count();
        assert_eq!(lines("debug"), 3);
        assert_eq!(lines("info"), 1);
        assert_eq!(lines("warn,cassmail_net=debug"), 2);
        assert_eq!(lines("off"), 0);
        assert!(parse_level("loud=very").is_err());
    }
}
