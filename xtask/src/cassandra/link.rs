//! The link between nodes, which can be cut.
//!
//! A node of a cluster with two data centers dials other nodes at the address that they broadcast.
//! There the link listens, looks who is calling, and carries the bytes on to the address on which
//! the called node really listens. A cut stops what comes from or goes to the other side, in both
//! directions, and nothing else; both sides live on, and clients, who do not use the link, reach
//! both.
//!
//! A cut is silence, as it is when a cable breaks, and not an end: connections stay, their bytes
//! wait, and new ones get no answer. Not even the end of a connection is told to the other side.
//! What waited arrives after healing, as with TCP it would. Bytes of a piece that is being
//! delivered in the moment of the cut count as having been under way.
//!
//! Why it is done like this, and what else was tried, is in
//! `docs/adr/0011-a-cut-between-data-centers.md`.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::layout::{Layout, Net, STORAGE_PORT};

/// How much is carried at once.
const PIECE: usize = 16 << 10;

/// Threads only copy; there are two for each connection.
const STACK: usize = 128 << 10;

/// A node that calls says at once who it is.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a caller who waits before a cut is looked after: has he gone?
const LOOK: Duration = Duration::from_millis(200);

/// The first four bytes between nodes, since Cassandra 1.
const MAGIC: [u8; 4] = 0xca55_2dfa_u32.to_be_bytes();

/// Magic, flags, length of an IPv4 address with its port, the address: what a caller says first
/// (`HandshakeProtocol.Initiate` in Cassandra 4 and later).
const GREETING: usize = 4 + 4 + 1 + 4;

/// Which nodes are cut off from the others.
#[derive(Default)]
pub(super) struct Link {
    away: Mutex<BTreeSet<usize>>,
    changed: Condvar,
}

/// Caller and called.
#[derive(Clone, Copy)]
struct Pair(usize, usize);

impl Link {
    /// Separates these nodes from the others; who was away before and is not named is back.
    pub(super) fn cut(&self, nodes: &[usize]) {
        *self.locked() = nodes.iter().copied().collect();
        self.changed.notify_all();
    }

    pub(super) fn away(&self) -> Vec<usize> {
        self.locked().iter().copied().collect()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the two are on different sides.
    fn is_cut(away: &BTreeSet<usize>, Pair(caller, called): Pair) -> bool {
        away.contains(&caller) != away.contains(&called)
    }

    /// Waits for healing.
    fn pass(&self, pair: Pair) {
        let cut = |away: &mut BTreeSet<usize>| Self::is_cut(away, pair);
        drop(self.changed.wait_while(self.locked(), cut));
    }

    /// Waits for healing, but no longer than a look; whether the way is open.
    fn pass_within_a_look(&self, pair: Pair) -> bool {
        let cut = |away: &mut BTreeSet<usize>| Self::is_cut(away, pair);
        let waited = self.changed.wait_timeout_while(self.locked(), LOOK, cut);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

/// Listens for all nodes of a cluster.
pub(super) fn listen(link: &Arc<Link>, layout: Layout, net: Net) -> Result<()> {
    for node in layout.nodes() {
        let address = (net.outer(node), STORAGE_PORT);
        let listener = TcpListener::bind(address);
        let listener = listener.with_context(|| format!("failed to listen on {address:?}"))?;
        let link = Arc::clone(link);
        let accept = move || accept(&link, &listener, net, node);
        thread::Builder::new().stack_size(STACK).spawn(accept)?;
    }
    Ok(())
}

fn accept(link: &Arc<Link>, listener: &TcpListener, net: Net, called: usize) {
    for stream in listener.incoming().flatten() {
        let link = Arc::clone(link);
        // A call that fails is one that the caller tries again.
        let carry = move || drop(carry(&link, stream, net, called));
        drop(thread::Builder::new().stack_size(STACK).spawn(carry));
    }
}

/// One connection, from its first byte to its last.
fn carry(link: &Arc<Link>, mut caller: TcpStream, net: Net, called: usize) -> Result<()> {
    caller.set_nodelay(true)?;
    caller.set_read_timeout(Some(PATIENCE))?;
    let (name, greeting) = read_greeting(&mut caller)?;
    let pair = Pair(node_of(net, name)?, called);
    wait_before_cut(link, &caller, pair)?;
    let mut node = TcpStream::connect((net.inner(called), STORAGE_PORT))?;
    node.set_nodelay(true)?;
    node.write_all(&greeting)?;
    caller.set_read_timeout(None)?;
    let back = (node.try_clone()?, caller.try_clone()?);
    let link_back = Arc::clone(link);
    let answers = move || copy(&link_back, back.0, back.1, pair);
    thread::Builder::new().stack_size(STACK).spawn(answers)?;
    copy(link, caller, node, pair);
    Ok(())
}

fn read_greeting(caller: &mut TcpStream) -> Result<(Ipv4Addr, [u8; GREETING])> {
    let mut greeting = [0; GREETING];
    caller.read_exact(&mut greeting)?;
    Ok((name_in(greeting)?, greeting))
}

fn name_in(greeting: [u8; GREETING]) -> Result<Ipv4Addr> {
    let [m0, m1, m2, m3, _, _, _, _, length, a, b, c, d] = greeting;
    if [m0, m1, m2, m3] != MAGIC || length != 6 {
        bail!("no node speaks like this");
    }
    Ok(Ipv4Addr::new(a, b, c, d))
}

fn node_of(net: Net, name: Ipv4Addr) -> Result<usize> {
    let node = Layout::TwoCenters.nodes();
    let node = node.into_iter().find(|node| net.outer(*node) == name);
    node.with_context(|| format!("{name} is no node of this cluster"))
}

/// A caller who comes during a cut waits as for an answer that is lost, until he gives up.
fn wait_before_cut(link: &Link, caller: &TcpStream, pair: Pair) -> Result<()> {
    caller.set_read_timeout(Some(Duration::from_millis(1)))?;
    while !link.pass_within_a_look(pair) {
        if has_left(caller) {
            bail!("the caller gave up");
        }
    }
    Ok(())
}

/// The caller says nothing more until he is answered, so the end of his stream, but for the rest
/// of his greeting, can be seen.
fn has_left(caller: &TcpStream) -> bool {
    let mut rest = [0; 64];
    let waits =
        |error: std::io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    match caller.peek(&mut rest) {
        Ok(count) => count == 0,
        Err(error) => !waits(error),
    }
}

/// Carries one direction, and then the end of it.
fn copy(link: &Link, mut from: TcpStream, mut to: TcpStream, pair: Pair) {
    let mut piece = vec![0; PIECE];
    loop {
        let count = from.read(&mut piece).unwrap_or_default();
        link.pass(pair);
        let Some(read @ [_, ..]) = piece.get(..count) else {
            break;
        };
        if to.write_all(read).is_err() {
            break;
        }
    }
    // Nodes end both directions together. Who is no longer there needs no farewell.
    drop(to.shutdown(Shutdown::Both));
    drop(from.shutdown(Shutdown::Both));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_between_sides_and_not_within_them() {
        let away = BTreeSet::from([4, 5, 6]);
        assert!(Link::is_cut(&away, Pair(1, 4)));
        assert!(Link::is_cut(&away, Pair(6, 3)));
        assert!(!Link::is_cut(&away, Pair(4, 5)));
        assert!(!Link::is_cut(&away, Pair(1, 2)));
    }

    #[test]
    fn a_node_is_known_by_its_greeting() {
        let greeting = [0xca, 0x55, 0x2d, 0xfa, 0, 0, 0, 0, 6, 127, 0, 9, 5];
        let name = name_in(greeting).unwrap();
        assert_eq!(node_of(Net(9), name).unwrap(), 5);
        assert!(node_of(Net(8), name).is_err());
        assert!(name_in([0; GREETING]).is_err());
    }

    /// A link between two nodes of a net that no cluster uses, with ourselves as the nodes.
    struct Stage {
        link: Arc<Link>,
        node: TcpListener,
        net: Net,
    }

    impl Stage {
        fn set(net: Net) -> Self {
            let link = Arc::new(Link::default());
            listen(&link, Layout::TwoCenters, net).unwrap();
            let node = TcpListener::bind((net.inner(4), STORAGE_PORT)).unwrap();
            Self { link, node, net }
        }

        /// Node 1 calls node 4.
        fn call(&self) -> TcpStream {
            let mut caller = TcpStream::connect((self.net.outer(4), STORAGE_PORT)).unwrap();
            let name = self.net.outer(1).octets();
            let greeting = [&MAGIC[..], &[0, 0, 0, 0, 6], &name, b"rest"].concat();
            caller.write_all(&greeting).unwrap();
            caller
        }

        fn answer(&self) -> TcpStream {
            let (mut stream, _) = self.node.accept().unwrap();
            let mut greeting = [0; GREETING + 4];
            stream.read_exact(&mut greeting).unwrap();
            assert!(greeting.ends_with(b"rest"));
            stream
        }
    }

    fn is_silent(stream: &TcpStream) -> bool {
        stream.set_read_timeout(Some(LOOK)).unwrap();
        let heard = stream.peek(&mut [0]);
        stream.set_read_timeout(None).unwrap();
        heard.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    #[test]
    fn what_is_sent_during_a_cut_arrives_after_healing() {
        let stage = Stage::set(Net(251));
        let mut caller = stage.call();
        let mut called = stage.answer();
        stage.link.cut(&[4, 5, 6]);
        caller.write_all(b"there").unwrap();
        called.write_all(b"back").unwrap();
        assert!(is_silent(&called) && is_silent(&caller));
        stage.link.cut(&[]);
        let (mut there, mut back) = ([0; 5], [0; 4]);
        called.read_exact(&mut there).unwrap();
        caller.read_exact(&mut back).unwrap();
        assert_eq!((&there, &back), (b"there", b"back"));
    }

    #[test]
    fn the_end_of_a_connection_is_not_told_across_a_cut() {
        let stage = Stage::set(Net(252));
        let caller = stage.call();
        let mut called = stage.answer();
        stage.link.cut(&[4]);
        drop(caller);
        assert!(is_silent(&called));
        stage.link.cut(&[]);
        assert_eq!(called.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn who_calls_during_a_cut_is_answered_after_healing() {
        let stage = Stage::set(Net(253));
        stage.link.cut(&[1, 2, 3]);
        let mut caller = stage.call();
        assert!(is_silent(&caller));
        stage.link.cut(&[]);
        stage.answer().write_all(b"yes").unwrap();
        let mut heard = [0; 3];
        caller.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"yes");
    }
}
