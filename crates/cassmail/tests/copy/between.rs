//! From memory into the embedded store and back; into a target that is not empty.

use std::sync::Arc;

use cassmail_mail::{IdMinter, NodeId, UnixTime};
use cassmail_store::copy::{CopyFault, Wrong};
use cassmail_store::{
    AddressEntry, Administrator, DomainEntry, MemoryStore, Rights, Store, Token, TokenId,
};
use cassmail_store_embedded::{Embedded, Options};

use crate::picture::{Picture, ids};
use crate::town::{MESSAGES, SHARED, account, address, deliver, moved, settle, text, whole};

/// An embedded store in a folder that goes with it.
struct House {
    store: Arc<dyn Store>,
    folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Embedded::open(&Options::small(folder.path())).expect("opening");
        Self {
            store: Arc::new(store),
            folder,
        }
    }
}

async fn town() -> Arc<dyn Store> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    settle(&*store).await;
    store
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

#[tokio::test]
async fn everything_comes_into_the_embedded_store_and_back() {
    let (source, house, back) = (town().await, House::new(), memory());
    let there = moved(&source, &house.store).await.expect("a copy");
    assert_eq!(there.faults, []);
    assert_eq!((there.messages, there.present), (MESSAGES, 0));
    assert_eq!((there.domains, there.accounts), (2, 5));
    let expected = Picture::of(&*source).await;
    assert_eq!(Picture::of(&*house.store).await, expected);

    let returned = moved(&house.store, &back).await.expect("a copy");
    assert_eq!(returned.faults, []);
    // What had an id of its own keeps that.
    assert_eq!((returned.messages, returned.renamed), (MESSAGES, 0));
    assert_eq!(Picture::of(&*back).await, expected);
    assert_eq!(ids(&*back).await, ids(&*house.store).await);
}

#[tokio::test]
async fn a_message_keeps_its_id_unless_it_has_several_owners() {
    let (source, target) = (town().await, memory());
    let copied = moved(&source, &target).await.expect("a copy");
    assert_eq!(copied.renamed, SHARED);
    let (before, after) = (ids(&*source).await, ids(&*target).await);
    let kept = after.iter().filter(|id| before.contains(id)).count();
    let shared = usize::try_from(SHARED).expect("few");
    assert_eq!(kept, before.len() - shared);
    assert_eq!(after.len(), before.len());
}

#[tokio::test]
async fn a_copy_that_is_made_again_writes_nothing() {
    let (source, house) = (town().await, House::new());
    moved(&source, &house.store).await.expect("a copy");
    let before = (Picture::of(&*house.store).await, ids(&*house.store).await);
    let again = moved(&source, &house.store).await.expect("a copy");
    assert_eq!(again.faults, []);
    assert_eq!((again.messages, again.present), (0, MESSAGES));
    assert_eq!(again.renamed, SHARED);
    let after = (Picture::of(&*house.store).await, ids(&*house.store).await);
    assert_eq!(after, before);
}

#[tokio::test]
async fn what_the_source_has_since_is_copied_by_the_next_run() {
    let (source, target) = (town().await, memory());
    moved(&source, &target).await.expect("a copy");
    let zoe = account(&*source, "zoe@here.example").await;
    let minter = IdMinter::new(NodeId::from_random(2));
    let id = minter.mint(UnixTime::from_micros(1_700_000_001_000_000));
    deliver(&*source, id, text(99), vec![whole(zoe, None)]).await;
    let again = moved(&source, &target).await.expect("a copy");
    assert_eq!((again.messages, again.present), (1, MESSAGES));
    assert_eq!(Picture::of(&*target).await, Picture::of(&*source).await);
}

#[tokio::test]
async fn other_mail_in_the_target_stays_as_it_is() {
    let (source, target) = (town().await, memory());
    let other = DomainEntry::new("other.example".parse().expect("a domain"));
    target.put_domain(other.clone()).await.expect("a domain");
    let minter = IdMinter::new(NodeId::from_random(2));
    let mint = || minter.mint(UnixTime::from_micros(1_700_000_000_500_000));
    let olga = account(&*target, "olga@other.example").await;
    deliver(&*target, mint(), text(1), vec![whole(olga, Some("x"))]).await;
    // Alice was there before, with mail of her own, under the same address and credentials.
    let alice = account(&*target, "alice@here.example").await;
    let own = mint();
    deliver(&*target, own, text(2), vec![whole(alice, None)]).await;
    let before = Picture::of(&*target).await;

    let copied = moved(&source, &target).await.expect("a copy");
    assert_eq!(copied.faults, []);
    let after = Picture::of(&*target).await;
    let olga = address("olga@other.example");
    assert_eq!(after.mail[&olga], before.mail[&olga]);
    let alice_at = address("alice@here.example");
    let of_alice = &after.mail[&alice_at];
    let kept = of_alice
        .iter()
        .filter(|mail| before.mail[&alice_at].contains(mail));
    assert_eq!(kept.count(), 1);
    let expected = Picture::of(&*source).await.messages() + before.messages();
    assert_eq!(after.messages(), expected);
    assert!(target.domains().await.expect("domains").contains(&other));
}

#[tokio::test]
async fn an_address_that_is_somebody_else_there_is_reported_and_stays() {
    let (source, target) = (town().await, memory());
    let targets = vec![address("x@far.example")];
    let alice = address("alice@here.example");
    target
        .put_alias(alice.clone(), targets)
        .await
        .expect("an alias");
    let bob = account(&*target, "bob@here.example").await;
    let here = DomainEntry::new("here.example".parse().expect("a domain"));
    target.put_domain(here.clone()).await.expect("a domain");

    let copied = moved(&source, &target).await.expect("a copy");
    let mut faults = copied.faults;
    faults.sort_by_key(ToString::to_string);
    let bob_at = address("bob@here.example");
    let expected = [
        CopyFault::Address(alice.clone()),
        CopyFault::Address(bob_at.clone()),
        CopyFault::Domain(here.name.clone()),
    ];
    assert_eq!(faults, expected);
    let entry = target.resolve(alice.clone()).await.expect("a read");
    assert!(matches!(entry, Some(AddressEntry::Alias { .. })));
    assert_eq!(target.list(bob).await.expect("a listing"), []);
    let found = target.domain(here.name.clone()).await.expect("a read");
    assert_eq!(found, Some(here));
    let gone = [alice, bob_at];
    let others = Picture::of(&*source).await.without(&gone).mail;
    assert_eq!(Picture::of(&*target).await.without(&gone).mail, others);
}

#[tokio::test]
async fn damaged_mail_is_reported_and_the_rest_arrives() {
    let source = Arc::new(MemoryStore::new());
    settle(&*source).await;
    source.damage_bodies();
    let minter = IdMinter::new(NodeId::from_random(3));
    let id = minter.mint(UnixTime::from_micros(1_700_000_002_000_000));
    let zoe = account(&*source, "zoe@here.example").await;
    deliver(&*source, id, text(5), vec![whole(zoe, None)]).await;
    let (source, target): (Arc<dyn Store>, _) = (source, memory());
    let copied = moved(&source, &target).await.expect("a copy");
    assert_eq!(copied.messages, 1);
    let damaged = copied.faults.iter().filter(|fault| {
        let CopyFault::Message { what, .. } = fault else {
            return false;
        };
        *what == Wrong::DamagedAtSource
    });
    assert_eq!(u64::try_from(damaged.count()).expect("few"), MESSAGES);
    assert_eq!(target.list(zoe).await.expect("a listing").len(), 1);
}

#[tokio::test]
async fn a_target_that_gives_out_other_octets_is_found_out() {
    let target = Arc::new(MemoryStore::new());
    let source = town().await;
    let as_store: Arc<dyn Store> = target.clone();
    moved(&source, &as_store).await.expect("a copy");
    target.damage_bodies();
    let again = moved(&source, &as_store).await.expect("a copy");
    let other = |fault: &&CopyFault| {
        matches!(
            fault,
            CopyFault::Message {
                what: Wrong::OtherOctets,
                ..
            }
        )
    };
    let found = again.faults.iter().filter(other).count();
    assert_eq!(u64::try_from(found).expect("few"), MESSAGES);
}

#[tokio::test]
async fn a_store_that_is_in_use_is_not_copied() {
    let house = House::new();
    let second = Embedded::open(&Options::small(house.folder.path()));
    assert!(second.is_err());
}

fn administrator(hash: &str) -> Administrator {
    Administrator {
        name: "alice".parse().unwrap(),
        password_hash: hash.to_owned(),
        rights: Rights::all(),
        created_at: UnixTime::from_micros(7),
    }
}

fn token(label: &str) -> Token {
    Token {
        id: TokenId::of([7; 16]),
        label: label.to_owned(),
        sha_256: "digest".to_owned(),
        rights: Rights::all(),
        owner: None,
        created_at: UnixTime::from_micros(7),
        expires_at: None,
    }
}

#[tokio::test]
async fn administrators_and_tokens_come_along_and_those_of_the_target_stay() {
    let (source, target) = (memory(), memory());
    source
        .put_administrator(administrator("hash"))
        .await
        .unwrap();
    source.put_token(token("here")).await.unwrap();
    for _ in 0..2 {
        assert_eq!(moved(&source, &target).await.expect("a copy").faults, []);
        assert!(target.administrators().await.unwrap() == [administrator("hash")]);
        assert!(target.tokens().await.unwrap() == [token("here")]);
    }
    target
        .put_administrator(administrator("other"))
        .await
        .unwrap();
    target.put_token(token("there")).await.unwrap();
    let faults = moved(&source, &target).await.expect("a copy").faults;
    let expected = [
        CopyFault::Administrator("alice".parse().unwrap()),
        CopyFault::Token(TokenId::of([7; 16])),
    ];
    assert_eq!(faults, expected);
    assert!(target.administrators().await.unwrap() == [administrator("other")]);
    assert!(target.tokens().await.unwrap() == [token("there")]);
}
