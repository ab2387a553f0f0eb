//! Lines of an exchange: base64, a star, or neither.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a line of the client says within an exchange (RFC 4422 3.4).
#[derive(Debug, PartialEq, Eq)]
pub enum Response {
    /// Decoded bytes; empty for `=` in an initial response (RFC 4954 4).
    Data(Vec<u8>),
    /// `*`: the client gives up (RFC 4422 3.5).
    Cancelled,
    /// Not base64.
    Malformed,
}

impl Response {
    /// Reads an initial response, where `=` means that there is one and it is empty.
    pub fn initial(argument: &[u8]) -> Self {
        if argument == b"=" {
            Self::Data(Vec::new())
        } else {
            Self::line(argument)
        }
    }

    /// Reads a line that answers a challenge.
    pub fn line(line: &[u8]) -> Self {
        if line == b"*" {
            return Self::Cancelled;
        }
        STANDARD.decode(line).map_or(Self::Malformed, Self::Data)
    }
}

/// Encodes a challenge for the wire.
pub fn encode_challenge(challenge: &[u8]) -> String {
    STANDARD.encode(challenge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_base64_or_a_star() {
        assert_eq!(Response::line(b"*"), Response::Cancelled);
        assert_eq!(Response::line(b"Ym9i"), Response::Data(b"bob".to_vec()));
        assert_eq!(Response::line(b"Ym9i=="), Response::Malformed);
        assert_eq!(Response::line(b"Ym9i "), Response::Malformed);
        assert_eq!(Response::initial(b"="), Response::Data(Vec::new()));
        assert_eq!(Response::line(b""), Response::Data(Vec::new()));
    }
}
