//! What transcripts cannot show: memory, time, the end of the process in the middle of a command,
//! and bytes that nobody would write down.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cassmail_mail::{Entry, MessageId, Removed};
use cassmail_pop3::{
    Answer, ClearTextLogin, Contents, LoginRefusal, Note, Options, Question, Session,
};
use cassmail_wire::sasl::{Acceptance, Claim};
use cassmail_wire::{Ending, Machine, Moment, Step};
use proptest::prelude::*;

/// What the output may hold: the limit, and a portion of a message that is dots for the most part.
const BOUND: usize = 64 * 1024 + 2 * 64 * 1024;

/// A driver and a desk that knows everything at once, like the real ones: output is gathered over
/// questions and sent when the session asks for it or waits.
struct Connection {
    session: Session,
    maildrop: Vec<Entry>,
    body: Bytes,
    open: Bytes,
    output: Vec<u8>,
    largest_output: usize,
    sent: Vec<u8>,
    sent_count: usize,
    keeps: bool,
    removals: usize,
    notes: Vec<Note>,
}

/// Where a connection stands after input.
#[derive(Debug, PartialEq, Eq)]
enum Rest {
    Waits(Option<Moment>),
    Asks(Question),
    StartsTls,
    Closed(Ending),
}

fn in_clear() -> Options {
    Options {
        clear_text_login: ClearTextLogin::Allowed,
        ..Options::default()
    }
}

fn connection(messages: usize, body: &[u8]) -> Connection {
    let entry = |place: usize| Entry {
        id: MessageId::from_key((place as u128 + 1).to_be_bytes()),
        size: body.len() as u64,
        surrogate_size: None,
        imported_uidl: None,
    };
    Connection {
        session: Session::in_clear(Arc::new(in_clear()), Moment::default()),
        maildrop: (0..messages).map(entry).collect(),
        body: body.to_vec().into(),
        open: Bytes::new(),
        output: Vec::new(),
        largest_output: 0,
        sent: Vec::new(),
        sent_count: 0,
        keeps: true,
        removals: 0,
        notes: Vec::new(),
    }
}

fn logged_in(messages: usize, body: &[u8]) -> Connection {
    let mut connection = connection(messages, body);
    connection.say(b"USER bob\r\nPASS sesame\r\n");
    connection.sent.clear();
    connection.sent_count = 0;
    connection
}

impl Connection {
    fn say(&mut self, bytes: &[u8]) -> Rest {
        self.session.receive(bytes);
        self.settle()
    }

    /// Goes on until the session waits for the peer, answering all questions.
    fn settle(&mut self) -> Rest {
        loop {
            match self.until_question() {
                Rest::Asks(question) => {
                    let answer = self.answer_to(question);
                    self.session.answer(answer);
                }
                rest => return rest,
            }
        }
    }

    fn until_question(&mut self) -> Rest {
        loop {
            let step = self.session.next(&mut self.output);
            self.largest_output = self.largest_output.max(self.output.len());
            match step {
                Step::Flush => self.send(),
                Step::Ask(question) => return Rest::Asks(question),
                Step::Body(_) => panic!("POP3 takes no messages"),
                Step::Note(note) => self.notes.push(note),
                Step::StartTls => {
                    self.send();
                    return Rest::StartsTls;
                }
                Step::Idle { until } => {
                    self.send();
                    return Rest::Waits(until);
                }
                Step::Close(ending) => {
                    self.send();
                    return Rest::Closed(ending);
                }
            }
        }
    }

    fn send(&mut self) {
        self.sent_count += self.output.len();
        if self.keeps {
            self.sent.extend_from_slice(&self.output);
        }
        self.output.clear();
    }

    fn answer_to(&mut self, question: Question) -> Answer {
        match question {
            Question::StartScram(_) => Answer::StartScram(Err(LoginRefusal::TryLater)),
            Question::LogIn(claim) if claim == Claim::of_password("bob", "sesame") => {
                Answer::LogIn(Ok(Acceptance::default()))
            }
            Question::LogIn(_) => Answer::LogIn(Err(LoginRefusal::Wrong)),
            Question::OpenMaildrop => Answer::Maildrop(Ok(Contents {
                entries: self.maildrop.clone(),
                expire: None,
            })),
            Question::OpenBody(..) => {
                self.open = self.body.clone();
                Answer::Opened(Ok(()))
            }
            Question::NextPiece => {
                let piece = self.open.split_to(self.open.len());
                Answer::Piece(Ok((!piece.is_empty()).then_some(piece)))
            }
            Question::CloseBody => Answer::BodyClosed,
            Question::Remove(ids) => {
                self.removals += 1;
                Answer::Removed(Ok(Removed::asserted_gone(ids.len())))
            }
        }
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.sent).into_owned()
    }
}

fn minutes(count: u64) -> Moment {
    Moment(Duration::from_mins(count))
}

#[test]
fn a_thousand_pipelined_retrievals_cost_a_buffer() {
    let line = b"..............................................................\r\n";
    let body = [b"Subject: large\r\n\r\n".to_vec(), line.repeat(4000)].concat();
    let mut connection = logged_in(1, &body);
    connection.keeps = false;
    connection.say(&b"RETR 1\r\n".repeat(1000));
    assert!(
        connection.largest_output <= BOUND,
        "{}",
        connection.largest_output
    );
    assert!(connection.sent_count > 1000 * body.len());
    let tally = connection.session.tally();
    assert_eq!(tally.retrieved, 1000);
    assert_eq!(tally.bytes, 1000 * body.len() as u64);
}

/// RFC 2449 6.6: each has its reply, in order, and is done once.
#[test]
fn a_thousand_pipelined_marks_are_answered() {
    let mut connection = logged_in(1000, b"x");
    let each = |line: fn(u32) -> String| (1..=1000).map(line).collect::<Vec<_>>().concat();
    let commands = each(|n| format!("DELE {n}\r\n"));
    connection.say(commands.as_bytes());
    let expected = each(|n| format!("+OK message {n} marked\r\n"));
    assert_eq!(connection.said(), expected);
    assert_eq!(connection.say(b"QUIT\r\n"), Rest::Closed(Ending::Quit));
    assert_eq!(connection.removals, 1);
}

#[test]
fn a_thousand_pipelined_listings_cost_a_buffer() {
    let mut connection = logged_in(1000, b"x");
    connection.keeps = false;
    connection.say(&b"LIST\r\nUIDL\r\nDELE 1\r\n".repeat(300));
    assert!(
        connection.largest_output <= BOUND,
        "{}",
        connection.largest_output
    );
}

#[test]
fn a_large_maildrop_is_listed_in_portions() {
    let mut connection = logged_in(100_000, b"x");
    connection.say(b"UIDL\r\nSTAT\r\n");
    assert!(
        connection.largest_output <= BOUND,
        "{}",
        connection.largest_output
    );
    let said = connection.said();
    assert_eq!(said.lines().count(), 100_003);
    let last = connection.maildrop[99_999].uidl();
    let end = format!("\r\n100000 {last}\r\n.\r\n+OK 100000 100000\r\n");
    assert!(said.ends_with(&end));
}

#[test]
fn a_listing_skips_marks_across_portions() {
    let mut connection = logged_in(20_000, b"x");
    for number in (1..=20_000).filter(|number| number % 3 != 0) {
        connection.say(format!("DELE {number}\r\n").as_bytes());
    }
    connection.sent.clear();
    connection.say(b"LIST\r\n");
    let said = connection.said();
    let numbers: Vec<usize> = said
        .lines()
        .skip(1)
        .filter_map(|line| line.split(' ').next()?.parse().ok())
        .collect();
    let expected: Vec<usize> = (1..=20_000).filter(|number| number % 3 == 0).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn a_driver_that_keeps_its_output_gets_everything_all_the_same() {
    let mut connection = logged_in(10_000, b"x");
    connection.session.receive(b"LIST\r\n");
    let mut output = Vec::new();
    while connection.session.next(&mut output) == Step::Flush {}
    assert!(output.ends_with(b"10000 1\r\n.\r\n"));
}

#[test]
fn a_client_that_reads_slowly_is_not_idle_meanwhile() {
    let mut connection = logged_in(10_000, b"x");
    connection.session.receive(b"LIST\r\n");
    assert_eq!(connection.session.next(&mut connection.output), Step::Flush);
    connection.output.clear();
    assert_eq!(
        connection.settle(),
        Rest::Waits(Some(minutes(10))),
        "nobody told the time"
    );
    connection.session.tick(minutes(15));
    assert_eq!(connection.settle(), Rest::Waits(Some(minutes(25))));
    connection.session.tick(minutes(25));
    assert_eq!(connection.settle(), Rest::Closed(Ending::TimedOut));
}

#[test]
fn the_idle_time_begins_when_the_answer_is_there() {
    let mut connection = logged_in(1, b"x");
    connection.session.receive(b"RETR 1\r\n");
    let Rest::Asks(question) = connection.until_question() else {
        panic!("RETR asks");
    };
    assert_eq!(connection.until_question(), Rest::Waits(None));
    connection.session.tick(minutes(30));
    let answer = connection.answer_to(question);
    connection.session.answer(answer);
    assert_eq!(connection.settle(), Rest::Waits(Some(minutes(40))));
}

#[test]
fn a_stop_waits_for_the_message_and_reads_no_more_commands() {
    let mut connection = logged_in(2, b"A: 1\r\n\r\nbody\r\n");
    connection.session.receive(b"RETR 1\r\nRETR 2\r\n");
    let Rest::Asks(question) = connection.until_question() else {
        panic!("RETR asks");
    };
    let answer = connection.answer_to(question);
    connection.session.stop();
    assert_eq!(connection.until_question(), Rest::Waits(None));
    connection.session.answer(answer);
    assert_eq!(connection.settle(), Rest::Closed(Ending::Stopped));
    assert_eq!(
        connection.said(),
        "+OK 14 octets\r\nA: 1\r\n\r\nbody\r\n.\r\n"
    );
}

#[test]
fn a_stop_waits_for_the_removal_and_its_reply() {
    let mut connection = logged_in(1, b"x");
    connection.session.receive(b"DELE 1\r\nQUIT\r\n");
    let Rest::Asks(question) = connection.until_question() else {
        panic!("QUIT asks");
    };
    connection.session.stop();
    let answer = connection.answer_to(question);
    connection.session.answer(answer);
    assert_eq!(connection.settle(), Rest::Closed(Ending::Quit));
    assert!(
        connection
            .said()
            .ends_with("+OK 1 message removed, goodbye\r\n")
    );
    assert_eq!(connection.session.tally().removed, 1);
}

#[test]
fn a_stop_while_a_listing_is_given_out_lets_it_finish() {
    let mut connection = logged_in(10_000, b"x");
    connection.session.receive(b"LIST\r\nSTAT\r\n");
    assert_eq!(connection.session.next(&mut connection.output), Step::Flush);
    connection.session.stop();
    assert_eq!(connection.settle(), Rest::Closed(Ending::Stopped));
    assert!(connection.said().ends_with("10000 1\r\n.\r\n"));
}

#[test]
fn what_was_said_before_the_peer_closed_is_carried_out() {
    let mut connection = logged_in(1, b"x");
    connection.session.receive(b"STAT\r\nDELE 1\r\nQUIT\r\n");
    connection.session.peer_closed();
    assert_eq!(connection.settle(), Rest::Closed(Ending::Quit));
    assert_eq!(connection.removals, 1, "QUIT was said");
    let mut connection = logged_in(1, b"x");
    connection.session.receive(b"DELE 1\r\nSTAT\r\n");
    connection.session.peer_closed();
    assert_eq!(connection.settle(), Rest::Closed(Ending::Dropped));
    assert_eq!(connection.removals, 0);
}

#[test]
fn an_answer_without_a_question_ends_the_session() {
    let mut connection = logged_in(1, b"x");
    connection.session.answer(Answer::BodyClosed);
    assert_eq!(connection.settle(), Rest::Closed(Ending::Fault));
    assert_eq!(connection.notes, [Note::AnswerOutOfTurn]);
}

#[test]
fn tls_without_stls_ends_the_session() {
    let mut connection = logged_in(1, b"x");
    connection
        .session
        .tls_started(cassmail_transcript::tls_facts());
    assert_eq!(connection.settle(), Rest::Closed(Ending::Fault));
}

#[test]
fn a_handshake_that_never_ends_is_given_up() {
    let mut connection = connection(0, b"");
    assert_eq!(connection.say(b"STLS\r\n"), Rest::StartsTls);
    assert_eq!(connection.settle(), Rest::Waits(Some(minutes(10))));
    connection.session.tick(minutes(10));
    assert_eq!(connection.settle(), Rest::Closed(Ending::TimedOut));
}

#[test]
fn the_tally_tells_what_was_done() {
    let mut connection = connection(3, b"A: 1\r\n\r\nbody\r\n");
    connection.say(b"USER bob\r\nPASS sesame\r\nRETR 1\r\nTOP 2 0\r\nDELE 1\r\nDELE 3\r\nQUIT\r\n");
    let tally = connection.session.tally();
    assert_eq!(tally.user.as_deref(), Some("bob"));
    assert_eq!((tally.listed, tally.retrieved, tally.topped), (3, 1, 1));
    assert_eq!((tally.bytes, tally.removed), (14 + 8, 2));
}

#[test]
fn a_session_does_not_print_what_it_was_told() {
    let mut connection = connection(0, b"");
    connection.say(b"USER bob\r\n");
    connection.session.receive(b"PASS sesame");
    assert!(!format!("{:?}", connection.session).contains("sesame"));
}

/// Lines that a fuzzer would take long to find, and noise.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        8 => prop::sample::select(vec![
            &b"USER bob"[..], b"PASS sesame", b"PASS no", b"AUTH", b"AUTH LOGIN", b"Ym9i",
            b"c2VzYW1l", b"*", b"AUTH PLAIN =", b"STAT", b"LIST", b"LIST 2", b"UIDL", b"UIDL 1",
            b"RETR 1", b"RETR 2", b"TOP 1 1", b"TOP 2 0", b"DELE 1", b"DELE 3", b"RSET", b"NOOP",
            b"CAPA", b"STLS", b"QUIT", b"GET / HTTP/1.1", b"RETR 99", b"\x16\x03\x01",
        ]).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..300),
    ];
    prop::collection::vec(line, 0..40).prop_map(|lines| lines.join(&b"\r\n"[..]))
}

proptest! {
    #[test]
    fn no_input_makes_it_panic_hang_or_depend_on_cuts(
        input in input(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut whole = connection(3, b"A: 1\r\n\r\n.body\r\nmore\r\n");
        let rest = whole.say(&input);
        let mut cut = connection(3, b"A: 1\r\n\r\n.body\r\nmore\r\n");
        let mut cuts: Vec<usize> = cuts.iter().map(|index| index.index(input.len() + 1)).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        let mut last = Rest::Waits(None);
        for pair in cuts.windows(2) {
            // As the driver does: after the end, and behind STLS, what comes in clear is dropped.
            if matches!(last, Rest::Waits(_)) {
                last = cut.say(&input[pair[0]..pair[1]]);
            }
        }
        prop_assert_eq!(&cut.sent, &whole.sent);
        prop_assert_eq!(last, rest);
        prop_assert!(whole.removals <= 1);
        prop_assert!(whole.removals == 0 || input.windows(4).any(|word| word == b"QUIT"));
    }
}
