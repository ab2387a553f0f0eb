//! A keyspace of a real Cassandra.

use std::future::Future;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cassmail_mail::{IdMinter, UnixTime};
use cassmail_store_cassandra::{Cassandra, Clock, Options, Replication, init};

/// Contact points, separated by commas; without them these tests are left out, and say so.
const VARIABLE: &str = "CASSMAIL_CASSANDRA";

/// The clock of the machine.
pub(crate) struct Real(Instant);

impl Real {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

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

/// A keyspace of its own for one test.
pub(crate) struct Keyspace {
    options: Options,
}

impl Keyspace {
    /// None where there is no Cassandra.
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
    pub(crate) async fn made(name: &str) -> Option<Self> {
        let Ok(points) = std::env::var(VARIABLE) else {
            // Not by macro: that would be captured.
            let left_out = format!("left out: {VARIABLE} does not name contact points\n");
            let _ = std::io::stderr().write_all(left_out.as_bytes());
            return None;
        };
        let points = points.split(',').map(str::to_owned).collect();
        let name = format!("quota_{name}_{}", std::process::id());
        let options = Options::new(points, "dc1", name, Arc::new(Real::new()));
        let replication = Replication(vec![("dc1".to_owned(), 1)]);
        init(&options, &replication).await.expect("a schema");
        Some(Self { options })
    }

    /// A store over it, as each node has one, which knows who mints the ids of its messages.
    pub(crate) async fn store(&self, minter: &Arc<IdMinter>) -> Cassandra {
        let options = Options {
            minted_by: Some(Arc::clone(minter)),
            ..self.options.clone()
        };
        Cassandra::open(&options).await.expect("opening")
    }
}
