//! One history: steps drawn from a seed, and what is compared after each start.

use std::fmt;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use cassmail_mail::{AccountId, MessageId};
use cassmail_store::{Accounts, AddressEntry, Maildrops, MessageWriter, StoreResult};

use super::ledger::{Ledger, Told};
use super::machine::{Machine, PATIENCE, SEGMENT, Verb, address, delivery, drive, submit};
use crate::disk::{Draw, Fault};

/// Who is there all the time; `guest` comes and goes.
const RESIDENTS: [&str; 3] = ["alice", "bob", "carol"];

/// How many starts a history has.
const LIVES: usize = 5;

/// What histories have seen.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) histories: u64,
    pub(super) crashes: u64,
    pub(super) operations: u64,
    pub(super) acknowledged: u64,
    pub(super) indeterminate: u64,
    pub(super) removed: u64,
}

impl Figures {
    pub(super) fn add(&mut self, other: &Self) {
        self.histories += other.histories;
        self.crashes += other.crashes;
        self.operations += other.operations;
        self.acknowledged += other.acknowledged;
        self.indeterminate += other.indeterminate;
        self.removed += other.removed;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} histories, {} losses of power and failures, {} disk operations, {} messages \
             acknowledged, {} indeterminate, {} removals acknowledged: 0 lost, 0 corrupt, \
             0 resurrected",
            self.histories,
            self.crashes,
            self.operations,
            self.acknowledged,
            self.indeterminate,
            self.removed
        )
    }
}

pub(super) struct History {
    machine: Machine,
    random: u64,
    ledger: Ledger,
    residents: Vec<AccountId>,
    guest: Guest,
    figures: Figures,
}

/// An account that is made and removed.
struct Guest {
    id: Option<AccountId>,
    /// Whether it is there.
    there: Told,
    lives: Vec<AccountId>,
}

/// What a verb of a group came to.
enum Done {
    Delivered(MessageId, Vec<AccountId>, Vec<u8>, StoreResult<MessageId>),
    Removed(AccountId, Vec<MessageId>, StoreResult<()>),
}

impl History {
    /// Runs the history with this seed.
    pub(super) fn run(seed: u64) -> Figures {
        let mut history = Self::new(seed);
        for _ in 0..LIVES {
            history.live();
        }
        history.machine.maintain();
        history.compare();
        history.machine.assert_sound();
        history.figures.histories = 1;
        history.figures.acknowledged = history.ledger.acknowledged;
        history.figures.indeterminate = history.ledger.indeterminate;
        history.figures.operations = history.machine.world.operations();
        history.figures
    }

    /// Runs the same few steps each time, with a fault; answers how many operations it took.
    pub(super) fn short(seed: u64, fault: Option<Fault>) -> u64 {
        let mut history = Self::new(seed);
        let before = history.machine.world.operations();
        let later = |at: u64| before + at;
        history
            .machine
            .world
            .set_fault(fault.map(|fault| match fault {
                Fault::Fail(at) => Fault::Fail(later(at)),
                Fault::Stop(at) => Fault::Stop(later(at)),
            }));
        for _ in 0..6 {
            history.deliver_one_by_one();
            history.deliver_and_remove_together();
            history.deliver_interleaved();
            history.machine.store().maintain();
        }
        let operations = history.machine.world.operations() - before;
        history.end_life(fault.is_some());
        history.start();
        history.compare();
        history.machine.maintain();
        history.compare();
        history.machine.assert_sound();
        operations
    }

    fn new(seed: u64) -> Self {
        let mut machine = Machine::new(seed);
        machine.open().expect("a new store opens");
        let residents = RESIDENTS.map(|name| machine.make_account(name)).to_vec();
        Self {
            machine,
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            ledger: Ledger::default(),
            residents,
            guest: Guest {
                id: None,
                there: Told::No,
                lives: Vec::new(),
            },
            figures: Figures::default(),
        }
    }

    /// From a start to the next.
    fn live(&mut self) {
        let is_to_fail = self.random.chance(3);
        let is_to_stop = !is_to_fail && self.random.chance(2);
        let now = self.machine.world.operations();
        let at = now + self.random.between(1, 120) as u64;
        let fault = match (is_to_fail, is_to_stop) {
            (true, _) => Some(Fault::Fail(at)),
            (_, true) => Some(Fault::Stop(at)),
            _ => None,
        };
        self.machine.world.set_fault(fault);
        let is_tight = self.random.chance(6);
        self.machine.world.state().capacity = is_tight.then_some(8 * SEGMENT);
        for _ in 0..self.random.between(3, 14) {
            self.step();
        }
        self.end_life(fault.is_some());
        self.start();
        self.compare();
    }

    fn step(&mut self) {
        match self.random.between(0, 9) {
            0 | 1 => self.deliver_one_by_one(),
            2 | 3 => self.deliver_and_remove_together(),
            4 => self.deliver_interleaved(),
            5 => self.remove_much(),
            6 => self.change_the_guest(),
            _ => {
                for _ in 0..self.random.between(1, 6) {
                    self.machine.store().maintain();
                }
            }
        }
        self.look_in();
    }

    /// What was acknowledged is listed at once, whatever was listed before.
    fn look_in(&self) {
        let store = self.machine.store();
        for &account in &self.residents {
            let listed = drive(store, store.list(account)).expect("what is published can be read");
            let listed: Vec<_> = listed.into_iter().map(|entry| entry.id).collect();
            let expected = self.ledger.listed_by(account);
            let lost = expected.iter().find(|id| !listed.contains(id));
            assert!(
                lost.is_none(),
                "{lost:?} was acknowledged and is not listed"
            );
        }
    }

    /// Ends as it comes: in order, with the process, or with the power.
    fn end_life(&mut self, is_to_fail: bool) {
        match self.random.between(0, 3) {
            0 => {
                self.machine.close();
                if is_to_fail {
                    self.machine.world.start_process_again();
                }
            }
            1 => {
                self.machine.store().abandon();
                self.machine.world.start_process_again();
            }
            _ => self.machine.crash(),
        }
        self.figures.crashes += 1;
        self.machine.world.state().capacity = None;
    }

    /// Opens, though power may be lost again and again meanwhile.
    fn start(&mut self) {
        for _ in 0..self.random.between(0, 2) {
            let now = self.machine.world.operations();
            let at = now + self.random.between(1, 8) as u64;
            self.machine.world.set_fault(Some(Fault::Stop(at)));
            let opened = self.machine.open();
            self.figures.crashes += 1;
            match opened {
                Ok(()) => self.machine.crash(),
                Err(_) if self.random.chance(2) => self.machine.world.start_process_again(),
                Err(_) => self.machine.world.lose_power(),
            }
        }
        self.machine.world.set_fault(None);
        self.machine
            .open()
            .expect("what a crash left can be opened");
    }

    fn compare(&mut self) {
        self.find_the_guest();
        let mut accounts = self.residents.clone();
        accounts.extend(self.guest.id.filter(|_| self.guest.there == Told::Yes));
        for &gone in &self.guest.lives {
            if Some(gone) != self.guest.id {
                assert!(
                    self.machine.ids(gone).is_empty(),
                    "mail of a removed account is back"
                );
            }
        }
        self.ledger.reconcile(&self.machine, &accounts);
    }

    /// Whether the guest is there is safe now.
    fn find_the_guest(&mut self) {
        let store = self.machine.store();
        let found = drive(store, store.resolve(address("guest"))).expect("it can be read");
        let found = match found {
            Some(AddressEntry::Account { id, .. }) => Some(id),
            _ => None,
        };
        match self.guest.there {
            Told::Yes => assert_eq!(found, self.guest.id, "an account is lost"),
            Told::No => assert_eq!(found, None, "an account is back"),
            Told::Perhaps => {}
        }
        if let Some(gone) = self.guest.id.filter(|_| found.is_none()) {
            self.ledger.account_removed(gone, Told::Yes);
        }
        self.guest.there = if found.is_some() { Told::Yes } else { Told::No };
        self.guest.id = found;
        self.guest
            .lives
            .extend(found.filter(|id| !self.guest.lives.contains(id)));
    }

    fn change_the_guest(&mut self) {
        match self.guest.there {
            // Until the next start nobody knows.
            Told::Perhaps => {}
            Told::Yes => {
                let id = self.guest.id.expect("it is there");
                let removed = self.machine.remove_account("guest");
                let gone = Told::by(&removed);
                self.ledger.account_removed(id, gone);
                match gone {
                    Told::Yes => {
                        self.guest.there = Told::No;
                        self.guest.id = None;
                    }
                    Told::Perhaps => self.guest.there = Told::Perhaps,
                    Told::No => {}
                }
            }
            Told::No => {
                let new = self.machine.account("guest");
                let store = self.machine.store();
                let made = drive(store, store.create_account(new));
                self.guest.there = Told::by(&made);
                self.guest.id = made.ok();
                self.guest.lives.extend(self.guest.id);
            }
        }
    }

    /// Some of the accounts that are there for certain, at least one.
    fn owners(&mut self) -> Vec<AccountId> {
        let mut all = self.residents.clone();
        all.extend(self.guest.id.filter(|_| self.guest.there == Told::Yes));
        let first = self.random.between(0, all.len() - 1);
        all.rotate_left(first);
        all.truncate(self.random.between(1, all.len()));
        all
    }

    /// Octets that compress in part.
    fn body(&mut self, most: usize) -> Vec<u8> {
        let length = self.random.between(0, most);
        let mut body = vec![b'a'; length / 2];
        body.resize_with(length, || self.random.draw().to_be_bytes()[0]);
        body
    }

    fn any_body(&mut self) -> Vec<u8> {
        if self.random.chance(5) {
            self.body(5000)
        } else {
            self.body(400)
        }
    }

    fn deliver_one_by_one(&mut self) {
        for _ in 0..self.random.between(1, 4) {
            let (owners, body, id) = (self.owners(), self.any_body(), self.machine.mint());
            let store = self.machine.store();
            let done = drive(store, submit(store, id, owners.clone(), body.clone()));
            self.note(Done::Delivered(id, owners, body, done));
        }
    }

    /// Many verbs at once: they become a group, or a few.
    fn deliver_and_remove_together(&mut self) {
        let mut wanted = Vec::new();
        for _ in 0..self.random.between(2, 8) {
            wanted.push((self.owners(), self.any_body(), self.machine.mint()));
        }
        let removals: Vec<_> = (0..self.random.between(0, 3))
            .filter_map(|_| self.some_listed())
            .collect();
        let store = self.machine.store();
        let mut verbs: Vec<Verb<'_, Done>> = Vec::new();
        for (owners, body, id) in wanted {
            verbs.push(Box::pin(async move {
                let done = submit(store, id, owners.clone(), body.clone()).await;
                Done::Delivered(id, owners, body, done)
            }));
        }
        for (account, ids) in removals {
            verbs.push(Box::pin(async move {
                let removed = store.remove(account, ids.clone(), PATIENCE).await;
                Done::Removed(account, ids, removed.map(drop))
            }));
        }
        let mut all = Vec::new();
        for _ in 0..10_000 {
            verbs.retain_mut(|verb| {
                match verb.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(done) => {
                        all.push(done);
                        false
                    }
                    Poll::Pending => true,
                }
            });
            if verbs.is_empty() {
                break;
            }
            store.turn();
        }
        assert!(verbs.is_empty(), "a verb does not come to an end");
        drop(verbs);
        for done in all {
            self.note(done);
        }
    }

    /// Large messages by turns; some are given up half way.
    fn deliver_interleaved(&mut self) {
        let mut writers: Vec<(MessageId, Vec<u8>, Box<dyn MessageWriter>)> = Vec::new();
        for _ in 0..self.random.between(2, 4) {
            let id = self.machine.mint();
            let store = self.machine.store();
            if let Ok(writer) = drive(store, store.begin(id)) {
                writers.push((id, Vec::new(), writer));
            }
        }
        for _ in 0..self.random.between(4, 12) {
            if writers.is_empty() {
                return;
            }
            let at = self.random.between(0, writers.len() - 1);
            let piece = self.body(1500);
            let store = self.machine.store();
            let (_, body, writer) = &mut writers[at];
            match drive(store, writer.write(Bytes::from(piece.clone()))) {
                Ok(()) => body.extend_from_slice(&piece),
                Err(_) => drop(writers.remove(at)),
            }
            if self.random.chance(4) {
                self.machine.store().maintain();
            }
        }
        for (id, body, writer) in writers {
            if self.random.chance(4) {
                continue;
            }
            let owners = self.owners();
            let store = self.machine.store();
            let commit = writer.commit(delivery(id, owners.clone()), PATIENCE);
            let done = drive(store, commit).map(|stored| stored.id());
            self.note(Done::Delivered(id, owners, body, done));
        }
    }

    fn remove_much(&mut self) {
        let account = self.owners()[0];
        let mut ids = self.ledger.listed_by(account);
        ids.truncate(ids.len() * 3 / 4);
        let done = self.machine.remove(account, &ids);
        self.note(Done::Removed(account, ids, done));
    }

    fn some_listed(&mut self) -> Option<(AccountId, Vec<MessageId>)> {
        let account = self.owners()[0];
        let ids = self.ledger.listed_by(account);
        let at = self.random.between(0, ids.len().checked_sub(1)?);
        Some((account, ids[at..ids.len().min(at + 3)].to_vec()))
    }

    fn note(&mut self, done: Done) {
        match done {
            Done::Delivered(id, owners, body, outcome) => {
                let there = Told::by(&outcome);
                self.ledger.delivered(id, &owners, body, there);
            }
            Done::Removed(account, ids, outcome) => {
                self.figures.removed += u64::from(outcome.is_ok());
                self.ledger.removed(account, &ids, Told::by(&outcome));
            }
        }
    }
}
