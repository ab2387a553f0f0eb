//! Thunderbird without a window, with an account of a profile that is made for it.
//!
//! What its buttons do is called by a script that it runs at start; see `work.cfg`. It is ended and
//! started between the steps, so that what it knows of the server is what it wrote down.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cassmail_e2e::{
    Conversation, Enclosure, Maildrop, Message, PASSWORD, Port, Server, Wire, written,
};

use crate::skip::{installed, say};

/// What one start and its steps may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// What its mailbox does not have as it came: a line that begins with `From ` is quoted there.
const CHANGED: [&str; 1] = ["mbox-from-lines"];

/// Its numbers for kinds of TLS.
#[derive(Debug, Clone, Copy)]
enum Tls {
    Clear = 0,
    Upgrade = 2,
    Implicit = 3,
}

#[test]
fn thunderbird_fetches_keeps_fetches_again_and_deletes() {
    let Some(layers) = installed("thunderbird") else {
        return;
    };
    let server = Server::plain();
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let thunderbird = Thunderbird::new(layers, folder.path(), &server);
    let messages = written();
    let all = messages.len();
    for message in &messages {
        offer(&server, &message.octets);
    }

    // Kept on the server, and known again in the same session of the program.
    assert_eq!(
        thunderbird.works(Tls::Clear, &["fetch", "fetch"]),
        [all, all]
    );
    assert_eq!(listed(&server), all);
    let changed = messages.iter().filter(|message| !thunderbird.has(message));
    let changed: Vec<&str> = changed.map(|message| message.name.as_str()).collect();
    assert_eq!(changed, CHANGED);
    say(&format!(
        "thunderbird: {all} fetched, {} of them octet for octet",
        all - CHANGED.len()
    ));

    // Known again after a restart, by UIDL; what is new comes alone.
    offer(&server, b"Subject: one more\r\n\r\nbody\r\n");
    assert_eq!(thunderbird.works(Tls::Implicit, &["fetch"]), [all + 1]);
    assert_eq!(listed(&server), all + 1);

    // Deleted there is deleted here, at the next fetch.
    let steps = ["delete", "fetch"];
    assert_eq!(thunderbird.works(Tls::Upgrade, &steps), [all, all]);
    assert_eq!(listed(&server), all);

    // Without "leave messages on server", those that it has go; what it fetched stays with it.
    let steps = ["leave nothing", "fetch"];
    assert_eq!(thunderbird.works(Tls::Implicit, &steps), [all, all]);
    assert_eq!(listed(&server), 0);
}

struct Thunderbird<'a> {
    enclosure: Enclosure,
    profile: PathBuf,
    server: &'a Server,
}

impl<'a> Thunderbird<'a> {
    fn new(layers: PathBuf, folder: &Path, server: &'a Server) -> Self {
        let enclosure = Enclosure::new(layers, folder.join("enclosure"));
        enclosure.write(
            "/usr/lib/thunderbird/cassmail.cfg",
            include_str!("work.cfg"),
        );
        let preferences = "/usr/lib/thunderbird/defaults/pref/autoconfig.js";
        enclosure.write(preferences, include_str!("autoconfig.js"));
        let profile = folder.join("profile");
        fs::create_dir(&profile).expect("there is room for temporary files");
        Self {
            enclosure,
            profile,
            server,
        }
    }

    /// Starts it, lets it do these steps with its account, and waits until it has ended; gives how
    /// many messages were in its inbox after each.
    #[track_caller]
    fn works(&self, tls: Tls, steps: &[&str]) -> Vec<usize> {
        let port = match tls {
            Tls::Clear | Tls::Upgrade => Port::Pop3,
            Tls::Implicit => Port::Pop3s,
        };
        let port = self.server.port(port);
        let account = account(port, tls);
        fs::write(self.profile.join("user.js"), account).expect("there is room");
        let answer = self.profile.join("answer");
        drop(fs::remove_file(&answer));
        let task = format!("CASSMAIL_TASK={}", self.task(port, &answer, steps));
        let home = format!("HOME={}", self.profile.display());
        let profile = self.profile.display().to_string();
        let program = "/usr/lib/thunderbird/thunderbird";
        let words = [
            "env",
            &task,
            &home,
            program,
            "--headless",
            "--no-remote",
            "--profile",
        ];
        let ended = self
            .enclosure
            .run(&[&words, [profile.as_str()].as_slice()].concat(), PATIENCE);
        let answer = fs::read_to_string(&answer).unwrap_or_default();
        let counts = answer.strip_prefix("well ");
        let counts = counts.unwrap_or_else(|| panic!("{tls:?} {steps:?}: {answer}\n{ended:?}"));
        counts
            .split(' ')
            .map(|count| count.parse().expect("counts are numbers"))
            .collect()
    }

    fn task(&self, port: u16, answer: &Path, steps: &[&str]) -> String {
        let certificate = base64(&self.certificate());
        format!(
            "{{\"answer\":\"{}\",\"port\":{port},\"certificate\":\"{certificate}\",\
             \"password\":\"{PASSWORD}\",\"steps\":{steps:?}}}",
            answer.display()
        )
    }

    fn certificate(&self) -> Vec<u8> {
        let wire = Wire::connect(self.server.port(Port::Pop3s)).expect("somebody listens");
        wire.into_tls().expect("there is TLS").certificate()
    }

    /// Whether a message is in its mailbox as it was sent, but for line ends.
    fn has(&self, message: &Message) -> bool {
        let inbox = self.profile.join("Mail/127.0.0.1/Inbox");
        let inbox = fs::read(inbox).expect("there is a mailbox");
        let mut wanted = message.octets.clone();
        wanted.retain(|octet| *octet != b'\r');
        inbox.windows(wanted.len()).any(|window| window == wanted)
    }
}

/// The preferences of a profile with one account.
fn account(port: u16, tls: Tls) -> String {
    let settings = [
        ("accountmanager.accounts", "\"account1\"".to_owned()),
        ("account.account1.server", "\"server1\"".to_owned()),
        ("account.account1.identities", "\"id1\"".to_owned()),
        ("identity.id1.useremail", "\"bob@example.org\"".to_owned()),
        ("server.server1.type", "\"pop3\"".to_owned()),
        ("server.server1.hostname", "\"127.0.0.1\"".to_owned()),
        ("server.server1.port", port.to_string()),
        ("server.server1.socketType", (tls as u8).to_string()),
        // A password as it is.
        ("server.server1.authMethod", "3".to_owned()),
        ("server.server1.userName", "\"bob@example.org\"".to_owned()),
        ("server.server1.leave_on_server", "true".to_owned()),
        (
            "server.server1.delete_mail_left_on_server",
            "true".to_owned(),
        ),
        // Nothing happens but what the script does.
        ("server.server1.login_at_startup", "false".to_owned()),
        ("server.server1.check_new_mail", "false".to_owned()),
        ("shell.checkDefaultClient", "false".to_owned()),
    ];
    let mut text = String::new();
    for (name, value) in settings {
        let _ = writeln!(text, "user_pref(\"mail.{name}\", {value});");
    }
    // There is no network, and nobody is to be told.
    let quiet = [
        "network.captive-portal-service.enabled",
        "network.connectivity-service.enabled",
        "datareporting.policy.dataSubmissionEnabled",
        "extensions.update.enabled",
        "app.update.enabled",
    ];
    for name in quiet {
        let _ = writeln!(text, "user_pref(\"{name}\", false);");
    }
    text
}

fn offer(server: &Server, message: &[u8]) {
    let mut conversation = Conversation::open(server.port(Port::Mx)).expect("welcomes");
    let reply = conversation.offer("bob", message).expect("answers");
    assert!(reply.starts_with("250"), "{reply}");
}

fn listed(server: &Server) -> usize {
    let maildrop = Maildrop::open(server.port(Port::Pop3), "bob");
    let sizes = maildrop.and_then(|mut maildrop| maildrop.sizes());
    sizes.expect("lists").len()
}

/// RFC 4648 4.
fn base64(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in octets.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| {
            bits << 8 | usize::from(group.get(at).copied().unwrap_or(0))
        });
        for at in 0..4 {
            let letter = ALPHABET[bits >> (18 - 6 * at) & 63];
            text.push(if at > group.len() {
                '='
            } else {
                char::from(letter)
            });
        }
    }
    text
}
