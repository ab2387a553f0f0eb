//! The messages of a client (RFC 5802 7).

use crate::sasl::prepared;

/// `client-first-message`, with its attributes of RFC 5802 5.1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct First<'a> {
    /// The header with its commas, which the client repeats in its second message.
    pub(super) gs2_header: &'a str,
    pub(super) flag: Flag<'a>,
    pub(super) user: String,
    pub(super) nonce: &'a str,
    /// What is signed of it.
    pub(super) bare: &'a str,
}

/// `gs2-cbind-flag`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag<'a> {
    /// `n`: the client can bind to no channel.
    CannotBind,
    /// `y`: it can, and has not seen that we can.
    SeesNoOffer,
    /// `p=`: it binds in this way.
    Binds(&'a str),
}

/// `client-final-message`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Final<'a> {
    /// Still in base64.
    pub(super) binding: &'a str,
    pub(super) nonce: &'a str,
    /// Still in base64.
    pub(super) proof: &'a str,
    /// What is signed of it.
    pub(super) without_proof: &'a str,
}

/// The most that a client's nonce may have; any that is drawn at random is far shorter.
const LONGEST_NONCE: usize = 256;

/// ```text
/// gs2-header "n=" saslname ",r=" nonce ["," extensions]
/// gs2-header = gs2-cbind-flag "," ["a=" saslname] ","
/// ```
///
/// To act for another user is not offered, so an authorization identity is the same name. A
/// mandatory extension (`m=`) stands in front of `n=`, where nothing else is taken.
pub(super) fn first(message: &str) -> Option<First<'_>> {
    let (flag, rest) = message.split_once(',')?;
    let (authorized, bare) = rest.split_once(',')?;
    let gs2_header = message.strip_suffix(bare)?;
    let mut attributes = bare.split(',');
    let user = saslname(attributes.next()?.strip_prefix("n=")?)?;
    let nonce = attributes.next()?.strip_prefix("r=")?;
    let is_authorized = match authorized {
        "" => true,
        named => saslname(named.strip_prefix("a=")?)? == user,
    };
    let fits = is_authorized && is_nonce(nonce) && attributes.all(is_extension);
    fits.then_some(First {
        gs2_header,
        flag: read_flag(flag)?,
        user,
        nonce,
        bare,
    })
}

/// ```text
/// "c=" base64 ",r=" nonce ["," extensions] ",p=" base64
/// ```
pub(super) fn last(message: &str) -> Option<Final<'_>> {
    let (without_proof, proof) = message.rsplit_once(",p=")?;
    let mut attributes = without_proof.split(',');
    let binding = attributes.next()?.strip_prefix("c=")?;
    let nonce = attributes.next()?.strip_prefix("r=")?;
    attributes.all(is_extension).then_some(Final {
        binding,
        nonce,
        proof,
        without_proof,
    })
}

fn read_flag(flag: &str) -> Option<Flag<'_>> {
    match flag {
        "n" => Some(Flag::CannotBind),
        "y" => Some(Flag::SeesNoOffer),
        _ => flag.strip_prefix("p=").map(Flag::Binds),
    }
}

/// A user's name, in which `=2C` is a comma and `=3D` an equals sign and no other is allowed,
/// prepared.
pub(in crate::sasl) fn saslname(text: &str) -> Option<String> {
    let mut name = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('=') {
        name.push_str(before);
        let (code, after) = after.split_at_checked(2)?;
        name.push(match code {
            "2C" => ',',
            "3D" => '=',
            _ => return None,
        });
        rest = after;
    }
    name.push_str(rest);
    if name.is_empty() || name.contains('\0') {
        return None;
    }
    Some(prepared(&name).into_owned())
}

/// Printable ASCII; commas separate.
fn is_nonce(text: &str) -> bool {
    let printable = text.bytes().all(|byte| matches!(byte, b'!'..=b'~'));
    printable && (1..=LONGEST_NONCE).contains(&text.len())
}

/// `attr-val`: a letter, an equals sign, a value. What is optional is ignored.
fn is_extension(attribute: &str) -> bool {
    let mut characters = attribute.chars();
    let letter = characters.next().is_some_and(|c| c.is_ascii_alphabetic());
    letter && characters.next() == Some('=') && characters.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_message_has_its_parts() {
        let read = first("p=tls-exporter,a=bob,n=bob,r=abc,x=y").unwrap();
        let expected = First {
            gs2_header: "p=tls-exporter,a=bob,",
            flag: Flag::Binds("tls-exporter"),
            user: "bob".to_owned(),
            nonce: "abc",
            bare: "n=bob,r=abc,x=y",
        };
        assert_eq!(read, expected);
        assert_eq!(first("n,,n=b,r=c").unwrap().flag, Flag::CannotBind);
        assert_eq!(first("y,,n=b,r=c").unwrap().flag, Flag::SeesNoOffer);
    }

    #[test]
    fn a_header_that_looks_like_the_rest_is_found_all_the_same() {
        let read = first("n,,n=n,r=n").unwrap();
        assert_eq!((read.gs2_header, read.bare), ("n,,", "n=n,r=n"));
    }

    #[test]
    fn what_is_no_first_message_is_none() {
        let long = format!("n,,n=bob,r={}", "x".repeat(257));
        for message in [
            "",
            "n",
            "n,,",
            "n,,n=bob",
            "n,,n=bob,r=",
            "n,,n=,r=abc",
            "n,,r=abc,n=bob",
            "n,,m=ext,n=bob,r=abc",
            "n,a=alice,n=bob,r=abc",
            "n,b=bob,n=bob,r=abc",
            "n,,n=bob,r=a b",
            "n,,n=bob,r=\u{e4}",
            "n,,n=bob,r=abc,",
            "n,,n=bob,r=abc,more",
            "n,,n=b=2cb,r=abc",
            "n,,n=b=,r=abc",
            "n,,n=b=\u{e4}b,r=abc",
            "x,,n=bob,r=abc",
            "p,,n=bob,r=abc",
            "n,,n=b\0b,r=abc",
            &long,
        ] {
            assert_eq!(first(message), None, "{message:?}");
        }
    }

    #[test]
    fn names_are_decoded_and_prepared() {
        assert_eq!(saslname("a=2Cb=3Dc").as_deref(), Some("a,b=c"));
        assert_eq!(saslname("I\u{ad}X").as_deref(), Some("IX"));
        assert_eq!(saslname("a\u{7}").as_deref(), Some("a\u{7}"));
    }

    #[test]
    fn a_last_message_has_its_parts() {
        let read = last("c=biws,r=abcdef,x=y,p=AAAA").unwrap();
        let expected = Final {
            binding: "biws",
            nonce: "abcdef",
            proof: "AAAA",
            without_proof: "c=biws,r=abcdef,x=y",
        };
        assert_eq!(read, expected);
        for message in ["", "c=biws,r=abc", "r=abc,c=biws,p=A", "c=biws,p=A", "p=A"] {
            assert_eq!(last(message), None, "{message:?}");
        }
    }
}
