//! What CAPA announces (RFC 2449).

use std::borrow::Cow;

use cassmail_wire::sasl::Mechanism;

use crate::options::TlsOffer;
use crate::state::{Channel, Setting};

/// A line of CAPA. EXPIRE, LOGIN-DELAY (RFC 2449 6.5 and 6.7), UTF8 and LANG (RFC 6856) belong here
/// once there is something true to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capability<'a> {
    /// RFC 2449 6.1.
    Top,
    /// RFC 2449 6.8.
    Uidl,
    /// RFC 2449 6.2.
    User,
    /// RFC 2449 6.3 and RFC 5034 3.
    Sasl(&'a [Mechanism]),
    /// RFC 2595 4.
    Stls,
    /// RFC 2449 6.6.
    Pipelining,
    /// RFC 2449 6.4.
    RespCodes,
    /// RFC 3206 6.
    AuthRespCode,
    /// RFC 2449 6.9.
    Implementation(&'a str),
}

/// Where CAPA is said. All else being equal both lists are the same; RFC 2595 4 has STLS in
/// AUTHORIZATION only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SaidIn {
    Authorization,
    Transaction,
}

/// What is announced now.
pub(crate) fn announced<'a>(setting: &Setting<'a>, said_in: SaidIn) -> Vec<Capability<'a>> {
    let mut capabilities = vec![Capability::Top, Capability::Uidl];
    if setting.may_log_in() {
        capabilities.extend([Capability::User, Capability::Sasl(&Mechanism::ALL)]);
    }
    let can_start_tls =
        setting.channel == Channel::Clear && setting.options.tls == TlsOffer::Offered;
    if can_start_tls && said_in == SaidIn::Authorization {
        capabilities.push(Capability::Stls);
    }
    capabilities.extend([
        Capability::Pipelining,
        Capability::RespCodes,
        Capability::AuthRespCode,
    ]);
    let implementation = setting.options.implementation.as_deref();
    capabilities.extend(implementation.map(Capability::Implementation));
    capabilities
}

impl Capability<'_> {
    /// As it is written.
    pub(crate) fn line(&self) -> Cow<'static, str> {
        match self {
            Self::Top => "TOP".into(),
            Self::Uidl => "UIDL".into(),
            Self::User => "USER".into(),
            Self::Sasl(mechanisms) => {
                let names = mechanisms.iter().map(|mechanism| mechanism.as_str());
                names
                    .fold("SASL".to_owned(), |line, name| line + " " + name)
                    .into()
            }
            Self::Stls => "STLS".into(),
            Self::Pipelining => "PIPELINING".into(),
            Self::RespCodes => "RESP-CODES".into(),
            Self::AuthRespCode => "AUTH-RESP-CODE".into(),
            Self::Implementation(name) => format!("IMPLEMENTATION {name}").into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{ClearTextLogin, Options};

    fn lines(options: &Options, channel: Channel, said_in: SaidIn) -> Vec<String> {
        let setting = Setting { options, channel };
        let announced = announced(&setting, said_in);
        announced.iter().map(|c| c.line().into_owned()).collect()
    }

    #[test]
    fn login_is_announced_only_where_it_is_allowed() {
        let mut options = Options::default();
        let clear = lines(&options, Channel::Clear, SaidIn::Authorization);
        assert!(clear.contains(&"STLS".to_owned()));
        assert!(!clear.iter().any(|l| l == "USER" || l.starts_with("SASL")));
        let encrypted = lines(&options, Channel::Encrypted, SaidIn::Authorization);
        assert!(!encrypted.contains(&"STLS".to_owned()));
        assert!(encrypted.contains(&"SASL PLAIN LOGIN".to_owned()));
        options.clear_text_login = ClearTextLogin::Allowed;
        let allowed = lines(&options, Channel::Clear, SaidIn::Authorization);
        assert!(allowed.contains(&"USER".to_owned()) && allowed.contains(&"STLS".to_owned()));
    }

    #[test]
    fn both_states_announce_the_same_but_for_stls() {
        let options = Options {
            clear_text_login: ClearTextLogin::Allowed,
            ..Options::default()
        };
        let mut before = lines(&options, Channel::Clear, SaidIn::Authorization);
        before.retain(|line| line != "STLS");
        assert_eq!(before, lines(&options, Channel::Clear, SaidIn::Transaction));
    }
}
