//! Application passwords: one for each device or program, made here and shown once.
//!
//! They are drawn at random from more than 2^100, so nobody guesses one and nobody finds one from
//! its hash, however fast hashes are computed: SHA-256 is enough, and a login with one costs next
//! to nothing. People's own passwords are another matter, see [`crate::Passwords`].

use cassmail_mail::{Secret, hex};
use cassmail_store::{Credentials, Service};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

/// Letters and digits that are not taken for each other; thirty-two, so that each is five bits.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Six groups of four: 120 bits.
const GROUPS: usize = 6;
const IN_A_GROUP: usize = 4;

/// Draws a password, such as `k3ft-9xwq-...`.
pub(crate) fn draw() -> Result<Secret, getrandom::Error> {
    let mut random = [0; GROUPS * IN_A_GROUP];
    getrandom::fill(&mut random)?;
    let letter = |octet: &u8| char::from(ALPHABET[usize::from(octet % 32)]);
    let groups = random.chunks(IN_A_GROUP);
    let groups: Vec<String> = groups
        .map(|group| group.iter().map(letter).collect())
        .collect();
    Ok(Secret::new(groups.join("-")))
}

/// What is kept of a password.
pub(crate) fn digest(password: &Secret) -> String {
    hex(&Sha256::digest(password.expose().as_bytes()))
}

/// The name of the application password that this is, if it opens the service.
pub(crate) fn matching(
    credentials: &Credentials,
    password: &Secret,
    service: Service,
) -> Option<String> {
    if credentials.app_passwords.is_empty() {
        return None;
    }
    let digest = digest(password);
    let is_it = |kept: &str| bool::from(digest.as_bytes().ct_eq(kept.as_bytes()));
    let all = credentials.app_passwords.iter();
    let mut opening = all.filter(|app| app.services.contains(&service));
    let found = opening.find(|app| is_it(&app.sha_256))?;
    Some(found.name.clone())
}

#[cfg(test)]
mod tests {
    use cassmail_store::AppPassword;

    use super::*;

    #[test]
    fn passwords_have_six_groups_and_differ() {
        let drawn = [draw().unwrap(), draw().unwrap()];
        assert_ne!(drawn[0], drawn[1]);
        for password in drawn {
            let groups: Vec<_> = password.expose().split('-').collect();
            assert_eq!(groups.len(), GROUPS);
            let is_letter = |c: u8| ALPHABET.contains(&c);
            assert!(
                groups
                    .iter()
                    .all(|g| g.len() == 4 && g.bytes().all(is_letter))
            );
        }
    }

    #[test]
    fn a_password_opens_what_it_is_for() {
        let phone = draw().unwrap();
        let mut credentials = Credentials::of_hash("*");
        credentials.app_passwords.push(AppPassword {
            name: "phone".to_owned(),
            services: vec![Service::Pop3],
            sha_256: digest(&phone),
            scram_sha_256: None,
            created_at: 0,
        });
        let opens = |password: &Secret, service| matching(&credentials, password, service);
        assert_eq!(opens(&phone, Service::Pop3).as_deref(), Some("phone"));
        assert_eq!(opens(&phone, Service::Submission), None);
        assert_eq!(opens(&draw().unwrap(), Service::Pop3), None);
        assert_eq!(opens(&Secret::new(String::new()), Service::Pop3), None);
    }
}
