//! The commands that a first reader pastes: those of the README, and those that the server prints.

use std::process::Command;
use std::time::Duration;

use cassmail_e2e::{Options, Port, Server, run};

use crate::skip::present;

#[test]
fn the_commands_that_are_printed_send_a_mail_and_fetch_it() {
    if !present("curl") {
        return;
    }
    let server = Server::start(Options::default());
    let [send, fetch] = printed(&server);
    shell(&send);
    let fetched = shell(&fetch);
    assert!(
        fetched.starts_with("Return-Path: <alice@example.org>\r\n"),
        "{fetched}"
    );
    assert!(
        fetched.ends_with("Subject: hello\r\n\r\nIt works.\r\n"),
        "{fetched}"
    );
}

#[test]
fn the_readme_has_the_commands_that_are_printed() {
    let server = Server::start(Options::default());
    let readme = std::fs::read_to_string("../../README.md").expect("there is a README");
    let usual = [Port::Mx, Port::Pop3s].map(|port| (port as u16, server.port(port)));
    let as_usual = printed(&server).map(|command| {
        let ports = usual.iter();
        ports.fold(command, |command, (usual, here)| {
            command.replace(&format!(":{here}"), &format!(":{usual}"))
        })
    });
    assert_eq!(commands(&readme.replace("\\\n", " ")), as_usual);
}

fn printed(server: &Server) -> [String; 2] {
    let printed = commands(&server.stdout());
    printed
        .try_into()
        .expect("one command to send, one to fetch")
}

/// The indented lines that call curl, with one space between words.
fn commands(text: &str) -> Vec<String> {
    let indented = text.lines().filter_map(|line| line.strip_prefix("  "));
    indented
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| line.contains("curl ") && line.contains("://"))
        .collect()
}

/// What a command prints, in a shell that has no settings for curl.
fn shell(command: &str) -> String {
    let home = tempfile::tempdir().expect("there is room for temporary files");
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env("HOME", home.path());
    let ended = run(&mut shell, b"", Duration::from_mins(1)).well();
    String::from_utf8_lossy(&ended.stdout).into_owned()
}
