//! What a listener offers.

use crate::limits::Limits;

/// What the sessions of a listener offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whether a session in clear can start TLS.
    pub tls: TlsOffer,
    /// Whether a session in clear may log in.
    pub clear_text_login: ClearTextLogin,
    /// What CAPA says after IMPLEMENTATION; none to say nothing.
    pub implementation: Option<String>,
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
            implementation: Some("cassmail".to_owned()),
            limits: Limits::default(),
        }
    }
}
