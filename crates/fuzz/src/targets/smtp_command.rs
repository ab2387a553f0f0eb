//! SMTP commands, paths and parameters.

use cassmail_smtp::server::Recipient;
use cassmail_smtp::{Command, Verb, forward_path, reverse_path};

use super::Target;
use super::talk::lines;
use crate::corpus::transcripts;

pub(super) const TARGET: Target = Target {
    name: "smtp-command",
    about: "SMTP commands, paths and parameters",
    run,
    seeds,
    words: &[
        b"EHLO ",
        b"HELO ",
        b"LHLO ",
        b"MAIL FROM:",
        b"RCPT TO:",
        b"BDAT ",
        b" LAST",
        b"AUTH ",
        b"<",
        b">",
        b"<>",
        b"@",
        b":",
        b",",
        b"\"",
        b"\\",
        b"[IPv6:::1]",
        b"[",
        b" SIZE=",
        b"=",
        b" BODY=8BITMIME",
        b" SMTPUTF8",
        b" AUTH=<>",
        b" AUTH=+2B",
        b" REQUIRETLS",
        b"+",
        b"  ",
        b"\t",
        b"\x7f",
        b"\xc3\xbc",
        b"\xe2\x80\xa8",
        b"postmaster",
    ],
};

fn seeds() -> Vec<Vec<u8>> {
    let inputs = transcripts("smtp")
        .into_iter()
        .map(|transcript| transcript.input());
    let lines = inputs.flat_map(|input| lines(&input).map(<[u8]>::to_vec).collect::<Vec<_>>());
    let trim = |line: Vec<u8>| line.trim_ascii_end().to_vec();
    lines.map(trim).collect()
}

fn run(data: &[u8]) {
    let (verb, command) = Command::parse(data);
    if let Ok(command) = &command {
        assert_eq!(command.verb(), verb);
        assert!(!matches!(
            verb,
            Verb::Unknown | Verb::Foreign | Verb::Unasked
        ));
        let spaced = [data, b"  "].concat();
        assert_eq!(
            Command::parse(&spaced),
            (verb, Ok(command.clone())),
            "spaces at the end"
        );
    }
    if let Ok(text) = std::str::from_utf8(data) {
        paths(text);
    }
}

/// A path that is written is read as the same, and what is behind it is left as it is.
fn paths(text: &str) {
    if let Ok((path, rest)) = reverse_path(text) {
        assert!(text.ends_with(rest));
        let written = format!("{path}{rest}");
        assert_eq!(reverse_path(&written), Ok((path, rest)), "{written:?}");
    }
    if let Ok((Recipient::Mailbox(address), rest)) = forward_path(text) {
        assert!(text.ends_with(rest));
        let written = format!("<{address}>{rest}");
        let again = forward_path(&written);
        assert_eq!(
            again,
            Ok((Recipient::Mailbox(address), rest)),
            "{written:?}"
        );
    }
}
