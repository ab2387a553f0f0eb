//! Fields with addresses.
//!
//! ```text
//! address = mailbox / display-name ":" [mailbox-list] ";"                     RFC 5322 3.4
//! mailbox = [display-name] "<" addr-spec ">" / addr-spec
//! ```

use crate::encoded::Writer;
use crate::parameters::Quoting;

/// Nobody can be reached there, and it tells why (RFC 6858 2.1, RFC 6761 6.4).
const NOBODY: &[u8] = b"<invalid@internationalized-address.invalid>";

/// Writes the addresses, those in ASCII as they came. Of others the name is encoded; where an
/// address itself is not ASCII, nobody's stands in its place, and the name tells what it was.
pub(crate) fn write(value: &[u8], writer: &mut Writer) {
    let mut rest = value;
    while !rest.is_empty() {
        let (piece, end, behind) = split_piece(rest);
        if piece.is_ascii() {
            writer.push(piece);
        } else if end == b":" {
            write_named(piece, None, writer);
        } else {
            write_mailbox(piece, writer);
        }
        writer.push(end);
        rest = behind;
    }
}

/// The text up to the next separator, the separator, and what is behind it.
fn split_piece(value: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let mut quoting = Quoting::default();
    let mut brackets = Brackets::default();
    let is_separator = |&octet: &u8| {
        quoting.is_outside(octet)
            && brackets.are_closed(octet)
            && matches!(octet, b',' | b':' | b';')
    };
    let at = value.iter().position(is_separator).unwrap_or(value.len());
    let (piece, behind) = value.split_at_checked(at).unwrap_or((value, b""));
    let (end, behind) = behind.split_at_checked(1).unwrap_or((b"", b""));
    (piece, end, behind)
}

/// Whether octets that come one after the other are outside of `<...>` and `[...]`.
#[derive(Debug, Default)]
struct Brackets {
    opened: Option<u8>,
}

impl Brackets {
    fn are_closed(&mut self, octet: u8) -> bool {
        match (self.opened, octet) {
            (None, b'<' | b'[') => self.opened = Some(octet),
            (Some(b'<'), b'>') | (Some(b'['), b']') => self.opened = None,
            (opened, _) => return opened.is_none(),
        }
        false
    }
}

fn write_mailbox(piece: &[u8], writer: &mut Writer) {
    let mut quoting = Quoting::default();
    let angle = piece
        .iter()
        .position(|&octet| quoting.is_outside(octet) && octet == b'<');
    let Some(angle) = angle else {
        let (plain, comments) = without_comments(piece);
        return write_bare(piece, &plain, &comments, writer);
    };
    let (name, behind) = piece.split_at_checked(angle).unwrap_or((piece, b""));
    let end = memchr::memrchr(b'>', behind).unwrap_or(behind.len());
    let address = behind.get(1..end).unwrap_or_default();
    write_named(name, Some(address), writer);
}

/// An address without brackets; what stands in comments is its name.
fn write_bare(piece: &[u8], plain: &[u8], comments: &str, writer: &mut Writer) {
    let address = plain.trim_ascii();
    if address.is_ascii() {
        writer.push(leading_space(piece));
        writer.push(address);
        return;
    }
    writer.push(leading_space(piece));
    let mut text = comments.to_owned();
    append_word(&mut text, &String::from_utf8_lossy(address));
    writer.push_encoded(&text);
    writer.push(b" ");
    writer.push_word(NOBODY);
}

/// A name, and perhaps an address behind it.
fn write_named(name: &[u8], address: Option<&[u8]>, writer: &mut Writer) {
    writer.push(leading_space(name));
    let is_hidden = address.is_some_and(|address| !address.is_ascii());
    let plain = without_comments(name).0;
    let plain = plain.trim_ascii();
    if plain.is_ascii() && !is_hidden {
        writer.push(plain);
    } else {
        let mut text = unquoted(plain);
        if let Some(address) = address.filter(|_| is_hidden) {
            append_word(&mut text, &String::from_utf8_lossy(address));
        }
        writer.push_encoded(&text);
    }
    let Some(address) = address else {
        return;
    };
    if !plain.is_empty() || is_hidden {
        writer.push(b" ");
    }
    if is_hidden {
        writer.push_word(NOBODY);
    } else {
        writer.push_word(&[b"<", address, b">"].concat());
    }
}

fn append_word(text: &mut String, word: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.extend(word.chars().filter(|c| !c.is_control()));
}

fn leading_space(text: &[u8]) -> &[u8] {
    let length = text.len().saturating_sub(text.trim_ascii_start().len());
    text.get(..length).unwrap_or_default()
}

/// What is outside of comments, as it came, and what is in them.
fn without_comments(text: &[u8]) -> (Vec<u8>, String) {
    let mut plain = Vec::with_capacity(text.len());
    let mut comments = Vec::new();
    let (mut depth, mut is_quoted, mut is_escaped) = (0_u32, false, false);
    for &octet in text {
        let into = if depth > 0 { &mut comments } else { &mut plain };
        if std::mem::take(&mut is_escaped) {
            into.push(octet);
            continue;
        }
        match octet {
            b'(' if !is_quoted => {
                depth = depth.saturating_add(1);
                continue;
            }
            b')' if depth > 0 => {
                depth = depth.saturating_sub(1);
                continue;
            }
            b'\\' => is_escaped = true,
            b'"' if depth == 0 => is_quoted = !is_quoted,
            _ => {}
        }
        into.push(octet);
    }
    let comments = String::from_utf8_lossy(&comments);
    let words: Vec<_> = comments.split_ascii_whitespace().collect();
    (plain, words.join(" "))
}

/// A name as people read it: without quotes, on one line.
fn unquoted(name: &[u8]) -> String {
    let mut plain = Vec::with_capacity(name.len());
    let mut octets = name.iter();
    while let Some(&octet) = octets.next() {
        match octet {
            b'"' => {}
            b'\\' => plain.extend(octets.next()),
            _ => plain.push(octet),
        }
    }
    let text = String::from_utf8_lossy(&plain);
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    let text = words.join(" ");
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// The addresses, with encoded words written as `{text}`.
    fn shown(value: &str) -> String {
        let mut writer = Writer::default();
        write(value.as_bytes(), &mut writer);
        let written = String::from_utf8(writer.into_field()).unwrap();
        assert!(written.is_ascii());
        let mut shown = String::new();
        let mut rest = written.as_str();
        while let Some((before, behind)) = rest.split_once("=?UTF-8?B?") {
            let (word, behind) = behind.split_once("?=").unwrap();
            let text = String::from_utf8(STANDARD.decode(word).unwrap()).unwrap();
            shown.extend([before, "{", &text, "}"]);
            rest = behind;
        }
        (shown + rest)
            .replace("}\r\n {", "")
            .replace("}\r\n <", "} <")
    }

    const INVALID: &str = "<invalid@internationalized-address.invalid>";

    #[test]
    fn names_are_encoded_and_ascii_addresses_kept() {
        for (value, expected) in [
            (
                " Jos\u{e9} <jose@x.example>",
                " {Jos\u{e9}} <jose@x.example>",
            ),
            (
                " \"Jos\u{e9}, jr.\" <a@x.example>, b@x.example",
                " {Jos\u{e9}, jr.} <a@x.example>, b@x.example",
            ),
            (" a@x.example (Jos\u{e9})", " a@x.example"),
            (" Ann (\u{e9}) <a@x.example>", " Ann <a@x.example>"),
            (" <a@x.example> (\u{e9})", " <a@x.example>"),
        ] {
            assert_eq!(shown(value), expected);
        }
    }

    #[test]
    fn an_address_that_cannot_be_shown_becomes_nobodys_and_a_name() {
        for (value, expected) in [
            (" jos\u{e9}@x.example", " {jos\u{e9}@x.example} "),
            (" <jos\u{e9}@x.example>", " {jos\u{e9}@x.example} "),
            (" Fred <a@\u{e9}.example>", " {Fred a@\u{e9}.example} "),
            (
                " \"A \\\"B\\\"\" <a@\u{e9}.example>",
                " {A \"B\" a@\u{e9}.example} ",
            ),
            (" a@\u{e9}.example (Fred)", " {Fred a@\u{e9}.example} "),
        ] {
            assert_eq!(shown(value), format!("{expected}{INVALID}"));
        }
    }

    #[test]
    fn lists_and_groups_keep_their_form() {
        let value = " a@x.example,\r\n\tFr\u{e9}d: b@x.example, \u{e9}@x.example;, c@x.example";
        let expected = format!(
            " a@x.example,\r\n\t{{Fr\u{e9}d}}: b@x.example, {{\u{e9}@x.example}} {INVALID};, \
             c@x.example"
        );
        assert_eq!(shown(value), expected);
        assert_eq!(shown(" \u{e9}:;"), " {\u{e9}}:;");
        assert_eq!(
            shown(" a@[IPv6:::1], \u{e9} <b@x.example>"),
            " a@[IPv6:::1], {\u{e9}} <b@x.example>"
        );
    }

    #[test]
    fn what_is_malformed_is_shown_somehow() {
        for value in [
            "\u{e9}",
            "<\u{e9}",
            "\"\u{e9}",
            "(\u{e9}",
            "\u{e9}>,<,;:",
            "\\\u{e9}",
            "[\u{e9}",
        ] {
            let _ = shown(value);
        }
    }
}
