//! What is kept of domains, addresses and accounts, and the form it is kept in.
//!
//! The form is JSON: the records are few and small, an operator can read them, and a field that is
//! added later has its default in old records. Each record is written whole, as one cell, so that
//! two writers never mix.

use cassmail_mail::{AccountId, Address, Domain, UnixTime};
use serde::{Deserialize, Serialize};

use crate::quota::Quota;
use crate::retention::Retention;

/// A domain that is served here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainEntry {
    /// Its name.
    pub name: Domain,
    /// Who gets mail for postmaster and abuse, if those are no addresses of their own.
    pub postmaster: Option<Address>,
    /// Who gets mail for addresses that do not exist; without it they are refused.
    pub catch_all: Option<Address>,
    /// How long its mail stays, where it differs from the configuration.
    pub retention: Retention,
    /// How much mail its accounts may have, where it differs from the configuration.
    pub quota: Quota,
}

/// What an address is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressEntry {
    /// An account, in its n-th life at this address.
    Account {
        /// Whose maildrop it is.
        id: AccountId,
        /// Which life.
        generation: u64,
    },
    /// Another name of other addresses.
    Alias {
        /// Which; at least one.
        targets: Vec<Address>,
        /// The last life of an account at this address, zero if there was none.
        generation: u64,
    },
    /// Nothing any more; kept so that generations only grow.
    Removed {
        /// The last life of an account at this address, zero if there was none.
        generation: u64,
    },
}

/// Which addresses of a domain are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressFilter {
    /// All that are in use.
    InUse,
    /// Accounts.
    Accounts,
    /// Aliases.
    Aliases,
}

/// Whether an account is in service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountState {
    /// Mail is taken, its owner can log in.
    Enabled,
    /// Mail is refused, its owner cannot log in; what is there stays.
    Disabled,
}

/// What is known of an account beside its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its address.
    pub address: Address,
    /// Whether it is in service.
    pub state: AccountState,
    /// When it was made.
    pub created_at: UnixTime,
    /// How long its mail stays, where it differs from its domain's.
    pub retention: Retention,
    /// How much mail it may have, where it differs from its domain's.
    pub quota: Quota,
}

/// How an account's owner logs in. Does not print.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// The argon2id hash in the PHC string format, salt included.
    pub password_hash: String,
    /// The keys of SCRAM-SHA-256 as RFC 5803 writes them, made with the same password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scram_sha_256: Option<String>,
    /// Further passwords, each for one device or program, in the order of their making.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub app_passwords: Vec<AppPassword>,
}

/// A password that was made here for one device or program. Does not print.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppPassword {
    /// What its owner calls it; unique in an account.
    pub name: String,
    /// What it opens.
    pub services: Vec<Service>,
    /// SHA-256 of the password, in hexadecimal. It was drawn at random and has more than a hundred
    /// bits, so nobody can try them all, whatever a try costs.
    pub sha_256: String,
    /// Its keys for SCRAM-SHA-256, with the salt and the iterations of the account's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scram_sha_256: Option<String>,
    /// When it was made, in microseconds since 1970.
    pub created_at: u64,
}

/// Where somebody logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// To fetch mail.
    Pop3,
    /// To send mail.
    Submission,
}

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to decode the record of {record}")]
pub struct RecordError {
    record: &'static str,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl AddressEntry {
    /// The last life of an account at this address.
    pub fn generation(&self) -> u64 {
        match self {
            Self::Account { generation, .. }
            | Self::Alias { generation, .. }
            | Self::Removed { generation } => *generation,
        }
    }

    /// The same, in a life that is at least this one; an account keeps its own.
    pub(crate) fn raise_generation(&mut self, to: u64) {
        match self {
            Self::Account { .. } => {}
            Self::Alias { generation, .. } | Self::Removed { generation } => {
                *generation = to.max(*generation);
            }
        }
    }

    /// Whether mail to it goes anywhere.
    pub fn is_in_use(&self) -> bool {
        !matches!(self, Self::Removed { .. })
    }
}

impl AddressFilter {
    /// Whether an address is among them.
    pub fn takes(self, entry: &AddressEntry) -> bool {
        match self {
            Self::InUse => entry.is_in_use(),
            Self::Accounts => matches!(entry, AddressEntry::Account { .. }),
            Self::Aliases => matches!(entry, AddressEntry::Alias { .. }),
        }
    }
}

impl Credentials {
    /// Those of a password of which only the hash is known.
    pub fn of_hash(password_hash: impl Into<String>) -> Self {
        Self {
            password_hash: password_hash.into(),
            scram_sha_256: None,
            app_passwords: Vec::new(),
        }
    }
}

impl std::fmt::Debug for AppPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppPassword")
            .field("name", &self.name)
            .field("services", &self.services)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(...)")
    }
}

/// The shapes on disk, apart from the types of the interface, so that either can change alone.
mod form {
    use super::{AccountState, Deserialize, Quota, Retention, Serialize};

    #[derive(Serialize, Deserialize)]
    pub(super) struct Domain {
        pub(super) name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub(super) postmaster: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub(super) catch_all: Option<String>,
        #[serde(default, skip_serializing_if = "Retention::is_as_above")]
        pub(super) retention: Retention,
        #[serde(default, skip_serializing_if = "Quota::is_as_above")]
        pub(super) quota: Quota,
    }

    /// What an address is.
    #[derive(Clone, Copy, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub(super) enum AddressKind {
        Account,
        Alias,
        Removed,
    }

    /// All fields of all kinds. As an enum with its tag inside it would be read by way of a copy of
    /// all that there is, and one is read for each recipient, and for each name of a list.
    #[derive(Serialize, Deserialize)]
    pub(super) struct Address {
        pub(super) kind: AddressKind,
        /// Of an account.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub(super) id: Option<[u8; 16]>,
        /// Of an alias.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub(super) targets: Option<Vec<String>>,
        pub(super) generation: u64,
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct Profile {
        pub(super) address: String,
        pub(super) state: AccountState,
        pub(super) created_at: u64,
        #[serde(default, skip_serializing_if = "Retention::is_as_above")]
        pub(super) retention: Retention,
        #[serde(default, skip_serializing_if = "Quota::is_as_above")]
        pub(super) quota: Quota,
    }
}

impl DomainEntry {
    /// A domain without any special recipients.
    pub fn new(name: Domain) -> Self {
        Self {
            name,
            postmaster: None,
            catch_all: None,
            retention: Retention::default(),
            quota: Quota::default(),
        }
    }

    /// The record.
    pub fn encode(&self) -> Vec<u8> {
        encode(&form::Domain {
            name: self.name.to_string(),
            postmaster: self.postmaster.as_ref().map(ToString::to_string),
            catch_all: self.catch_all.as_ref().map(ToString::to_string),
            retention: self.retention,
            quota: self.quota,
        })
    }

    /// Reads a record.
    pub fn decode(record: &[u8]) -> Result<Self, RecordError> {
        let form: form::Domain = decode("a domain", record)?;
        let optional = |text: Option<String>| text.map(|text| parse("a domain", &text)).transpose();
        Ok(Self {
            name: parse("a domain", &form.name)?,
            postmaster: optional(form.postmaster)?,
            catch_all: optional(form.catch_all)?,
            retention: form.retention,
            quota: form.quota,
        })
    }
}

impl AddressEntry {
    /// The record.
    pub fn encode(&self) -> Vec<u8> {
        use form::AddressKind::{Account, Alias, Removed};
        let (kind, id, targets) = match self {
            Self::Account { id, .. } => (Account, Some(id.to_key()), None),
            Self::Alias { targets, .. } => {
                let targets = targets.iter().map(ToString::to_string);
                (Alias, None, Some(targets.collect()))
            }
            Self::Removed { .. } => (Removed, None, None),
        };
        encode(&form::Address {
            kind,
            id,
            targets,
            generation: self.generation(),
        })
    }

    /// Reads a record.
    pub fn decode(record: &[u8]) -> Result<Self, RecordError> {
        const RECORD: &str = "an address";
        let form: form::Address = decode(RECORD, record)?;
        let lacks = |field: &str| RecordError {
            record: RECORD,
            source: format!("it has no {field}").into(),
        };
        let generation = form.generation;
        Ok(match form.kind {
            form::AddressKind::Account => Self::Account {
                id: AccountId::from_key(form.id.ok_or_else(|| lacks("id"))?),
                generation,
            },
            form::AddressKind::Alias => {
                let targets = form.targets.ok_or_else(|| lacks("targets"))?;
                let targets = targets.iter().map(|target| parse(RECORD, target));
                Self::Alias {
                    targets: targets.collect::<Result<_, _>>()?,
                    generation,
                }
            }
            form::AddressKind::Removed => Self::Removed { generation },
        })
    }
}

impl Profile {
    /// The record.
    pub fn encode(&self) -> Vec<u8> {
        encode(&form::Profile {
            address: self.address.to_string(),
            state: self.state,
            created_at: self.created_at.as_micros(),
            retention: self.retention,
            quota: self.quota,
        })
    }

    /// Reads a record.
    pub fn decode(record: &[u8]) -> Result<Self, RecordError> {
        let form: form::Profile = decode("an account", record)?;
        Ok(Self {
            address: parse("an account", &form.address)?,
            state: form.state,
            created_at: UnixTime::from_micros(form.created_at),
            retention: form.retention,
            quota: form.quota,
        })
    }
}

impl Credentials {
    /// The record.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a record.
    pub fn decode(record: &[u8]) -> Result<Self, RecordError> {
        decode("credentials", record)
    }
}

/// Encodes a form; these shapes have no maps with keys that JSON lacks, so it cannot fail.
pub(crate) fn encode(form: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(form).unwrap_or_default()
}

pub(crate) fn decode<'a, T: Deserialize<'a>>(
    record: &'static str,
    bytes: &'a [u8],
) -> Result<T, RecordError> {
    serde_json::from_slice(bytes).map_err(|source| RecordError {
        record,
        source: source.into(),
    })
}

pub(crate) fn parse<T>(record: &'static str, text: &str) -> Result<T, RecordError>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|source: T::Err| RecordError {
        record,
        source: source.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bound;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn records_come_back_as_they_were() {
        let retention = Retention {
            days: Some(Bound::from(30)),
            messages: Some(Bound::None),
            octets: None,
        };
        let quota = Quota {
            messages: Some(Bound::from(1000)),
            octets: Some(Bound::None),
        };
        let domain = DomainEntry {
            retention,
            quota,
            postmaster: Some(address("alice@example.org")),
            ..DomainEntry::new("example.org".parse().unwrap())
        };
        assert_eq!(DomainEntry::decode(&domain.encode()).unwrap(), domain);
        let id = AccountId::of(&address("alice@example.org"), 3);
        for entry in [
            AddressEntry::Account { id, generation: 3 },
            AddressEntry::Alias {
                targets: vec![address("\"a b\"@x.example")],
                generation: 0,
            },
            AddressEntry::Removed { generation: 7 },
        ] {
            assert_eq!(AddressEntry::decode(&entry.encode()).unwrap(), entry);
        }
        let profile = Profile {
            address: address("alice@example.org"),
            state: AccountState::Disabled,
            created_at: UnixTime::from_micros(5),
            retention,
            quota,
        };
        assert_eq!(Profile::decode(&profile.encode()).unwrap(), profile);
    }

    #[test]
    fn records_of_addresses_are_as_they_always_were() {
        let id = AccountId::from_key([7; 16]);
        let targets = vec!["a@example.org".parse().unwrap()];
        let all = [
            (
                AddressEntry::Account { id, generation: 2 },
                r#"{"kind":"account","id":[7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7],"generation":2}"#,
            ),
            (
                AddressEntry::Alias {
                    targets,
                    generation: 0,
                },
                r#"{"kind":"alias","targets":["a@example.org"],"generation":0}"#,
            ),
            (
                AddressEntry::Removed { generation: 1 },
                r#"{"kind":"removed","generation":1}"#,
            ),
        ];
        for (entry, record) in all {
            assert_eq!(String::from_utf8(entry.encode()).unwrap(), record);
            assert_eq!(AddressEntry::decode(record.as_bytes()).unwrap(), entry);
        }
        for lacks in ["account", "alias"] {
            let record = format!(r#"{{"kind":"{lacks}","generation":1}}"#);
            assert!(AddressEntry::decode(record.as_bytes()).is_err(), "{lacks}");
        }
    }

    #[test]
    fn records_without_retention_and_quota_are_as_they_always_were() {
        let record = br#"{"name":"example.org"}"#;
        let domain = DomainEntry::decode(record).unwrap();
        assert!(domain.retention.is_as_above() && domain.quota.is_as_above());
        assert_eq!(domain.encode(), record);
        let record = br#"{"address":"a@example.org","state":"enabled","created_at":5}"#;
        let profile = Profile::decode(record).unwrap();
        assert!(profile.retention.is_as_above() && profile.quota.is_as_above());
        assert_eq!(profile.encode(), record);
    }

    #[test]
    fn a_damaged_record_is_an_error_that_names_it() {
        let error = Profile::decode(b"{\"address\":1}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to decode the record of an account"
        );
    }

    fn for_a_phone() -> AppPassword {
        AppPassword {
            name: "phone".to_owned(),
            services: vec![Service::Pop3, Service::Submission],
            sha_256: "5ec2e7".to_owned(),
            scram_sha_256: None,
            created_at: 5,
        }
    }

    #[test]
    fn credentials_come_back_as_they_were() {
        let credentials = Credentials {
            scram_sha_256: Some("SCRAM-SHA-256$...".to_owned()),
            app_passwords: vec![for_a_phone()],
            ..Credentials::of_hash("$argon2id$")
        };
        let read = Credentials::decode(&credentials.encode()).unwrap();
        assert!(read == credentials);
    }

    /// Records of before there were application passwords.
    #[test]
    fn what_was_added_later_may_be_missing() {
        let old = br#"{"password_hash":"$argon2id$"}"#;
        let read = Credentials::decode(old).unwrap();
        assert!(read == Credentials::of_hash("$argon2id$"));
        assert_eq!(read.encode(), old);
    }

    #[test]
    fn credentials_do_not_print() {
        assert!(!format!("{:?}", for_a_phone()).contains("5ec2e7"));
        let credentials = Credentials::of_hash("$argon2id$secret");
        assert!(!format!("{credentials:?}").contains("secret"));
    }
}
