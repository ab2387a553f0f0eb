//! A body as one owner gets it.

use bytes::Bytes;
use cassmail_mail::{Address, SurrogateSize, delivered_to_line};

use crate::{BodyReader, StoreResult, Work};

/// The size of a body of `stored` octets as the owner that was named `recipient` gets it.
pub fn delivered_size(stored: u64, recipient: Option<&Address>) -> u64 {
    let line = recipient.map_or(0, |recipient| delivered_to_line(recipient).len());
    stored.saturating_add(u64::try_from(line).unwrap_or(u64::MAX))
}

/// The size of the surrogate form of the same; none if it is the body itself.
///
/// A surrogate has no `Delivered-To` that it could not show (RFC 6858 2.4).
pub fn delivered_surrogate_size(
    stored: u64,
    surrogate: Option<u64>,
    recipient: Option<&Address>,
) -> Option<SurrogateSize> {
    let shown = recipient.filter(|recipient| recipient.is_ascii());
    let is_the_body_itself = surrogate.is_none() && shown == recipient;
    let size = delivered_size(surrogate.unwrap_or(stored), shown);
    (!is_the_body_itself).then(|| SurrogateSize::new(size))
}

/// Gives out a stored body with the owner's `Delivered-To` line behind its first line, which is the
/// `Return-Path` that intake wrote.
pub struct AsDelivered {
    body: Box<dyn BodyReader>,
    line: Option<Bytes>,
    waiting: Option<Bytes>,
}

impl AsDelivered {
    /// Wraps a reader of the stored octets; without a recipient they are given out as they are.
    pub fn new(body: Box<dyn BodyReader>, recipient: Option<&Address>) -> Self {
        let line = recipient.map(|recipient| Bytes::from(delivered_to_line(recipient)));
        Self {
            body,
            line,
            waiting: None,
        }
    }

    async fn next_piece(&mut self) -> StoreResult<Option<Bytes>> {
        if let Some(piece) = self.waiting.take() {
            return Ok(Some(piece));
        }
        let piece = self.body.next().await?;
        let Some(line) = self.line.take() else {
            return Ok(piece);
        };
        let Some(piece) = piece else {
            return Ok(Some(line));
        };
        match piece.iter().position(|&byte| byte == b'\n') {
            Some(end) => Ok(Some(self.insert(&piece, end + 1, &line))),
            None => {
                self.line = Some(line);
                Ok(Some(piece))
            }
        }
    }

    /// Puts the line between the first line and the rest, which waits for the next call: only the
    /// short first part is copied.
    fn insert(&mut self, piece: &Bytes, at: usize, line: &Bytes) -> Bytes {
        if at < piece.len() {
            self.waiting = Some(piece.slice(at..));
        }
        [&piece[..at], line].concat().into()
    }
}

impl BodyReader for AsDelivered {
    fn next(&mut self) -> Work<'_, Option<Bytes>> {
        Box::pin(self.next_piece())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_surrogate_shows_delivered_to_only_if_it_is_ascii() {
        let [ascii, other]: [Address; 2] =
            ["bob@x.example", "b\u{f6}b@x.example"].map(|address| address.parse().unwrap());
        let line = delivered_to_line(&ascii).len() as u64;
        let size = |surrogate, recipient| {
            delivered_surrogate_size(100, surrogate, recipient).map(SurrogateSize::octets)
        };
        assert_eq!(size(None, None), None);
        assert_eq!(size(None, Some(&ascii)), None);
        assert_eq!(size(None, Some(&other)), Some(100));
        assert_eq!(size(Some(90), None), Some(90));
        assert_eq!(size(Some(90), Some(&ascii)), Some(90 + line));
        assert_eq!(size(Some(0), Some(&other)), Some(0));
    }
}
