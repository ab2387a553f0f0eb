//! QUIT: removes what was marked, says whether that is done, and ends.
//!
//! ```text
//! "QUIT"        RFC 1939 4 (before login), 6 (UPDATE)
//! ```

use cassmail_mail::Removed;
use cassmail_wire::Ending;

use crate::note::Note;
use crate::question::{Question, RemoveRefusal};
use crate::reply::Reply;
use crate::state::{State, Transaction, Turn};
use crate::tally::Tally;

/// Before login there is nothing to remove.
pub(super) fn proceed_without_login() -> Turn {
    Turn::reply(State::Ended(Ending::Quit), Reply::goodbye())
}

/// Asks to remove what was marked. This is the only place that does.
pub(super) fn proceed(state: &Transaction) -> Turn {
    let marked = state.maildrop.marked();
    if marked.is_empty() {
        return Turn::reply(State::Ended(Ending::Quit), Reply::goodbye());
    }
    Turn::ask(State::Removing, Question::Remove(marked))
}

/// The +OK is made from the receipt; without one some may be gone and some not (RFC 1939 6).
pub(super) fn removed(removed: Result<Removed, RemoveRefusal>, tally: &mut Tally) -> Turn {
    let next = State::Ended(Ending::Quit);
    match removed {
        Ok(receipt) => {
            tally.removed = receipt.count();
            Turn::reply(next, Reply::removed(receipt))
        }
        Err(RemoveRefusal) => Turn::reply(next, Reply::not_removed()).noting(Note::NotRemoved),
    }
}
