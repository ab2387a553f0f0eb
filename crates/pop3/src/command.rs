//! What a client can say, and its grammar.

use std::fmt;

use cassmail_mail::Secret;

use crate::texts::english;
use crate::verbs::{self, Verb};

/// A line that keeps the grammar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    User(String),
    Pass(Secret),
    Auth(AuthRequest),
    Stls,
    Utf8,
    Lang(LanguageRequest),
    Capa,
    Stat,
    List(Option<MessageNumber>),
    Uidl(Option<MessageNumber>),
    Retr(MessageNumber),
    Top(MessageNumber, LineCount),
    Dele(MessageNumber),
    Noop,
    Rset,
    Quit,
}

/// What AUTH wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AuthRequest {
    /// The names of the mechanisms.
    Names,
    /// An exchange.
    Exchange {
        mechanism: String,
        /// The initial response as it was written; it can hold a password.
        initial: Option<Secret>,
    },
}

/// What LANG wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LanguageRequest {
    /// The list of languages.
    List,
    /// `*`: what the operator prefers.
    Preferred,
    /// A language that fits this range (RFC 4647 2.1).
    Range(String),
}

/// A message as clients name it: its place in the snapshot, from 1. No number is given twice in a
/// session, so what was marked leaves a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MessageNumber(pub(crate) u64);

/// How many lines of a body TOP wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineCount(pub(crate) u64);

/// How a command breaks the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misuse {
    /// The line is too long.
    TooLong,
    /// The line holds a control character (RFC 1939 3 has printable characters only).
    ControlCharacter,
    /// There is no such verb.
    UnknownVerb,
    /// The verb lacks an argument.
    ArgumentMissing,
    /// The verb takes fewer arguments.
    ArgumentTooMany,
    /// An argument should be a number, that is digits.
    NotANumber,
    /// An argument should be UTF-8.
    NotUtf8,
    /// An argument should be a language range.
    NotALanguage,
    /// The verb cannot be said now.
    NotNow,
    /// PASS came without USER in front of it.
    UserMissing,
    /// A response within AUTH is not what the mechanism needs.
    BadResponse,
}

impl Command {
    /// Parses a line without its end.
    ///
    /// ```text
    /// command = keyword [SP arguments]        RFC 1939 3, RFC 2449 3; the keyword in any case
    /// ```
    pub(crate) fn parse(line: &[u8]) -> Result<Self, Misuse> {
        if line.iter().any(u8::is_ascii_control) {
            return Err(Misuse::ControlCharacter);
        }
        let (word, arguments) = match line.iter().position(|&byte| byte == b' ') {
            Some(space) => {
                let (word, rest) = line.split_at_checked(space).unwrap_or((line, b""));
                (word, rest.split_first().map(|(_, arguments)| arguments))
            }
            None => (line, None),
        };
        let verb = verbs::verb_of(word).ok_or(Misuse::UnknownVerb)?;
        Self::parse_arguments(verb, arguments)
    }

    fn parse_arguments(verb: Verb, arguments: Option<&[u8]>) -> Result<Self, Misuse> {
        Ok(match verb {
            Verb::User => Self::User(rest_of_line(arguments, Emptiness::Refused)?),
            Verb::Pass => Self::Pass(Secret::new(rest_of_line(arguments, Emptiness::Allowed)?)),
            Verb::Auth => Self::Auth(auth_request(arguments)?),
            Verb::Stls => bare(arguments, Self::Stls)?,
            Verb::Utf8 => bare(arguments, Self::Utf8)?,
            Verb::Lang => Self::Lang(language_request(arguments)?),
            Verb::Capa => bare(arguments, Self::Capa)?,
            Verb::Stat => bare(arguments, Self::Stat)?,
            Verb::List => Self::List(optional_number(arguments)?),
            Verb::Uidl => Self::Uidl(optional_number(arguments)?),
            Verb::Retr => Self::Retr(number(arguments)?),
            Verb::Top => top(arguments)?,
            Verb::Dele => Self::Dele(number(arguments)?),
            Verb::Noop => bare(arguments, Self::Noop)?,
            Verb::Rset => bare(arguments, Self::Rset)?,
            Verb::Quit => bare(arguments, Self::Quit)?,
        })
    }
}

impl Misuse {
    /// One word for logs and for the label of a metric.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "line-too-long",
            Self::ControlCharacter => "control-character",
            Self::UnknownVerb => "unknown-command",
            Self::ArgumentMissing => "argument-missing",
            Self::ArgumentTooMany => "argument-too-many",
            Self::NotANumber => "not-a-number",
            Self::NotUtf8 => "not-utf8",
            Self::NotALanguage => "not-a-language",
            Self::NotNow => "out-of-order",
            Self::UserMissing => "user-missing",
            Self::BadResponse => "bad-sasl-response",
        }
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(english::misuse(*self))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Emptiness {
    Allowed,
    Refused,
}

/// Everything after the one space, spaces included (RFC 1939 7, PASS).
fn rest_of_line(arguments: Option<&[u8]>, emptiness: Emptiness) -> Result<String, Misuse> {
    let text = arguments.ok_or(Misuse::ArgumentMissing)?;
    if text.is_empty() && emptiness == Emptiness::Refused {
        return Err(Misuse::ArgumentMissing);
    }
    utf8(text)
}

fn utf8(bytes: &[u8]) -> Result<String, Misuse> {
    let text = std::str::from_utf8(bytes).map_err(|_| Misuse::NotUtf8)?;
    Ok(text.to_owned())
}

fn bare(arguments: Option<&[u8]>, command: Command) -> Result<Command, Misuse> {
    match arguments {
        None => Ok(command),
        Some(_) => Err(Misuse::ArgumentTooMany),
    }
}

/// ```text
/// auth-command = "AUTH" SP sasl-mech [SP initial-response]        RFC 5034 4, 5
/// ```
///
/// AUTH alone is of no RFC: it lists the mechanisms for Outlook and others that follow its draft.
fn auth_request(arguments: Option<&[u8]>) -> Result<AuthRequest, Misuse> {
    let Some(arguments) = arguments else {
        return Ok(AuthRequest::Names);
    };
    let [mechanism, initial] = words(arguments)?;
    Ok(AuthRequest::Exchange {
        mechanism: utf8(mechanism.ok_or(Misuse::ArgumentMissing)?)?,
        initial: initial.map(utf8).transpose()?.map(Secret::new),
    })
}

/// ```text
/// "LANG" [SP ("*" / language-range)]                       RFC 6856 3.2
/// language-range = 1*8ALPHA *("-" 1*8(ALPHA / DIGIT))      RFC 4647 2.1
/// ```
fn language_request(arguments: Option<&[u8]>) -> Result<LanguageRequest, Misuse> {
    let Some(arguments) = arguments else {
        return Ok(LanguageRequest::List);
    };
    let [range] = words(arguments)?;
    let range = range.ok_or(Misuse::ArgumentMissing)?;
    if range == b"*" {
        return Ok(LanguageRequest::Preferred);
    }
    let is_subtag = |subtag: &[u8]| {
        matches!(subtag.len(), 1..=8) && subtag.iter().all(u8::is_ascii_alphanumeric)
    };
    let begins_with_letters = range
        .split(|&byte| byte == b'-')
        .next()
        .is_some_and(|first| first.iter().all(u8::is_ascii_alphabetic));
    if begins_with_letters && range.split(|&byte| byte == b'-').all(is_subtag) {
        Ok(LanguageRequest::Range(utf8(range)?))
    } else {
        Err(Misuse::NotALanguage)
    }
}

fn optional_number(arguments: Option<&[u8]>) -> Result<Option<MessageNumber>, Misuse> {
    arguments.map(|_| number(arguments)).transpose()
}

fn number(arguments: Option<&[u8]>) -> Result<MessageNumber, Misuse> {
    let [word] = words(arguments.ok_or(Misuse::ArgumentMissing)?)?;
    digits(word).map(MessageNumber)
}

fn top(arguments: Option<&[u8]>) -> Result<Command, Misuse> {
    let [number, lines] = words(arguments.ok_or(Misuse::ArgumentMissing)?)?;
    Ok(Command::Top(
        MessageNumber(digits(number)?),
        LineCount(digits(lines)?),
    ))
}

/// At most `N` words with one space between them.
fn words<const N: usize>(arguments: &[u8]) -> Result<[Option<&[u8]>; N], Misuse> {
    let mut split = arguments.split(|&byte| byte == b' ');
    let words = [(); N].map(|()| split.next());
    if split.next().is_some() {
        return Err(Misuse::ArgumentTooMany);
    }
    if words.contains(&Some(&b""[..])) {
        return Err(Misuse::ArgumentMissing);
    }
    Ok(words)
}

/// Reads digits and nothing else: no sign, no space. What is too large for the type is larger than
/// any maildrop and any message, and the largest value says that as well.
fn digits(word: Option<&[u8]>) -> Result<u64, Misuse> {
    word.ok_or(Misuse::ArgumentMissing)?
        .iter()
        .try_fold(0_u64, |value, byte| {
            let digit = byte
                .is_ascii_digit()
                .then(|| u64::from(byte.wrapping_sub(b'0')))?;
            Some(value.saturating_mul(10).saturating_add(digit))
        })
        .ok_or(Misuse::NotANumber)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn verbs_are_known_in_any_case() {
        for line in ["STAT", "stat", "Stat", "sTAT"] {
            assert_eq!(Command::parse(line.as_bytes()), Ok(Command::Stat));
        }
        assert_eq!(
            Command::parse(b"ReTr 7"),
            Ok(Command::Retr(MessageNumber(7)))
        );
    }

    #[test]
    fn a_password_is_everything_after_one_space() {
        for (line, password) in [
            (&b"PASS secret"[..], "secret"),
            (b"PASS two words", "two words"),
            (b"PASS  leading", " leading"),
            (b"PASS trailing ", "trailing "),
            (b"PASS p\xc3\xa4ss", "p\u{e4}ss"),
            (b"PASS ", ""),
        ] {
            assert_eq!(Command::parse(line), Ok(Command::Pass(secret(password))));
        }
    }

    #[test]
    fn numbers_are_digits() {
        let number = |n| Ok(Command::Dele(MessageNumber(n)));
        assert_eq!(Command::parse(b"DELE 1"), number(1));
        assert_eq!(Command::parse(b"DELE 0"), number(0));
        assert_eq!(Command::parse(b"DELE 007"), number(7));
        assert_eq!(
            Command::parse(b"DELE 18446744073709551617"),
            number(u64::MAX)
        );
        for (line, misuse) in [
            ("DELE", Misuse::ArgumentMissing),
            ("DELE ", Misuse::ArgumentMissing),
            ("DELE  1", Misuse::ArgumentTooMany),
            ("DELE 1 ", Misuse::ArgumentTooMany),
            ("DELE 1 2", Misuse::ArgumentTooMany),
            ("DELE -1", Misuse::NotANumber),
            ("DELE +1", Misuse::NotANumber),
            ("DELE 1.5", Misuse::NotANumber),
            ("DELE 0x1", Misuse::NotANumber),
            ("DELE one", Misuse::NotANumber),
            ("DELE \u{661}", Misuse::NotANumber),
            ("TOP 1", Misuse::ArgumentMissing),
            ("TOP 1 2 3", Misuse::ArgumentTooMany),
            ("TOP 1 -1", Misuse::NotANumber),
            ("LIST ", Misuse::ArgumentMissing),
            ("STAT 1", Misuse::ArgumentTooMany),
            ("STAT ", Misuse::ArgumentTooMany),
        ] {
            assert_eq!(Command::parse(line.as_bytes()), Err(misuse), "{line:?}");
        }
    }

    #[test]
    fn control_characters_are_refused_anywhere() {
        for line in [
            &b"STAT\0"[..],
            b"\0",
            b"PASS a\0b",
            b"PASS a\tb",
            b"DELE\t1",
            b"USER a\x7f",
            b"US\rER a",
        ] {
            assert_eq!(Command::parse(line), Err(Misuse::ControlCharacter));
        }
    }

    #[test]
    fn auth_has_a_mechanism_and_perhaps_an_initial_response() {
        let exchange = |mechanism: &str, initial: Option<&str>| {
            Ok(Command::Auth(AuthRequest::Exchange {
                mechanism: mechanism.to_owned(),
                initial: initial.map(secret),
            }))
        };
        assert_eq!(
            Command::parse(b"AUTH"),
            Ok(Command::Auth(AuthRequest::Names))
        );
        assert_eq!(Command::parse(b"AUTH PLAIN"), exchange("PLAIN", None));
        assert_eq!(
            Command::parse(b"auth plain ="),
            exchange("plain", Some("="))
        );
        assert_eq!(
            Command::parse(b"AUTH PLAIN a b"),
            Err(Misuse::ArgumentTooMany)
        );
        assert_eq!(Command::parse(b"AUTH "), Err(Misuse::ArgumentMissing));
    }

    #[test]
    fn a_language_is_a_range() {
        let range = |range: &str| Ok(Command::Lang(LanguageRequest::Range(range.to_owned())));
        for (line, expected) in [
            ("LANG", Ok(Command::Lang(LanguageRequest::List))),
            ("lang *", Ok(Command::Lang(LanguageRequest::Preferred))),
            ("LANG de", range("de")),
            ("LANG de-1996", range("de-1996")),
            ("LANG ", Err(Misuse::ArgumentMissing)),
            ("LANG de en", Err(Misuse::ArgumentTooMany)),
            ("LANG de-", Err(Misuse::NotALanguage)),
            ("LANG -de", Err(Misuse::NotALanguage)),
            ("LANG d1", Err(Misuse::NotALanguage)),
            ("LANG de-*", Err(Misuse::NotALanguage)),
            ("LANG deutschland", Err(Misuse::NotALanguage)),
            ("LANG d\u{e9}", Err(Misuse::NotALanguage)),
            ("UTF8", Ok(Command::Utf8)),
            ("UTF8 USER", Err(Misuse::ArgumentTooMany)),
        ] {
            assert_eq!(Command::parse(line.as_bytes()), expected, "{line:?}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        for line in ["PASS sesame", "AUTH PLAIN sesame"] {
            let command = Command::parse(line.as_bytes()).unwrap();
            assert!(!format!("{command:?}").contains("sesame"));
        }
    }

    #[test]
    fn what_no_verb_is_is_unknown() {
        for line in [
            &b""[..],
            b" ",
            b" STAT",
            b"STATS",
            b"APOP a b",
            b"\xff\xfe",
            b"LAST",
        ] {
            assert_eq!(Command::parse(line), Err(Misuse::UnknownVerb), "{line:?}");
        }
    }
}
