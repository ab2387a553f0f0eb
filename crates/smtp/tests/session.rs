//! What no single conversation shows: bounds, any bytes at all, and what is known at the end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use cassmail_mail::{MessageId, Stored};
use cassmail_smtp::server::{
    Answer, Committed, LoginRefusal, Options, Question, Recipient, Session,
};
use cassmail_smtp::{Class, Verb};
use cassmail_wire::sasl::Acceptance;
use cassmail_wire::{Caller, Ending, Machine, Moment, SessionId, Source, Step};
use proptest::prelude::*;

fn session(options: Options) -> Session {
    let address = SocketAddr::from(([192, 0, 2, 1], 25));
    let caller = Caller {
        session: SessionId(1),
        peer: address,
        source: Source::of(address.ip()),
        local: address,
        tls: None,
        accepted_at: Moment::default(),
    };
    Session::new(Arc::new(options), &caller)
}

fn mx() -> Options {
    Options::mx("here.example".parse().unwrap())
}

/// A conversation in which every question is answered with yes.
struct Talk {
    session: Session,
    output: Vec<u8>,
    body: Vec<u8>,
    pieces: usize,
    commits: usize,
    /// The most that the session gave out between two flushes.
    most: usize,
    ended: Option<Ending>,
}

impl Talk {
    fn new(options: Options) -> Self {
        let mut talk = Self {
            session: session(options),
            output: Vec::new(),
            body: Vec::new(),
            pieces: 0,
            commits: 0,
            most: 0,
            ended: None,
        };
        talk.settle();
        talk
    }

    fn say(&mut self, bytes: &[u8]) {
        if self.ended.is_none() {
            self.session.receive(bytes);
            self.settle();
        }
    }

    fn settle(&mut self) {
        let mut sent = Vec::new();
        loop {
            let step = self.session.next(&mut sent);
            self.most = self.most.max(sent.len());
            match step {
                Step::Flush => self.output.append(&mut sent),
                Step::Ask(question) => {
                    let answer = self.yes(&question);
                    self.session.answer(answer);
                }
                Step::Body(piece) => {
                    self.pieces += 1;
                    self.body.extend_from_slice(&piece);
                }
                Step::Note(_) => {}
                Step::StartTls | Step::Idle { .. } => break,
                Step::Close(ending) => {
                    self.ended = Some(ending);
                    break;
                }
            }
        }
        self.output.append(&mut sent);
    }

    fn yes(&mut self, question: &Question) -> Answer {
        match question {
            Question::StartScram(_) => Answer::StartScram(Err(LoginRefusal::TryLater)),
            Question::LogIn(_) => {
                let address = "bob@here.example".parse().unwrap();
                let login = cassmail_smtp::server::Login { address };
                Answer::LogIn(Ok((login, Acceptance::default())))
            }
            Question::Sender(_) => Answer::Sender(Ok(())),
            Question::Recipient(_) => Answer::Recipient(Ok(())),
            Question::Begin(_) => Answer::Begin(Ok(())),
            Question::Commit => {
                self.commits += 1;
                let id = MessageId::from_key([1; 16]);
                Answer::Commit(Ok(Stored::asserted_durable(id)))
            }
            Question::CommitEach => {
                self.commits += 1;
                let id = MessageId::from_key([1; 16]);
                Answer::CommitEach(Committed {
                    stored: Ok(Stored::asserted_durable(id)),
                    refused: BTreeMap::new(),
                })
            }
            Question::Forget => Answer::Forgotten,
        }
    }
}

const OPEN: &[u8] = b"EHLO c.example\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<bob@here.example>\r\n";

#[test]
fn a_mail_that_arrives_in_one_read_is_one_piece() {
    let mut talk = Talk::new(mx());
    talk.say(OPEN);
    talk.say(b"DATA\r\n");
    let text = b"0123456789 0123456789 0123456789 0123456789\r\n".repeat(230);
    talk.say(&[&text, &b".\r\n"[..]].concat());
    assert_eq!((talk.pieces, talk.commits), (1, 1));
    assert_eq!(talk.body, text);
}

#[test]
fn pieces_are_never_larger_than_64_kib() {
    for begin in [&b"DATA\r\n"[..], b"BDAT 1000000 LAST\r\n"] {
        let mut talk = Talk::new(mx());
        talk.say(&[OPEN, begin].concat());
        talk.say(&b"0123456789abcdef0123456789abcdef\r\n".repeat(29411));
        assert!(talk.pieces >= 15, "{} pieces", talk.pieces);
    }
}

#[test]
fn replies_to_a_flood_of_commands_are_given_out_in_portions() {
    let mut options = mx();
    options.limits.idle_commands = u32::MAX;
    let mut talk = Talk::new(options);
    talk.say(&b"EHLO x\r\n".repeat(8000));
    assert!(talk.output.len() > 500_000);
    assert!(talk.most < 32 * 1024, "{} octets at once", talk.most);
}

#[test]
fn what_is_known_at_the_end_is_what_happened() {
    let mut talk = Talk::new(mx());
    talk.say(OPEN);
    talk.say(b"DATA\r\n.\r\nXYZZY\r\nQUIT\r\n");
    assert_eq!(talk.ended, Some(Ending::Quit));
    assert_eq!(talk.session.messages(), 1);
    assert_eq!(talk.session.helo().unwrap().to_string(), "c.example");
    assert!(talk.session.user().is_none());
    let tally: Vec<_> = talk.session.tally().iter().collect();
    assert_eq!(
        tally,
        [
            (Verb::Ehlo, Class::Done, 1),
            (Verb::Mail, Class::Done, 1),
            (Verb::Rcpt, Class::Done, 1),
            (Verb::Data, Class::Done, 1),
            (Verb::Data, Class::Continue, 1),
            (Verb::Quit, Class::Done, 1),
            (Verb::Unknown, Class::Never, 1),
        ]
    );
}

#[test]
fn tls_makes_name_and_login_unknown() {
    let mut options = mx();
    options.auth = cassmail_smtp::server::AuthOffer::Always;
    let mut talk = Talk::new(options);
    talk.say(b"EHLO c.example\r\nAUTH PLAIN AGJvYgBzZWNyZXQ=\r\n");
    assert!(talk.session.helo().is_some() && talk.session.user().is_some());
    talk.say(b"STARTTLS\r\nEHLO evil.example\r\n");
    assert!(talk.session.helo().is_none() && talk.session.user().is_none());
    talk.session.receive(b"EHLO evil.example\r\n");
    talk.session.tls_started(cassmail_transcript::tls_facts());
    talk.settle();
    assert!(talk.session.helo().is_none() && talk.session.tls().is_some());
}

#[test]
fn no_deadline_runs_while_a_question_is_open() {
    let mut session = session(mx());
    let mut output = Vec::new();
    while !matches!(session.next(&mut output), Step::Idle { .. }) {}
    session.receive(OPEN);
    while !matches!(session.next(&mut output), Step::Ask(Question::Sender(_))) {}
    assert_eq!(session.next(&mut output), Step::Idle { until: None });
    session.tick(Moment::default().after(std::time::Duration::from_hours(1)));
    assert_eq!(session.next(&mut output), Step::Idle { until: None });
    session.answer(Answer::Sender(Ok(())));
    let step = session.next(&mut output);
    assert!(matches!(
        step,
        Step::Ask(Question::Recipient(Recipient::Mailbox(_)))
    ));
}

/// Words that make conversations of the random kind go somewhere.
fn word() -> impl Strategy<Value = Vec<u8>> {
    let words: &[&[u8]] = &[
        b"EHLO c.example\r\n",
        b"HELO c\r\n",
        b"MAIL FROM:<a@c.example>\r\n",
        b"MAIL FROM:<> SIZE=10 BODY=8BITMIME SMTPUTF8\r\n",
        b"RCPT TO:<bob@here.example>\r\n",
        b"DATA\r\n",
        b"BDAT 5\r\n",
        b"BDAT 0 LAST\r\n",
        b"BDAT 7 LAST\r\n",
        b"RSET\r\n",
        b"NOOP\r\n",
        b"AUTH PLAIN\r\n",
        b"AUTH LOGIN Ym9i\r\n",
        b"AGJvYgBzZWNyZXQ=\r\n",
        b"*\r\n",
        b".\r\n",
        b"..a\r\n",
        b"\r\n.\r\n",
        b"\n.\n",
        b"\r",
        b"\n",
        b"\0",
        b"text",
        b"\xff\xfe",
    ];
    prop::sample::select(words).prop_map(<[u8]>::to_vec)
}

fn transcript_of(pieces: &[&[u8]], options: &Options) -> (Vec<u8>, Vec<u8>, usize) {
    let mut talk = Talk::new(options.clone());
    for piece in pieces {
        talk.say(piece);
    }
    (talk.output, talk.body, talk.commits)
}

proptest! {
    #[test]
    fn any_conversation_goes_the_same_way_in_any_cut(
        words in prop::collection::vec(word(), 0..24),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
        clear_logins in any::<bool>(),
    ) {
        let mut options = mx();
        options.limits.message_octets = 12;
        if clear_logins {
            options.auth = cassmail_smtp::server::AuthOffer::Always;
        }
        let input = words.concat();
        let whole = transcript_of(&[&input], &options);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect();
        let (output, body, commits) = transcript_of(&pieces, &options);
        prop_assert_eq!(&whole.0, &output);
        prop_assert_eq!(whole.2, commits);
        // A message that is refused in the end may have been handed on further in one cut than in
        // another; what was committed is the same.
        if commits > 0 && !output.windows(4).any(|four| matches!(four, b"\n552" | b"\n550")) {
            prop_assert_eq!(whole.1, body);
        }
        for line in output.split(|&byte| byte == b'\n') {
            prop_assert!(line.len() <= 511);
            prop_assert!(line.is_empty() || line.ends_with(b"\r"));
        }
    }
}
