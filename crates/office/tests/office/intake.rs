//! Mail in, over the MX port.

use crate::house::House;

const MESSAGE: &str = "Subject: hello\r\n\r\nIt works.\r\n";

/// The last reply to the message, without its id.
fn end_of_data(answers: &str) -> &str {
    let mut lines = answers.lines().rev();
    let _goodbye = lines.next();
    lines.next().unwrap_or_default()
}

#[tokio::test]
async fn a_message_is_listed_for_its_recipient_with_its_trace_in_front() {
    let house = House::build().await;
    let answers = house.deliver(&["Bob+x@here.example"], MESSAGE).await;
    assert!(
        end_of_data(&answers).starts_with("250 2.0.0 stored as "),
        "{answers}"
    );
    let [message] = <[String; 1]>::try_from(house.maildrop("bob@here.example").await).unwrap();
    let (trace, rest) = message.split_once("Subject:").unwrap();
    assert_eq!(rest, " hello\r\n\r\nIt works.\r\n");
    let lines: Vec<_> = trace.lines().collect();
    assert_eq!(lines[0], "Return-Path: <a@far.example>");
    assert_eq!(lines[1], "Delivered-To: Bob+x@here.example");
    assert_eq!(lines[2], "Received: from client.example ([192.0.2.7])");
    assert_eq!(lines[3], "\tby mx.here.example with ESMTP");
    assert!(
        lines[4].ends_with(" for <Bob+x@here.example>;"),
        "{}",
        lines[4]
    );
    let id = lines[4].split_whitespace().nth(1).unwrap();
    assert!(answers.contains(id), "the id is in the 250 too");
}

/// RFC 5321 7.2: nobody learns who else got it.
#[tokio::test]
async fn everybody_gets_one_copy_named_as_the_first_address_that_led_there() {
    let house = House::build().await;
    let targets = ["bob@here.example", "carol@here.example"].map(|a| a.parse().unwrap());
    let team = "team@here.example".parse().unwrap();
    house
        .administration
        .add_alias(&team, targets.to_vec())
        .await
        .unwrap();
    let recipients = [
        "carol@here.example",
        "team@here.example",
        "bob@here.example",
    ];
    let answers = house.deliver(&recipients, MESSAGE).await;
    assert!(end_of_data(&answers).starts_with("250"), "{answers}");
    let named = async |user| {
        let [message] = <[String; 1]>::try_from(house.maildrop(user).await).unwrap();
        assert!(
            !message.contains(" for <"),
            "other recipients must not be told"
        );
        message.lines().nth(1).unwrap().to_owned()
    };
    assert_eq!(
        named("bob@here.example").await,
        "Delivered-To: team@here.example"
    );
    assert_eq!(
        named("carol@here.example").await,
        "Delivered-To: carol@here.example"
    );
}

#[tokio::test]
async fn who_may_not_receive_is_refused_at_rcpt_and_the_others_get_it() {
    let house = House::build().await;
    let answers = house
        .deliver(
            &[
                "nobody@here.example",
                "x@far.example",
                "x%far.example@here.example",
                "dave@here.example",
                "bob@here.example",
            ],
            MESSAGE,
        )
        .await;
    let replies: Vec<_> = answers
        .lines()
        .filter(|line| line.starts_with("550"))
        .collect();
    assert!(replies[0].starts_with("550 5.1.1"), "{answers}");
    assert!(replies[1].starts_with("550 5.7.1"), "{answers}");
    assert!(replies[2].starts_with("550 5.1.1"), "{answers}");
    assert!(replies[3].starts_with("550 5.2.1"), "{answers}");
    assert_eq!(house.maildrop("bob@here.example").await.len(), 1);
}

#[tokio::test]
async fn postmaster_without_a_domain_is_here() {
    let house = House::build().await;
    let answers = house.deliver(&["Postmaster"], MESSAGE).await;
    assert!(end_of_data(&answers).starts_with("250"), "{answers}");
    let messages = house.maildrop("bob@here.example").await;
    assert!(
        !messages[0].contains("Delivered-To"),
        "nobody was named with a domain"
    );
}

/// RFC 5321 6.3.
#[tokio::test]
async fn a_loop_is_refused_and_a_hundred_hops_are_not() {
    let house = House::build().await;
    let hops = |count| "Received: by somebody\r\n".repeat(count) + MESSAGE;
    let answers = house.deliver(&["bob@here.example"], &hops(101)).await;
    assert!(end_of_data(&answers).starts_with("554 5.4.6"), "{answers}");
    assert_eq!(house.maildrop("bob@here.example").await.len(), 0);
    let answers = house.deliver(&["bob@here.example"], &hops(100)).await;
    assert!(end_of_data(&answers).starts_with("250"), "{answers}");
}

#[tokio::test]
async fn a_client_that_drops_in_the_middle_delivers_nothing() {
    let house = House::build().await;
    let whole = format!(
        "EHLO c.example\r\nMAIL FROM:<>\r\nRCPT TO:<bob@here.example>\r\nDATA\r\n{MESSAGE}.\r\n"
    );
    for cut in 0..whole.len() {
        house.mx(&whole.as_bytes()[..cut]).await;
    }
    assert_eq!(house.maildrop("bob@here.example").await.len(), 0);
    house.mx(whole.as_bytes()).await;
    assert_eq!(house.maildrop("bob@here.example").await.len(), 1);
}

#[tokio::test]
async fn a_transaction_that_was_given_up_leaves_nothing_to_the_next() {
    let house = House::build().await;
    let input = "EHLO c.example\r\n\
                 MAIL FROM:<>\r\nRCPT TO:<bob@here.example>\r\nBDAT 3\r\nabcRSET\r\n\
                 MAIL FROM:<>\r\nRCPT TO:<carol@here.example>\r\nBDAT 5 LAST\r\nX:1\r\nQUIT\r\n";
    let answers = house.mx(input.as_bytes()).await;
    assert_eq!(
        house.maildrop("bob@here.example").await.len(),
        0,
        "{answers}"
    );
    let messages = house.maildrop("carol@here.example").await;
    assert!(messages[0].ends_with("X:1\r\n"), "{answers}");
    assert!(!messages[0].contains("abc"));
}
