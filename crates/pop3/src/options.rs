//! What a listener offers.

use std::num::NonZeroU32;
use std::time::Duration;

use cassmail_wire::sasl::Offer;

use crate::limits::Limits;
use crate::texts::Language;

/// What the sessions of a listener offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whether a session in clear can start TLS.
    pub tls: TlsOffer,
    /// Whether a session in clear may log in.
    pub clear_text_login: ClearTextLogin,
    /// By what users log in, besides passwords.
    pub sasl: Offer,
    /// What CAPA says after IMPLEMENTATION; none to say nothing.
    pub implementation: Option<String>,
    /// What EXPIRE says before login: for so many days the mail of any account stays at least.
    /// None: no mail is ever removed but by its owner.
    pub expire: Option<NonZeroU32>,
    /// What LOGIN-DELAY says: the pause between two logins of an account. None: none is needed.
    pub login_delay: Option<Duration>,
    /// What `LANG *` chooses.
    pub language: Language,
    /// What a session bears.
    pub limits: Limits,
}

/// Whether STLS is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsOffer {
    /// There is a certificate.
    Offered,
    /// There is none.
    Absent,
}

/// Whether passwords may travel in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClearTextLogin {
    /// They may: for networks that are trusted, or encrypted below.
    Allowed,
    /// They may not; TLS comes first (RFC 8314 4.1).
    Refused,
}

impl Default for Options {
    /// TLS is needed to log in.
    fn default() -> Self {
        Self {
            tls: TlsOffer::Offered,
            clear_text_login: ClearTextLogin::Refused,
            sasl: Offer::default(),
            implementation: Some("cassmail".to_owned()),
            expire: None,
            login_delay: None,
            language: Language::English,
            limits: Limits::default(),
        }
    }
}
