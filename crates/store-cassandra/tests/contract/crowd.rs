//! Ten servers in two data centers, their wall clocks up to an hour apart, of which some crash
//! while mail for several owners is under way: whoever lives finishes it.
//!
//! Runs on the cluster of `faults`, and does not disturb it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cassmail_mail::{AccountId, MessageId};
use cassmail_store::Maildrops;
use futures_util::future::{join_all, try_join_all};

use crate::disturbed::{Cluster, Side, say};
use crate::ledger::deliver;

const OWNERS: usize = 4;

/// So many messages of one server are under way at once.
const AT_ONCE: usize = 8;

/// What was submitted, and whether it was acknowledged.
type Book = BTreeMap<MessageId, bool>;

/// Delivers to all accounts until told to stop, or until the server has crashed.
async fn submit(server: &Side, accounts: &[AccountId], stop: &AtomicBool) -> Book {
    let one = async || {
        let mut book = Book::new();
        while !stop.load(Ordering::SeqCst) {
            let id = server.mint();
            let delivered = deliver(server, id, accounts, 1_000).await;
            book.insert(id, delivered.is_ok());
            if delivered.is_err() {
                break;
            }
        }
        book
    };
    let books = join_all((0..AT_ONCE).map(|_| one())).await;
    books.into_iter().flatten().collect()
}

/// Lets so much time pass for all of them, with their beats in between.
async fn pass(servers: &[&Side], seconds: u64) {
    const STEP: u64 = 40;
    for _ in 0..seconds.div_ceil(STEP) {
        for server in servers {
            server.clock.turn(Duration::from_secs(STEP));
        }
        let sweeps = servers.iter().map(|server| server.store.sweep());
        try_join_all(sweeps).await.expect("beats and sweeps");
    }
}

/// How many records are done, and how many are not.
async fn records(cluster: &Cluster) -> (usize, usize) {
    let session = cluster.session().await;
    let select = "SELECT env, done FROM spool";
    let found = session.query_unpaged(select, ()).await.expect("records");
    let found = found.into_rows_result().expect("rows");
    let mut counts = (0, 0);
    for record in found
        .rows::<(Option<Vec<u8>>, Option<bool>)>()
        .expect("rows")
    {
        match record.expect("a record") {
            (Some(_), Some(true)) => counts.0 += 1,
            (Some(_), _) => counts.1 += 1,
            // A mark of one that never arrived.
            (None, _) => {}
        }
    }
    counts
}

/// Every message is listed once for all its owners, or for none if that was not promised.
async fn check(server: &Side, accounts: &[AccountId], book: &Book) -> usize {
    let mut times = BTreeMap::<MessageId, usize>::new();
    for &account in accounts {
        let listed = server.store.list(account).await.expect("a listing");
        for entry in listed {
            *times.entry(entry.id).or_default() += 1;
        }
    }
    let mut unpromised = 0;
    for (id, &is_acknowledged) in book {
        let listed = times.remove(id).unwrap_or_default();
        let is_all = listed == accounts.len();
        assert!(
            is_all || (listed == 0 && !is_acknowledged),
            "{id}: {listed}"
        );
        unpromised += usize::from(is_all && !is_acknowledged);
    }
    assert!(times.is_empty(), "{times:?}");
    unpromised
}

#[tokio::test]
async fn of_ten_servers_three_crash_and_then_a_data_center_and_every_message_is_finished() {
    let Some(cluster) = Cluster::named().await else {
        return;
    };
    let mut servers = Vec::new();
    for n in 0..10_u64 {
        let server = cluster.side(usize::from(n >= 5) + 1).await;
        server.clock.turn_wall(Duration::from_mins(n * 6));
        servers.push(server);
    }
    let mut accounts = Vec::new();
    for n in 0..OWNERS {
        accounts.push(servers[0].account(&format!("crowd{n}")).await);
    }
    let all: Vec<_> = servers.iter().collect();
    pass(&all, 1).await;

    let (stop, crash) = (AtomicBool::new(false), [0, 3, 7]);
    let work = join_all(all.iter().map(|server| submit(server, &accounts, &stop)));
    let disturb = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        join_all(crash.map(|n| servers[n].store.abandon())).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        stop.store(true, Ordering::SeqCst);
    };
    let (books, ()) = tokio::join!(work, disturb);
    let book: Book = books.into_iter().flatten().collect();
    let (done, undone) = records(&cluster).await;
    let living: Vec<_> = (0..10).filter(|n| !crash.contains(n)).collect();
    let left: Vec<_> = living.iter().map(|&n| &servers[n]).collect();
    pass(&left, 160).await;
    let after = records(&cluster).await;
    assert_eq!(after.1, 0, "every record is done");
    let unpromised = check(left[0], &accounts, &book).await;
    say(&format!(
        "ten servers: {} submitted, {} acknowledged; three crashed: {undone} of {} records not \
         done, then 0; {unpromised} listed that were not acknowledged",
        book.len(),
        book.values()
            .filter(|is_acknowledged| **is_acknowledged)
            .count(),
        done + undone,
    ));
    // Once again, with a whole data center.
    stop.store(false, Ordering::SeqCst);
    let (gone, stay): (Vec<&Side>, Vec<&Side>) = left
        .iter()
        .copied()
        .partition(|server| server.name == "dc1");
    let work = join_all(gone.iter().map(|server| submit(server, &accounts, &stop)));
    let disturb = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        join_all(gone.iter().map(|server| server.store.abandon())).await;
        stop.store(true, Ordering::SeqCst);
    };
    let (books, ()) = tokio::join!(work, disturb);
    let mut book = book;
    book.extend(books.into_iter().flatten());
    let (_, undone) = records(&cluster).await;
    pass(&stay, 480).await;
    let early = records(&cluster).await;
    assert_eq!(early.1, undone, "a data center may be cut off for a while");
    pass(&stay, 240).await;
    let late = records(&cluster).await;
    assert_eq!(late.1, 0, "every record is done");
    check(stay[0], &accounts, &book).await;
    say(&format!(
        "a data center crashed: {undone} records not done, ten minutes later 0"
    ));
}
