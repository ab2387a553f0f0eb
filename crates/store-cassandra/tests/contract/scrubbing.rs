//! What a scrub finds, mends, deletes and leaves alone: each damage made by hand.

use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use cassmail_mail::{AccountId, MessageId};
use cassmail_store::{Accounts, AddressFilter, Maildrops, Store};
use cassmail_store_cassandra::scrub::{
    Begin, Bodies, Count, Effect, End, Heal, Options, Report, Scrub, ScrubError,
};
use cassmail_store_cassandra::{Cassandra, Clock};
use futures_util::{StreamExt, stream};
use scylla::value::CqlTimeuuid;
use uuid::Uuid;

use crate::support::{PATIENCE, Server, TABLES, noise};

/// As fast as it goes.
fn options() -> Options {
    Options {
        rate: NonZeroU32::new(1_000_000).expect("not zero"),
        ..Options::default()
    }
}

async fn open(server: &Server) -> Scrub {
    let options = server.keyspace.options(Arc::clone(&server.clock));
    Scrub::open(&options).await.expect("opening")
}

async fn scrub_with(server: &Server, options: Options) -> Report {
    let scrub = open(server).await;
    let report = scrub.run(options, &mut |_| ControlFlow::Continue(())).await;
    scrub.close().await;
    let report = report.expect("a report");
    assert_eq!(report.end, End::Finished);
    report
}

async fn scrub(server: &Server) -> Report {
    scrub_with(server, options()).await
}

/// What is remarkable, as text, so that a failure shows all of it.
fn said(report: &Report) -> String {
    let lines = report.remarkable();
    let lines: Vec<_> = lines
        .map(|(count, number)| format!("{} {number}", count.key()))
        .collect();
    lines.join(", ")
}

/// All rows of all tables but those about nodes, which beat.
async fn everything(server: &Server) -> Vec<String> {
    let session = server.keyspace.session().await;
    let mut all = Vec::new();
    for table in TABLES.iter().chain(&["meta"]) {
        if *table == "node" || *table == "spool_mark" {
            continue;
        }
        let select = format!("SELECT JSON * FROM {table}");
        let found = session.query_unpaged(select, ()).await.expect("rows");
        let found = found.into_rows_result().expect("rows");
        for row in found.rows::<(String,)>().expect("rows") {
            all.push(format!("{table} {}", row.expect("a row").0));
        }
    }
    all.sort_unstable();
    all
}

fn uid(account: AccountId) -> Uuid {
    Uuid::from_bytes(account.to_key())
}

fn micros(id: MessageId) -> u64 {
    id.minted_at().as_micros()
}

/// The buckets that a directory lists.
async fn buckets(server: &Server, account: AccountId) -> Vec<MessageId> {
    let session = server.keyspace.session().await;
    let select = "SELECT bucket FROM mbox_dir WHERE uid = ?";
    let found = session.query_unpaged(select, (uid(account),)).await;
    let found = found.expect("rows").into_rows_result().expect("rows");
    let rows = found.rows::<(Option<CqlTimeuuid>,)>().expect("rows");
    let ids = rows.filter_map(|row| row.expect("a row").0);
    let ids = ids.map(|id| Uuid::from_bytes(*id.as_bytes()));
    ids.map(|id| MessageId::from_uuid(id).expect("an id"))
        .collect()
}

/// Deletes the listing row of a message, or the body beside it, with no care.
async fn tear_out(server: &Server, table: &str, account: AccountId, id: MessageId) {
    for bucket in buckets(server, account).await {
        let (uid, bucket, id) = (uid(account), bucket.to_uuid(), id.to_uuid());
        let delete =
            format!("DELETE FROM {table} WHERE uid = {uid} AND bucket = {bucket} AND id = {id}");
        server.keyspace.run(&[&delete]).await;
    }
}

async fn ids(server: &Server, account: AccountId) -> Vec<MessageId> {
    let listed = server.store.list(account).await.expect("a listing");
    listed.into_iter().map(|entry| entry.id).collect()
}

#[tokio::test]
async fn a_healthy_store_of_a_thousand_mails_gives_an_empty_report() {
    let server = Server::fresh().await;
    let [alice, bob] = [server.account("alice").await, server.account("bob").await];
    let deliveries = (0..1000_usize).map(|n| {
        let (owners, octets) = match n % 100 {
            0 => (vec![alice, bob], 500),
            1 => (vec![bob], 300_000),
            n if n % 2 == 0 => (vec![alice], 700),
            _ => (vec![bob], 900),
        };
        let server = &server;
        async move { server.deliver(&owners, noise(octets)).await }
    });
    let delivered: Vec<_> = stream::iter(deliveries)
        .buffer_unordered(16)
        .collect()
        .await;
    assert_eq!(delivered.len(), 1000);
    server.store.settled().await;
    for days in [0, 20] {
        server.clock.turn(Duration::from_hours(24 * days));
        let report = scrub(&server).await;
        assert!(report.is_empty(), "{}", said(&report));
        let sizes = [
            (Count::Rows, 1010),
            (Count::Inlines, 980),
            (Count::Bodies, 20),
            (Count::Chunks, 40),
            (Count::Directories, 2),
            (Count::Addresses, 2),
            (Count::Names, 2),
        ];
        for (count, number) in sizes {
            assert_eq!(report.get(count), number, "{}", count.key());
        }
    }
    let verified = scrub_with(
        &server,
        Options {
            bodies: Bodies::Verified,
            heal: Heal::AllTables,
            ..options()
        },
    )
    .await;
    assert!(verified.is_empty(), "{}", said(&verified));
    assert_eq!(verified.get(Count::Verified), 1010);
    assert!(verified.get(Count::Healed) > 2000);
}

#[tokio::test]
async fn a_bucket_that_left_its_directory_with_mail_in_it_is_listed_again() {
    let server = Server::fresh().await;
    let alice = server.account("alice").await;
    let id = server.deliver(&[alice], noise(100)).await;
    for (after, left) in [(1, 1), (3, 3)] {
        for bucket in buckets(&server, alice).await {
            let (at, uid, bucket) = (micros(bucket) + after, uid(alice), bucket.to_uuid());
            let delete = format!(
                "DELETE FROM mbox_dir USING TIMESTAMP {at} WHERE uid = {uid} AND bucket = {bucket}"
            );
            server.keyspace.run(&[&delete]).await;
        }
        assert_eq!(ids(&server, alice).await, [], "{left}");
        let report = scrub(&server).await;
        assert_eq!(said(&report), "unlisted_buckets 1, buckets_listed_again 1");
        assert_eq!(ids(&server, alice).await, [id]);
        assert!(scrub(&server).await.is_empty());
    }
}

#[tokio::test]
async fn a_directory_that_was_lost_as_a_whole_is_made_again() {
    let server = Server::fresh().await;
    let alice = server.account("alice").await;
    let id = server.deliver(&[alice], noise(100)).await;
    server.keyspace.run(&["TRUNCATE mbox_dir"]).await;
    assert_eq!(ids(&server, alice).await, []);
    let report = scrub(&server).await;
    let expected = "unlisted_buckets 1, buckets_listed_again 1, lifeless_maildrops 1, \
                    maildrops_revived 1";
    assert_eq!(said(&report), expected);
    assert_eq!(ids(&server, alice).await, [id]);
    assert!(scrub(&server).await.is_empty());
}

#[tokio::test]
async fn a_message_without_body_is_lost_after_two_passes_an_hour_apart_and_stays_listed() {
    let server = Server::fresh().await;
    let alice = server.account("alice").await;
    let small = server.deliver(&[alice], noise(100)).await;
    let whole = server.deliver(&[alice], noise(200)).await;
    let large = server.deliver(&[alice], noise(300_000)).await;
    let also_whole = server.deliver(&[alice], noise(300_000)).await;
    tear_out(&server, "mbox_body", alice, small).await;
    let delete = format!("DELETE FROM blob WHERE id = {} AND n = 1", large.to_uuid());
    server.keyspace.run(&[&delete]).await;
    for (minutes, expected) in [
        (0, "bodies_missing 2"),
        (59, "bodies_missing 2"),
        (1, "bodies_lost 2"),
        (600, "bodies_lost 2"),
    ] {
        server.clock.turn(Duration::from_mins(minutes));
        let report = scrub(&server).await;
        assert_eq!(said(&report), expected);
        assert!(report.has_trouble());
        let mut found: Vec<_> = report.findings().filter_map(|found| found.id).collect();
        found.sort_unstable();
        assert_eq!(found, [small, large]);
    }
    let all = [small, whole, large, also_whole];
    assert_eq!(ids(&server, alice).await, all);
    assert!(server.read(alice, whole).await > 200);
    assert!(server.read(alice, also_whole).await > 300_000);
}

#[tokio::test]
async fn a_body_that_does_not_verify_is_reported_when_bodies_are_read() {
    let server = Server::fresh().await;
    let alice = server.account("alice").await;
    server.deliver(&[alice], noise(100)).await;
    server.deliver(&[alice], noise(300_000)).await;
    server.keyspace.damage_bodies().await;
    assert!(scrub(&server).await.is_empty());
    let verify = Options {
        bodies: Bodies::Verified,
        ..options()
    };
    let report = scrub_with(&server, verify).await;
    assert_eq!(said(&report), "bodies_damaged 2");
}

#[tokio::test]
async fn a_body_beside_no_row_is_deleted_by_the_second_pass_an_hour_later() {
    let server = Server::fresh().await;
    let alice = server.account("alice").await;
    let kept = server.deliver(&[alice], noise(100)).await;
    let torn = server.deliver(&[alice], noise(100)).await;
    tear_out(&server, "mbox", alice, torn).await;
    for (minutes, expected, left) in [
        (0, "orphan_inline_bodies 1", 2),
        (59, "orphan_inline_bodies 1", 2),
        (
            1,
            "orphan_inline_bodies 1, orphan_inline_bodies_confirmed 1, \
             orphan_inline_bodies_removed 1",
            1,
        ),
        (1, "", 1),
    ] {
        server.clock.turn(Duration::from_mins(minutes));
        assert_eq!(said(&scrub(&server).await), expected);
        assert_eq!(server.keyspace.count("mbox_body").await, left);
    }
    assert_eq!(ids(&server, alice).await, [kept]);
    assert!(server.read(alice, kept).await > 100);
}

/// Half a body of a process that dies, a body whose row was torn out, a shared body with one owner
/// left and one with none.
#[tokio::test]
async fn bodies_that_nobody_lists_are_deleted_after_nine_days_and_a_second_pass() {
    let server = Server::fresh().await;
    let [alice, bob] = [server.account("alice").await, server.account("bob").await];
    let torn = server.deliver(&[alice], noise(300_000)).await;
    let one_left = server.deliver(&[alice, bob], noise(300_000)).await;
    let none_left = server.deliver(&[alice, bob], noise(300_000)).await;
    let kept = server.deliver(&[alice], noise(300_000)).await;
    server.store.settled().await;
    for (account, id) in [
        (alice, torn),
        (alice, one_left),
        (alice, none_left),
        (bob, none_left),
    ] {
        tear_out(&server, "mbox", account, id).await;
    }
    let mut writer = {
        let id = server.minter.mint(server.clock.now());
        server.store.begin(id).await.expect("a writer")
    };
    writer.write(noise(700_000)).await.expect("room");
    let deadline = server.clock.elapsed() + Duration::from_secs(30);
    while server.keyspace.count("blob").await < 14 {
        assert!(server.clock.elapsed() < deadline, "no chunk arrives");
        server.clock.sleep(Duration::from_millis(20)).await;
    }
    server.store.abandon().await;
    drop(writer);
    let halves = server.keyspace.count("blob").await - 12;
    assert!(halves > 1, "{halves}");
    let found = format!("orphan_bodies 2, orphan_chunks {halves}");
    let removed = format!(
        "orphan_bodies 2, orphan_bodies_confirmed 2, orphan_bodies_removed 2, \
         orphan_chunks {halves}, orphan_chunks_confirmed {halves}, orphan_chunks_removed {halves}"
    );
    for (hours, expected, left) in [
        (0, "", 12 + halves),
        (9 * 24 - 1, "", 12 + halves),
        (2, &found, 12 + halves),
        (23, &found, 12 + halves),
        (2, &removed, 6),
        (48, "", 6),
    ] {
        server.clock.turn(Duration::from_hours(hours));
        assert_eq!(said(&scrub(&server).await), expected);
        assert_eq!(server.keyspace.count("blob").await, left);
    }
    let options = server.keyspace.options(Arc::clone(&server.clock));
    let store = Cassandra::open(&options).await.expect("opening");
    assert_eq!(server.keyspace.count("blob_ref").await, 2);
    for (account, id) in [(alice, kept), (bob, one_left)] {
        let mut body = store.open(account, id).await.expect("a reader");
        while body.next().await.expect("a piece").is_some() {}
        let listed = store.list(account).await.expect("a listing");
        assert_eq!(
            listed.iter().map(|entry| entry.id).collect::<Vec<_>>(),
            [id]
        );
    }
}

#[tokio::test]
async fn an_old_bucket_that_was_listed_again_is_retired_when_it_is_empty() {
    let server = Server::fresh().await;
    let alice = server.account("alice").await;
    let [first] = buckets(&server, alice).await[..] else {
        panic!("one bucket");
    };
    let (at, uid, bucket) = (micros(first) + 2, uid(alice), first.to_uuid());
    let again = format!(
        "INSERT INTO mbox_dir (uid, bucket, everywhere) VALUES ({uid}, {bucket}, true) \
         USING TIMESTAMP {at}"
    );
    server.keyspace.run(&[&again]).await;
    server.clock.turn(Duration::from_hours(39 * 24));
    server.deliver(&[alice], noise(100)).await;
    assert!(scrub(&server).await.is_empty());
    server.clock.turn(Duration::from_hours(2 * 24));
    assert_eq!(said(&scrub(&server).await), "retirable_buckets 1");
    assert_eq!(buckets(&server, alice).await.len(), 2);
    server.clock.turn(Duration::from_mins(61));
    let report = scrub(&server).await;
    assert_eq!(said(&report), "retirable_buckets 1, buckets_retired 1");
    let left = buckets(&server, alice).await;
    assert!(left.len() == 1 && !left.contains(&first));
    assert!(scrub(&server).await.is_empty());
    assert_eq!(ids(&server, alice).await.len(), 1);
}

#[tokio::test]
async fn what_came_late_for_a_removed_account_is_deleted_and_its_neighbour_is_left_alone() {
    let server = Server::fresh().await;
    let [alice, bob] = [server.account("alice").await, server.account("bob").await];
    let kept = server.deliver(&[alice], noise(100)).await;
    let address = "bob@example.org".parse().expect("an address");
    server.store.remove_account(address).await.expect("removed");
    server.store.settled().await;
    let [bucket, id] = [(); 2].map(|()| server.minter.mint(server.clock.now()));
    let (at, uid) = (micros(id), uid(bob));
    let (bucket, id) = (bucket.to_uuid(), id.to_uuid());
    let late = [
        format!(
            "INSERT INTO mbox (uid, bucket, id, size, nchunks, codec, shared) \
             VALUES ({uid}, {bucket}, {id}, 1, 0, 1, false) USING TIMESTAMP {at}"
        ),
        format!(
            "INSERT INTO mbox_body (uid, bucket, id, d, hash) \
             VALUES ({uid}, {bucket}, {id}, 0x00, 0x00) USING TIMESTAMP {at}"
        ),
    ];
    server.keyspace.run(&[&late[0], &late[1]]).await;
    let report = scrub(&server).await;
    assert_eq!(said(&report), "leftovers 1, leftovers_removed 1");
    assert_eq!(server.keyspace.count("mbox").await, 1);
    assert_eq!(server.keyspace.count("mbox_body").await, 1);
    assert!(scrub(&server).await.is_empty());
    assert_eq!(ids(&server, alice).await, [kept]);
}

#[tokio::test]
async fn a_removal_that_was_not_finished_is_finished() {
    let server = Server::fresh().await;
    let bob = server.account("bob").await;
    server.deliver(&[bob], noise(100)).await;
    let address: cassmail_mail::Address = "bob@example.org".parse().expect("an address");
    // The address row is written, the rest is not: as if the process had died behind it.
    let before = everything(&server).await;
    server.store.remove_account(address).await.expect("removed");
    server.store.settled().await;
    let session = server.keyspace.session().await;
    let profile = before
        .iter()
        .find_map(|row| row.strip_prefix("account "))
        .expect("an account");
    let profile = profile.split("\"profile\": \"").nth(1).expect("a profile");
    let profile = profile.split('"').next().expect("its end");
    let uid = uid(bob);
    for statement in [
        format!("INSERT INTO account (uid, profile, life) VALUES ({uid}, {profile}, 3)"),
        format!("INSERT INTO mbox_dir (uid, life) VALUES ({uid}, 3)"),
    ] {
        session.query_unpaged(statement, ()).await.expect("damage");
    }
    let dry = Options {
        effect: Effect::DryRun,
        ..options()
    };
    assert_eq!(
        said(&scrub_with(&server, dry).await),
        "half_removed_accounts 1"
    );
    let report = scrub(&server).await;
    assert_eq!(
        said(&report),
        "half_removed_accounts 1, removals_finished 1"
    );
}

#[tokio::test]
async fn names_are_recounted() {
    let server = Server::fresh().await;
    server.account("alice").await;
    server.account("bob").await;
    server
        .keyspace
        .run(&[
            "TRUNCATE address_by_domain",
            "INSERT INTO address_by_domain (domain, shard, local, kind) \
             VALUES ('example.org', 0, 'ghost', 1)",
        ])
        .await;
    let report = scrub(&server).await;
    assert_eq!(
        said(&report),
        "names_missing 2, names_added 2, names_stale 1"
    );
    server.clock.turn(Duration::from_mins(61));
    let report = scrub(&server).await;
    assert_eq!(said(&report), "names_stale 1, names_dropped 1");
    let domain = "example.org".parse().expect("a domain");
    let listed = server
        .store
        .addresses(domain, AddressFilter::InUse, None, 10)
        .await;
    assert_eq!(listed.expect("names").len(), 2);
    assert_eq!(server.keyspace.count("address_by_domain").await, 2);
}

#[tokio::test]
async fn once_a_read_has_failed_nothing_is_deleted() {
    let server = Server::fresh().await;
    server.account("alice").await;
    let ghost = "INSERT INTO address_by_domain (domain, shard, local, kind) \
                 VALUES ('example.org', 0, 'ghost', 1)";
    let unreadable = [
        "INSERT INTO address_by_domain (domain, shard, local, kind) \
         VALUES ('example.org', 0, 'odd', 1)",
        "INSERT INTO address (domain, local, entry) VALUES ('example.org', 'odd', 0xffff)",
    ];
    server.keyspace.run(&[ghost]).await;
    assert_eq!(said(&scrub(&server).await), "names_stale 1");
    server.clock.turn(Duration::from_mins(61));
    server.keyspace.run(&unreadable).await;
    let report = scrub(&server).await;
    assert_eq!(said(&report), "names_stale 1, failed_reads 1");
    assert_eq!(server.keyspace.count("address_by_domain").await, 3);
    server
        .keyspace
        .run(&[
            "DELETE FROM address_by_domain \
             WHERE domain = 'example.org' AND shard = 0 AND local = 'odd'",
            "TRUNCATE address",
        ])
        .await;
    let report = scrub(&server).await;
    assert_eq!(report.get(Count::NamesDropped), 1, "{}", said(&report));
}

#[tokio::test]
async fn a_bucket_that_is_not_known_to_be_listed_everywhere_is_listed_everywhere() {
    let server = Server::fresh().await;
    let alice = server.account("alice").await;
    let bucket = server.minter.mint(server.clock.now());
    let (at, uid, bucket) = (micros(bucket), uid(alice), bucket.to_uuid());
    let half = format!(
        "INSERT INTO mbox_dir (uid, bucket, everywhere) VALUES ({uid}, {bucket}, false) \
         USING TIMESTAMP {at}"
    );
    server.keyspace.run(&[&half]).await;
    let report = scrub(&server).await;
    assert_eq!(said(&report), "waiting_for_healing 1, healed_buckets 1");
    assert!(scrub(&server).await.is_empty());
}

#[tokio::test]
async fn a_dry_run_says_all_and_changes_nothing() {
    let server = Server::fresh().await;
    let alice = server.account("alice").await;
    let torn = server.deliver(&[alice], noise(100)).await;
    let lost = server.deliver(&[alice], noise(100)).await;
    server.deliver(&[alice], noise(300_000)).await;
    tear_out(&server, "mbox", alice, torn).await;
    tear_out(&server, "mbox_body", alice, lost).await;
    for bucket in buckets(&server, alice).await {
        let (at, uid, bucket) = (micros(bucket) + 1, uid(alice), bucket.to_uuid());
        let delete = format!(
            "DELETE FROM mbox_dir USING TIMESTAMP {at} WHERE uid = {uid} AND bucket = {bucket}"
        );
        server.keyspace.run(&[&delete]).await;
    }
    server.keyspace.run(&["TRUNCATE address_by_domain"]).await;
    let dry = Options {
        effect: Effect::DryRun,
        ..options()
    };
    let before = everything(&server).await;
    let expected = "unlisted_buckets 1, orphan_inline_bodies 1, names_missing 1, bodies_missing 1";
    for hours in [0, 2, 300] {
        server.clock.turn(Duration::from_hours(hours));
        assert_eq!(said(&scrub_with(&server, dry).await), expected);
        assert_eq!(everything(&server).await, before);
    }
    // What a real pass suspected, a dry run confirms, and leaves.
    scrub(&server).await;
    server.clock.turn(Duration::from_hours(2));
    let before = everything(&server).await;
    let expected = "orphan_inline_bodies 1, orphan_inline_bodies_confirmed 1, bodies_lost 1";
    assert_eq!(said(&scrub_with(&server, dry).await), expected);
    assert_eq!(everything(&server).await, before);
}

#[tokio::test]
async fn an_interrupted_scrub_goes_on_where_it_was() {
    let server = Server::fresh().await;
    let mut accounts = Vec::new();
    for n in 0..8 {
        let account = server.account(&format!("user{n}")).await;
        for _ in 0..25 {
            server.deliver(&[account], noise(100)).await;
        }
        accounts.push(account);
    }
    let in_small_pieces = Options {
        rate: NonZeroU32::new(12).expect("not zero"),
        ..options()
    };
    let mut interrupted = 0;
    let mut last = 0.0;
    for _ in 0..3 {
        let scrub = open(&server).await;
        let stop = &mut |progress: cassmail_store_cassandra::scrub::Progress| {
            assert!(progress.done > last, "{progress:?}");
            last = progress.done;
            ControlFlow::Break(())
        };
        let report = scrub.run(in_small_pieces, stop).await.expect("a report");
        assert_eq!(report.end, End::Stopped);
        assert!(report.get(Count::Rows) < 200, "{interrupted}");
        assert!(report.get(Count::Rows) > interrupted);
        interrupted = report.get(Count::Rows);
    }
    let resume = Options {
        begin: Begin::Resume,
        ..options()
    };
    let report = scrub_with(&server, resume).await;
    assert!(report.is_empty(), "{}", said(&report));
    assert_eq!(report.get(Count::Rows), 200);
    assert_eq!(report.get(Count::Directories), 8);
    let scrub = open(&server).await;
    let nothing = scrub.run(resume, &mut |_| ControlFlow::Continue(())).await;
    assert!(matches!(nothing, Err(ScrubError::NothingToResume)));
}

#[tokio::test]
async fn a_scrub_and_a_copy_or_another_scrub_exclude_each_other() {
    let server = Server::fresh().await;
    server.account("alice").await;
    for job in ["copy", "scrub"] {
        let claim = format!("INSERT INTO meta (k, v) VALUES ('claim/{job}/x', '{job}')");
        server.keyspace.run(&[&claim]).await;
        let scrub = open(&server).await;
        let refused = scrub
            .run(options(), &mut |_| ControlFlow::Continue(()))
            .await;
        assert!(matches!(refused, Err(ScrubError::Taken(by)) if by == job));
        let release = format!("DELETE FROM meta WHERE k = 'claim/{job}/x'");
        server.keyspace.run(&[&release]).await;
    }
    assert!(scrub(&server).await.is_empty());
    let left = everything(&server).await;
    assert!(left.iter().all(|row| !row.contains("claim/")), "{left:?}");
}

#[tokio::test]
async fn a_copy_that_begins_meanwhile_ends_the_scrub_before_it_deletes() {
    let server = Server::fresh().await;
    server.account("alice").await;
    let scrub = open(&server).await;
    let (session, handle) = (
        server.keyspace.session().await,
        tokio::runtime::Handle::current(),
    );
    let session = Arc::new(session);
    let mut begun = Vec::new();
    let begin_copy = &mut |_| {
        let session = Arc::clone(&session);
        begun.push(handle.spawn(async move {
            let claim = "INSERT INTO meta (k, v) VALUES ('claim/copy/x', 'copy')";
            session.query_unpaged(claim, ()).await.expect("a claim");
        }));
        ControlFlow::Continue(())
    };
    // Slow enough for the copy to begin.
    let slow = Options {
        rate: NonZeroU32::new(5).expect("not zero"),
        ..options()
    };
    let ended = scrub.run(slow, begin_copy).await;
    assert!(matches!(ended, Err(ScrubError::Taken(by)) if by == "copy"));
    for begun in begun {
        begun.await.expect("a claim");
    }
    let release = "DELETE FROM meta WHERE k = 'claim/copy/x'";
    server.keyspace.run(&[release]).await;
}

/// Deliveries, removals and scrubs at once, days passing between the passes: what was acknowledged
/// and not removed is there in the end, whole; what was removed is not; nothing is left over.
#[tokio::test]
async fn scrubs_amid_deliveries_and_removals_never_remove_live_mail() {
    let server = Server::fresh().await;
    let mut accounts = Vec::new();
    for name in ["alice", "bob", "carol"] {
        accounts.push(server.account(name).await);
    }
    let has_ended = std::sync::atomic::AtomicBool::new(false);
    let work = async {
        let mut live: Vec<(AccountId, MessageId)> = Vec::new();
        let mut removed = 0;
        for round in 0..60_usize {
            let owners = match round % 3 {
                0 => accounts.clone(),
                n => vec![accounts[n]],
            };
            let octets = if round % 2 == 0 { 1000 } else { 200_000 };
            let id = server.deliver(&owners, noise(octets)).await;
            live.extend(owners.into_iter().map(|account| (account, id)));
            // Every second copy goes again, the older ones first.
            while live.len() > 1 && removed < live.len() {
                let (account, id) = live.remove(removed * 7 % live.len());
                let gone = server.store.remove(account, vec![id], PATIENCE).await;
                assert_eq!(gone.expect("a receipt").count(), 1);
                removed += 1;
            }
        }
        has_ended.store(true, std::sync::atomic::Ordering::SeqCst);
        live
    };
    let scrubs = async {
        let mut reports = Vec::new();
        while !has_ended.load(std::sync::atomic::Ordering::SeqCst) {
            reports.push(scrub(&server).await);
            server.clock.turn(Duration::from_hours(25));
        }
        reports
    };
    let (mut live, reports) = tokio::join!(work, scrubs);
    assert!(reports.len() > 2, "{}", reports.len());
    for report in &reports {
        assert!(!report.has_trouble(), "{}", said(report));
    }
    server.store.settled().await;
    for hours in [10 * 24, 25] {
        server.clock.turn(Duration::from_hours(hours));
        let report = scrub(&server).await;
        assert!(!report.has_trouble(), "{}", said(&report));
    }
    assert!(scrub(&server).await.is_empty());
    let mut listed = Vec::new();
    for &account in &accounts {
        for id in ids(&server, account).await {
            assert!(server.read(account, id).await > 1000);
            listed.push((account, id));
        }
    }
    live.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, live);
    server.store.close().await.expect("closing");
}

#[tokio::test]
async fn what_the_last_scrub_has_come_to_is_told_afterwards() {
    let server = Server::fresh().await;
    let last = async || server.store.last_scrub().await.expect("an answer");
    assert_eq!(last().await, None);
    let alice = server.account("alice").await;
    server.deliver(&[alice], noise(500)).await;
    let report = scrub(&server).await;
    let told = last().await.expect("there was one");
    assert!(told.is_finished, "{told:?}");
    assert_eq!(told.report.get(Count::Rows), 1);
    assert_eq!(told.report.get(Count::Rows), report.get(Count::Rows));
}
