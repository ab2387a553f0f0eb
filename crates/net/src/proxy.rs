//! The PROXY protocol, versions 1 and 2: how a proxy in front of us tells who is behind it.
//!
//! A value without a socket: octets in, what they say out. Who may say it is decided elsewhere; a
//! header is read from listed addresses alone, and there it has to be.
//!
//! Extensions (TLVs) of version 2 are skipped. A connection that the proxy opened by itself
//! (`LOCAL`, `UNKNOWN`), or that came to it over a Unix socket, has no address but the proxy's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A header of version 1 with its CRLF; the specification's bound.
const LONGEST_TEXT: usize = 107;

/// What may follow the fixed part of a header of version 2. Addresses need 36 octets (216 for Unix
/// sockets); the rest is room for extensions, such as what a proxy knows of a TLS certificate.
const LONGEST_BINARY: usize = 4096;

/// How a header of version 2 begins: no protocol of mail begins so.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The signature, version and command, family, length.
const FIXED: usize = 16;

/// How a header of version 1 begins.
const WORD: &[u8] = b"PROXY ";

/// The most octets that can be needed before a header is whole or refused.
pub const LONGEST: usize = FIXED + LONGEST_BINARY;

/// What the octets that have come so far are.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// The beginning of a header.
    Part,
    /// A header; what follows belongs to the protocol behind it.
    Whole {
        /// How many octets it has.
        octets: usize,
        /// Whom it names; nobody where the proxy speaks for itself.
        named: Option<Named>,
    },
}

/// Who is behind the proxy, and where he connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Who is behind the proxy.
    pub source: SocketAddr,
    /// Where he connected to.
    pub destination: SocketAddr,
}

/// Why octets are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// They begin differently.
    #[error("it does not begin with a PROXY header")]
    Absent,
    /// They go on for too long.
    #[error("its PROXY header is too long")]
    TooLong,
    /// They begin like one.
    #[error("its PROXY header is malformed")]
    Malformed,
    /// A version, command or family that there is not, or that is none of a connection.
    #[error("its PROXY header is of an unknown kind")]
    Unknown,
}

/// Reads a header from the octets that have come.
///
/// # Errors
/// They are none, and more octets will not make them one.
pub fn read(input: &[u8]) -> Result<Reading, ProxyError> {
    if begins_alike(input, &SIGNATURE) {
        read_binary(input)
    } else if begins_alike(input, WORD) {
        read_text(input)
    } else {
        Err(ProxyError::Absent)
    }
}

/// Whether one is the beginning of the other.
fn begins_alike(input: &[u8], wanted: &[u8]) -> bool {
    input.iter().zip(wanted).all(|(one, other)| one == other)
}

/// `PROXY TCP4 192.0.2.7 192.0.2.1 56324 25` and CRLF.
fn read_text(input: &[u8]) -> Result<Reading, ProxyError> {
    let searched = input.get(..LONGEST_TEXT).unwrap_or(input);
    let Some(end) = searched.windows(2).position(|pair| pair == b"\r\n") else {
        return if input.len() < LONGEST_TEXT {
            Ok(Reading::Part)
        } else {
            Err(ProxyError::TooLong)
        };
    };
    let line = searched.get(..end).unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| ProxyError::Malformed)?;
    Ok(Reading::Whole {
        octets: end.saturating_add(2),
        named: named_in_text(line)?,
    })
}

fn named_in_text(line: &str) -> Result<Option<Named>, ProxyError> {
    let mut words = line.split(' ').skip(1);
    let family = words.next().ok_or(ProxyError::Malformed)?;
    let is_ipv4 = match family {
        // Whatever follows is to be ignored.
        "UNKNOWN" => return Ok(None),
        "TCP4" => true,
        "TCP6" => false,
        _ => return Err(ProxyError::Unknown),
    };
    let mut word = || words.next().ok_or(ProxyError::Malformed);
    let (source, destination) = (address(word()?, is_ipv4)?, address(word()?, is_ipv4)?);
    let (source_port, destination_port) = (port(word()?)?, port(word()?)?);
    if words.next().is_some() {
        return Err(ProxyError::Malformed);
    }
    Ok(Some(Named {
        source: endpoint(source, source_port),
        destination: endpoint(destination, destination_port),
    }))
}

fn address(word: &str, is_ipv4: bool) -> Result<IpAddr, ProxyError> {
    let address: IpAddr = word.parse().map_err(|_| ProxyError::Malformed)?;
    (address.is_ipv4() == is_ipv4)
        .then_some(address)
        .ok_or(ProxyError::Malformed)
}

/// Digits without a sign, a space or a zero in front.
fn port(word: &str) -> Result<u16, ProxyError> {
    let is_written_well =
        word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    let number = word.parse().ok().filter(|_| is_written_well);
    number.ok_or(ProxyError::Malformed)
}

/// The fixed part, addresses, extensions.
fn read_binary(input: &[u8]) -> Result<Reading, ProxyError> {
    let Some((fixed, rest)) = input.split_at_checked(FIXED) else {
        return Ok(Reading::Part);
    };
    let &[.., kind, family, high, low] = fixed else {
        return Err(ProxyError::Malformed);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > LONGEST_BINARY {
        return Err(ProxyError::TooLong);
    }
    let command = match kind {
        0x20 => Command::Local,
        0x21 => Command::Proxy,
        _ => return Err(ProxyError::Unknown),
    };
    let Some(block) = rest.get(..length) else {
        return Ok(Reading::Part);
    };
    let named = match command {
        Command::Local => None,
        Command::Proxy => named_in_block(family, block)?,
    };
    Ok(Reading::Whole {
        octets: FIXED.saturating_add(length),
        named,
    })
}

enum Command {
    /// The proxy opened the connection by itself, to see whether we are well.
    Local,
    /// The proxy opened it for somebody.
    Proxy,
}

fn named_in_block(family: u8, block: &[u8]) -> Result<Option<Named>, ProxyError> {
    const UNSPECIFIED: u8 = 0x00;
    const TCP_OVER_IPV4: u8 = 0x11;
    const TCP_OVER_IPV6: u8 = 0x21;
    const UNIX_STREAM: u8 = 0x31;
    match family {
        UNSPECIFIED => Ok(None),
        TCP_OVER_IPV4 => named_by::<4>(block, |octets| Ipv4Addr::from(octets).into()).map(Some),
        TCP_OVER_IPV6 => named_by::<16>(block, |octets| Ipv6Addr::from(octets).into()).map(Some),
        UNIX_STREAM if block.len() >= 216 => Ok(None),
        UNIX_STREAM => Err(ProxyError::Malformed),
        _ => Err(ProxyError::Unknown),
    }
}

/// Two addresses and two ports.
fn named_by<const OCTETS: usize>(
    block: &[u8],
    address: impl Fn([u8; OCTETS]) -> IpAddr,
) -> Result<Named, ProxyError> {
    let malformed = ProxyError::Malformed;
    let (source, rest) = block.split_first_chunk::<OCTETS>().ok_or(malformed)?;
    let (destination, rest) = rest.split_first_chunk::<OCTETS>().ok_or(malformed)?;
    let (source_port, rest) = rest.split_first_chunk::<2>().ok_or(malformed)?;
    let (destination_port, _extensions) = rest.split_first_chunk::<2>().ok_or(malformed)?;
    Ok(Named {
        source: endpoint(address(*source), u16::from_be_bytes(*source_port)),
        destination: endpoint(address(*destination), u16::from_be_bytes(*destination_port)),
    })
}

/// An IPv4 address within an IPv6 one is an IPv4 address.
fn endpoint(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address.to_canonical(), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(octets: usize, source: &str, destination: &str) -> Reading {
        Reading::Whole {
            octets,
            named: Some(Named {
                source: source.parse().unwrap(),
                destination: destination.parse().unwrap(),
            }),
        }
    }

    fn binary(kind: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[kind, family], &length, block].concat()
    }

    /// Addresses 192.0.2.7 and 192.0.2.1, ports 56324 and 25.
    const IPV4: [u8; 12] = [192, 0, 2, 7, 192, 0, 2, 1, 0xdc, 0x04, 0, 25];

    #[test]
    fn texts_name_addresses_of_both_families() {
        let line = b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 25\r\nEHLO x\r\n";
        let wanted = whole(41, "192.0.2.7:56324", "192.0.2.1:25");
        assert_eq!(read(line), Ok(wanted));
        let line = b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 25\r\n";
        let wanted = whole(line.len(), "[2001:db8::7]:56324", "[2001:db8::1]:25");
        assert_eq!(read(line), Ok(wanted));
        let line = b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.1 1 25\r\n";
        let wanted = whole(line.len(), "192.0.2.7:1", "192.0.2.1:25");
        assert_eq!(read(line), Ok(wanted), "an IPv4 address in disguise");
    }

    #[test]
    fn who_is_unknown_has_the_address_of_the_proxy() {
        let unnamed = |octets| {
            Ok(Reading::Whole {
                octets,
                named: None,
            })
        };
        assert_eq!(read(b"PROXY UNKNOWN\r\n"), unnamed(15));
        assert_eq!(read(b"PROXY UNKNOWN ffff::1 x y z\r\nA"), unnamed(29));
        assert_eq!(read(&binary(0x20, 0x00, b"")), unnamed(16));
        // LOCAL: the family means nothing, and the block is passed over.
        assert_eq!(read(&binary(0x20, 0x77, b"abc")), unnamed(19));
        assert_eq!(read(&binary(0x21, 0x00, b"abc")), unnamed(19));
        assert_eq!(read(&binary(0x21, 0x31, &[0; 216])), unnamed(232));
    }

    #[test]
    fn binary_headers_name_addresses_and_their_extensions_are_skipped() {
        let header = binary(0x21, 0x11, &IPV4);
        let wanted = whole(28, "192.0.2.7:56324", "192.0.2.1:25");
        assert_eq!(read(&header), Ok(wanted));
        let with_extensions = [&IPV4[..], &[0x02, 0, 1, b'x', 0x20, 0, 0]].concat();
        let header = [&binary(0x21, 0x11, &with_extensions)[..], b"EHLO"].concat();
        let wanted = whole(35, "192.0.2.7:56324", "192.0.2.1:25");
        assert_eq!(read(&header), Ok(wanted));
        let mut block = [0; 36];
        block[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        block[15] = 7;
        block[16..20].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        block[31] = 1;
        block[33] = 9;
        block[35] = 25;
        let wanted = whole(52, "[2001:db8::7]:9", "[2001:db8::1]:25");
        assert_eq!(read(&binary(0x21, 0x21, &block)), Ok(wanted));
    }

    #[test]
    fn a_header_cut_anywhere_is_a_part_of_one() {
        let headers = [
            b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 25\r\n".to_vec(),
            b"PROXY UNKNOWN\r\n".to_vec(),
            binary(0x21, 0x11, &IPV4),
            binary(0x20, 0x00, b"abc"),
        ];
        for header in headers {
            for cut in 0..header.len() {
                let part = &header[..cut];
                assert_eq!(read(part), Ok(Reading::Part), "{}", part.escape_ascii());
            }
            assert!(matches!(read(&header), Ok(Reading::Whole { .. })));
        }
    }

    #[test]
    fn what_is_no_header_is_refused_at_its_first_wrong_octet() {
        for input in [
            &b"EHLO x\r\n"[..],
            b"X",
            b"proxy TCP4",
            b"PROXX",
            b"\r\n\r\nx",
            b"\x16\x03\x01",
        ] {
            assert_eq!(read(input), Err(ProxyError::Absent), "{input:?}");
        }
    }

    #[test]
    fn malformed_texts_are_refused() {
        for line in [
            "PROXY TCP4 192.0.2.7 192.0.2.1 56324\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 56324 25 1\r\n",
            "PROXY TCP4  192.0.2.7 192.0.2.1 56324 25\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 56324 25 \r\n",
            "PROXY TCP4 192.0.2.256 192.0.2.1 56324 25\r\n",
            "PROXY TCP4 2001:db8::7 2001:db8::1 56324 25\r\n",
            "PROXY TCP6 192.0.2.7 192.0.2.1 56324 25\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 65536 25\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 +1 25\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 01 25\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1  25\r\n",
        ] {
            assert_eq!(read(line.as_bytes()), Err(ProxyError::Malformed), "{line}");
        }
        assert_eq!(read(b"PROXY \xff\r\n"), Err(ProxyError::Malformed));
        for line in ["PROXY UDP4 a b c d\r\n", "PROXY \r\n", "PROXY tcp4 x\r\n"] {
            assert_eq!(read(line.as_bytes()), Err(ProxyError::Unknown), "{line}");
        }
    }

    #[test]
    fn malformed_blocks_are_refused() {
        for length in 0..12 {
            let header = binary(0x21, 0x11, &IPV4[..length]);
            assert_eq!(read(&header), Err(ProxyError::Malformed), "{length}");
        }
        let header = binary(0x21, 0x21, &[0; 35]);
        assert_eq!(read(&header), Err(ProxyError::Malformed));
        let header = binary(0x21, 0x31, &[0; 215]);
        assert_eq!(read(&header), Err(ProxyError::Malformed));
        for (kind, family) in [
            (0x11, 0x11),
            (0x31, 0x11),
            (0x22, 0x11),
            (0x2f, 0x11),
            (0x21, 0x12),
            (0x21, 0x22),
            (0x21, 0x32),
            (0x21, 0x41),
            (0x21, 0x01),
            (0x21, 0xff),
        ] {
            let header = binary(kind, family, &[0; 216]);
            assert_eq!(read(&header), Err(ProxyError::Unknown), "{kind} {family}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_has_come() {
        let line = [&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat();
        assert_eq!(read(&line[..LONGEST_TEXT - 1]), Ok(Reading::Part));
        assert_eq!(read(&line[..LONGEST_TEXT]), Err(ProxyError::TooLong));
        let just = [&line[..LONGEST_TEXT - 2], b"\r\n"].concat();
        assert!(read(&just).is_ok());
        let over = [&line[..LONGEST_TEXT - 1], b"\r\n"].concat();
        assert_eq!(read(&over), Err(ProxyError::TooLong));
        let header = binary(0x21, 0x11, &vec![0; LONGEST_BINARY + 1]);
        assert_eq!(read(&header[..FIXED]), Err(ProxyError::TooLong));
        let header = binary(0x21, 0x11, &vec![0; LONGEST_BINARY]);
        assert!(read(&header).is_ok());
        assert_eq!(header.len(), LONGEST);
    }
}
