//! What POP3 sessions may expect of each other and of their own end.

use cassmail_e2e::{Conversation, Maildrop, Options, Port, Server};

use crate::skip::keeps;

#[test]
fn two_sessions_read_and_remove_in_one_mailbox() {
    let server = holding(3);
    let mut first = open(&server);
    let mut second = open(&server);
    assert_eq!(first.retrieve_all().expect("fetches").len(), 3);
    assert_eq!(second.retrieve_all().expect("fetches").len(), 3);
    assert_ok(&first.say("DELE 1").expect("answers"));
    assert_ok(&second.say("DELE 1").expect("answers"));
    assert_ok(&second.say("DELE 2").expect("answers"));
    first.quit().expect("what was marked is removed");
    second
        .quit()
        .expect("what somebody else removed is removed as well");
    assert_eq!(subjects(&server), ["3"]);
}

#[test]
fn what_another_session_removed_is_an_error_and_the_session_goes_on() {
    let server = holding(2);
    let mut reader = open(&server);
    let mut remover = open(&server);
    assert_ok(&remover.say("DELE 1").expect("answers"));
    remover.quit().expect("removes");
    let gone = reader.say("RETR 1").expect("answers");
    assert!(gone.starts_with("-ERR"), "{gone}");
    reader.retrieve(2).expect("the other one is still there");
    reader.quit().expect("nothing was marked");
}

#[test]
fn mail_that_arrives_in_a_session_is_for_the_next_one() {
    let server = holding(1);
    let mut session = open(&server);
    deliver(&server, 2);
    assert_eq!(session.sizes().expect("lists").len(), 1);
    session.quit().expect("nothing was marked");
    assert_eq!(subjects(&server), ["1", "2"]);
}

#[test]
fn without_quit_nothing_is_removed() {
    let server = holding(2);
    let mut session = open(&server);
    assert_ok(&session.say("DELE 1").expect("answers"));
    assert_ok(&session.say("DELE 2").expect("answers"));
    drop(session);
    assert_eq!(subjects(&server), ["1", "2"]);
}

#[test]
fn what_quit_removed_does_not_come_back_after_a_crash() {
    if !keeps() {
        return;
    }
    let mut server = holding(2);
    let mut session = open(&server);
    assert_ok(&session.say("DELE 1").expect("answers"));
    session.quit().expect("removes");
    server.kill();
    server.start_again();
    assert_eq!(subjects(&server), ["2"]);
}

#[test]
fn identifiers_are_the_same_in_every_session_and_after_a_restart() {
    if !keeps() {
        return;
    }
    let mut server = holding(3);
    let identifiers = open(&server).identifiers().expect("lists");
    assert_eq!(open(&server).identifiers().expect("lists"), identifiers);
    server.terminate();
    server.wait_until_ended();
    server.start_again();
    assert_eq!(open(&server).identifiers().expect("lists"), identifiers);
}

#[test]
fn a_login_needs_no_domain_and_takes_one() {
    let server = holding(1);
    for user in ["bob", "bob@example.org", "BOB@Example.ORG"] {
        let mut maildrop = Maildrop::open(server.port(Port::Pop3), user).expect(user);
        assert_eq!(maildrop.sizes().expect("lists").len(), 1, "{user}");
    }
}

#[test]
fn mail_for_postmaster_is_mail_for_alice() {
    let server = Server::plain();
    let mut conversation = Conversation::open(server.port(Port::Mx)).expect("welcomes");
    let reply = conversation
        .offer("postmaster", b"Subject: 1\r\n\r\n")
        .expect("answers");
    assert!(reply.starts_with("250"), "{reply}");
    let mut alice = Maildrop::open(server.port(Port::Pop3), "alice").expect("logs in");
    assert_eq!(alice.sizes().expect("lists").len(), 1);
}

#[test]
fn passwords_in_clear_are_not_taken_unless_asked_for() {
    let server = Server::start(Options::default());
    let error = Maildrop::open(server.port(Port::Pop3), "bob").expect_err("TLS is needed");
    assert!(error.to_string().starts_with("-ERR"), "{error}");
}

#[test]
fn the_first_output_says_where_to_send_and_where_to_fetch() {
    let server = Server::start(Options::default());
    let stdout = server.stdout();
    for port in [
        Port::Mx,
        Port::Submission,
        Port::Submissions,
        Port::Pop3,
        Port::Pop3s,
    ] {
        let number = server.port(port).to_string();
        assert!(
            stdout.contains(&number),
            "{port:?} {number} is not in:\n{stdout}"
        );
    }
}

#[test]
fn a_store_in_memory_needs_no_data_folder_beforehand() {
    let server = Server::start(Options {
        plaintext: true,
        memory: true,
    });
    deliver(&server, 1);
    assert_eq!(subjects(&server), ["1"]);
}

/// A server whose bob has so many messages, whose subjects are their numbers.
fn holding(messages: usize) -> Server {
    let server = Server::plain();
    for number in 1..=messages {
        deliver(&server, number);
    }
    server
}

fn deliver(server: &Server, number: usize) {
    let message = format!("Subject: {number}\r\n\r\nbody\r\n");
    let mut conversation = Conversation::open(server.port(Port::Mx)).expect("welcomes");
    let reply = conversation
        .offer("bob", message.as_bytes())
        .expect("answers");
    assert!(reply.starts_with("250"), "{reply}");
}

fn open(server: &Server) -> Maildrop {
    Maildrop::open(server.port(Port::Pop3), "bob").expect("logs in")
}

fn subjects(server: &Server) -> Vec<String> {
    let messages = open(server).retrieve_all().expect("fetches");
    let subject = |message: &Vec<u8>| {
        let text = String::from_utf8_lossy(message).into_owned();
        let mut lines = text.lines();
        let subject = lines.find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned));
        subject.expect("every message has a subject")
    };
    messages.iter().map(subject).collect()
}

fn assert_ok(answer: &str) {
    assert!(answer.starts_with("+OK"), "{answer}");
}
