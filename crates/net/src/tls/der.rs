//! DER, as far as certificates need it: elements one behind the other.

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;

/// One element: its tag and what is in it.
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
}

impl<'a> Element<'a> {
    /// The first element, and what stands behind it.
    pub(super) fn read(der: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&tag, rest) = der.split_first()?;
        let (&length, rest) = rest.split_first()?;
        let (length, rest) = match length.checked_sub(0x80) {
            None => (usize::from(length), rest),
            Some(octets @ 1..=3) => {
                let (octets, rest) = rest.split_at_checked(usize::from(octets))?;
                let length = octets
                    .iter()
                    .fold(0, |sum, &octet| sum << 8 | usize::from(octet));
                (length, rest)
            }
            Some(_) => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        Some((Self { tag, content }, rest))
    }

    pub(super) fn inside(&self, tag: u8) -> Option<&'a [u8]> {
        (self.tag == tag).then_some(self.content)
    }
}
