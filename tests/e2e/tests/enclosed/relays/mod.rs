//! Mail servers that people run, as senders to the real binary, with a kill on either side.
//!
//! Each is Debian's own, with the settings that Debian gives it, but for where it listens, where it
//! sends, and that its queue waits until it is full.

mod exim;
mod opensmtpd;
mod postfix;
mod queue;

use std::marker::PhantomData;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use cassmail_e2e::{Deadline, Enclosure, Inhabited, settings};

use crate::skip::{installed, say};

#[test]
fn exim_brings_a_queue_in_through_a_kill_on_either_side() {
    a_queue_comes_in::<exim::Exim>(Protocol::Smtp);
}

#[test]
fn exim_brings_a_queue_in_by_lmtp() {
    a_queue_comes_in::<exim::Exim>(Protocol::Lmtp);
}

#[test]
fn opensmtpd_brings_a_queue_in_through_a_kill_on_either_side() {
    a_queue_comes_in::<opensmtpd::OpenSmtpd>(Protocol::Smtp);
}

#[test]
fn opensmtpd_brings_a_queue_in_by_lmtp() {
    a_queue_comes_in::<opensmtpd::OpenSmtpd>(Protocol::Lmtp);
}

#[test]
fn postfix_brings_a_queue_in_through_a_kill_on_either_side() {
    a_queue_comes_in::<postfix::Postfix>(Protocol::Smtp);
}

#[test]
fn postfix_brings_a_queue_in_by_lmtp() {
    a_queue_comes_in::<postfix::Postfix>(Protocol::Lmtp);
}

fn a_queue_comes_in<R: Relay>(protocol: Protocol) {
    if let Some(layers) = installed(R::PACKAGE) {
        let outcome = queue::comes_in::<R>(layers, protocol, settings::queue_length());
        say(&format!("{} by {protocol:?}: {outcome}", R::PACKAGE));
    }
}

/// What any of their commands may take.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// What is spoken to the next server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Smtp,
    Lmtp,
}

/// Where one listens and where it sends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route {
    pub(super) own_port: u16,
    pub(super) next_port: u16,
    pub(super) protocol: Protocol,
}

/// A mail server.
pub(super) trait Relay {
    /// Debian's name for it.
    const PACKAGE: &'static str;

    /// So many connections to one server at once, by default; on each the answer to one message
    /// can be missed.
    const CONNECTIONS: usize;

    /// The program that stays while the server runs, with all it is told.
    fn program(route: Route) -> Vec<String>;

    /// Writes the settings that are not the defaults. The queue waits.
    fn configure(enclosure: &Enclosure, route: Route);

    /// Lets the queue go; after each start, since some forget that it may.
    fn release(home: &Inhabited);

    /// Tries everything that is in the queue now, whatever was tried before.
    fn flush(home: &Inhabited);

    /// Whether nothing waits any more.
    fn is_empty(home: &Inhabited) -> bool;
}

/// A mail server at work; it can be killed and started again on its queue.
pub(super) struct Running<R> {
    enclosure: Enclosure,
    home: Inhabited,
    route: Route,
    output: PathBuf,
    relay: PhantomData<R>,
}

impl<R: Relay> Running<R> {
    pub(super) fn start(layers: PathBuf, folder: PathBuf, route: Route) -> Self {
        let output = folder.join("output");
        let enclosure = Enclosure::new(layers, folder);
        R::configure(&enclosure, route);
        let home = launch::<R>(&enclosure, route, &output);
        Self {
            enclosure,
            home,
            route,
            output,
            relay: PhantomData,
        }
    }

    pub(super) fn home(&self) -> &Inhabited {
        &self.home
    }

    /// After it was killed in the middle of what it did.
    pub(super) fn start_again(&mut self) {
        let deadline = Deadline::after(PATIENCE);
        // The system kills the rest of an enclosure after its first process.
        while listens(self.route.own_port) {
            assert!(!deadline.passed(), "{} is still there", R::PACKAGE);
            thread::sleep(Duration::from_millis(10));
        }
        self.home = launch::<R>(&self.enclosure, self.route, &self.output);
        R::release(&self.home);
    }

    /// What it said to its terminal.
    pub(super) fn output(&self) -> String {
        let output = std::fs::read(&self.output).unwrap_or_default();
        String::from_utf8_lossy(&output).into_owned()
    }
}

fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn launch<R: Relay>(enclosure: &Enclosure, route: Route, output: &Path) -> Inhabited {
    let words = R::program(route);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let home = enclosure.start(&words, output);
    let deadline = Deadline::after(PATIENCE);
    while !listens(route.own_port) {
        // Bounded polling: nothing tells a parent when a server is ready.
        let ended = home.wait(Duration::from_millis(10));
        let said =
            || String::from_utf8_lossy(&std::fs::read(output).unwrap_or_default()).into_owned();
        assert!(
            ended.is_none(),
            "{} ended: {ended:?}\n{}",
            R::PACKAGE,
            said()
        );
        assert!(
            !deadline.passed(),
            "{} does not listen:\n{}",
            R::PACKAGE,
            said()
        );
    }
    home
}
