//! Commands and their parser.

use std::fmt;

use cassmail_mail::ReversePath;

use crate::path::{forward_path, parameters, reverse_path};
use crate::reply::Reply;
use crate::server::{Helo, Recipient};

/// The verbs, and the things that are no verb and count in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "a verb is its own explanation")]
pub enum Verb {
    Ehlo,
    Helo,
    Lhlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Bdat,
    Rset,
    Noop,
    Vrfy,
    Expn,
    Help,
    Quit,
    /// A verb that does not exist, or a line too long to have one.
    Unknown,
    /// What HTTP and TLS clients say first: somebody tries to talk through us to somebody else.
    Foreign,
    /// No command: the session said something by itself, such as that time is up.
    Unasked,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Ehlo,
        Self::Helo,
        Self::Lhlo,
        Self::StartTls,
        Self::Auth,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::Bdat,
        Self::Rset,
        Self::Noop,
        Self::Vrfy,
        Self::Expn,
        Self::Help,
        Self::Quit,
        Self::Unknown,
        Self::Foreign,
        Self::Unasked,
    ];

    /// The verb as it is written, or a word in lower case for what is none.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ehlo => "EHLO",
            Self::Helo => "HELO",
            Self::Lhlo => "LHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Bdat => "BDAT",
            Self::Rset => "RSET",
            Self::Noop => "NOOP",
            Self::Vrfy => "VRFY",
            Self::Expn => "EXPN",
            Self::Help => "HELP",
            Self::Quit => "QUIT",
            Self::Unknown => "unknown",
            Self::Foreign => "foreign",
            Self::Unasked => "unasked",
        }
    }

    fn from_word(word: &str) -> Self {
        const FOREIGN: [&str; 9] = [
            "GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PRI",
        ];
        let is = |name: &str| name.eq_ignore_ascii_case(word);
        let ours = Self::ALL
            .into_iter()
            .take(15)
            .find(|verb| is(verb.as_str()));
        match ours {
            Some(verb) => verb,
            None if FOREIGN.into_iter().any(is) => Self::Foreign,
            None => Self::Unknown,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A command with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// RFC 5321 4.1.1.1, extended.
    Ehlo(Helo),
    /// RFC 5321 4.1.1.1, as of old.
    Helo(Helo),
    /// RFC 2033 4.1: how a client of LMTP says EHLO.
    Lhlo(Helo),
    /// RFC 3207 4.
    StartTls,
    /// RFC 4954 4.
    Auth {
        /// As the client wrote it.
        mechanism: String,
        /// The initial response, still encoded; `=` for an empty one.
        initial: Option<String>,
    },
    /// RFC 5321 4.1.1.2.
    Mail(Mail),
    /// RFC 5321 4.1.1.3.
    Rcpt(Recipient),
    /// RFC 5321 4.1.1.4.
    Data,
    /// RFC 3030 2.
    Bdat {
        /// How many octets follow the command.
        octets: u64,
        /// Whether the message is whole with them.
        last: bool,
    },
    /// RFC 5321 4.1.1.5.
    Rset,
    /// RFC 5321 4.1.1.9; an argument means nothing.
    Noop,
    /// RFC 5321 4.1.1.6; nobody is verified.
    Vrfy,
    /// RFC 5321 4.1.1.7; nothing is expanded.
    Expn,
    /// RFC 5321 4.1.1.8.
    Help,
    /// RFC 5321 4.1.1.10.
    Quit,
}

/// MAIL and its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Where reports go.
    pub reverse_path: ReversePath,
    /// RFC 1870 6; a number that is too large for us stays the largest there is.
    pub size: Option<u64>,
    /// What the message asks for.
    pub terms: Terms,
    /// RFC 4954 5: who first sent it. Not trusted, only known to be there.
    pub auth: bool,
    /// Whether any parameter is there; after HELO there must be none.
    pub extended: bool,
}

/// What MAIL asks for of the ways that the message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// RFC 6531 3.4.
    pub smtputf8: bool,
    /// RFC 8689 2: every hop from here on is to be under TLS.
    pub require_tls: bool,
}

/// Why a line is no command, in one reply each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such verb.
    #[error("no such command")]
    UnknownVerb,
    /// HTTP or the like.
    #[error("another protocol")]
    Foreign,
    /// A control character.
    #[error("a control character in a command")]
    ControlCharacter,
    /// Neither ASCII nor UTF-8.
    #[error("a command that is not UTF-8")]
    NotUtf8,
    /// EHLO or HELO without a name.
    #[error("no name in EHLO or HELO")]
    NameMissing,
    /// A verb that needs an argument has none.
    #[error("an argument is missing")]
    ArgumentMissing,
    /// A verb that has no argument got one.
    #[error("an argument that does not belong there")]
    ArgumentUnexpected,
    /// No reverse path.
    #[error("a malformed sender")]
    BadSender,
    /// No forward path.
    #[error("a malformed recipient")]
    BadRecipient,
    /// A malformed or repeated parameter.
    #[error("a malformed parameter")]
    BadParameter,
    /// A parameter that was not offered.
    #[error("an unknown parameter")]
    UnknownParameter,
    /// BDAT without a number that says how many octets follow: from here on it cannot be known what
    /// is a command and what is text.
    #[error("a malformed BDAT")]
    BadChunk,
}

impl CommandError {
    pub(crate) fn reply(self) -> Reply {
        match self {
            Self::UnknownVerb => Reply::unknown_verb(),
            Self::Foreign => Reply::another_protocol(),
            Self::ControlCharacter => Reply::control_character(),
            Self::NotUtf8 => Reply::not_utf8(),
            Self::NameMissing => Reply::name_missing(),
            Self::ArgumentMissing => Reply::argument_missing(),
            Self::ArgumentUnexpected => Reply::argument_unexpected(),
            Self::BadSender => Reply::bad_sender(),
            Self::BadRecipient => Reply::bad_recipient(),
            Self::BadParameter => Reply::bad_parameter(),
            Self::UnknownParameter => Reply::unknown_parameter(),
            Self::BadChunk => Reply::bad_chunk(),
        }
    }
}

impl Command {
    /// Parses a line without its end; gives the verb even where the rest is wrong.
    pub fn parse(line: &[u8]) -> (Verb, Result<Self, CommandError>) {
        let Ok(text) = std::str::from_utf8(line) else {
            return (verb_of_bytes(line), Err(CommandError::NotUtf8));
        };
        let text = text.trim_end_matches(' ');
        let (word, arguments) = text.split_once(' ').unwrap_or((text, ""));
        let verb = Verb::from_word(word);
        if verb != Verb::Unknown && arguments.bytes().any(|byte| byte.is_ascii_control()) {
            return (verb, Err(CommandError::ControlCharacter));
        }
        (verb, parse_arguments(verb, arguments))
    }

    /// Its verb.
    pub fn verb(&self) -> Verb {
        match self {
            Self::Ehlo(_) => Verb::Ehlo,
            Self::Helo(_) => Verb::Helo,
            Self::Lhlo(_) => Verb::Lhlo,
            Self::StartTls => Verb::StartTls,
            Self::Auth { .. } => Verb::Auth,
            Self::Mail(_) => Verb::Mail,
            Self::Rcpt(_) => Verb::Rcpt,
            Self::Data => Verb::Data,
            Self::Bdat { .. } => Verb::Bdat,
            Self::Rset => Verb::Rset,
            Self::Noop => Verb::Noop,
            Self::Vrfy => Verb::Vrfy,
            Self::Expn => Verb::Expn,
            Self::Help => Verb::Help,
            Self::Quit => Verb::Quit,
        }
    }
}

fn verb_of_bytes(line: &[u8]) -> Verb {
    let word = line.split(|&byte| byte == b' ').next().unwrap_or_default();
    std::str::from_utf8(word).map_or(Verb::Unknown, Verb::from_word)
}

fn parse_arguments(verb: Verb, arguments: &str) -> Result<Command, CommandError> {
    match verb {
        Verb::Ehlo => helo(arguments).map(Command::Ehlo),
        Verb::Helo => helo(arguments).map(Command::Helo),
        Verb::Lhlo => helo(arguments).map(Command::Lhlo),
        Verb::StartTls => none(arguments, Command::StartTls),
        Verb::Auth => auth(arguments),
        Verb::Mail => mail(arguments).map(Command::Mail),
        Verb::Rcpt => rcpt(arguments).map(Command::Rcpt),
        Verb::Data => none(arguments, Command::Data),
        Verb::Bdat => bdat(arguments),
        Verb::Rset => none(arguments, Command::Rset),
        Verb::Quit => none(arguments, Command::Quit),
        Verb::Vrfy => some(arguments, Command::Vrfy),
        Verb::Expn => some(arguments, Command::Expn),
        Verb::Noop => Ok(Command::Noop),
        Verb::Help => Ok(Command::Help),
        Verb::Foreign => Err(CommandError::Foreign),
        Verb::Unknown | Verb::Unasked => Err(CommandError::UnknownVerb),
    }
}

fn none(arguments: &str, command: Command) -> Result<Command, CommandError> {
    if arguments.is_empty() {
        Ok(command)
    } else {
        Err(CommandError::ArgumentUnexpected)
    }
}

fn some(arguments: &str, command: Command) -> Result<Command, CommandError> {
    if arguments.is_empty() {
        Err(CommandError::ArgumentMissing)
    } else {
        Ok(command)
    }
}

/// `ehlo = "EHLO" SP ( Domain / address-literal )`, RFC 5321 4.1.1.1. Names that are neither are
/// taken: half of the world's clients send the name of a machine.
fn helo(arguments: &str) -> Result<Helo, CommandError> {
    let name = arguments.trim_matches(' ');
    if name.is_empty() {
        return Err(CommandError::NameMissing);
    }
    Ok(Helo::new(name))
}

/// `auth = "AUTH" SP mechanism [SP initial-response]`, RFC 4954 8.
fn auth(arguments: &str) -> Result<Command, CommandError> {
    let mut words = arguments.split(' ').filter(|word| !word.is_empty());
    let mechanism = words.next().ok_or(CommandError::ArgumentMissing)?;
    let initial = words.next().map(str::to_owned);
    if words.next().is_some() {
        return Err(CommandError::ArgumentUnexpected);
    }
    Ok(Command::Auth {
        mechanism: mechanism.to_owned(),
        initial,
    })
}

/// `mail = "MAIL FROM:" Reverse-path [SP Mail-parameters]`, RFC 5321 4.1.1.2.
fn mail(arguments: &str) -> Result<Mail, CommandError> {
    let rest = after_keyword(arguments, "FROM:").ok_or(CommandError::BadSender)?;
    let (path, rest) = reverse_path(rest).map_err(|_| CommandError::BadSender)?;
    let mut mail = Mail {
        reverse_path: path,
        size: None,
        terms: Terms::default(),
        auth: false,
        extended: false,
    };
    let mut body_seen = false;
    for parameter in parameters(rest) {
        let (keyword, value) = parameter.ok_or(CommandError::BadParameter)?;
        let is = |name: &str| keyword.eq_ignore_ascii_case(name);
        let twice = match value {
            Some(value) if is("SIZE") => mail.size.replace(size(value)?).is_some(),
            Some(value) if is("BODY") => {
                body(value)?;
                std::mem::replace(&mut body_seen, true)
            }
            Some(value) if is("AUTH") => {
                check_xtext(value)?;
                std::mem::replace(&mut mail.auth, true)
            }
            None if is("SMTPUTF8") => std::mem::replace(&mut mail.terms.smtputf8, true),
            None if is("REQUIRETLS") => std::mem::replace(&mut mail.terms.require_tls, true),
            _ if KNOWN.into_iter().any(is) => true,
            _ => return Err(CommandError::UnknownParameter),
        };
        if twice {
            return Err(CommandError::BadParameter);
        }
        mail.extended = true;
    }
    Ok(mail)
}

/// The parameters of MAIL; one that is known and has a value where it should have none, or none
/// where it should have one, is malformed.
const KNOWN: [&str; 5] = ["SIZE", "BODY", "AUTH", "SMTPUTF8", "REQUIRETLS"];

/// `size-value = 1*20DIGIT`, RFC 1870 6.
fn size(value: &str) -> Result<u64, CommandError> {
    if value.len() > 20 || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(CommandError::BadParameter);
    }
    Ok(value.parse().unwrap_or(u64::MAX))
}

/// `body-value = "7BIT" / "8BITMIME"`, RFC 6152 2. The text is kept as it comes either way.
fn body(value: &str) -> Result<(), CommandError> {
    if value.eq_ignore_ascii_case("7BIT") || value.eq_ignore_ascii_case("8BITMIME") {
        Ok(())
    } else if value.eq_ignore_ascii_case("BINARYMIME") {
        Err(CommandError::UnknownParameter)
    } else {
        Err(CommandError::BadParameter)
    }
}

/// `xtext = *( xchar / "+" 2HEXDIG )` with capitals, RFC 3461 4.
fn check_xtext(value: &str) -> Result<(), CommandError> {
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        let hexadecimal = |byte: Option<u8>| matches!(byte, Some(b'0'..=b'9' | b'A'..=b'F'));
        let good = match byte {
            b'+' => hexadecimal(bytes.next()) && hexadecimal(bytes.next()),
            byte => matches!(byte, b'!'..=b'~') && byte != b'=',
        };
        if !good {
            return Err(CommandError::BadParameter);
        }
    }
    Ok(())
}

/// `rcpt = "RCPT TO:" ( "<Postmaster>" / Forward-path ) [SP Rcpt-parameters]`, RFC 5321 4.1.1.3. No
/// extension that is offered has a parameter here.
fn rcpt(arguments: &str) -> Result<Recipient, CommandError> {
    let rest = after_keyword(arguments, "TO:").ok_or(CommandError::BadRecipient)?;
    let (recipient, rest) = forward_path(rest).map_err(|_| CommandError::BadRecipient)?;
    match parameters(rest).next() {
        None => Ok(recipient),
        Some(None) => Err(CommandError::BadParameter),
        Some(Some(_)) => Err(CommandError::UnknownParameter),
    }
}

fn after_keyword<'a>(arguments: &'a str, keyword: &str) -> Option<&'a str> {
    let arguments = arguments.trim_start_matches(' ');
    let (front, rest) = arguments.split_at_checked(keyword.len())?;
    front.eq_ignore_ascii_case(keyword).then_some(rest)
}

/// `bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ]`, RFC 3030 2.
fn bdat(arguments: &str) -> Result<Command, CommandError> {
    let mut words = arguments.split(' ').filter(|word| !word.is_empty());
    let number = words.next().ok_or(CommandError::BadChunk)?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return Err(CommandError::BadChunk),
    };
    if words.next().is_some() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(CommandError::BadChunk);
    }
    Ok(Command::Bdat {
        octets: number.parse().unwrap_or(u64::MAX),
        last,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, CommandError> {
        Command::parse(line.as_bytes()).1
    }

    fn mail_of(line: &str) -> Mail {
        match parse(line) {
            Ok(Command::Mail(mail)) => mail,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn verbs_have_no_case() {
        for line in ["QUIT", "quit", "qUiT", "QUIT  "] {
            assert_eq!(parse(line), Ok(Command::Quit), "{line}");
        }
        assert_eq!(parse("NOOP whatever it is"), Ok(Command::Noop));
    }

    #[test]
    fn every_verb_is_found_by_its_name() {
        for verb in Verb::ALL.into_iter().take(14) {
            assert_eq!(Verb::from_word(verb.as_str()), verb);
        }
        for word in ["unknown", "foreign", "unasked", "", "EHLOO", "TURN", "SEND"] {
            assert_eq!(Verb::from_word(word), Verb::Unknown, "{word}");
        }
    }

    #[test]
    fn parameters_of_mail_are_read_in_any_order_and_case() {
        let mail = mail_of("mail from:<a@b.example> body=8bitmime SMTPUTF8 size=1000");
        assert_eq!(
            (mail.size, mail.terms.smtputf8, mail.extended),
            (Some(1000), true, true)
        );
        let mail = mail_of("MAIL FROM:<> AUTH=<>");
        assert_eq!((mail.reverse_path, mail.auth), (ReversePath::Null, true));
        assert!(!mail_of("MAIL FROM:<a@b.example>").extended);
        assert_eq!(
            mail_of("MAIL FROM:<> SIZE=99999999999999999999").size,
            Some(u64::MAX)
        );
    }

    #[test]
    fn errors_name_what_is_wrong() {
        for (line, error) in [
            ("", CommandError::UnknownVerb),
            ("XYZZY", CommandError::UnknownVerb),
            ("MAILFROM:<a@b>", CommandError::UnknownVerb),
            ("GET / HTTP/1.1", CommandError::Foreign),
            ("EHLO", CommandError::NameMissing),
            ("HELO  ", CommandError::NameMissing),
            ("MAIL", CommandError::BadSender),
            ("MAIL FROM <a@b>", CommandError::BadSender),
            ("MAIL FROM:a@b", CommandError::BadSender),
            ("MAIL TO:<a@b>", CommandError::BadSender),
            ("MAIL FROM:<a@b> SIZE=", CommandError::BadParameter),
            ("MAIL FROM:<a@b> SIZE=x", CommandError::BadParameter),
            ("MAIL FROM:<a@b> SIZE", CommandError::BadParameter),
            ("MAIL FROM:<a@b> SIZE=1 SIZE=1", CommandError::BadParameter),
            (
                "MAIL FROM:<a@b> SIZE=123456789012345678901",
                CommandError::BadParameter,
            ),
            ("MAIL FROM:<a@b> SMTPUTF8=1", CommandError::BadParameter),
            ("MAIL FROM:<a@b> BODY=9BIT", CommandError::BadParameter),
            (
                "MAIL FROM:<a@b> BODY=BINARYMIME",
                CommandError::UnknownParameter,
            ),
            ("MAIL FROM:<a@b> AUTH=a+2", CommandError::BadParameter),
            ("MAIL FROM:<a@b> RET=HDRS", CommandError::UnknownParameter),
            ("RCPT TO:", CommandError::BadRecipient),
            ("RCPT TO:<>", CommandError::BadRecipient),
            ("RCPT FROM:<a@b>", CommandError::BadRecipient),
            ("RCPT TO:<a@b> NOTIFY=NEVER", CommandError::UnknownParameter),
            ("RCPT TO:<a@b> =", CommandError::BadParameter),
            ("DATA now", CommandError::ArgumentUnexpected),
            ("RSET x", CommandError::ArgumentUnexpected),
            ("STARTTLS x", CommandError::ArgumentUnexpected),
            ("VRFY", CommandError::ArgumentMissing),
            ("AUTH", CommandError::ArgumentMissing),
            ("AUTH PLAIN a b", CommandError::ArgumentUnexpected),
            ("BDAT", CommandError::BadChunk),
            ("BDAT x", CommandError::BadChunk),
            ("BDAT -1", CommandError::BadChunk),
            ("BDAT +1", CommandError::BadChunk),
            ("BDAT 1 FIRST", CommandError::BadChunk),
            ("BDAT 1 LAST LAST", CommandError::BadChunk),
            ("NOOP \r", CommandError::ControlCharacter),
            ("MAIL FROM:<a@b>\0", CommandError::ControlCharacter),
        ] {
            assert_eq!(parse(line), Err(error), "{line:?}");
        }
        assert_eq!(
            Command::parse(b"MAIL FROM:<\xff@b>").1,
            Err(CommandError::NotUtf8)
        );
        assert_eq!(Command::parse(b"MAIL \xff").0, Verb::Mail);
    }

    #[test]
    fn chunks_are_counted() {
        let chunk = |octets, last| Ok(Command::Bdat { octets, last });
        assert_eq!(parse("BDAT 1000"), chunk(1000, false));
        assert_eq!(parse("bdat 0 last"), chunk(0, true));
        assert_eq!(parse("BDAT 99999999999999999999"), chunk(u64::MAX, false));
    }

    #[test]
    fn logins_may_begin_with_a_response() {
        let auth = |initial: Option<&str>| {
            Ok(Command::Auth {
                mechanism: "PLAIN".to_owned(),
                initial: initial.map(str::to_owned),
            })
        };
        assert_eq!(parse("AUTH PLAIN"), auth(None));
        assert_eq!(parse("AUTH PLAIN ="), auth(Some("=")));
        assert_eq!(parse("auth PLAIN dGVzdA=="), auth(Some("dGVzdA==")));
    }

    #[test]
    fn commands_know_their_verb() {
        for line in [
            "EHLO a",
            "HELO a",
            "STARTTLS",
            "AUTH X",
            "MAIL FROM:<>",
            "RCPT TO:<a@b>",
        ] {
            let (verb, command) = Command::parse(line.as_bytes());
            assert_eq!(command.unwrap().verb(), verb);
        }
    }
}
