//! Clients that log in by other things than a password shown: SCRAM, tokens, application passwords.

mod token;

use std::process::Command;
use std::time::Duration;

use cassmail_e2e::{Configuration, Conversation, Ended, Maildrop, Port, Server, Wire, run};

use crate::skip::present;
use token::Issuer;

const BOB: &str = "bob@here.example";
const PASSWORD: &str = "open sesame";
const LETTER: &[u8] = b"From: bob@here.example\nSubject: by login\n\nIt works.\n";

/// What a client may take for one of its runs.
const LIMIT: Duration = Duration::from_mins(2);

/// A server with bob in it, a home for a client, and perhaps somebody who makes tokens.
struct Scene {
    server: Server,
    home: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        Self::with("")
    }

    fn with(more: &str) -> Self {
        Self::in_home(home(), more)
    }

    /// Tokens of this issuer are taken.
    fn trusting(issuer: &Issuer) -> Self {
        let home = home();
        let jwks = home.path().join("jwks.json");
        std::fs::write(&jwks, issuer.jwks()).expect("there is room");
        let table = format!(
            "[login.oauth]\njwks_file = \"{}\"\nissuer = \"https://login.example\"\n\
             audience = \"mail\"\n",
            jwks.display()
        );
        Self::in_home(home, &table)
    }

    fn in_home(home: tempfile::TempDir, more: &str) -> Self {
        let server = Server::configured_with(&Configuration::default(), more);
        server.administer(&["domain", "add", "here.example"], "");
        let add = ["account", "add", BOB, "--password-stdin"];
        server.administer(&add, &format!("{PASSWORD}\n"));
        Self { server, home }
    }

    fn port(&self, port: Port) -> u16 {
        self.server.port(port)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.home.path());
        command
            .env("HOME", self.home.path())
            .env("LC_ALL", "C.UTF-8");
        command.env("TERM", "xterm").env_remove("XDG_CONFIG_HOME");
        command
    }

    /// Writes a file that only its owner may read.
    fn write(&self, name: &str, content: &str) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.home.path().join(name);
        std::fs::write(&path, content).expect("there is room for temporary files");
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, private).expect("the file is ours");
        path.display().to_string()
    }

    /// Sends a letter to bob from himself; gives what msmtp said.
    fn msmtp(&self, port: Port, method: &str, secret: &str) -> Ended {
        let starttls = if port == Port::Submission {
            "on"
        } else {
            "off"
        };
        let config = format!(
            "account default\nhost 127.0.0.1\nport {}\ndomain client.example\ntimeout 60\n\
             from {BOB}\ntls on\ntls_starttls {starttls}\ntls_certcheck off\nauth {method}\n\
             user {BOB}\npassword {secret}\n",
            self.port(port)
        );
        let config = self.write("msmtprc", &config);
        let mut command = self.command("msmtp");
        command.args([&format!("--file={config}"), "-f", BOB, "--", BOB]);
        run(&mut command, LETTER, LIMIT)
    }

    /// Fetches all letters; gives what mpop said.
    fn mpop(&self, port: Port, method: &str, secret: &str) -> Ended {
        let starttls = if port == Port::Pop3 { "on" } else { "off" };
        let config = format!(
            "account default\nhost 127.0.0.1\nport {}\ntimeout 60\nauth {method}\nuser {BOB}\n\
             password {secret}\ntls on\ntls_starttls {starttls}\ntls_certcheck off\nkeep on\n\
             delivery mbox {home}/mbox\nuidls_file {home}/uidls\n",
            self.port(port),
            home = self.home.path().display(),
        );
        let config = self.write("mpoprc", &config);
        let mut command = self.command("mpop");
        command.arg(format!("--file={config}"));
        run(&mut command, b"", LIMIT)
    }

    /// Logs in with a token by curl, whose mechanism is named in the URL.
    fn curl(&self, url: &str, token: &str) -> Ended {
        let mut command = self.command("curl");
        command.args(["--disable", "--silent", "--show-error", "--insecure"]);
        command.args(["--max-time", "60", "--user", BOB, "--oauth2-bearer", token]);
        run(command.arg(url), b"", LIMIT)
    }

    /// Logs in by SCRAM as the RFC has it; gives the outcome.
    fn scram(&self, protocol: &str, user: &str, password: &str, how: &str) -> String {
        let port = match protocol {
            "smtp" => Port::Submissions,
            _ => Port::Pop3s,
        };
        let mut command = self.command("python3");
        command.args(["-c", include_str!("scram.py"), protocol]);
        command.args([&self.port(port).to_string(), user, password, how]);
        let ended = run(&mut command, b"", LIMIT).well();
        String::from_utf8_lossy(&ended.stdout).trim_end().to_owned()
    }

    fn letters(&self) -> usize {
        let wire = Wire::connect(self.port(Port::Pop3s)).and_then(Wire::into_tls);
        let maildrop = Maildrop::over(wire.expect("welcomes"), BOB, PASSWORD);
        let sizes = maildrop.and_then(|mut maildrop| maildrop.sizes());
        sizes.expect("lists").len()
    }

    fn make_app_password(&self, name: &str, service: &str) -> String {
        let words = [
            "account",
            "app-password",
            "add",
            BOB,
            name,
            "--for",
            service,
        ];
        let made = self.server.answer(&words, "");
        made.trim_end().to_owned()
    }
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("there is room for temporary files")
}

#[track_caller]
fn is_refused(ended: &Ended) {
    assert!(!ended.status.success(), "{ended:?}");
}

#[test]
fn msmtp_and_mpop_log_in_by_scram() {
    if !present("msmtp") || !present("mpop") {
        return;
    }
    let scene = Scene::new();
    for port in [Port::Submission, Port::Submissions] {
        scene.msmtp(port, "scram-sha-256", PASSWORD).well();
        is_refused(&scene.msmtp(port, "scram-sha-256", "guess"));
    }
    assert_eq!(scene.letters(), 2);
    for port in [Port::Pop3, Port::Pop3s] {
        scene.mpop(port, "scram-sha-256", PASSWORD).well();
        is_refused(&scene.mpop(port, "scram-sha-256", "guess"));
    }
}

/// Left to choose, they take the best that both sides know.
#[test]
fn msmtp_and_mpop_log_in_by_what_they_choose() {
    if !present("msmtp") || !present("mpop") {
        return;
    }
    let scene = Scene::new();
    scene.msmtp(Port::Submission, "on", PASSWORD).well();
    scene.mpop(Port::Pop3, "on", PASSWORD).well();
    assert_eq!(scene.letters(), 1);
}

#[test]
fn a_client_written_from_the_rfc_logs_in_by_scram() {
    if !present("python3") || !present("openssl") {
        return;
    }
    let scene = Scene::new();
    for (protocol, in_words, refused) in [
        (
            "smtp",
            "235 2.7.0 logged in",
            "535 5.7.8 wrong name or password",
        ),
        (
            "pop3",
            "+OK maildrop has 0 messages",
            "-ERR [AUTH] login failed",
        ),
    ] {
        for how in ["SCRAM-SHA-256", "tls-server-end-point", "tls-exporter"] {
            let said = scene.scram(protocol, BOB, PASSWORD, how);
            assert!(said.starts_with(in_words), "{protocol} {how}: {said}");
            assert_eq!(scene.scram(protocol, BOB, "guess", how), refused);
            assert_eq!(scene.scram(protocol, "eve", PASSWORD, how), refused);
        }
        let said = scene.scram(protocol, "bob", PASSWORD, "SCRAM-SHA-256");
        assert!(said.starts_with(in_words), "without a domain: {said}");
        for how in ["other certificate", "downgraded"] {
            assert_eq!(scene.scram(protocol, BOB, PASSWORD, how), refused, "{how}");
        }
    }
}

#[test]
fn an_imported_hash_gets_its_keys_with_the_first_password_shown() {
    if !present("python3") {
        return;
    }
    // Of the password "open sesame", with costs that another system has chosen.
    let hash = "$argon2id$v=19$m=64,t=1,p=1$b2YgYW5vdGhlciBvbmU$\
                97PESjleL2TMcxayJ++xeyZggVLMYfypuSrhwxqQHvA";
    let scene = Scene::new();
    let line = format!("erin@here.example,{hash}\n");
    scene.server.administer(&["account", "import", "-"], &line);
    let by_scram = || scene.scram("pop3", "erin", PASSWORD, "SCRAM-SHA-256");
    assert_eq!(by_scram(), "-ERR [AUTH] login failed");
    let wire = Wire::connect(scene.port(Port::Pop3s)).and_then(Wire::into_tls);
    Maildrop::over(wire.expect("welcomes"), "erin", PASSWORD).expect("logs in");
    let said = by_scram();
    assert!(said.starts_with("+OK maildrop has 0"), "{said}");
}

#[test]
fn curl_logs_in_with_tokens() {
    if !present("curl") {
        return;
    }
    let issuer = Issuer::new();
    let scene = Scene::trusting(&issuer);
    let good = issuer.token(BOB, 600);
    for mechanism in ["OAUTHBEARER", "XOAUTH2"] {
        let pop3 = format!(
            "pop3s://bob;AUTH={mechanism}@127.0.0.1:{}/",
            scene.port(Port::Pop3s)
        );
        scene.curl(&pop3, &good).well();
        for bad in [
            issuer.token(BOB, -600),
            issuer.token("carol@here.example", 600),
            Issuer::new().token(BOB, 600),
        ] {
            is_refused(&scene.curl(&pop3, &bad));
        }
    }
}

#[test]
fn msmtp_and_mpop_log_in_with_tokens() {
    if !present("msmtp") || !present("mpop") {
        return;
    }
    let issuer = Issuer::new();
    let scene = Scene::trusting(&issuer);
    let good = issuer.token(BOB, 600);
    for method in ["oauthbearer", "xoauth2"] {
        scene.msmtp(Port::Submission, method, &good).well();
        scene.mpop(Port::Pop3s, method, &good).well();
        is_refused(&scene.msmtp(Port::Submission, method, "nonsense"));
        is_refused(&scene.mpop(Port::Pop3s, method, "nonsense"));
    }
    assert_eq!(scene.letters(), 2);
}

#[test]
fn keys_of_tokens_are_loaded_anew_on_sighup() {
    if !present("curl") {
        return;
    }
    let (old, new) = (Issuer::new(), Issuer::new());
    let scene = Scene::trusting(&old);
    let port = scene.port(Port::Pop3s);
    let url = format!("pop3s://bob;AUTH=OAUTHBEARER@127.0.0.1:{port}/");
    scene.curl(&url, &old.token(BOB, 600)).well();
    is_refused(&scene.curl(&url, &new.token(BOB, 600)));
    let jwks = scene.home.path().join("jwks.json");
    std::fs::write(&jwks, new.jwks()).expect("there is room");
    scene.server.hang_up("the keys of tokens are loaded anew");
    scene.curl(&url, &new.token(BOB, 600)).well();
    is_refused(&scene.curl(&url, &old.token(BOB, 600)));
}

#[test]
fn application_passwords_open_what_they_are_for() {
    if !present("msmtp") || !present("mpop") {
        return;
    }
    let scene = Scene::new();
    let for_pop3 = scene.make_app_password("phone", "pop3");
    let for_submission = scene.make_app_password("printer", "submission");
    for (send, fetch) in [
        ("plain", "user"),
        ("login", "plain"),
        ("scram-sha-256", "scram-sha-256"),
    ] {
        scene.msmtp(Port::Submissions, send, &for_submission).well();
        is_refused(&scene.msmtp(Port::Submissions, send, &for_pop3));
        scene.mpop(Port::Pop3s, fetch, &for_pop3).well();
        is_refused(&scene.mpop(Port::Pop3s, fetch, &for_submission));
    }
    let remove = ["account", "app-password", "remove", BOB, "printer"];
    scene.server.administer(&remove, "");
    is_refused(&scene.msmtp(Port::Submissions, "plain", &for_submission));
}

/// What a stranger sees: the same for bob and for nobody, and the mechanisms only under TLS.
#[test]
fn mechanisms_are_announced_where_they_work() {
    let scene = Scene::new();
    let mut talk = Conversation::open(scene.port(Port::Submission)).expect("welcomes");
    let in_clear = talk.say("EHLO client.example").expect("answers");
    assert!(!in_clear.contains("AUTH"), "{in_clear}");
    let mut talk = Conversation::open(scene.port(Port::Mx)).expect("welcomes");
    let on_mx = talk.say("EHLO client.example").expect("answers");
    assert!(!on_mx.contains("AUTH"), "{on_mx}");
}
