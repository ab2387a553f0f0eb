//! Mail in, over LMTP: one message, and one answer for each recipient.

use std::sync::Arc;

use cassmail_mail::Address;
use cassmail_office::MaildropLock;
use cassmail_store::{At, ErrorKind, Fault, Faulty, MemoryStore, Reason, Script};

use crate::house::{House, address};

const OPEN: &str = "LHLO relay.example\r\nMAIL FROM:<a@far.example>\r\n";

/// Opens a transaction; says for whom the answers at its end are.
fn for_recipients(recipients: &[&str]) -> String {
    let mut input = OPEN.to_owned();
    for recipient in recipients {
        input += &["RCPT TO:<", recipient, ">\r\n"].concat();
    }
    input + "DATA\r\n"
}

/// The codes of the answers.
fn codes(answers: &str) -> Vec<&str> {
    answers.lines().map(|line| &line[..9]).collect()
}

#[tokio::test]
async fn a_recipient_who_is_named_twice_is_answered_twice_and_has_one_copy() {
    let house = House::build().await;
    let team: Address = address("team@here.example");
    let targets = vec![address("bob@here.example"), address("carol@here.example")];
    house
        .administration
        .add_alias(&team, targets)
        .await
        .unwrap();
    let recipients = [
        "bob@here.example",
        "bob@here.example",
        "team@here.example",
        "nobody@here.example",
    ];
    let mut talk = house.lmtp_talk();
    talk.say(b"").await;
    talk.say(for_recipients(&recipients).as_bytes()).await;
    let answers = talk.say(b"Subject: x\r\n\r\nonce\r\n.\r\n").await;
    assert_eq!(codes(&answers), ["250 2.0.0"; 3], "{answers}");
    for user in ["bob@here.example", "carol@here.example"] {
        let [message] = <[String; 1]>::try_from(house.maildrop(user).await).unwrap();
        assert!(message.contains(" with LMTP\r\n"), "{message}");
        assert!(message.ends_with("\r\nonce\r\n"), "{message}");
    }
}

#[tokio::test]
async fn who_is_gone_at_the_end_is_refused_and_the_others_have_the_message() {
    let house = House::build().await;
    house.settle("erin@here.example").await;
    let recipients = [
        "bob@here.example",
        "erin@here.example",
        "carol@here.example",
    ];
    let mut talk = house.lmtp_talk();
    talk.say(b"").await;
    talk.say(for_recipients(&recipients).as_bytes()).await;
    let erin = address("erin@here.example");
    let disabled = cassmail_store::AccountState::Disabled;
    house
        .administration
        .set_state(&erin, disabled)
        .await
        .unwrap();
    let answers = talk.say(b"text\r\n.\r\n").await;
    assert_eq!(
        codes(&answers),
        ["250 2.0.0", "550 5.2.1", "250 2.0.0"],
        "{answers}"
    );
    assert_eq!(house.maildrop("bob@here.example").await.len(), 1);
    assert_eq!(house.maildrop("erin@here.example").await.len(), 0);
    assert_eq!(house.maildrop("carol@here.example").await.len(), 1);
}

#[tokio::test]
async fn when_nobody_is_left_nothing_is_stored() {
    let house = House::build().await;
    house.settle("erin@here.example").await;
    let mut talk = house.lmtp_talk();
    talk.say(b"").await;
    talk.say(for_recipients(&["erin@here.example"]).as_bytes())
        .await;
    let erin = address("erin@here.example");
    let disabled = cassmail_store::AccountState::Disabled;
    house
        .administration
        .set_state(&erin, disabled)
        .await
        .unwrap();
    let answers = talk.say(b"text\r\n.\r\n").await;
    assert_eq!(codes(&answers), ["550 5.2.1"], "{answers}");
    assert_eq!(house.maildrop("erin@here.example").await.len(), 0);
    let next = for_recipients(&["bob@here.example"]);
    talk.say(next.split_once("\r\n").unwrap().1.as_bytes())
        .await;
    let answers = talk.say(b"text\r\n.\r\n").await;
    assert_eq!(codes(&answers), ["250 2.0.0"], "{answers}");
}

/// Whichever operation of the store fails: who was told 250 has the message, once.
#[tokio::test]
async fn a_store_that_fails_is_told_to_everybody_and_promises_nothing() {
    let recipients = ["bob@here.example", "carol@here.example"];
    let mut seen = 0;
    for operation in 0..60 {
        let script = Script::new();
        let store = Faulty::new(Arc::new(MemoryStore::new()), &script);
        let house = House::over(Arc::new(store), MaildropLock::Shared).await;
        let mut talk = house.lmtp_talk();
        talk.say(b"").await;
        talk.say(for_recipients(&recipients).as_bytes()).await;
        script.restart();
        let fault = Fault::Before(ErrorKind::Unavailable(Reason::Engine));
        script.fail(At::Operation(operation), fault);
        let answers = talk.say(b"text\r\n.\r\n").await;
        script.restart();
        assert_eq!(answers.lines().count(), recipients.len(), "{answers}");
        for (recipient, code) in recipients.iter().zip(codes(&answers)) {
            let copies = usize::from(code == "250 2.0.0");
            assert!(code == "250 2.0.0" || code == "451 4.3.0", "{answers}");
            assert_eq!(house.maildrop(recipient).await.len(), copies, "{answers}");
            seen += 1 - copies;
        }
    }
    assert!(seen > 0, "no fault was met");
}
