//! A simulated machine with a store on it.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use cassmail_mail::{
    AccountId, Address, Delivery, IdMinter, MessageId, NodeId, Owner, ReversePath, UnixTime,
};
use cassmail_store::{Accounts, Credentials, Maildrops, NewAccount, Patience, Store, StoreResult};

use crate::check::{self, Checked};
use crate::disk::{Disk, SegmentNumber, SimulatedDisk, World};
use crate::embedded::Parts;
use crate::index::{Index, SimulatedIndex};
use crate::opening;
use crate::segment::StoreId;
use crate::writer::{InTurns, More};
use crate::{Codec, Embedded, OpenError, Options};

pub(super) const SEGMENT: u64 = 6 * 1024;
const CHUNK: usize = 1024;
const STORE: StoreId = StoreId([5; 16]);
pub(super) const PATIENCE: Patience = Patience(Duration::from_secs(1));

pub(super) struct Machine {
    pub(super) world: World,
    store: Option<Embedded>,
    minter: IdMinter,
    clock: u64,
}

/// A verb that is under way.
pub(super) type Verb<'s, T> = std::pin::Pin<Box<dyn Future<Output = T> + 's>>;

impl Machine {
    pub(super) fn new(seed: u64) -> Self {
        let world = World::new(seed);
        let index = SimulatedIndex::open(&world);
        opening::make_index(&index, STORE).expect("a new index");
        Self {
            world,
            store: None,
            minter: IdMinter::new(NodeId::from_random(seed)),
            clock: 1,
        }
    }

    pub(super) fn open(&mut self) -> Result<(), OpenError> {
        self.store = None;
        let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(&self.world));
        let index: Box<dyn Index> = Box::new(SimulatedIndex::open(&self.world));
        let parts = Parts {
            disk,
            index,
            store: STORE,
            beside: Box::new(InTurns::default()),
            lock: None,
            chunk: CHUNK,
        };
        let options = Options {
            segment_size: SEGMENT,
            low_water: 2 * SEGMENT,
            cleaning_step: 2000,
            codec: Codec::Lz4,
            ..Options::small("")
        };
        self.store = Some(Embedded::open_by_hand(parts, &options)?);
        Ok(())
    }

    pub(super) fn store(&self) -> &Embedded {
        self.store.as_ref().expect("it is open")
    }

    /// Closes in an orderly way.
    pub(super) fn close(&mut self) {
        let store = self.store.take().expect("it is open");
        // A store that failed says so; whoever asks looks at what is on disk.
        let _ = drive(&store, store.close());
    }

    /// Loses power; nothing is open afterwards.
    pub(super) fn crash(&mut self) {
        if let Some(store) = self.store.take() {
            store.abandon();
        }
        self.world.lose_power();
    }

    pub(super) fn mint(&mut self) -> MessageId {
        self.clock += 1;
        self.minter.mint(UnixTime::from_micros(self.clock))
    }

    pub(super) fn account(&self, name: &str) -> NewAccount {
        NewAccount {
            address: address(name),
            credentials: Credentials::of_hash(format!("{name} {}", self.clock)),
            created_at: UnixTime::from_micros(self.clock),
        }
    }

    pub(super) fn make_account(&mut self, name: &str) -> AccountId {
        self.clock += 1;
        let store = self.store();
        drive(store, store.create_account(self.account(name))).expect("an account")
    }

    pub(super) fn remove_account(&self, name: &str) -> StoreResult<()> {
        drive(self.store(), self.store().remove_account(address(name)))
    }

    pub(super) fn deliver(&mut self, owners: &[AccountId], body: &[u8]) -> StoreResult<MessageId> {
        let id = self.mint();
        let store = self.store();
        drive(store, submit(store, id, owners.to_vec(), body.to_vec()))
    }

    pub(super) fn remove(&self, account: AccountId, ids: &[MessageId]) -> StoreResult<()> {
        let store = self.store();
        let removed = drive(store, store.remove(account, ids.to_vec(), PATIENCE));
        removed.map(drop)
    }

    pub(super) fn ids(&self, account: AccountId) -> Vec<MessageId> {
        let store = self.store();
        let listed = drive(store, store.list(account)).expect("a listing");
        listed.into_iter().map(|entry| entry.id).collect()
    }

    /// The whole body.
    pub(super) fn read(&self, account: AccountId, id: MessageId) -> StoreResult<Vec<u8>> {
        let store = self.store();
        drive(store, async {
            let mut reader = store.open(account, id).await?;
            let mut body = Vec::new();
            while let Some(piece) = reader.next().await? {
                body.extend_from_slice(&piece);
            }
            Ok(body)
        })
    }

    /// Maintains until there is nothing more to do.
    pub(super) fn maintain(&self) {
        for _ in 0..10_000 {
            if self.store().maintain() == More::No && self.store().maintain() == More::No {
                return;
            }
        }
        panic!("maintenance does not come to an end");
    }

    pub(super) fn lengths(&self) -> Vec<(SegmentNumber, u64)> {
        SimulatedDisk::new(&self.world).list().expect("a folder")
    }

    pub(super) fn segments(&self) -> usize {
        self.lengths().len()
    }

    pub(super) fn check(&self) -> Checked {
        let store = self.store();
        let moment = drive(store, store.front.moment("check")).expect("it is open");
        check::check(&moment, &SimulatedDisk::new(&self.world), STORE).expect("the index is whole")
    }

    /// Bodies verify, and the books are right.
    pub(super) fn assert_sound(&self) {
        let checked = self.check();
        assert!(checked.faults.is_empty(), "{:?}", checked.faults);
    }
}

pub(super) fn address(name: &str) -> Address {
    format!("{name}@example.org").parse().expect("an address")
}

pub(super) fn delivery(id: MessageId, owners: Vec<AccountId>) -> Delivery {
    let owner = |account| Owner {
        account,
        recipient: None,
        uidl: None,
    };
    Delivery {
        reverse_path: ReversePath::Null,
        received_at: id.minted_at(),
        surrogate_size: None,
        owners: owners.into_iter().map(owner).collect(),
    }
}

pub(super) async fn submit(
    store: &Embedded,
    id: MessageId,
    owners: Vec<AccountId>,
    body: Vec<u8>,
) -> StoreResult<MessageId> {
    let mut writer = store.begin(id).await?;
    for piece in body.chunks(700) {
        writer.write(Bytes::copy_from_slice(piece)).await?;
    }
    let stored = writer.commit(delivery(id, owners), PATIENCE).await?;
    Ok(stored.id())
}

/// Drives one verb to its end, giving the writer turns.
pub(super) fn drive<T>(store: &Embedded, verb: impl Future<Output = T>) -> T {
    let mut verb = std::pin::pin!(verb);
    for _ in 0..100_000 {
        let polled = verb.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(done) = polled {
            return done;
        }
        store.turn();
    }
    panic!("a verb does not come to an end");
}
