//! The vocabulary: what is parsed and written is parsed again as the same.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use cassmail_mail::{Address, Domain, MessageId, Uidl};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "addresses",
    about: "addresses, domains, ids: written and read again",
    run,
    seeds,
    words: &[
        b"@",
        b"\"",
        b"\\",
        b".",
        b"..",
        b"[",
        b"]",
        b"[IPv6:",
        b"::1",
        b"[127.0.0.1]",
        b"xn--",
        b"\xc3\xbc",
        b"\xe2\x84\xaa",
        b"a@b.example",
        b"\"a b\"@c",
        b"-",
        b" ",
    ],
};

fn seeds() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 9] = [
        b"bob@here.example",
        b"\"b o\\\"b\"@here.example",
        b"bob@[192.0.2.1]",
        b"bob@[IPv6:2001:db8::1]",
        b"b\xc3\xbcb@b\xc3\xbccher.example",
        b"bob+tag@xn--bcher-kva.example",
        b"!#$%&'*+-/=?^_`{|}~@x.example",
        b"0123456789abcdefghjkmnpqrs",
        b"a.b.c@d.e.f",
    ];
    texts.map(<[u8]>::to_vec).to_vec()
}

fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    comes_back::<Address>(text);
    comes_back::<Domain>(text);
    comes_back::<Uidl>(text);
    comes_back::<MessageId>(text);
    if let Ok(address) = text.parse::<Address>() {
        lengths_hold(&address);
    }
}

fn comes_back<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    let Ok(value) = text.parse::<T>() else {
        return;
    };
    let written = value.to_string();
    let again = written.parse::<T>().ok();
    assert_eq!(again.as_ref(), Some(&value), "{written:?}");
    assert!(!written.chars().any(char::is_control), "{written:?}");
}

/// RFC 5321 4.5.3.1.1 and 4.5.3.1.2: 64 octets, and 255.
fn lengths_hold(address: &Address) {
    assert!(address.local().as_str().len() <= 64, "{address}");
    assert!(address.domain().as_str().len() <= 255, "{address}");
}
