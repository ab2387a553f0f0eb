//! Where a test works: a subject, and the short words for what most tests do with it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use cassmail_mail::{AccountId, Entry, IdMinter, MessageId, NodeId, Owner, UnixTime};
use cassmail_store::{
    BodyReader, Credentials, ErrorKind, NewAccount, Reason, Store, StoreError, StoreResult,
};

use crate::Subject;
use crate::letter::{PATIENCE, address, delivery, owner};

/// A fresh store and a source of ids, for one test.
pub struct Bench<S> {
    subject: S,
    minter: IdMinter,
}

/// Runs one test on a fresh subject, as the macro does.
pub fn run<S: Subject, F: Future<Output = ()>>(test: impl FnOnce(Bench<S>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async { test(Bench::fresh().await).await });
}

impl<S: Subject> Bench<S> {
    pub(crate) async fn fresh() -> Self {
        Self {
            subject: S::fresh().await,
            minter: IdMinter::new(NodeId::from_random(0x5eed)),
        }
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        self.subject.store()
    }

    pub(crate) async fn reopen(&mut self) {
        self.subject.reopen().await;
    }

    pub(crate) async fn crash(&mut self) {
        self.subject.crash().await;
    }

    pub(crate) async fn exhaust(&mut self) {
        self.subject.exhaust().await;
    }

    pub(crate) async fn relieve(&mut self) {
        self.subject.relieve().await;
    }

    pub(crate) async fn damage(&mut self) {
        self.subject.damage().await;
    }

    /// The next id; ids of one bench increase.
    pub(crate) fn mint(&self) -> MessageId {
        self.minter
            .mint(UnixTime::from_micros(1_700_000_000_000_000))
    }

    /// Makes the account `name` at example.org.
    pub(crate) async fn account(&self, name: &str) -> AccountId {
        let new = new_account(&format!("{name}@example.org"), "first");
        let created = self.store().create_account(new).await;
        created.expect("an account")
    }

    pub(crate) async fn accounts(&self, count: usize) -> Vec<AccountId> {
        let store = self.store();
        let creations = (0..count).map(|n| {
            let store = Arc::clone(&store);
            let new = new_account(&format!("user{n}@example.org"), "first");
            async move { store.create_account(new).await.expect("an account") }
        });
        together(creations).await
    }

    /// Delivers a body in one piece to one account, imported whole: without a `Delivered-To` line.
    pub(crate) async fn deliver(&self, account: AccountId, body: impl Into<Bytes>) -> MessageId {
        self.deliver_to(vec![owner(account)], body).await
    }

    pub(crate) async fn deliver_to(&self, owners: Vec<Owner>, body: impl Into<Bytes>) -> MessageId {
        let stored = submit(&*self.store(), self.mint(), &[body.into()], owners).await;
        stored.expect("a receipt")
    }

    pub(crate) async fn list(&self, account: AccountId) -> Vec<Entry> {
        self.store().list(account).await.expect("a listing")
    }

    pub(crate) async fn ids(&self, account: AccountId) -> Vec<MessageId> {
        let entries = self.list(account).await;
        entries.into_iter().map(|entry| entry.id).collect()
    }

    pub(crate) async fn read(&self, account: AccountId, id: MessageId) -> Vec<u8> {
        let body = self.store().open(account, id).await.expect("a reader");
        drain(body).await.expect("the whole body")
    }

    pub(crate) async fn remove(&self, account: AccountId, ids: &[MessageId]) {
        let removed = self.store().remove(account, ids.to_vec(), PATIENCE).await;
        assert_eq!(removed.expect("a receipt").count(), ids.len());
    }
}

/// A message from begin to receipt; answers with the id that the receipt names.
pub(crate) async fn submit(
    store: &dyn Store,
    id: MessageId,
    pieces: &[Bytes],
    owners: Vec<Owner>,
) -> StoreResult<MessageId> {
    let mut writer = store.begin(id).await?;
    for piece in pieces {
        writer.write(piece.clone()).await?;
    }
    let stored = writer.commit(delivery(id, owners), PATIENCE).await?;
    Ok(stored.id())
}

/// Reads a body to its end.
pub(crate) async fn drain(mut body: Box<dyn BodyReader>) -> StoreResult<Vec<u8>> {
    let mut octets = Vec::new();
    while let Some(piece) = body.next().await? {
        octets.extend_from_slice(&piece);
    }
    Ok(octets)
}

/// Runs all at once, answers in their order.
pub(crate) async fn together<F>(works: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let tasks: Vec<_> = works.into_iter().map(tokio::spawn).collect();
    let mut outputs = Vec::with_capacity(tasks.len());
    for task in tasks {
        outputs.push(task.await.expect("the task does not panic"));
    }
    outputs
}

/// Polls so many times, with a turn for other tasks after each, and then drops the work: answers
/// what it answered, if it was faster.
pub(crate) async fn cancelled_after<F: Future>(polls: usize, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    for _ in 0..polls {
        let poll = std::future::poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
        if let Poll::Ready(output) = poll {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

pub(crate) fn new_account(text: &str, password: &str) -> NewAccount {
    NewAccount {
        address: address(text),
        credentials: credentials(password),
        created_at: UnixTime::from_micros(1_700_000_000_000_000),
    }
}

pub(crate) fn credentials(password: &str) -> Credentials {
    Credentials {
        scram_sha_256: Some(format!("4096:{password}:c3RvcmVk:c2VydmVy")),
        ..Credentials::of_hash(format!("$argon2id$v=19$m=8,t=1,p=1$c2FsdA${password}"))
    }
}

/// How a verb failed; it must have.
pub(crate) fn kind<T>(result: StoreResult<T>) -> ErrorKind {
    match result {
        Ok(_) => panic!("the verb must fail"),
        Err(error) => StoreError::kind(&error),
    }
}

pub(crate) const FULL: ErrorKind = ErrorKind::Unavailable(Reason::Full);
pub(crate) const CLOSING: ErrorKind = ErrorKind::Unavailable(Reason::Closing);
