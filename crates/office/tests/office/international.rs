//! Internationalized mail (RFC 6531, RFC 6532) for clients that read it, and for those that do not.

use crate::house::{House, PASSWORD};

const MESSAGE: &str = "From: Jos\u{e9} <jos\u{e9}@far.example>\r\n\
    To: bob@here.example\r\n\
    Subject: F\u{fc}nf G\u{e4}nse\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\n\
    Content-Type: text/plain; charset=utf-8; name=\"\u{fc}\"\r\n\r\n\
    F\u{fc}nf\r\n\
    --b--\r\n";

/// Delivers with SMTPUTF8 (RFC 6531 3.4), from and to these.
async fn deliver(house: &House, from: &str, recipients: &[&str], message: &str) -> String {
    let mut input = format!("EHLO client.example\r\nMAIL FROM:<{from}> SMTPUTF8\r\n");
    for recipient in recipients {
        input += &["RCPT TO:<", recipient, ">\r\n"].concat();
    }
    input += &["DATA\r\n", message, ".\r\nQUIT\r\n"].concat();
    house.mx(input.as_bytes()).await
}

/// What LIST says of the first message, and what RETR and TOP give of it.
struct Seen {
    listed: usize,
    stat: usize,
    message: String,
    top: String,
}

async fn seen(house: &House, user: &str, before_login: &str) -> Seen {
    let input = format!(
        "{before_login}USER {user}\r\nPASS {PASSWORD}\r\n\
         STAT\r\nLIST 1\r\nRETR 1\r\nTOP 1 2\r\nQUIT\r\n"
    );
    let answers = house.pop3(input.as_bytes()).await;
    // STAT and LIST answer alike where there is one message.
    let sizes: Vec<usize> = answers
        .lines()
        .filter_map(|line| line.strip_prefix("+OK 1 ")?.parse().ok())
        .collect();
    let [stat, listed] = sizes[..] else {
        panic!("{answers}");
    };
    let text = |start: &str| {
        let (_, rest) = answers.split_once(start).expect(start);
        let (_, rest) = rest.split_once("\r\n").unwrap();
        let (text, _) = rest.split_once("\r\n.\r\n").unwrap();
        format!("{text}\r\n")
    };
    Seen {
        stat,
        listed,
        message: text(&format!("+OK {listed} octets")),
        top: text("+OK top of"),
    }
}

fn header(message: &str) -> &str {
    message.split_once("\r\n\r\n").unwrap().0
}

#[tokio::test]
async fn a_client_that_said_utf8_gets_the_message_as_it_is_kept() {
    let house = House::build().await;
    deliver(
        &house,
        "jos\u{e9}@far.example",
        &["bob@here.example"],
        MESSAGE,
    )
    .await;
    let seen = seen(&house, "bob", "UTF8\r\n").await;
    assert!(seen.message.ends_with(MESSAGE), "{}", seen.message);
    assert!(
        seen.message
            .starts_with("Return-Path: <jos\u{e9}@far.example>\r\n")
    );
    assert_eq!(seen.listed, seen.message.len());
    assert_eq!(seen.stat, seen.listed);
}

#[tokio::test]
async fn another_client_gets_the_surrogate_with_sizes_that_fit() {
    let house = House::build().await;
    deliver(
        &house,
        "jos\u{e9}@far.example",
        &["bob@here.example"],
        MESSAGE,
    )
    .await;
    let seen = seen(&house, "bob", "").await;
    assert!(header(&seen.message).is_ascii(), "{}", seen.message);
    assert!(
        seen.message
            .starts_with("Delivered-To: bob@here.example\r\n")
    );
    assert!(seen.message.contains("Subject: =?UTF-8?B?"));
    assert!(
        seen.message
            .contains("<invalid@internationalized-address.invalid>")
    );
    // The body is untouched, the header of its part is not.
    assert!(
        seen.message.ends_with(
            "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nF\u{fc}nf\r\n--b--\r\n"
        )
    );
    assert_eq!(seen.listed, seen.message.len());
    assert_eq!(seen.stat, seen.listed);
    // RFC 6858 4: TOP counts the lines of the surrogate.
    let (_, body) = seen.top.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "--b\r\nContent-Type: text/plain; charset=utf-8\r\n");
}

#[tokio::test]
async fn a_recipient_that_cannot_be_shown_needs_a_surrogate_too() {
    let house = House::build().await;
    house.settle("b\u{f6}b@here.example").await;
    let ascii = "Subject: hello\r\n\r\nIt works.\r\n";
    for recipients in [
        &["b\u{f6}b@here.example"][..],
        &["b\u{f6}b@here.example", "carol@here.example"],
    ] {
        deliver(&house, "a@far.example", recipients, ascii).await;
        let plain = seen(&house, "b\u{f6}b@here.example", "").await;
        assert!(plain.message.is_ascii(), "{}", plain.message);
        assert!(!plain.message.contains("Delivered-To"));
        assert_eq!(plain.listed, plain.message.len());
        let utf8 = seen(&house, "b\u{f6}b@here.example", "UTF8\r\n").await;
        assert!(
            utf8.message
                .contains("Delivered-To: b\u{f6}b@here.example\r\n")
        );
        assert_eq!(utf8.listed, utf8.message.len());
        house
            .pop3(
                format!("USER b\u{f6}b@here.example\r\nPASS {PASSWORD}\r\nDELE 1\r\nQUIT\r\n")
                    .as_bytes(),
            )
            .await;
    }
    let carol = seen(&house, "carol", "").await;
    assert!(
        carol
            .message
            .contains("Delivered-To: carol@here.example\r\n")
    );
    assert_eq!(carol.listed, carol.message.len());
}

#[tokio::test]
async fn mail_that_was_not_sent_as_internationalized_is_never_touched() {
    let house = House::build().await;
    house.deliver(&["bob@here.example"], MESSAGE).await;
    for mode in ["", "UTF8\r\n"] {
        let seen = seen(&house, "bob", mode).await;
        assert!(seen.message.ends_with(MESSAGE), "{}", seen.message);
        assert_eq!(seen.listed, seen.message.len());
    }
}

#[tokio::test]
async fn internationalized_mail_with_ascii_headers_is_given_out_as_it_is() {
    let house = House::build().await;
    let message = "Subject: hello\r\n\r\nF\u{fc}nf.\r\n";
    deliver(&house, "a@far.example", &["bob@here.example"], message).await;
    let [plain, utf8] = [
        seen(&house, "bob", "").await,
        seen(&house, "bob", "UTF8\r\n").await,
    ];
    assert_eq!(plain.message, utf8.message);
    assert_eq!(plain.listed, utf8.listed);
}

#[tokio::test]
async fn what_a_submission_adds_is_counted() {
    let house = House::build().await;
    house.settle("b\u{f6}b@here.example").await;
    let login = cassmail_login("b\u{f6}b@here.example");
    let input = format!(
        "EHLO client.example\r\nAUTH PLAIN {login}\r\n\
         MAIL FROM:<b\u{f6}b@here.example> SMTPUTF8\r\nRCPT TO:<carol@here.example>\r\n\
         DATA\r\nSubject: F\u{fc}nf\r\n\r\nF\u{fc}nf.\r\n.\r\nQUIT\r\n"
    );
    let answers = house.submission(input.as_bytes()).await;
    assert!(answers.contains("250 2.0.0 stored"), "{answers}");
    let seen = seen(&house, "carol", "").await;
    assert!(header(&seen.message).is_ascii(), "{}", seen.message);
    assert!(seen.message.contains("Message-ID: <"));
    assert_eq!(seen.listed, seen.message.len());
}

/// The initial response of PLAIN (RFC 4616), in base64.
fn cassmail_login(user: &str) -> String {
    cassmail_wire::sasl::encode_challenge(format!("\0{user}\0{PASSWORD}").as_bytes())
}
