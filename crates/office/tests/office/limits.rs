//! What somebody may bring and have at once, as it is told over the protocols.

use std::time::Duration;

use crate::house::House;

/// So many messages in a minute are the default for a source.
const MESSAGES: usize = 600;

fn messages(count: usize) -> Vec<u8> {
    let one = "MAIL FROM:<a@far.example>\r\nRCPT TO:<bob@here.example>\r\nDATA\r\n\
               Subject: x\r\n\r\n.\r\n";
    ["EHLO client.example\r\n", &one.repeat(count)]
        .concat()
        .into_bytes()
}

#[tokio::test]
async fn a_source_that_brings_too_many_messages_is_told_to_wait_and_brings_them_later() {
    let house = House::build().await;
    for _ in 0..MESSAGES / 50 {
        let told = house.mx(&messages(50)).await;
        assert_eq!(told.matches("stored as").count(), 50);
    }
    let told = house.mx(&messages(1)).await;
    assert!(told.contains("\r\n450 4.7.1 too many messages"), "{told}");
    house.turn(Duration::from_secs(1));
    let told = house.mx(&messages(1)).await;
    assert_eq!(told.matches("stored as").count(), 1, "{told}");
    let counted = "cassmail_limit_refusals_total{limit=\"messages_per_source\"} 1\n";
    assert!(house.metrics.encode().contains(counted));
}

#[tokio::test]
async fn recipients_that_nobody_has_are_counted_too() {
    let house = House::build().await;
    let [mut known, mut told] = [0, 0];
    // Each session bears so many refusals, so guessing takes many.
    for _ in 0..400 {
        let guesses = "RCPT TO:<ghost@here.example>\r\n".repeat(20);
        let session = ["EHLO c\r\nMAIL FROM:<>\r\n", &guesses].concat();
        let answers = house.mx(session.as_bytes()).await;
        known += answers.matches("\r\n550 5.1.1 ").count();
        told += answers.matches("\r\n450 4.7.1 too many").count();
    }
    assert!(
        known <= 6000 && told > 0,
        "{known} refused, {told} told to wait"
    );
}

#[tokio::test]
async fn an_account_has_so_many_sessions_at_once_in_each_protocol() {
    const LOG_IN: &[u8] = b"USER bob\r\nPASS open sesame\r\n";
    let house = House::build().await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut talk = house.pop3_talk();
        let told = talk.say(LOG_IN).await;
        assert!(told.contains("+OK maildrop has 0 messages"), "{told}");
        open.push(talk);
    }
    let mut fourth = house.pop3_talk();
    let told = fourth.say(LOG_IN).await;
    assert!(told.contains("-ERR [SYS/TEMP] too many sessions"), "{told}");
    let auth = b"EHLO c\r\nAUTH PLAIN AGJvYgBvcGVuIHNlc2FtZQ==\r\n";
    let told = house.submission(auth).await;
    assert!(told.contains("\r\n235 "), "{told}");
    open.pop();
    let told = fourth.say(LOG_IN).await;
    assert!(told.contains("+OK maildrop has 0 messages"), "{told}");
}
