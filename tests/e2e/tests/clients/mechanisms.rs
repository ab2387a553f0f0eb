//! Every mechanism for passwords that a client can be told to use, on every port and with every
//! kind of TLS that it is for. A client that is told takes that mechanism or fails.
//!
//! How mail comes and goes is tested with `senders` and `fetchers`; here one letter is enough.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Command;

use cassmail_e2e::{Conversation, Maildrop, PASSWORD, Port, Server};

use crate::door::{Client, Door, IN, OUT_IN_CLEAR, OUT_UNDER_TLS, Tls, login, well};
use crate::skip::present;

/// What logs in to send: the client, its mechanisms, and how it is told.
type Way = (
    &'static str,
    &'static [&'static str],
    fn(&Client<'_>, &str, &str),
);

const SENDERS: [Way; 5] = [
    ("curl", &["PLAIN", "LOGIN"], curl_sends),
    ("swaks", &["PLAIN", "LOGIN"], swaks_sends),
    ("msmtp", &["plain", "login", "scram-sha-256"], msmtp_sends),
    ("python3", &["PLAIN", "LOGIN"], smtplib_sends),
    ("mutt", &["plain", "login", "scram-sha-256"], mutt_sends),
];

const FETCHERS: [Way; 3] = [
    ("curl", &["PLAIN", "LOGIN", "*"], curl_fetches),
    (
        "mpop",
        &["user", "plain", "login", "scram-sha-256"],
        mpop_fetches,
    ),
    (
        "mutt",
        &["user", "plain", "login", "scram-sha-256"],
        mutt_fetches,
    ),
];

#[test]
fn whoever_sends_logs_in_by_each_mechanism_on_each_port() {
    let server = Server::plain();
    let mut sent = BTreeSet::new();
    for (program, mechanisms, send) in SENDERS {
        if !present(program) {
            continue;
        }
        for door in IN.into_iter().filter(|door| door.is_submission()) {
            for mechanism in mechanisms {
                let subject = format!("{program} {mechanism} {:?}", door.port);
                through(&server, door, |client| send(client, mechanism, &subject));
                sent.insert(subject);
            }
        }
    }
    let came: BTreeSet<String> = ["dave", "erin"]
        .into_iter()
        .flat_map(|account| subjects(&server, account))
        .collect();
    assert_eq!(came, sent);
}

#[test]
fn whoever_fetches_logs_in_by_each_mechanism_on_each_port() {
    let server = Server::plain();
    let mut conversation = Conversation::open(server.port(Port::Mx)).expect("welcomes");
    let message = b"Subject: the letter\r\n\r\nbody\r\n";
    let reply = conversation.offer("bob", message).expect("answers");
    assert!(reply.starts_with("250"), "{reply}");
    for (program, mechanisms, fetch) in FETCHERS {
        if !present(program) {
            continue;
        }
        for door in OUT_IN_CLEAR.into_iter().chain(OUT_UNDER_TLS) {
            for mechanism in mechanisms {
                let what = format!("{program} {mechanism} {:?} {:?}", door.port, door.tls);
                through(&server, door, |client| {
                    fetch(client, mechanism, "letter");
                    let letter = std::fs::read(client.home.join("letter")).unwrap_or_default();
                    let letter = String::from_utf8_lossy(&letter);
                    assert!(letter.contains("Subject: the letter"), "{what}: {letter}");
                });
            }
        }
    }
}

fn through(server: &Server, door: Door, work: impl FnOnce(&Client<'_>)) {
    let home = tempfile::tempdir().expect("there is room for temporary files");
    work(&Client {
        server,
        door,
        home: home.path(),
    });
}

fn subjects(server: &Server, account: &str) -> Vec<String> {
    let maildrop = Maildrop::open(server.port(Port::Pop3), account);
    let messages = maildrop.and_then(|mut maildrop| maildrop.retrieve_all());
    let subject = |message: &Vec<u8>| {
        let text = String::from_utf8_lossy(message).into_owned();
        let mut lines = text.lines();
        let subject = lines.find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned));
        subject.expect("every message has a subject")
    };
    messages.expect("fetches").iter().map(subject).collect()
}

fn letter(subject: &str) -> String {
    format!(
        "From: alice@example.org\r\nSubject: {subject}\r\n\
         Date: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@client.example>\r\n\r\nbody\r\n"
    )
}

/// What curl needs for a server that it may not know.
fn curl(client: &Client<'_>, protocol: &str, account: &str, mechanism: &str) -> Command {
    let mut command = client.command("curl");
    let secure = if client.door.tls == Tls::Implicit {
        "s"
    } else {
        ""
    };
    let url = format!("{protocol}{secure}://127.0.0.1:{}", client.port());
    command.args([
        "--disable",
        "--silent",
        "--show-error",
        "--insecure",
        "--max-time",
        "60",
    ]);
    command.args(["--login-options", &format!("AUTH={mechanism}")]);
    command.args(["--user", &login(account)]);
    if client.door.tls == Tls::Upgrade {
        command.arg("--ssl-reqd");
    }
    command.arg("--url");
    match protocol {
        "pop3" => command.arg(format!("{url}/1")),
        _ => command.arg(format!("{url}/client.example")),
    };
    command
}

fn curl_sends(client: &Client<'_>, mechanism: &str, subject: &str) {
    let mut command = curl(client, "smtp", "alice", mechanism);
    command.args([
        "--mail-from",
        "alice@example.org",
        "--mail-rcpt",
        &client.door.address(),
    ]);
    well(
        command.args(["--upload-file", "-"]),
        letter(subject).as_bytes(),
    );
}

fn curl_fetches(client: &Client<'_>, mechanism: &str, file: &str) {
    let mut command = curl(client, "pop3", client.door.account, mechanism);
    well(command.args(["--output", file]), b"");
}

fn swaks_sends(client: &Client<'_>, mechanism: &str, subject: &str) {
    let mut command = client.command("swaks");
    command.args([
        "--server",
        "127.0.0.1",
        "--port",
        &client.port().to_string(),
    ]);
    command.args([
        "--from",
        "alice@example.org",
        "--to",
        &client.door.address(),
    ]);
    command.args([
        "--ehlo",
        "client.example",
        "--header",
        &format!("Subject: {subject}"),
    ]);
    command.args(["--auth", mechanism, "--auth-user", "alice@example.org"]);
    command.args(["--auth-password", PASSWORD, "--timeout", "60"]);
    let tls = if client.door.tls == Tls::Upgrade {
        "--tls"
    } else {
        "--tls-on-connect"
    };
    well(command.arg(tls), b"");
}

/// The lines that msmtp and mpop share.
fn marlam(client: &Client<'_>, user: &str, mechanism: &str) -> String {
    let on = |yes: bool| if yes { "on" } else { "off" };
    format!(
        "account default\nhost 127.0.0.1\nport {}\ntimeout 60\nauth {mechanism}\nuser {user}\n\
         password {PASSWORD}\ntls {}\ntls_starttls {}\ntls_certcheck off\n",
        client.port(),
        on(client.door.tls != Tls::Clear),
        on(client.door.tls == Tls::Upgrade),
    )
}

fn msmtp_sends(client: &Client<'_>, mechanism: &str, subject: &str) {
    let config = marlam(client, "alice@example.org", mechanism) + "from alice@example.org\n";
    let config = client.write("msmtprc", config.as_bytes());
    let mut command = client.command("msmtp");
    command.arg(format!("--file={}", config.display()));
    let letter = letter(subject).replace("\r\n", "\n");
    well(
        command.args(["--", &client.door.address()]),
        letter.as_bytes(),
    );
}

fn mpop_fetches(client: &Client<'_>, mechanism: &str, file: &str) {
    let user = client.door.address();
    let mut config = marlam(client, &user, mechanism);
    let file = client.home.join(file);
    let collect = client.write("collect", format!("cat > {}\n", file.display()).as_bytes());
    let _ = write!(
        config,
        "keep on\ndelivery mda /bin/sh {}\nuidls_file {}\n",
        collect.display(),
        client.home.join("uidls").display()
    );
    let config = client.write("mpoprc", config.as_bytes());
    let mut command = client.command("mpop");
    well(
        command
            .arg(format!("--file={}", config.display()))
            .arg("--quiet"),
        b"",
    );
}

fn smtplib_sends(client: &Client<'_>, mechanism: &str, subject: &str) {
    let script = "import smtplib, ssl, sys\n\
        port, tls, mechanism, recipient = sys.argv[1:]\n\
        context = ssl._create_unverified_context()\n\
        name = 'client.example'\n\
        if tls == 'Implicit':\n    \
            server = smtplib.SMTP_SSL('127.0.0.1', int(port), name, timeout=60, context=context)\n\
        else:\n    \
            server = smtplib.SMTP('127.0.0.1', int(port), name, timeout=60)\n    \
            server.starttls(context=context)\n\
        server.ehlo()\n\
        server.user, server.password = 'alice@example.org', 'cassmail-dev'\n\
        method = {'PLAIN': server.auth_plain, 'LOGIN': server.auth_login}[mechanism]\n\
        code, text = server.auth(mechanism, method)\n\
        assert code == 235, text\n\
        server.sendmail('alice@example.org', [recipient], sys.stdin.buffer.read())\n\
        server.quit()\n";
    let tls = format!("{:?}", client.door.tls);
    let mut command = client.command("python3");
    command.args(["-c", script, &client.port().to_string(), &tls, mechanism]);
    well(
        command.arg(client.door.address()),
        letter(subject).as_bytes(),
    );
}

/// What mutt is told in both directions.
fn mutt_settings(client: &Client<'_>) -> String {
    let starttls = if client.door.tls == Tls::Upgrade {
        "yes"
    } else {
        "no"
    };
    let home = client.home.display();
    format!(
        "set ssl_starttls = {starttls}\nset ssl_force_tls = {starttls}\n\
         set ssl_verify_host = no\nset ssl_verify_dates = no\nset certificate_file = \"{}\"\n\
         set folder = \"{home}\"\nset quit = yes\nset wait_key = no\nset sleep_time = 0\n\
         set hostname = client.example\n",
        client.certificate().display()
    )
}

fn mutt_sends(client: &Client<'_>, mechanism: &str, subject: &str) {
    let scheme = if client.door.tls == Tls::Implicit {
        "smtps"
    } else {
        "smtp"
    };
    let mailbox = format!("From a Tue Nov 24 10:00:00 2026\n{}", letter(subject));
    client.write("mailbox", mailbox.replace("\r\n", "\n").as_bytes());
    let config = format!(
        "{}set smtp_url = \"{scheme}://alice%40example.org@127.0.0.1:{}/\"\n\
         set smtp_pass = \"{PASSWORD}\"\nset smtp_authenticators = \"{mechanism}\"\n\
         set from = \"alice@example.org\"\nset envelope_from_address = \"alice@example.org\"\n\
         set use_envelope_from = yes\nset spoolfile = \"{}/mailbox\"\nset bounce = yes\n\
         push \"<bounce-message>{}<enter><exit>\"\n",
        mutt_settings(client),
        client.port(),
        client.home.display(),
        client.door.address(),
    );
    client.press(&config);
}

fn mutt_fetches(client: &Client<'_>, mechanism: &str, file: &str) {
    let scheme = if client.door.tls == Tls::Implicit {
        "pops"
    } else {
        "pop"
    };
    let config = format!(
        "{}set spoolfile = \"{scheme}://{}%40example.org@127.0.0.1:{}/\"\n\
         set pop_pass = \"{PASSWORD}\"\nset pop_authenticators = \"{mechanism}\"\n\
         set pop_delete = no\nset delete = no\nset pipe_decode = no\n\
         push \"<pipe-message>cat > {}<enter><exit>\"\n",
        mutt_settings(client),
        client.door.account,
        client.port(),
        client.home.join(file).display(),
    );
    client.press(&config);
}
