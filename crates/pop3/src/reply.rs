//! Everything the server ever says, apart from listings and messages themselves.
//!
//! A reply is made by one of the functions here and by nothing else, so this page is the whole
//! vocabulary. Only `Reply::encode` makes bytes.

use std::borrow::Cow;

use cassmail_mail::Removed;
use cassmail_wire::TurnedAway;
use cassmail_wire::sasl::{Mechanism, encode_challenge};

use crate::capability::Capability;
use crate::command::Misuse;
use crate::maildrop::{Absent, Totals};
use crate::options::TlsOffer;
use crate::question::{BodyRefusal, LoginRefusal, MaildropRefusal};

/// One reply. Where a listing or a message follows, it is the line in front of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    status: Status,
    text: Cow<'static, str>,
    /// The lines of a multi-line reply that is known as a whole.
    lines: Option<Vec<Cow<'static, str>>>,
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
            Self::SysTemp => "SYS/TEMP",
            Self::SysPerm => "SYS/PERM",
        }
    }
}

/// Of the session as a whole.
impl Reply {
    pub(crate) fn greeting() -> Self {
        Self::ok("cassmail ready")
    }

    pub(crate) fn misuse(misuse: Misuse) -> Self {
        Self::err(misuse.text())
    }

    pub(crate) fn too_many_misuses() -> Self {
        Self::err("too many bad commands, goodbye")
    }

    pub(crate) fn not_http() -> Self {
        Self::err("this is a POP3 server, goodbye")
    }

    pub(crate) fn capabilities(capabilities: &[Capability]) -> Self {
        let lines = capabilities.iter().map(Capability::line).collect();
        Self::ok("capabilities follow").with_lines(lines)
    }

    pub(crate) fn goodbye() -> Self {
        Self::ok("goodbye")
    }
}

/// Of AUTHORIZATION.
impl Reply {
    /// The same for all names, so that it tells nothing (RFC 1939 13).
    pub(crate) fn name_noted() -> Self {
        Self::ok("send PASS")
    }

    /// RFC 2595 2.2, 2.3. No response code: the credentials are not wrong, and nobody should be
    /// asked for others.
    pub(crate) fn tls_needed(tls: TlsOffer) -> Self {
        match tls {
            TlsOffer::Offered => Self::err("TLS is needed to log in, send STLS first"),
            TlsOffer::Absent => Self::err("TLS is needed to log in, use the port for TLS"),
        }
    }

    pub(crate) fn begin_tls() -> Self {
        Self::ok("begin TLS")
    }

    pub(crate) fn tls_absent() -> Self {
        Self::err("TLS is not available")
    }

    pub(crate) fn tls_active() -> Self {
        Self::err("TLS is active already")
    }

    pub(crate) fn mechanisms(mechanisms: &[Mechanism]) -> Self {
        let lines = mechanisms.iter().map(|m| m.as_str().into()).collect();
        Self::ok("mechanisms follow").with_lines(lines)
    }

    pub(crate) fn unknown_mechanism() -> Self {
        Self::err("unknown mechanism")
    }

    pub(crate) fn challenge(challenge: &[u8]) -> Self {
        Self::new(Status::Challenge, encode_challenge(challenge))
    }

    pub(crate) fn exchange_cancelled() -> Self {
        Self::err("authentication cancelled")
    }

    pub(crate) fn logged_in(totals: Totals) -> Self {
        Self::ok(format!("maildrop has {}", counted(totals)))
    }

    pub(crate) fn login_refused(refusal: LoginRefusal) -> Self {
        match refusal {
            LoginRefusal::Wrong => Self::coded(ResponseCode::Auth, "login failed"),
            LoginRefusal::TryLater => Self::try_later(),
            LoginRefusal::TooMany => {
                Self::coded(ResponseCode::SysTemp, "too many logins, try again later")
            }
            LoginRefusal::InUse => Self::in_use(),
        }
    }

    pub(crate) fn maildrop_refused(refusal: MaildropRefusal) -> Self {
        match refusal {
            MaildropRefusal::TryLater => Self::try_later(),
            MaildropRefusal::TooMany => {
                Self::coded(ResponseCode::SysTemp, "too many sessions, try again later")
            }
            MaildropRefusal::InUse => Self::in_use(),
        }
    }
}

/// Of TRANSACTION.
impl Reply {
    pub(crate) fn stat(totals: Totals) -> Self {
        Self::ok(format!("{} {}", totals.messages, totals.octets))
    }

    pub(crate) fn listing_follows(totals: Totals) -> Self {
        Self::ok(counted(totals))
    }

    pub(crate) fn unique_ids_follow() -> Self {
        Self::ok("unique ids follow")
    }

    /// Of LIST with a number.
    pub(crate) fn size(number: usize, octets: u64) -> Self {
        Self::ok(format!("{number} {octets}"))
    }

    /// Of UIDL with a number.
    pub(crate) fn unique_id(number: usize, uidl: &str) -> Self {
        Self::ok(format!("{number} {uidl}"))
    }

    pub(crate) fn message_follows(octets: u64) -> Self {
        Self::ok(format!("{octets} octets"))
    }

    pub(crate) fn top_follows() -> Self {
        Self::ok("top of message follows")
    }

    pub(crate) fn marked(number: usize) -> Self {
        Self::ok(format!("message {number} marked"))
    }

    pub(crate) fn unmarked(totals: Totals) -> Self {
        Self::ok(format!("maildrop has {}", counted(totals)))
    }

    pub(crate) fn nothing_done() -> Self {
        Self::ok("")
    }

    pub(crate) fn absent(absent: Absent) -> Self {
        match absent {
            Absent::NoSuchMessage => Self::err("no such message"),
            Absent::Marked => Self::err("message is marked as deleted"),
        }
    }

    pub(crate) fn body_refused(refusal: BodyRefusal) -> Self {
        match refusal {
            BodyRefusal::Gone => Self::err("another session removed the message"),
            BodyRefusal::TryLater => Self::try_later(),
            BodyRefusal::Damaged => Self::coded(ResponseCode::SysPerm, "the message is damaged"),
        }
    }

    /// The +OK to a QUIT that removes: made from the store's receipt, which it spends.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "one receipt makes one reply, so it is spent here"
    )]
    pub(crate) fn removed(receipt: Removed) -> Self {
        match receipt.count() {
            1 => Self::ok("1 message removed, goodbye"),
            count => Self::ok(format!("{count} messages removed, goodbye")),
        }
    }

    /// In the words of RFC 1939 6.
    pub(crate) fn not_removed() -> Self {
        Self::err("some deleted messages not removed")
    }
}

impl Reply {
    /// Appends the reply as it is sent.
    pub(crate) fn encode(&self, output: &mut Vec<u8>) {
        output.extend_from_slice(self.status.as_bytes());
        if let Status::Err(Some(code)) = self.status {
            output.extend_from_slice(b" [");
            output.extend_from_slice(code.as_str().as_bytes());
            output.push(b']');
        }
        if self.has_space() {
            output.push(b' ');
        }
        push_line(&self.text, output);
        if let Some(lines) = &self.lines {
            for line in lines {
                push_line(line, output);
            }
            push_line(".", output);
        }
    }

    fn has_space(&self) -> bool {
        self.status == Status::Challenge || !self.text.is_empty()
    }

    fn try_later() -> Self {
        Self::coded(ResponseCode::SysTemp, "try again later")
    }

    fn in_use() -> Self {
        Self::coded(ResponseCode::InUse, "another session has the maildrop")
    }

    fn ok(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::Ok, text)
    }

    fn err(text: &'static str) -> Self {
        Self::new(Status::Err(None), text)
    }

    fn coded(code: ResponseCode, text: &'static str) -> Self {
        Self::new(Status::Err(Some(code)), text)
    }

    fn new(status: Status, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            text: text.into(),
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

fn counted(totals: Totals) -> String {
    let plural = if totals.messages == 1 { "" } else { "s" };
    format!(
        "{} message{plural} ({} octets)",
        totals.messages, totals.octets
    )
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
        reply.encode(&mut output);
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
                Reply::mechanisms(&Mechanism::ALL),
                "+OK mechanisms follow\r\nPLAIN\r\nLOGIN\r\n.\r\n",
            ),
        ] {
            assert_eq!(encoded(&reply), expected);
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
