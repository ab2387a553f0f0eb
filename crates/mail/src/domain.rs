//! Domain names and address literals, as they stand behind the `@`.

use std::fmt;
use std::str::FromStr;

/// A domain in its canonical form: lower case, or an address literal with its brackets.
///
/// Domains are never compared with regard to case (RFC 5321 2.4), so the canonical form is the only
/// one kept. Internationalized labels (RFC 6531 3.3) are kept as U-labels, lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(Box<str>);

/// Why a text is not a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// Nothing there, or nothing between two dots.
    #[error("a domain needs at least one character between dots")]
    EmptyLabel,
    /// More than 255 octets, or a label of more than 63 (RFC 5321 4.5.3.1.2, RFC 1035 2.3.4).
    #[error("a domain has at most 255 octets, a label at most 63")]
    TooLong,
    /// A character that no domain has.
    #[error("a domain has letters, digits, hyphens inside labels, and dots")]
    BadCharacter,
    /// Brackets that hold no IPv4 or `IPv6:` address (RFC 5321 4.1.3).
    #[error("an address literal is [IPv4 address] or [IPv6:address]")]
    BadLiteral,
}

impl Domain {
    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is an address literal such as `[192.0.2.1]`, not a name.
    pub fn is_literal(&self) -> bool {
        self.0.starts_with('[')
    }

    /// Whether the domain can be written without SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.0.is_ascii()
    }
}

impl FromStr for Domain {
    type Err = DomainError;

    /// Parses `Domain` or `address-literal` of RFC 5321 4.1.2, with U-labels of RFC 6531 3.3.
    fn from_str(text: &str) -> Result<Self, DomainError> {
        if text.len() > 255 {
            return Err(DomainError::TooLong);
        }
        match text.strip_prefix('[') {
            Some(rest) => literal(rest),
            None => name(text),
        }
    }
}

fn name(text: &str) -> Result<Domain, DomainError> {
    for label in text.split('.') {
        check_label(label)?;
    }
    Ok(Domain(text.to_lowercase().into_boxed_str()))
}

fn check_label(label: &str) -> Result<(), DomainError> {
    if label.is_empty() {
        return Err(DomainError::EmptyLabel);
    }
    if label.len() > 63 {
        return Err(DomainError::TooLong);
    }
    // Underscores are no host name, but such mail domains exist and hurt nobody.
    let allowed =
        |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || is_u_label_character(c);
    if !label.chars().all(allowed) || label.starts_with('-') || label.ends_with('-') {
        return Err(DomainError::BadCharacter);
    }
    Ok(())
}

fn is_u_label_character(c: char) -> bool {
    !c.is_ascii() && c.is_alphanumeric()
}

fn literal(rest: &str) -> Result<Domain, DomainError> {
    let inner = rest.strip_suffix(']').ok_or(DomainError::BadLiteral)?;
    let canonical = match inner.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => {
            let text = inner.get(5..).unwrap_or_default();
            let address = text
                .parse::<std::net::Ipv6Addr>()
                .map_err(|_| DomainError::BadLiteral)?;
            format!("[IPv6:{address}]")
        }
        _ => {
            let address = inner
                .parse::<std::net::Ipv4Addr>()
                .map_err(|_| DomainError::BadLiteral)?;
            format!("[{address}]")
        }
    };
    Ok(Domain(canonical.into_boxed_str()))
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Domain({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_matter() {
        let upper: Domain = "Example.ORG".parse().unwrap();
        let lower: Domain = "example.org".parse().unwrap();
        assert_eq!(upper, lower);
    }

    /// RFC 5321 4.5.3.1.2.
    #[test]
    fn malformed_names_are_refused_with_their_reason() {
        for (text, error) in [
            ("", DomainError::EmptyLabel),
            ("a..b", DomainError::EmptyLabel),
            ("a.", DomainError::EmptyLabel),
            ("-a.b", DomainError::BadCharacter),
            ("a-.b", DomainError::BadCharacter),
            ("a b", DomainError::BadCharacter),
            ("a\r\nb", DomainError::BadCharacter),
            ("[1.2.3]", DomainError::BadLiteral),
            ("[IPv6:zz]", DomainError::BadLiteral),
            ("[1.2.3.4", DomainError::BadLiteral),
        ] {
            assert_eq!(text.parse::<Domain>(), Err(error), "{text:?}");
        }
        assert_eq!("a".repeat(64).parse::<Domain>(), Err(DomainError::TooLong));
        assert_eq!(
            "a.".repeat(200).parse::<Domain>(),
            Err(DomainError::TooLong)
        );
    }

    #[test]
    fn literals_are_kept_in_one_form() {
        let domain: Domain = "[ipv6:0:0::1]".parse().unwrap();
        assert_eq!(domain.as_str(), "[IPv6:::1]");
        assert!(domain.is_literal());
    }
}
