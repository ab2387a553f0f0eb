//! PLAIN, and the texts of PLAIN and LOGIN.

use super::claim::Claim;
use super::exchange::{Conclusion, SaslStep};

/// RFC 4616 2: `[authzid] NUL authcid NUL passwd`. To act for another user is not offered, so an
/// authorization identity has to be empty or the same name.
pub(super) fn plain(message: &[u8]) -> SaslStep {
    let mut parts = message.split(|&byte| byte == 0);
    let parts = (parts.next(), parts.next(), parts.next(), parts.next());
    let (Some(authorized), Some(user), Some(password), None) = parts else {
        return SaslStep::Malformed;
    };
    let (Some(authorized), Some(user), Some(password)) =
        (text(authorized), text(user), text(password))
    else {
        return SaslStep::Malformed;
    };
    if user.is_empty() || !(authorized.is_empty() || authorized == user) {
        return SaslStep::Malformed;
    }
    SaslStep::Claimed(Claim::of_password(user, password), Conclusion::AtOnce)
}

/// A text without NUL.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_reads_its_three_parts() {
        let claim = |user, password| {
            SaslStep::Claimed(Claim::of_password(user, password), Conclusion::AtOnce)
        };
        assert_eq!(
            plain(b"\0tim\0tanstaaftanstaaf"),
            claim("tim", "tanstaaftanstaaf")
        );
        assert_eq!(plain(b"tim\0tim\0p w"), claim("tim", "p w"));
        for bad in [
            &b""[..],
            b"tim",
            b"\0tim",
            b"\0\0x",
            b"kurt\0tim\0x",
            b"\0a\0b\0c",
            b"\0\xff\0x",
        ] {
            assert_eq!(plain(bad), SaslStep::Malformed, "{bad:?}");
        }
    }
}
