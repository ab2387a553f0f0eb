//! Everything the server ever says, apart from listings and messages themselves.
//!
//! A reply is made by one of the functions here and by nothing else, so this page is the whole
//! vocabulary; `texts` has the words. Only `Reply::encode` makes bytes.

use std::borrow::Cow;

use cassmail_mail::Removed;
use cassmail_wire::TurnedAway;
use cassmail_wire::sasl::{Mechanism, encode_challenge};

use crate::capability::Capability;
use crate::command::Misuse;
use crate::maildrop::{Absent, Totals};
use crate::options::TlsOffer;
use crate::question::{BodyRefusal, LoginRefusal, MaildropRefusal};
use crate::texts::{Language, Text};

/// One reply. Where a listing or a message follows, it is the line in front of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    status: Status,
    content: Content,
    /// The lines of a multi-line reply that is known as a whole.
    lines: Option<Vec<Cow<'static, str>>>,
}

/// What stands behind the status.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    /// For people, in the language of the session.
    Text(Text),
    /// For programs, or nothing.
    Data(String),
    /// The tag of the language that was chosen, and a text (RFC 6856 3.2).
    Tagged(Language, Text),
}

/// How a reply begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    /// `+OK`
    Ok,
    /// `-ERR`, with a response code or without.
    Err(Option<ResponseCode>),
    /// `+`: an exchange of AUTH goes on (RFC 5034 4).
    Challenge,
}

/// Why something was refused, for programs (RFC 2449 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ResponseCode {
    /// `IN-USE`: another session has the maildrop (RFC 2449 8.1.2).
    InUse,
    /// `AUTH`: the credentials are wrong; ask the user (RFC 3206 5).
    Auth,
    /// `LOGIN-DELAY`: right, but too soon after the last login (RFC 2449 8.1.1).
    LoginDelay,
    /// `SYS/TEMP`: our fault, which will pass; do not ask the user (RFC 3206 4).
    SysTemp,
    /// `SYS/PERM`: our fault, which needs an operator.
    SysPerm,
}

impl ResponseCode {
    fn as_str(self) -> &'static str {
        match self {
            Self::InUse => "IN-USE",
            Self::Auth => "AUTH",
            Self::LoginDelay => "LOGIN-DELAY",
            Self::SysTemp => "SYS/TEMP",
            Self::SysPerm => "SYS/PERM",
        }
    }
}

/// Of the session as a whole.
impl Reply {
    pub(crate) fn greeting() -> Self {
        Self::ok(Text::Ready)
    }

    pub(crate) fn misuse(misuse: Misuse) -> Self {
        Self::err(Text::Misuse(misuse))
    }

    pub(crate) fn too_many_misuses() -> Self {
        Self::err(Text::TooManyMisuses)
    }

    pub(crate) fn not_http() -> Self {
        Self::err(Text::NotHttp)
    }

    pub(crate) fn capabilities(capabilities: &[Capability]) -> Self {
        let lines = capabilities.iter().map(Capability::line).collect();
        Self::ok(Text::CapabilitiesFollow).with_lines(lines)
    }

    pub(crate) fn goodbye() -> Self {
        Self::ok(Text::Goodbye)
    }
}

/// Of AUTHORIZATION.
impl Reply {
    /// The same for all names, so that it tells nothing (RFC 1939 13).
    pub(crate) fn name_noted() -> Self {
        Self::ok(Text::SendPass)
    }

    /// RFC 2595 2.2, 2.3. No response code: the credentials are not wrong, and nobody should be
    /// asked for others.
    pub(crate) fn tls_needed(tls: TlsOffer) -> Self {
        Self::err(Text::TlsNeeded(tls))
    }

    pub(crate) fn begin_tls() -> Self {
        Self::ok(Text::BeginTls)
    }

    pub(crate) fn tls_absent() -> Self {
        Self::err(Text::TlsAbsent)
    }

    pub(crate) fn tls_active() -> Self {
        Self::err(Text::TlsActive)
    }

    pub(crate) fn mechanisms(mechanisms: &[Mechanism]) -> Self {
        let lines = mechanisms.iter().map(|m| m.as_str().into()).collect();
        Self::ok(Text::MechanismsFollow).with_lines(lines)
    }

    pub(crate) fn unknown_mechanism() -> Self {
        Self::err(Text::UnknownMechanism)
    }

    pub(crate) fn challenge(challenge: &[u8]) -> Self {
        Self::new(
            Status::Challenge,
            Content::Data(encode_challenge(challenge)),
        )
    }

    pub(crate) fn exchange_cancelled() -> Self {
        Self::err(Text::ExchangeCancelled)
    }

    pub(crate) fn logged_in(totals: Totals) -> Self {
        Self::ok(Text::MaildropHas(totals))
    }

    pub(crate) fn login_refused(refusal: LoginRefusal) -> Self {
        match refusal {
            LoginRefusal::Wrong => Self::coded(ResponseCode::Auth, Text::LoginFailed),
            LoginRefusal::TryLater => Self::try_later(),
            LoginRefusal::TooMany => Self::coded(ResponseCode::SysTemp, Text::TooManyLogins),
            LoginRefusal::InUse => Self::in_use(),
        }
    }

    pub(crate) fn maildrop_refused(refusal: MaildropRefusal) -> Self {
        match refusal {
            MaildropRefusal::TryLater => Self::try_later(),
            MaildropRefusal::TooMany => Self::coded(ResponseCode::SysTemp, Text::TooManySessions),
            MaildropRefusal::InUse => Self::in_use(),
            MaildropRefusal::TooSoon => Self::coded(ResponseCode::LoginDelay, Text::LoginTooSoon),
        }
    }
}

/// Of UTF8 and LANG (RFC 6856).
impl Reply {
    pub(crate) fn utf8_enabled() -> Self {
        Self::ok(Text::Utf8Enabled)
    }

    pub(crate) fn tls_behind_utf8() -> Self {
        Self::err(Text::TlsBehindUtf8)
    }

    pub(crate) fn languages() -> Self {
        let line = |language: Language| format!("{} {}", language.tag(), language.own_name());
        let lines = Language::ALL.map(|language| line(language).into());
        Self::ok(Text::LanguagesFollow).with_lines(lines.into())
    }

    pub(crate) fn language_chosen(language: Language) -> Self {
        let content = Content::Tagged(language, Text::LanguageChosen);
        Self::new(Status::Ok, content)
    }

    pub(crate) fn unknown_language() -> Self {
        Self::err(Text::UnknownLanguage)
    }
}

/// Of TRANSACTION.
impl Reply {
    pub(crate) fn stat(totals: Totals) -> Self {
        Self::data(format!("{} {}", totals.messages, totals.octets))
    }

    pub(crate) fn listing_follows(totals: Totals) -> Self {
        Self::ok(Text::Listing(totals))
    }

    pub(crate) fn unique_ids_follow() -> Self {
        Self::ok(Text::UniqueIdsFollow)
    }

    /// Of LIST with a number.
    pub(crate) fn size(number: usize, octets: u64) -> Self {
        Self::data(format!("{number} {octets}"))
    }

    /// Of UIDL with a number.
    pub(crate) fn unique_id(number: usize, uidl: &str) -> Self {
        Self::data(format!("{number} {uidl}"))
    }

    pub(crate) fn message_follows(octets: u64) -> Self {
        Self::ok(Text::Octets(octets))
    }

    pub(crate) fn top_follows() -> Self {
        Self::ok(Text::TopFollows)
    }

    pub(crate) fn marked(number: usize) -> Self {
        Self::ok(Text::MessageMarked(number))
    }

    pub(crate) fn unmarked(totals: Totals) -> Self {
        Self::ok(Text::MaildropHas(totals))
    }

    pub(crate) fn nothing_done() -> Self {
        Self::data(String::new())
    }

    pub(crate) fn absent(absent: Absent) -> Self {
        match absent {
            Absent::NoSuchMessage => Self::err(Text::NoSuchMessage),
            Absent::Marked => Self::err(Text::MarkedAlready),
        }
    }

    pub(crate) fn body_refused(refusal: BodyRefusal) -> Self {
        match refusal {
            BodyRefusal::Gone => Self::err(Text::RemovedElsewhere),
            BodyRefusal::TryLater => Self::try_later(),
            BodyRefusal::Damaged => Self::coded(ResponseCode::SysPerm, Text::Damaged),
        }
    }

    /// The +OK to a QUIT that removes: made from the store's receipt, which it spends.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "one receipt makes one reply, so it is spent here"
    )]
    pub(crate) fn removed(receipt: Removed) -> Self {
        Self::ok(Text::Removed(receipt.count()))
    }

    pub(crate) fn not_removed() -> Self {
        Self::err(Text::NotRemoved)
    }
}

impl Reply {
    /// Appends the reply as it is sent. The language changes texts and nothing else.
    pub(crate) fn encode(&self, language: Language, output: &mut Vec<u8>) {
        output.extend_from_slice(self.status.as_bytes());
        if let Status::Err(Some(code)) = self.status {
            output.extend_from_slice(b" [");
            output.extend_from_slice(code.as_str().as_bytes());
            output.push(b']');
        }
        if self.has_space() {
            output.push(b' ');
        }
        match &self.content {
            Content::Text(text) => push_line(&text.in_language(language), output),
            Content::Data(data) => push_line(data, output),
            Content::Tagged(chosen, text) => {
                let text = text.in_language(language);
                push_line(&format!("{} {text}", chosen.tag()), output);
            }
        }
        if let Some(lines) = &self.lines {
            for line in lines {
                push_line(line, output);
            }
            push_line(".", output);
        }
    }

    fn has_space(&self) -> bool {
        self.status == Status::Challenge || self.content != Content::Data(String::new())
    }

    fn try_later() -> Self {
        Self::coded(ResponseCode::SysTemp, Text::TryLater)
    }

    fn in_use() -> Self {
        Self::coded(ResponseCode::InUse, Text::InUse)
    }

    fn ok(text: Text) -> Self {
        Self::new(Status::Ok, Content::Text(text))
    }

    fn data(data: String) -> Self {
        Self::new(Status::Ok, Content::Data(data))
    }

    fn err(text: Text) -> Self {
        Self::new(Status::Err(None), Content::Text(text))
    }

    fn coded(code: ResponseCode, text: Text) -> Self {
        Self::new(Status::Err(Some(code)), Content::Text(text))
    }

    fn new(status: Status, content: Content) -> Self {
        Self {
            status,
            content,
            lines: None,
        }
    }

    fn with_lines(self, lines: Vec<Cow<'static, str>>) -> Self {
        Self {
            lines: Some(lines),
            ..self
        }
    }
}

impl Status {
    fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Ok => b"+OK",
            Self::Err(_) => b"-ERR",
            Self::Challenge => b"+",
        }
    }
}

fn push_line(text: &str, output: &mut Vec<u8>) {
    output.extend_from_slice(text.as_bytes());
    output.extend_from_slice(b"\r\n");
}

/// What is written, in place of the greeting, to somebody who cannot be served at all.
pub fn turned_away(why: TurnedAway) -> &'static [u8] {
    match why {
        TurnedAway::TooManyConnections => b"-ERR [SYS/TEMP] too many connections\r\n",
        TurnedAway::TooManyFromSource => b"-ERR [SYS/TEMP] too many connections from you\r\n",
        TurnedAway::Stopping => b"-ERR [SYS/TEMP] the server is stopping\r\n",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(reply: &Reply) -> String {
        let mut output = Vec::new();
        reply.encode(Language::English, &mut output);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn a_reply_has_status_code_and_text() {
        for (reply, expected) in [
            (Reply::greeting(), "+OK cassmail ready\r\n"),
            (Reply::nothing_done(), "+OK\r\n"),
            (Reply::misuse(Misuse::TooLong), "-ERR line too long\r\n"),
            (
                Reply::login_refused(LoginRefusal::Wrong),
                "-ERR [AUTH] login failed\r\n",
            ),
            (
                Reply::body_refused(BodyRefusal::Damaged),
                "-ERR [SYS/PERM] the message is damaged\r\n",
            ),
            (Reply::challenge(b""), "+ \r\n"),
            (Reply::challenge(b"Username:"), "+ VXNlcm5hbWU6\r\n"),
            (
                Reply::mechanisms(&[Mechanism::Plain, Mechanism::Login]),
                "+OK mechanisms follow\r\nPLAIN\r\nLOGIN\r\n.\r\n",
            ),
        ] {
            assert_eq!(encoded(&reply), expected);
        }
    }

    #[test]
    fn a_language_changes_the_text_and_neither_status_nor_code_nor_numbers() {
        let german = |reply: Reply| {
            let mut output = Vec::new();
            reply.encode(Language::German, &mut output);
            String::from_utf8(output).unwrap()
        };
        for (reply, expected) in [
            (
                Reply::login_refused(LoginRefusal::Wrong),
                "-ERR [AUTH] Anmeldung fehlgeschlagen\r\n",
            ),
            (Reply::size(2, 120), "+OK 2 120\r\n"),
            (Reply::nothing_done(), "+OK\r\n"),
            (
                Reply::language_chosen(Language::German),
                "+OK de die Antworten sind jetzt deutsch\r\n",
            ),
            (
                Reply::languages(),
                "+OK es folgen die Sprachen\r\nen English\r\nde Deutsch\r\n.\r\n",
            ),
        ] {
            assert_eq!(german(reply), expected);
        }
    }

    #[test]
    fn a_removal_is_told_with_the_count_of_its_receipt() {
        let told = |count| encoded(&Reply::removed(Removed::asserted_gone(count)));
        assert_eq!(told(1), "+OK 1 message removed, goodbye\r\n");
        assert_eq!(told(2), "+OK 2 messages removed, goodbye\r\n");
    }

    #[test]
    fn who_is_turned_away_is_told_to_try_later() {
        for why in [
            TurnedAway::TooManyConnections,
            TurnedAway::TooManyFromSource,
            TurnedAway::Stopping,
        ] {
            let text = turned_away(why);
            assert!(text.starts_with(b"-ERR [SYS/TEMP] ") && text.ends_with(b"\r\n"));
        }
    }
}
