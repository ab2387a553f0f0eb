//! Listening sockets that were opened by somebody else before we started: socket activation as
//! systemd does it (`LISTEN_FDS`, `LISTEN_FDNAMES`), so that ports below 1024 need no privilege
//! and a restart refuses no connection.

use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;

/// A socket that was handed over.
#[derive(Debug)]
pub struct Inherited {
    /// The name that the unit gives it with `FileDescriptorName=`; the unit's name without one.
    pub name: String,
    /// The socket.
    pub listener: TcpListener,
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
            match sockets.take_tcp_listener(number) {
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
    "take over the socket '{name}' from systemd: expected a listening TCP socket \
     (ListenStream= with an address and port, Accept=no)"
)]
pub struct InheritError {
    name: String,
    source: io::Error,
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::process::{Command, Stdio};

    use super::*;

    const NAME_OF_CHILD: &str = "inherited::tests::the_child_serves_what_it_inherits";

    /// Gives a socket to a child as systemd does: as descriptor 3, with the number in the
    /// environment. The child is this program, running the test below.
    #[test]
    fn sockets_are_taken_over_with_their_names() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let mut child = Command::new("sh")
            .arg("-c")
            .arg("LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=smtp exec \"$@\" 3<&0 </dev/null")
            .arg("sh")
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", NAME_OF_CHILD, "--ignored"])
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(socket)))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut greeting = String::new();
        let mut connection = TcpStream::connect(address).unwrap();
        io::Read::read_to_string(&mut connection, &mut greeting).unwrap();
        assert_eq!(greeting, "from smtp");
        assert!(child.wait().unwrap().success());
    }

    #[test]
    #[ignore = "the second half of the test above, run in a process of its own"]
    fn the_child_serves_what_it_inherits() {
        let [inherited] = <[Inherited; 1]>::try_from(Inherited::take().unwrap()).unwrap();
        let (mut connection, _) = inherited.listener.accept().unwrap();
        io::Write::write_all(
            &mut connection,
            format!("from {}", inherited.name).as_bytes(),
        )
        .unwrap();
    }
}
