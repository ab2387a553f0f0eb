//! Which service or store a command means, and how it is reached: over the socket of the running
//! service, else by opening the store in this process.

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use cassmail_admin::{Client, Readings, administration};
use cassmail_config::{Settings, StoreKind};
use cassmail_net::Clock;
use cassmail_telemetry::Metrics;
use tokio::runtime::Runtime;

use crate::cli::Which;
use crate::cluster::NoSchema;
use crate::exit::{Failure, Outcome};
use crate::{settings, wiring};

/// Calls `work` with a client of the service that is meant, or of its store, which has to be there:
/// a new one instead of the one that was meant would be well, and empty.
pub(crate) fn with_client(
    runtime: &Runtime,
    which: &Which,
    work: impl AsyncFnOnce(&Client) -> Outcome,
) -> Outcome {
    with_client_of(Absent::IsRefused, runtime, which, work)
}

/// The same, but a folder that is not there is made, for the first thing that is put into a store.
pub(crate) fn with_client_of_new(
    runtime: &Runtime,
    which: &Which,
    work: impl AsyncFnOnce(&Client) -> Outcome,
) -> Outcome {
    with_client_of(Absent::IsMade, runtime, which, work)
}

/// What becomes of a data folder that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absent {
    IsRefused,
    IsMade,
}

fn with_client_of(
    absent: Absent,
    runtime: &Runtime,
    which: &Which,
    work: impl AsyncFnOnce(&Client) -> Outcome,
) -> Outcome {
    let loaded = settings::load(which)?;
    let settings = &loaded.settings;
    let socket = settings::socket(settings);
    if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
        return runtime.block_on(work(&Client::Socket(socket)));
    }
    // Another user's socket does not answer us, whether the service runs or not.
    check_owner(&settings.identity.data_dir)?;
    if settings.store.kind == StoreKind::Memory {
        return Err(Failure::unavailable(anyhow::anyhow!(
            "no service answers on {}, and a store in memory is nowhere else; start it with: \
             cassmail serve",
            socket.display()
        )));
    }
    let folder = &settings.identity.data_dir;
    let is_in_folder = settings.store.kind == StoreKind::Embedded;
    if is_in_folder && absent == Absent::IsRefused && !folder.exists() {
        return Err(Failure::unavailable(anyhow::anyhow!(
            "there is no store in {}; name another with --config or --data, or begin it with: \
             cassmail serve, or: cassmail domain add NAME",
            folder.display()
        )));
    }
    if is_in_folder {
        prepare(folder)?;
    }
    let opened = runtime.block_on(wiring::open_store(settings, NoSchema::IsRefused))?;
    let done = runtime.block_on(in_process(settings, &opened, work));
    let closed = runtime.block_on(opened.store.close());
    done?;
    closed.map_err(Failure::unavailable)
}

async fn in_process(
    settings: &Settings,
    opened: &wiring::OpenStore,
    work: impl AsyncFnOnce(&Client) -> Outcome,
) -> Outcome {
    let metrics = Arc::new(Metrics::new());
    let office = wiring::office(settings, opened, &Clock::system(), &metrics, None)?;
    let readings = Readings {
        store: Arc::clone(&opened.store),
        metrics,
        keeper: Arc::clone(&opened.keeper) as _,
        drained: Arc::default(),
        traffic: Arc::default(),
    };
    let keeper = Arc::clone(&opened.keeper);
    let router = administration(office.administered(None), keeper, readings);
    let done = work(&Client::InProcess(router)).await;
    // What was counted is worth knowing for the service.
    office.quotas.flush().await;
    done
}

/// Makes a folder that is not there, for this user alone; refuses one that is another user's or
/// that this user cannot write in.
pub(crate) fn prepare(folder: &Path) -> Outcome {
    check_owner(folder)?;
    let mut builder = std::fs::DirBuilder::new();
    if let Err(error) = builder.recursive(true).mode(0o700).create(folder) {
        return Err(cannot("make", folder, error));
    }
    match tempfile::tempfile_in(folder) {
        // A full disk is the store's to handle: removal has to work on it.
        Err(error) if is_refusal(&error) => Err(cannot("write in", folder, error)),
        _ => Ok(()),
    }
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

fn cannot(what: &str, folder: &Path, error: io::Error) -> Failure {
    let path = folder.display();
    let user = name_of(rustix::process::geteuid().as_raw());
    if is_refusal(&error) {
        Failure::no_permission(format!(
            "failed to {what} the folder {path}: {error}; make it for this user with: install -d \
             -m 700 -o {user} {path}, or name another one"
        ))
    } else {
        let error = anyhow::Error::new(error);
        Failure::unavailable(error.context(format!("failed to {what} the folder {path}")))
    }
}

/// Refuses to open another user's store, so that no file in it belongs to the wrong user when the
/// service wants it. A folder that is not there yet will be ours.
pub(crate) fn check_owner(folder: &Path) -> Outcome {
    let Ok(found) = std::fs::metadata(folder) else {
        return Ok(());
    };
    let ours = rustix::process::geteuid().as_raw();
    if found.uid() == ours {
        return Ok(());
    }
    let owner = name_of(found.uid());
    Err(Failure::no_permission(format!(
        "{} belongs to {owner}; do this as that user, such as: sudo -u {owner} cassmail ...",
        folder.display()
    )))
}

/// The user's name in /etc/passwd, else the number as sudo takes it.
fn name_of(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").context("failed to read /etc/passwd");
    let users = users.unwrap_or_default();
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("'#{uid}'"))
}
