//! What CAPA announces (RFC 2449).

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::time::Duration;

use cassmail_wire::sasl::{Channel, Mechanism};

use crate::options::TlsOffer;
use crate::state::Setting;

/// A line of CAPA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Capability<'a> {
    /// RFC 2449 6.1.
    Top,
    /// RFC 2449 6.8.
    Uidl,
    /// RFC 2449 6.2.
    User,
    /// RFC 2449 6.3 and RFC 5034 3.
    Sasl(Vec<Mechanism>),
    /// RFC 2595 4.
    Stls,
    /// RFC 2449 6.6.
    Pipelining,
    /// RFC 2449 6.4.
    RespCodes,
    /// RFC 3206 6.
    AuthRespCode,
    /// RFC 2449 6.7.
    Expire(Expire),
    /// RFC 2449 6.5: the same for all accounts, so no USER stands behind it.
    LoginDelay(Duration),
    /// RFC 6856 2: names and passwords may be UTF-8, so USER stands behind it.
    Utf8,
    /// RFC 6856 3.
    Lang,
    /// RFC 2449 6.9.
    Implementation(&'a str),
}

/// What EXPIRE says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expire {
    Never,
    /// The days of the account.
    Days(NonZeroU32),
    /// The least days that any account may have; after login there is the account's own.
    Least(NonZeroU32),
}

/// Where CAPA is said. All else being equal both lists are the same; RFC 2595 4 has STLS in
/// AUTHORIZATION only, and RFC 2449 6.7 has an EXPIRE of the account's own in TRANSACTION.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SaidIn {
    Authorization,
    Transaction { expire: Option<NonZeroU32> },
}

impl SaidIn {
    fn expire(self, setting: &Setting<'_>) -> Expire {
        match self {
            Self::Authorization => setting.options.expire.map_or(Expire::Never, Expire::Least),
            Self::Transaction { expire } => expire.map_or(Expire::Never, Expire::Days),
        }
    }
}

/// What is announced now.
pub(crate) fn announced<'a>(setting: &Setting<'a>, said_in: SaidIn) -> Vec<Capability<'a>> {
    let mut capabilities = vec![Capability::Top, Capability::Uidl];
    if setting.may_log_in() {
        let mechanisms = setting.options.sasl.mechanisms(setting.channel);
        capabilities.extend([Capability::User, Capability::Sasl(mechanisms)]);
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
        Capability::Expire(said_in.expire(setting)),
    ]);
    let login_delay = setting.options.login_delay;
    capabilities.extend(login_delay.map(Capability::LoginDelay));
    capabilities.extend([Capability::Utf8, Capability::Lang]);
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
            Self::Expire(Expire::Never) => "EXPIRE NEVER".into(),
            Self::Expire(Expire::Days(days)) => format!("EXPIRE {days}").into(),
            Self::Expire(Expire::Least(days)) => format!("EXPIRE {days} USER").into(),
            Self::LoginDelay(delay) => format!("LOGIN-DELAY {}", whole_seconds(*delay)).into(),
            Self::Utf8 => "UTF8 USER".into(),
            Self::Lang => "LANG".into(),
            Self::Implementation(name) => format!("IMPLEMENTATION {name}").into(),
        }
    }
}

/// Rounded up: who waits so long is let in.
fn whole_seconds(delay: Duration) -> u64 {
    let begun = u64::from(delay.subsec_nanos() > 0);
    delay.as_secs().saturating_add(begun)
}

#[cfg(test)]
mod tests {
    use cassmail_wire::ChannelBindings;

    use super::*;
    use crate::options::{ClearTextLogin, Options};
    use crate::state::Modes;

    fn lines(options: &Options, channel: Channel<'_>, said_in: SaidIn) -> Vec<String> {
        let setting = Setting {
            options,
            channel,
            modes: Modes::default(),
        };
        let announced = announced(&setting, said_in);
        announced.iter().map(|c| c.line().into_owned()).collect()
    }

    #[test]
    fn login_is_announced_only_where_it_is_allowed() {
        let mut options = Options::default();
        let clear = lines(&options, Channel::Clear, SaidIn::Authorization);
        assert!(clear.contains(&"STLS".to_owned()));
        assert!(!clear.iter().any(|l| l == "USER" || l.starts_with("SASL")));
        let tls = ChannelBindings::default();
        let encrypted = lines(&options, Channel::Tls(&tls), SaidIn::Authorization);
        assert!(!encrypted.contains(&"STLS".to_owned()));
        assert!(encrypted.contains(&"SASL SCRAM-SHA-256 PLAIN LOGIN".to_owned()));
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
        let after = SaidIn::Transaction { expire: None };
        assert_eq!(before, lines(&options, Channel::Clear, after));
    }

    #[test]
    fn expire_is_the_least_before_login_and_the_accounts_own_after_it() {
        let mut options = Options::default();
        let expire = |options: &Options, said_in| {
            let lines = lines(options, Channel::Tls(&ChannelBindings::default()), said_in);
            lines.into_iter().find(|line| line.starts_with("EXPIRE"))
        };
        let own = |days| SaidIn::Transaction {
            expire: NonZeroU32::new(days),
        };
        let never = Some("EXPIRE NEVER".to_owned());
        assert_eq!(expire(&options, SaidIn::Authorization), never);
        assert_eq!(expire(&options, own(0)), never);
        options.expire = NonZeroU32::new(30);
        let before = expire(&options, SaidIn::Authorization);
        assert_eq!(before.as_deref(), Some("EXPIRE 30 USER"));
        assert_eq!(expire(&options, own(60)).as_deref(), Some("EXPIRE 60"));
        assert_eq!(expire(&options, own(0)), never);
    }

    #[test]
    fn a_login_delay_is_told_in_whole_seconds_and_only_if_there_is_one() {
        let mut options = Options::default();
        let told = |options: &Options| {
            let lines = lines(
                options,
                Channel::Tls(&ChannelBindings::default()),
                SaidIn::Authorization,
            );
            lines
                .into_iter()
                .find(|line| line.starts_with("LOGIN-DELAY"))
        };
        assert_eq!(told(&options), None);
        for (millis, line) in [(300_000, "LOGIN-DELAY 300"), (1_001, "LOGIN-DELAY 2")] {
            options.login_delay = Some(Duration::from_millis(millis));
            assert_eq!(told(&options).as_deref(), Some(line));
        }
    }
}
