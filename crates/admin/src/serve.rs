//! Listening: on a Unix socket for administration, on TCP for readings.

use std::fs;
use std::future::Future;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use axum::Router;
use tokio::net::{TcpListener, UnixListener};

use crate::access::SocketPeer;

/// Why the admin API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The path does not fit into a socket address.
    #[error(
        "{0} is too long for a Unix socket (at most 107 bytes); set run_dir to a shorter folder"
    )]
    PathTooLong(PathBuf),
    /// Another process listens there.
    #[error("{0} is in use by another process; stop it, or set run_dir to another folder")]
    InUse(PathBuf),
    /// The socket cannot be made.
    #[error("failed to listen on {path}")]
    Bind {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Serving ended with an error.
    #[error("failed to serve the admin API")]
    Serve(#[source] std::io::Error),
}

/// Listens on a Unix socket that only its owner can open, in place of one that nobody serves.
///
/// # Errors
/// See [`ServeError`].
pub fn bind_socket(path: &Path) -> Result<UnixListener, ServeError> {
    if path.as_os_str().len() > 107 {
        return Err(ServeError::PathTooLong(path.to_owned()));
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(ServeError::InUse(path.to_owned()));
    }
    let failed = |source| ServeError::Bind {
        path: path.to_owned(),
        source,
    };
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Serves the administration until `stopped` resolves.
///
/// # Errors
/// The listener failed.
pub async fn serve_socket(
    listener: UnixListener,
    router: Router,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let service = router.into_make_service_with_connect_info::<SocketPeer>();
    let served = axum::serve(listener, service).with_graceful_shutdown(stopped);
    served.await.map_err(ServeError::Serve)
}

/// Serves the readings until `stopped` resolves.
///
/// # Errors
/// The listener failed.
pub async fn serve_tcp(
    listener: TcpListener,
    router: Router,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let served = axum::serve(listener, router).with_graceful_shutdown(stopped);
    served.await.map_err(ServeError::Serve)
}
