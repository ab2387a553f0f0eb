//! Listening sockets that were opened by somebody else before we started: socket activation as
//! systemd does it (`LISTEN_FDS`, `LISTEN_FDNAMES`), so that ports below 1024 need no privilege
//! and a restart refuses no connection.

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;

/// A socket that was handed over.
#[derive(Debug)]
pub struct Inherited {
    /// The name that the unit gives it with `FileDescriptorName=`; the unit's name without one.
    pub name: String,
    /// The socket.
    pub listener: InheritedSocket,
}

/// A listening socket of either kind.
#[derive(Debug)]
pub enum InheritedSocket {
    /// `ListenStream=` with an address and port.
    Tcp(TcpListener),
    /// `ListenStream=` with a path; its mode is the unit's `SocketMode=`.
    Unix(UnixListener),
}

impl Inherited {
    /// Takes the sockets meant for this process; none when nobody left any. Call it once, at start.
    pub fn take() -> Result<Vec<Self>, InheritError> {
        let mut sockets = ListenFd::from_env();
        let names = names();
        let mut names = names.split(':');
        let mut taken = Vec::with_capacity(sockets.len());
        for number in 0..sockets.len() {
            let name = names.next().unwrap_or_default().to_owned();
            // A socket of the other kind is put back.
            let listener = match sockets.take_tcp_listener(number) {
                Ok(tcp) => Ok(tcp.map(InheritedSocket::Tcp)),
                Err(_) => sockets
                    .take_unix_listener(number)
                    .map(|unix| unix.map(InheritedSocket::Unix)),
            };
            match listener {
                Ok(Some(listener)) => taken.push(Self { name, listener }),
                Ok(None) => {}
                Err(source) => return Err(InheritError { name, source }),
            }
        }
        Ok(taken)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this variable is how systemd talks to a process, not a setting"
)]
fn names() -> String {
    std::env::var("LISTEN_FDNAMES").unwrap_or_default()
}

/// A socket that was handed over and is of no use.
#[derive(Debug, thiserror::Error)]
#[error(
    "take over the socket '{name}' from systemd: expected a listening stream \
     socket (ListenStream= with an address and port or a path, Accept=no)"
)]
pub struct InheritError {
    name: String,
    source: io::Error,
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Child, Command, Stdio};

    use super::*;

    const NAME_OF_CHILD: &str = "inherited::tests::the_child_serves_what_it_inherits";

    #[test]
    fn sockets_are_taken_over_with_their_names() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let mut child = heir(socket.into());
        let mut greeting = String::new();
        let mut connection = TcpStream::connect(address).unwrap();
        io::Read::read_to_string(&mut connection, &mut greeting).unwrap();
        assert_eq!(greeting, "from smtp");
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn unix_sockets_are_taken_over_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lmtp.sock");
        let mut child = heir(UnixListener::bind(&path).unwrap().into());
        let mut greeting = String::new();
        let mut connection = UnixStream::connect(&path).unwrap();
        io::Read::read_to_string(&mut connection, &mut greeting).unwrap();
        assert_eq!(greeting, "from smtp");
        assert!(child.wait().unwrap().success());
    }

    /// Gives a socket to a child as systemd does: as descriptor 3, with the number in the
    /// environment. The child is this program, running the test below.
    fn heir(socket: OwnedFd) -> Child {
        Command::new("sh")
            .arg("-c")
            .arg("LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=smtp exec \"$@\" 3<&0 </dev/null")
            .arg("sh")
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", NAME_OF_CHILD, "--ignored"])
            .stdin(Stdio::from(socket))
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    #[test]
    #[ignore = "the second half of the tests above, run in a process of its own"]
    fn the_child_serves_what_it_inherits() {
        let [inherited] = <[Inherited; 1]>::try_from(Inherited::take().unwrap()).unwrap();
        let greeting = format!("from {}", inherited.name);
        let mut connection: Box<dyn io::Write> = match inherited.listener {
            InheritedSocket::Tcp(listener) => Box::new(listener.accept().unwrap().0),
            InheritedSocket::Unix(listener) => Box::new(listener.accept().unwrap().0),
        };
        connection.write_all(greeting.as_bytes()).unwrap();
    }
}
