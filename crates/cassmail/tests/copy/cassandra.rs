//! From the embedded store into a real Cassandra and back.

use std::future::Future;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cassmail_mail::UnixTime;
use cassmail_store::{At, ErrorKind, Fault, Faulty, MemoryStore, Reason, Script, Store};
use cassmail_store_cassandra::{Cassandra, Clock, Options, Replication, init};
use cassmail_store_embedded::{Embedded, Options as EmbeddedOptions};

use crate::picture::{Picture, ids};
use crate::town::{MESSAGES, SHARED, moved, settle};

/// Contact points, separated by commas; without them these tests are left out, and say so.
const VARIABLE: &str = "CASSMAIL_CASSANDRA";

struct Real(Instant);

impl Clock for Real {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> UnixTime {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let micros = since.expect("after 1970").as_micros();
        UnixTime::from_micros(u64::try_from(micros).expect("fits"))
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// An empty store in a keyspace of its own; none where there is no Cassandra.
#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
async fn cassandra(name: &str) -> Option<Arc<dyn Store>> {
    let Ok(points) = std::env::var(VARIABLE) else {
        // Not by macro: that would be captured.
        let left_out = format!("left out: {VARIABLE} does not name contact points\n");
        let _ = std::io::stderr().write_all(left_out.as_bytes());
        return None;
    };
    let points = points.split(',').map(str::to_owned).collect();
    let keyspace = format!("copy_{name}_{}", std::process::id());
    let options = Options::new(points, "dc1", keyspace, Arc::new(Real(Instant::now())));
    let replication = Replication(vec![("dc1".to_owned(), 1)]);
    init(&options, &replication).await.expect("a schema");
    let store = Cassandra::open(&options).await.expect("opening");
    Some(Arc::new(store))
}

fn embedded() -> (Arc<dyn Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Embedded::open(&EmbeddedOptions::small(folder.path())).expect("opening");
    (Arc::new(store), folder)
}

#[tokio::test]
async fn everything_comes_into_cassandra_and_back() {
    let Some(cluster) = cassandra("whole").await else {
        return;
    };
    let (source, _folder) = embedded();
    settle(&*source).await;
    let expected = Picture::of(&*source).await;
    let there = moved(&source, &cluster).await.expect("a copy");
    assert_eq!(there.faults, []);
    // There every owner has a body of his own, so all ids are kept.
    assert_eq!((there.messages, there.renamed), (MESSAGES, 0));
    assert_eq!(Picture::of(&*cluster).await, expected);
    assert_eq!(ids(&*cluster).await, ids(&*source).await);
    let again = moved(&source, &cluster).await.expect("a copy");
    assert_eq!((again.messages, again.present), (0, MESSAGES));

    let (back, _folder) = embedded();
    let returned = moved(&cluster, &back).await.expect("a copy");
    assert_eq!(returned.faults, []);
    assert_eq!((returned.messages, returned.renamed), (MESSAGES, SHARED));
    assert_eq!(Picture::of(&*back).await, expected);
}

#[tokio::test]
async fn a_copy_into_cassandra_that_ends_again_and_again_comes_to_the_same_end() {
    let Some(cluster) = cassandra("broken").await else {
        return;
    };
    let source: Arc<dyn Store> = Arc::new(MemoryStore::new());
    settle(&*source).await;
    let fault = [
        Fault::Before(ErrorKind::Unavailable(Reason::Engine)),
        Fault::After(ErrorKind::Indeterminate),
    ];
    let script = Script::new();
    let target: Arc<dyn Store> = Arc::new(Faulty::new(Arc::clone(&cluster), &script));
    let mut ended = 0;
    // Always five operations further on than the last time, until there is no operation to fail.
    for k in 1.. {
        script.restart();
        script.fail(At::Operation(k * 5), fault[ended % 2]);
        if moved(&source, &target).await.is_ok() {
            break;
        }
        ended += 1;
    }
    assert!(ended > 10, "ended {ended} times");
    assert_eq!(Picture::of(&*cluster).await, Picture::of(&*source).await);
    assert_eq!(ids(&*cluster).await, ids(&*source).await);
}
