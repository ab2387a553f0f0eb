//! Messages on their way in: begun, written, committed, listed.

use bytes::Bytes;
use cassmail_mail::{
    AccountId, Delivery, Entry, MessageId, Owner, ReversePath, SurrogateSize, Uidl,
};
use cassmail_store::ErrorKind;

use crate::bench::{cancelled_after, kind, submit};
use crate::letter::{
    PATIENCE, as_delivered, assert_same_octets, cut, delivery, hello, noise, owner, owner_named,
    text,
};
use crate::{Bench, Subject};

/// Maildrops::open, Promise: the octets are those that were written.
pub async fn a_message_comes_back_as_it_was_written<S: Subject>(bench: Bench<S>) {
    comes_back(&bench, &[hello()]).await;
}

/// MessageWriter::write: pieces are appended.
pub async fn pieces_come_back_as_one_body<S: Subject>(bench: Bench<S>) {
    for size in [2, 7, 64, 1000] {
        comes_back(&bench, &cut(&text(3000), size)).await;
    }
}

/// MessageWriter::write: however small.
pub async fn pieces_of_one_octet_come_back_as_one_body<S: Subject>(bench: Bench<S>) {
    comes_back(&bench, &cut(&text(4000), 1)).await;
}

/// MessageWriter::write: an empty piece is nothing.
pub async fn empty_pieces_change_nothing<S: Subject>(bench: Bench<S>) {
    let pieces = [Bytes::new(), text(500), Bytes::new(), Bytes::new()];
    comes_back(&bench, &pieces).await;
}

/// MessageWriter::commit: without any piece.
pub async fn an_empty_message_comes_back_empty<S: Subject>(bench: Bench<S>) {
    comes_back(&bench, &[]).await;
    comes_back(&bench, &[Bytes::new()]).await;
}

/// Maildrops::open, Promise: octets have no meaning to a store.
pub async fn every_octet_comes_back<S: Subject>(bench: Bench<S>) {
    let all: Bytes = (0..=u8::MAX).cycle().take(1024).collect();
    comes_back(&bench, &[all]).await;
    let bare = Bytes::from_static(b"\0\n\r\r\n\n.\r\n..\r\n\xff\xfe no line end at the end");
    comes_back(&bench, &[bare]).await;
}

/// Maildrops::open, Promise: also next to the sizes where stores change their ways.
pub async fn messages_of_awkward_sizes_come_back_whole<S: Subject>(bench: Bench<S>) {
    for limit in [1, 512, 4096, 32 * 1024, 64 * 1024, 128 * 1024, 256 * 1024] {
        for octets in [limit - 1, limit, limit + 1] {
            comes_back(&bench, &[text(octets)]).await;
            comes_back(&bench, &[noise(octets, 3)]).await;
        }
    }
}

/// Maildrops::open, Promise: a message of many pieces of a connection's buffer.
pub async fn a_message_of_300_kib_comes_back_whole<S: Subject>(bench: Bench<S>) {
    comes_back(&bench, &cut(&text(300 * 1024), 8 * 1024)).await;
    comes_back(&bench, &[noise(300 * 1024, 5)]).await;
}

/// Maildrops::open, Promise: a message with an attachment.
pub async fn a_message_of_5_mib_comes_back_whole<S: Subject>(bench: Bench<S>) {
    comes_back(&bench, &cut(&text(5 << 20), 64 * 1024)).await;
}

/// Maildrops::open, Promise: what does not compress is not damaged by trying.
pub async fn a_message_that_does_not_compress_comes_back_whole<S: Subject>(bench: Bench<S>) {
    comes_back(&bench, &cut(&noise(5 << 20, 11), 50_000)).await;
}

/// MessageWriter::commit, Promise: the receipt.
pub async fn the_receipt_names_the_message<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let id = bench.mint();
    let mut writer = bench.store().begin(id).await.unwrap();
    writer.write(hello()).await.unwrap();
    let delivery = delivery(id, vec![owner(alice)]);
    let stored = writer.commit(delivery, PATIENCE).await.unwrap();
    assert_eq!(stored.id(), id);
}

/// Maildrops::list, Promise: with the receipt it is listed, once.
pub async fn an_acknowledged_message_is_listed_once<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let id = bench.deliver(alice, hello()).await;
    let entry = Entry {
        id,
        size: octets(&hello()),
        surrogate_size: None,
        imported_uidl: None,
    };
    assert_eq!(bench.list(alice).await, [entry]);
}

/// MessageWriter::commit, Promise: every owner lists it, once.
pub async fn every_owner_lists_the_message_once<S: Subject>(bench: Bench<S>) {
    listed_by_owners(&bench, 10).await;
}

/// MessageWriter::commit, Promise: as many owners as a transaction may have recipients.
pub async fn a_thousand_owners_list_the_message<S: Subject>(bench: Bench<S>) {
    listed_by_owners(&bench, 1000).await;
}

/// Maildrops::list: whose it is not does not see it.
pub async fn a_message_is_listed_by_its_owners_only<S: Subject>(bench: Bench<S>) {
    let accounts = bench.accounts(5).await;
    let id = bench.deliver(accounts[2], hello()).await;
    for (at, &account) in accounts.iter().enumerate() {
        let expected: &[MessageId] = if at == 2 { &[id] } else { &[] };
        assert_eq!(bench.ids(account).await, expected);
    }
}

/// Maildrops::list: the order of ids, not of commits.
pub async fn a_listing_is_in_the_order_of_ids<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let ids: Vec<_> = (0..50).map(|_| bench.mint()).collect();
    // Every seventh, round and round: each id once, in no order.
    for turn in 0..50 {
        let id = ids[turn * 7 % 50];
        commit(&bench, id, &hello(), vec![owner(alice)]).await;
    }
    assert_eq!(bench.ids(alice).await, ids);
}

/// Maildrops::list: asked again it says the same.
pub async fn a_listing_can_be_repeated<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    for octets in 0..10 {
        bench.deliver(alice, text(octets * 100)).await;
    }
    let first = bench.list(alice).await;
    assert_eq!(first.len(), 10);
    assert_eq!(bench.list(alice).await, first);
}

/// Maildrops::list: bodies are never compared to find copies.
pub async fn the_same_body_delivered_twice_is_two_messages<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let first = bench.deliver(alice, hello()).await;
    let second = bench.deliver(alice, hello()).await;
    assert_eq!(bench.ids(alice).await, [first, second]);
    bench.remove(alice, &[first]).await;
    assert_eq!(bench.read(alice, second).await, hello());
}

/// Maildrops::list, Promise: the size that open gives out, for each owner his own.
pub async fn the_listed_size_is_what_is_given_out<S: Subject>(bench: Bench<S>) {
    let accounts = bench.accounts(3).await;
    let owners = vec![
        owner(accounts[0]),
        owner_named(accounts[1], "a@example.org"),
        owner_named(accounts[2], "a.much.longer.name@sub.example.org"),
    ];
    for body in [Bytes::new(), hello(), text(40_000), noise(300_000, 9)] {
        let id = bench.deliver_to(owners.clone(), body).await;
        for &account in &accounts {
            let given = bench.read(account, id).await;
            assert_eq!(entry(&bench, account, id).await.size, octets(&given));
        }
    }
}

/// Maildrops::open: with the Delivered-To line, as the sender named the recipient.
pub async fn each_owner_gets_a_delivered_to_line_of_his_own<S: Subject>(bench: Bench<S>) {
    let accounts = bench.accounts(2).await;
    let named = ["Alice+news@example.org", "sales@example.org"];
    let owners = accounts.iter().zip(named);
    let owners = owners.map(|(&account, name)| owner_named(account, name));
    let id = bench.deliver_to(owners.collect(), hello()).await;
    for (account, name) in accounts.into_iter().zip(named) {
        let given = bench.read(account, id).await;
        assert_eq!(given, as_delivered(&hello(), name));
    }
}

/// Maildrops::open: an imported message is given out as it came.
pub async fn an_owner_without_recipient_gets_no_line<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let bob = bench.account("bob").await;
    let owners = vec![owner(alice), owner_named(bob, "bob@example.org")];
    let id = bench.deliver_to(owners, hello()).await;
    assert_eq!(bench.read(alice, id).await, hello());
}

/// Maildrops::open: behind the first line, wherever the pieces are cut.
pub async fn the_delivered_to_line_is_behind_the_first_line_however_it_is_cut<S: Subject>(
    bench: Bench<S>,
) {
    let alice = bench.account("alice").await;
    let body = Bytes::from_static(b"Return-Path: <>\r\nSubject: x\r\n\r\nhi\r\n");
    for at in 0..=body.len() {
        let pieces = [body.slice(..at), body.slice(at..)];
        named_comes_back(&bench, alice, &pieces, "alice@example.org").await;
    }
    named_comes_back(&bench, alice, &cut(&body, 1), "alice@example.org").await;
}

/// Maildrops::open: a body that is one line, and one that has no end of line at all.
pub async fn a_body_of_one_line_gets_its_delivered_to_line<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    for body in ["Return-Path: <>\r\n", "no end of line", "\n", ""] {
        let pieces = [Bytes::from_static(body.as_bytes())];
        named_comes_back(&bench, alice, &pieces, "alice@example.org").await;
    }
}

/// Maildrops::open: the recipient is written with the quotes that it needs.
pub async fn a_recipient_that_needs_quotes_is_named_with_them<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    for name in [
        r#""a b"@example.org"#,
        r#""a\"b\\"@example.org"#,
        "b\u{fc}ro@example.org",
        "x@[IPv6:2001:db8::1]",
    ] {
        named_comes_back(&bench, alice, &[hello()], name).await;
    }
}

/// Maildrops::list: UIDLs of messages that were received here.
pub async fn a_message_has_the_unique_id_of_its_id<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let id = bench.deliver(alice, hello()).await;
    let found = entry(&bench, alice, id).await;
    assert_eq!(found.imported_uidl, None);
    assert_eq!(found.uidl(), Uidl::of(id));
}

/// Maildrops::list: UIDLs of messages that were imported.
pub async fn an_imported_message_keeps_its_unique_id<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    for uidl in ["1", "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~\\", &"Z".repeat(70)] {
        let id = bench.deliver_to(vec![imported(alice, uidl)], hello()).await;
        let found = entry(&bench, alice, id).await;
        assert_eq!(found.uidl().as_str(), uidl);
        assert_eq!(found.size, octets(&hello()));
    }
}

/// Maildrops::list: an imported UIDL is one owner's.
pub async fn owners_of_one_message_have_unique_ids_of_their_own<S: Subject>(bench: Bench<S>) {
    let accounts = bench.accounts(3).await;
    let owners = vec![
        imported(accounts[0], "first"),
        owner(accounts[1]),
        imported(accounts[2], "third"),
    ];
    let id = bench.deliver_to(owners, hello()).await;
    let expected = ["first", Uidl::of(id).as_str(), "third"].map(str::to_owned);
    for (account, expected) in accounts.into_iter().zip(expected) {
        let found = entry(&bench, account, id).await;
        assert_eq!(found.uidl().as_str(), expected);
    }
}

/// MessageWriter::commit: a report has no reverse path and is a message like any other.
pub async fn a_report_is_delivered_like_any_message<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let id = bench.mint();
    let mut writer = bench.store().begin(id).await.unwrap();
    writer.write(hello()).await.unwrap();
    let report = Delivery {
        reverse_path: ReversePath::Null,
        ..delivery(id, vec![owner(alice)])
    };
    let stored = writer.commit(report, PATIENCE).await.unwrap();
    assert_eq!(bench.ids(alice).await, [stored.id()]);
    assert_eq!(bench.read(alice, id).await, hello());
}

/// Maildrops::list, Promise: the size of the surrogate is that of each owner, small or large, and
/// stays.
pub async fn the_size_of_a_surrogate_is_listed_as_it_was_committed<S: Subject>(
    mut bench: Bench<S>,
) {
    let accounts = bench.accounts(3).await;
    let line = u64::try_from("Delivered-To: Bob+x@x.example\r\n".len()).unwrap();
    let mut expected = Vec::new();
    for (body, surrogate) in [
        (hello(), 0),
        (noise(300, 1), 290),
        (noise(300_000, 2), 299_999),
        (noise(3_000_000, 3), 5_000_000_000),
    ] {
        let shares = [
            (
                owner_named(accounts[0], "Bob+x@x.example"),
                surrogate + line,
            ),
            (owner_named(accounts[1], "b\u{f6}b@x.example"), surrogate),
            (owner(accounts[2]), surrogate),
        ];
        // Alone, and all together.
        for count in [1, 3] {
            let id = bench.mint();
            let owners = shares[..count].iter().map(|(owner, _)| owner.clone());
            let delivery = Delivery {
                surrogate_size: Some(surrogate),
                ..delivery(id, owners.collect())
            };
            commit_as(&bench, id, &body, delivery).await;
            let listed = shares[..count].iter();
            expected.extend(listed.map(|(owner, size)| (owner.account, id, Some(*size))));
        }
    }
    assert_surrogates(&bench, &expected).await;
    bench.reopen().await;
    assert_surrogates(&bench, &expected).await;
}

/// Maildrops::list: who is named by an address that clients cannot show needs a surrogate, whatever
/// the body is; all others list none where there is none.
pub async fn a_message_without_a_surrogate_lists_none<S: Subject>(bench: Bench<S>) {
    let accounts = bench.accounts(3).await;
    for body in [hello(), noise(300_000, 1)] {
        let id = bench.mint();
        let owners = vec![
            owner_named(accounts[0], "Bob+x@x.example"),
            owner_named(accounts[1], "b\u{f6}b@x.example"),
            owner(accounts[2]),
        ];
        commit_as(&bench, id, &body, delivery(id, owners)).await;
        let expected = [
            (accounts[0], id, None),
            (accounts[1], id, Some(octets(&body))),
            (accounts[2], id, None),
        ];
        assert_surrogates(&bench, &expected).await;
    }
}

async fn commit_as<S: Subject>(bench: &Bench<S>, id: MessageId, body: &Bytes, delivery: Delivery) {
    let mut writer = bench.store().begin(id).await.unwrap();
    writer.write(body.clone()).await.unwrap();
    let stored = writer.commit(delivery, PATIENCE).await.unwrap();
    assert_eq!(stored.id(), id);
}

async fn assert_surrogates<S: Subject>(
    bench: &Bench<S>,
    expected: &[(AccountId, MessageId, Option<u64>)],
) {
    for &(account, id, size) in expected {
        let listed = entry(bench, account, id).await.surrogate_size;
        assert_eq!(listed.map(SurrogateSize::octets), size);
    }
}

/// Maildrops::begin, Promise: what is written is nobody's until it is committed.
pub async fn nothing_is_visible_before_the_commit<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let id = bench.mint();
    let mut writer = bench.store().begin(id).await.unwrap();
    for piece in cut(&noise(1 << 20, 1), 64 * 1024) {
        writer.write(piece).await.unwrap();
    }
    assert!(bench.list(alice).await.is_empty());
    let opened = bench.store().open(alice, id).await;
    assert_eq!(kind(opened), ErrorKind::Missing);
    let delivery = delivery(id, vec![owner(alice)]);
    let stored = writer.commit(delivery, PATIENCE).await.unwrap();
    assert_eq!(bench.ids(alice).await, [stored.id()]);
}

/// MessageWriter: dropping it without a commit leaves nothing that is listed.
pub async fn a_dropped_writer_leaves_nothing<S: Subject>(mut bench: Bench<S>) {
    let alice = bench.account("alice").await;
    for size in [0, 100, 1 << 20] {
        let mut writer = bench.store().begin(bench.mint()).await.unwrap();
        writer.write(noise(size, 1)).await.unwrap();
        drop(writer);
    }
    assert!(bench.list(alice).await.is_empty());
    bench.reopen().await;
    assert!(bench.list(alice).await.is_empty());
}

/// Maildrops::begin, Retry: begins anew.
pub async fn an_id_can_be_begun_again<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let id = bench.mint();
    let mut dropped = bench.store().begin(id).await.unwrap();
    dropped.write(text(100_000)).await.unwrap();
    drop(dropped);
    commit(&bench, id, &hello(), vec![owner(alice)]).await;
    assert_eq!(bench.read(alice, id).await, hello());
}

/// Maildrops::begin, Cancel: nothing is left.
pub async fn a_cancelled_begin_leaves_nothing<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    for polls in 0..4 {
        let id = bench.mint();
        let store = bench.store();
        drop(cancelled_after(polls, store.begin(id)).await);
        assert!(bench.list(alice).await.is_empty());
        commit(&bench, id, &hello(), vec![owner(alice)]).await;
        bench.remove(alice, &[id]).await;
    }
}

/// MessageWriter::write, Cancel: the message cannot be committed, since a piece may lack.
pub async fn a_message_whose_write_was_cancelled_cannot_be_committed<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    for size in [10, 1 << 20] {
        let id = bench.mint();
        let mut writer = bench.store().begin(id).await.unwrap();
        writer.write(hello()).await.unwrap();
        drop(writer.write(noise(size, 1)));
        let _ = writer.write(text(10)).await;
        let committed = writer.commit(delivery(id, vec![owner(alice)]), PATIENCE);
        assert!(committed.await.is_err());
        assert!(bench.list(alice).await.is_empty());
    }
}

/// MessageWriter::commit, Cancel: as a crash, listed for all or for none.
pub async fn a_cancelled_commit_is_listed_for_all_or_for_none<S: Subject>(mut bench: Bench<S>) {
    let accounts = bench.accounts(3).await;
    let mut ids = Vec::new();
    for polls in 0..8 {
        let id = bench.mint();
        let mut writer = bench.store().begin(id).await.unwrap();
        writer.write(text(10_000)).await.unwrap();
        let owners = accounts.iter().map(|&account| owner(account)).collect();
        let commit = writer.commit(delivery(id, owners), PATIENCE);
        let _ = cancelled_after(polls, commit).await;
        ids.push(id);
    }
    // Closing finishes what was begun, so that all listings are of one moment.
    bench.reopen().await;
    let listed = bench.ids(accounts[0]).await;
    assert!(listed.iter().all(|id| ids.contains(id)));
    for &account in &accounts {
        assert_eq!(bench.ids(account).await, listed);
        for &id in &listed {
            assert_same_octets(&bench.read(account, id).await, &text(10_000));
        }
    }
}

/// Maildrops::begin: writers do not share anything.
pub async fn messages_that_are_written_by_turns_do_not_mix<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let bodies: Vec<_> = (1..=5).map(|seed| noise(200_000, seed)).collect();
    let ids: Vec<_> = bodies.iter().map(|_| bench.mint()).collect();
    let mut writers = Vec::new();
    for &id in &ids {
        writers.push(bench.store().begin(id).await.unwrap());
    }
    let pieces: Vec<_> = bodies.iter().map(|body| cut(body, 10_000)).collect();
    for at in 0..pieces[0].len() {
        for (writer, pieces) in writers.iter_mut().zip(&pieces) {
            writer.write(pieces[at].clone()).await.unwrap();
        }
    }
    for (writer, &id) in writers.into_iter().zip(&ids) {
        let delivery = delivery(id, vec![owner(alice)]);
        let stored = writer.commit(delivery, PATIENCE).await.unwrap();
        assert_eq!(stored.id(), id);
    }
    for (id, body) in ids.into_iter().zip(bodies) {
        assert_same_octets(&bench.read(alice, id).await, &body);
    }
}

async fn comes_back<S: Subject>(bench: &Bench<S>, pieces: &[Bytes]) {
    let alice = bench.account("alice").await;
    let id = bench.mint();
    let stored = submit(&*bench.store(), id, pieces, vec![owner(alice)]).await;
    assert_eq!(stored.unwrap(), id);
    let body = pieces.concat();
    assert_same_octets(&bench.read(alice, id).await, &body);
    assert_eq!(entry(bench, alice, id).await.size, octets(&body));
}

async fn named_comes_back<S: Subject>(
    bench: &Bench<S>,
    account: AccountId,
    pieces: &[Bytes],
    name: &str,
) {
    let owners = vec![owner_named(account, name)];
    let id = bench.mint();
    let stored = submit(&*bench.store(), id, pieces, owners).await;
    assert_eq!(stored.unwrap(), id);
    let expected = as_delivered(&pieces.concat(), name);
    assert_same_octets(&bench.read(account, id).await, &expected);
    assert_eq!(entry(bench, account, id).await.size, octets(&expected));
}

async fn listed_by_owners<S: Subject>(bench: &Bench<S>, count: usize) {
    let accounts = bench.accounts(count).await;
    let name = |at: usize| format!("user{at}@example.org");
    let owners = accounts.iter().enumerate();
    let owners = owners.map(|(at, &account)| owner_named(account, &name(at)));
    let id = bench.deliver_to(owners.collect(), hello()).await;
    for (at, &account) in accounts.iter().enumerate() {
        let expected = as_delivered(&hello(), &name(at));
        let listed = bench.list(account).await;
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].id, listed[0].size), (id, octets(&expected)));
        assert_eq!(bench.read(account, id).await, expected);
    }
}

async fn commit<S: Subject>(bench: &Bench<S>, id: MessageId, body: &Bytes, owners: Vec<Owner>) {
    let pieces = std::slice::from_ref(body);
    let stored = submit(&*bench.store(), id, pieces, owners).await;
    assert_eq!(stored.unwrap(), id);
}

/// The line of a listing about one message.
async fn entry<S: Subject>(bench: &Bench<S>, account: AccountId, id: MessageId) -> Entry {
    let listed = bench.list(account).await;
    let mut of_id = listed.into_iter().filter(|entry| entry.id == id);
    let entry = of_id.next().expect("it is listed");
    assert_eq!(of_id.next(), None, "listed once");
    entry
}

fn imported(account: AccountId, uidl: &str) -> Owner {
    Owner {
        uidl: Some(uidl.parse().expect("a unique id")),
        ..owner(account)
    }
}

fn octets(body: &[u8]) -> u64 {
    u64::try_from(body.len()).expect("fits")
}
