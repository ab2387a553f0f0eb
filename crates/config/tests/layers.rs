//! Defaults, file, environment: the later one counts, and what is shown says which it was.

use cassmail_config::{Advice, DEFAULT, Loaded, Role, Shown, check, load, load_path, show};

fn with_file(text: &str) -> Loaded {
    load(Some(("cassmail.toml", text)), []).unwrap()
}

fn with_variable(name: &str, value: &str) -> Loaded {
    let file = "hostname = \"file.example\"\n[smtp]\nmax_recipients = 200\n";
    let variables = [(name.to_owned(), value.to_owned())];
    load(Some(("cassmail.toml", file)), variables).unwrap()
}

fn advice(text: &str) -> Vec<Advice> {
    check(&with_file(text)).unwrap()
}

#[test]
fn the_environment_counts_more_than_the_file_and_the_file_more_than_the_defaults() {
    let smtp = with_variable("HOME", "/root").settings.smtp;
    assert_eq!((smtp.max_recipients, smtp.max_errors), (200, 20));
    let smtp = with_variable("CASSMAIL_SMTP__MAX_RECIPIENTS", "300")
        .settings
        .smtp;
    assert_eq!((smtp.max_recipients, smtp.max_errors), (300, 20));
}

#[test]
fn variables_are_written_as_in_the_file_or_without_quotes() {
    let idle = |value| {
        let loaded = with_variable("CASSMAIL_SMTP__IDLE_TIMEOUT", value);
        loaded.settings.smtp.idle_timeout.0.as_secs()
    };
    assert_eq!(idle("90s"), 90);
    assert_eq!(idle("\"90s\""), 90);
    let exempt = with_variable("CASSMAIL_LIMITS__EXEMPT", "[\"::1\", \"10.0.0.0/8\"]");
    assert_eq!(exempt.settings.limits.exempt, ["::1", "10.0.0.0/8"]);
    let login = with_variable("CASSMAIL_POP3__CLEAR_TEXT_LOGIN", "true");
    assert!(login.settings.pop3.clear_text_login);
    let untagged = with_variable("CASSMAIL_DIRECTORY__TAG_SEPARATOR", "");
    assert_eq!(untagged.settings.directory.tag_separator, None);
    let dated = with_variable("CASSMAIL_DATA_DIR", "2026-01-01");
    assert_eq!(
        dated.settings.identity.data_dir.to_str(),
        Some("2026-01-01")
    );
}

#[test]
fn naming_a_listener_replaces_the_default_ones() {
    let file = "[[listener]]\nname = \"in\"\nrole = \"mx\"\naddresses = [\"127.0.0.1:2525\"]\n";
    let listeners = with_file(file).settings.listeners;
    assert_eq!(listeners.len(), 1);
    assert_eq!(listeners[0].max_connections, 5000);
    let list = "[{name = \"out\", role = \"pop3\", addresses = []}]";
    let listeners = with_variable("CASSMAIL_LISTENER", list).settings.listeners;
    assert_eq!((listeners.len(), listeners[0].role), (1, Role::Pop3));
    assert_eq!(with_file("").settings.listeners.len(), 5);
}

#[test]
fn what_is_shown_of_the_defaults_is_the_defaults() {
    let defaults = load(None, []).unwrap();
    assert_eq!(show(&defaults, Shown::Changed), "");
    let all = show(&defaults, Shown::All);
    assert!(
        all.contains("smtp.max_recipients = 1000    # default\n"),
        "{all}"
    );
    assert_eq!(with_file(&all).settings, defaults.settings);
}

#[test]
fn what_is_shown_of_changes_says_where_each_comes_from() {
    let file =
        "[log]\nlevel = \"debug\"\n\n[[listener]]\nname = \"in\"\nrole = \"mx\"\naddresses = []\n";
    let variables = [("CASSMAIL_SMTP__MAX_HOPS".to_owned(), "50".to_owned())];
    // A file's name is no sign: this one is not ours.
    let loaded = load(Some(("default.toml", file)), variables).unwrap();
    let shown = show(&loaded, Shown::Changed);
    assert_eq!(
        shown,
        "log.level = \"debug\"    # default.toml:2\n\
         smtp.max_hops = 50    # CASSMAIL_SMTP__MAX_HOPS\n\
         \n\
         [[listener]]    # default.toml:4\n\
         addresses = []\nname = \"in\"\nrole = \"mx\"\n"
    );
    assert!(load(Some(("shown", &shown)), []).is_ok());
}

#[test]
fn an_unwise_setting_is_told_with_the_remedy() {
    let defaults = advice("");
    assert_eq!(defaults.len(), 1);
    assert!(
        defaults[0].ends_with("set tls.certificate and tls.key"),
        "{defaults:?}"
    );
    assert!(advice("[tls]\ncertificate = \"c\"\nkey = \"k\"\n").is_empty());
    for unwise in [
        "[pop3]\nclear_text_login = true\n",
        "[pop3]\nidle_timeout = \"9m\"\n",
        "[store]\nkind = \"memory\"\n",
    ] {
        assert_eq!(advice(unwise).len(), 2, "{unwise}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let missing = load_path("/nonexistent/cassmail.toml".as_ref(), []).unwrap_err();
    let told = missing.to_string();
    let start = "/nonexistent/cassmail.toml: failed to read the configuration: ";
    assert!(told.starts_with(start), "{told}");
}

#[test]
fn a_file_is_loaded_by_its_path() {
    let path = std::env::temp_dir().join(format!("cassmail-config-{}.toml", std::process::id()));
    std::fs::write(&path, DEFAULT).unwrap();
    let loaded = load_path(&path, []);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(loaded.unwrap().settings, load(None, []).unwrap().settings);
}
