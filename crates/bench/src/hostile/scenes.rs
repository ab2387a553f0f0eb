//! What attackers do, one scene after the other.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;

use super::peer::{Door, Leave, Street};

/// One thing that attackers do.
pub(super) struct Scene {
    pub(super) name: &'static str,
    /// How many do it at once, at full strength.
    pub(super) attackers: u32,
    /// What each does until it is stopped; an error is that it was sent away.
    pub(super) attack: fn(Rc<Street>, u32) -> Attack,
}

type Attack = Pin<Box<dyn Future<Output = io::Result<()>>>>;

macro_rules! scenes {
    ($($name:literal, $attackers:literal, $attack:ident;)+) => {
        pub(super) const ALL: &[Scene] = &[$(Scene {
            name: $name,
            attackers: $attackers,
            attack: |street, number| Box::pin($attack(street, number)),
        },)+];
    };
}

scenes! {
    "5000 idle connections", 5000, idle;
    "200 a second, dropped", 20, churn;
    "resets and half-closes", 100, resets;
    "slow loris", 500, loris;
    "slow handshakes", 500, slow_handshake;
    "floods of commands", 40, flood;
    "lines without end", 40, endless_line;
    "headers without end", 16, endless_header;
    "100 000 header lines", 8, header_lines;
    "10 000 MIME levels", 8, mime_levels;
    "readers that never read", 400, never_read;
    "guesses", 200, guess;
    "one source", 2000, one_source;
}

/// Between two attempts of somebody who was sent away.
const BREATH: Duration = Duration::from_millis(100);

/// Attackers do not all come in the same instant: a listen queue has an end.
async fn in_turn(number: u32) {
    sleep(Duration::from_micros(500).saturating_mul(number)).await;
}

async fn forever() -> io::Result<()> {
    std::future::pending().await
}

/// Comes, hears the greeting, and says nothing more; one in ten under TLS, three at POP3.
async fn idle(street: Rc<Street>, number: u32) -> io::Result<()> {
    in_turn(number).await;
    match number % 10 {
        0 => {
            let _held = street.enter_under_tls(number).await?;
            forever().await
        }
        1..=3 => {
            let mut peer = street.enter(Door::Pop3, number).await?;
            peer.hear_all().await
        }
        _ => {
            let mut peer = street.enter(Door::Smtp, number).await?;
            peer.hear_all().await
        }
    }
}

/// How far a connection gets: the lines that are answered, and what is said behind them.
type Stage = (Door, &'static [&'static str], &'static [u8]);

const STAGES: &[Stage] = &[
    (Door::Smtp, &[], b""),
    (Door::Smtp, &[], b"EHL"),
    (Door::Smtp, &["EHLO a"], b""),
    (Door::Smtp, &["EHLO a", "STARTTLS"], b""),
    (
        Door::Smtp,
        &["EHLO a", "STARTTLS"],
        b"\x16\x03\x01\x02\x00\x01",
    ),
    (Door::Smtp, &["EHLO a", "MAIL FROM:<>"], b""),
    (
        Door::Smtp,
        &["EHLO a", "MAIL FROM:<>", "RCPT TO:<{victim}>"],
        b"",
    ),
    (
        Door::Smtp,
        &["EHLO a", "MAIL FROM:<>", "RCPT TO:<{victim}>", "DATA"],
        b"",
    ),
    (
        Door::Smtp,
        &["EHLO a", "MAIL FROM:<>", "RCPT TO:<{victim}>", "DATA"],
        b"Subject: x\r\n\r\nhalf of a line",
    ),
    (
        Door::Smtp,
        &["EHLO a", "MAIL FROM:<>", "RCPT TO:<{victim}>", "DATA"],
        b"Subject: x\r\n\r\n.\r",
    ),
    (
        Door::Smtp,
        &["EHLO a", "MAIL FROM:<>", "RCPT TO:<{victim}>"],
        b"BDAT 100000\r\nSubject: x\r\n",
    ),
    (Door::Pop3, &[], b""),
    (Door::Pop3, &["USER {victim}"], b""),
    (Door::Pop3, &["USER {victim}", "PASS {password}"], b""),
    (Door::Pop3, &["USER {victim}", "PASS {password}"], b"STA"),
    (
        Door::Pop3,
        &["USER {victim}", "PASS {password}", "RETR 1"],
        b"",
    ),
    (
        Door::Pop3,
        &["USER {victim}", "PASS {password}", "DELE 1"],
        b"",
    ),
    (
        Door::Pop3,
        &["USER {victim}", "PASS {password}", "DELE 1"],
        b"QUI",
    ),
];

const LEAVES: [Leave; 3] = [Leave::Close, Leave::Reset, Leave::HalfClose];

/// Comes ten times a second, and leaves at one stage after the other.
async fn churn(street: Rc<Street>, number: u32) -> io::Result<()> {
    for turn in number.. {
        let started = sleep(BREATH);
        leave_at(&street, number * 50, turn, Leave::Close).await;
        started.await;
    }
    Ok(())
}

/// Leaves at one stage after the other, in each way.
async fn resets(street: Rc<Street>, number: u32) -> io::Result<()> {
    in_turn(number).await;
    for turn in number.. {
        let started = sleep(BREATH);
        let how = turn as usize / STAGES.len() % LEAVES.len();
        let how = LEAVES.get(how).copied().unwrap_or(Leave::Reset);
        leave_at(&street, number * 5, turn, how).await;
        started.await;
    }
    Ok(())
}

/// Whoever is refused on the way has left too.
async fn leave_at(street: &Street, number: u32, turn: u32, how: Leave) {
    let stage = turn as usize % STAGES.len();
    let Some((door, lines, tail)) = STAGES.get(stage) else {
        return;
    };
    let came = async {
        let mut peer = street.enter_saying(*door, number, lines).await?;
        peer.say(tail).await?;
        peer.leave(how).await
    };
    if came.await.is_err() {
        street.sent_away.set(street.sent_away.get() + 1);
    }
}

/// Sends an octet now and then: of a command, of a message, of a password.
async fn loris(street: Rc<Street>, number: u32) -> io::Result<()> {
    const TO_TEXT: &[&str] = &["EHLO a", "MAIL FROM:<>", "RCPT TO:<{victim}>", "DATA"];
    in_turn(number).await;
    let (door, lines): (_, &[&str]) = match number % 4 {
        0 => (Door::Smtp, &[]),
        1 => (Door::Smtp, TO_TEXT),
        2 => (
            Door::Smtp,
            &["EHLO a", "MAIL FROM:<>", "RCPT TO:<{victim}>"],
        ),
        _ => (Door::Pop3, &["USER {victim}"]),
    };
    let mut peer = street.enter_saying(door, number, lines).await?;
    if number % 4 == 2 {
        peer.say(b"BDAT 1000000\r\n").await?;
    }
    loop {
        peer.say(b"x").await?;
        sleep(Duration::from_millis(500)).await;
    }
}

/// Begins TLS and goes on octet by octet.
async fn slow_handshake(street: Rc<Street>, number: u32) -> io::Result<()> {
    in_turn(number).await;
    let lines = ["EHLO a", "STARTTLS"];
    let mut peer = street.enter_saying(Door::Smtp, number, &lines).await?;
    peer.say(b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc").await?;
    loop {
        peer.say(b"\x03").await?;
        sleep(Duration::from_millis(500)).await;
    }
}

/// Sends commands without a pause, comes again when it is sent away.
async fn flood(street: Rc<Street>, number: u32) -> io::Result<()> {
    in_turn(number).await;
    loop {
        // Who is sent away comes again; that is what is counted as connections.
        let _sent_away = flood_once(&street, number).await;
        sleep(BREATH).await;
    }
}

async fn flood_once(street: &Street, number: u32) -> io::Result<()> {
    let log_in: &[&str] = &["USER {victim}", "PASS {password}"];
    let (door, lines, commands): (_, &[&str], &[u8]) = match number % 8 {
        0 => (Door::Smtp, &["EHLO a"], b"NOOP\r\n"),
        1 => (Door::Smtp, &["EHLO a"], b"XYZZY\r\n"),
        2 => (Door::Smtp, &["EHLO a"], b"MAIL FROM:<>\r\nRSET\r\n"),
        3 => (
            Door::Smtp,
            &["EHLO a", "MAIL FROM:<>"],
            b"RCPT TO:<nobody@example.org>\r\n",
        ),
        4 => (Door::Pop3, &[], b"CAPA\r\n"),
        5 => (Door::Pop3, log_in, b"NOOP\r\nSTAT\r\nUIDL\r\nLIST\r\n"),
        6 => (Door::Pop3, log_in, b"TOP 1 0\r\nRSET\r\n"),
        _ => (Door::Pop3, log_in, b"\r\n\0\r\n"),
    };
    let peer = street.enter_saying(door, number, lines).await?;
    peer.repeat(&commands.repeat(1000)).await
}

/// Sends a line that never ends: as a command, a password, a text.
async fn endless_line(street: Rc<Street>, number: u32) -> io::Result<()> {
    in_turn(number).await;
    let to_text: &[&str] = &["EHLO a", "MAIL FROM:<>", "RCPT TO:<{victim}>", "DATA"];
    loop {
        let (door, lines): (_, &[&str]) = match number % 4 {
            0 => (Door::Smtp, &[]),
            1 => (Door::Smtp, to_text),
            2 => (Door::Pop3, &[]),
            _ => (Door::Pop3, &["USER {victim}"]),
        };
        if let Ok(peer) = street.enter_saying(door, number, lines).await {
            let _sent_away = peer.repeat(&[b'x'; 16 * 1024]).await;
        }
        sleep(BREATH).await;
    }
}

/// Sends header fields until it is sent away.
async fn endless_header(street: Rc<Street>, number: u32) -> io::Result<()> {
    in_turn(number).await;
    let lines = ["EHLO a", "MAIL FROM:<>", "RCPT TO:<{victim}>", "DATA"];
    loop {
        if let Ok(peer) = street.enter_saying(Door::Smtp, number, &lines).await {
            let _sent_away = peer
                .repeat(&b"X-Field: more and more\r\n".repeat(500))
                .await;
        }
        sleep(BREATH).await;
    }
}

/// Delivers a message with a header of 100 000 lines, and looks at it by POP3.
async fn header_lines(street: Rc<Street>, number: u32) -> io::Result<()> {
    let message = [
        b"X-Field: one of many\r\n".repeat(100_000),
        b"\r\nbody\r\n".to_vec(),
    ]
    .concat();
    deliver_and_look(street, number, message).await
}

/// Delivers a message of 10 000 multiparts within each other, and looks at it by POP3.
async fn mime_levels(street: Rc<Street>, number: u32) -> io::Result<()> {
    let mut message = Vec::new();
    for level in 0..10_000 {
        let head =
            format!("Content-Type: multipart/mixed; boundary=\"b{level}\"\r\n\r\n--b{level}\r\n");
        message.extend_from_slice(head.as_bytes());
    }
    message.extend_from_slice(b"Content-Type: text/plain\r\n\r\ninside\r\n");
    for level in (0..10_000).rev() {
        message.extend_from_slice(format!("--b{level}--\r\n").as_bytes());
    }
    deliver_and_look(street, number, message).await
}

async fn deliver_and_look(street: Rc<Street>, number: u32, message: Vec<u8>) -> io::Result<()> {
    let lines = ["EHLO a", "MAIL FROM:<>", "RCPT TO:<{victim}>", "DATA"];
    // Of the message that lies there longest: mailboxes grow meanwhile.
    let look = ["USER {victim}", "PASS {password}", "TOP 1 10"];
    let remove = ["USER {victim}", "PASS {password}", "DELE 2", "QUIT"];
    in_turn(number * 100).await;
    loop {
        let mut peer = street.enter_saying(Door::Smtp, number, &lines).await?;
        peer.say(&message).await?;
        peer.say(b".\r\n").await?;
        peer.hear().await?;
        drop(peer);
        drop(street.enter_saying(Door::Pop3, number, &look).await);
        drop(street.enter_saying(Door::Pop3, number, &remove).await);
        sleep(BREATH).await;
    }
}

/// Asks for as much as it can, and reads nothing.
async fn never_read(street: Rc<Street>, number: u32) -> io::Result<()> {
    in_turn(number * 4).await;
    let (door, lines, commands): (_, &[&str], &[u8]) = match number % 4 {
        0 => (Door::Smtp, &["EHLO a"], b"EHLO a\r\n"),
        1 => (Door::Smtp, &["EHLO a"], b"RCPT\r\n"),
        _ => (
            Door::Pop3,
            &["USER {victim}", "PASS {password}"],
            b"RETR 1\r\n",
        ),
    };
    let mut peer = street.enter_saying(door, number, lines).await?;
    loop {
        peer.say(&commands.repeat(1000)).await?;
    }
}

/// Tries passwords, each with a connection of its own.
async fn guess(street: Rc<Street>, number: u32) -> io::Result<()> {
    in_turn(number * 4).await;
    for turn in 0_u32.. {
        let guess = format!("PASS {number}-{turn}");
        let user = if number.is_multiple_of(2) {
            "USER {victim}"
        } else {
            "USER ghost@example.org"
        };
        let told = street
            .enter_saying(Door::Pop3, number, &[user, &guess])
            .await;
        if told.is_err() {
            street.sent_away.set(street.sent_away.get() + 1);
        }
        sleep(BREATH).await;
    }
    Ok(())
}

/// Comes with all others from one address.
async fn one_source(street: Rc<Street>, number: u32) -> io::Result<()> {
    const SOURCE: u32 = 10_000;
    in_turn(number).await;
    let door = if number.is_multiple_of(2) {
        Door::Smtp
    } else {
        Door::Pop3
    };
    let mut peer = street.enter_from(door, SOURCE).await?;
    peer.hear_all().await
}
