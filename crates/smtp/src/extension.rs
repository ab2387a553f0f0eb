//! What EHLO announces. What is announced works to the end.
//!
//! Each extension names its keyword in its framework: RFC 1870 3, RFC 2034 3, RFC 3030 2, RFC 3207
//! 2 and 3, RFC 4954 3, RFC 6152 2 and 3, RFC 6531 3.1, 3.2 and 3.6; PIPELINING is RFC 2920 3.2.

use cassmail_wire::sasl::{Channel, Mechanism};

use crate::reply::WireText;
use crate::server::{AuthOffer, Options, StartTlsOffer};

/// The lines behind the first one of the answer to EHLO (RFC 5321 4.1.1.1), and to LHLO, which has
/// to have PIPELINING and ENHANCEDSTATUSCODES, and should have 8BITMIME (RFC 2033 5).
pub(crate) fn announced(options: &Options, channel: Channel<'_>) -> Vec<WireText> {
    let limits = &options.limits;
    let fixed = [
        "PIPELINING".to_owned(),                         // RFC 2920
        format!("SIZE {}", limits.message_octets),       // RFC 1870
        "8BITMIME".to_owned(),                           // RFC 6152
        "SMTPUTF8".to_owned(),                           // RFC 6531
        "CHUNKING".to_owned(),                           // RFC 3030
        "ENHANCEDSTATUSCODES".to_owned(),                // RFC 2034
        format!("LIMITS RCPTMAX={}", limits.recipients), // RFC 9422 3, RFC 9422 4
    ];
    let mut lines = Vec::from(fixed);
    if offers_starttls(options, channel) {
        lines.push("STARTTLS".to_owned()); // RFC 3207
    }
    if offers_require_tls(channel) {
        lines.push("REQUIRETLS".to_owned()); // RFC 8689
    }
    if offers_auth(options, channel) {
        let mechanisms = options.sasl.mechanisms(channel).into_iter();
        let names: Vec<_> = mechanisms.map(Mechanism::as_str).collect();
        lines.push(format!("AUTH {}", names.join(" "))); // RFC 4954
    }
    lines.into_iter().map(WireText::new).collect()
}

/// Whether TLS may start now.
pub(crate) fn offers_starttls(options: &Options, channel: Channel<'_>) -> bool {
    options.starttls == StartTlsOffer::Offered && channel == Channel::Clear
}

/// Whether a message may be bound to TLS: only where it came under it (RFC 8689 2).
pub(crate) fn offers_require_tls(channel: Channel<'_>) -> bool {
    matches!(channel, Channel::Tls(_))
}

/// Whether users may log in now.
pub(crate) fn offers_auth(options: &Options, channel: Channel<'_>) -> bool {
    match options.auth {
        AuthOffer::Never => false,
        AuthOffer::UnderTls => matches!(channel, Channel::Tls(_)),
        AuthOffer::Always => true,
    }
}
