//! Mail out.

use std::sync::Arc;

use cassmail_office::{MaildropDesk, MaildropLock};
use cassmail_pop3::{Answer, BodyRefusal, Contents, Form, MaildropRefusal, Question};
use cassmail_store::MemoryStore;
use cassmail_wire::Desk as _;
use cassmail_wire::sasl::{Acceptance, Claim};

use crate::house::{House, PASSWORD, address, caller};

async fn session(house: &House, commands: &str) -> String {
    let input = format!("USER bob\r\nPASS {PASSWORD}\r\n{commands}");
    house.pop3(input.as_bytes()).await
}

async fn filled() -> House {
    let house = House::build().await;
    for text in ["one", "two", "three"] {
        house
            .deliver(
                &["bob@here.example"],
                &format!("Subject: {text}\r\n\r\n.dot\r\n"),
            )
            .await;
    }
    house
}

#[tokio::test]
async fn messages_that_are_given_out_whole_are_counted() {
    let house = filled().await;
    session(&house, "RETR 1\r\nRETR 3\r\nTOP 2 0\r\nQUIT\r\n").await;
    let metrics = house.metrics.encode();
    assert!(
        metrics.contains("cassmail_pop3_retrieved_total 2\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn messages_are_listed_and_given_out_in_the_order_of_arrival() {
    let house = filled().await;
    let answers = session(&house, "STAT\r\nRETR 2\r\nQUIT\r\n").await;
    let sizes: usize = house
        .maildrop("bob@here.example")
        .await
        .iter()
        .map(String::len)
        .sum();
    assert!(
        answers.contains(&format!("\r\n+OK 3 {sizes}\r\n")),
        "{answers}"
    );
    // What came in with one dot was stuffed by the client: one is taken away, one is put back.
    assert!(
        answers.contains("Subject: two\r\n\r\ndot\r\n.\r\n"),
        "{answers}"
    );
}

#[tokio::test]
async fn only_quit_removes() {
    let house = filled().await;
    session(&house, "DELE 1\r\n").await;
    session(&house, "DELE 1\r\nRSET\r\nQUIT\r\n").await;
    assert_eq!(house.maildrop("bob@here.example").await.len(), 3);
    let answers = session(&house, "DELE 1\r\nDELE 3\r\nQUIT\r\n").await;
    assert!(
        answers.lines().last().unwrap().starts_with("+OK"),
        "{answers}"
    );
    let left = house.maildrop("bob@here.example").await;
    assert_eq!(left.len(), 1);
    assert!(left[0].contains("Subject: two"));
}

#[tokio::test]
async fn unique_ids_are_those_of_the_messages_and_stay() {
    let house = filled().await;
    let uidl = async || {
        let answers = session(&house, "UIDL\r\nQUIT\r\n").await;
        answers
            .lines()
            .filter(|line| line.starts_with("2 "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let before = uidl().await;
    session(&house, "DELE 3\r\nQUIT\r\n").await;
    assert_eq!(uidl().await, before);
}

#[tokio::test]
async fn one_owner_of_several_removes_only_the_own_copy() {
    let house = House::build().await;
    let both = ["bob@here.example", "carol@here.example"];
    house.deliver(&both, "Subject: shared\r\n\r\n").await;
    session(&house, "DELE 1\r\nQUIT\r\n").await;
    assert_eq!(house.maildrop("bob@here.example").await.len(), 0);
    assert_eq!(house.maildrop("carol@here.example").await.len(), 1);
}

/// A desk to ask without a session.
fn desk(house: &House) -> MaildropDesk {
    house.counter.desk(caller(None))
}

async fn log_in(desk: &mut MaildropDesk) -> Answer {
    let claim = Claim::of_password("bob", PASSWORD);
    desk.answer(Question::LogIn(claim)).await
}

#[tokio::test]
async fn a_message_that_another_session_removed_is_gone_and_the_session_goes_on() {
    let house = filled().await;
    let account = house.directory.account(&address("bob@here.example")).await;
    let account = account.unwrap().unwrap();
    let first = house.store.list(account).await.unwrap()[0].id;
    let mut desk = desk(&house);
    assert_eq!(
        log_in(&mut desk).await,
        Answer::LogIn(Ok(Acceptance::default()))
    );
    session(&house, "DELE 1\r\nQUIT\r\n").await;
    let gone = desk.answer(Question::OpenBody(first, Form::AsKept)).await;
    assert_eq!(gone, Answer::Opened(Err(BodyRefusal::Gone)));
    let Answer::Maildrop(Ok(left)) = desk.answer(Question::OpenMaildrop).await else {
        panic!("the maildrop can be listed");
    };
    assert_eq!(left.entries.len(), 2);
}

#[tokio::test]
async fn the_lock_is_only_there_where_the_operator_wants_it() {
    let empty = || {
        Answer::Maildrop(Ok(Contents {
            entries: Vec::new(),
            expire: None,
        }))
    };
    let in_use = || Answer::Maildrop(Err(MaildropRefusal::InUse));
    for (lock, second) in [
        (MaildropLock::Shared, empty()),
        (MaildropLock::Exclusive, in_use()),
    ] {
        let house = House::over(Arc::new(MemoryStore::default()), lock).await;
        let enter = async || {
            let mut desk = desk(&house);
            log_in(&mut desk).await;
            let listed = desk.answer(Question::OpenMaildrop).await;
            (desk, listed)
        };
        let (first, listed) = enter().await;
        assert_eq!(listed, empty());
        assert_eq!(enter().await.1, second);
        drop(first);
        assert_eq!(enter().await.1, empty());
    }
}
