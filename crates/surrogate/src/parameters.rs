//! Values with parameters, as Content-Type and Content-Disposition have them.

/// What stands between the semicolons that separate, as it came: those in quotes and in comments
/// do not.
pub(crate) fn segments(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoting = Quoting::default();
    value.split(move |&octet| quoting.is_outside(octet) && octet == b';')
}

/// The value of a parameter: without space and comments around it, or what stands in its quotes.
pub(crate) fn unquoted(value: &[u8]) -> Vec<u8> {
    let value = value.trim_ascii();
    let Some(quoted) = value.strip_prefix(b"\"") else {
        let end = value.iter().position(|&octet| octet == b'(');
        let value = value.get(..end.unwrap_or(value.len())).unwrap_or(value);
        return value.trim_ascii().to_vec();
    };
    let mut plain = Vec::with_capacity(quoted.len());
    let mut octets = quoted.iter();
    while let Some(&octet) = octets.next() {
        match octet {
            b'"' => break,
            b'\\' => plain.extend(octets.next()),
            // Folding is no part of the value (RFC 5322 3.2.4).
            b'\r' | b'\n' => {}
            _ => plain.push(octet),
        }
    }
    plain
}

/// Leaves out what is not ASCII (RFC 6858 2.2); none if nothing can be shown.
pub(crate) fn rewrite(value: &[u8]) -> Option<Vec<u8>> {
    let mut segments = segments(value);
    let first = segments.next().filter(|first| first.is_ascii())?;
    let mut kept = first.to_vec();
    for segment in segments.filter(|segment| segment.is_ascii()) {
        kept.push(b';');
        kept.extend_from_slice(segment);
    }
    Some(kept)
}

/// Whether octets that come one after the other are in quotes or in comments.
#[derive(Debug, Default)]
pub(crate) struct Quoting {
    is_quoted: bool,
    is_escaped: bool,
    comments: u32,
}

impl Quoting {
    /// Takes the next octet; whether it is outside of both and no bracket of either.
    pub(crate) fn is_outside(&mut self, octet: u8) -> bool {
        let was_outside = !self.is_quoted && self.comments == 0;
        if std::mem::take(&mut self.is_escaped) {
            return false;
        }
        match octet {
            b'\\' if !was_outside => self.is_escaped = true,
            b'"' if self.comments == 0 => self.is_quoted = !self.is_quoted,
            b'(' if !self.is_quoted => self.comments = self.comments.saturating_add(1),
            b')' if !self.is_quoted => self.comments = self.comments.saturating_sub(1),
            _ => return was_outside,
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(value: &str) -> Option<String> {
        rewrite(value.as_bytes()).map(|kept| String::from_utf8(kept).unwrap())
    }

    #[test]
    fn parameters_that_cannot_be_shown_are_left_out() {
        for (value, kept) in [
            (
                " attachment; filename=\"f\u{fc}nf.txt\"",
                Some(" attachment"),
            ),
            (
                " a/b; name=\"\u{fc}; x=y\";\r\n charset=utf-8",
                Some(" a/b;\r\n charset=utf-8"),
            ),
            (
                " a/b; x=1; y=\u{fc}; z=(\u{fc};) 3; w=4",
                Some(" a/b; x=1; w=4"),
            ),
            (" a/b; x=\"\\\"\u{fc};\"; y=1", Some(" a/b; y=1")),
            (" \u{fc}/b; x=1", None),
        ] {
            assert_eq!(rewritten(value).as_deref(), kept, "{value}");
        }
    }
}
