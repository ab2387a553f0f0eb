//! PROXY headers: whole at one octet and no other, and what is refused stays refused.

use cassmail_net::proxy::{LONGEST, Reading, read};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "proxy-header",
    about: "PROXY headers of both versions, octet by octet",
    run,
    seeds,
    words: &[
        b"PROXY TCP4 ",
        b"PROXY TCP6 ",
        b"PROXY UNKNOWN",
        b"192.0.2.7 ",
        b"2001:db8::7 ",
        b"::ffff:192.0.2.7",
        b"65535",
        b"0",
        b" ",
        b"\r\n",
        b"\r\n\r\n\0\r\nQUIT\n",
        b"\x20\0\0\0",
        b"\x21\x11\0\x0c",
        b"\x21\x21\0\x24",
        b"\x21\x31\0\xd8",
        b"\xff\xff",
    ],
};

fn seeds() -> Vec<Vec<u8>> {
    let signature = b"\r\n\r\n\0\r\nQUIT\n";
    let four = b"\x21\x11\0\x0c\xc0\0\x02\x07\xc0\0\x02\x01\xdc\x04\0\x19";
    let extended = b"\x21\x11\0\x12\xc0\0\x02\x07\xc0\0\x02\x01\xdc\x04\0\x19\x04\0\x03abc";
    let six = [&b"\x21\x21\0\x24"[..], &[1; 36]].concat();
    let unix = [&b"\x21\x31\0\xd8"[..], &[b'/'; 216]].concat();
    let binary = [&four[..], extended, &six, &unix, b"\x20\0\0\0"];
    let binary = binary.map(|rest| [signature, rest, b"EHLO c\r\n"].concat());
    let texts: [&[u8]; 4] = [
        b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 25\r\nEHLO c\r\n",
        b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 25\r\nEHLO c\r\n",
        b"PROXY UNKNOWN ffff::1 whatever\r\nEHLO c\r\n",
        b"EHLO c\r\n",
    ];
    [texts.map(<[u8]>::to_vec).to_vec(), binary.to_vec()].concat()
}

fn run(data: &[u8]) {
    let whole = read(data);
    let decided = match &whole {
        Ok(Reading::Whole { octets, .. }) => *octets,
        Ok(Reading::Part) => {
            assert!(data.len() < LONGEST, "it has to be decided by now");
            data.len()
        }
        Err(_) => (0..=data.len())
            .find(|&length| read(&data[..length]).is_err())
            .expect("the whole is refused"),
    };
    assert!(decided <= data.len().min(LONGEST));
    for length in 0..data.len() {
        let of_part = read(&data[..length]);
        if length < decided {
            assert_eq!(of_part, Ok(Reading::Part), "decided too soon");
        } else {
            assert_eq!(of_part.is_ok(), whole.is_ok(), "decided anew");
            if whole.is_ok() {
                assert_eq!(of_part, whole, "what follows belongs to somebody else");
            }
        }
    }
    if let Ok(Reading::Whole {
        named: Some(named), ..
    }) = whole
    {
        let is_v4_in_v6 = |ip: std::net::IpAddr| ip.to_canonical() != ip;
        assert!(
            !is_v4_in_v6(named.source.ip()),
            "limits hold for IPv4 addresses as such"
        );
    }
}
