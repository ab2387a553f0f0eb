//! A store in a folder, and the mail that it was given.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cassmail_mail::{
    AccountId, Address, Delivery, IdMinter, MessageId, NodeId, Owner, ReversePath, UnixTime,
};
use cassmail_store::{
    Accounts as _, BodyReader, Credentials, Maildrops, NewAccount, Patience, Store as _,
    StoreResult,
};
use cassmail_store_embedded::{Checked, Embedded, OpenError, Options};

use crate::options;

pub(crate) const PATIENCE: Patience = Patience(Duration::from_mins(2));

/// A mail that was acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) account: AccountId,
    pub(crate) id: MessageId,
    pub(crate) body: Bytes,
}

/// An open store and one who delivers to it.
pub(crate) struct Post {
    pub(crate) store: Arc<Embedded>,
    pub(crate) options: Options,
    minter: Arc<IdMinter>,
}

impl Post {
    pub(crate) fn open(folder: &Path) -> Self {
        Self::open_with(options(folder)).expect("opening")
    }

    pub(crate) fn open_with(options: Options) -> Result<Self, OpenError> {
        Ok(Self {
            store: Arc::new(Embedded::open(&options)?),
            options,
            // Somebody else may have delivered to the same folder.
            minter: Arc::new(IdMinter::new(NodeId::from_random(random()))),
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.options.folder
    }

    /// Closes and opens again; ids go on.
    pub(crate) async fn reopen(self) -> Self {
        self.store.close().await.expect("closing");
        self.opened_again().expect("opening")
    }

    /// Stops as kill -9 would, and opens again.
    pub(crate) fn crash(self) -> Self {
        self.store.abandon();
        self.opened_again().expect("opening")
    }

    pub(crate) fn opened_again(self) -> Result<Self, OpenError> {
        Ok(Self {
            store: Arc::new(Embedded::open(&self.options)?),
            ..self
        })
    }

    pub(crate) async fn account(&self, name: &str) -> AccountId {
        let created = self.store.create_account(new_account(name)).await;
        created.expect("an account")
    }

    pub(crate) fn mint(&self) -> MessageId {
        self.minter
            .mint(UnixTime::from_micros(1_700_000_000_000_000))
    }

    /// Delivers so many octets that do not get smaller, imported whole.
    pub(crate) async fn deliver(&self, account: AccountId, octets: usize) -> Mail {
        self.try_deliver(account, octets).await.expect("a receipt")
    }

    pub(crate) async fn try_deliver(&self, account: AccountId, octets: usize) -> StoreResult<Mail> {
        let id = self.mint();
        let body = noise(
            octets,
            u64::from_le_bytes(id.to_key()[8..].try_into().unwrap()),
        );
        submit(&*self.store, id, &body, vec![owner(account)]).await?;
        Ok(Mail { account, id, body })
    }

    pub(crate) async fn deliver_many(
        &self,
        account: AccountId,
        count: usize,
        octets: usize,
    ) -> Vec<Mail> {
        let deliveries = (0..count).map(|_| self.deliver(account, octets));
        futures_util::future::join_all(deliveries).await
    }

    pub(crate) async fn remove(&self, mails: &[Mail]) {
        for mail in mails {
            let removed = self.store.remove(mail.account, vec![mail.id], PATIENCE);
            assert_eq!(removed.await.expect("a receipt").count(), 1);
        }
    }

    pub(crate) async fn ids(&self, account: AccountId) -> Vec<MessageId> {
        let entries = self.store.list(account).await.expect("a listing");
        entries.into_iter().map(|entry| entry.id).collect()
    }

    pub(crate) async fn read(&self, account: AccountId, id: MessageId) -> StoreResult<Vec<u8>> {
        drain(self.store.open(account, id).await?).await
    }

    /// Exactly these mails are listed for the account, and come back whole.
    pub(crate) async fn assert_has(&self, account: AccountId, mails: &[Mail]) {
        let expected: BTreeSet<_> = mails.iter().map(|mail| mail.id).collect();
        let listed: BTreeSet<_> = self.ids(account).await.into_iter().collect();
        assert_eq!(listed, expected);
        for mail in mails {
            let body = self.read(account, mail.id).await.expect("the body");
            assert!(body == mail.body, "{} is another body", mail.id);
        }
    }

    pub(crate) async fn check(&self) -> Checked {
        self.store.check().await.expect("a check")
    }

    pub(crate) async fn assert_sound(&self) {
        let checked = self.check().await;
        assert!(checked.faults.is_empty(), "{:?}", checked.faults);
    }
}

fn random() -> u64 {
    getrandom::u64().expect("a random number")
}

pub(crate) fn new_account(name: &str) -> NewAccount {
    NewAccount {
        address: address(name),
        credentials: Credentials::of_hash(format!("of {name}")),
        created_at: UnixTime::from_micros(1),
    }
}

pub(crate) fn address(name: &str) -> Address {
    format!("{name}@example.org").parse().expect("an address")
}

pub(crate) fn owner(account: AccountId) -> Owner {
    Owner {
        account,
        recipient: None,
        uidl: None,
    }
}

/// Delivers a body in pieces of 64 KiB.
pub(crate) async fn submit(
    store: &impl Maildrops,
    id: MessageId,
    body: &Bytes,
    owners: Vec<Owner>,
) -> StoreResult<()> {
    let mut writer = store.begin(id).await?;
    for piece in body.chunks(64 * 1024) {
        writer.write(body.slice_ref(piece)).await?;
    }
    let delivery = Delivery {
        reverse_path: ReversePath::Null,
        received_at: id.minted_at(),
        surrogate_size: None,
        owners,
    };
    writer.commit(delivery, PATIENCE).await.map(drop)
}

pub(crate) async fn drain(mut body: Box<dyn BodyReader>) -> StoreResult<Vec<u8>> {
    let mut octets = Vec::new();
    while let Some(piece) = body.next().await? {
        octets.extend_from_slice(&piece);
    }
    Ok(octets)
}

/// Octets that do not get smaller, made of a seed.
pub(crate) fn noise(octets: usize, seed: u64) -> Bytes {
    let mut state = seed | 1;
    let words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(octets).collect()
}

/// The segments, the oldest first.
pub(crate) fn segments(folder: &Path) -> Vec<PathBuf> {
    let bodies = fs::read_dir(folder.join("bodies")).expect("the folder of bodies");
    let mut paths: Vec<_> = bodies.map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    paths
}

/// What opening answers, with all its causes; it must be an error.
pub(crate) fn why_not(folder: &Path) -> String {
    let error = Embedded::open(&options(folder)).expect_err("it must not open");
    chain(&error)
}

pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Every file below a folder with its contents, but for what every opening touches: the lock.
pub(crate) fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                found.push((path.clone(), Vec::new()));
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name != "LOCK") {
                let octets = fs::read(&path).expect("a file");
                found.push((path, octets));
            }
        }
    }
    found.sort();
    found
}

/// Waits until something is so; fails after a minute.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it did not happen: {what}");
}
