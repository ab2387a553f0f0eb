//! The ledger: what the server promised, one JSON object a line.
//!
//! | kind | meaning |
//! |---|---|
//! | `run` | a run began; its tokens begin with `run` |
//! | `acked` | the message was answered with 250 for these recipients |
//! | `uncertain` | the body was sent, and no answer came, or one with 4xx |
//! | `refused` | the body was sent and answered with 5xx |
//! | `removed` | DELE was followed by a QUIT that was answered with +OK |
//! | `maybe_removed` | DELE was followed by a QUIT without an answer, or with -ERR |
//!
//! Lines are written whole and in order of the answers, within some 20 ms. A ledger is appended to,
//! so that one file can follow several runs.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde::Deserialize;

use crate::clock;
use crate::mailboxes::Mailboxes;
use crate::message::{Draft, Token, hexadecimal};

/// How long an entry may wait in memory.
pub(crate) const FLUSH_EVERY: Duration = Duration::from_millis(20);
const FLUSH_AT: usize = 32 * 1024;

/// What became of a message whose body was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Acknowledged,
    Uncertain,
    Refused,
}

/// What became of a message that was marked deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    Certain,
    Uncertain,
}

/// The end of a ledger that one thread writes.
#[derive(Debug)]
pub(crate) struct LedgerWriter {
    file: Arc<File>,
    buffer: Vec<u8>,
}

impl LedgerWriter {
    pub(crate) fn append_to(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.with_context(|| format!("cannot open the ledger {}", path.display()))?;
        Ok(Self {
            file: Arc::new(file),
            buffer: Vec::with_capacity(2 * FLUSH_AT),
        })
    }

    /// A writer for another thread. Lines do not mix, since each write has whole lines.
    pub(crate) fn another(&self) -> Self {
        Self {
            file: Arc::clone(&self.file),
            buffer: Vec::with_capacity(2 * FLUSH_AT),
        }
    }

    pub(crate) fn run(&mut self, run: u64) {
        self.begin("run");
        self.buffer.extend_from_slice(b",\"run\":\"");
        self.buffer.extend_from_slice(&hexadecimal(run));
        self.buffer.push(b'"');
        self.end();
    }

    pub(crate) fn sent(&mut self, fate: Fate, mail: &Draft, to: &[usize], names: &Mailboxes) {
        self.begin(match fate {
            Fate::Acknowledged => "acked",
            Fate::Uncertain => "uncertain",
            Fate::Refused => "refused",
        });
        self.token(mail.token());
        self.buffer.extend_from_slice(b",\"to\":[");
        for (position, mailbox) in to.iter().enumerate() {
            if position > 0 {
                self.buffer.push(b',');
            }
            self.text(names.name(*mailbox));
        }
        self.buffer.extend_from_slice(b"],\"size\":");
        self.number(mail.size() as u64);
        self.buffer.extend_from_slice(b",\"hash\":\"");
        self.buffer.extend_from_slice(&hexadecimal(mail.hash()));
        self.buffer.push(b'"');
        self.end();
    }

    pub(crate) fn removed(&mut self, how: Removal, mailbox: &str, token: Token, uid: &str) {
        self.begin(match how {
            Removal::Certain => "removed",
            Removal::Uncertain => "maybe_removed",
        });
        self.token(token);
        self.buffer.extend_from_slice(b",\"mailbox\":");
        self.text(mailbox);
        self.buffer.extend_from_slice(b",\"uid\":");
        self.text(uid);
        self.end();
    }

    /// Hands everything to the operating system.
    pub(crate) fn flush(&mut self) -> std::io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = (&*self.file).write_all(&self.buffer);
        self.buffer.clear();
        written
    }

    pub(crate) fn is_due(&self) -> bool {
        self.buffer.len() >= FLUSH_AT
    }

    fn begin(&mut self, kind: &str) {
        self.buffer.extend_from_slice(b"{\"kind\":\"");
        self.buffer.extend_from_slice(kind.as_bytes());
        self.buffer.extend_from_slice(b"\",\"at\":");
        self.number(clock::unix_micros());
    }

    fn token(&mut self, token: Token) {
        self.buffer.extend_from_slice(b",\"token\":\"");
        self.buffer.extend_from_slice(&hexadecimal(token.run));
        self.buffer.push(b'-');
        self.buffer.extend_from_slice(&hexadecimal(token.number));
        self.buffer.push(b'"');
    }

    fn text(&mut self, text: &str) {
        self.buffer.push(b'"');
        for octet in text.bytes() {
            if octet == b'"' || octet == b'\\' {
                self.buffer.push(b'\\');
            }
            self.buffer.push(octet);
        }
        self.buffer.push(b'"');
    }

    fn number(&mut self, mut value: u64) {
        let begin = self.buffer.len();
        loop {
            self.buffer.push(b'0' + (value % 10) as u8);
            value /= 10;
            if value == 0 {
                break;
            }
        }
        if let Some(digits) = self.buffer.get_mut(begin..) {
            digits.reverse();
        }
    }

    fn end(&mut self) {
        self.buffer.extend_from_slice(b"}\n");
    }
}

impl Drop for LedgerWriter {
    fn drop(&mut self) {
        // A failure was reported when an earlier flush met it; here nobody could be told.
        let _: std::io::Result<()> = self.flush();
    }
}

/// All that ledgers say, by mailbox.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) runs: HashSet<u64>,
    /// The hash of every message.
    pub(crate) hashes: HashMap<Token, u64>,
    pub(crate) mailboxes: HashMap<String, HashMap<Token, Account>>,
}

/// What is known of one message in one mailbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) acknowledged: u64,
    pub(crate) uncertain: u64,
    pub(crate) refused: u64,
    /// The unique ids of the removed copies; empty where the server had none.
    pub(crate) removed: Vec<String>,
    pub(crate) maybe_removed: u64,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Entry {
    Run { run: String },
    Acked(Sent),
    Uncertain(Sent),
    Refused(Sent),
    Removed(Removed),
    MaybeRemoved(Removed),
}

#[derive(Debug, Deserialize)]
struct Sent {
    token: String,
    to: Vec<String>,
    hash: String,
}

#[derive(Debug, Deserialize)]
struct Removed {
    token: String,
    mailbox: String,
    uid: String,
}

impl Books {
    /// Reads a ledger in addition to what was read before. `login` makes a mailbox of a recipient.
    pub(crate) fn read(&mut self, path: &Path, login: impl Fn(&str) -> String) -> Result<()> {
        let name = path.display();
        let file = File::open(path).with_context(|| format!("cannot open the ledger {name}"))?;
        for (number, line) in (1..).zip(BufReader::new(file).split(b'\n')) {
            let line = line.with_context(|| format!("cannot read the ledger {name}"))?;
            if line.is_empty() {
                continue;
            }
            serde_json::from_slice(&line)
                .map_err(anyhow::Error::from)
                .and_then(|entry| self.enter(entry, &login))
                .with_context(|| format!("{name}, line {number}"))?;
        }
        Ok(())
    }

    fn enter(&mut self, entry: Entry, login: &impl Fn(&str) -> String) -> Result<()> {
        match entry {
            Entry::Run { run } => {
                self.runs.insert(u64::from_str_radix(&run, 16)?);
            }
            Entry::Acked(sent) => self.enter_sent(&sent, login, |a| a.acknowledged += 1)?,
            Entry::Uncertain(sent) => self.enter_sent(&sent, login, |a| a.uncertain += 1)?,
            Entry::Refused(sent) => self.enter_sent(&sent, login, |a| a.refused += 1)?,
            Entry::Removed(removed) => {
                let account = self.account(removed.mailbox, &removed.token)?;
                // Two sessions may remove the same copy, and both are told that it is gone.
                if removed.uid.is_empty() || !account.removed.contains(&removed.uid) {
                    account.removed.push(removed.uid);
                }
            }
            Entry::MaybeRemoved(removed) => {
                self.account(removed.mailbox, &removed.token)?.maybe_removed += 1;
            }
        }
        Ok(())
    }

    fn enter_sent(
        &mut self,
        sent: &Sent,
        login: &impl Fn(&str) -> String,
        change: impl Fn(&mut Account),
    ) -> Result<()> {
        let token: Token = sent.token.parse().map_err(|e: String| anyhow!(e))?;
        self.runs.insert(token.run);
        self.hashes
            .insert(token, u64::from_str_radix(&sent.hash, 16)?);
        for recipient in &sent.to {
            change(self.account(login(recipient), &sent.token)?);
        }
        Ok(())
    }

    fn account(&mut self, mailbox: String, token: &str) -> Result<&mut Account> {
        let token = token.parse().map_err(|e: String| anyhow!(e))?;
        Ok(self
            .mailboxes
            .entry(mailbox)
            .or_default()
            .entry(token)
            .or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::{Account, Books, Fate, LedgerWriter, Removal};
    use crate::mailboxes::{Mailboxes, Pick};
    use crate::message::{Content, Draft, Stationery, Token};

    #[test]
    fn what_was_entered_is_read_back_by_mailbox() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let names = Mailboxes::new("\"a\\b\"@x,c@x", 1, 1, Pick::RoundRobin).unwrap();
        let stationery = Stationery::new("s@x", Content::Random, 1, 0);
        let token = Token { run: 3, number: 10 };
        let mut mail = Draft::default();
        stationery.draft(&mut mail, token, &names, 1000);

        let mut writer = LedgerWriter::append_to(&path).unwrap();
        let mut other = writer.another();
        writer.run(3);
        writer.sent(Fate::Uncertain, &mail, &[0], &names);
        writer.flush().unwrap();
        other.sent(Fate::Acknowledged, &mail, &[0, 1], &names);
        other.removed(Removal::Certain, "c@x", token, "uid\\1");
        drop((writer, other));

        let mut books = Books::default();
        books.read(&path, ToString::to_string).unwrap();
        assert!(books.runs.contains(&3));
        assert_eq!(books.hashes[&token], mail.hash());
        let first = Account {
            acknowledged: 1,
            uncertain: 1,
            ..Account::default()
        };
        assert_eq!(books.mailboxes["\"a\\b\"@x"][&token], first);
        let removed = vec!["uid\\1".to_owned()];
        let second = Account {
            acknowledged: 1,
            removed,
            ..Account::default()
        };
        assert_eq!(books.mailboxes["c@x"][&token], second);
    }

    #[test]
    fn a_copy_that_two_sessions_removed_was_one_copy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let token = Token { run: 3, number: 10 };
        let mut writer = LedgerWriter::append_to(&path).unwrap();
        for uid in ["uid1", "uid1", "uid2", "", ""] {
            writer.removed(Removal::Certain, "c@x", token, uid);
        }
        drop(writer);
        let mut books = Books::default();
        books.read(&path, ToString::to_string).unwrap();
        let removed = &books.mailboxes["c@x"][&token].removed;
        assert_eq!(removed, &["uid1", "uid2", "", ""]);
    }

    #[test]
    fn a_spoiled_ledger_is_an_error_that_names_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        std::fs::write(&path, "{\"kind\":\"run\",\"run\":\"1\"}\n{\"kind\":\"ack").unwrap();
        let error = Books::default()
            .read(&path, ToString::to_string)
            .unwrap_err();
        assert!(format!("{error:#}").contains("line 2"), "{error:#}");
    }
}
