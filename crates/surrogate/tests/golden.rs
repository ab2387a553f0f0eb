//! What surrogates are, octet by octet. The sizes of messages that are stored were computed with
//! this: if one of these tests has to be changed, they are wrong from then on.

use cassmail_surrogate::Surrogate;
use proptest::prelude::*;

fn surrogate(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
    let mut surrogate = Surrogate::default();
    let mut output = Vec::new();
    for piece in pieces {
        surrogate.take(piece, &mut output);
    }
    surrogate.finish(&mut output);
    (output, surrogate.has_changed())
}

/// The surrogate, the same in every cut.
fn of(message: &str) -> String {
    let message = message.as_bytes();
    let whole = surrogate(&[message]);
    for at in 0..message.len() {
        let (before, after) = message.split_at(at);
        assert_eq!(surrogate(&[before, after]), whole, "cut at {at}");
    }
    let single: Vec<&[u8]> = message.chunks(1).collect();
    assert_eq!(surrogate(&single), whole);
    assert_eq!(whole.1, whole.0 != message);
    String::from_utf8(whole.0).unwrap()
}

/// RFC 6858 2.1 (From, To), RFC 6858 2.2 (Content-Type), RFC 6858 2.3 (Subject), RFC 6858 2.4
/// (trace fields).
#[test]
fn a_message_of_the_world() {
    let message = "Return-Path: <jos\u{e9}@x.example>\r\n\
        Delivered-To: b\u{f6}b@y.example\r\n\
        Received: from a by b with UTF8SMTPS id 1 for <b\u{f6}b@y.example>;\r\n\
        \tFri, 27 Nov 2026 02:00:00 +0000\r\n\
        Date: Fri, 27 Nov 2026 02:00:00 +0000\r\n\
        From: Jos\u{e9} N\u{fa}\u{f1}ez <jos\u{e9}@x.example>\r\n\
        To: b\u{f6}b@y.example, Zo\u{eb} <zoe@y.example>,\r\n\
        \tann@y.example\r\n\
        Subject: Gr\u{fc}\u{df}e und plain words\r\n\
        Message-ID: <1@x.example>\r\n\
        MIME-Version: 1.0\r\n\
        Content-Type: text/plain; charset=utf-8; name=\"gr\u{fc}n.txt\"\r\n\
        Content-Transfer-Encoding: 8bit\r\n\
        \r\n\
        Gr\u{fc}\u{df}e\r\n\
        Subject: Gr\u{fc}\u{df}e\r\n";
    let expected = "Date: Fri, 27 Nov 2026 02:00:00 +0000\r\n\
        From: =?UTF-8?B?Sm9zw6kgTsO6w7FleiBqb3PDqUB4LmV4YW1wbGU=?=\r\n \
        <invalid@internationalized-address.invalid>\r\n\
        To: =?UTF-8?B?YsO2YkB5LmV4YW1wbGU=?=\r\n <invalid@internationalized-address.invalid>, \
        =?UTF-8?B?Wm/Dqw==?=\r\n <zoe@y.example>,\r\n\
        \tann@y.example\r\n\
        Subject: =?UTF-8?B?R3LDvMOfZQ==?= und plain words\r\n\
        Message-ID: <1@x.example>\r\n\
        MIME-Version: 1.0\r\n\
        Content-Type: text/plain; charset=utf-8\r\n\
        Content-Transfer-Encoding: 8bit\r\n\
        \r\n\
        Gr\u{fc}\u{df}e\r\n\
        Subject: Gr\u{fc}\u{df}e\r\n";
    assert_eq!(of(message), expected);
}

#[test]
fn ascii_headers_are_left_alone_whatever_the_body_is() {
    for message in [
        "",
        "\r\n",
        "Subject: x",
        "Subject: x\r\n",
        "Subject: x\r\n\r\n",
        "Subject: x\r\n\r\nb\u{f6}dy",
        "\r\nSubject: \u{fc}\r\n",
        "no header at all\r\n\r\n\u{fc}\r\n",
        " \r\n folded: first\r\n\r\n\u{fc}",
        "A: 1\nB: 2\n\n\u{fc}\n",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\u{fc}\r\n--b--\r\n\u{fc}\r\n",
    ] {
        assert_eq!(of(message), message);
    }
}

#[test]
fn the_headers_of_parts_are_rewritten_and_their_bodies_are_not() {
    let message = "Content-Type: multipart/mixed;\r\n\tboundary=\"o ut\"\r\n\r\n\
        Subject: pr\u{e9}amble\r\n\
        --o ut\r\n\
        Content-Type: multipart/alternative; boundary=in\r\n\r\n\
        --in\r\n\
        Content-Type: text/plain; name=\u{fc}\r\n\r\n\
        X: \u{fc}\r\n\
        --inn\r\n\
        --in \t\r\n\
        X: \u{fc}\r\n\r\n\
        \u{fc}\r\n\
        --in--\r\n\
        X: \u{fc}\r\n\
        --o ut\r\n\
        Content-Disposition: attachment; filename=\"\u{fc}\"\r\n\r\n\
        \u{fc}\r\n\
        --o ut--\r\n\
        X: \u{fc}\r\n";
    let expected = "Content-Type: multipart/mixed;\r\n\tboundary=\"o ut\"\r\n\r\n\
        Subject: pr\u{e9}amble\r\n\
        --o ut\r\n\
        Content-Type: multipart/alternative; boundary=in\r\n\r\n\
        --in\r\n\
        Content-Type: text/plain\r\n\r\n\
        X: \u{fc}\r\n\
        --inn\r\n\
        --in \t\r\n\r\n\
        \u{fc}\r\n\
        --in--\r\n\
        X: \u{fc}\r\n\
        --o ut\r\n\
        Content-Disposition: attachment\r\n\r\n\
        \u{fc}\r\n\
        --o ut--\r\n\
        X: \u{fc}\r\n";
    assert_eq!(of(message), expected);
}

#[test]
fn messages_within_messages_have_headers_too() {
    let message = "Content-Type: message/global\r\n\r\n\
        X: \u{fc}\r\n\
        Content-Type: multipart/digest; boundary=d\r\n\r\n\
        --d\r\n\r\n\
        X: \u{fc}\r\n\
        Y: 1\r\n\r\n\
        X: \u{fc}\r\n\
        --d\r\n\
        Content-Type: message/rfc822\r\n\
        Content-Transfer-Encoding: base64\r\n\r\n\
        X: \u{fc}\r\n\
        --d\r\n\
        Content-Type: text/rfc822-headers\r\n\r\n\
        X: \u{fc}\r\n\
        --d--\r\n";
    let expected = "Content-Type: message/global\r\n\r\n\
        Content-Type: multipart/digest; boundary=d\r\n\r\n\
        --d\r\n\r\n\
        Y: 1\r\n\r\n\
        X: \u{fc}\r\n\
        --d\r\n\
        Content-Type: message/rfc822\r\n\
        Content-Transfer-Encoding: base64\r\n\r\n\
        X: \u{fc}\r\n\
        --d\r\n\
        Content-Type: text/rfc822-headers\r\n\r\n\
        --d--\r\n";
    assert_eq!(of(message), expected);
}

#[test]
fn a_message_that_ends_in_its_header_is_rewritten_to_its_end() {
    assert_eq!(of("X: \u{fc}"), "");
    assert_eq!(of("A: 1\r\nX: \u{fc}"), "A: 1\r\n");
    assert_eq!(of("A: 1\r\nX: 2\r\n \u{fc}"), "A: 1\r\n");
    assert_eq!(of("X: \u{fc}\r\nA: 1"), "A: 1");
    assert_eq!(of("Subject: \u{fc}"), "Subject: =?UTF-8?B?w7w=?=");
}

#[test]
fn a_field_that_is_too_long_to_be_held_loses_what_is_not_ascii() {
    let long = "x".repeat(70_000);
    for (message, expected) in [
        (
            format!("X: {long}\u{fc}\r\n \u{fc}{long}\r\nY: \u{fc}\r\nZ: 1\r\n\r\n\u{fc}"),
            format!("X: {long}??\r\n ??{long}\r\nZ: 1\r\n\r\n\u{fc}"),
        ),
        (
            format!("Y: \u{fc}\r\nX: {long}\r\n\r\n"),
            format!("X: {long}\r\n\r\n"),
        ),
        (
            format!(
                "X:\r\n{}Z: \u{fc}\r\n",
                format!(" {}\r\n", "y".repeat(97)).repeat(1000)
            ),
            format!("X:\r\n{}", format!(" {}\r\n", "y".repeat(97)).repeat(1000)),
        ),
    ] {
        let message = message.as_bytes();
        let whole = surrogate(&[message]);
        assert_eq!(whole.0, expected.as_bytes());
        for size in [1, 7, 1000, 65_536] {
            let pieces: Vec<&[u8]> = message.chunks(size).collect();
            assert_eq!(surrogate(&pieces), whole, "pieces of {size}");
        }
    }
}

/// What is held is one field, or one line, whatever comes.
#[test]
fn memory_does_not_grow_with_the_message() {
    let mut surrogate = Surrogate::default();
    let mut output = Vec::new();
    let mut count = 0;
    let header = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n";
    for piece in std::iter::once(header).chain(std::iter::repeat_n("--no\r\nline\r\n--", 100_000)) {
        surrogate.take(piece.as_bytes(), &mut output);
        count += piece.len();
        assert!(output.len() + 600 > piece.len());
        count -= output.len();
        output.clear();
    }
    surrogate.finish(&mut output);
    assert_eq!(count, output.len());
}

#[test]
fn deep_nesting_ends_somewhere() {
    let part = |depth: usize| {
        format!(
            "Content-Type: multipart/mixed; boundary=b{depth}\r\nX: \u{fc}\r\n\r\n--b{depth}\r\n"
        )
    };
    let message: String = (0..10_000).map(part).collect();
    let (output, has_changed) = surrogate(&[message.as_bytes()]);
    assert!(has_changed && output.len() < message.len());
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(10_000);
    assert_eq!(surrogate(&[nested.as_bytes()]).0, nested.as_bytes());
}

/// A type that is left out is none: the next one counts, for the client and for us.
#[test]
fn of_several_types_the_first_that_is_given_out_counts() {
    let message =
        "Content-Type: \u{fc}\r\nContent-Type: message/rfc822\r\n\r\nSubject: \u{fc}\r\n\r\n";
    let once = surrogate(&[message.as_bytes()]).0;
    let shown = "Content-Type: message/rfc822\r\n\r\nSubject: =?UTF-8?B?w7w=?=\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(&once), shown);
    assert_eq!(surrogate(&[&once]), (once, false));
}

fn field() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![
        "From",
        "To",
        "Subject",
        "Content-Type",
        "Content-Disposition",
        "X",
        "Content-Transfer-Encoding",
    ]);
    let word = prop::sample::select(vec![
        &b"a@x.example"[..],
        b"<",
        b">",
        b"\"",
        b"(",
        b")",
        b",",
        b":",
        b";",
        b"\\",
        b" ",
        b"\r\n ",
        b"\xc3\xbc",
        b"\xff",
        b"multipart/mixed; boundary=b",
        b"message/rfc822",
        b"base64",
        b"=?",
    ]);
    (name, prop::collection::vec(word, 0..12))
        .prop_map(|(name, words)| [name.as_bytes(), b": ", &words.concat(), b"\r\n"].concat())
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        5 => field(),
        1 => Just(b"\r\n".to_vec()),
        1 => Just(b"--b\r\n".to_vec()),
        1 => Just(b"--b--\r\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(part, 0..20).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn cuts_make_no_difference(message in message(), size in 1..50_usize) {
        let whole = surrogate(&[&message]);
        let pieces: Vec<&[u8]> = message.chunks(size).collect();
        prop_assert_eq!(surrogate(&pieces), whole);
    }

    #[test]
    fn a_surrogate_is_its_own_surrogate(message in message()) {
        let once = surrogate(&[&message]).0;
        let twice = surrogate(&[&once]);
        prop_assert_eq!(&twice.0, &once);
        prop_assert!(!twice.1);
    }

    #[test]
    fn the_header_of_a_surrogate_is_ascii(fields in prop::collection::vec(field(), 0..10)) {
        let message = [fields.concat(), b"\r\n".to_vec()].concat();
        let made = surrogate(&[&message]).0;
        prop_assert!(made.is_ascii());
    }
}
