//! What PASS and AUTH have in common: the claim, the verdict, the maildrop.

use cassmail_wire::Ending;
use cassmail_wire::sasl::{Acceptance, Claim, Conclusion, Response};

use crate::command::Misuse;
use crate::maildrop::Maildrop;
use crate::note::Note;
use crate::question::{Contents, LoginRefusal, MaildropRefusal, Question};
use crate::reply::Reply;
use crate::state::{Authorization, Claimed, Setting, State, Transaction, Turn};
use crate::tally::Tally;

/// Asks whether the claim is true.
pub(super) fn claim(state: &Authorization, claim: Claim, conclusion: Conclusion) -> Turn {
    let claimed = Claimed {
        user: claim.user.clone(),
        refused_logins: state.refused_logins,
        conclusion,
    };
    Turn::ask(State::LoggingIn(claimed), Question::LogIn(claim))
}

/// Takes the verdict. What a mechanism says besides the outcome comes first.
pub(super) fn judged(
    claimed: Claimed,
    verdict: Result<Acceptance, LoginRefusal>,
    setting: &Setting<'_>,
) -> Turn {
    let (verdict, last) = match verdict {
        Ok(acceptance) => (Ok(()), claimed.conclusion.accepted(&acceptance)),
        Err(LoginRefusal::Wrong) => {
            let last = claimed.conclusion.refused(&setting.options.sasl);
            (Err(LoginRefusal::Wrong), last)
        }
        Err(refusal) => (Err(refusal), None),
    };
    match last {
        Some(last) => {
            let reply = Reply::challenge(&last);
            Turn::reply(State::Concluding(claimed, verdict), reply)
        }
        None => settle(claimed, verdict, setting),
    }
}

/// The client has heard the last word. To a refusal there is nothing to add (RFC 7628 3.2.3); who
/// has found that we do not know the keys gives up, and is not logged in.
pub(crate) fn conclude(
    claimed: Claimed,
    verdict: Result<(), LoginRefusal>,
    line: &[u8],
    setting: &Setting<'_>,
) -> Turn {
    match (verdict, Response::line(line)) {
        (Err(_), _) => settle(claimed, verdict, setting),
        (Ok(()), Response::Data(data)) if data.is_empty() => settle(claimed, verdict, setting),
        (Ok(()), Response::Cancelled) => {
            let state = State::Authorization(claimed.back());
            Turn::reply(state, Reply::exchange_cancelled())
        }
        (Ok(()), Response::Data(_) | Response::Malformed) => {
            let state = State::Authorization(claimed.back());
            Turn::misuse(state, Misuse::BadResponse)
        }
    }
}

/// A true claim has no reply before the maildrop is open.
fn settle(claimed: Claimed, verdict: Result<(), LoginRefusal>, setting: &Setting<'_>) -> Turn {
    match verdict {
        Ok(()) => Turn::ask(State::OpeningMaildrop(claimed), Question::OpenMaildrop),
        Err(refusal) => refused(&claimed.back(), refusal, setting),
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
            let turn = counted(&claimed.back(), Reply::maildrop_refused(refusal), setting);
            match refusal {
                MaildropRefusal::InUse => noting_in_use(turn),
                MaildropRefusal::TryLater | MaildropRefusal::TooMany | MaildropRefusal::TooSoon => {
                    turn
                }
            }
        }
    }
}

/// Says no to a login.
pub(super) fn refused(state: &Authorization, refusal: LoginRefusal, setting: &Setting<'_>) -> Turn {
    let turn = counted(state, Reply::login_refused(refusal), setting);
    match refusal {
        LoginRefusal::InUse => noting_in_use(turn),
        LoginRefusal::Wrong | LoginRefusal::TryLater | LoginRefusal::TooMany => turn,
    }
}

/// Back to the beginning, or to the end after too many: faults of ours count as well, since each
/// try costs the same.
fn counted(state: &Authorization, reply: Reply, setting: &Setting<'_>) -> Turn {
    let refused_logins = state.refused_logins.saturating_add(1);
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
