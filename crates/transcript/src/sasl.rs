//! The desk's part of logins in transcripts, the same for both protocols.

use cassmail_mail::Secret;
use cassmail_wire::sasl::scram::{ScramKeys, ScramStart};
use cassmail_wire::sasl::{Acceptance, Claim, Proof};

/// Who has which password. Everything that a real desk draws at random is fixed.
///
/// The nonce of SCRAM goes on with `%house`, the salt is `salt of house`, the iterations are 16.
/// The token `token-of-NAME` proves that somebody is NAME.
#[derive(Debug, Clone, Copy)]
pub struct Accounts {
    /// Names without their domain.
    pub names: &'static [&'static str],
    /// Everybody's password.
    pub password: &'static str,
}

const SALT: &[u8] = b"salt of house";
const ITERATIONS: u32 = 16;

impl Accounts {
    /// Where every exchange of SCRAM begins.
    pub fn start() -> ScramStart {
        ScramStart {
            nonce: "%house".to_owned(),
            salt: SALT.to_owned(),
            iterations: ITERATIONS,
        }
    }

    /// The name behind a claim that is true, and what it earns.
    pub fn check(&self, claim: &Claim) -> Option<(String, Acceptance)> {
        let user = claim.user.strip_suffix("@here.example");
        let user = user.unwrap_or(&claim.user);
        let known = |name: &str| self.names.contains(&name).then(|| name.to_owned());
        match &claim.proof {
            Proof::Password(password) => {
                let name = known(user).filter(|_| password.expose() == self.password)?;
                Some((name, Acceptance::default()))
            }
            Proof::Scram(proof) => {
                let password = Secret::new(self.password.to_owned());
                let keys = ScramKeys::derive(&password, SALT, ITERATIONS);
                let acceptance = Acceptance {
                    server_signature: Some(keys.verify(proof)?),
                };
                Some((known(user)?, acceptance))
            }
            Proof::Token(token) => {
                let owner = token.expose().strip_prefix("token-of-")?;
                let name = known(owner).filter(|_| user.is_empty() || user == owner)?;
                Some((name, Acceptance::default()))
            }
        }
    }
}

/// How `?:` writes what a claim is proved by; tokens and passwords of transcripts are no secrets.
pub fn proof_text(proof: &Proof) -> String {
    match proof {
        Proof::Password(password) => password.expose().to_owned(),
        Proof::Scram(_) => "by SCRAM".to_owned(),
        Proof::Token(token) => format!("token {}", token.expose()),
    }
}
