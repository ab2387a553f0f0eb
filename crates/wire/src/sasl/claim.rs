//! What a client claims, and what a true claim earns.

use cassmail_mail::Secret;

use super::scram::ScramProof;

/// Who a client claims to be (RFC 4422 2, 3.4.1), and with what proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The user's name as it was given; empty where a token alone says who it is.
    pub user: String,
    /// What shall prove it.
    pub proof: Proof,
}

/// What proves a claim. No secret prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The password itself.
    Password(Secret),
    /// That the password is known, bound to this exchange (RFC 5802 3).
    Scram(ScramProof),
    /// A token of somebody who vouches for the user (RFC 7628 3).
    Token(Secret),
}

impl Claim {
    /// The claim of somebody who shows a password.
    pub fn of_password(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            proof: Proof::Password(Secret::new(password.into())),
        }
    }
}

/// What comes with the verdict that a claim is true.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Acceptance {
    /// What proves to the client of SCRAM that we have its keys (RFC 5802 3).
    pub server_signature: Option<[u8; 32]>,
}
