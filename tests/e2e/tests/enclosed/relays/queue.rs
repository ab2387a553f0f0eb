//! A queue that goes out while the server is killed once and the sender is killed once.
//!
//! What the sender's queue takes has to be listed at the end, whole. A message may be listed more
//! than once only where the sender cannot have seen the 250: it was on a connection when one side
//! was killed. Every connection carries one message at a time, so that there are at most as many of
//! these as connections.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use cassmail_e2e::{
    Configuration, Conversation, Deadline, Maildrop, Message, PASSWORD, Port, Server, delivery,
    large, stuffed,
};

use super::{Protocol, Relay, Route, Running};

/// What one queue may take in all.
const LIMIT: Duration = Duration::from_mins(5);

/// Who gets the mail.
const RECIPIENT: &str = "bob@here.example";

/// What became of a queue.
pub(super) struct Outcome {
    sent: usize,
    listed: usize,
    repeated: usize,
    under_tls: usize,
    at_the_first_kill: usize,
    at_the_second_kill: usize,
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} sent, {} listed ({} under TLS), {} of them twice or more, 0 lost; the server was \
             killed at {}, the sender at {}",
            self.sent,
            self.listed,
            self.under_tls,
            self.repeated,
            self.at_the_first_kill,
            self.at_the_second_kill
        )
    }
}

pub(super) fn comes_in<R: Relay>(layers: PathBuf, protocol: Protocol, length: usize) -> Outcome {
    let mut server = settled();
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let route = Route {
        own_port: free_port(),
        next_port: server.port(match protocol {
            Protocol::Smtp => Port::Mx,
            Protocol::Lmtp => Port::Lmtp,
        }),
        protocol,
    };
    let mut running = Running::<R>::start(layers, folder.path().to_owned(), route);
    let queue: BTreeMap<String, Vec<u8>> = (0..length).map(message).collect();
    fill(route.own_port, &queue);
    R::release(running.home());

    let deadline = Deadline::after(LIMIT);
    let (at_the_first_kill, at_the_second_kill) = pushing(&running, || {
        let first = wait_for(&server, length / 3, deadline);
        server.kill();
        server.start_again();
        let second = wait_for(&server, length * 2 / 3, deadline);
        running.home().kill();
        (first, second)
    });
    running.start_again();
    pushing(&running, || {
        while !R::is_empty(running.home()) {
            assert!(
                !deadline.passed(),
                "the queue is not empty:\n{}",
                running.output()
            );
            // Bounded polling: nothing tells when a queue is empty.
            thread::sleep(Duration::from_millis(200));
        }
    });
    assert!(at_the_second_kill < length, "nothing was left to cut");
    let outcome = Outcome {
        at_the_first_kill,
        at_the_second_kill,
        ..compare(&server, &queue)
    };
    let limit = 2 * R::CONNECTIONS;
    assert!(
        outcome.repeated <= limit,
        "more than {limit} came again: {outcome}"
    );
    outcome
}

/// A server as for users, with somebody in it.
fn settled() -> Server {
    let server = Server::configured(&Configuration::default());
    server.administer(&["domain", "add", "here.example"], "");
    let people = format!("{RECIPIENT},{PASSWORD}\n");
    server.administer(&["account", "import", "-"], &people);
    server
}

/// Mail of all kinds that a queue has: short, long, and with octets beyond ASCII.
fn message(number: usize) -> (String, Vec<u8>) {
    let octets = if number % 16 == 15 { 100_000 } else { 2_500 };
    let seed = u64::try_from(number).expect("numbers are small");
    let Message { name, octets } = large(&format!("queued-{number}"), octets, seed);
    (name, octets)
}

/// Hands the queue over, on several connections, since each message is synced by the sender.
fn fill(port: u16, queue: &BTreeMap<String, Vec<u8>>) {
    let messages: Vec<&Vec<u8>> = queue.values().collect();
    thread::scope(|scope| {
        for part in messages.chunks(queue.len().div_ceil(4).max(1)) {
            // Some take no more than a hundred in one session.
            scope.spawn(move || part.chunks(50).for_each(|few| hand_over(port, few)));
        }
    });
}

fn hand_over(port: u16, messages: &[&Vec<u8>]) {
    let mut conversation = Conversation::open(port).expect("welcomes");
    for message in messages {
        let sender = "<alice@sender.example> BODY=8BITMIME";
        let recipient = format!("<{RECIPIENT}>");
        let reply = conversation.hand_over(sender, &recipient, &stuffed(message));
        let reply = reply.expect("the queue takes mail");
        assert!(reply.starts_with("250"), "{reply}");
    }
}

/// Does something while the sender is asked again and again to send what it has.
fn pushing<R: Relay, T>(running: &Running<R>, work: impl FnOnce() -> T) -> T {
    let home = running.home();
    let (ended, end) = sync_channel::<()>(1);
    thread::scope(|scope| {
        scope.spawn(move || push::<R>(home, &end));
        let done = work();
        drop(ended);
        done
    })
}

fn push<R: Relay>(home: &cassmail_e2e::Inhabited, end: &Receiver<()>) {
    loop {
        R::flush(home);
        if end.recv_timeout(Duration::from_millis(500)) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

/// Waits until so many messages are listed; gives how many are.
fn wait_for(server: &Server, wanted: usize, deadline: Deadline) -> usize {
    loop {
        let listed = open(server).sizes().expect("lists").len();
        if listed >= wanted {
            return listed;
        }
        assert!(!deadline.passed(), "{listed} of {wanted} came");
        // Bounded polling: a maildrop does not tell when something comes.
        thread::sleep(Duration::from_millis(5));
    }
}

fn open(server: &Server) -> Maildrop {
    Maildrop::open(server.port(Port::Pop3), RECIPIENT).expect("logs in")
}

fn compare(server: &Server, queue: &BTreeMap<String, Vec<u8>>) -> Outcome {
    let fetched = open(server).retrieve_all().expect("fetches");
    let mut copies: BTreeMap<&str, usize> = queue.keys().map(|name| (name.as_str(), 0)).collect();
    for message in &fetched {
        let name = subject(message);
        let sent = queue.get(&name).expect("nothing else is there");
        assert!(
            message.ends_with(sent),
            "{name}: {}",
            delivery::difference(sent, &message[message.len().saturating_sub(sent.len())..])
        );
        *copies.get_mut(name.as_str()).expect("found above") += 1;
    }
    let lost: Vec<_> = copies.iter().filter(|(_, copies)| **copies == 0).collect();
    assert!(lost.is_empty(), "{} are lost: {lost:?}", lost.len());
    Outcome {
        sent: queue.len(),
        listed: fetched.len(),
        repeated: copies.values().filter(|copies| **copies > 1).count(),
        under_tls: fetched
            .iter()
            .filter(|message| came_under_tls(message))
            .count(),
        at_the_first_kill: 0,
        at_the_second_kill: 0,
    }
}

/// What the server says of the last hop.
fn came_under_tls(message: &[u8]) -> bool {
    let trace = String::from_utf8_lossy(&message[..message.len().min(1024)]).into_owned();
    trace
        .lines()
        .take(12)
        .any(|line| line.ends_with("with ESMTPS") || line.ends_with("with LMTPS"))
}

fn subject(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let subject = text.lines().find_map(|line| line.strip_prefix("Subject: "));
    subject.expect("every message has a subject").to_owned()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}
