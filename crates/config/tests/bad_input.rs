//! What is wrong with a configuration is said in one line each, with place, key and expectation.

use cassmail_config::{DEFAULT, Shown, check, load, show};

fn errors(file: &str) -> String {
    match load(Some(("cassmail.toml", file)), []) {
        Err(problems) => problems.to_string(),
        Ok(loaded) => check(&loaded).unwrap_err().to_string(),
    }
}

fn variable(name: &str, value: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), value.to_owned())]
}

#[test]
fn each_mistake_has_its_line() {
    for (file, line) in [
        (
            "[smtp]\nmax_recipients = \"many\"\n",
            "cassmail.toml:2: smtp.max_recipients: expected a whole number from 1 to 4294967295, \
             got \"many\"",
        ),
        (
            "[smtp]\nmax_recipients = 0\n",
            "cassmail.toml:2: smtp.max_recipients: expected a whole number from 1 to 4294967295, \
             got 0",
        ),
        (
            "\n[smtp]\nmax_recipient = 5\n",
            "cassmail.toml:3: smtp.max_recipient: there is no such setting; did you mean \
             smtp.max_recipients?",
        ),
        (
            "[smtp]\nmax_message_size = 50\n",
            "cassmail.toml:2: smtp.max_message_size: expected a size with its unit, such as \
             \"50 MiB\", got 50",
        ),
        (
            "[store]\nkind = \"cassandra\"\n",
            "cassmail.toml:2: store.kind: expected \"embedded\" or \"memory\" (\"cassandra\" comes \
             with a later version), got \"cassandra\"",
        ),
        (
            "[[listener]]\nname = \"mx\"\nrole = \"mx\"\n",
            "cassmail.toml:1: listener.addresses: is missing; expected a list in square brackets",
        ),
        (
            "[[listener]]\nname = \"mx\"\nrole = \"imap\"\naddresses = []\n",
            "cassmail.toml:3: listener.role: expected \"mx\", \"submission\", \"submissions\", \
             \"pop3\" or \"pop3s\", got \"imap\"",
        ),
        (
            "hostname = \"a..b\"\n",
            "cassmail.toml:1: hostname: expected a domain, such as \"example.org\", got \"a..b\"",
        ),
        (
            "[tls]\ncertificate = \"cert.pem\"\n",
            "default: tls.key: expected the private key of tls.certificate, got none",
        ),
        (
            "[store.embedded]\nlow_water = \"1 MiB\"\n",
            "cassmail.toml:2: store.embedded.low_water: expected at least two segments of \
             262144 KiB, got 1024 KiB",
        ),
        (
            "[log]\nlevel = \"loud\"\n",
            "cassmail.toml:2: log.level: expected error, warn, info, debug or trace, got \"loud\"",
        ),
    ] {
        assert_eq!(errors(file), line);
    }
    assert!(errors("[smtp\n").starts_with("cassmail.toml:1: not valid TOML: "));
}

#[test]
fn several_mistakes_are_all_told() {
    let told = errors("hostname = 5\n[smtp]\nmax_hops = true\n");
    assert_eq!(told.lines().count(), 2, "{told}");
}

#[test]
fn the_environment_counts_last_and_its_mistakes_are_told() {
    let file = Some(("cassmail.toml", "[smtp]\nmax_recipients = 200\n"));
    let loaded = load(file, variable("CASSMAIL_SMTP__MAX_RECIPIENTS", "300")).unwrap();
    assert_eq!(loaded.settings.smtp.max_recipients, 300);
    let loaded = load(file, variable("CASSMAIL_SMTP__IDLE_TIMEOUT", "90s")).unwrap();
    assert_eq!(loaded.settings.smtp.idle_timeout.0.as_secs(), 90);
    let error = load(file, variable("CASSMAIL_SMTP__MAX_RECIPIENT", "300")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "CASSMAIL_SMTP__MAX_RECIPIENT: there is no such setting; did you mean \
         CASSMAIL_SMTP__MAX_RECIPIENTS?"
    );
    assert!(load(file, variable("HOME", "/root")).is_ok());
}

#[test]
fn naming_a_listener_replaces_the_default_ones() {
    let file = "[[listener]]\nname = \"in\"\nrole = \"mx\"\naddresses = [\"127.0.0.1:2525\"]\n";
    let loaded = load(Some(("cassmail.toml", file)), []).unwrap();
    assert_eq!(loaded.settings.listeners.len(), 1);
    assert_eq!(loaded.settings.listeners[0].max_connections, 5000);
    assert_eq!(load(None, []).unwrap().settings.listeners.len(), 5);
}

#[test]
fn the_defaults_load_and_are_what_is_shown() {
    let loaded = load(None, []).unwrap();
    assert!(check(&loaded).is_ok());
    assert_eq!(show(&loaded, Shown::Changed), "");
    let all = show(&loaded, Shown::All);
    assert!(
        all.contains("smtp.max_recipients = 1000    # default\n"),
        "{all}"
    );
    let changed = load(Some(("f.toml", "[smtp]\nmax_hops = 50\n")), []).unwrap();
    assert_eq!(
        show(&changed, Shown::Changed),
        "smtp.max_hops = 50    # f.toml:2\n"
    );
}

/// Every setting that is read is in `default.toml` (else the defaults would not load), and every
/// setting in `default.toml` is read: a wrong value for it is an error.
#[test]
fn every_default_is_a_setting_that_is_read_and_has_a_comment() {
    let mut table = String::new();
    let mut commented = false;
    for line in DEFAULT.lines() {
        if line.starts_with('#') {
            commented = true;
        } else if line.starts_with("[[") {
            table = "[[listener]]".to_owned();
        } else if line.starts_with('[') {
            table = line.to_owned();
        } else if line.is_empty() {
            commented = false;
        } else if table != "[[listener]]" {
            let (key, _) = line.split_once(" = ").unwrap();
            assert!(commented, "{table} {key} has no comment");
            let wrong = format!("{table}\n{key} = 1979-05-27\n");
            assert!(
                load(Some(("f", &wrong)), []).is_err(),
                "{table} {key} is not read"
            );
        }
    }
}
