//! One field of a header.

use crate::encoded::{Writer, write_text};
use crate::entity::split_name;
use crate::{addresses, parameters};

/// What a field with anything but ASCII in it becomes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rewritten {
    /// This field, in ASCII.
    Field(Vec<u8>),
    /// Nothing (RFC 6858 2.4).
    LeftOut,
}

/// How a field can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Mailboxes, and groups of them (RFC 6858 2.1).
    Addresses,
    /// A value with parameters (RFC 6858 2.2).
    Parameters,
    /// A free text (RFC 6858 2.3).
    Text,
    /// In no way (RFC 6858 2.4).
    Other,
}

/// The fields that RFC 6858 has a rule for.
const KINDS: [(&str, Kind); 15] = [
    ("From", Kind::Addresses),
    ("Sender", Kind::Addresses),
    ("Reply-To", Kind::Addresses),
    ("To", Kind::Addresses),
    ("Cc", Kind::Addresses),
    ("Bcc", Kind::Addresses),
    ("Resent-From", Kind::Addresses),
    ("Resent-Sender", Kind::Addresses),
    ("Resent-Reply-To", Kind::Addresses),
    ("Resent-To", Kind::Addresses),
    ("Resent-Cc", Kind::Addresses),
    ("Resent-Bcc", Kind::Addresses),
    ("Content-Type", Kind::Parameters),
    ("Content-Disposition", Kind::Parameters),
    ("Subject", Kind::Text),
];

/// What becomes of a field, given with its line end; none if it is ASCII and stays as it is.
pub(crate) fn rewrite(field: &[u8]) -> Option<Rewritten> {
    if field.is_ascii() {
        return None;
    }
    let rewritten = rewrite_value(field).filter(|field| field.is_ascii());
    Some(rewritten.map_or(Rewritten::LeftOut, Rewritten::Field))
}

fn rewrite_value(field: &[u8]) -> Option<Vec<u8>> {
    let (name, _) = split_name(field)?;
    let (_, value) = split_name(field)?;
    let start = field.get(..field.len().saturating_sub(value.len()))?;
    let (value, end) = split_line_end(value);
    let mut writer = Writer::default();
    writer.push(start);
    match kind_of(name) {
        Kind::Addresses => addresses::write(value, &mut writer),
        Kind::Parameters => writer.push(&parameters::rewrite(value)?),
        Kind::Text => write_text(value, &mut writer),
        Kind::Other => return None,
    }
    writer.push(end);
    Some(writer.into_field())
}

fn kind_of(name: &[u8]) -> Kind {
    let found = KINDS
        .iter()
        .find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
    found.map_or(Kind::Other, |(_, kind)| *kind)
}

fn split_line_end(value: &[u8]) -> (&[u8], &[u8]) {
    let is_end = |octet: &u8| matches!(octet, b'\r' | b'\n');
    let length = value.iter().rposition(|octet| !is_end(octet));
    let length = length.map_or(0, |last| last.saturating_add(1));
    value.split_at_checked(length).unwrap_or((value, b""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_stays_as_it_is() {
        assert_eq!(rewrite(b"Subject : x\r\n\ty\r\n"), None);
        assert_eq!(rewrite(b"From: <<<\r\n"), None);
    }

    #[test]
    fn what_has_no_rule_is_left_out() {
        for field in [
            "X-Note: \u{fc}\r\n",
            "Return-Path: <\u{fc}@x.example>\r\n",
            "Message-ID: <\u{fc}@x.example>\r\n",
            "Received: from x for <\u{fc}@x.example>\r\n",
            "Content-Description: \u{fc}\r\n",
            "S\u{fc}bject: x\r\n",
            "no field \u{fc}\r\n",
            "Content-Type: \u{fc}\r\n",
        ] {
            let left_out = Some(Rewritten::LeftOut);
            assert_eq!(rewrite(field.as_bytes()), left_out, "{field}");
        }
    }

    #[test]
    fn the_name_and_the_line_end_stay_as_they_are() {
        let rewritten = rewrite("SUBJECT :\t\u{fc}\r\n".as_bytes());
        let expected = b"SUBJECT :\t=?UTF-8?B?w7w=?=\r\n".to_vec();
        assert_eq!(rewritten, Some(Rewritten::Field(expected)));
    }
}
