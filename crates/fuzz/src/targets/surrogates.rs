//! Surrogates of internationalized messages: the same wherever a message is cut, with a header in
//! ASCII, and a surrogate of their own.

use cassmail_surrogate::Surrogate;

use super::Target;
use crate::corpus::messages;
use crate::dice::Dice;

pub(super) const TARGET: Target = Target {
    name: "surrogates",
    about: "surrogates of messages, cut anywhere, in ASCII and final",
    run,
    seeds,
    words: &[
        b"Subject: f\xc3\xbcnf\r\n",
        b"From: ",
        b"To: a@x, ",
        b"Cc: g: b@y, <c@z>;\r\n",
        b"\"f\xc3\xbc\" ",
        b"<\xc3\xbc@here.example>",
        b"(f\xc3\xbc)",
        b"\r\n ",
        b"\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"; name=\"\xc3\xbc\"",
        b"; name*0*=utf-8''%C3",
        b"--b\r\n",
        b"--b--\r\n",
        b"=?UTF-8?B?w7w=?=",
        b"\xff",
        b"\\",
        b"\"",
    ],
};

fn seeds() -> Vec<Vec<u8>> {
    let written: [&str; 5] = [
        "Subject: f\u{fc}nf\r\nX-Note: \u{fc}\r\n\r\nf\u{fc}nf\r\n",
        "From: \"J\u{f6}rg\" <j\u{f6}rg@x.test>\r\nTo: g: \u{e4}@y.test, b@z.test;\r\n\r\nx\r\n",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nSubject: \u{fc}\r\n\r\n\
         x\r\n--b--\r\n",
        "Content-Type: message/rfc822\r\n\r\nSubject: \u{fc}\r\n\r\nx\r\n",
        "Content-Disposition: attachment; filename=\"\u{fc}.txt\"; size=3\r\n\r\nx\r\n",
    ];
    let written = written.map(|text| text.as_bytes().to_vec());
    [written.to_vec(), messages()].concat()
}

fn run(data: &[u8]) {
    let whole = surrogate(&[data]);
    let single: Vec<&[u8]> = data.chunks(1).collect();
    let pieces = Dice::new(data.len() as u64).cut(data);
    for cut in [&single, &pieces] {
        assert_eq!(surrogate(cut), whole, "it depends on cuts");
    }
    let (made, has_changed) = whole;
    assert_eq!(has_changed, made != data, "whether it is another message");
    if data.is_ascii() {
        assert!(!has_changed, "nothing is to be changed");
    }
    let header = header(&made);
    assert!(header.is_ascii(), "{}", header.escape_ascii());
    let again = surrogate(&[&made]);
    assert_eq!(again, (made, false), "a surrogate is its own surrogate");
}

fn surrogate(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
    let (mut surrogate, mut made) = (Surrogate::default(), Vec::new());
    for piece in pieces {
        surrogate.take(piece, &mut made);
    }
    surrogate.finish(&mut made);
    (made, surrogate.has_changed())
}

/// Up to the empty line; a LF alone ends a line as well.
fn header(message: &[u8]) -> &[u8] {
    let mut end = 0;
    for line in message.split_inclusive(|&byte| byte == b'\n') {
        if matches!(line, b"\n" | b"\r\n") {
            break;
        }
        end += line.len();
    }
    &message[..end]
}
