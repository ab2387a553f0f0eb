//! Base 32 in lower case whose texts sort as their bytes do (the alphabet of RFC 4648 7).

const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// 128 bits as 26 characters, on the stack: polls and logs write thousands of them.
#[derive(Clone, Copy)]
pub(crate) struct Text([u8; 26]);

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        // Every octet is of the alphabet.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Writes 128 bits, highest first.
pub(crate) fn encode(mut value: u128) -> Text {
    let mut text = [0; 26];
    for place in text.iter_mut().rev() {
        let index = usize::try_from(value & 31).unwrap_or_default();
        *place = ALPHABET.get(index).copied().unwrap_or(b'0');
        value >>= 5;
    }
    Text(text)
}

/// Reads 26 characters back; nothing else is accepted, not even upper case.
pub(crate) fn decode(text: &str) -> Option<u128> {
    if text.len() != 26 {
        return None;
    }
    text.bytes().try_fold(0u128, |value, byte| {
        let digit = ALPHABET.iter().position(|&letter| letter == byte)?;
        value
            .checked_mul(32)?
            .checked_add(u128::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_and_sort_like_their_texts() {
        let values = [0, 1, 31, 32, u128::from(u64::MAX), u128::MAX - 1, u128::MAX];
        for pair in values.windows(2) {
            assert!(encode(pair[0]).as_str() < encode(pair[1]).as_str());
        }
        for value in values {
            assert_eq!(decode(encode(value).as_str()), Some(value));
        }
        assert_eq!(decode("zzzzzzzzzzzzzzzzzzzzzzzzzz"), None);
        assert_eq!(
            decode("vvvvvvvvvvvvvvvvvvvvvvvvvv"),
            None,
            "more than 128 bits"
        );
    }
}
