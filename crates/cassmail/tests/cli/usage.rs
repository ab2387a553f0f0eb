//! The command line itself.

use std::process::Stdio;

use crate::run::{cassmail, run, run_with};

#[test]
fn the_version_is_told() {
    let version = concat!("cassmail ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run(&["version"]).done(), version);
    assert_eq!(run(&["--version"]).done(), version);
}

#[test]
fn help_says_the_commands_and_the_exit_codes() {
    let help = run(&["--help"]);
    let help = help.done();
    for word in [
        "serve", "config", "domain", "account", "alias", "store", "scrub", "version",
    ] {
        assert!(help.contains(&format!("\n  {word} ")), "{help}");
    }
    for code in [0, 1, 2, 69, 70, 77, 78] {
        assert!(help.contains(&format!("\n{code:>4}  ")), "{code}: {help}");
    }
}

#[test]
fn every_command_is_there_and_takes_a_configuration_or_a_folder() {
    for command in [
        "serve",
        "config default",
        "config check",
        "config show",
        "domain add",
        "domain list",
        "domain remove",
        "account add",
        "account list",
        "account passwd",
        "account disable",
        "account enable",
        "account remove",
        "account import",
        "account quota show",
        "account quota set",
        "domain quota show",
        "domain quota set",
        "mailbox show",
        "mailbox list",
        "mailbox headers",
        "mailbox raw",
        "mailbox delete",
        "alias add",
        "alias list",
        "alias remove",
        "store check",
        "store backup",
        "store salvage",
        "scrub",
        "version",
    ] {
        let mut words: Vec<_> = command.split(' ').collect();
        words.push("--help");
        let help = run(&words);
        let help = help.done();
        assert!(help.contains("--config <FILE>"), "{command}: {help}");
        assert!(help.contains("--data <DIR>"), "{command}: {help}");
    }
}

#[test]
fn a_command_line_that_is_wrong_ends_with_2_and_says_how() {
    for (line, said) in [
        ("", "Usage: cassmail"),
        ("serv", "'serve'"),
        ("serve --nope", "'--nope'"),
        ("config", "Usage: cassmail config"),
        ("config chekc", "'check'"),
        ("domain add", "<NAME>"),
        ("account add", "<ADDRESS>"),
        ("account import", "<FILE>"),
        ("alias add team@here.example", "<TARGETS>"),
        ("store backup", "<FOLDER>"),
        ("serve --port-offset 5", "--dev"),
        ("serve --dev-plaintext", "--dev"),
        ("serve --dev --port-offset 70000", "0..=65535"),
        ("serve --dev --port-offset 65000", "at most 62540"),
        (
            "serve --store disk",
            "expected embedded, cassandra or memory",
        ),
        ("serve --log loud", "--log: expected error, warn, info"),
        ("--config a --data b config show", "cannot be used together"),
        ("--config a config show --data b", "cannot be used together"),
        ("account add bob@here.example", "--password-stdin"),
    ] {
        let words: Vec<_> = line.split_whitespace().collect();
        let ended = run_with(&mut cassmail(&words), b"");
        assert_eq!(ended.code, Some(2), "{line}: {ended:?}");
        assert!(ended.stderr.contains(said), "{line}: {ended:?}");
        assert_eq!(ended.stdout, "", "{line}");
    }
}

#[test]
fn who_has_read_enough_is_no_fault() {
    let mut command = cassmail(&["config", "default"]);
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "");
}
