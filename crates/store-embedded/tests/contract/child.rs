//! This binary a second time, as another process: to be in the way, to be killed, to be nobody.

use std::env::{current_exe, var_os};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use cassmail_store_embedded::Embedded;

use crate::post::chain;
use crate::{kill, options};

const PART: &str = "CASSMAIL_TEST_PART";
const FOLDER: &str = "CASSMAIL_TEST_FOLDER";

/// A process that plays a part; killed with this.
pub(crate) struct Actor {
    child: Child,
    lines: io::Lines<BufReader<ChildStdout>>,
}

impl Actor {
    /// Starts the binary again. `prepare` changes the command before.
    pub(crate) fn start(part: &str, folder: &Path, prepare: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(current_exe().expect("this binary"));
        command
            .args(["--exact", "child::plays_its_part", "--nocapture"])
            .env(PART, part)
            .env(FOLDER, folder)
            .stdout(Stdio::piped());
        prepare(&mut command);
        let mut child = command.spawn().expect("another process");
        let stdout = child.stdout.take().expect("its output");
        Self {
            child,
            lines: BufReader::new(stdout).lines(),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it says next, without what the test harness says; none when it has ended.
    pub(crate) fn next(&mut self) -> Option<String> {
        self.lines
            .by_ref()
            .map(|line| line.expect("a line"))
            .find_map(|line| line.strip_prefix(SAYS).map(str::to_owned))
    }

    /// kill -9, and everything that it said before.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("it is alive");
        let rest = std::iter::from_fn(|| self.next()).collect();
        self.child.wait().expect("its end");
        rest
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const SAYS: &str = "says: ";

/// Says a line, in one write.
pub(crate) fn say(line: &str) {
    let line = format!("{SAYS}{line}\n");
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes()).expect("somebody listens");
    out.flush().expect("somebody listens");
}

/// Nothing, unless this process was started by [`Actor::start`].
#[test]
fn plays_its_part() {
    let Some((part, folder)) = var_os(PART).zip(var_os(FOLDER)) else {
        return;
    };
    // The harness has written something without ending the line.
    say("");
    let folder = PathBuf::from(folder);
    match part.to_str() {
        Some("open") => match Embedded::open(&options(&folder)) {
            Ok(_store) => {
                say("it is open");
                std::thread::park();
            }
            Err(error) => say(&chain(&error)),
        },
        Some("deliver") => kill::deliver_until_killed(&folder),
        other => panic!("{other:?} is no part"),
    }
}
