//! What PASS and AUTH have in common: the claim, the verdict, the maildrop.

use cassmail_wire::Ending;
use cassmail_wire::sasl::Claim;

use crate::maildrop::Maildrop;
use crate::note::Note;
use crate::question::{Contents, LoginRefusal, MaildropRefusal, Question};
use crate::reply::Reply;
use crate::state::{Authorization, Claimed, Setting, State, Transaction, Turn};
use crate::tally::Tally;

/// Asks whether the claim is true.
pub(super) fn claim(state: &Authorization, claim: Claim) -> Turn {
    let claimed = Claimed {
        user: claim.user.clone(),
        refused_logins: state.refused_logins,
    };
    Turn::ask(State::LoggingIn(claimed), Question::LogIn(claim))
}

/// Takes the verdict. A true claim has no reply before the maildrop is open.
pub(super) fn proved(
    claimed: Claimed,
    verdict: Result<(), LoginRefusal>,
    setting: &Setting<'_>,
) -> Turn {
    match verdict {
        Ok(()) => Turn::ask(State::OpeningMaildrop(claimed), Question::OpenMaildrop),
        Err(refusal) => {
            let turn = refused(&claimed, Reply::login_refused(refusal), setting);
            match refusal {
                LoginRefusal::InUse => noting_in_use(turn),
                LoginRefusal::Wrong | LoginRefusal::TryLater | LoginRefusal::TooMany => turn,
            }
        }
    }
}

/// Takes the listing, which is fixed from now on.
pub(super) fn opened(
    claimed: Claimed,
    listing: Result<Contents, MaildropRefusal>,
    setting: &Setting<'_>,
    tally: &mut Tally,
) -> Turn {
    match listing {
        Ok(Contents { entries, expire }) => {
            tally.user = Some(claimed.user);
            tally.listed = entries.len();
            let maildrop = Maildrop::new(entries, setting.modes.encoding);
            let reply = Reply::logged_in(maildrop.totals());
            let next = Transaction { maildrop, expire };
            Turn::reply(State::Transaction(next), reply)
        }
        Err(refusal) => {
            let turn = refused(&claimed, Reply::maildrop_refused(refusal), setting);
            match refusal {
                MaildropRefusal::InUse => noting_in_use(turn),
                MaildropRefusal::TryLater | MaildropRefusal::TooMany | MaildropRefusal::TooSoon => {
                    turn
                }
            }
        }
    }
}

/// Back to the beginning, or to the end after too many: faults of ours count as well, since each
/// try costs the same.
fn refused(claimed: &Claimed, reply: Reply, setting: &Setting<'_>) -> Turn {
    let refused_logins = claimed.refused_logins.saturating_add(1);
    if refused_logins >= setting.options.limits.refused_logins {
        return Turn::reply(State::Ended(Ending::Abuse), reply).noting(Note::TooManyLogins);
    }
    let next = Authorization {
        user: None,
        refused_logins,
    };
    Turn::reply(State::Authorization(next), reply)
}

fn noting_in_use(turn: Turn) -> Turn {
    match turn.note {
        Some(_) => turn,
        None => turn.noting(Note::InUse),
    }
}
