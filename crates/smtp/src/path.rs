//! Paths and parameters of MAIL and RCPT.
//!
//! ```text
//! Reverse-path = Path / "<>"
//! Forward-path = Path, or "<Postmaster>" in RCPT
//! Path         = "<" [ A-d-l ":" ] Mailbox ">"
//! A-d-l        = At-domain *( "," At-domain )
//! ```
//!
//! RFC 5321 4.1.2 and 4.1.1.3; RFC 6409 5.1. One thing is taken that the grammar does not have:
//! spaces between the colon and the path, which many devices and scripts send.

use cassmail_mail::{Address, Domain, ReversePath};

use crate::server::Recipient;

/// A text that is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a path is an address in angle brackets")]
pub struct PathError;

/// Parses what follows `MAIL FROM:`; gives the path and the parameters behind it. The path of
/// reports is null (RFC 5321 4.5.5).
///
/// # Errors
/// The text does not begin with a reverse path.
pub fn reverse_path(text: &str) -> Result<(ReversePath, &str), PathError> {
    let (inner, parameters) = split_path(text)?;
    let path = if inner.is_empty() {
        ReversePath::Null
    } else {
        ReversePath::Mailbox(mailbox(inner)?)
    };
    Ok((path, parameters))
}

/// Parses what follows `RCPT TO:`; gives the path and the parameters behind it.
///
/// # Errors
/// The text does not begin with a forward path.
pub fn forward_path(text: &str) -> Result<(Recipient, &str), PathError> {
    let (inner, parameters) = split_path(text)?;
    let recipient = if inner.eq_ignore_ascii_case("postmaster") {
        Recipient::Postmaster
    } else {
        Recipient::Mailbox(mailbox(inner)?)
    };
    Ok((recipient, parameters))
}

/// Splits at the `>` that is not inside a quoted string. Parameters begin with a space.
fn split_path(text: &str) -> Result<(&str, &str), PathError> {
    let text = text.trim_start_matches(' ');
    let path = text.strip_prefix('<').ok_or(PathError)?;
    let end = closing_bracket(path).ok_or(PathError)?;
    let (inner, rest) = path.split_at_checked(end).ok_or(PathError)?;
    let parameters = rest.strip_prefix('>').ok_or(PathError)?;
    if parameters.is_empty() || parameters.starts_with(' ') {
        Ok((inner, parameters))
    } else {
        Err(PathError)
    }
}

fn closing_bracket(path: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// A mailbox, with or without the source route of former times in front, which is checked and
/// ignored (RFC 5321 3.6.1, 4.1.1.3, appendix C): to follow it would be relaying by order of a
/// stranger.
fn mailbox(inner: &str) -> Result<Address, PathError> {
    let address = match inner.strip_prefix('@') {
        Some(_) => {
            let (route, address) = inner.split_once(':').ok_or(PathError)?;
            check_route(route)?;
            address
        }
        None => inner,
    };
    address.parse().map_err(|_| PathError)
}

fn check_route(route: &str) -> Result<(), PathError> {
    for hop in route.split(',') {
        let domain = hop.strip_prefix('@').ok_or(PathError)?;
        domain.parse::<Domain>().map_err(|_| PathError)?;
    }
    Ok(())
}

/// Splits parameters into keywords and values: `*( SP esmtp-keyword [ "=" esmtp-value ] )`. Gives
/// none for what breaks the grammar of RFC 5321 4.1.2.
pub(crate) fn parameters(text: &str) -> impl Iterator<Item = Option<(&str, Option<&str>)>> {
    text.split(' ').filter(|word| !word.is_empty()).map(|word| {
        let (keyword, value) = match word.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (word, None),
        };
        (is_keyword(keyword) && value.is_none_or(is_value)).then_some((keyword, value))
    })
}

fn is_keyword(text: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    text.bytes().all(part)
        && text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric())
}

fn is_value(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte > b' ' && byte != b'=' && byte != 127)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox_of(text: &str) -> Result<String, PathError> {
        forward_path(text).map(|(recipient, _)| match recipient {
            Recipient::Mailbox(address) => address.to_string(),
            Recipient::Postmaster => "postmaster".to_owned(),
        })
    }

    #[test]
    fn paths_of_the_rfc_are_read() {
        for (text, mailbox) in [
            ("<Smith@bar.com>", "Smith@bar.com"),
            ("<userx@y.foo.org>", "userx@y.foo.org"),
            ("<@hosta.int,@jkl.org:userc@d.bar.org>", "userc@d.bar.org"),
            ("<@one.example:joe@three.example>", "joe@three.example"),
            ("<Postmaster>", "postmaster"),
            ("<POSTMASTER>", "postmaster"),
            ("<postmaster@x.example>", "postmaster@x.example"),
            ("<\"a>b\"@x.example>", "\"a>b\"@x.example"),
            ("<\"a\\\"b\"@x.example>", "\"a\\\"b\"@x.example"),
            ("<\"a b\"@x.example>", "\"a b\"@x.example"),
            ("<\"a@b\"@x.example>", "\"a@b\"@x.example"),
            ("<\"bob\"@x.example>", "bob@x.example"),
            ("<u@[192.0.2.1]>", "u@[192.0.2.1]"),
            ("<u@[IPv6:2001:db8::1]>", "u@[IPv6:2001:db8::1]"),
            ("<u+tag/x=y@X.Example>", "u+tag/x=y@x.example"),
            ("  <a@b.example>", "a@b.example"),
            ("<a@b.example> X=1", "a@b.example"),
        ] {
            assert_eq!(mailbox_of(text).as_deref(), Ok(mailbox), "{text}");
        }
    }

    #[test]
    fn what_is_read_can_be_written_and_read_again() {
        for text in ["<\"a b\"@x.example>", "<a.b@x.example>", "<u@[192.0.2.1]>"] {
            assert_eq!(format!("<{}>", mailbox_of(text).unwrap()), text);
        }
    }

    #[test]
    fn other_texts_are_no_paths() {
        for text in [
            "",
            "a@b",
            "<a@b",
            "a@b>",
            "<a@b>x",
            "<a@b>>",
            "<<a@b>>",
            "<a b@c>",
            "<a@b c>",
            "<a@>",
            "<@b>",
            "<@a,b:c@d>",
            "<@a:>",
            "<@a:@b:c@d>",
            "<@:c@d>",
            "<\"a@b>",
            "<a@[300.1.1.1]>",
            "<a@b>\u{a0}X",
            "<a..b@c>",
            "<>x",
            "<bob>",
            "\t<a@b>",
        ] {
            assert_eq!(mailbox_of(text), Err(PathError), "{text:?}");
        }
    }

    #[test]
    fn only_reverse_paths_may_be_null() {
        assert_eq!(
            reverse_path("<> SIZE=1"),
            Ok((ReversePath::Null, " SIZE=1"))
        );
        assert!(forward_path("<>").is_err());
        assert!(reverse_path("<Postmaster>").is_err());
    }

    #[test]
    fn parameters_are_keywords_with_or_without_values() {
        let read: Vec<_> = parameters(" SIZE=10 SMTPUTF8  X-a=b").collect();
        let expected = [("SIZE", Some("10")), ("SMTPUTF8", None), ("X-a", Some("b"))];
        assert_eq!(read, expected.map(Some));
        for bad in ["=", "SIZE=", "-A=1", "A=b=c", "A\u{fc}"] {
            assert_eq!(parameters(bad).next(), Some(None), "{bad}");
        }
    }
}
