//! What went wrong, as RFC 9457 writes it.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use cassmail_office::{AdminAccountsError, AdministrationError};
use cassmail_store::{ErrorKind, StoreError};
use serde::{Deserialize, Serialize};

/// A problem: one sentence that says what was expected and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The status in words.
    pub title: String,
    /// The sentence.
    pub detail: String,
}

impl Problem {
    /// A problem of this status.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("problem").to_owned();
        Self {
            status: status.as_u16(),
            title,
            detail: detail.into(),
        }
    }

    /// A field that is not what it should be.
    pub fn invalid(field: &str, error: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("{field}: {error}"),
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        (status, kind, Json(self)).into_response()
    }
}

impl From<AdministrationError> for Problem {
    fn from(error: AdministrationError) -> Self {
        use AdministrationError as E;
        let status = match &error {
            E::NoSuchDomain(_)
            | E::NoSuchAccount(_)
            | E::NoSuchAlias(_)
            | E::NoSuchMessage(..)
            | E::NoSuchAppPassword(..) => StatusCode::NOT_FOUND,
            E::DomainExists(_)
            | E::DomainInUse(..)
            | E::AddressInUse(_)
            | E::AppPasswordExists(..)
            | E::TooManyAppPasswords(_) => StatusCode::CONFLICT,
            E::LiteralDomain(_)
            | E::NoTarget
            | E::ForeignTarget(_)
            | E::AliasToItself(_)
            | E::BadPassword
            | E::BadHash
            | E::BadAppPasswordName
            | E::NoService => StatusCode::UNPROCESSABLE_ENTITY,
            E::Password(_) | E::Randomness(_) => StatusCode::SERVICE_UNAVAILABLE,
            E::Store(error) => status_of(error),
        };
        if let E::Store(error) = &error {
            // The chain is for the log; a stranger gets the first sentence.
            tracing::error!(
                event = cassmail_telemetry::event::STORE_OPERATION_FAILED,
                error = %cassmail_telemetry::chain(error)
            );
        }
        Self::new(status, error.to_string())
    }
}

impl From<AdminAccountsError> for Problem {
    fn from(error: AdminAccountsError) -> Self {
        use AdminAccountsError as E;
        let status = match &error {
            E::NoSuchAdministrator(_) | E::NoSuchToken(_) => StatusCode::NOT_FOUND,
            E::AdministratorExists(_) | E::TooManyTokens => StatusCode::CONFLICT,
            E::BeyondRights => StatusCode::FORBIDDEN,
            E::NoScope | E::BadPassword | E::BadLabel | E::NoPassword => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            E::Randomness(_) | E::Password(_) => StatusCode::SERVICE_UNAVAILABLE,
            E::Store(error) => status_of(error),
        };
        if let E::Store(error) = &error {
            tracing::error!(
                event = cassmail_telemetry::event::STORE_OPERATION_FAILED,
                error = %cassmail_telemetry::chain(error)
            );
        }
        Self::new(status, error.to_string())
    }
}

fn status_of(error: &StoreError) -> StatusCode {
    match error.kind() {
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Missing => StatusCode::NOT_FOUND,
        ErrorKind::Corrupt => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorKind::Unavailable(_) | ErrorKind::Indeterminate => StatusCode::SERVICE_UNAVAILABLE,
    }
}
