//! `config`, and what is wrong with configurations, which every command says alike.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::run::{House, cassmail, run, run_with};

#[test]
fn the_defaults_are_a_configuration_that_changes_nothing() {
    let defaults = run(&["config", "default"]);
    let house = House::configured("");
    fs::write(house.path("cassmail.toml"), defaults.done()).unwrap();
    let checked = house.run(&["config", "check"]);
    assert_eq!(checked.done(), "");
    assert!(checked.stderr.ends_with("the configuration is well\n"));
    assert_eq!(
        house.run(&["config", "show", "--changed"]).done().trim(),
        ""
    );
}

#[test]
fn settings_are_shown_with_their_origin() {
    let house = House::configured("[smtp]\nmax_recipients = 500\n");
    let mut show = house.command(&["config", "show", "--changed"]);
    let shown = run_with(show.env("CASSMAIL_SMTP__MAX_HOPS", "50"), b"");
    let line = |key: &str| {
        let found = shown.done().lines().find(|line| line.contains(key));
        found.unwrap_or_else(|| panic!("{shown:?}")).to_owned()
    };
    assert!(line("max_recipients").contains("500"));
    assert!(line("max_recipients").contains("cassmail.toml:3"));
    assert!(line("max_hops").contains("CASSMAIL_SMTP__MAX_HOPS"));
    let all = house.run(&["config", "show"]);
    assert!(all.done().lines().count() > 40, "{all:?}");
    let of_a_folder = run(&["config", "show", "--changed", "--data", "/there"]);
    assert_eq!(of_a_folder.code, Some(0));
}

#[test]
fn advice_is_no_error() {
    let house = House::configured("[store]\nkind = \"memory\"\n");
    let checked = house.run(&["config", "check"]);
    assert_eq!(checked.done(), "");
    for said in [
        "advice: there is no certificate, so nothing that needs TLS is offered; set \
         tls.certificate and tls.key\n",
        "advice: the store is memory: all mail is gone when the process ends\n",
    ] {
        assert!(checked.stderr.contains(said), "{checked:?}");
    }
}

#[test]
fn each_mistake_has_one_line_with_file_line_key_and_expectation() {
    for (text, line) in [
        (
            "[smtp]\nmax_recipient = 500\n",
            ":3: smtp.max_recipient: there is no such setting; did you mean smtp.max_recipients?",
        ),
        (
            "[smtp]\nmax_recipients = \"many\"\n",
            ":3: smtp.max_recipients: expected a whole number from 100 to 100000, got \"many\"",
        ),
        (
            "[smtp\n",
            ":2: not valid TOML: unclosed table, expected `]`",
        ),
        (
            "[[listener]]\nname = \"mx\"\nrole = \"mx\"\naddresses = [\"25\"]\n",
            ":5: listener.addresses: expected a list in square brackets, each an address with a \
             port, such as \"127.0.0.1:2080\", got [\"25\"]",
        ),
    ] {
        let house = House::configured(text);
        let expected = format!("{}{line}", house.path("cassmail.toml").display());
        for command in ["config check", "config show", "serve", "domain list"] {
            let words: Vec<_> = command.split(' ').collect();
            assert_eq!(house.run(&words).error(78), expected, "{command}");
        }
    }
}

#[test]
fn several_mistakes_have_a_line_each() {
    let house = House::configured("hostnam = \"x\"\n[smtp]\nmax_hops = 1\n");
    let ended = house.run(&["config", "check"]);
    assert_eq!(ended.code, Some(78));
    let file = house.path("cassmail.toml").display().to_string();
    assert_eq!(
        ended.stderr,
        format!(
            "error: {file}:2: hostnam: there is no such setting; did you mean hostname?\n\
             error: {file}:4: smtp.max_hops: expected a whole number from 30 to 1000, got 1\n"
        )
    );
}

#[test]
fn a_variable_that_is_no_setting_is_refused() {
    let check = |name: &str, value: &str| {
        let mut command = cassmail(&["config", "check"]);
        run_with(command.env(name, value), b"")
    };
    assert_eq!(
        check("CASSMAIL_SMTP__MAX_RECIPIENT", "500").error(78),
        "CASSMAIL_SMTP__MAX_RECIPIENT: there is no such setting; did you mean \
         CASSMAIL_SMTP__MAX_RECIPIENTS?"
    );
    assert_eq!(
        check("CASSMAIL_SMTP__MAX_RECIPIENTS", "5").error(78),
        "CASSMAIL_SMTP__MAX_RECIPIENTS: smtp.max_recipients: expected a whole number from 100 to \
         100000, got 5"
    );
    assert_eq!(check("CASSMAI_SMTP", "another program's").code, Some(0));
}

#[test]
fn a_configuration_that_cannot_be_read_is_named() {
    let error = run(&["config", "check", "--config", "/nonexistent/cassmail.toml"]);
    assert!(
        error.error(78).starts_with(
            "failed to read the configuration /nonexistent/cassmail.toml: No such file"
        )
    );
}

/// A house that names a certificate and a key; neither is there yet.
fn with_tls() -> House {
    let house = House::configured("");
    let folder = house.folder.path().display();
    let text = format!(
        "data_dir = '{folder}/data'\n[store]\nkind = \"memory\"\n\
         [tls]\ncertificate = '{folder}/cert.pem'\nkey = '{folder}/key.pem'\n"
    );
    fs::write(house.path("cassmail.toml"), text).unwrap();
    house
}

fn write(house: &House, name: &str, text: &str, mode: u32) {
    let path = house.path(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The line that both the check and the start say, without the path of the folder.
fn tls_error(house: &House) -> String {
    let checked = house.run(&["config", "check"]);
    let started = house.run(&["serve"]);
    assert_eq!(checked.error(78), started.error(78));
    assert!(!house.path("data").exists(), "nothing was begun");
    let folder = house.folder.path().display().to_string();
    checked.error(78).replace(&folder, "")
}

#[test]
fn certificates_and_keys_that_cannot_be_used_are_named_with_their_setting() {
    let house = with_tls();
    assert_eq!(
        tls_error(&house),
        "/cassmail.toml:5: tls.certificate: expected a certificate in PEM form; failed to read \
         /cert.pem: No such file or directory (os error 2)"
    );
    let made = rcgen::generate_simple_self_signed(["mx.here.example".to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    write(&house, "cert.pem", &chain, 0o644);
    assert_eq!(
        tls_error(&house),
        "/cassmail.toml:6: tls.key: failed to read /key.pem: No such file or directory (os error 2)"
    );
    write(&house, "key.pem", &key, 0o644);
    assert_eq!(
        tls_error(&house),
        "/cassmail.toml:6: tls.key: /key.pem can be read by everybody on this machine; mend it \
         with: chmod o= /key.pem"
    );
    write(&house, "key.pem", "no key", 0o600);
    let error = tls_error(&house);
    assert!(
        error.contains("/key.pem: expected PEM text with a line '-----BEGIN PRIVATE KEY-----'"),
        "{error}"
    );
    let other = rcgen::generate_simple_self_signed(["mx.here.example".to_owned()]).unwrap();
    write(&house, "key.pem", &other.signing_key.serialize_pem(), 0o600);
    let error = tls_error(&house);
    assert!(
        error.contains("it does not belong to the first certificate"),
        "{error}"
    );
    write(&house, "key.pem", &key, 0o600);
    house.run(&["config", "check"]).done();
}

#[test]
fn a_certificate_without_its_key_is_half_a_setting() {
    let house = House::configured("[tls]\ncertificate = \"cert.pem\"\n");
    assert_eq!(
        house.run(&["config", "check"]).error(78),
        "default: tls.key: expected the private key of tls.certificate, got none"
    );
}
