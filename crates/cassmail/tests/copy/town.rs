//! A store with one of everything.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cassmail_mail::{
    AccountId, Address, Delivery, IdMinter, MessageId, NodeId, Owner, ReversePath, UnixTime,
};
use cassmail_store::copy::{Copied, CopyError, CopyOptions, Progress, copy};
use cassmail_store::{
    AccountState, Bound, Credentials, DomainEntry, NewAccount, Patience, Quota, Store,
};

pub(crate) const PATIENCE: Patience = Patience(Duration::from_mins(1));

/// When everything here happens.
const THEN: UnixTime = UnixTime::from_micros(1_700_000_000_000_000);

/// What of a town gets an id of its own where a store keeps one body for an id.
pub(crate) const SHARED: u64 = 3;

/// How many messages its accounts list.
pub(crate) const MESSAGES: u64 = 10;

/// Copies as the command does, a few at once.
pub(crate) async fn moved(
    source: &Arc<dyn Store>,
    target: &Arc<dyn Store>,
) -> Result<Copied, CopyError> {
    let options = CopyOptions {
        at_once: 4,
        patience: PATIENCE,
    };
    copy(source, target, options, &Progress::default()).await
}

/// Furnishes an empty store.
pub(crate) async fn settle(store: &dyn Store) {
    let minter = IdMinter::new(NodeId::from_random(0x70_3a));
    let mint = || minter.mint(THEN);
    settle_domains(store).await;
    let alice = account(store, "alice@here.example").await;
    // Bob lives for the third time.
    for _ in 0..2 {
        account(store, "bob@here.example").await;
        let bob = address("bob@here.example");
        store.remove_account(bob).await.expect("a removal");
    }
    let bob = account(store, "bob@here.example").await;
    let carol = account(store, "\"carol o'c\"@there.example").await;
    account(store, "empty@there.example").await;
    account(store, "gone@here.example").await;
    let gone = address("gone@here.example");
    store.remove_account(gone).await.expect("a removal");
    settle_aliases(store).await;

    for n in 0..3 {
        deliver(
            store,
            mint(),
            text(n),
            vec![named(alice, "alice@here.example")],
        )
        .await;
    }
    let removed = mint();
    deliver(store, removed, text(7), vec![whole(alice, None)]).await;
    let done = store.remove(alice, vec![removed], PATIENCE).await;
    assert_eq!(done.expect("a receipt").count(), 1);
    deliver(
        store,
        mint(),
        noise(90_000),
        vec![whole(bob, Some("old-7"))],
    )
    .await;
    // Of two owners, with lines of their own; the same whole; and large.
    let both = vec![
        named(alice, "sales@here.example"),
        named(bob, "bob+tag@here.example"),
    ];
    deliver(store, mint(), text(50), both).await;
    let both = vec![whole(alice, Some("same")), whole(bob, Some("same"))];
    deliver(store, mint(), text(60), both).await;
    let both = vec![named(bob, "bob@here.example"), whole(carol, None)];
    deliver(store, mint(), noise(200_000), both).await;
    disable(store, bob).await;
}

async fn settle_domains(store: &dyn Store) {
    let here = DomainEntry {
        postmaster: Some(address("alice@here.example")),
        catch_all: Some(address("bob@here.example")),
        quota: Quota {
            messages: Some(Bound::from(1000)),
            octets: Some(Bound::None),
        },
        ..DomainEntry::new("here.example".parse().expect("a domain"))
    };
    let there = DomainEntry::new("there.example".parse().expect("a domain"));
    for entry in [here, there] {
        store.put_domain(entry).await.expect("a domain");
    }
    // Out of service, its addresses stay.
    let once = DomainEntry::new("once.example".parse().expect("a domain"));
    store.put_domain(once.clone()).await.expect("a domain");
    account(store, "late@once.example").await;
    store.remove_domain(once.name).await.expect("a removal");
}

async fn settle_aliases(store: &dyn Store) {
    let targets = vec![address("alice@here.example"), address("x@far.example")];
    for name in ["sales@here.example", "old@here.example"] {
        let put = store.put_alias(address(name), targets.clone()).await;
        put.expect("an alias");
    }
    let old = address("old@here.example");
    store.remove_alias(old).await.expect("a removal");
    // An alias where an account was.
    account(store, "was@here.example").await;
    let was = address("was@here.example");
    store.remove_account(was.clone()).await.expect("a removal");
    store.put_alias(was, targets).await.expect("an alias");
}

pub(crate) async fn account(store: &dyn Store, name: &str) -> AccountId {
    let new = NewAccount {
        address: address(name),
        credentials: Credentials {
            scram_sha_256: Some(format!("4096:{name}:c3RvcmVk:c2VydmVy")),
            ..Credentials::of_hash(format!("$argon2id$v=19$m=8,t=1,p=1$c2FsdA${name}"))
        },
        created_at: THEN,
    };
    store.create_account(new).await.expect("an account")
}

async fn disable(store: &dyn Store, id: AccountId) {
    let account = store.account(id).await.expect("a read");
    let (mut profile, _) = account.expect("an account");
    profile.state = AccountState::Disabled;
    profile.quota.octets = Some(Bound::from(1 << 30));
    store.put_profile(id, profile).await.expect("a change");
}

pub(crate) async fn deliver(store: &dyn Store, id: MessageId, body: Bytes, owners: Vec<Owner>) {
    let mut writer = store.begin(id).await.expect("a writer");
    for piece in body.chunks(100_000) {
        writer.write(body.slice_ref(piece)).await.expect("room");
    }
    let delivery = Delivery {
        reverse_path: ReversePath::Null,
        received_at: id.minted_at(),
        surrogate_size: None,
        owners,
    };
    let stored = writer.commit(delivery, PATIENCE).await;
    assert_eq!(stored.expect("a receipt").id(), id);
}

pub(crate) fn named(account: AccountId, recipient: &str) -> Owner {
    Owner {
        account,
        recipient: Some(address(recipient)),
        uidl: None,
    }
}

pub(crate) fn whole(account: AccountId, uidl: Option<&str>) -> Owner {
    Owner {
        account,
        recipient: None,
        uidl: uidl.map(|uidl| uidl.parse().expect("a unique id")),
    }
}

pub(crate) fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

/// A small mail; each number makes another one.
pub(crate) fn text(n: usize) -> Bytes {
    let text = format!("Return-Path: <x@far.example>\r\nSubject: {n}\r\n\r\nHello {n}!\r\n");
    text.into()
}

/// Octets that do not compress.
fn noise(octets: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let random = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    random.flatten().take(octets).collect()
}
