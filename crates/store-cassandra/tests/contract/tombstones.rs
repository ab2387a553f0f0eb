//! A maildrop that is emptied again and again is a queue, and a partition that was a queue is full
//! of tombstones. The long form is `cargo xtask bench tombstones`.

use std::sync::Arc;

use crate::clock::Turned;
use crate::emptied::Emptied;
use crate::support::Keyspace;

/// At ten thousand mails a day.
const MAILS_AN_HOUR: usize = 417;
const HOURS: usize = 10;

#[tokio::test]
async fn a_maildrop_that_is_emptied_every_hour_does_not_get_dearer() {
    let clock = Arc::new(Turned::default());
    let keyspace = Keyspace::empty().await;
    let options = keyspace.options(Arc::clone(&clock));
    let mut emptied = Emptied::begin(&options, &clock).await;
    let mut reads = Vec::new();
    for hour in 1..=HOURS {
        emptied.pass_an_hour(MAILS_AN_HOUR).await;
        let read = emptied.read().await;
        assert!(read.all() <= 1000, "hour {hour}: {read:?} after {reads:?}");
        reads.push(read);
        let found = emptied.empty().await;
        assert_eq!(found, MAILS_AN_HOUR, "hour {hour}");
    }
    // That the measure sees what it is to see.
    assert_eq!(emptied.one.list(emptied.account).await, Some(0));
    let one = emptied.one.read(emptied.account).await.expect("a read");
    // Other replicas may lag behind a quorum.
    let most = u64::try_from(HOURS * MAILS_AN_HOUR * 9 / 10).expect("fits");
    assert!(one.tombstones >= most, "{one:?}");
}
