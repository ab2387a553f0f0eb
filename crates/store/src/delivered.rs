//! A body as one owner gets it.

use bytes::Bytes;
use cassmail_mail::{Address, delivered_to_line};

use crate::{BodyReader, StoreResult, Work};

/// The size of a body of `stored` octets as the owner that was named `recipient` gets it.
pub fn delivered_size(stored: u64, recipient: Option<&Address>) -> u64 {
    let line = recipient.map_or(0, |recipient| delivered_to_line(recipient).len());
    stored.saturating_add(u64::try_from(line).unwrap_or(u64::MAX))
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
