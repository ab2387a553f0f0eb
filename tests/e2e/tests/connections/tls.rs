//! What `openssl s_client` is offered and what not: versions, suites, curves, resumption, ALPN. The
//! table in docs/operations/tls.md is what this prints.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use cassmail_e2e::{Port, Server, installed, run, settings};

use crate::house::settled;

/// A port, and what comes before its handshake.
const DOORS: [(Port, Option<&str>); 4] = [
    (Port::Submissions, None),
    (Port::Pop3s, None),
    (Port::Mx, Some("smtp")),
    (Port::Pop3, Some("pop3")),
];

/// The suites that are spoken (RFC 9325 4.2), by their names in OpenSSL; the certificate of these
/// tests is of the kind ECDSA.
const SUITES_OF_12: [&str; 3] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
];

const SUITES_OF_13: [&str; 3] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];

/// What a handshake came to.
struct Shaken {
    is_well: bool,
    words: String,
}

impl Shaken {
    fn has(&self, words: &str) -> bool {
        self.words.contains(words)
    }
}

/// Shakes hands; OpenSSL is told to take whatever is weak.
fn shake(server: &Server, (port, starttls): (Port, Option<&str>), options: &[&str]) -> Shaken {
    let address = format!("127.0.0.1:{}", server.port(port));
    let mut command = Command::new("openssl");
    command.args([
        "s_client",
        "-connect",
        &address,
        "-servername",
        "here.example",
    ]);
    if let Some(protocol) = starttls {
        command.args(["-starttls", protocol]);
    }
    command.args(options);
    let ended = run(&mut command, b"", Duration::from_mins(1));
    let words = String::from_utf8_lossy(&ended.stdout).into_owned() + &ended.stderr;
    // A suite is named also where the handshake failed behind it.
    let is_known = words.contains("-----BEGIN CERTIFICATE-----") || words.contains("Reused, ");
    let is_well = is_known && !words.contains("Cipher is (NONE)");
    Shaken { is_well, words }
}

fn present() -> bool {
    let is_there = installed("openssl");
    assert!(
        is_there || !settings::all_clients_wanted(),
        "openssl is not installed"
    );
    is_there
}

fn tell(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

#[test]
fn only_tls_12_and_13_are_spoken() {
    if !present() {
        return;
    }
    let server = settled();
    let weak = "ALL:@SECLEVEL=0";
    for door in DOORS {
        for (version, is_spoken) in [
            ("-tls1", false),
            ("-tls1_1", false),
            ("-tls1_2", true),
            ("-tls1_3", true),
        ] {
            let shaken = shake(&server, door, &[version, "-cipher", weak]);
            tell(&format!("{:?} {version}: {}", door.0, shaken.is_well));
            assert_eq!(shaken.is_well, is_spoken, "{}", shaken.words);
            // The client would have spoken it: no came from the server.
            assert!(
                is_spoken || shaken.has("alert handshake failure"),
                "{}",
                shaken.words
            );
        }
    }
}

/// Every suite that OpenSSL knows, one handshake each.
#[test]
fn only_suites_with_forward_secrecy_and_authenticated_encryption_are_spoken() {
    if !present() {
        return;
    }
    let server = settled();
    let mut list = Command::new("openssl");
    list.args(["ciphers", "-tls1_2", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]);
    let listed = run(&mut list, b"", Duration::from_mins(1)).well();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let of_12: BTreeSet<&str> = listed
        .trim()
        .split(':')
        .filter(|suite| !suite.starts_with("TLS_"))
        .collect();
    assert!(of_12.len() > 30, "{of_12:?}");
    let spoken: BTreeSet<&str> = of_12
        .iter()
        .copied()
        .filter(|suite| {
            let cipher = format!("{suite}:@SECLEVEL=0");
            shake(&server, DOORS[0], &["-tls1_2", "-cipher", &cipher]).is_well
        })
        .collect();
    tell(&format!(
        "TLS 1.2: {} of {}: {spoken:?}",
        spoken.len(),
        of_12.len()
    ));
    assert_eq!(spoken, BTreeSet::from(SUITES_OF_12));
    for suite in SUITES_OF_13 {
        let shaken = shake(&server, DOORS[0], &["-tls1_3", "-ciphersuites", suite]);
        assert!(shaken.is_well && shaken.has(suite), "{}", shaken.words);
    }
    for suite in ["TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"] {
        let shaken = shake(&server, DOORS[0], &["-tls1_3", "-ciphersuites", suite]);
        assert!(!shaken.is_well, "{}", shaken.words);
    }
}

#[test]
fn sessions_are_resumed_in_both_versions() {
    if !present() {
        return;
    }
    let server = settled();
    let file = server.folder().join("session.pem");
    let file = file.display().to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        for door in DOORS {
            // The ticket of TLS 1.3 comes behind the handshake: the client has to stay for it.
            let out = [version, "-sess_out", &file, "-ign_eof"];
            let address = format!("127.0.0.1:{}", server.port(door.0));
            let mut first = Command::new("openssl");
            first.args([
                "s_client",
                "-connect",
                &address,
                "-servername",
                "here.example",
            ]);
            if let Some(protocol) = door.1 {
                first.args(["-starttls", protocol]);
            }
            first.args(out);
            let ended = run(&mut first, b"QUIT\r\n", Duration::from_mins(1));
            let words = String::from_utf8_lossy(&ended.stdout).into_owned();
            assert!(words.contains("New, TLSv1."), "{words}");
            let again = shake(&server, door, &[version, "-sess_in", &file]);
            assert!(again.has("Reused, TLSv1."), "{}", again.words);
            tell(&format!("{:?} {version}: resumed", door.0));
        }
    }
}

#[test]
fn protocols_are_agreed_on_by_name_and_others_are_refused() {
    if !present() {
        return;
    }
    let server = settled();
    for (door, own, other) in [(DOORS[0], "smtp", "pop3"), (DOORS[1], "pop3", "smtp")] {
        let shaken = shake(&server, door, &["-alpn", own]);
        assert!(
            shaken.has(&format!("ALPN protocol: {own}")),
            "{}",
            shaken.words
        );
        assert!(shake(&server, door, &[]).is_well, "without ALPN");
        let shaken = shake(&server, door, &["-alpn", &format!("http/1.1,{own}")]);
        assert!(
            shaken.has(&format!("ALPN protocol: {own}")),
            "{}",
            shaken.words
        );
        for alien in [other, "http/1.1"] {
            let shaken = shake(&server, door, &["-alpn", alien]);
            assert!(!shaken.is_well, "{alien}: {}", shaken.words);
        }
    }
}

#[test]
fn nothing_else_that_is_weak_is_there() {
    if !present() {
        return;
    }
    let server = settled();
    let shaken = shake(&server, DOORS[0], &["-tls1_2"]);
    assert!(
        shaken.has("Secure Renegotiation IS supported"),
        "{}",
        shaken.words
    );
    assert!(shaken.has("Compression: NONE"), "{}", shaken.words);
    assert!(
        shaken.has("Extended master secret: yes"),
        "{}",
        shaken.words
    );
    for (curve, is_spoken) in [
        ("X25519", true),
        ("P-256", true),
        ("P-384", true),
        ("P-521", false),
        ("X448", false),
        ("ffdhe2048", false),
    ] {
        let shaken = shake(&server, DOORS[0], &["-tls1_3", "-curves", curve]);
        assert_eq!(shaken.is_well, is_spoken, "{curve}: {}", shaken.words);
    }
}
