//! Who administers: people with passwords, programs with tokens, and what each may do. Data,
//! changed while the service runs.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use cassmail_mail::{Domain, UnixTime};
use serde::{Deserialize, Serialize};

use crate::Work;
use crate::record::{RecordError, decode, encode, parse};

/// The name by which an administrator logs in, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdminName(String);

/// A text that is no name of an administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name of an administrator has 1 to 64 of the characters a-z, 0-9, @, ., +, - and _")]
pub struct AdminNameError;

/// The name of a token, which is no secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(String);

/// A text that is no name of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a token has 16 of the characters a-z and 2-9")]
pub struct TokenIdError;

/// Declares the scopes with their names.
macro_rules! scopes {
    ($($(#[doc = $doc:literal])+ $scope:ident = $name:literal,)+) => {
        /// A part of the administration, to look at or to change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scope { $($(#[doc = $doc])+ $scope,)+ }

        impl Scope {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$scope),+];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$scope => $name,)+ }
            }

            /// What it allows.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$scope => concat!($($doc),+),)+ }
            }
        }
    };
}

scopes! {
    /// Look at domains.
    DomainsRead = "domains:read",
    /// Change domains: catch-all, postmaster, retention; with all domains also add and remove some.
    DomainsWrite = "domains:write",
    /// Look at accounts, aliases and the names of application passwords.
    AccountsRead = "accounts:read",
    /// Change accounts, aliases, passwords and application passwords.
    AccountsWrite = "accounts:write",
    /// Look at mailboxes and read the mail in them.
    MailRead = "mail:read",
    /// Remove mail from mailboxes.
    MailWrite = "mail:write",
    /// Search what became of messages.
    TraceRead = "trace:read",
    /// Look at the store, the nodes, the certificates and the figures.
    ServiceRead = "service:read",
    /// Back up and check the store, load certificates anew, drain a node.
    ServiceWrite = "service:write",
    /// Look at who is slowed or has sessions.
    LimitsRead = "limits:read",
    /// Forgive who is slowed.
    LimitsWrite = "limits:write",
    /// Look at administrators and tokens.
    AdminsRead = "admins:read",
    /// Make, change and remove administrators and tokens that may do no more than oneself.
    AdminsWrite = "admins:write",
    /// Read the audit log.
    AuditRead = "audit:read",
}

/// A text that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no scope {0:?}")]
pub struct ScopeError(String);

/// Which domains somebody administers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Realm {
    /// All there are and will be, and the service itself.
    Everything,
    /// These.
    Domains(BTreeSet<Domain>),
}

/// What somebody may do, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// What.
    pub scopes: BTreeSet<Scope>,
    /// Where.
    pub realm: Realm,
}

/// Somebody who logs in with a name and a password. Its password does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Administrator {
    /// The name.
    pub name: AdminName,
    /// The argon2id hash of the password in the PHC string format.
    pub password_hash: String,
    /// What it may do.
    pub rights: Rights,
    /// When it was made.
    pub created_at: UnixTime,
}

/// What a program proves itself with. Its digest does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Its name.
    pub id: TokenId,
    /// What it is for, in its maker's words.
    pub label: String,
    /// SHA-256 of the secret, in hexadecimal. The secret was drawn at random and has 256 bits, so
    /// nobody can try them all, whatever a try costs.
    pub sha_256: String,
    /// What it may do, at most: its owner may have lost some of it since.
    pub rights: Rights,
    /// Who made it, without whom it is worth nothing; none if the owner of the service did.
    pub owner: Option<AdminName>,
    /// When it was made.
    pub created_at: UnixTime,
    /// From when on it is worth nothing.
    pub expires_at: Option<UnixTime>,
}

/// Administrators and their tokens.
pub trait Administrators: Send + Sync {
    /// All administrators, in the order of their names. They are few.
    ///
    /// *Promise*: every change that was acknowledged before the call is seen.
    fn administrators(&self) -> Work<'_, Vec<Administrator>>;

    /// One administrator, read anew each time: a change counts at once.
    ///
    /// *Promise*: every change that was acknowledged before the call is seen.
    fn administrator(&self, name: AdminName) -> Work<'_, Option<Administrator>>;

    /// Adds an administrator or changes it.
    ///
    /// *Promise*: durable with the answer. *Retry*: harmless. *Cancel*: it may have happened.
    fn put_administrator(&self, administrator: Administrator) -> Work<'_, ()>;

    /// Removes an administrator.
    ///
    /// *Promise*: durable with the answer. *Retry*: harmless (one who is not there is no error).
    /// *Cancel*: it may have happened.
    fn remove_administrator(&self, name: AdminName) -> Work<'_, ()>;

    /// All tokens, in the order of their ids. They are few.
    ///
    /// *Promise*: every change that was acknowledged before the call is seen.
    fn tokens(&self) -> Work<'_, Vec<Token>>;

    /// One token, read anew each time: a change counts at once.
    ///
    /// *Promise*: every change that was acknowledged before the call is seen.
    fn token(&self, id: TokenId) -> Work<'_, Option<Token>>;

    /// Adds a token or changes it.
    ///
    /// *Promise*: durable with the answer. *Retry*: harmless. *Cancel*: it may have happened.
    fn put_token(&self, token: Token) -> Work<'_, ()>;

    /// Removes a token.
    ///
    /// *Promise*: durable with the answer. *Retry*: harmless (one that is not there is no error).
    /// *Cancel*: it may have happened.
    fn remove_token(&self, id: TokenId) -> Work<'_, ()>;
}

impl AdminName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AdminName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AdminName {
    type Err = AdminNameError;

    fn from_str(text: &str) -> Result<Self, AdminNameError> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"@.+-_".contains(&b);
        if (1..=64).contains(&text.len()) && text.bytes().all(fits) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(AdminNameError)
        }
    }
}

impl TokenId {
    /// An id that is made of random octets.
    pub fn of(random: [u8; 16]) -> Self {
        const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let letter = |octet: u8| char::from(LETTERS[usize::from(octet % 32)]);
        Self(random.into_iter().map(letter).collect())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TokenId {
    type Err = TokenIdError;

    fn from_str(text: &str) -> Result<Self, TokenIdError> {
        let fits = |b: u8| matches!(b, b'a'..=b'z' | b'2'..=b'9');
        if text.len() == 16 && text.bytes().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(TokenIdError)
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let mut all = Self::ALL.iter().copied();
        all.find(|scope| scope.name() == text)
            .ok_or_else(|| ScopeError(text.to_owned()))
    }
}

impl Realm {
    /// Whether what belongs to this domain is in it.
    pub fn has(&self, domain: &Domain) -> bool {
        match self {
            Self::Everything => true,
            Self::Domains(domains) => domains.contains(domain),
        }
    }

    fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Everything) => true,
            (Self::Everything, Self::Domains(_)) => false,
            (Self::Domains(own), Self::Domains(others)) => own.is_subset(others),
        }
    }

    fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Everything, one) | (one, Self::Everything) => one.clone(),
            (Self::Domains(own), Self::Domains(others)) => {
                Self::Domains(own.intersection(others).cloned().collect())
            }
        }
    }
}

impl Rights {
    /// Everything everywhere.
    pub fn all() -> Self {
        Self {
            scopes: Scope::ALL.iter().copied().collect(),
            realm: Realm::Everything,
        }
    }

    /// Whether nothing is in these that is not in those.
    pub fn are_within(&self, others: &Self) -> bool {
        self.scopes.is_subset(&others.scopes) && self.realm.is_within(&others.realm)
    }

    /// What is in both.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        Self {
            scopes: self.scopes.intersection(&others.scopes).copied().collect(),
            realm: self.realm.and(&others.realm),
        }
    }
}

impl fmt::Debug for Administrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Administrator")
            .field("name", &self.name)
            .field("rights", &self.rights)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("id", &self.id)
            .field("label", &self.label)
            .field("rights", &self.rights)
            .finish_non_exhaustive()
    }
}

/// The shapes on disk.
mod form {
    use super::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    pub(super) struct Rights {
        pub(super) scopes: Vec<String>,
        /// None for everything.
        pub(super) domains: Option<Vec<String>>,
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct Administrator {
        pub(super) name: String,
        pub(super) password_hash: String,
        pub(super) rights: Rights,
        pub(super) created_at: u64,
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct Token {
        pub(super) id: String,
        pub(super) label: String,
        pub(super) sha_256: String,
        pub(super) rights: Rights,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub(super) owner: Option<String>,
        pub(super) created_at: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub(super) expires_at: Option<u64>,
    }
}

impl Rights {
    fn form(&self) -> form::Rights {
        form::Rights {
            scopes: self.scopes.iter().map(ToString::to_string).collect(),
            domains: match &self.realm {
                Realm::Everything => None,
                Realm::Domains(domains) => Some(domains.iter().map(ToString::to_string).collect()),
            },
        }
    }

    /// A scope of a later version is left out: who does not know it gives nobody that right.
    fn read(record: &'static str, form: form::Rights) -> Result<Self, RecordError> {
        let scopes = form.scopes.iter().filter_map(|name| name.parse().ok());
        let realm = match form.domains {
            None => Realm::Everything,
            Some(names) => {
                let domains = names.iter().map(|name| parse(record, name));
                Realm::Domains(domains.collect::<Result<_, _>>()?)
            }
        };
        Ok(Self {
            scopes: scopes.collect(),
            realm,
        })
    }
}

impl Administrator {
    /// The record.
    pub fn encode(&self) -> Vec<u8> {
        encode(&form::Administrator {
            name: self.name.to_string(),
            password_hash: self.password_hash.clone(),
            rights: self.rights.form(),
            created_at: self.created_at.as_micros(),
        })
    }

    /// Reads a record.
    pub fn decode(record: &[u8]) -> Result<Self, RecordError> {
        const WHAT: &str = "an administrator";
        let form: form::Administrator = decode(WHAT, record)?;
        Ok(Self {
            name: parse(WHAT, &form.name)?,
            password_hash: form.password_hash,
            rights: Rights::read(WHAT, form.rights)?,
            created_at: UnixTime::from_micros(form.created_at),
        })
    }
}

impl Token {
    /// The record.
    pub fn encode(&self) -> Vec<u8> {
        encode(&form::Token {
            id: self.id.to_string(),
            label: self.label.clone(),
            sha_256: self.sha_256.clone(),
            rights: self.rights.form(),
            owner: self.owner.as_ref().map(ToString::to_string),
            created_at: self.created_at.as_micros(),
            expires_at: self.expires_at.map(UnixTime::as_micros),
        })
    }

    /// Reads a record.
    pub fn decode(record: &[u8]) -> Result<Self, RecordError> {
        const WHAT: &str = "a token";
        let form: form::Token = decode(WHAT, record)?;
        let owner = form.owner.map(|name| parse(WHAT, &name)).transpose()?;
        Ok(Self {
            id: parse(WHAT, &form.id)?,
            label: form.label,
            sha_256: form.sha_256,
            rights: Rights::read(WHAT, form.rights)?,
            owner,
            created_at: UnixTime::from_micros(form.created_at),
            expires_at: form.expires_at.map(UnixTime::from_micros),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_domains(names: &[&str]) -> Realm {
        Realm::Domains(names.iter().map(|name| name.parse().unwrap()).collect())
    }

    fn rights(scopes: &[Scope], realm: Realm) -> Rights {
        Rights {
            scopes: scopes.iter().copied().collect(),
            realm,
        }
    }

    fn token() -> Token {
        Token {
            id: "abcdefghabcdefg2".parse().unwrap(),
            label: "monitoring".to_owned(),
            sha_256: "5ec2e7".to_owned(),
            rights: rights(&[Scope::ServiceRead], of_domains(&["x.example"])),
            owner: "alice".parse().ok(),
            created_at: UnixTime::from_micros(5),
            expires_at: Some(UnixTime::from_micros(9)),
        }
    }

    fn alice() -> Administrator {
        Administrator {
            name: "Alice".parse().unwrap(),
            password_hash: "$argon2id$5ec2e7".to_owned(),
            rights: Rights::all(),
            created_at: UnixTime::from_micros(5),
        }
    }

    #[test]
    fn records_come_back_as_they_were() {
        let read = Administrator::decode(&alice().encode()).unwrap();
        assert!(read == alice());
        assert_eq!(read.name.as_str(), "alice");
        assert!(Token::decode(&token().encode()).unwrap() == token());
    }

    #[test]
    fn secrets_do_not_print() {
        let printed = format!("{:?} {:?}", alice(), token());
        assert!(!printed.contains("5ec2e7"), "{printed}");
    }

    #[test]
    fn a_scope_that_nobody_knows_gives_no_right() {
        let record = br#"{"name":"a","password_hash":"","rights":{"scopes":["fly","audit:read"],
            "domains":null},"created_at":0}"#;
        let read = Administrator::decode(record).unwrap();
        assert_eq!(read.rights, rights(&[Scope::AuditRead], Realm::Everything));
    }

    #[test]
    fn scopes_come_back_from_their_names_and_say_what_they_mean() {
        for &scope in Scope::ALL {
            assert_eq!(scope.name().parse(), Ok(scope));
            assert!(scope.meaning().ends_with('.'), "{scope}");
        }
        assert!("domains".parse::<Scope>().is_err());
    }

    #[test]
    fn names_are_short_and_plain() {
        let longest = "a".repeat(64);
        for name in ["a", "Alice.B+c-d_e@x.example", &longest] {
            assert!(name.parse::<AdminName>().is_ok(), "{name}");
        }
        let too_long = "a".repeat(65);
        for name in ["", "a:b", "a b", "a\n", "\u{e9}", &too_long] {
            assert!(name.parse::<AdminName>().is_err(), "{name:?}");
        }
        for id in [
            "",
            "abcdefghabcdefg1",
            "ABCDEFGHABCDEFG2",
            "abcdefghabcdefg22",
        ] {
            assert!(id.parse::<TokenId>().is_err(), "{id:?}");
        }
    }

    #[test]
    fn rights_are_within_others_if_nothing_is_beyond_them() {
        let all = Rights::all();
        let here = rights(&[Scope::AccountsRead], of_domains(&["here.example"]));
        let there = rights(&[Scope::AccountsRead], of_domains(&["there.example"]));
        let both = of_domains(&["here.example", "there.example"]);
        let more = rights(&[Scope::AccountsRead, Scope::AuditRead], both);
        assert!(here.are_within(&all) && here.are_within(&more) && here.are_within(&here));
        assert!(!all.are_within(&here) && !here.are_within(&there) && !more.are_within(&here));
        assert_eq!(more.and(&here), here);
        assert_eq!(all.and(&more), more);
        let nothing = here.and(&there);
        assert!(!nothing.realm.has(&"here.example".parse().unwrap()));
    }
}
