//! The file format.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cassmail_wire::Load;

use crate::pattern::{Kind, Pattern};

/// A conversation as its file tells it.
#[derive(Debug, Clone)]
pub struct Transcript {
    pub(crate) path: PathBuf,
    pub(crate) source: String,
    pub(crate) about: Vec<String>,
    pub(crate) settings: Vec<String>,
    pub(crate) entries: Vec<Entry>,
}

/// Why a file is no transcript.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// It cannot be read.
    #[error("failed to read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line breaks the format.
    #[error("{path}:{line}: {what}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
}

/// A line of the file that means something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Counted from one.
    pub(crate) line: usize,
    /// As it stands in the file.
    pub(crate) text: String,
    pub(crate) item: Item,
}

/// What a line means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Client(Vec<u8>),
    Server(Pattern),
    Reply(Kind),
    Question(Pattern),
    Never(Pattern),
    Answer(String),
    Note(Pattern),
    Wait(Duration),
    Tls,
    Close,
    Closed(Option<String>),
    Stop,
    Load(Load),
}

impl Item {
    /// Whether input after it has to wait for it.
    pub(crate) fn is_barrier(&self) -> bool {
        matches!(
            self,
            Self::Wait(_) | Self::Tls | Self::Close | Self::Closed(_) | Self::Stop | Self::Load(_)
        )
    }
}

impl Transcript {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ParseError> {
        let source = std::fs::read_to_string(path).map_err(|source| ParseError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &source)
    }

    /// Parses the text of a file.
    pub fn parse(path: &Path, source: &str) -> Result<Self, ParseError> {
        let mut transcript = Self {
            path: path.to_owned(),
            source: source.to_owned(),
            about: Vec::new(),
            settings: Vec::new(),
            entries: Vec::new(),
        };
        for (index, text) in source.lines().enumerate() {
            transcript
                .take_line(index + 1, text)
                .map_err(|what| ParseError::Line {
                    path: path.to_owned(),
                    line: index + 1,
                    what,
                })?;
        }
        if transcript.about.is_empty() {
            return Err(ParseError::Line {
                path: path.to_owned(),
                line: 1,
                what: "a transcript begins with a comment: what, which RFC section".to_owned(),
            });
        }
        Ok(transcript)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The comment at the head.
    pub fn about(&self) -> &[String] {
        &self.about
    }

    /// The words behind `@ with`.
    pub fn settings(&self) -> &[String] {
        &self.settings
    }

    /// Whether it can run against a real socket. Questions and notes cannot be seen there and are
    /// passed over.
    pub fn is_live(&self) -> bool {
        self.needs_a_stage().is_none()
    }

    /// What keeps it from a real socket, in words: it answers for the desk, turns the clock or
    /// stops the process.
    pub fn needs_a_stage(&self) -> Option<&'static str> {
        self.entries.iter().find_map(|entry| match entry.item {
            Item::Answer(_) => Some("it answers for the desk"),
            Item::Wait(_) => Some("it turns the clock"),
            Item::Stop => Some("it stops the process"),
            Item::Load(_) => Some("it loads the process"),
            _ => None,
        })
    }

    /// What the client says, in one piece.
    pub fn input(&self) -> Vec<u8> {
        let said = self.entries.iter().filter_map(|entry| match &entry.item {
            Item::Client(bytes) => Some(bytes.as_slice()),
            _ => None,
        });
        said.flatten().copied().collect()
    }

    /// Which of these questions it names as asked, in its order; `verb` is their first word.
    pub fn questions<'a>(&'a self, verb: &'a str) -> impl Iterator<Item = &'a Pattern> {
        let questions = self.entries.iter().filter_map(|entry| match &entry.item {
            Item::Question(pattern) => Some(pattern),
            _ => None,
        });
        questions.filter(move |pattern| pattern.begins_with(verb))
    }

    /// Whether it forbids a question.
    pub fn forbids(&self, question: &str) -> bool {
        self.entries
            .iter()
            .any(|entry| matches!(&entry.item, Item::Never(pattern) if pattern.matches(question)))
    }

    fn take_line(&mut self, line: usize, text: &str) -> Result<(), String> {
        if let Some(comment) = text.strip_prefix('#') {
            if self.entries.is_empty() {
                self.about.push(comment.trim().to_owned());
            }
            return Ok(());
        }
        if text.is_empty() {
            return Ok(());
        }
        let (marker, rest) = text.split_at_checked(2).unwrap_or((text, ""));
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        if marker == "@ "
            && let Some(words) = rest.strip_prefix("with ")
        {
            let words = words.split_whitespace().map(str::to_owned);
            self.settings.extend(words);
            return Ok(());
        }
        let item = parse_item(marker, rest)?;
        self.entries.push(Entry {
            line,
            text: text.to_owned(),
            item,
        });
        Ok(())
    }
}

fn parse_item(marker: &str, rest: &str) -> Result<Item, String> {
    let pattern = || Pattern(rest.to_owned());
    Ok(match marker {
        "C:" => Item::Client([rest.as_bytes(), b"\r\n"].concat()),
        "C=" => Item::Client(unquote(rest)?),
        "C*" => Item::Client(repeated(rest)?),
        "S:" => Item::Server(pattern()),
        "S~" => Item::Reply(Kind::from_word(rest).ok_or("no such class of replies")?),
        "?:" => Item::Question(pattern()),
        "?!" => Item::Never(pattern()),
        "!:" => Item::Answer(rest.to_owned()),
        "N:" => Item::Note(pattern()),
        "@ " => act(rest)?,
        _ => return Err("a line begins with C: C= C* S: S~ ?: ?! !: N: @ or #".to_owned()),
    })
}

fn act(rest: &str) -> Result<Item, String> {
    let (word, argument) = rest.split_once(' ').unwrap_or((rest, ""));
    Ok(match word {
        "wait" => Item::Wait(duration(argument).ok_or("a duration is 10ms, 10s, 10m or 10h")?),
        "tls" => Item::Tls,
        "close" => Item::Close,
        "closed" => Item::Closed((!argument.is_empty()).then(|| argument.to_owned())),
        "stop" => Item::Stop,
        "load" => Item::Load(load(argument).ok_or("a load is usual, high or full")?),
        _ => return Err("an act is with, wait, tls, close, closed, stop or load".to_owned()),
    })
}

fn load(word: &str) -> Option<Load> {
    Some(match word {
        "usual" => Load::Usual,
        "high" => Load::High,
        "full" => Load::Full,
        _ => return None,
    })
}

fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: u64 = digits.parse().ok()?;
    let seconds = match &text[digits.len()..] {
        "ms" => return Some(Duration::from_millis(count)),
        "s" => Some(count),
        "m" => count.checked_mul(60),
        "h" => count.checked_mul(3600),
        _ => None,
    };
    seconds.map(Duration::from_secs)
}

/// More than any message, and less than any memory.
const MOST_REPEATED: usize = 256 * 1024 * 1024;

fn repeated(rest: &str) -> Result<Vec<u8>, String> {
    let (count, text) = rest
        .split_once(' ')
        .ok_or("C* has a number and a text in quotes")?;
    let count: usize = count.parse().map_err(|_| "C* begins with a number")?;
    let text = unquote(text)?;
    match text.len().checked_mul(count) {
        Some(octets) if octets <= MOST_REPEATED => Ok(text.repeat(count)),
        _ => Err("C* says more than 256 MiB".to_owned()),
    }
}

fn unquote(text: &str) -> Result<Vec<u8>, String> {
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .ok_or("exact bytes stand in quotes")?;
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let (byte, after) = unescape(rest).ok_or("escapes are \\r \\n \\t \\0 \\\\ \\\" \\xHH")?;
        bytes.push(byte);
        rest = after;
    }
    Ok(bytes)
}

fn unescape(rest: &[u8]) -> Option<(u8, &[u8])> {
    let (&letter, after) = rest.split_first()?;
    let byte = match letter {
        b'r' => b'\r',
        b'n' => b'\n',
        b't' => b'\t',
        b'0' => 0,
        b'\\' | b'"' => letter,
        b'x' => {
            let (digits, after) = after.split_at_checked(2)?;
            // A sign is no digit, whatever the parser of numbers takes.
            let digits = std::str::from_utf8(digits).ok()?.trim_start_matches('+');
            let byte = u8::from_str_radix(digits, 16).ok()?;
            return (digits.len() == 2).then_some((byte, after));
        }
        _ => return None,
    };
    Some((byte, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(source: &str) -> Result<Transcript, ParseError> {
        Transcript::parse(Path::new("test.txt"), source)
    }

    fn items(source: &str) -> Vec<Item> {
        let transcript = parse(&format!("# test\n{source}")).unwrap();
        transcript.entries.into_iter().map(|e| e.item).collect()
    }

    #[test]
    fn every_marker_has_its_meaning() {
        let pattern = |text: &str| Pattern(text.to_owned());
        assert_eq!(
            items("S: 220 *\nC: NOOP\nC:\nS~ done\n?: a\n!: b\nN: c\n@ wait 5m\n@ closed quit"),
            [
                Item::Server(pattern("220 *")),
                Item::Client(b"NOOP\r\n".to_vec()),
                Item::Client(b"\r\n".to_vec()),
                Item::Reply(Kind::Done),
                Item::Question(pattern("a")),
                Item::Answer("b".to_owned()),
                Item::Note(pattern("c")),
                Item::Wait(Duration::from_mins(5)),
                Item::Closed(Some("quit".to_owned())),
            ]
        );
    }

    #[test]
    fn exact_bytes_are_unescaped_and_repeated() {
        assert_eq!(
            items(r#"C= "a\r\n\x00\\\"""#),
            [Item::Client(b"a\r\n\0\\\"".to_vec())]
        );
        assert_eq!(
            items(r#"C* 3 "x\n""#),
            [Item::Client(b"x\nx\nx\n".to_vec())]
        );
    }

    #[test]
    fn what_is_too_much_is_refused() {
        for line in [
            "C* 18446744073709551615 \"xx\"",
            "C* 9999999999999 \"x\"",
            "@ wait 18446744073709551615h",
            "C= \"\\x+1\"",
        ] {
            assert!(parse(&format!("# test\n{line}\n")).is_err(), "{line}");
        }
    }

    #[test]
    fn errors_name_file_and_line() {
        let error = parse("# test\nX: what\n").unwrap_err().to_string();
        assert!(error.starts_with("test.txt:2: a line begins"), "{error}");
        assert!(parse("C: NOOP\n").is_err());
    }

    #[test]
    fn what_needs_a_stage_is_not_live() {
        for (source, live) in [
            ("# t\nS: 220 *\nC: QUIT\n@ closed\n", true),
            ("# t\n?: x\nN: y\n?! z\n", true),
            ("# t\n!: x\n", false),
            ("# t\n@ wait 1s\n", false),
            ("# t\n@ stop\n", false),
            ("# t\n@ load high\n", false),
            ("# t\n@ tls\n", true),
        ] {
            assert_eq!(parse(source).unwrap().is_live(), live, "{source}");
        }
    }
}
