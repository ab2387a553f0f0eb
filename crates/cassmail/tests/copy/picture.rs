//! All that can be seen of a store.

use std::collections::BTreeMap;

use cassmail_mail::{AccountId, Address, MessageId, UnixTime};
use cassmail_store::{AddressEntry, Credentials, DomainEntry, Profile, Store};

/// What has to be the same on both sides.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    domains: Vec<DomainEntry>,
    records: BTreeMap<Address, AddressEntry>,
    accounts: BTreeMap<Address, (Profile, Credentials)>,
    pub(crate) mail: BTreeMap<Address, Vec<Mail>>,
}

/// A message as its owner sees it; without its id, which may be another one.
#[derive(PartialEq, Eq, Clone)]
pub(crate) struct Mail {
    pub(crate) uidl: String,
    pub(crate) size: u64,
    at: UnixTime,
    pub(crate) octets: Vec<u8>,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} octets at {:?}", self.uidl, self.size, self.at)
    }
}

impl Picture {
    pub(crate) async fn of(store: &dyn Store) -> Self {
        let mut picture = Self {
            domains: store.domains().await.expect("the domains"),
            records: BTreeMap::new(),
            accounts: BTreeMap::new(),
            mail: BTreeMap::new(),
        };
        let records = store.records(None, 10_000).await;
        for (address, entry) in records.expect("the records") {
            if let AddressEntry::Account { id, .. } = entry {
                let account = store.account(id).await.expect("a read");
                let account = account.expect("an account");
                picture.accounts.insert(address.clone(), account);
                let mut mail = mail_of(store, id).await;
                // Of one moment, in any order.
                mail.sort_by(|a, b| (a.at, &a.uidl).cmp(&(b.at, &b.uidl)));
                picture.mail.insert(address.clone(), mail);
            }
            picture.records.insert(address, entry);
        }
        picture
    }

    /// The same without these addresses.
    pub(crate) fn without(mut self, addresses: &[Address]) -> Self {
        for address in addresses {
            self.records.remove(address);
            self.accounts.remove(address);
            self.mail.remove(address);
        }
        self
    }

    pub(crate) fn messages(&self) -> usize {
        self.mail.values().map(Vec::len).sum()
    }
}

async fn mail_of(store: &dyn Store, account: AccountId) -> Vec<Mail> {
    let mut mail = Vec::new();
    for entry in store.list(account).await.expect("a listing") {
        let octets = read(store, account, entry.id).await;
        mail.push(Mail {
            uidl: entry.uidl().to_string(),
            size: entry.size,
            at: entry.id.minted_at(),
            octets,
        });
    }
    mail
}

pub(crate) async fn read(store: &dyn Store, account: AccountId, id: MessageId) -> Vec<u8> {
    let mut body = store.open(account, id).await.expect("a reader");
    let mut octets = Vec::new();
    while let Some(piece) = body.next().await.expect("a piece") {
        octets.extend_from_slice(&piece);
    }
    octets
}

/// The ids that each account lists.
pub(crate) async fn ids(store: &dyn Store) -> Vec<(AccountId, MessageId)> {
    let mut ids = Vec::new();
    let records = store.records(None, 10_000).await;
    for (_, entry) in records.expect("the records") {
        if let AddressEntry::Account { id, .. } = entry {
            let listed = store.list(id).await.expect("a listing");
            ids.extend(listed.into_iter().map(|entry| (id, entry.id)));
        }
    }
    ids.sort_unstable();
    ids
}
