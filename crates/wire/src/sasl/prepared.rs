//! SASLprep.

use std::borrow::Cow;

/// A name or a password prepared by SASLprep (RFC 4013), so that it is the same from every
/// keyboard: what looks alike is alike (RFC 4616 2, RFC 6856 2.2). One that cannot be prepared is
/// taken as it is, as clients do that do not prepare at all.
pub fn prepared(text: &str) -> Cow<'_, str> {
    stringprep::saslprep(text).unwrap_or(Cow::Borrowed(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4013 3; the last two cannot be prepared.
    #[test]
    fn what_looks_alike_is_alike() {
        for (text, expected) in [
            ("I\u{ad}X", "IX"),
            ("user", "user"),
            ("USER", "USER"),
            ("\u{aa}", "a"),
            ("\u{2168}", "IX"),
            ("\u{7}", "\u{7}"),
            ("\u{627}1", "\u{627}1"),
        ] {
            assert_eq!(prepared(text), expected);
        }
    }
}
