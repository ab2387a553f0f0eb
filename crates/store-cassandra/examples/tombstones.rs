//! Days of a maildrop that is emptied every hour, in minutes: what a listing reads and takes,
//! beside the same mails in one partition. `cargo xtask bench tombstones` runs it on a cluster of
//! its own.
//!
//! Cassandra does not know that time is short: the grace of the directory, which is three days, is
//! set to what the last three days took.
//!
//! Prints a line of JSON for each day, and one for the end.

#[expect(dead_code, reason = "tests turn it in more ways")]
#[path = "../tests/contract/clock.rs"]
mod clock;
#[path = "../tests/contract/emptied.rs"]
mod emptied;

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use cassmail_mail::AccountId;
use cassmail_store::Maildrops as _;
use cassmail_store_cassandra::{Clock as _, Options, Replication, init};
use serde_json::{Value, json};

use clock::Turned;
use emptied::{Emptied, Read};

const USAGE: &str = "tombstones CONTACT_POINT KEYSPACE DAYS MAILS_A_DAY";
/// Each ends with a session.
const HOURS: usize = 24;

/// The grace of the directory, as our schema has it.
const GRACE_IN_DAYS: usize = 3;

/// A listing is timed so often; the median counts.
const LISTINGS: usize = 21;

/// The other layout takes long.
const LISTINGS_OF_ONE: usize = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [point, keyspace, days, mails] = &arguments[..] else {
        panic!("{USAGE}");
    };
    let days: usize = days.parse().expect(USAGE);
    let mails: usize = mails.parse().expect(USAGE);
    let clock = Arc::new(Turned::default());
    let time = Arc::clone(&clock);
    let options = Options::new(vec![point.clone()], "dc1", keyspace.clone(), time);
    let replication = Replication(vec![("dc1".to_owned(), 1)]);
    init(&options, &replication).await.expect("a schema");
    let mut emptied = Emptied::begin(&options, &clock).await;
    let mut waiting = 0;
    let mut took = Vec::new();
    for day in 1..=days {
        let began = clock.real();
        let mut reads = Vec::new();
        for hour in 0..HOURS {
            let arrived = |hour| mails * hour / HOURS;
            waiting = arrived(hour + 1) - arrived(hour);
            emptied.pass_an_hour(waiting).await;
            reads.push(emptied.read().await);
            // The last mails of all are listed once more.
            if (day, hour + 1) != (days, HOURS) {
                assert_eq!(emptied.empty().await, waiting);
            }
        }
        took.push(clock.real().saturating_sub(began));
        if let Some(latest) = took.last_chunk::<GRACE_IN_DAYS>() {
            set_grace_of_directory(&emptied, latest.iter().sum()).await;
        }
        say(&report(day, &reads, &emptied).await);
    }
    say(&compare(&emptied, waiting).await);
}

/// Lets tombstones of the directory go that are older than this on the clock of Cassandra.
async fn set_grace_of_directory(emptied: &Emptied, grace: Duration) {
    let seconds = grace.as_secs();
    let text = format!("ALTER TABLE mbox_dir WITH gc_grace_seconds = {seconds}");
    let changed = emptied.session.query_unpaged(text, ()).await;
    changed.expect("another grace");
}

/// What a day was like.
async fn report(day: usize, reads: &[Read], emptied: &Emptied) -> Value {
    let all = || reads.iter().map(|read| read.all());
    let one = emptied.one.read(emptied.account).await;
    json!({
        "day": day,
        "read_most": all().max(),
        "read_mean": all().sum::<u64>() / u64::try_from(reads.len()).expect("fits"),
        // The directory is one more.
        "buckets_most": reads.iter().map(|read| read.partitions - 1).max(),
        "listing_ms": milliseconds(time_listing(emptied, emptied.account).await),
        "one_partition_read": one.map(Read::all),
        "one_partition_ms": time_one_partition(emptied).await.map(milliseconds),
    })
}

/// The maildrop as it is now, and a new one with as many mails.
async fn compare(emptied: &Emptied, mails: usize) -> Value {
    let fresh = emptied.writers[0].account("fresh").await;
    for number in 0..mails {
        emptied.deliver(fresh, number).await;
    }
    let (mut used_times, mut fresh_times) = (Vec::new(), Vec::new());
    // In turns, so that whatever else the machine does falls on both.
    for _ in 0..5 {
        used_times.push(time_listing(emptied, emptied.account).await);
        fresh_times.push(time_listing(emptied, fresh).await);
    }
    json!({
        "mails": mails,
        "used_ms": milliseconds(median(used_times)),
        "fresh_ms": milliseconds(median(fresh_times)),
    })
}

async fn time_listing(emptied: &Emptied, account: AccountId) -> Duration {
    let mut times = Vec::new();
    for number in 0..LISTINGS {
        let store = &emptied.writers[number % 2].store;
        let begin = emptied.clock.elapsed();
        store.list(account).await.expect("a listing");
        times.push(emptied.clock.elapsed().saturating_sub(begin));
    }
    median(times)
}

async fn time_one_partition(emptied: &Emptied) -> Option<Duration> {
    let mut times = Vec::new();
    for _ in 0..LISTINGS_OF_ONE {
        let begin = emptied.clock.elapsed();
        emptied.one.list(emptied.account).await?;
        times.push(emptied.clock.elapsed().saturating_sub(begin));
    }
    Some(median(times))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn say(line: &Value) {
    let mut output = std::io::stdout();
    writeln!(output, "{line}").expect("somebody listens");
}
