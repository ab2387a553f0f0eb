//! A small protocol and what transcripts find in it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use cassmail_wire::{Ending, Line, Lines, Machine, Moment, Step, TlsFacts};

use super::*;
use crate::bless::blessed;

/// Greets, asks about every line, says what was answered; `TLS`, `QUIT` and ten seconds of silence
/// mean what they say. With the fault it forgets to wait for the end of a line.
struct Parrot {
    lines: Lines,
    asked: bool,
    hasty: bool,
    now: Moment,
    pending: Vec<Step<String, String>>,
    greeting: Option<&'static str>,
    heard: Option<String>,
    ended: Option<Ending>,
}

impl Machine for Parrot {
    type Question = String;
    type Answer = String;
    type Note = String;

    fn tick(&mut self, now: Moment) {
        if now.since(self.now) >= Duration::from_secs(10) {
            self.ended = Some(Ending::TimedOut);
        }
        self.now = now;
    }
    fn receive(&mut self, bytes: &[u8]) {
        self.lines.receive(bytes);
        if self.hasty && !bytes.ends_with(b"\n") {
            self.lines.receive(b"\n");
        }
    }
    fn answer(&mut self, answer: String) {
        self.asked = false;
        self.heard = Some(answer);
    }
    fn tls_started(&mut self, _: TlsFacts) {
        self.lines.clear();
    }
    fn peer_closed(&mut self) {
        self.ended = Some(Ending::Dropped);
    }
    fn stop(&mut self) {
        self.ended = Some(Ending::Stopped);
    }
    fn next(&mut self, output: &mut Vec<u8>) -> Step<String, String> {
        if let Some(greeting) = self.greeting.take() {
            output.extend_from_slice(greeting.as_bytes());
        }
        if let Some(ending) = self.ended {
            return Step::Close(ending);
        }
        if let Some(step) = self.pending.pop() {
            return step;
        }
        if let Some(heard) = self.heard.take() {
            output.extend_from_slice(format!("250 {heard}\r\n").as_bytes());
            return Step::Note(format!("said {heard}"));
        }
        let until = Some(self.now.after(Duration::from_secs(10)));
        let Some(Line::Whole(line)) = self.lines.next_line(100) else {
            return Step::Idle { until };
        };
        let line = String::from_utf8_lossy(line).into_owned();
        match line.as_str() {
            "TLS" => Step::StartTls,
            "QUIT" => Step::Close(Ending::Quit),
            _ => {
                self.asked = true;
                Step::Ask(line)
            }
        }
    }
}

struct Forest;

impl Scripted for Forest {
    type Machine = Parrot;

    fn begin(settings: &[String]) -> Result<(Self, Parrot), String> {
        let parrot = Parrot {
            lines: Lines::default(),
            asked: false,
            hasty: settings.iter().any(|word| word == "hasty"),
            now: Moment::default(),
            pending: Vec::new(),
            greeting: Some("220 parrot\r\n"),
            heard: None,
            ended: None,
        };
        Ok((Self, parrot))
    }
    fn question_text(&mut self, question: &String) -> String {
        question.clone()
    }
    fn usual_answer(&mut self, question: String) -> String {
        question
    }
    fn scripted_answer(&mut self, text: &str, _: String) -> Result<String, String> {
        Ok(text.to_owned())
    }
    fn body(&mut self, _: Bytes) {}
    fn note_text(&mut self, note: &String) -> String {
        note.clone()
    }
}

fn transcript(source: &str) -> Transcript {
    Transcript::parse(Path::new("parrot.txt"), source).unwrap()
}

fn failure_of(source: &str) -> String {
    check::<Forest>(&transcript(source))
        .unwrap_err()
        .to_string()
}

const WHOLE: &str = "# A parrot says what it hears, unless told otherwise.
?! *secret*
S: 220 *
C: hello
S: 250 hello
C: one
C: two
?: one
!: uno
S: 250 uno
?: two
S~ done
N: said two
C: TLS
C: this came in clear
@ tls
C: three
S: 250 three
@ wait 9s
C: four
S: 250 four
@ wait 10s
@ closed timed-out
";

#[test]
fn a_conversation_passes_in_every_cut() {
    check::<Forest>(&transcript(WHOLE)).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn a_difference_is_told_with_file_and_line() {
    let told = failure_of("# x\nS: 220 *\nC: a\nS: 250 b\n");
    assert!(told.starts_with("parrot.txt:4 (as written)\n"), "{told}");
    assert!(
        told.contains("expected  S: 250 b\n    came      S: 250 a"),
        "{told}"
    );
}

#[test]
fn what_is_said_too_much_or_too_little_fails() {
    let told = failure_of("# x\nS: 220 *\nC: a\n");
    assert!(told.contains("expected  nothing"), "{told}");
    let told = failure_of("# x\nS: 220 *\nC: a\nS~ done\nS: 250 *\n");
    assert!(told.contains("came      nothing"), "{told}");
}

#[test]
fn a_session_that_depends_on_cuts_fails() {
    let told = failure_of("# x\n@ with hasty\nS: 220 *\nC: ab\nS: 250 ab\n");
    assert!(told.contains("byte by byte"), "{told}");
}

#[test]
fn questions_and_notes_are_compared() {
    for source in [
        "# x\nS: 220 *\nC: a\n?: b\nS: 250 a\n",
        "# x\nS: 220 *\nC: a\nS: 250 a\n?: a\n",
        "# x\nS: 220 *\nC: a\nN: said b\nS: 250 a\n",
        "# x\n?! a*\nS: 220 *\nC: abc\nS: 250 abc\n",
    ] {
        failure_of(source);
    }
}

#[test]
fn an_ending_must_be_written_down() {
    failure_of("# x\nS: 220 *\nC: QUIT\n");
    failure_of("# x\nS: 220 *\nC: QUIT\n@ closed abuse\n");
    failure_of("# x\nS: 220 *\n@ closed\n");
    check::<Forest>(&transcript("# x\nS: 220 *\nC: QUIT\n@ closed quit\n")).unwrap();
}

#[test]
fn blessing_rewrites_server_lines_and_nothing_else() {
    let stale = "# x\nS: 221 old\nC: a\n?: a\n!: b\nC: c\nS: 250 d\nS: 250 e\nC: f\nS: 250 f\n";
    let fresh = "# x\nS: 220 parrot\nC: a\n?: a\n!: b\nS: 250 b\nC: c\nS: 250 c\nC: f\nS: 250 f\n";
    for source in [stale, fresh] {
        assert_eq!(blessed::<Forest>(&transcript(source)).unwrap(), fresh);
    }
}

#[test]
fn a_live_server_is_held_to_the_same_lines() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut server = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"220 parrot\r\n").unwrap();
            let mut heard = [0; 3];
            stream.read_exact(&mut heard).unwrap();
            stream.write_all(b"250 a\r\n").unwrap();
        }
    });
    let good = transcript("# x\n?! b\nS: 220 *\nC: a\n?: a\nS~ done\nN: c\n@ closed\n");
    run_live(&good, &mut server).unwrap_or_else(|failure| panic!("{failure}"));
    run_live_at(Pace::Octets, &good, &mut server).unwrap_or_else(|failure| panic!("{failure}"));
    let bad = transcript("# x\nS: 220 *\nC: a\nS: 250 b\n");
    let told = run_live(&bad, &mut server).unwrap_err().to_string();
    assert!(told.starts_with("parrot.txt:4"), "{told}");
    thread.join().unwrap();
}

#[test]
fn lines_that_have_no_place_in_a_transcript_are_passed_over_when_live() {
    struct Talkative(SocketAddr);
    impl Live for Talkative {
        fn connect(&mut self) -> std::io::Result<Box<dyn Connection>> {
            self.0.connect()
        }

        fn seen(&mut self, line: String) -> Option<String> {
            (line != "aside").then(|| line.replace("1024", "24"))
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut server = Talkative(listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"aside\r\n220 1024 octets\r\n").unwrap();
    });
    let transcript = transcript("# x\nS: 220 24 octets\n@ closed\n");
    run_live(&transcript, &mut server).unwrap_or_else(|failure| panic!("{failure}"));
    thread.join().unwrap();
}

#[test]
fn a_transcript_says_what_keeps_it_from_a_real_socket() {
    let live = transcript("# x\n?! commit*\nS: 220 *\nC: a\n?: commit \"b\"\n@ tls\n@ closed\n");
    assert_eq!(live.needs_a_stage(), None);
    assert!(live.forbids("commit \"c\""));
    assert_eq!(live.questions("commit").count(), 1);
    assert_eq!(live.input(), b"a\r\n");
    for (source, why) in [
        ("# x\n!: a\n", "it answers for the desk"),
        ("# x\n@ wait 5m\n", "it turns the clock"),
        ("# x\n@ stop\n", "it stops the process"),
    ] {
        assert_eq!(transcript(source).needs_a_stage(), Some(why));
    }
}
