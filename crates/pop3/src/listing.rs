//! LIST and UIDL in portions, so that a large maildrop costs a buffer and not a listing.

use crate::maildrop::Numbered;
use crate::state::{State, Transaction};

/// A listing that is being given out.
#[derive(Debug)]
pub(crate) struct Listing {
    transaction: Transaction,
    column: Column,
    /// The position in the maildrop, from 0, of what comes next.
    next: usize,
}

/// What stands behind the number of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// LIST: octets as they are sent, with CRLF (RFC 1939 11).
    Size,
    /// UIDL.
    UniqueId,
}

impl Listing {
    pub(crate) fn new(transaction: Transaction, column: Column) -> Self {
        Self {
            transaction,
            column,
            next: 0,
        }
    }

    /// Writes lines until the output holds `limit` octets, or to the end.
    pub(crate) fn write(mut self, output: &mut Vec<u8>, limit: usize) -> State {
        match self.write_lines(output, limit) {
            Some(next) => {
                self.next = next;
                State::Listing(self)
            }
            None => {
                output.extend_from_slice(b".\r\n");
                State::Transaction(self.transaction)
            }
        }
    }

    /// At least one line, unless there are no more; gives where to go on.
    fn write_lines(&self, output: &mut Vec<u8>, limit: usize) -> Option<usize> {
        for message in self.transaction.maildrop.visible_from(self.next) {
            write_line(message, self.column, output);
            if output.len() >= limit {
                // The number of a message is the position of the next.
                return Some(message.number);
            }
        }
        None
    }
}

fn write_line(message: Numbered<'_>, column: Column, output: &mut Vec<u8>) {
    write_number(u64::try_from(message.number).unwrap_or(u64::MAX), output);
    output.push(b' ');
    match column {
        Column::Size => write_number(message.octets, output),
        Column::UniqueId => message.entry.write_uidl(output),
    }
    output.extend_from_slice(b"\r\n");
}

/// Decimal digits, without the detour over the formatting machinery: this is what polls consist of.
fn write_number(number: u64, output: &mut Vec<u8>) {
    if number >= 10 {
        write_number(number / 10, output);
    }
    let digit = u8::try_from(number % 10).unwrap_or_default();
    output.push(b'0' | digit);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_full() {
        for number in [0, 9, 10, 4_294_967_296, u64::MAX] {
            let mut output = Vec::new();
            write_number(number, &mut output);
            assert_eq!(output, number.to_string().as_bytes());
        }
    }
}
