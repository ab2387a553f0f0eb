//! The fields that this hop writes in front of a message (RFC 5321 4.4, RFC 5322 3.6.7). They tell
//! the address of the client and no more of its network (RFC 5321 7.6).

use std::fmt::Write as _;
use std::net::IpAddr;

use cassmail_mail::{Address, MessageId, ReversePath, UnixTime};
use cassmail_smtp::server::{Helo, Hop};

/// What the trace fields of one message say.
pub(crate) struct Trace<'a> {
    /// Where reports go.
    pub(crate) reverse_path: &'a ReversePath,
    /// How the client introduced itself and was spoken to.
    pub(crate) hop: &'a Hop,
    /// Where the client really is.
    pub(crate) client: IpAddr,
    /// Our name.
    pub(crate) hostname: &'a str,
    /// The message's id, which is also in the 250.
    pub(crate) id: MessageId,
    /// The recipient, if there is just one (RFC 5321 7.2: others must not be told).
    pub(crate) only_recipient: Option<&'a Address>,
    /// Whether every further hop is to be under TLS. It is kept here, in front of what a client can
    /// write: whoever passes the message on finds it in the first `Received` (RFC 8689 4.1).
    pub(crate) require_tls: bool,
    /// When it was accepted.
    pub(crate) received_at: UnixTime,
}

impl Trace<'_> {
    /// `Return-Path`, which is always the first line of a stored body, and `Received`.
    pub(crate) fn fields(&self) -> String {
        let mut fields = String::with_capacity(320);
        // Writing to a string cannot fail.
        let _ = write!(
            fields,
            "Return-Path: {}\r\nReceived: from ",
            self.reverse_path
        );
        let _ = match &self.hop.helo {
            Helo::Domain(domain) => write!(fields, "{domain}"),
            Helo::Literal(address) => write!(fields, "{}", literal(*address)),
            Helo::Other(text) => write!(fields, "{text}"),
        };
        let _ = write!(
            fields,
            " ({})\r\n\tby {}",
            literal(self.client),
            self.hostname
        );
        let _ = write!(fields, " with {}", self.hop.with);
        // RFC 8314 4.3.
        if let Some(tls) = &self.hop.tls {
            let bound = if self.require_tls { " REQUIRETLS" } else { "" };
            let _ = write!(fields, "\r\n\t({} {}{bound})", tls.version, tls.cipher);
        }
        let _ = write!(fields, "\r\n\tid {}", self.id);
        if let Some(recipient) = self.only_recipient {
            let _ = write!(fields, " for <{recipient}>");
        }
        let _ = write!(fields, ";\r\n\t{}\r\n", date(self.received_at));
        fields
    }
}

/// An address literal of RFC 5321 4.1.3.
fn literal(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}

/// A date of RFC 5322 3.3, in UTC.
pub(crate) fn date(time: UnixTime) -> String {
    use jiff::Timestamp;
    use jiff::fmt::rfc2822::DateTimePrinter;
    let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    let timestamp = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
    let zoned = timestamp.to_zoned_datetime(jiff::tz::TimeZone::UTC);
    DateTimePrinter::new()
        .zoned_datetime_to_string(&zoned)
        .unwrap_or_else(|_| "Thu, 1 Jan 1970 00:00:00 +0000".to_owned())
}

#[cfg(test)]
mod tests {
    use cassmail_mail::{IdMinter, NodeId};

    use super::*;

    #[test]
    fn dates_are_in_utc() {
        let time = UnixTime::from_micros(1_700_000_000_000_000);
        assert_eq!(date(time), "Tue, 14 Nov 2023 22:13:20 +0000");
    }

    /// RFC 5322 3.6.7, RFC 5321 7.6.
    #[test]
    fn the_fields_name_the_hop() {
        let received_at = UnixTime::from_micros(1_700_000_000_000_000);
        let id = IdMinter::new(NodeId::from_random(1)).mint(received_at);
        let recipient = "bob@example.org".parse().unwrap();
        let trace = Trace {
            reverse_path: &ReversePath::Null,
            hop: &Hop {
                helo: Helo::Other("my-pc".to_owned()),
                with: "ESMTP",
                tls: None,
            },
            client: "2001:db8::1".parse().unwrap(),
            hostname: "mx.example.org",
            id,
            only_recipient: Some(&recipient),
            require_tls: false,
            received_at,
        };
        assert_eq!(
            trace.fields(),
            format!(
                "Return-Path: <>\r\nReceived: from my-pc ([IPv6:2001:db8::1])\r\n\
                 \tby mx.example.org with ESMTP\r\n\tid {id} for <bob@example.org>;\r\n\
                 \tTue, 14 Nov 2023 22:13:20 +0000\r\n"
            )
        );
    }
}
