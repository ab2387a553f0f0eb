//! English.

use std::borrow::Cow;

use super::Text;
use crate::command::Misuse;
use crate::maildrop::Totals;
use crate::options::TlsOffer;

pub(super) fn text(text: Text) -> Cow<'static, str> {
    match text {
        Text::Ready => "cassmail ready",
        Text::Misuse(misuse) => self::misuse(misuse),
        Text::TooManyMisuses => "too many bad commands, goodbye",
        Text::NotHttp => "this is a POP3 server, goodbye",
        Text::CapabilitiesFollow => "capabilities follow",
        Text::Goodbye => "goodbye",
        Text::SendPass => "send PASS",
        Text::TlsNeeded(TlsOffer::Offered) => "TLS is needed to log in, send STLS first",
        Text::TlsNeeded(TlsOffer::Absent) => "TLS is needed to log in, use the port for TLS",
        Text::BeginTls => "begin TLS",
        Text::TlsAbsent => "TLS is not available",
        Text::TlsActive => "TLS is active already",
        Text::TlsBehindUtf8 => "STLS has to come before UTF8",
        Text::Utf8Enabled => "UTF-8 enabled",
        Text::LanguagesFollow => "languages follow",
        Text::LanguageChosen => "replies are in English now",
        Text::UnknownLanguage => "no such language here",
        Text::MechanismsFollow => "mechanisms follow",
        Text::UnknownMechanism => "unknown mechanism",
        Text::ExchangeCancelled => "authentication cancelled",
        Text::MaildropHas(totals) => return format!("maildrop has {}", counted(totals)).into(),
        Text::LoginFailed => "login failed",
        Text::LoginTooSoon => "the last login was a moment ago, wait before the next",
        Text::TooManyLogins => "too many logins, try again later",
        Text::TooManySessions => "too many sessions, try again later",
        Text::TryLater => "try again later",
        Text::InUse => "another session has the maildrop",
        Text::Listing(totals) => return counted(totals).into(),
        Text::UniqueIdsFollow => "unique ids follow",
        Text::Octets(octets) => return format!("{octets} octets").into(),
        Text::TopFollows => "top of message follows",
        Text::MessageMarked(number) => return format!("message {number} marked").into(),
        Text::NoSuchMessage => "no such message",
        Text::MarkedAlready => "message is marked as deleted",
        Text::RemovedElsewhere => "another session removed the message",
        Text::Damaged => "the message is damaged",
        Text::Removed(1) => "1 message removed, goodbye",
        Text::Removed(count) => return format!("{count} messages removed, goodbye").into(),
        // In the words of RFC 1939 6.
        Text::NotRemoved => "some deleted messages not removed",
    }
    .into()
}

/// Also what an operator reads in the log.
pub(crate) fn misuse(misuse: Misuse) -> &'static str {
    match misuse {
        Misuse::TooLong => "line too long",
        Misuse::ControlCharacter => "control characters are not allowed",
        Misuse::UnknownVerb => "unknown command",
        Misuse::ArgumentMissing => "argument missing",
        Misuse::ArgumentTooMany => "too many arguments",
        Misuse::NotANumber => "argument is not a number",
        Misuse::NotUtf8 => "argument is not UTF-8",
        Misuse::NotALanguage => "argument is not a language range",
        Misuse::NotNow => "command not allowed now",
        Misuse::UserMissing => "send USER first",
        Misuse::BadResponse => "malformed response",
    }
}

fn counted(totals: Totals) -> String {
    let plural = if totals.messages == 1 { "" } else { "s" };
    let Totals { messages, octets } = totals;
    format!("{messages} message{plural} ({octets} octets)")
}
