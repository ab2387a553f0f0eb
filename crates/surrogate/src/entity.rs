//! What a header says of the body behind it, as far as it matters where the next header is.

use crate::parameters::{self, unquoted};

/// Longer boundaries are none: the body is taken for one part.
const LONGEST_BOUNDARY: usize = 200;

/// What a body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Media {
    /// Parts, each with a header of its own.
    Multipart {
        boundary: Vec<u8>,
        /// `multipart/digest`: what a part is that does not say it.
        parts_are_messages: bool,
    },
    /// A message, or the header of one.
    Message,
    /// Anything else.
    Other,
}

/// What is known of a body while its header is read.
#[derive(Debug)]
pub(crate) struct Entity {
    media: Media,
    has_type: bool,
    /// The body is in an encoding, so it has no headers that anybody could see.
    is_encoded: bool,
}

impl Entity {
    /// A body that is `media` unless its header says something else.
    pub(crate) fn new(media: Media) -> Self {
        Self {
            media,
            has_type: false,
            is_encoded: false,
        }
    }

    /// Looks at a field, as it is given out. Of several types the first one counts.
    pub(crate) fn read(&mut self, field: &[u8]) {
        let Some((name, value)) = split_name(field) else {
            return;
        };
        if name.eq_ignore_ascii_case(b"Content-Type") && !self.has_type {
            self.has_type = true;
            self.media = media(value);
        } else if name.eq_ignore_ascii_case(b"Content-Transfer-Encoding") {
            let encoding = value.trim_ascii();
            let plain: [&[u8]; 3] = [b"7bit", b"8bit", b"binary"];
            self.is_encoded = !plain.iter().any(|it| encoding.eq_ignore_ascii_case(it));
        }
    }

    pub(crate) fn into_media(self) -> Media {
        if self.is_encoded {
            Media::Other
        } else {
            self.media
        }
    }
}

/// The name of a field and what is behind the colon.
pub(crate) fn split_name(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', field)?;
    let (name, value) = field.split_at_checked(colon)?;
    let (_, value) = value.split_first()?;
    Some((name.trim_ascii_end(), value))
}

/// The types whose bodies begin with a header (RFC 2046 5.2.1, RFC 6532 3.7, RFC 6522 4, RFC 6533
/// 6.3).
const MESSAGES: [&[u8]; 4] = [
    b"message/rfc822",
    b"message/global",
    b"text/rfc822-headers",
    b"message/global-headers",
];

/// ```text
/// type "/" subtype *(";" attribute "=" value)        RFC 2045 5.1
/// ```
fn media(value: &[u8]) -> Media {
    let mut segments = parameters::segments(value);
    let kind = without_comments(segments.next().unwrap_or_default());
    if MESSAGES
        .iter()
        .any(|message| kind.eq_ignore_ascii_case(message))
    {
        return Media::Message;
    }
    let is_multipart = kind
        .get(..10)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"));
    let boundary = segments.find_map(boundary);
    match boundary {
        Some(boundary) if is_multipart && (1..=LONGEST_BOUNDARY).contains(&boundary.len()) => {
            Media::Multipart {
                boundary,
                parts_are_messages: kind.eq_ignore_ascii_case(b"multipart/digest"),
            }
        }
        _ => Media::Other,
    }
}

fn boundary(segment: &[u8]) -> Option<Vec<u8>> {
    let equals = memchr::memchr(b'=', segment)?;
    let (name, value) = segment.split_at_checked(equals)?;
    let is_it = without_comments(name).eq_ignore_ascii_case(b"boundary");
    let boundary = unquoted(value.get(1..)?);
    // Trailing space is no part of a delimiter line.
    is_it.then(|| boundary.trim_ascii_end().to_vec())
}

/// The text without comments and space around it.
fn without_comments(text: &[u8]) -> Vec<u8> {
    let mut depth = 0_u32;
    let mut plain = Vec::with_capacity(text.len());
    for &octet in text {
        match octet {
            b'(' => depth = depth.saturating_add(1),
            b')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => plain.push(octet),
            _ => {}
        }
    }
    plain.trim_ascii().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[&str]) -> Media {
        let mut entity = Entity::new(Media::Other);
        for field in fields {
            entity.read(field.as_bytes());
        }
        entity.into_media()
    }

    fn multipart(boundary: &str) -> Media {
        Media::Multipart {
            boundary: boundary.into(),
            parts_are_messages: false,
        }
    }

    #[test]
    fn a_multipart_has_a_boundary_however_it_is_written() {
        for field in [
            "Content-Type: multipart/mixed; boundary=b1\r\n",
            "content-type:multipart/mixed;boundary=\"b1\"\r\n",
            "Content-Type: Multipart/Alternative;\r\n\tcharset=x;\r\n\tBOUNDARY=\"b\\1\"\r\n",
            "Content-Type: multipart/mixed (a; b); boundary = b1 (c)\r\n",
            "Content-Type: multipart/mixed; name=\"x;boundary=no\"; boundary=b1 \r\n",
        ] {
            assert_eq!(of(&[field]), multipart("b1"), "{field}");
        }
    }

    #[test]
    fn what_is_not_well_formed_is_one_part() {
        let long = format!(
            "Content-Type: multipart/mixed; boundary={}\r\n",
            "x".repeat(201)
        );
        for field in [
            "Content-Type: multipart/mixed\r\n",
            "Content-Type: multipart/mixed; boundary=\"\"\r\n",
            "Content-Type: text/plain; boundary=b\r\n",
            "Content-Type:\r\n",
            "no field at all\r\n",
            &long,
        ] {
            assert_eq!(of(&[field]), Media::Other, "{field}");
        }
    }

    #[test]
    fn the_first_type_counts_and_an_encoding_hides_headers() {
        let [plain, message] =
            ["text/plain", "message/rfc822"].map(|kind| format!("Content-Type: {kind}\r\n"));
        assert_eq!(of(&[&message, &plain]), Media::Message);
        assert_eq!(of(&[&plain, &message]), Media::Other);
        let encoding = |name| format!("Content-Transfer-Encoding: {name}\r\n");
        assert_eq!(of(&[&message, &encoding("8BIT")]), Media::Message);
        assert_eq!(of(&[&message, &encoding("base64")]), Media::Other);
    }
}
