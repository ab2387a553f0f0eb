//! The snapshot that a session works on.

use cassmail_mail::{Entry, MessageId};

use crate::command::MessageNumber;
use crate::question::Form;
use crate::state::Encoding;

/// What was in the maildrop at login, and what was marked since.
///
/// Numbers, sizes and unique ids stay the same for the session, whatever arrives or is removed
/// elsewhere meanwhile (RFC 1939 4 and 5). A mark hides a message; nothing is removed here.
#[derive(Debug)]
pub(crate) struct Maildrop {
    entries: Vec<Entry>,
    /// One for each entry.
    marks: Vec<bool>,
    /// In which forms messages are given out, and so what their sizes are.
    encoding: Encoding,
    /// The totals of what is not marked, kept so that STAT costs nothing.
    visible: Totals,
}

/// A drop listing in short (RFC 1939 5, STAT).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) messages: usize,
    pub(crate) octets: u64,
}

/// Why a number means no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// It is 0 or over the number of messages.
    NoSuchMessage,
    /// It was marked in this session.
    Marked,
}

/// A message and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbered<'a> {
    pub(crate) number: usize,
    pub(crate) entry: &'a Entry,
    /// In the form that the session gets.
    pub(crate) octets: u64,
    pub(crate) form: Form,
}

impl Maildrop {
    /// Takes the listing in its order, for a session of that encoding.
    pub(crate) fn new(entries: Vec<Entry>, encoding: Encoding) -> Self {
        Self {
            marks: vec![false; entries.len()],
            visible: totals(&entries, encoding),
            entries,
            encoding,
        }
    }

    pub(crate) fn totals(&self) -> Totals {
        self.visible
    }

    /// The message that the number means, unless it is marked.
    pub(crate) fn find(&self, number: MessageNumber) -> Result<Numbered<'_>, Absent> {
        let position = position_of(number).ok_or(Absent::NoSuchMessage)?;
        let entry = self.entries.get(position).ok_or(Absent::NoSuchMessage)?;
        match self.marks.get(position) {
            Some(false) => Ok(numbered(position, entry, self.encoding)),
            _ => Err(Absent::Marked),
        }
    }

    /// The messages from a position on (counted from 0) that are not marked.
    pub(crate) fn visible_from(&self, position: usize) -> impl Iterator<Item = Numbered<'_>> {
        let entries = self.entries.iter().zip(&self.marks).enumerate();
        entries
            .skip(position)
            .filter(|(_, (_, marked))| !**marked)
            .map(|(position, (entry, _))| numbered(position, entry, self.encoding))
    }

    /// Marks a message for QUIT; gives its number.
    pub(crate) fn mark(&mut self, number: MessageNumber) -> Result<usize, Absent> {
        let Numbered { number, octets, .. } = self.find(number)?;
        if let Some(mark) = self.marks.get_mut(number.saturating_sub(1)) {
            *mark = true;
            self.visible.messages = self.visible.messages.saturating_sub(1);
            self.visible.octets = self.visible.octets.saturating_sub(octets);
        }
        Ok(number)
    }

    /// Takes all marks back.
    pub(crate) fn unmark_all(&mut self) {
        self.marks.fill(false);
        self.visible = totals(&self.entries, self.encoding);
    }

    /// What QUIT has to remove.
    pub(crate) fn marked(&self) -> Vec<MessageId> {
        let entries = self.entries.iter().zip(&self.marks);
        entries
            .filter(|(_, marked)| **marked)
            .map(|(entry, _)| entry.id)
            .collect()
    }
}

fn totals(entries: &[Entry], encoding: Encoding) -> Totals {
    let octets = entries.iter().map(|entry| given_out(entry, encoding).0);
    Totals {
        messages: entries.len(),
        octets: octets.fold(0, u64::saturating_add),
    }
}

/// How many octets of a message the session gets, and in which form: RETR gives out what LIST says
/// (RFC 6856 2.1).
fn given_out(entry: &Entry, encoding: Encoding) -> (u64, Form) {
    match (encoding, entry.surrogate_size) {
        (Encoding::Ascii, Some(size)) => (size.octets(), Form::Surrogate),
        (Encoding::Ascii, None) | (Encoding::Utf8, _) => (entry.size, Form::AsKept),
    }
}

fn position_of(number: MessageNumber) -> Option<usize> {
    usize::try_from(number.0.checked_sub(1)?).ok()
}

fn numbered(position: usize, entry: &Entry, encoding: Encoding) -> Numbered<'_> {
    let (octets, form) = given_out(entry, encoding);
    Numbered {
        number: position.saturating_add(1),
        entry,
        octets,
        form,
    }
}

#[cfg(test)]
mod tests {
    use cassmail_mail::SurrogateSize;

    use super::*;

    fn maildrop(sizes: &[u64]) -> Maildrop {
        let entry = |(place, size): (u8, &u64)| Entry {
            id: MessageId::from_key([place; 16]),
            size: *size,
            surrogate_size: None,
            imported_uidl: None,
        };
        Maildrop::new((1..).zip(sizes).map(entry).collect(), Encoding::Ascii)
    }

    fn numbers(maildrop: &Maildrop) -> Vec<usize> {
        maildrop.visible_from(0).map(|n| n.number).collect()
    }

    #[test]
    fn numbers_count_from_one_to_the_last() {
        let maildrop = maildrop(&[10, 20]);
        assert_eq!(maildrop.find(MessageNumber(2)).unwrap().entry.size, 20);
        for number in [0, 3, u64::MAX] {
            let found = maildrop.find(MessageNumber(number));
            assert_eq!(found, Err(Absent::NoSuchMessage), "{number}");
        }
    }

    #[test]
    fn a_mark_hides_a_message_and_renumbers_nothing() {
        let mut maildrop = maildrop(&[10, 20, 30]);
        assert_eq!(maildrop.mark(MessageNumber(2)), Ok(2));
        assert_eq!(numbers(&maildrop), [1, 3]);
        assert_eq!(maildrop.find(MessageNumber(2)), Err(Absent::Marked));
        assert_eq!(maildrop.mark(MessageNumber(2)), Err(Absent::Marked));
        let totals = maildrop.totals();
        assert_eq!((totals.messages, totals.octets), (2, 40));
        assert_eq!(maildrop.marked(), [MessageId::from_key([2; 16])]);
    }

    #[test]
    fn taking_marks_back_restores_everything() {
        let mut maildrop = maildrop(&[10, 20, 30]);
        let before = maildrop.totals();
        maildrop.mark(MessageNumber(1)).unwrap();
        maildrop.mark(MessageNumber(3)).unwrap();
        maildrop.unmark_all();
        assert_eq!(maildrop.totals(), before);
        assert_eq!(numbers(&maildrop), [1, 2, 3]);
        assert!(maildrop.marked().is_empty());
    }

    #[test]
    fn a_session_without_utf8_counts_the_surrogate_form() {
        let entries: Vec<_> = [None, Some(SurrogateSize::new(90))]
            .into_iter()
            .zip(1_u8..)
            .map(|(surrogate_size, place)| Entry {
                id: MessageId::from_key([place; 16]),
                size: 100,
                surrogate_size,
                imported_uidl: None,
            })
            .collect();
        for (encoding, octets, form) in [
            (Encoding::Ascii, 90, Form::Surrogate),
            (Encoding::Utf8, 100, Form::AsKept),
        ] {
            let mut maildrop = Maildrop::new(entries.clone(), encoding);
            assert_eq!(maildrop.totals().octets, 100 + octets);
            let found = maildrop.find(MessageNumber(2)).unwrap();
            assert_eq!((found.octets, found.form), (octets, form));
            maildrop.mark(MessageNumber(2)).unwrap();
            assert_eq!(maildrop.totals().octets, 100);
        }
    }

    #[test]
    fn sizes_over_32_bits_add_up() {
        let totals = maildrop(&[5_000_000_000, 5_000_000_000]).totals();
        assert_eq!(totals.octets, 10_000_000_000);
    }
}
