//! A small mail server in memory, which can be told to misbehave, and the tests of all subcommands
//! against it.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// The mail that `Mischief` is about, counted from 0.
const CHOSEN: usize = 3;

/// What the server does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mischief {
    None,
    /// Acknowledges the chosen mail and forgets it.
    Lose,
    /// Keeps the chosen mail twice.
    Duplicate,
    /// Changes an octet of the chosen mail.
    Corrupt,
    /// Keeps all mails without undoing the doubling of dots.
    KeepDots,
    /// Keeps the chosen mail and closes without an answer.
    KeepAndClose,
    /// Closes without an answer to the chosen mail, and forgets it.
    LoseAndClose,
    /// Keeps the chosen mail and says 451.
    KeepAndDefer,
    /// Keeps the chosen mail and says 554.
    KeepAndRefuse,
    /// Puts the chosen mail in somebody else's mailbox.
    Misdeliver,
    /// Knows no `u2`.
    RefuseOne,
    /// Knows nobody.
    RefuseAll,
    /// Says +OK to QUIT and removes nothing.
    KeepRemoved,
    /// Says +OK to QUIT and keeps everything under new unique ids.
    RenameRemoved,
    /// Removes and closes without an answer to QUIT.
    RemoveAndClose,
    /// Lists the first message and refuses to give it out.
    Withhold,
}

#[derive(Debug, Clone)]
struct Kept {
    uid: usize,
    text: Vec<u8>,
}

#[derive(Debug)]
struct Office {
    mischief: Mischief,
    taken: usize,
    next_uid: usize,
    mailboxes: HashMap<String, Vec<Kept>>,
}

/// The running server. It ends when this is dropped.
struct PostOffice {
    /// SMTP, POP3, and both with TLS from the beginning.
    addresses: [SocketAddr; 4],
    office: Arc<Mutex<Office>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

enum Ended {
    Closed,
    StartTls,
}

impl PostOffice {
    fn open(mischief: Mischief) -> Self {
        let office = Arc::new(Mutex::new(Office {
            mischief,
            taken: 0,
            next_uid: 1,
            mailboxes: HashMap::new(),
        }));
        let (end, ended) = oneshot::channel();
        let (tell, addresses) = oneshot::channel();
        let shared = Arc::clone(&office);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let mut addresses = Vec::new();
                for (protocol, tls) in DOORS {
                    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                    addresses.push(listener.local_addr().unwrap());
                    tokio::spawn(accept(listener, Arc::clone(&shared), protocol, tls));
                }
                tell.send(addresses.try_into().unwrap()).unwrap();
                // Sent or dropped, both mean the end.
                ended.await.ok();
            });
        });
        let addresses = addresses.blocking_recv().unwrap();
        Self {
            addresses,
            office,
            end: Some(end),
            thread: Some(thread),
        }
    }

    fn address(&self, protocol: Protocol, tls: Tls) -> SocketAddr {
        let door = DOORS
            .iter()
            .position(|door| *door == (protocol, tls))
            .unwrap();
        self.addresses[door]
    }

    fn kept(&self, name: &str) -> usize {
        self.office
            .lock()
            .unwrap()
            .mailboxes
            .get(name)
            .map_or(0, Vec::len)
    }
}

impl Drop for PostOffice {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Smtp,
    Pop3,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tls {
    OnDemand,
    FromTheBeginning,
}

const DOORS: [(Protocol, Tls); 4] = [
    (Protocol::Smtp, Tls::OnDemand),
    (Protocol::Pop3, Tls::OnDemand),
    (Protocol::Smtp, Tls::FromTheBeginning),
    (Protocol::Pop3, Tls::FromTheBeginning),
];

async fn accept(listener: TcpListener, office: Arc<Mutex<Office>>, protocol: Protocol, tls: Tls) {
    let acceptor = acceptor();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (office, acceptor) = (Arc::clone(&office), acceptor.clone());
        // A client that goes away ends its session and nothing else.
        tokio::spawn(async move { serve(stream, &office, protocol, tls, &acceptor).await.ok() });
    }
}

fn acceptor() -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(vec!["server.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(
    mut stream: TcpStream,
    office: &Mutex<Office>,
    protocol: Protocol,
    tls: Tls,
    acceptor: &TlsAcceptor,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let greeting = if protocol == Protocol::Smtp {
        "220 hello"
    } else {
        "+OK hello"
    };
    if tls == Tls::FromTheBeginning {
        let mut stream = BufStream::new(acceptor.accept(stream).await?);
        say(&mut stream, greeting).await?;
        talk(&mut stream, office, protocol).await?;
        return Ok(());
    }
    let mut plain = BufStream::new(&mut stream);
    say(&mut plain, greeting).await?;
    if let Ended::StartTls = talk(&mut plain, office, protocol).await? {
        let mut stream = BufStream::new(acceptor.accept(stream).await?);
        talk(&mut stream, office, protocol).await?;
    }
    Ok(())
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufStream<S>,
    office: &Mutex<Office>,
    protocol: Protocol,
) -> io::Result<Ended> {
    match protocol {
        Protocol::Smtp => smtp(stream, office).await,
        Protocol::Pop3 => pop3(stream, office).await,
    }
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufStream<S>,
    line: &str,
) -> io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await?;
    stream.flush().await
}

async fn hear<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufStream<S>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    if stream.read_until(b'\n', &mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line)
}

async fn smtp<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufStream<S>,
    office: &Mutex<Office>,
) -> io::Result<Ended> {
    let mut recipients: Vec<String> = Vec::new();
    loop {
        let line = hear(stream).await?;
        let line = String::from_utf8(line).unwrap().trim_end().to_owned();
        let path = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let mischief = office.lock().unwrap().mischief;
        let verb = line.split(' ').next().unwrap_or_default().to_owned();
        match verb.as_str() {
            "EHLO" => {
                let extensions = ["x", "SIZE 1000", "PIPELINING", "CHUNKING", "STARTTLS"];
                for extension in extensions {
                    say(stream, &format!("250-{extension}")).await?;
                }
                say(stream, "250 AUTH PLAIN LOGIN").await?;
            }
            "AUTH" if line == "AUTH PLAIN AG1lAHB3" => say(stream, "235 in").await?,
            "AUTH" => say(stream, "535 no").await?,
            "STARTTLS" => {
                say(stream, "220 go").await?;
                return Ok(Ended::StartTls);
            }
            "RCPT" if mischief == Mischief::RefuseAll => say(stream, "550 unknown").await?,
            "RCPT" if mischief == Mischief::RefuseOne && path == "u2@x" => {
                say(stream, "550 unknown").await?;
            }
            "RCPT" => {
                recipients.push(path);
                say(stream, "250 ok").await?;
            }
            "DATA" if recipients.is_empty() => say(stream, "503 no recipients").await?,
            "DATA" => {
                say(stream, "354 go").await?;
                let text = dotted(stream, mischief).await?;
                let verdict = take(office, &std::mem::take(&mut recipients), text);
                match verdict {
                    Some(reply) => say(stream, reply).await?,
                    None => return Ok(Ended::Closed),
                }
            }
            "BDAT" => {
                let octets = line.split(' ').nth(1).unwrap().parse().unwrap();
                let mut text = vec![0; octets];
                stream.read_exact(&mut text).await?;
                let to = std::mem::take(&mut recipients);
                match if to.is_empty() {
                    Some("503 no")
                } else {
                    take(office, &to, text)
                } {
                    Some(reply) => say(stream, reply).await?,
                    None => return Ok(Ended::Closed),
                }
            }
            "MAIL" | "RSET" => {
                recipients.clear();
                say(stream, "250 ok").await?;
            }
            "QUIT" => {
                say(stream, "221 bye").await?;
                return Ok(Ended::Closed);
            }
            _ => say(stream, "500 what").await?,
        }
    }
}

async fn dotted<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufStream<S>,
    mischief: Mischief,
) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    loop {
        let line = hear(stream).await?;
        if line == b".\r\n" {
            return Ok(text);
        }
        let kept = match line.strip_prefix(b".") {
            Some(rest) if mischief != Mischief::KeepDots => rest,
            _ => &line,
        };
        text.extend_from_slice(kept);
    }
}

/// Keeps a mail; the reply, or none when the connection ends.
fn take(office: &Mutex<Office>, to: &[String], text: Vec<u8>) -> Option<&'static str> {
    let mut office = office.lock().unwrap();
    let is_chosen = office.taken == CHOSEN;
    office.taken += 1;
    let mischief = if is_chosen {
        office.mischief
    } else {
        Mischief::None
    };
    let mut traced = b"Received: from bench\r\n\tby test\r\n".to_vec();
    traced.extend(text);
    for name in to {
        match mischief {
            Mischief::Lose | Mischief::LoseAndClose => {}
            Mischief::Duplicate => {
                office.keep(name, traced.clone());
                office.keep(name, traced.clone());
            }
            Mischief::Corrupt => {
                let mut text = traced.clone();
                let last = text.len() - 5;
                text[last] ^= 1;
                office.keep(name, text);
            }
            Mischief::Misdeliver => office.keep("u2@x", traced.clone()),
            _ => office.keep(name, traced.clone()),
        }
    }
    match mischief {
        Mischief::KeepAndClose | Mischief::LoseAndClose => None,
        Mischief::KeepAndDefer => Some("451 who knows"),
        Mischief::KeepAndRefuse => Some("554 never"),
        _ => Some("250 kept"),
    }
}

impl Office {
    fn keep(&mut self, name: &str, text: Vec<u8>) {
        let uid = self.next_uid;
        self.next_uid += 1;
        self.mailboxes
            .entry(name.to_owned())
            .or_default()
            .push(Kept { uid, text });
    }
}

async fn pop3<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufStream<S>,
    office: &Mutex<Office>,
) -> io::Result<Ended> {
    let mut name = String::new();
    let mut maildrop: Vec<Kept> = Vec::new();
    let mut marked: Vec<usize> = Vec::new();
    let mischief = office.lock().unwrap().mischief;
    loop {
        let line = hear(stream).await?;
        let line = String::from_utf8(line).unwrap().trim_end().to_owned();
        let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let index = argument.parse::<usize>().unwrap_or(0).wrapping_sub(1);
        match verb {
            "STLS" => {
                say(stream, "+OK go").await?;
                return Ok(Ended::StartTls);
            }
            "USER" => {
                argument.clone_into(&mut name);
                say(stream, "+OK").await?;
            }
            "PASS" if argument == format!("pw-{name}") => {
                let kept = office.lock().unwrap().mailboxes.get(&name).cloned();
                maildrop = kept.unwrap_or_default();
                say(stream, "+OK").await?;
            }
            "PASS" => say(stream, "-ERR [AUTH] no").await?,
            "STAT" => {
                let octets: usize = maildrop.iter().map(|kept| kept.text.len()).sum();
                say(stream, &format!("+OK {} {octets}", maildrop.len())).await?;
            }
            "LIST" | "UIDL" => {
                say(stream, "+OK").await?;
                for (number, kept) in (1..).zip(&maildrop) {
                    let figure = if verb == "LIST" {
                        kept.text.len()
                    } else {
                        kept.uid
                    };
                    say(stream, &format!("{number} {figure}")).await?;
                }
                say(stream, ".").await?;
            }
            "RETR" if mischief == Mischief::Withhold && index == 0 => {
                say(stream, "-ERR cannot").await?;
            }
            "RETR" => {
                say(stream, "+OK").await?;
                let text = String::from_utf8(maildrop[index].text.clone()).unwrap();
                for line in text.split_inclusive("\r\n") {
                    let dot = if line.starts_with('.') { "." } else { "" };
                    stream.write_all(format!("{dot}{line}").as_bytes()).await?;
                }
                say(stream, ".").await?;
            }
            "DELE" => {
                marked.push(maildrop[index].uid);
                say(stream, "+OK").await?;
            }
            "QUIT" => {
                office.lock().unwrap().remove(&name, &marked);
                if mischief != Mischief::RemoveAndClose {
                    say(stream, "+OK").await?;
                }
                return Ok(Ended::Closed);
            }
            _ => say(stream, "-ERR what").await?,
        }
    }
}

impl Office {
    fn remove(&mut self, name: &str, marked: &[usize]) {
        let mischief = self.mischief;
        let Some(mailbox) = self.mailboxes.get_mut(name) else {
            return;
        };
        match mischief {
            Mischief::KeepRemoved => {}
            Mischief::RenameRemoved => mailbox.iter_mut().for_each(|kept| kept.uid += 1000),
            _ => mailbox.retain(|kept| !marked.contains(&kept.uid)),
        }
    }
}

mod tests {
    use std::path::PathBuf;

    use clap::Parser;
    use tempfile::TempDir;

    use super::{Mischief, PostOffice, Protocol, Tls};
    use crate::cli::Cli;
    use crate::report::{LoadReport, Report, VerifyReport};
    use crate::{Outcome, perform};

    /// A server, a ledger, and the subcommands with the arguments that all tests need.
    struct Scene {
        post: PostOffice,
        folder: TempDir,
    }

    impl Scene {
        fn with(mischief: Mischief) -> Self {
            Self {
                post: PostOffice::open(mischief),
                folder: tempfile::tempdir().unwrap(),
            }
        }

        fn ledger(&self) -> PathBuf {
            self.folder.path().join("ledger")
        }

        fn perform(&self, command: &str, options: &str) -> anyhow::Result<Outcome> {
            let protocol = if command == "smtp" {
                Protocol::Smtp
            } else {
                Protocol::Pop3
            };
            let is_implicit = options.contains("--tls implicit");
            let tls = if is_implicit {
                Tls::FromTheBeginning
            } else {
                Tls::OnDemand
            };
            let target = self.post.address(protocol, tls);
            let line = format!("cassmail-bench {command} --target {target} {options}");
            let cli = Cli::try_parse_from(line.split_ascii_whitespace())?;
            Ok(perform(cli.command)?.0)
        }

        fn load(&self, command: &str, options: &str) -> (Box<LoadReport>, bool) {
            let outcome = self.perform(command, options).unwrap();
            match outcome.report {
                Report::Load(report) => (report, outcome.good),
                Report::Verify(_) => unreachable!("a load has another report"),
            }
        }

        fn send(&self, count: u64, options: &str) -> Box<LoadReport> {
            let ledger = self.ledger();
            let ledger = ledger.display();
            let common = format!("--to u{{n}}@x --users 3 --count {count} --ledger {ledger}");
            self.load("smtp", &format!("{common} {options}")).0
        }

        fn drain(&self, options: &str) -> Box<LoadReport> {
            let ledger = self.ledger();
            let ledger = ledger.display();
            let common = "--login u{n}@x --users 3 --password pw-{login} --mode drain";
            self.load("pop3", &format!("{common} --ledger {ledger} {options}"))
                .0
        }

        fn verify(&self) -> Box<VerifyReport> {
            let ledger = self.ledger();
            let ledger = ledger.display();
            let options = format!("--password pw-{{login}} --ledger {ledger} --pipeline");
            let outcome = self.perform("verify", &options).unwrap();
            match outcome.report {
                Report::Verify(report) => {
                    assert_eq!(report.good, outcome.good);
                    report
                }
                Report::Load(_) => unreachable!("verify has another report"),
            }
        }
    }

    #[test]
    fn every_way_to_send_is_counted_entered_and_found() {
        for options in [
            "",
            "--pipeline",
            "--bdat",
            "--bdat --pipeline",
            "--per-connection 3",
            "--per-connection 1 --pipeline",
            "--connections 4 --threads 2 --pipeline",
            "--recipients 2 --pick zipf",
            "--recipients spec --size spec --pipeline",
            "--rate 500 --connections 3 --pipeline",
            "--tls starttls --pipeline",
            "--tls implicit --bdat",
            "--auth me:pw --content random",
            "--retry 2",
        ] {
            let scene = Scene::with(Mischief::None);
            let report = scene.send(20, options);
            assert_eq!((report.succeeded, report.failed), (20, 0), "{options}");
            assert_eq!(report.counts["mails"], 20, "{options}");
            assert_eq!(report.latency_ms["mail"].count, 20, "{options}");
            let verdict = scene.verify();
            assert!(verdict.good, "{options}: {:?}", verdict.findings);
            let findings = &verdict.findings;
            assert_eq!(findings.acknowledged, report.counts["copies"], "{options}");
            assert_eq!(findings.sound, findings.acknowledged, "{options}");
            assert_eq!((findings.foreign, findings.phantom), (0, 0), "{options}");
        }
    }

    #[test]
    fn a_mailbox_can_be_emptied_unread() {
        for options in ["", "--pipeline"] {
            let scene = Scene::with(Mischief::None);
            scene.send(12, "--pipeline");
            let common = "--login u{n}@x --users 3 --password pw-{login} --mode remove";
            let (report, _) = scene.load("pop3", &format!("{common} {options}"));
            let removed = report.counts["removed"];
            assert_eq!((report.succeeded, removed), (3, 12), "{options}");
            assert_eq!(scene.post.kept("u1@x"), 0);
        }
    }

    #[test]
    fn a_drained_mailbox_is_empty_and_verifies() {
        for options in [
            "",
            "--pipeline",
            "--tls stls",
            "--tls implicit --connections 3",
        ] {
            let scene = Scene::with(Mischief::None);
            scene.send(12, "--pipeline");
            let report = scene.drain(options);
            assert_eq!(
                (report.succeeded, report.counts["removed"]),
                (3, 12),
                "{options}"
            );
            assert_eq!(scene.post.kept("u1@x"), 0);
            let verdict = scene.verify();
            assert!(verdict.good, "{options}: {:?}", verdict.findings);
            assert_eq!((verdict.findings.removed, verdict.findings.sound), (12, 12));
        }
    }

    #[test]
    fn every_mode_of_pop3_counts_what_it_saw() {
        let scene = Scene::with(Mischief::None);
        scene.send(9, "--size 3KiB");
        for mode in [
            "poll",
            "stat",
            "retrieve",
            "poll --pipeline",
            "retrieve --pipeline",
        ] {
            let options =
                format!("--login u{{n}}@x --users 3 --password pw-{{login}} --mode {mode}");
            let (report, good) = scene.load("pop3", &options);
            assert!(good, "{mode}");
            assert_eq!(report.counts["listed"], 9, "{mode}");
            let retrieved = report.counts.get("messages").copied().unwrap_or(0);
            assert_eq!(retrieved, if mode.starts_with("retrieve") { 9 } else { 0 });
            assert_eq!(report.latency_ms["session"].count, 3, "{mode}");
        }
    }

    #[test]
    fn a_mailbox_is_timed_as_often_as_was_asked() {
        let scene = Scene::with(Mischief::None);
        scene.send(6, "");
        let options = "--login u1@x --password pw-{login} --repeat 4";
        let (report, good) = scene.load("mailbox", options);
        assert!(good);
        assert_eq!(report.counts["listed"], 8);
        assert!(
            ["login to STAT", "LIST", "UIDL"]
                .iter()
                .all(|w| report.latency_ms[*w].count == 4)
        );
    }

    #[test]
    fn a_lost_message_is_lost() {
        let scene = Scene::with(Mischief::Lose);
        scene.send(6, "--pipeline");
        let verdict = scene.verify();
        assert!(!verdict.good);
        assert_eq!((verdict.findings.lost, verdict.findings.sound), (1, 5));
        assert_eq!(verdict.findings.examples["lost"].len(), 1);
    }

    #[test]
    fn a_message_that_is_there_twice_is_duplicated() {
        let scene = Scene::with(Mischief::Duplicate);
        scene.send(6, "");
        let findings = scene.verify().findings;
        assert_eq!((findings.duplicated, findings.lost), (1, 0));
    }

    #[test]
    fn a_changed_message_is_corrupt_and_not_lost() {
        let scene = Scene::with(Mischief::Corrupt);
        scene.send(6, "");
        let verdict = scene.verify();
        assert!(!verdict.good);
        assert_eq!((verdict.findings.corrupt, verdict.findings.lost), (1, 0));
        let report = scene.drain("");
        assert_eq!((report.counts["corrupt"], report.failed), (1, 1));
    }

    #[test]
    fn a_server_that_keeps_doubled_dots_is_found_out() {
        let scene = Scene::with(Mischief::KeepDots);
        scene.send(6, "");
        assert_eq!(scene.verify().findings.corrupt, 6);
    }

    #[test]
    fn a_mail_without_an_answer_is_uncertain_whether_it_is_there_or_not() {
        let scene = Scene::with(Mischief::KeepAndClose);
        let report = scene.send(6, "--pipeline");
        assert_eq!(
            (report.succeeded, report.failed, report.counts["uncertain"]),
            (5, 1, 1)
        );
        let verdict = scene.verify();
        assert!(verdict.good, "{:?}", verdict.findings);
        assert_eq!(verdict.findings.uncertain_present, 1);

        let scene = Scene::with(Mischief::LoseAndClose);
        scene.send(6, "--bdat --pipeline");
        let verdict = scene.verify();
        assert!(verdict.good, "{:?}", verdict.findings);
        assert_eq!(verdict.findings.uncertain_absent, 1);
    }

    #[test]
    fn the_second_copy_of_a_repeated_mail_is_explained() {
        for mischief in [Mischief::KeepAndClose, Mischief::KeepAndDefer] {
            let scene = Scene::with(mischief);
            let report = scene.send(6, "--retry 1");
            assert_eq!(
                (report.succeeded, report.failed, report.counts["retries"]),
                (6, 0, 1)
            );
            let verdict = scene.verify();
            assert!(verdict.good, "{:?}", verdict.findings);
            assert_eq!(
                (verdict.findings.acknowledged, verdict.findings.duplicated),
                (6, 0)
            );
        }
    }

    #[test]
    fn a_refused_mail_that_is_there_all_the_same_is_noticed() {
        let scene = Scene::with(Mischief::KeepAndRefuse);
        let report = scene.send(6, "--pipeline");
        assert_eq!(report.errors["body: 554"].count, 1);
        let verdict = scene.verify();
        assert!(!verdict.good);
        assert_eq!(verdict.findings.refused_present, 1);
    }

    #[test]
    fn a_message_in_the_wrong_mailbox_is_lost_here_and_misdelivered_there() {
        let scene = Scene::with(Mischief::Misdeliver);
        scene.send(6, "");
        let findings = scene.verify().findings;
        assert_eq!((findings.lost, findings.misdelivered), (1, 1));
    }

    #[test]
    fn a_refused_recipient_does_not_end_the_transaction() {
        for options in ["", "--pipeline", "--bdat", "--bdat --pipeline"] {
            let scene = Scene::with(Mischief::RefuseOne);
            let report = scene.send(6, &format!("--recipients 3 {options}"));
            assert_eq!(
                (report.succeeded, report.counts["copies"]),
                (6, 12),
                "{options}"
            );
            assert_eq!(report.counts["recipients refused"], 6, "{options}");
            let verdict = scene.verify();
            assert!(verdict.good, "{options}: {:?}", verdict.findings);
            assert_eq!(verdict.findings.mailboxes, 2, "{options}");
        }
    }

    #[test]
    fn a_mail_that_nobody_wants_fails_and_the_next_one_is_tried() {
        for options in ["", "--pipeline", "--bdat", "--bdat --pipeline"] {
            let scene = Scene::with(Mischief::RefuseAll);
            let report = scene.send(4, options);
            assert_eq!((report.succeeded, report.failed), (0, 4), "{options}");
            assert_eq!(report.errors["RCPT: 550"].count, 4, "{options}");
            assert_eq!(report.counts["connections"], 1, "{options}");
        }
    }

    #[test]
    fn what_was_removed_and_is_there_again_is_resurrected() {
        let scene = Scene::with(Mischief::KeepRemoved);
        scene.send(6, "");
        scene.drain("");
        let verdict = scene.verify();
        assert!(!verdict.good);
        assert_eq!(
            (verdict.findings.resurrected, verdict.findings.duplicated),
            (6, 0)
        );
    }

    #[test]
    fn what_was_removed_and_is_there_under_another_name_is_duplicated() {
        let scene = Scene::with(Mischief::RenameRemoved);
        scene.send(6, "");
        scene.drain("--pipeline");
        let verdict = scene.verify();
        assert!(!verdict.good);
        assert_eq!(
            (verdict.findings.resurrected, verdict.findings.duplicated),
            (0, 6)
        );
    }

    #[test]
    fn a_quit_without_an_answer_may_have_removed() {
        let scene = Scene::with(Mischief::RemoveAndClose);
        scene.send(6, "");
        let report = scene.drain("--allow-errors");
        assert_eq!((report.failed, report.counts["maybe removed"]), (3, 6));
        // The verification cannot end its sessions on this server either.
        scene.post.office.lock().unwrap().mischief = Mischief::None;
        let verdict = scene.verify();
        assert!(verdict.good, "{:?}", verdict.findings);
        assert_eq!((verdict.findings.sound, verdict.findings.removed), (6, 0));
    }

    #[test]
    fn a_message_that_is_listed_and_withheld_is_unreadable_and_lost() {
        let scene = Scene::with(Mischief::Withhold);
        scene.send(6, "");
        let findings = scene.verify().findings;
        assert_eq!((findings.unreadable, findings.lost), (3, 3));
    }

    #[test]
    fn messages_that_the_ledger_does_not_know_are_phantoms_or_foreign() {
        let scene = Scene::with(Mischief::None);
        scene.send(6, "");
        let text = std::fs::read_to_string(scene.ledger()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        std::fs::write(scene.ledger(), lines[..lines.len() - 1].join("\n")).unwrap();
        let mut office = scene.post.office.lock().unwrap();
        office.keep("u1@x", b"Subject: advertisement\r\n\r\nbuy\r\n".to_vec());
        drop(office);
        let verdict = scene.verify();
        assert!(verdict.good, "{:?}", verdict.findings);
        assert_eq!((verdict.findings.phantom, verdict.findings.foreign), (1, 1));
    }

    #[test]
    fn a_wrong_password_is_an_error_and_not_an_empty_mailbox() {
        let scene = Scene::with(Mischief::None);
        scene.send(3, "");
        let ledger = scene.ledger();
        let options = format!("--password wrong --ledger {}", ledger.display());
        let error = scene.perform("verify", &options).unwrap_err();
        assert!(format!("{error:#}").contains("PASS"), "{error:#}");
    }

    #[test]
    fn a_server_that_is_not_there_fails_every_operation() {
        let scene = Scene::with(Mischief::None);
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = free.local_addr().unwrap();
        drop(free);
        let line = format!("cassmail-bench smtp --target {target} --to a@x --count 2");
        let cli = Cli::try_parse_from(line.split_ascii_whitespace()).unwrap();
        let outcome = perform(cli.command).unwrap().0;
        assert!(!outcome.good);
        assert!(outcome.report.table().contains("connect: no connection"));
        drop(scene);
    }

    #[test]
    fn a_report_says_the_same_as_table_and_as_json() {
        let scene = Scene::with(Mischief::None);
        let (report, _) = scene.load(
            "smtp",
            &format!(
                "--to a@x --count 5 --pid {} --idle-wait 0",
                std::process::id()
            ),
        );
        assert!(report.server.is_some());
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["counts"]["mails"], 5);
        let table = Report::Load(report).table();
        assert!(
            table.contains("mails") && table.contains("CPU of the server"),
            "{table}"
        );
        let verdict = {
            scene.send(3, "");
            serde_json::to_value(scene.verify()).unwrap()
        };
        assert_eq!(
            (&verdict["good"], &verdict["lost"]),
            (&true.into(), &0.into())
        );
    }
}
