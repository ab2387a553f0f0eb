//! The verbs, one file each: grammar, and what they do in the state they are given.

use cassmail_wire::Ending;

use crate::capability::SaidIn;
use crate::command::{Command, Misuse};
use crate::note::Note;
use crate::question::Answer;
use crate::state::{Authorization, Setting, State, Transaction, Turn};
use crate::tally::Tally;

mod auth;
mod capa;
mod dele;
mod lang;
mod list;
mod login;
mod noop;
mod pass;
mod quit;
mod retr;
mod rset;
mod stat;
mod stls;
mod top;
mod uidl;
mod user;
mod utf8;

pub(crate) use auth::respond;
pub(crate) use login::conclude;

/// What a client can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    User,
    Pass,
    Auth,
    Stls,
    Utf8,
    Lang,
    Capa,
    Stat,
    List,
    Uidl,
    Retr,
    Top,
    Dele,
    Noop,
    Rset,
    Quit,
}

/// A line of [`TABLE`].
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        reason = "where a verb may be said is told for readers; a test holds the dispatch to it"
    )
)]
struct Row {
    verb: Verb,
    word: &'static [u8],
    /// Before login.
    in_authorization: bool,
    /// After login.
    in_transaction: bool,
}

const fn row(verb: Verb, word: &'static str, authorization: u8, transaction: u8) -> Row {
    Row {
        verb,
        word: word.as_bytes(),
        in_authorization: authorization == 1,
        in_transaction: transaction == 1,
    }
}

/// Which verb may be said where. Everything may be pipelined; what comes behind STLS in clear is
/// thrown away. What is said elsewhere counts as misuse, as unknown verbs do.
#[rustfmt::skip]
const TABLE: [Row; 16] = [
    //                         before login
    //                         |  after login
    row(Verb::User, "USER",    1, 0), // RFC 1939 7; where login is allowed
    row(Verb::Pass, "PASS",    1, 0), // RFC 1939 7; behind USER
    row(Verb::Auth, "AUTH",    1, 0), // RFC 5034 4; where login is allowed
    row(Verb::Stls, "STLS",    1, 0), // RFC 2595 4; in clear
    row(Verb::Utf8, "UTF8",    1, 0), // RFC 6856 2.1
    row(Verb::Lang, "LANG",    1, 1), // RFC 6856 3.1
    row(Verb::Capa, "CAPA",    1, 1), // RFC 2449 5
    row(Verb::Stat, "STAT",    0, 1), // RFC 1939 5
    row(Verb::List, "LIST",    0, 1), // RFC 1939 5
    row(Verb::Uidl, "UIDL",    0, 1), // RFC 1939 7
    row(Verb::Retr, "RETR",    0, 1), // RFC 1939 5
    row(Verb::Top,  "TOP",     0, 1), // RFC 1939 7
    row(Verb::Dele, "DELE",    0, 1), // RFC 1939 5
    row(Verb::Noop, "NOOP",    0, 1), // RFC 1939 5
    row(Verb::Rset, "RSET",    0, 1), // RFC 1939 5
    row(Verb::Quit, "QUIT",    1, 1), // RFC 1939 4, 6; the only verb that removes
];

/// The verb of that name, in any case.
pub(crate) fn verb_of(word: &[u8]) -> Option<Verb> {
    TABLE
        .iter()
        .find(|row| row.word.eq_ignore_ascii_case(word))
        .map(|row| row.verb)
}

/// Carries out a command before login.
pub(crate) fn in_authorization(
    state: Authorization,
    command: Command,
    setting: &Setting<'_>,
) -> Turn {
    match command {
        Command::User(name) => user::proceed(state, name, setting),
        Command::Pass(password) => pass::proceed(state, password, setting),
        Command::Auth(request) => auth::proceed(state, request, setting),
        Command::Stls => stls::proceed(state, setting),
        Command::Utf8 => utf8::proceed(state),
        Command::Lang(request) => lang::proceed(State::Authorization(state), &request, setting),
        Command::Capa => capa::proceed(State::Authorization(state), SaidIn::Authorization, setting),
        Command::Quit => quit::proceed_without_login(),
        Command::Stat
        | Command::List(_)
        | Command::Uidl(_)
        | Command::Retr(_)
        | Command::Top(..)
        | Command::Dele(_)
        | Command::Noop
        | Command::Rset => Turn::misuse(State::Authorization(state), Misuse::NotNow),
    }
}

/// Carries out a command after login.
pub(crate) fn in_transaction(state: Transaction, command: &Command, setting: &Setting<'_>) -> Turn {
    match *command {
        Command::Stat => stat::proceed(state),
        Command::List(number) => list::proceed(state, number),
        Command::Uidl(number) => uidl::proceed(state, number),
        Command::Retr(number) => retr::proceed(state, number),
        Command::Top(number, lines) => top::proceed(state, number, lines),
        Command::Dele(number) => dele::proceed(state, number),
        Command::Noop => noop::proceed(state),
        Command::Rset => rset::proceed(state),
        Command::Lang(ref request) => lang::proceed(State::Transaction(state), request, setting),
        Command::Capa => {
            let said_in = SaidIn::Transaction {
                expire: state.expire,
            };
            capa::proceed(State::Transaction(state), said_in, setting)
        }
        Command::Quit => quit::proceed(&state),
        Command::User(_) | Command::Pass(_) | Command::Auth(_) | Command::Stls | Command::Utf8 => {
            Turn::misuse(State::Transaction(state), Misuse::NotNow)
        }
    }
}

/// Goes on with the command that waited for an answer. An answer to another question is a defect of
/// ours: what was promised to the client is unknown, so nothing more is said.
pub(crate) fn answered(
    state: State,
    answer: Answer,
    setting: &Setting<'_>,
    tally: &mut Tally,
) -> Turn {
    match (state, answer) {
        (State::StartingScram(state, starting), Answer::StartScram(start)) => {
            auth::started(state, starting, start, setting)
        }
        (State::LoggingIn(claimed), Answer::LogIn(verdict)) => {
            login::judged(claimed, verdict, setting)
        }
        (State::OpeningMaildrop(claimed), Answer::Maildrop(listing)) => {
            login::opened(claimed, listing, setting, tally)
        }
        (State::Opening(errand), Answer::Opened(opened)) => retr::opened(errand, opened),
        (State::Opening(errand), Answer::Piece(piece)) => retr::begun(errand, piece),
        (State::Retrieving(retrieval), Answer::Piece(piece)) => retr::supplied(retrieval, piece),
        (State::ClosingBody(transaction), Answer::BodyClosed) => {
            Turn::silent(State::Transaction(transaction))
        }
        (State::Removing, Answer::Removed(removed)) => quit::removed(removed, tally),
        _ => Turn::silent(State::Ended(Ending::Fault)).noting(Note::AnswerOutOfTurn),
    }
}

#[cfg(test)]
mod tests {
    use cassmail_wire::ChannelBindings;
    use cassmail_wire::sasl::Channel;

    use super::*;
    use crate::maildrop::Maildrop;
    use crate::options::Options;
    use crate::state::{Encoding, Modes, Outcome};

    fn is_refused(turn: &Turn) -> bool {
        matches!(turn.outcome, Outcome::Misuse(Misuse::NotNow))
    }

    #[test]
    fn the_table_tells_where_verbs_are_taken() {
        let options = Options::default();
        let tls = ChannelBindings::default();
        let setting = Setting {
            options: &options,
            channel: Channel::Tls(&tls),
            modes: Modes::default(),
        };
        for row in &TABLE {
            let arguments: &[u8] = match row.verb {
                Verb::User | Verb::Pass => b" bob",
                Verb::Top => b" 1 1",
                Verb::Retr | Verb::Dele => b" 1",
                _ => b"",
            };
            let command = || Command::parse(&[row.word, arguments].concat()).unwrap();
            let turn = in_authorization(Authorization::default(), command(), &setting);
            assert_eq!(!is_refused(&turn), row.in_authorization, "{:?}", row.verb);
            let transaction = Transaction {
                maildrop: Maildrop::new(Vec::new(), Encoding::Ascii),
                expire: None,
            };
            let turn = in_transaction(transaction, &command(), &setting);
            assert_eq!(!is_refused(&turn), row.in_transaction, "{:?}", row.verb);
        }
    }
}
