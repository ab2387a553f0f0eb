//! Mail in, from users.

use crate::house::House;

/// AUTH PLAIN with bob's name and password: base64 of NUL bob NUL `open sesame`.
const BOB: &str = "EHLO pc\r\nAUTH PLAIN AGJvYgBvcGVuIHNlc2FtZQ==\r\n";

async fn submit(house: &House, from: &str, message: &str) -> String {
    let input = format!(
        "{BOB}MAIL FROM:<{from}>\r\nRCPT TO:<carol@here.example>\r\nDATA\r\n{message}.\r\nQUIT\r\n"
    );
    house.submission(input.as_bytes()).await
}

/// RFC 6409 8.2, 8.3.
#[tokio::test]
async fn what_is_missing_is_added_once_below_the_trace() {
    let house = House::build().await;
    let answers = submit(&house, "bob@here.example", "Subject: x\r\n\r\nbody\r\n").await;
    assert!(answers.contains("\r\n250 2.0.0 stored as "), "{answers}");
    let [message] = <[String; 1]>::try_from(house.maildrop("carol@here.example").await).unwrap();
    assert!(message.contains(" with ESMTPSA\r\n"), "{message}");
    // RFC 8314 4.3.
    assert!(
        message.contains(" TLS_AES_256_GCM_SHA384)\r\n"),
        "{message}"
    );
    let own = &message[message.find("Message-ID: <").unwrap()..];
    let (_, own) = own.split_once("\r\n").unwrap();
    assert_eq!(
        own,
        "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nFrom: <bob@here.example>\r\n\
         Subject: x\r\n\r\nbody\r\n"
    );
}

/// RFC 8689 4.1, RFC 8689 4.3. Where no client can write: in front of all that was sent.
#[tokio::test]
async fn what_is_bound_to_tls_is_kept_with_the_message() {
    let house = House::build().await;
    let forged = "Received: from x (TLSv1.3 TLS_AES_256_GCM_SHA384 REQUIRETLS)\r\n\r\nbody\r\n";
    for (parameter, is_bound) in [(" REQUIRETLS", true), ("", false)] {
        let input = format!(
            "{BOB}MAIL FROM:<bob@here.example>{parameter}\r\nRCPT TO:<carol@here.example>\r\n\
             DATA\r\n{forged}.\r\nQUIT\r\n"
        );
        let answers = house.submission(input.as_bytes()).await;
        assert!(answers.contains("\r\n250 2.0.0 stored as "), "{answers}");
        let messages = house.maildrop("carol@here.example").await;
        let (_, own) = messages.last().unwrap().split_once("Received: ").unwrap();
        let (own, _) = own.split_once("Received: ").unwrap();
        assert_eq!(own.contains(" REQUIRETLS)\r\n"), is_bound, "{own}");
    }
}

#[tokio::test]
async fn a_whole_message_is_not_touched() {
    let house = House::build().await;
    let whole = "Message-ID: <1@x>\r\nDate: now\r\nFrom: me\r\n\r\nbody\r\n";
    submit(&house, "bob@here.example", whole).await;
    assert!(house.maildrop("carol@here.example").await[0].ends_with(&format!("\r\n{whole}")));
}

#[tokio::test]
async fn nobody_sends_in_another_name() {
    let house = House::build().await;
    for foreign in ["carol@here.example", "x@far.example", "nobody@here.example"] {
        let answers = submit(&house, foreign, "\r\n").await;
        assert!(answers.contains("\r\n553 5.7.1 "), "{foreign}: {answers}");
    }
    for own in [
        "bob@here.example",
        "BOB+x@here.example",
        "postmaster@also.example",
        "",
    ] {
        let answers = submit(&house, own, "\r\n").await;
        assert!(
            answers.contains("\r\n250 2.0.0 stored as "),
            "{own}: {answers}"
        );
    }
}

/// RFC 6409 4.2: only known addresses are taken, and these are whole.
#[tokio::test]
async fn mail_for_other_servers_is_refused() {
    let house = House::build().await;
    let input = format!("{BOB}MAIL FROM:<bob@here.example>\r\nRCPT TO:<x@far.example>\r\n");
    let answers = house.submission(input.as_bytes()).await;
    assert!(
        answers.ends_with("\r\n") && answers.contains("\r\n550 5.7.1 "),
        "{answers}"
    );
}

#[tokio::test]
async fn a_wrong_password_is_told_like_an_unknown_user() {
    let house = House::build().await;
    // base64 of NUL bob NUL wrong, and of NUL eve NUL wrong.
    let refused = async |response: &str| {
        let input = format!("EHLO pc\r\nAUTH PLAIN {response}\r\nQUIT\r\n");
        let answers = house.submission(input.as_bytes()).await;
        answers
            .lines()
            .find(|line| line.starts_with("535"))
            .map(str::to_owned)
    };
    let wrong = refused("AGJvYgB3cm9uZw==").await;
    assert!(wrong.is_some());
    assert_eq!(wrong, refused("AGV2ZQB3cm9uZw==").await);
}
