//! What a client calls itself.

use std::fmt;
use std::net::IpAddr;

use cassmail_mail::Domain;

use super::Helo;

/// The most that is kept of a name that is no domain.
const LONGEST: usize = 255;

impl Helo {
    /// Takes the argument of EHLO or HELO, whatever it is; it is no place for UTF-8 (RFC 6531
    /// 3.7.1).
    pub fn new(name: &str) -> Self {
        match name.parse::<Domain>() {
            Ok(domain) if domain.is_literal() => literal(&domain),
            Ok(domain) if domain.is_ascii() => Self::Domain(domain),
            _ => Self::Other(harmless(name)),
        }
    }
}

fn literal(domain: &Domain) -> Helo {
    let inner = domain.as_str().trim_matches(['[', ']']);
    let address = inner.strip_prefix("IPv6:").unwrap_or(inner);
    match address.parse::<IpAddr>() {
        Ok(address) => Helo::Literal(address),
        Err(_) => Helo::Other(harmless(inner)),
    }
}

/// Replaces what could end or nest something in a header field, and brackets, in which only the
/// address that we know stands.
fn harmless(name: &str) -> String {
    let safe = |c: char| match c {
        '(' | ')' | '<' | '>' | '[' | ']' | '"' | '\\' | ';' | ',' | '@' => '?',
        '!'..='~' => c,
        _ => '?',
    };
    name.chars().take(LONGEST).map(safe).collect()
}

impl fmt::Display for Helo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => domain.fmt(f),
            Self::Literal(IpAddr::V4(address)) => write!(f, "[{address}]"),
            Self::Literal(IpAddr::V6(address)) => write!(f, "[IPv6:{address}]"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_domains_literals_or_made_harmless() {
        for (name, written) in [
            ("Client.Example", "client.example"),
            ("[192.0.2.1]", "[192.0.2.1]"),
            ("[ipv6:2001:DB8::1]", "[IPv6:2001:db8::1]"),
            ("my computer (old)", "my?computer??old?"),
            ("b\u{fc}ro", "b?ro"),
            ("a\r\nX: y", "a??X:?y"),
            ("x ([198.51.100.7])", "x???198.51.100.7??"),
        ] {
            assert_eq!(Helo::new(name).to_string(), written);
        }
        assert_eq!(Helo::new(&"@".repeat(1000)).to_string().len(), LONGEST);
    }
}
