//! What a line has to look like.

/// A text in which `*` stands for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(pub(crate) String);

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Pattern {
    /// Whether every text that fits begins with these words.
    pub(crate) fn begins_with(&self, words: &str) -> bool {
        self.0.starts_with(words)
    }

    /// Whether the whole text fits.
    pub fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else {
            return self.0 == text;
        };
        text.strip_prefix(first)
            .is_some_and(|text| matches_after_star(rest, text))
    }
}

fn matches_after_star(rest: &str, text: &str) -> bool {
    let mut text = text;
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        let Some(at) = text.find(part) else {
            return false;
        };
        text = &text[at + part.len()..];
    }
    true
}

/// The kinds of replies that `S~` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Done,
    Continue,
    TryLater,
    Never,
    Ok,
    Err,
    Listing,
}

impl Kind {
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "done" => Self::Done,
            "continue" => Self::Continue,
            "trylater" => Self::TryLater,
            "never" => Self::Never,
            "ok" => Self::Ok,
            "err" => Self::Err,
            "listing" => Self::Listing,
            _ => return None,
        })
    }

    /// Whether a line may be part of such a reply.
    pub(crate) fn matches(self, line: &str) -> bool {
        match self {
            Self::Done => line.starts_with('2'),
            Self::Continue => line.starts_with('3') || line.starts_with("+ "),
            Self::TryLater => line.starts_with('4'),
            Self::Never => line.starts_with('5'),
            Self::Ok => line == "+OK" || line.starts_with("+OK "),
            Self::Err => line == "-ERR" || line.starts_with("-ERR "),
            Self::Listing => true,
        }
    }

    /// Whether the reply goes on after this line.
    pub(crate) fn continues_after(self, line: &str) -> bool {
        match self {
            Self::Ok | Self::Err => false,
            Self::Listing => line != ".",
            _ => line.as_bytes().get(3) == Some(&b'-'),
        }
    }
}

/// Writes bytes as transcripts show them.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(byte)),
            byte => {
                text.push_str("\\x");
                text.push(hexadecimal(byte >> 4));
                text.push(hexadecimal(byte & 15));
            }
        }
    }
    text
}

fn hexadecimal(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('?')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, fits) in [
            ("250 *", "250 2.0.0 fine", true),
            ("250 *", "250", false),
            ("*", "", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcd", false),
            ("a*a", "a", false),
            ("abc", "abcd", false),
        ] {
            let pattern = Pattern(pattern.to_owned());
            assert_eq!(pattern.matches(text), fits, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn a_reply_of_several_lines_is_one() {
        assert!(Kind::Done.continues_after("250-SIZE"));
        assert!(!Kind::Done.continues_after("250 SIZE"));
        assert!(!Kind::Ok.continues_after("+OK-fine"));
    }

    #[test]
    fn unprintable_bytes_are_shown_as_numbers() {
        assert_eq!(printable(b"a\\\x00\xfc"), "a\\\\\\x00\\xfc");
    }
}
