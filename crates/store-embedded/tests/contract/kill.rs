//! kill -9 of a process under load: everything that it said is true.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use cassmail_mail::{AccountId, IdMinter, MessageId, NodeId, UnixTime};
use cassmail_store::{Accounts as _, Maildrops as _, Store as _};
use cassmail_store_embedded::Embedded;

use crate::child::{Actor, say};
use crate::options;
use crate::post::{PATIENCE, Post, address, new_account, noise, owner, submit};

const ROUNDS: u32 = 10;

/// How many deliver at the same time.
const WRITERS: u64 = 8;

/// Says before and after everything it does what it does.
pub(crate) fn deliver_until_killed(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let store = Embedded::open(&options(folder)).expect("opening");
        let account = store.create_account(new_account("alice")).await;
        let account = account.expect("the account");
        let old = store.list(account).await.expect("a listing");
        let old: Vec<_> = old.into_iter().map(|entry| entry.id).collect();
        // Ids must be new in each process.
        let node = u64::from(std::process::id());
        let writers = (0..WRITERS).map(|writer| {
            let first = usize::try_from(writer).unwrap_or_default();
            let old = old.iter().copied().skip(first).step_by(8).collect();
            deliver(&store, account, node * WRITERS + writer, old)
        });
        futures_util::future::join_all(writers).await;
    });
}

/// Delivers mails of all sizes, and removes every other one that is there.
async fn deliver(store: &Embedded, account: AccountId, node: u64, mut there: Vec<MessageId>) {
    let minter = IdMinter::new(NodeId::from_random(node));
    for n in 0_u64.. {
        let octets = match n % 16 {
            0 => 300_000,
            even if even % 2 == 0 => 20_000,
            _ => 700,
        };
        let id = minter.mint(UnixTime::from_micros(1_700_000_000_000_000 + n));
        say(&format!("delivering {id} {octets} {n}"));
        let body = noise(octets, n);
        let done = submit(store, id, &body, vec![owner(account)]).await;
        done.expect("a receipt");
        say(&format!("delivered {id}"));
        if n % 2 == 0
            && let Some(old) = there.pop()
        {
            say(&format!("removing {old}"));
            let removed = store.remove(account, vec![old], PATIENCE).await;
            assert_eq!(removed.expect("a receipt").count(), 1);
            say(&format!("removed {old}"));
        }
        there.push(id);
    }
}

/// What the killed processes said.
#[derive(Default)]
struct Said {
    /// With size and seed of the body.
    delivering: BTreeMap<MessageId, (usize, u64)>,
    delivered: BTreeSet<MessageId>,
    removing: BTreeSet<MessageId>,
    removed: BTreeSet<MessageId>,
}

impl Said {
    fn note(&mut self, line: &str) {
        let mut words = line.split(' ');
        let (Some(verb), Some(id)) = (words.next(), words.next()) else {
            return;
        };
        let id: MessageId = id.parse().expect("an id");
        match verb {
            "delivering" => {
                let mut number = || words.next().and_then(|word| word.parse().ok());
                let octets = number().expect("a size");
                let seed = number().expect("a seed");
                let octets = usize::try_from(octets).expect("a size");
                self.delivering.insert(id, (octets, seed));
            }
            "delivered" => drop(self.delivered.insert(id)),
            "removing" => drop(self.removing.insert(id)),
            "removed" => drop(self.removed.insert(id)),
            other => panic!("{other}?"),
        }
    }

    async fn assert_true(&self, post: &Post) {
        post.assert_sound().await;
        let account = AccountId::of(&address("alice"), 1);
        let listed = post.ids(account).await;
        let set: BTreeSet<_> = listed.iter().copied().collect();
        assert_eq!(listed.len(), set.len(), "nothing is listed twice");
        for id in self.delivered.difference(&self.removing) {
            assert!(set.contains(id), "{id} was acknowledged");
        }
        for id in &self.removed {
            assert!(!set.contains(id), "{id} was removed");
        }
        for id in listed {
            let (octets, seed) = self.delivering[&id];
            let body = post.read(account, id).await.expect("the body");
            assert!(body == noise(octets, seed), "{id} is another body");
        }
    }
}

#[tokio::test]
async fn everything_acknowledged_is_there_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut said = Said::default();
    for round in 0..ROUNDS {
        let mut actor = Actor::start("deliver", folder.path(), |_| {});
        let before = said.delivered.len();
        while said.delivered.len() < before + 20 {
            let line = actor.next().expect("it delivers until it is killed");
            said.note(&line);
        }
        // Not always at the same moment of a group.
        tokio::time::sleep(Duration::from_millis(u64::from(round) * 13)).await;
        for line in actor.kill() {
            said.note(&line);
        }
        let post = Post::open(folder.path());
        said.assert_true(&post).await;
        match round % 2 {
            0 => post.store.close().await.expect("closing"),
            _ => post.store.abandon(),
        }
    }
    assert!(!said.removed.is_empty());
}
