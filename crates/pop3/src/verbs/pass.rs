//! PASS: the password of the user that USER named.
//!
//! ```text
//! "PASS" SP password        RFC 1939 7; everything after the space, spaces included
//! ```

use cassmail_mail::Secret;
use cassmail_wire::sasl::{Claim, Conclusion, Proof};

use super::{login, user};
use crate::command::Misuse;
use crate::state::{Authorization, Setting, State, Turn};

/// Asks whether the claim is true. A name serves for one password: after a refusal USER comes first
/// again.
pub(super) fn proceed(mut state: Authorization, password: Secret, setting: &Setting<'_>) -> Turn {
    if !setting.may_log_in() {
        return user::refuse_in_clear(state, setting);
    }
    match state.user.take() {
        Some(user) => {
            let proof = Proof::Password(password);
            login::claim(&state, Claim { user, proof }, Conclusion::AtOnce)
        }
        None => Turn::misuse(State::Authorization(state), Misuse::UserMissing),
    }
}
