//! The promise, while the server is ended or killed under load: what was answered 250 is there,
//! whole and once; what was not is there once or not at all; nothing else is there.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use cassmail_e2e::{Conversation, Maildrop, Message, Port, Server, delivery, large, settings};

use crate::skip::keeps;

/// Who gets mail, each by two senders at once.
const RECIPIENTS: [&str; 8] = [
    "alice", "bob", "carol", "dave", "alice", "bob", "carol", "dave",
];

/// So many answers are waited for before the end.
const ACCEPTED: usize = 120;

#[test]
fn sigterm_under_load_keeps_every_message_that_was_answered_250() {
    if !keeps() {
        return;
    }
    let mut server = Server::plain();
    let load = under_load(&server, 0, |server| {
        server.terminate();
        server.wait_until_ended();
    });
    server.start_again();
    load.assert_kept(&server);
}

#[test]
fn kill_9_under_load_loses_no_message_that_was_answered_250() {
    if !keeps() {
        return;
    }
    let mut server = Server::plain();
    let mut load = Load::default();
    for round in 1..=settings::crash_rounds() {
        load.join(under_load(&server, round, Server::kill));
        server.start_again();
        load.assert_kept(&server);
    }
}

/// What senders know of their messages.
#[derive(Default)]
struct Load {
    /// By name: where it went, what it is, and whether it was answered 250.
    messages: BTreeMap<String, (&'static str, Vec<u8>, Answer)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Accepted,
    Unknown,
}

impl Load {
    fn join(&mut self, other: Self) {
        self.messages.extend(other.messages);
    }

    fn assert_kept(&self, server: &Server) {
        for account in ["alice", "bob", "carol", "dave"] {
            let mut maildrop = Maildrop::open(server.port(Port::Pop3), account).expect("logs in");
            let stored = maildrop
                .retrieve_all()
                .expect("every listed message can be fetched");
            self.assert_mailbox(account, &stored);
        }
    }

    fn assert_mailbox(&self, account: &str, stored: &[Vec<u8>]) {
        let mut copies: BTreeMap<&str, usize> = BTreeMap::new();
        for fetched in stored {
            let name = subject(fetched);
            let (to, sent, _) = self.messages.get(&name).expect("nothing else is there");
            assert_eq!(*to, account, "{name}");
            delivery::unchanged(sent, fetched).expect("whole");
            let (name, _) = self.messages.get_key_value(&name).expect("found above");
            *copies.entry(name).or_default() += 1;
        }
        for (name, (to, _, answer)) in &self.messages {
            let copies = copies.get(name.as_str()).copied().unwrap_or(0);
            assert!(copies <= 1, "{name} is there {copies} times");
            let wanted = *to == account && *answer == Answer::Accepted;
            assert!(
                !wanted || copies == 1,
                "{name} was answered 250 and is gone"
            );
        }
    }
}

fn under_load(server: &Server, round: u32, end: impl FnOnce(&Server)) -> Load {
    let (accepted, count) = sync_channel(ACCEPTED);
    let port = server.port(Port::Mx);
    thread::scope(|scope| {
        let senders: Vec<_> = (0..)
            .zip(RECIPIENTS)
            .map(|(sender, to)| {
                let accepted = accepted.clone();
                scope.spawn(move || send_until_the_end(port, to, round * 100 + sender, &accepted))
            })
            .collect();
        drop(accepted);
        // Senders go on as long as the server does: whatever fails here, it must not outlive this.
        let _ended = KillAtTheEnd(server);
        wait_for(&count);
        end(server);
        // Senders that still wait to be counted find nobody who counts.
        drop(count);
        let mut load = Load::default();
        for sender in senders {
            load.join(sender.join().expect("senders do not panic"));
        }
        load
    })
}

struct KillAtTheEnd<'a>(&'a Server);

impl Drop for KillAtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.kill();
    }
}

fn wait_for(count: &Receiver<()>) {
    for _ in 0..ACCEPTED {
        count
            .recv_timeout(Duration::from_mins(1))
            .expect("mail is accepted within a minute");
    }
}

/// Sends small and larger messages on one connection until it breaks or is closed with 421.
fn send_until_the_end(port: u16, to: &'static str, sender: u32, accepted: &SyncSender<()>) -> Load {
    let mut load = Load::default();
    let Ok(mut conversation) = Conversation::open(port) else {
        return load;
    };
    for number in 0_u32.. {
        let Message { name, octets } = message(sender, number);
        let reply = conversation.offer(to, &octets);
        let goes_on = reply.as_ref().is_ok_and(|reply| reply.starts_with("250"));
        let answer = if goes_on {
            Answer::Accepted
        } else {
            Answer::Unknown
        };
        load.messages.insert(name, (to, octets, answer));
        if !goes_on {
            return load;
        }
        // When enough are counted, the end has begun; what matters now is how this connection ends.
        let _ = accepted.try_send(());
    }
    load
}

fn message(sender: u32, number: u32) -> Message {
    let octets = if number % 16 == 15 { 300_000 } else { 3000 };
    let seed = u64::from(sender) << 32 | u64::from(number);
    large(&format!("load-{sender}-{number}"), octets, seed)
}

fn subject(fetched: &[u8]) -> String {
    let text = String::from_utf8_lossy(fetched);
    let mut lines = text.lines();
    lines
        .find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned))
        .expect("has a subject")
}
