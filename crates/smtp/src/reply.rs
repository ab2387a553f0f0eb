//! Everything the server ever says (RFC 5321 2.3.7).
//!
//! Constructors are named after the event; there is no other way to make a reply. The class is
//! chosen once, and the first digits of both numbers, that of RFC 5321 4.2 and that of RFC 3463,
//! come from it.

use std::borrow::Cow;
use std::fmt;

use cassmail_mail::{Domain, Stored};
use cassmail_wire::TextFault;

/// What a reply means for the client's next step (RFC 5321 4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// 2yz: it is done.
    Done,
    /// 3yz: go on.
    Continue,
    /// 4yz: not now, the same may succeed later.
    TryLater,
    /// 5yz: never.
    Never,
}

impl Class {
    /// All of them, in the order of their digits.
    pub const ALL: [Self; 4] = [Self::Done, Self::Continue, Self::TryLater, Self::Never];

    /// The first digit.
    pub fn digit(self) -> u8 {
        match self {
            Self::Done => 2,
            Self::Continue => 3,
            Self::TryLater => 4,
            Self::Never => 5,
        }
    }
}

/// A text that can be put into a reply: printable ASCII, also after SMTPUTF8 (RFC 6531 3.7.4), and
/// never anything that a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireText(Cow<'static, str>);

impl WireText {
    /// Takes a text of ours; what is not printable ASCII becomes a question mark.
    pub fn new(text: String) -> Self {
        if text.bytes().all(is_printable) {
            return Self(Cow::Owned(text));
        }
        let printable = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
        Self(Cow::Owned(text.chars().map(printable).collect()))
    }

    fn of(text: &'static str) -> Self {
        debug_assert!(text.bytes().all(is_printable), "not for the wire: {text}");
        Self(Cow::Borrowed(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// The subject and the detail of an enhanced status code (RFC 3463 2); its class is the reply's.
/// Subjects: address (RFC 3463 3.2), mailbox (3.3), system (RFC 3463 3.4), network (RFC 3463 3.5),
/// protocol (RFC 3463 3.6), content (RFC 3463 3.7), security (RFC 3463 3.8).
type Status = (u8, u8);

/// One reply, of one or more lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    class: Class,
    /// The second and third digit of the code.
    detail: u8,
    /// None where RFC 2034 4 has none: in greetings, answers to EHLO and HELO, and 3yz.
    status: Option<Status>,
    text: WireText,
    /// Further lines; only EHLO has them.
    more: Vec<WireText>,
}

/// The octets of a reply line with its CRLF (RFC 5321 4.5.3.1.5). Challenges may be longer, see
/// RFC 4954 4.
const LINE_LIMIT: usize = 512;

impl Reply {
    /// The class.
    pub fn class(&self) -> Class {
        self.class
    }

    /// The three digits.
    pub fn code(&self) -> u16 {
        let hundreds = u16::from(self.class.digit()).saturating_mul(100);
        hundreds.saturating_add(u16::from(self.detail))
    }

    /// The enhanced status, as in `5.1.1`.
    pub fn status(&self) -> Option<(u8, u8, u8)> {
        let (subject, detail) = self.status?;
        Some((self.class.digit(), subject, detail))
    }

    /// The text of the first line.
    pub fn text(&self) -> &str {
        self.text.as_str()
    }

    /// Appends the reply as it is sent.
    pub fn encode(&self, output: &mut Vec<u8>) {
        let mut lines = std::iter::once(&self.text).chain(&self.more).peekable();
        while let Some(text) = lines.next() {
            let separator = if lines.peek().is_some() { b'-' } else { b' ' };
            self.encode_line(separator, text, output);
        }
    }

    fn encode_line(&self, separator: u8, text: &WireText, output: &mut Vec<u8>) {
        let begin = output.len();
        output.extend_from_slice(&self.digits());
        output.push(separator);
        if let Some((subject, detail)) = self.status {
            let digit = |number: u8| b'0'.saturating_add(number % 10);
            output.extend_from_slice(&[digit(self.class.digit()), b'.', digit(subject), b'.']);
            if detail >= 10 {
                output.push(digit(detail / 10));
            }
            output.extend_from_slice(&[digit(detail), b' ']);
        }
        output.extend_from_slice(text.as_str().as_bytes());
        if self.class != Class::Continue {
            output.truncate(begin.saturating_add(LINE_LIMIT).saturating_sub(2));
        }
        output.extend_from_slice(b"\r\n");
    }

    fn digits(&self) -> [u8; 3] {
        let digit = |number: u8| b'0'.saturating_add(number % 10);
        [
            digit(self.class.digit()),
            digit(self.detail / 10),
            digit(self.detail),
        ]
    }

    fn new(class: Class, detail: u8, status: Option<Status>, text: &'static str) -> Self {
        Self {
            class,
            detail,
            status,
            text: WireText::of(text),
            more: Vec::new(),
        }
    }

    fn done(detail: u8, status: Status, text: &'static str) -> Self {
        Self::new(Class::Done, detail, Some(status), text)
    }

    fn try_later(detail: u8, status: Status, text: &'static str) -> Self {
        Self::new(Class::TryLater, detail, Some(status), text)
    }

    fn never(detail: u8, status: Status, text: &'static str) -> Self {
        Self::new(Class::Never, detail, Some(status), text)
    }

    fn with_text(self, text: String) -> Self {
        Self {
            text: WireText::new(text),
            ..self
        }
    }
}

impl fmt::Display for Reply {
    /// Writes code, status and first line, for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.code())?;
        if let Some((class, subject, detail)) = self.status() {
            write!(f, "{class}.{subject}.{detail} ")?;
        }
        f.write_str(self.text())
    }
}

/// The promise.
impl Reply {
    /// The message is safe. The only reply that says so, and it needs a store's receipt.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the receipt is used up: one receipt, one 250"
    )]
    pub fn stored(receipt: Stored) -> Self {
        Self::done(50, (0, 0), "").with_text(format!("stored as {}", receipt.id()))
    }
}

/// The session goes on, 2yz and 3yz.
impl Reply {
    /// RFC 5321 3.1; no version is told (RFC 5321 7.5).
    pub(crate) fn greeting(hostname: &Domain, protocol: &str) -> Self {
        Self::new(Class::Done, 20, None, "").with_text(format!("{hostname} {protocol} cassmail"))
    }

    pub(crate) fn hello(hostname: &Domain) -> Self {
        Self::new(Class::Done, 50, None, "").with_text(hostname.to_string())
    }

    pub(crate) fn extended_hello(hostname: &Domain, extensions: Vec<WireText>) -> Self {
        Self {
            more: extensions,
            ..Self::hello(hostname)
        }
    }

    pub(crate) fn sender_accepted() -> Self {
        Self::done(50, (1, 0), "sender ok")
    }

    pub(crate) fn recipient_accepted() -> Self {
        Self::done(50, (1, 5), "recipient ok")
    }

    pub(crate) fn begin_text() -> Self {
        Self::new(Class::Continue, 54, None, "end with a line that is a dot")
    }

    pub(crate) fn chunk_taken(octets: u64) -> Self {
        Self::done(50, (0, 0), "").with_text(format!("{octets} octets taken"))
    }

    pub(crate) fn reset() -> Self {
        Self::done(50, (0, 0), "nothing is open")
    }

    pub(crate) fn noop() -> Self {
        Self::done(50, (0, 0), "here")
    }

    pub(crate) fn help() -> Self {
        Self::done(14, (0, 0), "RFC 5321 says it all")
    }

    pub(crate) fn cannot_verify() -> Self {
        Self::done(52, (0, 0), "send mail and see")
    }

    pub(crate) fn goodbye() -> Self {
        Self::done(21, (0, 0), "goodbye")
    }

    pub(crate) fn start_tls() -> Self {
        Self::done(20, (0, 0), "start TLS")
    }

    pub(crate) fn challenge(encoded: String) -> Self {
        Self::new(Class::Continue, 34, None, "").with_text(encoded)
    }

    pub(crate) fn logged_in() -> Self {
        Self::done(35, (7, 0), "logged in")
    }
}

/// Not now, 4yz.
impl Reply {
    pub(crate) fn timed_out() -> Self {
        Self::try_later(21, (4, 2), "too long without a word, closing")
    }

    /// RFC 5321 3.8.
    pub(crate) fn stopping() -> Self {
        Self::try_later(21, (3, 2), "the server is stopping, closing")
    }

    pub(crate) fn too_many_errors() -> Self {
        Self::try_later(21, (7, 0), "too many errors, closing")
    }

    pub(crate) fn another_protocol() -> Self {
        Self::try_later(21, (7, 0), "SMTP is spoken here, closing")
    }

    pub(crate) fn bug() -> Self {
        Self::try_later(21, (3, 0), "the server is confused, closing")
    }

    pub(crate) fn fault() -> Self {
        Self::try_later(51, (3, 0), "a fault of ours, try again later")
    }

    /// RFC 5321 4.5.3.1.9.
    pub(crate) fn full() -> Self {
        Self::try_later(52, (3, 1), "no room for messages, try again later")
    }

    /// RFC 3463 3.3: the owner can make room.
    pub(crate) fn mailbox_full() -> Self {
        Self::try_later(52, (2, 2), "this mailbox is full, try again later")
    }

    pub(crate) fn too_many_recipients() -> Self {
        Self::try_later(52, (5, 3), "too many recipients, send another message")
    }

    pub(crate) fn login_later() -> Self {
        Self::try_later(54, (7, 0), "cannot log in now, try again later")
    }

    pub(crate) fn too_many_logins() -> Self {
        Self::try_later(54, (7, 0), "too many logins, try again later")
    }

    pub(crate) fn too_many_messages() -> Self {
        Self::try_later(50, (7, 1), "too many messages from you, try again later")
    }

    pub(crate) fn too_many_recipients_from_you() -> Self {
        Self::try_later(50, (7, 1), "too many recipients from you, try again later")
    }

    pub(crate) fn too_busy() -> Self {
        Self::try_later(21, (3, 2), "the server is too busy, closing")
    }
}

/// Commands that are wrong in themselves or at this point, 5yz.
impl Reply {
    pub(crate) fn unknown_verb() -> Self {
        Self::never(0, (5, 2), "no such command")
    }

    /// RFC 2033 4.1: a client that speaks SMTP to this port is to notice.
    pub(crate) fn lmtp_is_spoken() -> Self {
        Self::never(0, (5, 1), "LMTP is spoken here, say LHLO")
    }

    pub(crate) fn line_too_long() -> Self {
        Self::never(0, (5, 2), "line too long")
    }

    pub(crate) fn auth_line_too_long() -> Self {
        Self::never(0, (5, 6), "line too long")
    }

    pub(crate) fn control_character() -> Self {
        Self::never(1, (5, 2), "a command has no control characters")
    }

    pub(crate) fn not_utf8() -> Self {
        Self::never(1, (5, 2), "a command is ASCII or UTF-8")
    }

    pub(crate) fn name_missing() -> Self {
        Self::never(1, (5, 4), "say your name")
    }

    pub(crate) fn argument_missing() -> Self {
        Self::never(1, (5, 4), "an argument is missing")
    }

    pub(crate) fn argument_unexpected() -> Self {
        Self::never(1, (5, 4), "this command has no argument")
    }

    pub(crate) fn bad_sender() -> Self {
        Self::never(1, (1, 7), "say MAIL FROM:<address>")
    }

    pub(crate) fn bad_recipient() -> Self {
        Self::never(1, (1, 3), "say RCPT TO:<address>")
    }

    pub(crate) fn bad_parameter() -> Self {
        Self::never(1, (5, 4), "a parameter is malformed or there twice")
    }

    /// RFC 5321 4.1.1.11.
    pub(crate) fn unknown_parameter() -> Self {
        Self::never(55, (5, 4), "no such parameter")
    }

    pub(crate) fn bad_chunk() -> Self {
        Self::never(1, (5, 4), "say BDAT octets or BDAT octets LAST, closing")
    }

    /// 502 for what is known and absent (RFC 5321 4.2.4).
    pub(crate) fn not_offered() -> Self {
        Self::never(2, (5, 1), "not offered here")
    }

    pub(crate) fn say_hello_first() -> Self {
        Self::never(3, (5, 1), "introduce yourself first")
    }

    pub(crate) fn sender_first() -> Self {
        Self::never(3, (5, 1), "say MAIL first")
    }

    pub(crate) fn recipient_first() -> Self {
        Self::never(3, (5, 1), "say RCPT first")
    }

    /// RFC 2033 4.2: where every recipient has its reply, DATA without any is out of order.
    pub(crate) fn nobody_accepted() -> Self {
        Self::never(3, (5, 1), "no valid recipients")
    }

    pub(crate) fn transaction_open() -> Self {
        Self::never(3, (5, 1), "a message is open, end it or say RSET")
    }

    pub(crate) fn chunk_was_refused() -> Self {
        Self::never(3, (5, 1), "a chunk was refused, say RSET")
    }

    pub(crate) fn tls_is_on() -> Self {
        Self::never(3, (5, 1), "TLS is on")
    }

    pub(crate) fn already_logged_in() -> Self {
        Self::never(3, (5, 1), "already logged in")
    }

    pub(crate) fn utf8_not_announced() -> Self {
        Self::never(53, (6, 7), "an address like this needs SMTPUTF8")
    }
}

/// Logins, 5yz (RFC 4954 6).
impl Reply {
    pub(crate) fn tls_first() -> Self {
        Self::never(30, (7, 0), "say STARTTLS first")
    }

    pub(crate) fn login_first() -> Self {
        Self::never(30, (7, 0), "log in first")
    }

    pub(crate) fn login_needs_tls() -> Self {
        Self::never(38, (7, 11), "logging in needs TLS")
    }

    pub(crate) fn unknown_mechanism() -> Self {
        Self::never(4, (5, 4), "no such mechanism")
    }

    pub(crate) fn bad_response() -> Self {
        Self::never(1, (5, 2), "cannot read this response")
    }

    pub(crate) fn login_cancelled() -> Self {
        Self::never(1, (7, 0), "cancelled")
    }

    pub(crate) fn wrong_credentials() -> Self {
        Self::never(35, (7, 8), "wrong name or password")
    }
}

/// Senders, recipients and messages that are refused, 5yz.
impl Reply {
    /// RFC 6409 3.2, 4.1.
    pub(crate) fn not_your_address() -> Self {
        Self::never(53, (7, 1), "this sender is not yours")
    }

    pub(crate) fn unknown_recipient() -> Self {
        Self::never(50, (1, 1), "no such mailbox")
    }

    pub(crate) fn not_local() -> Self {
        Self::never(50, (7, 1), "no mail for this domain here")
    }

    /// RFC 3463 3.3.
    pub(crate) fn disabled_recipient() -> Self {
        Self::never(50, (2, 1), "this mailbox is out of service")
    }

    /// RFC 3463 3.3.
    pub(crate) fn mailbox_full_for_long() -> Self {
        Self::never(52, (2, 2), "this mailbox has been full for long")
    }

    /// RFC 3463 3.3: whatever its owner removes, it would not fit.
    pub(crate) fn larger_than_the_mailbox() -> Self {
        Self::never(52, (2, 3), "the message is larger than this mailbox may be")
    }

    pub(crate) fn no_valid_recipients() -> Self {
        Self::never(54, (5, 1), "no valid recipients")
    }

    pub(crate) fn too_large() -> Self {
        Self::never(52, (3, 4), "message too large")
    }

    pub(crate) fn bad_text(fault: TextFault) -> Self {
        let text = match fault {
            TextFault::BareCr => "a CR without an LF in the message",
            TextFault::BareLf => "an LF without a CR in the message",
            TextFault::Nul => "a NUL in the message",
        };
        Self::never(50, (6, 0), text)
    }

    pub(crate) fn mail_loop() -> Self {
        Self::never(54, (4, 6), "too many hops, this is a loop")
    }
}

#[cfg(test)]
mod tests {
    use cassmail_mail::MessageId;

    use super::*;

    fn encoded(reply: &Reply) -> String {
        let mut output = Vec::new();
        reply.encode(&mut output);
        String::from_utf8(output).unwrap()
    }

    /// RFC 2034 4.
    #[test]
    fn both_numbers_have_the_class() {
        assert_eq!(
            encoded(&Reply::unknown_recipient()),
            "550 5.1.1 no such mailbox\r\n"
        );
        assert_eq!(
            encoded(&Reply::login_needs_tls()),
            "538 5.7.11 logging in needs TLS\r\n"
        );
        assert_eq!(Reply::full().code(), 452);
        assert_eq!(Reply::full().status(), Some((4, 3, 1)));
    }

    #[test]
    fn a_receipt_becomes_the_only_250_for_a_message() {
        let id = MessageId::from_key([7; 16]);
        let reply = Reply::stored(Stored::asserted_durable(id));
        assert_eq!(encoded(&reply), format!("250 2.0.0 stored as {id}\r\n"));
    }

    #[test]
    fn lines_of_a_reply_are_joined_by_hyphens() {
        let hostname: Domain = "here.example".parse().unwrap();
        let extensions = vec![WireText::of("PIPELINING"), WireText::of("8BITMIME")];
        assert_eq!(
            encoded(&Reply::extended_hello(&hostname, extensions)),
            "250-here.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
        );
    }

    #[test]
    fn a_line_has_at_most_512_octets_and_no_controls() {
        let text = "a\r\nb\u{fc}".repeat(400);
        let line = encoded(&Reply::noop().with_text(text));
        assert_eq!(line.len(), LINE_LIMIT);
        assert!(line.starts_with("250 2.0.0 a??b?a"));
        assert_eq!(line.find('\r'), Some(LINE_LIMIT - 2));
    }
}
