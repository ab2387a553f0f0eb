//! Mail addresses: a local part and a domain.

use std::fmt;
use std::str::FromStr;

use crate::domain::{Domain, DomainError};

/// The part in front of the `@`, as the mailbox is called: without quotes and backslashes.
///
/// Quoting has no meaning (RFC 5321 4.1.2: the quoted and the plain form are the same mailbox), so
/// `"bob"` and `bob` are equal. Written out it is quoted again where the grammar needs it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalPart(Box<str>);

/// A mailbox address with a domain. Empty reverse paths and the bare `<Postmaster>` are not
/// addresses; see [`ReversePath`](crate::ReversePath) and the forward paths of the SMTP crate.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    local: LocalPart,
    domain: Domain,
}

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no `@` outside quotes.
    #[error("an address is a local part, an @ and a domain")]
    NoAt,
    /// The local part is neither a dot-string nor a quoted string (RFC 5321 4.1.2).
    #[error(
        "a local part has letters, digits, dots inside, and !#$%&'*+-/=?^_`{{|}}~, or is quoted"
    )]
    BadLocalPart,
    /// More than 64 octets in front of the `@` (RFC 5321 4.5.3.1.1).
    #[error("a local part has at most 64 octets")]
    LocalPartTooLong,
    /// More than 254 octets in all (RFC 5321 4.5.3.1.3, without the angle brackets).
    #[error("an address has at most 254 octets")]
    TooLong,
    /// What follows the `@` is no domain.
    #[error(transparent)]
    Domain(#[from] DomainError),
}

impl LocalPart {
    /// The name of the mailbox, without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Makes a local part of a name that is not quoted, such as the key of a table.
    ///
    /// Control characters and emptiness are refused; anything else can be written as a quoted
    /// string.
    pub fn from_name(name: &str) -> Result<Self, AddressError> {
        if name.len() > 64 {
            return Err(AddressError::LocalPartTooLong);
        }
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(AddressError::BadLocalPart);
        }
        Ok(Self(name.into()))
    }

    /// The same name in lower case, for directories that do not regard case.
    #[must_use]
    pub fn to_lowercase(&self) -> Self {
        Self(self.0.to_lowercase().into_boxed_str())
    }
}

impl Address {
    /// Joins the two parts.
    pub fn new(local: LocalPart, domain: Domain) -> Self {
        Self { local, domain }
    }

    /// The part in front of the `@`.
    pub fn local(&self) -> &LocalPart {
        &self.local
    }

    /// The part behind the `@`.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Whether the address can be written without SMTPUTF8 (RFC 6531 3.2).
    pub fn is_ascii(&self) -> bool {
        self.local.0.is_ascii() && self.domain.is_ascii()
    }

    /// The same address with another local part.
    #[must_use]
    pub fn with_local(&self, local: LocalPart) -> Self {
        Self {
            local,
            domain: self.domain.clone(),
        }
    }
}

impl FromStr for LocalPart {
    type Err = AddressError;

    /// Parses `Local-part` of RFC 5321 4.1.2 (`Dot-string` or `Quoted-string`), with the UTF-8 of
    /// RFC 6531 3.3.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let name = if let Some(rest) = text.strip_prefix('"') {
            unquote(rest)?
        } else {
            check_dot_string(text)?;
            text.to_owned()
        };
        if text.len() > 64 {
            return Err(AddressError::LocalPartTooLong);
        }
        Ok(Self(name.into_boxed_str()))
    }
}

fn check_dot_string(text: &str) -> Result<(), AddressError> {
    let atom = |atom: &str| !atom.is_empty() && atom.chars().all(is_atom_character);
    if text.split('.').all(atom) {
        Ok(())
    } else {
        Err(AddressError::BadLocalPart)
    }
}

/// `atext` of RFC 5322 3.2.3, outside the quoted strings of RFC 5322 3.2.4, extended by RFC 6531
/// 3.3 to all that is not ASCII.
fn is_atom_character(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_control())
}

/// Reads what follows the opening quote: `*QcontentSMTP DQUOTE`, with at least one character, since
/// an empty name could belong to nobody.
fn unquote(rest: &str) -> Result<String, AddressError> {
    let inner = rest.strip_suffix('"').ok_or(AddressError::BadLocalPart)?;
    let mut name = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        let kept = match c {
            '"' => return Err(AddressError::BadLocalPart),
            '\\' => characters.next().ok_or(AddressError::BadLocalPart)?,
            c => c,
        };
        if kept.is_control() {
            return Err(AddressError::BadLocalPart);
        }
        name.push(kept);
    }
    if name.is_empty() {
        Err(AddressError::BadLocalPart)
    } else {
        Ok(name)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// Parses `Mailbox` of RFC 5321 4.1.2, without angle brackets.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > 254 {
            return Err(AddressError::TooLong);
        }
        let (local, domain) = split_at_sign(text).ok_or(AddressError::NoAt)?;
        Ok(Self {
            local: local.parse()?,
            domain: domain.parse()?,
        })
    }
}

/// Splits at the `@` that is not inside a quoted local part.
fn split_at_sign(text: &str) -> Option<(&str, &str)> {
    if !text.starts_with('"') {
        return text.split_once('@');
    }
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                let (local, rest) = text.split_at_checked(at.checked_add(1)?)?;
                return Some((local, rest.strip_prefix('@')?));
            }
            _ => {}
        }
    }
    None
}

impl fmt::Display for LocalPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if check_dot_string(&self.0).is_ok() {
            return f.write_str(&self.0);
        }
        f.write_str("\"")?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        f.write_str("\"")
    }
}

impl fmt::Debug for LocalPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalPart({self})")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_has_no_meaning() {
        let plain: Address = "bob@example.org".parse().unwrap();
        let quoted: Address = r#""b\ob"@example.org"#.parse().unwrap();
        assert_eq!(plain, quoted);
        assert_eq!(quoted.to_string(), "bob@example.org");
    }

    #[test]
    fn what_needs_quotes_is_written_with_them() {
        for text in [
            r#""a b"@x.example"#,
            r#""a@b"@x.example"#,
            r#""a\"b"@x.example"#,
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
    }

    /// RFC 5322 3.2.3, 3.2.4.
    #[test]
    fn malformed_addresses_are_refused() {
        for text in [
            "",
            "@",
            "a",
            "a@",
            "@b",
            "a b@c",
            "a..b@c",
            ".a@c",
            "a.@c",
            "\"a@c",
            "\"\"@c",
            "a@b@c",
            "\"a\"b@c",
            "a\u{7}@c",
            "\"a\u{0}\"@c",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn lengths_are_limited_as_the_rfc_says() {
        let long = format!("{}@example.org", "a".repeat(65));
        assert_eq!(long.parse::<Address>(), Err(AddressError::LocalPartTooLong));
        let fits = format!("{}@example.org", "a".repeat(64));
        assert!(fits.parse::<Address>().is_ok());
    }

    #[test]
    fn utf8_is_an_address_that_needs_smtputf8() {
        let address: Address = "b\u{fc}ro@b\u{fc}cher.example".parse().unwrap();
        assert!(!address.is_ascii());
    }
}
