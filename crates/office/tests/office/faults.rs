//! A store that fails at any one of its operations, and what the peers are told and find then.
//!
//! The invariant: every message for which a peer saw 250 can be retrieved, whole, until it is
//! removed; every message for which it did not is either retrievable once or gone; nothing else is
//! visible. And a fault of ours is always temporary: 451 or 452, or `-ERR [SYS/TEMP]`.

use std::sync::Arc;

use bytes::Bytes;
use cassmail_mail::{Delivery, IdMinter, NodeId, Owner, ReversePath, UnixTime};
use cassmail_office::MaildropLock;
use cassmail_store::ErrorKind::{Conflict, Corrupt, Indeterminate, Unavailable};
use cassmail_store::{At, Fault, Faulty, Health, MemoryStore, Patience, Reason, Script};

use crate::house::{House, PASSWORD, address};

const FAULTS: [Fault; 9] = [
    Fault::Before(Unavailable(Reason::Engine)),
    Fault::Before(Unavailable(Reason::Full)),
    Fault::Before(Unavailable(Reason::Overloaded)),
    Fault::Before(Unavailable(Reason::Closing)),
    Fault::Before(Indeterminate),
    Fault::Before(Corrupt),
    Fault::Before(Conflict),
    // Not what a store may say of what has happened, but the peer must not be harmed by it.
    Fault::After(Unavailable(Reason::Engine)),
    Fault::After(Indeterminate),
];

const EVERYBODY: [&str; 3] = ["bob", "carol", "dave"];

const MESSAGE: &str = "Subject: hello\r\n\r\nIt works.\r\n";

/// A house whose store follows a script; what was needed to build it does not count.
async fn scripted(lock: MaildropLock) -> (House, Script) {
    let script = Script::new();
    let store = Faulty::new(Arc::new(MemoryStore::new()), &script);
    let house = House::over(Arc::new(store), lock).await;
    script.restart();
    (house, script)
}

/// How a message is sent.
#[derive(Debug, Clone, Copy)]
enum Way {
    Mx,
    Chunks,
    Submission,
}

/// What a sender was told.
#[derive(Debug, Default)]
struct Told {
    /// For whom it was told that the message is stored.
    promised: Vec<&'static str>,
    /// Every reply that was no success.
    refusals: Vec<String>,
}

impl Told {
    fn is_yes(&mut self, reply: &str) -> bool {
        let is_yes = reply.starts_with('2') || reply.starts_with('3');
        if !is_yes {
            self.refusals.push(reply.to_owned());
        }
        is_yes
    }
}

/// Sends a message as careful clients do: each step after the answer to the one before.
async fn send(house: &House, way: Way, recipients: &[&'static str]) -> Told {
    let mut told = Told::default();
    let mut talk = match way {
        Way::Submission => house.submission_talk(),
        Way::Mx | Way::Chunks => house.mx_talk(),
    };
    let mut opening = vec!["EHLO c.example\r\n"];
    if let Way::Submission = way {
        opening.push("AUTH PLAIN AGJvYgBvcGVuIHNlc2FtZQ==\r\n");
    }
    opening.push("MAIL FROM:<bob@here.example>\r\n");
    talk.say(b"").await;
    for command in opening {
        let reply = talk.say(command.as_bytes()).await;
        if !told.is_yes(&reply) {
            return told;
        }
    }
    let mut accepted = Vec::new();
    for &recipient in recipients {
        let command = format!("RCPT TO:<{recipient}@here.example>\r\n");
        let reply = talk.say(command.as_bytes()).await;
        if told.is_yes(&reply) {
            accepted.push(recipient);
        }
    }
    if accepted.is_empty() {
        return told;
    }
    let (first, second) = MESSAGE.split_at(20);
    let steps = match way {
        Way::Chunks => vec![
            format!("BDAT {}\r\n{first}", first.len()),
            format!("BDAT {} LAST\r\n{second}", second.len()),
        ],
        Way::Mx | Way::Submission => vec!["DATA\r\n".to_owned(), format!("{MESSAGE}.\r\n")],
    };
    for step in steps {
        let reply = talk.say(step.as_bytes()).await;
        if !told.is_yes(&reply) {
            return told;
        }
    }
    talk.say(b"QUIT\r\n").await;
    told.promised = accepted;
    told
}

/// The copies in a maildrop, each of which has to be whole.
async fn copies(house: &House, person: &str) -> usize {
    let messages = house.maildrop(&format!("{person}@here.example")).await;
    for message in &messages {
        assert!(message.starts_with("Return-Path: <bob@here.example>\r\n"));
        assert!(message.ends_with(MESSAGE), "{message}");
    }
    messages.len()
}

/// Fails every operation of sending in every manner.
async fn sweep_sending(way: Way, recipients: &[&'static str]) {
    let (house, script) = scripted(MaildropLock::Shared).await;
    let told = send(&house, way, recipients).await;
    assert_eq!(told.promised, recipients, "{told:?}");
    let operations = script.operations();
    assert!(operations >= 6, "there is something to fail");
    for k in 1..=operations {
        for fault in FAULTS {
            let (house, script) = scripted(MaildropLock::Shared).await;
            script.fail(At::Operation(k), fault);
            let told = send(&house, way, recipients).await;
            script.restart();
            let scene = format!("{way:?} to {recipients:?}, {fault:?} at {k}: {told:?}");
            check_refusals(&told, &scene);
            let uncertain = usize::from(matches!(fault, Fault::After(_)));
            let mut found = Vec::new();
            for person in EVERYBODY {
                let copies = copies(&house, person).await;
                let is_meant = recipients.contains(&person);
                match told.promised.contains(&person) {
                    true => assert_eq!(copies, 1, "{person}, {scene}"),
                    false if is_meant => assert!(copies <= uncertain, "{person}, {scene}"),
                    false => assert_eq!(copies, 0, "{person}, {scene}"),
                }
                found.push(copies);
            }
            // The peer tries again for whom it was not told: better twice than lost.
            let left = recipients.iter().copied();
            let left: Vec<_> = left.filter(|who| !told.promised.contains(who)).collect();
            let told = send(&house, way, &left).await;
            assert_eq!(told.promised, left, "{scene}");
            for (person, before) in EVERYBODY.into_iter().zip(found) {
                let expected = before + usize::from(left.contains(&person));
                assert_eq!(copies(&house, person).await, expected, "{person}, {scene}");
            }
        }
    }
}

/// One fault is told once, and never as if the peer had to act.
fn check_refusals(told: &Told, scene: &str) {
    let [refusal] = told.refusals.as_slice() else {
        panic!("one fault has one refusal: {scene}");
    };
    let is_bland = ["451 4.3.0 ", "452 4.3.1 ", "454 4.7.0 "]
        .iter()
        .any(|known| refusal.starts_with(known));
    assert!(is_bland && refusal.lines().count() == 1, "{scene}");
}

#[tokio::test]
async fn whatever_fails_while_a_message_for_one_comes_in_it_is_kept_whole_or_refused_for_now() {
    sweep_sending(Way::Mx, &["bob"]).await;
}

#[tokio::test]
async fn whatever_fails_while_a_message_for_several_comes_in_each_promise_is_kept() {
    sweep_sending(Way::Mx, &["bob", "carol"]).await;
}

#[tokio::test]
async fn whatever_fails_while_chunks_come_in_they_are_kept_whole_or_refused_for_now() {
    sweep_sending(Way::Chunks, &["carol", "bob"]).await;
}

#[tokio::test]
async fn whatever_fails_while_a_user_sends_it_is_not_taken_for_a_wrong_password() {
    sweep_sending(Way::Submission, &["carol"]).await;
}

/// The two messages of [`read`], of which the second is given out in several pieces.
fn letters() -> [String; 2] {
    let long = "Every line has sixty-four octets, and there are very many of them\r\n".repeat(9000);
    [MESSAGE.to_owned(), format!("Subject: long\r\n\r\n{long}")]
}

/// Puts messages into bob's maildrop without the way through SMTP, which has its own sweep.
async fn fill(house: &House, letters: &[String]) {
    let account = house.directory.account(&address("bob@here.example")).await;
    let account = account.unwrap().unwrap();
    let minter = IdMinter::new(NodeId::from_random(9));
    for letter in letters {
        let id = minter.mint(UnixTime::from_micros(1_700_000_000_000_000));
        let mut writer = house.store.begin(id).await.unwrap();
        let piece = Bytes::copy_from_slice(letter.as_bytes());
        writer.write(piece).await.unwrap();
        let owner = Owner {
            account,
            recipient: None,
            uidl: None,
        };
        let delivery = Delivery {
            reverse_path: ReversePath::Null,
            received_at: id.minted_at(),
            surrogate_size: None,
            owners: vec![owner],
        };
        let patience = Patience(std::time::Duration::from_secs(1));
        let stored = writer.commit(delivery, patience).await.unwrap();
        assert_eq!(stored.id(), id);
    }
}

/// How a session of a reader ended.
#[derive(Debug, PartialEq, Eq)]
enum Reading {
    /// QUIT was answered with +OK.
    Removed,
    /// QUIT was answered with -ERR.
    Unsure,
    /// It did not come to QUIT.
    BrokenOff,
}

/// Reads both messages, removes the first; counts what was refused on the way. Tries a second time
/// what was refused for now, as people do.
async fn read(house: &House, letters: &[String]) -> (Reading, usize) {
    let mut refused = 0;
    let mut talk = house.pop3_talk();
    talk.say(b"").await;
    loop {
        talk.say(b"USER bob\r\n").await;
        let reply = talk.say(format!("PASS {PASSWORD}\r\n").as_bytes()).await;
        if reply.starts_with("+OK") {
            break;
        }
        assert!(reply.starts_with("-ERR [SYS/TEMP] "), "{reply}");
        refused += 1;
        assert!(refused < 2, "a fault that has passed does not come back");
    }
    let sizes: usize = letters.iter().map(String::len).sum();
    let stat = talk.say(b"STAT\r\n").await;
    assert_eq!(stat, format!("+OK {} {sizes}\r\n", letters.len()));
    for (index, letter) in letters.iter().enumerate() {
        let retrieve = format!("RETR {}\r\n", index + 1);
        loop {
            let reply = talk.say(retrieve.as_bytes()).await;
            if reply.starts_with("-ERR") {
                let known = ["-ERR [SYS/TEMP] ", "-ERR [SYS/PERM] "];
                assert!(known.iter().any(|known| reply.starts_with(known)));
                refused += 1;
                assert!(refused < 2, "a fault that has passed does not come back");
                continue;
            }
            let (_, body) = reply.split_once("\r\n").unwrap();
            if talk.is_open {
                assert!(body == format!("{letter}.\r\n"), "what has an end is whole");
                break;
            }
            let is_part = letter.starts_with(body) && !body.ends_with("\r\n.\r\n");
            assert!(is_part, "what is not whole has no end");
            return (Reading::BrokenOff, refused + 1);
        }
    }
    talk.say(b"DELE 1\r\n").await;
    let reply = talk.say(b"QUIT\r\n").await;
    assert!(!talk.is_open);
    if reply.starts_with("+OK") {
        return (Reading::Removed, refused);
    }
    assert_eq!(reply, "-ERR some deleted messages not removed\r\n");
    (Reading::Unsure, refused + 1)
}

/// Fails every operation of a reader's session in every manner.
async fn sweep_reading(lock: MaildropLock) {
    let letters = letters();
    let (house, script) = scripted(lock).await;
    fill(&house, &letters).await;
    script.restart();
    assert_eq!(read(&house, &letters).await, (Reading::Removed, 0));
    let operations = script.operations();
    assert!(operations >= 10, "there is something to fail");
    let mut spared = 0;
    for k in 1..=operations {
        for fault in FAULTS {
            let (house, script) = scripted(lock).await;
            fill(&house, &letters).await;
            script.restart();
            script.fail(At::Operation(k), fault);
            let (reading, refused) = read(&house, &letters).await;
            script.restart();
            let scene = format!("{lock:?}, {fault:?} at {k}: {reading:?}");
            spared += usize::from(refused == 0);
            assert!(refused <= 1, "one fault has one refusal: {scene}");
            let left = house.maildrop("bob@here.example").await;
            let is_gone = left == letters[1..];
            let is_there = left == letters;
            match reading {
                Reading::Removed => assert!(is_gone, "{scene}"),
                Reading::Unsure if matches!(fault, Fault::After(_)) => assert!(is_gone, "{scene}"),
                Reading::Unsure | Reading::BrokenOff => assert!(is_there, "{scene}"),
            }
            // Whatever happened, the next session is served and can finish it.
            let (reading, refused) = read(&house, &left).await;
            assert_eq!((reading, refused), (Reading::Removed, 0), "{scene}");
            let rest = house.maildrop("bob@here.example").await;
            assert!(rest == left[1..], "{scene}");
        }
    }
    // The rule of the domain, which is policy.
    assert_eq!(spared, FAULTS.len(), "one operation is not needed");
}

#[tokio::test]
async fn whatever_fails_while_mail_is_read_nothing_is_lost_and_no_part_is_taken_for_the_whole() {
    sweep_reading(MaildropLock::Shared).await;
}

#[tokio::test]
async fn a_fault_does_not_leave_an_exclusive_maildrop_locked() {
    sweep_reading(MaildropLock::Exclusive).await;
}

#[tokio::test]
async fn a_message_that_fails_at_every_try_is_refused_each_time_and_never_half_there() {
    for fault in FAULTS {
        let (house, script) = scripted(MaildropLock::Shared).await;
        script.fail(At::Every(cassmail_store::Verb::Write), fault);
        for _ in 0..3 {
            let told = send(&house, Way::Chunks, &["bob"]).await;
            check_refusals(&told, &format!("{fault:?}: {told:?}"));
        }
        script.restart();
        assert_eq!(copies(&house, "bob").await, 0, "{fault:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_full_or_poisoned_refuses_mail_for_now_at_once() {
    let (house, script) = scripted(MaildropLock::Shared).await;
    script.set_health(Some(Health::Full));
    let told = send(&house, Way::Mx, &["bob"]).await;
    assert!(told.refusals[0].starts_with("452 4.3.1 "), "{told:?}");
    assert_eq!(read_nothing(&house).await, "+OK");
    script.set_health(None);
    script.poison("the disk is gone");
    let told = send(&house, Way::Mx, &["bob"]).await;
    assert!(told.refusals[0].starts_with("451 4.3.0 "), "{told:?}");
    assert_eq!(read_nothing(&house).await, "-ERR");
}

/// The status of a login; a failure must be temporary.
async fn read_nothing(house: &House) -> &'static str {
    let login = format!("USER bob\r\nPASS {PASSWORD}\r\n");
    let answers = house.pop3(login.as_bytes()).await;
    let verdict = answers.lines().nth(2).unwrap();
    if verdict.starts_with("-ERR [SYS/TEMP] ") {
        "-ERR"
    } else {
        assert!(verdict.starts_with("+OK"), "{answers}");
        "+OK"
    }
}
