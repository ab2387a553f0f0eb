//! The store on Cassandra as the configuration describes it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cassmail_config::Settings;
use cassmail_mail::{IdMinter, UnixTime};
use cassmail_net::Clock;
use cassmail_store_cassandra::{
    Cassandra, CommitLog, Encryption, EncryptionFiles, Login, OpenError, Options, Replication, init,
};

use crate::exit::{Failure, Outcome};

/// What the store is opened with; `ids` mints the ids of this process.
pub(crate) fn options(settings: &Settings, ids: Option<&Arc<IdMinter>>) -> Outcome<Options> {
    let cassandra = &settings.cassandra;
    Ok(Options {
        login: login(settings)?,
        encryption: encryption(settings)?,
        commit_log: if cassandra.allow_periodic_commit_log {
            CommitLog::MayBePeriodic
        } else {
            CommitLog::MustBeSynced
        },
        in_flight: cassandra.requests_in_flight as usize,
        minted_by: ids.cloned(),
        ..Options::new(
            cassandra.contact_points.clone(),
            &*cassandra.local_datacenter,
            &*cassandra.keyspace,
            Arc::new(StoreClock(Clock::system())),
        )
    })
}

fn login(settings: &Settings) -> Outcome<Option<Login>> {
    let cassandra = &settings.cassandra;
    let (Some(user), Some(file)) = (&cassandra.user, &cassandra.password_file) else {
        return Ok(None);
    };
    let password = cassmail_config::read_secret(file)
        .map_err(|error| Failure::configuration(error).about("store.cassandra.password_file:"))?;
    Ok(Some(Login {
        user: user.clone(),
        password: password.expose().to_owned(),
    }))
}

fn encryption(settings: &Settings) -> Outcome<Option<Encryption>> {
    let cassandra = &settings.cassandra;
    let Some(authorities) = &cassandra.ca_certificate else {
        return Ok(None);
    };
    let own = cassandra.certificate.clone().zip(cassandra.key.clone());
    if let Some((_, key)) = &own {
        cassmail_config::check_secret_file(key)
            .map_err(|error| Failure::configuration(error).about("store.cassandra.key:"))?;
    }
    let files = EncryptionFiles {
        authorities: authorities.clone(),
        own,
    };
    let encryption = Encryption::from_files(&files);
    encryption.map(Some).map_err(Failure::configuration)
}

/// How many replicas each data center is to have.
pub(crate) fn replication(settings: &Settings) -> Outcome<Replication> {
    let replicas = &settings.cassandra.replication.0;
    if replicas.is_empty() {
        return Err(Failure::configuration(anyhow::anyhow!(
            "store.cassandra.replication: expected the number of replicas of each data center, \
             such as {{ dc1 = 3, dc2 = 3 }}, got none"
        )));
    }
    let replicas = replicas.iter();
    let replicas = replicas.map(|(center, count)| (center.clone(), *count));
    Ok(Replication(replicas.collect()))
}

/// What to do about a keyspace that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoSchema {
    /// Making it is for `store init`: a wrong name would begin a store of its own, well and empty.
    IsRefused,
    /// It is made, in development.
    IsMade,
}

/// Opens the store.
pub(crate) async fn open(
    settings: &Settings,
    ids: &Arc<IdMinter>,
    no_schema: NoSchema,
) -> Outcome<Cassandra> {
    let options = options(settings, Some(ids))?;
    match Cassandra::open(&options).await {
        Err(OpenError::NoSchema { .. }) if no_schema == NoSchema::IsMade => {
            init(&options, &replication(settings)?)
                .await
                .map_err(not_open)?;
            Cassandra::open(&options).await.map_err(not_open)
        }
        opened => opened.map_err(not_open),
    }
}

/// Whoever wrote the configuration, or whoever keeps the cluster, has to act.
pub(crate) fn not_open(error: OpenError) -> Failure {
    match error {
        OpenError::CommitLog { .. } | OpenError::BadName(_) => Failure::configuration(error),
        _ => Failure::unavailable(error),
    }
}

/// The store's clock is that of `cassmail-net`.
pub(crate) struct StoreClock(pub(crate) Clock);

impl cassmail_store_cassandra::Clock for StoreClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_micros(self.0.wall_micros())
    }

    fn elapsed(&self) -> Duration {
        self.0.now().since(cassmail_wire::Moment::default())
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.0.wait_until(self.0.now().after(duration)))
    }
}
