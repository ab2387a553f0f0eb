//! A message on its way to the client.

use bytes::Bytes;
use cassmail_wire::Stuffer;

use crate::excerpt::Excerpt;
use crate::note::Note;
use crate::question::Question;
use crate::reply::Reply;
use crate::state::{State, Transaction};
use crate::tally::Tally;

/// So much of a piece is written at once, however large pieces are.
const PORTION: usize = 64 * 1024;

/// Which message is wanted, and how much of it.
#[derive(Debug)]
pub(crate) struct Errand {
    pub(crate) transaction: Transaction,
    pub(crate) number: usize,
    /// The size in the listing.
    pub(crate) listed: u64,
    pub(crate) wanted: Wanted,
}

/// How much of a message is wanted.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// RETR.
    Whole,
    /// TOP.
    Top(Excerpt),
}

/// A message that was opened and is being written.
#[derive(Debug)]
pub(crate) struct Retrieval {
    errand: Errand,
    stuffer: Stuffer,
    supply: Supply,
    sent: u64,
}

/// What is there to be written.
#[derive(Debug)]
enum Supply {
    /// Nothing; the next piece has to be asked for.
    Wanting,
    /// The rest of a piece.
    Piece(Bytes),
    /// There are no more pieces.
    Exhausted,
}

/// What writing a portion led to.
pub(crate) struct Written {
    pub(crate) next: State,
    pub(crate) question: Option<Question>,
    pub(crate) note: Option<Note>,
}

impl Errand {
    /// The line in front of the message.
    pub(crate) fn reply(&self) -> Reply {
        match self.wanted {
            Wanted::Whole => Reply::message_follows(self.listed),
            Wanted::Top(_) => Reply::top_follows(),
        }
    }
}

impl Retrieval {
    /// Begins with the first piece, or with none when the message is empty.
    pub(crate) fn begin(errand: Errand, first: Option<Bytes>) -> Self {
        let retrieval = Self {
            errand,
            stuffer: Stuffer::default(),
            supply: Supply::Wanting,
            sent: 0,
        };
        retrieval.supplied(first)
    }

    /// Goes on with the next piece, or to the end.
    pub(crate) fn supplied(self, piece: Option<Bytes>) -> Self {
        Self {
            supply: piece.map_or(Supply::Exhausted, Supply::Piece),
            ..self
        }
    }

    /// What an operator is told when the message cannot be given out to its end.
    pub(crate) fn broken_off(&self) -> Note {
        Note::BrokenOff {
            number: self.errand.number,
            sent: self.sent,
        }
    }

    /// Writes a portion, or the end, or asks for more.
    pub(crate) fn write(mut self, output: &mut Vec<u8>, tally: &mut Tally) -> Written {
        match &mut self.supply {
            Supply::Exhausted => self.finish(output, tally),
            Supply::Wanting => Written {
                next: State::Retrieving(self),
                question: Some(Question::NextPiece),
                note: None,
            },
            Supply::Piece(piece) => {
                let portion = piece.split_to(piece.len().min(PORTION));
                if piece.is_empty() {
                    self.supply = Supply::Wanting;
                }
                self.write_portion(&portion, output, tally)
            }
        }
    }

    fn write_portion(mut self, portion: &[u8], output: &mut Vec<u8>, tally: &mut Tally) -> Written {
        let count = match &mut self.errand.wanted {
            Wanted::Whole => portion.len(),
            Wanted::Top(excerpt) => excerpt.take(portion),
        };
        self.stuffer
            .stuff(portion.get(..count).unwrap_or(portion), output);
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.sent = self.sent.saturating_add(count);
        tally.bytes = tally.bytes.saturating_add(count);
        match &self.errand.wanted {
            Wanted::Top(excerpt) if excerpt.is_enough() => self.finish(output, tally),
            _ => Written {
                next: State::Retrieving(self),
                question: None,
                note: None,
            },
        }
    }

    /// Writes the terminator. What TOP did not need is closed unread.
    fn finish(self, output: &mut Vec<u8>, tally: &mut Tally) -> Written {
        self.stuffer.finish(output);
        let Errand {
            transaction,
            number,
            listed,
            wanted,
        } = self.errand;
        let is_whole = matches!(wanted, Wanted::Whole);
        let counter = if is_whole {
            &mut tally.retrieved
        } else {
            &mut tally.topped
        };
        *counter = counter.saturating_add(1);
        let note = (is_whole && self.sent != listed).then_some(Note::SizeDiffers {
            number,
            listed,
            sent: self.sent,
        });
        let (next, question) = match self.supply {
            Supply::Exhausted => (State::Transaction(transaction), None),
            _ => (State::ClosingBody(transaction), Some(Question::CloseBody)),
        };
        Written {
            next,
            question,
            note,
        }
    }
}
