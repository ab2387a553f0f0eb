//! Opening a Unix socket: whether one that is there is somebody's, and who may connect.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use super::BACKLOG;
use super::bind::{ListenError, Place};

/// Where a listener has its Unix socket, and who may connect to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixSocket {
    /// The file.
    pub path: PathBuf,
    /// Its mode, such as `0o660`: whoever may write may connect.
    pub mode: u32,
}

/// The file of an open socket; removed with it, if it is still the same.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            identity: identity(path),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && self.identity == identity(&self.path) {
            // What cannot be removed is found to be stale at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Opens the socket. Has to be called within a runtime.
pub(crate) fn bind(
    name: &str,
    socket: &UnixSocket,
) -> Result<(UnixListener, SocketFile), ListenError> {
    let failed = |source| ListenError::Failed {
        name: name.to_owned(),
        address: Place::Socket(socket.path.clone()),
        source,
    };
    match found(&socket.path).map_err(failed)? {
        Found::Nothing => {}
        Found::Stale => fs::remove_file(&socket.path).map_err(failed)?,
        Found::InUse => {
            return Err(ListenError::InUse {
                name: name.to_owned(),
                address: Place::Socket(socket.path.clone()),
                holder: None,
            });
        }
        Found::Another => {
            return Err(ListenError::NoSocket {
                name: name.to_owned(),
                path: socket.path.clone(),
            });
        }
    }
    open(socket).map_err(failed)
}

/// What is where the socket is to be.
enum Found {
    Nothing,
    /// A socket that nobody listens to: that of a process that did not end well.
    Stale,
    InUse,
    /// Something of somebody else's.
    Another,
}

fn found(path: &Path) -> io::Result<Found> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        other => other?,
    };
    if !metadata.file_type().is_socket() {
        return Ok(Found::Another);
    }
    // Without waiting: who listens and has no time is somebody, too.
    let caller = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    match caller.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(Found::InUse),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::AGAIN) => Ok(Found::InUse),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Found::Stale),
        Err(error) => Err(error),
    }
}

/// Nobody can connect before the mode is right: until then the socket is not listened to.
fn open(wanted: &UnixSocket) -> io::Result<(UnixListener, SocketFile)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.bind(&SockAddr::unix(&wanted.path)?)?;
    let file = SocketFile::new(&wanted.path);
    fs::set_permissions(&wanted.path, fs::Permissions::from_mode(wanted.mode))?;
    socket.listen(BACKLOG)?;
    let listener = UnixListener::from_std(socket.into())?;
    Ok((listener, file))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn at(folder: &tempfile::TempDir) -> UnixSocket {
        UnixSocket {
            path: folder.path().join("lmtp.sock"),
            mode: 0o640,
        }
    }

    #[tokio::test]
    async fn the_socket_has_its_mode_and_goes_with_its_listener() {
        let folder = tempfile::tempdir().unwrap();
        let socket = at(&folder);
        let (listener, file) = bind("lmtp", &socket).unwrap();
        let mode = fs::metadata(&socket.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let (_client, accepted) = (UnixStream::connect(&socket.path), listener.accept().await);
        accepted.unwrap();
        drop((listener, file));
        assert!(!socket.path.exists());
    }

    #[tokio::test]
    async fn one_that_nobody_listens_to_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let socket = at(&folder);
        drop(std::os::unix::net::UnixListener::bind(&socket.path).unwrap());
        assert!(socket.path.exists(), "the file stays behind");
        let (listener, _file) = bind("lmtp", &socket).unwrap();
        let _client = UnixStream::connect(&socket.path).unwrap();
        listener.accept().await.unwrap();
    }

    #[tokio::test]
    async fn one_that_somebody_listens_to_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let socket = at(&folder);
        let (_listener, _file) = bind("lmtp", &socket).unwrap();
        let error = bind("other", &socket).unwrap_err();
        assert!(matches!(error, ListenError::InUse { .. }), "{error}");
        assert!(error.to_string().contains("lmtp.sock"), "{error}");
        UnixStream::connect(&socket.path).unwrap();
    }

    #[tokio::test]
    async fn a_file_of_somebody_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let socket = at(&folder);
        fs::write(&socket.path, "precious").unwrap();
        let error = bind("lmtp", &socket).unwrap_err();
        assert!(matches!(error, ListenError::NoSocket { .. }), "{error}");
        assert_eq!(fs::read(&socket.path).unwrap(), b"precious");
    }

    #[tokio::test]
    async fn a_socket_that_took_the_place_of_ours_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let socket = at(&folder);
        let (listener, file) = bind("lmtp", &socket).unwrap();
        fs::rename(&socket.path, folder.path().join("moved")).unwrap();
        let (_next, _file) = bind("lmtp", &socket).unwrap();
        drop((listener, file));
        assert!(socket.path.exists());
    }

    #[tokio::test]
    async fn a_missing_folder_is_told_with_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixSocket {
            path: folder.path().join("none/lmtp.sock"),
            mode: 0o600,
        };
        let error = bind("lmtp", &socket).unwrap_err();
        assert!(error.to_string().contains("none/lmtp.sock"), "{error}");
    }
}
