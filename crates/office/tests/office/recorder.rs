//! What is recorded of messages, and found.

use std::sync::Arc;
use std::time::Duration;

use cassmail_mail::{MessageId, ReversePath};
use cassmail_office::{MaildropLock, TraceAsked};
use cassmail_store::{
    At, ErrorKind, Fault, Faulty, Happened, MemoryStore, Reason, Remover, Rule, Script, Side,
    TraceEvent, Verb,
};

use crate::house::{House, PASSWORD, address};

const MESSAGE: &str =
    "Message-ID:\r\n <m1@far.example>\r\nSubject: secret plans\r\n\r\nIt works.\r\n";

/// All that is found by an address.
async fn of(house: &House, text: &str) -> Vec<TraceEvent> {
    assert!(house.recorder.flush().await);
    find(house, &asked(text)).await
}

fn asked(text: &str) -> TraceAsked {
    TraceAsked {
        address: Some(address(text)),
        limit: 1000,
        ..TraceAsked::default()
    }
}

async fn find(house: &House, asked: &TraceAsked) -> Vec<TraceEvent> {
    let found = house.lookup.find(asked).await.unwrap();
    assert_eq!(found.more, None);
    found.events
}

async fn poll(house: &House, commands: &str) -> String {
    let input = format!("USER bob\r\nPASS {PASSWORD}\r\n{commands}");
    house.pop3(input.as_bytes()).await
}

fn words(events: &[TraceEvent]) -> Vec<&'static str> {
    let word = |event: &TraceEvent| match &event.what {
        Happened::Accepted(_) => "accepted",
        Happened::Refused(_) => "refused",
        Happened::Retrieved { .. } => "retrieved",
        Happened::Removed { .. } => "removed",
    };
    events.iter().map(word).collect()
}

fn id_in(answers: &str) -> MessageId {
    let (_, rest) = answers.split_once("stored as ").unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_message_is_followed_from_its_acceptance_to_its_removal() {
    let house = House::build().await;
    let answers = house.deliver(&["bob@here.example"], MESSAGE).await;
    let id = id_in(&answers);
    poll(&house, "RETR 1\r\nQUIT\r\n").await;
    assert!(house.recorder.flush().await);
    let trace = house.lookup.message(id).await.unwrap();
    assert!(trace.places[0].is_listed, "retrieved, but still there");
    poll(&house, "DELE 1\r\nQUIT\r\n").await;
    assert!(house.recorder.flush().await);

    let trace = house.lookup.message(id).await.unwrap();
    assert_eq!(words(&trace.events), ["accepted", "retrieved", "removed"]);
    let [accepted, retrieved, removed] = trace.events.as_slice() else {
        panic!("three events");
    };
    for event in &trace.events {
        assert_eq!(event.node, "mx.here.example");
        assert_eq!(event.source, Some([192, 0, 2, 7].into()));
        assert_eq!(event.session, Some(1));
    }
    let Happened::Accepted(arrival) = &accepted.what else {
        panic!("accepted");
    };
    assert_eq!(arrival.message, id);
    assert_eq!(arrival.way.helo, "client.example");
    assert_eq!(arrival.way.with, "ESMTP");
    assert_eq!(arrival.header_id.as_deref(), Some("m1@far.example"));
    assert_eq!(arrival.size, MESSAGE.len() as u64);
    let sender = ReversePath::Mailbox(address("a@far.example"));
    assert_eq!(arrival.reverse_path, sender);
    let bob = address("bob@here.example");
    assert_eq!(arrival.recipients[0].named, Some(bob.clone()));
    let account = arrival.recipients[0].accounts[0];
    let Happened::Retrieved { of, octets } = &retrieved.what else {
        panic!("retrieved");
    };
    assert_eq!((of.account, &of.user), (account, &bob));
    assert!(*octets > arrival.size, "with the lines in front");
    assert!(matches!(
        &removed.what,
        Happened::Removed { messages, by: Remover::Owner, .. } if *messages == [id]
    ));
    assert_eq!(trace.places[0].address, Some(bob));
    assert!(!trace.places[0].is_listed);
}

#[tokio::test]
async fn a_message_is_found_by_whoever_has_to_do_with_it_in_any_case() {
    let house = House::build().await;
    let team = address("team@here.example");
    let carol = address("carol@here.example");
    house
        .administration
        .add_alias(&team, vec![carol])
        .await
        .unwrap();
    house
        .deliver(&["Team@Here.example", "bob+tag@here.example"], MESSAGE)
        .await;
    house
        .deliver(&["bob@here.example"], "Subject: x\r\n\r\n")
        .await;
    for (text, count) in [
        ("team@here.example", 1),
        ("carol@here.example", 1),
        ("bob@here.example", 2),
        ("BOB+TAG@here.example", 1),
        ("A@far.example", 2),
        ("b@far.example", 0),
    ] {
        let found = of(&house, text).await;
        assert_eq!(found.len(), count, "{text}");
    }
    let by_header = TraceAsked {
        header_id: Some("<m1@far.example>".to_owned()),
        limit: 100,
        ..TraceAsked::default()
    };
    assert_eq!(find(&house, &by_header).await.len(), 1);
    let from = |text: &str| TraceAsked {
        source: Some(text.parse().unwrap()),
        limit: 100,
        ..TraceAsked::default()
    };
    assert_eq!(find(&house, &from("192.0.2.0/24")).await.len(), 2);
    assert_eq!(find(&house, &from("192.0.2.7")).await.len(), 2);
    assert_eq!(find(&house, &from("192.0.2.8")).await.len(), 0);
    let both = TraceAsked {
        address: Some(address("bob@here.example")),
        ..by_header
    };
    assert_eq!(find(&house, &both).await.len(), 1);
}

#[tokio::test]
async fn a_refused_recipient_is_found_with_the_reply_and_the_rule() {
    let house = House::build().await;
    house
        .deliver(
            &[
                "bob@here.example",
                "nobody@here.example",
                "dave@here.example",
                "x@elsewhere.example",
            ],
            MESSAGE,
        )
        .await;
    let accepted = of(&house, "bob@here.example").await;
    let Happened::Accepted(arrival) = &accepted.last().unwrap().what else {
        panic!("{accepted:?}");
    };
    let id = arrival.message;
    for (text, rule, reply) in [
        ("nobody@here.example", Rule::UnknownRecipient, "550 5.1.1 "),
        ("dave@here.example", Rule::Disabled, "550 5.2.1 "),
        ("x@elsewhere.example", Rule::NotLocal, "550 5.7.1 "),
    ] {
        let [event] = <[_; 1]>::try_from(of(&house, text).await).unwrap();
        let Happened::Refused(refusal) = event.what else {
            panic!("refused");
        };
        assert_eq!(refusal.rule, rule);
        assert_eq!(refusal.command, "RCPT");
        assert!(refusal.reply.starts_with(reply), "{}", refusal.reply);
        assert_eq!(refusal.recipient, Some(address(text)));
        assert_eq!(refusal.message, Some(id), "of the same transaction");
        let sender = ReversePath::Mailbox(address("a@far.example"));
        assert_eq!(refusal.reverse_path, Some(sender));
    }
    let trace = house.lookup.message(id).await.unwrap();
    assert_eq!(
        words(&trace.events),
        ["refused", "refused", "refused", "accepted"]
    );
}

#[tokio::test]
async fn what_the_protocol_and_the_store_refuse_is_recorded_too() {
    let script = Script::new();
    let store = Arc::new(Faulty::new(Arc::new(MemoryStore::new()), &script));
    let house = House::over(store, MaildropLock::Shared).await;
    house.mx(b"EHLO x\r\nRCPT TO:<bob@here.example>\r\n").await;
    script.fail(
        At::Every(Verb::Commit),
        Fault::Before(ErrorKind::Indeterminate),
    );
    house.deliver(&["bob@here.example"], MESSAGE).await;
    script.restart();
    let wrong = b"USER bob\r\nPASS wrong\r\nQUIT\r\n";
    house.pop3(wrong).await;
    assert!(house.recorder.flush().await);
    let from_here = TraceAsked {
        source: Some("192.0.2.7".parse().unwrap()),
        limit: 100,
        ..TraceAsked::default()
    };
    let mut rules = Vec::new();
    for event in find(&house, &from_here).await {
        let Happened::Refused(refusal) = event.what else {
            panic!("refused");
        };
        if refusal.rule == Rule::Indeterminate {
            assert!(refusal.message.is_some());
            assert_eq!(refusal.recipients, [address("bob@here.example")]);
        }
        rules.push(refusal.rule);
    }
    assert_eq!(rules, [Rule::Login, Rule::Indeterminate, Rule::Protocol]);
}

#[tokio::test]
async fn who_is_refused_after_the_message_has_come_is_recorded_with_it() {
    let house = House::build().await;
    house.settle("erin@here.example").await;
    let mut talk = house.lmtp_talk();
    let input = "LHLO x\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<bob@here.example>\r\n\
                 RCPT TO:<erin@here.example>\r\nDATA\r\n";
    talk.say(input.as_bytes()).await;
    let disabled = cassmail_store::AccountState::Disabled;
    let erin = address("erin@here.example");
    let set = house.administration.set_state(&erin, disabled);
    set.await.unwrap();
    let answers = talk.say(b"text\r\n.\r\n").await;
    let id = id_in(&answers);
    let [event] = <[_; 1]>::try_from(of(&house, "erin@here.example").await).unwrap();
    let Happened::Refused(refusal) = event.what else {
        panic!("refused");
    };
    assert_eq!(refusal.rule, Rule::Disabled);
    assert_eq!(refusal.message, Some(id));
    let trace = house.lookup.message(id).await.unwrap();
    assert_eq!(words(&trace.events), ["accepted", "refused"]);
}

#[tokio::test]
async fn no_subject_and_no_password_is_ever_recorded() {
    let house = House::build().await;
    house.deliver(&["bob@here.example"], MESSAGE).await;
    poll(&house, "RETR 1\r\nDELE 1\r\nQUIT\r\n").await;
    house.pop3(b"USER bob\r\nPASS bad secret\r\n").await;
    house
        .mx(b"EHLO x\r\nAUTH PLAIN AGJvYgBiYWQgc2VjcmV0\r\n")
        .await;
    assert!(house.recorder.flush().await);
    let all = TraceAsked {
        limit: 100,
        ..TraceAsked::default()
    };
    let found = format!("{:?}", find(&house, &all).await);
    assert!(found.contains("bob@here.example"));
    for private in ["secret", "AGJvYg", PASSWORD, "It works"] {
        assert!(!found.contains(private), "{private}");
    }
}

#[tokio::test]
async fn answers_come_in_pages_that_join() {
    let house = House::build().await;
    for _ in 0..25 {
        house.deliver(&["bob@here.example"], MESSAGE).await;
    }
    let all = of(&house, "bob@here.example").await;
    let mut joined = Vec::new();
    let mut before = None;
    loop {
        let page = TraceAsked {
            before,
            limit: 10,
            ..asked("bob@here.example")
        };
        let page = house.lookup.find(&page).await.unwrap();
        joined.extend(page.events);
        before = page.more;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(joined.len(), 25);
    assert_eq!(joined, all);
}

#[tokio::test]
async fn a_store_that_fails_has_the_trace_later_and_mail_now() {
    let script = Script::new();
    let store = Arc::new(Faulty::new(Arc::new(MemoryStore::new()), &script));
    let house = House::over(store, MaildropLock::Shared).await;
    let engine = ErrorKind::Unavailable(Reason::Engine);
    script.fail(At::Every(Verb::Record), Fault::Before(engine));
    for _ in 0..3 {
        let answers = house.deliver(&["bob@here.example"], MESSAGE).await;
        assert!(answers.contains("250 2.0.0 stored"), "{answers}");
        assert!(!house.recorder.flush().await);
    }
    assert!(
        house
            .metrics
            .encode()
            .contains("cassmail_trace_backlog 3\n")
    );
    script.restart();
    assert_eq!(of(&house, "bob@here.example").await.len(), 3);
    let metrics = house.metrics.encode();
    assert!(metrics.contains("cassmail_trace_backlog 0\n"));
    assert!(metrics.contains("cassmail_trace_events_total{outcome=\"written\"} 3\n"));
    assert!(metrics.contains("cassmail_trace_events_total{outcome=\"dropped\"} 0\n"));
}

#[tokio::test]
async fn a_batch_that_was_cut_off_is_written_once() {
    let script = Script::new();
    let store = Arc::new(Faulty::new(Arc::new(MemoryStore::new()), &script));
    let house = House::over(store, MaildropLock::Shared).await;
    house.deliver(&["bob@here.example"], MESSAGE).await;
    let gate = script.hold(At::Every(Verb::Record), Side::After);
    {
        let mut flush = std::pin::pin!(house.recorder.flush());
        tokio::select! {
            biased;
            _ = &mut flush => panic!("it is held"),
            () = gate.reached() => {}
        }
        // Mail does not wait for a trace that hangs.
        let answers = house.deliver(&["bob@here.example"], MESSAGE).await;
        assert!(answers.contains("250 2.0.0 stored"), "{answers}");
    }
    gate.open();
    assert_eq!(of(&house, "bob@here.example").await.len(), 2);
}

#[tokio::test]
async fn without_room_the_trace_is_dropped_and_counted() {
    let script = Script::new();
    let store = Arc::new(Faulty::new(Arc::new(MemoryStore::new()), &script));
    let house = House::over(store, MaildropLock::Shared).await;
    let full = ErrorKind::Unavailable(Reason::Full);
    script.fail(At::Every(Verb::Record), Fault::Before(full));
    house.deliver(&["bob@here.example"], MESSAGE).await;
    assert!(house.recorder.flush().await);
    script.restart();
    assert_eq!(of(&house, "bob@here.example").await, []);
    let metrics = house.metrics.encode();
    assert!(metrics.contains("cassmail_trace_events_total{outcome=\"dropped\"} 1\n"));
}

#[tokio::test]
async fn who_is_refused_again_and_again_fills_nothing() {
    let house = House::build().await;
    let line = "RCPT TO:<nobody@here.example>\r\n";
    let start = "EHLO x\r\nMAIL FROM:<a@far.example>\r\n";
    for _ in 0..30 {
        house
            .mx((start.to_owned() + &line.repeat(15)).as_bytes())
            .await;
    }
    let recorded = of(&house, "nobody@here.example").await.len();
    assert!(recorded <= 200, "{recorded}");
    house.turn(Duration::from_secs(1));
    house.mx((start.to_owned() + line).as_bytes()).await;
    let later = of(&house, "nobody@here.example").await.len();
    assert_eq!(later, recorded + 1);
}
