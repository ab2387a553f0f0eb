//! Pages of the manual, as somebody types them who has never seen cassmail.
//!
//! Indented lines that begin with `$` are typed, and what stands below them is what they print; a
//! block below a line that ends with "into" or "in" and a name is the content of that file. Ports
//! are others here.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cassmail_e2e::{Deadline, Port, Process, free_offset, run, settings};

use crate::skip::present;

/// For each command, and for the trace, which is written a second later.
const PATIENCE: Duration = Duration::from_mins(2);

#[test]
fn a_newcomer_gets_from_nothing_to_a_message_that_is_traced() {
    if present("curl") && present("openssl") {
        assert_eq!(
            walk("first-hour.md"),
            Walk {
                started: 1,
                printed: 7
            }
        );
    }
}

#[test]
fn people_come_change_and_go_as_the_manual_says() {
    assert_eq!(
        walk("operations/accounts.md"),
        Walk {
            started: 0,
            printed: 9
        }
    );
}

#[test]
fn a_store_is_looked_after_as_the_manual_says() {
    assert_eq!(
        walk("operations/embedded.md"),
        Walk {
            started: 0,
            printed: 5
        }
    );
}

/// How many commands went on running, and how many printed what they should.
#[derive(Debug, PartialEq, Eq)]
struct Walk {
    started: usize,
    printed: usize,
}

fn walk(page: &str) -> Walk {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let newcomer = Newcomer {
        folder: folder.path(),
        offset: free_offset(),
    };
    let page = Path::new("../../docs").join(page);
    let page = std::fs::read_to_string(page).expect("it is a page of the manual");
    let mut running = Vec::new();
    let mut printed = 0;
    for step in steps(&page) {
        match step {
            Step::Write { file, text } => newcomer.write(&file, &text),
            Step::Start { command } => running.push(newcomer.start(&command)),
            Step::Run { command, output } => {
                printed += usize::from(!output.is_empty());
                newcomer.run(&command, &output);
            }
        }
    }
    Walk {
        started: running.len(),
        printed,
    }
}

#[derive(Debug)]
enum Step {
    /// A file with this text.
    Write { file: String, text: String },
    /// What goes on running.
    Start { command: String },
    /// What ends, and what it prints.
    Run { command: String, output: String },
}

struct Newcomer<'a> {
    folder: &'a Path,
    offset: u16,
}

impl Newcomer<'_> {
    fn write(&self, file: &str, text: &str) {
        let file = self.folder.join(file);
        std::fs::write(file, self.with_ports(text)).expect("there is room");
    }

    fn start(&self, command: &str) -> Process {
        let command = format!("exec {} 2> service.log", self.with_ports(command));
        let process = Process::start(&mut self.shell(), &["-c", &command]);
        let deadline = Deadline::after(PATIENCE);
        let log = self.folder.join("service.log");
        let log = || std::fs::read_to_string(&log).unwrap_or_default();
        while !log().contains("service.started") {
            // Bounded polling: nothing tells a parent when a server is ready.
            let ended = process.wait(Duration::from_millis(10));
            assert!(ended.is_none(), "{command} ended: {ended:?}\n{}", log());
            assert!(!deadline.passed(), "{command} does not start:\n{}", log());
        }
        process
    }

    fn run(&self, command: &str, output: &str) {
        let deadline = Deadline::after(PATIENCE);
        // The story of a message is written behind the answers, at most a second later.
        let is_late = command.contains(" message trace ");
        loop {
            let typed = self.with_ports(command);
            // Whoever types sees both.
            let both = format!("exec 2>&1\n{typed}");
            let ended = run(self.shell().args(["-c", &both]), b"", PATIENCE);
            let printed = String::from_utf8_lossy(&ended.stdout);
            let printed = printed.replace(&self.folder.display().to_string(), "/srv/mail");
            let is_printed = alike(output, &printed);
            let should_fail = output.lines().any(|line| line.starts_with("error: "));
            if is_printed && ended.status.success() != should_fail {
                return;
            }
            assert!(
                is_late && !deadline.passed(),
                "{typed}\nended with {}; printed:\n{printed}\ninstead of:\n{output}",
                ended.status
            );
        }
    }

    /// A shell in the folder, without settings of somebody else, that finds the binary under test.
    fn shell(&self) -> Command {
        let binary = settings::binary();
        let binary = binary.parent().expect("a file has a folder").canonicalize();
        let binary = binary.expect("the binary is there");
        let path = std::env::join_paths([&*binary, Path::new("/usr/bin"), Path::new("/bin")]);
        let mut shell = settings::without_settings(Command::new("sh"));
        shell.current_dir(self.folder);
        shell.env("PATH", path.expect("no colons"));
        shell.env("HOME", self.folder);
        shell
    }

    fn with_ports(&self, text: &str) -> String {
        let ports = [Port::Mx, Port::Submissions, Port::Pop3s].map(|port| port as u16);
        ports.iter().fold(text.to_owned(), |text, port| {
            text.replace(&format!(":{port}"), &format!(":{}", port + self.offset))
        })
    }
}

fn steps(manual: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut intro = "";
    let mut block: Vec<&str> = Vec::new();
    for line in manual.lines().chain(["The end."]) {
        match line.strip_prefix("    ") {
            Some(line) => block.push(line),
            // A message has an empty line in its middle.
            None if line.is_empty() && !block.is_empty() => block.push(line),
            None if line.is_empty() => {}
            None => {
                steps.extend(steps_in(intro, &std::mem::take(&mut block)));
                intro = line;
            }
        }
    }
    steps
}

fn steps_in(intro: &str, block: &[&str]) -> Vec<Step> {
    if let Some(file) = file_in(intro) {
        let text = format!("{}\n", block.join("\n").trim_end());
        return vec![Step::Write { file, text }];
    }
    let typed = block.join("\n").replace("\\\n", "");
    let mut steps = Vec::new();
    for typed in typed.split("$ ").skip(1) {
        let (command, output) = typed.split_once('\n').unwrap_or((typed, ""));
        steps.push(match command.strip_suffix(" &") {
            Some(command) => Step::Start {
                command: command.to_owned(),
            },
            None => Step::Run {
                command: command.to_owned(),
                output: output.trim_end().to_owned(),
            },
        });
    }
    steps
}

/// The name in "... into `NAME`:" or "... in `NAME`:".
fn file_in(intro: &str) -> Option<String> {
    let (_, name) = intro
        .split_once("nto `")
        .or_else(|| intro.split_once(" in `"))?;
    let name = name.strip_suffix("`:")?;
    Some(name.to_owned())
}

/// Whether it is the same but for identifiers, sizes and times.
fn alike(expected: &str, printed: &str) -> bool {
    let words = |text: &str| text.split_whitespace().map(fixed).collect::<Vec<_>>();
    words(expected) == words(printed)
}

fn fixed(word: &str) -> String {
    const CALENDAR: &str = "Mon, Tue, Wed, Thu, Fri, Sat, Sun, \
        Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec";
    let is_of_the_calendar = CALENDAR.split_whitespace().any(|name| name == word);
    let differs = is_of_the_calendar || word.contains(|letter: char| letter.is_ascii_digit());
    if differs { "#" } else { word }.to_owned()
}
