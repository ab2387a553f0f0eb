//! Random histories, compared with the specification that can be run: the memory store.
//!
//! After each verb both stores must have answered the same; after each reopening, each crash and at
//! the end they must show the same, octet for octet. A verb that was cancelled may have happened or
//! not, as a whole; only of a removal a part may have. The seeds are fixed: a failure comes back,
//! and is made small.

use bytes::Bytes;
use cassmail_mail::{AccountId, Address, Domain, Entry, MessageId, Owner};
use cassmail_store::{
    AccountState, Accounts, AddressEntry, AddressFilter, Credentials, DomainEntry, ErrorKind,
    Maildrops, MemoryStore, NewAccount, Profile, Quota, Retention, Store,
};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};

use crate::bench::{cancelled_after, credentials, drain, new_account, run, submit};
use crate::letter::{PATIENCE, address, noise, owner, owner_named, text};
use crate::{Bench, Subject};

/// All verbs, nothing else.
pub fn random_histories_agree_with_the_specification<S: Subject>() {
    histories::<S>(1, verbs().boxed());
}

/// All verbs, with the store closed and opened in between.
pub fn random_histories_with_reopening_agree_with_the_specification<S: Subject>() {
    let steps = prop_oneof![6 => verbs(), 1 => Just(Step::Reopen)];
    histories::<S>(2, steps.boxed());
}

/// All verbs, with crashes in between.
pub fn random_histories_with_crashes_agree_with_the_specification<S: Subject>() {
    let crash = any::<bool>().prop_map(Step::Crash);
    let steps = prop_oneof![6 => verbs(), 1 => crash, 1 => Just(Step::Reopen)];
    histories::<S>(3, steps.boxed());
}

/// All verbs, some of them cancelled half way, with a crash or a clean end right behind.
pub fn random_histories_with_cancelled_verbs_agree_with_the_specification<S: Subject>() {
    let cancelled = (verbs(), 0..6_usize, any::<bool>()).prop_map(|(verb, polls, crash)| {
        let verb = Box::new(verb);
        Step::Cancelled { verb, polls, crash }
    });
    let steps = prop_oneof![4 => verbs(), 1 => cancelled];
    histories::<S>(4, steps.boxed());
}

/// So many names, in one domain; few, so that histories meet themselves.
const NAMES: usize = 4;

/// One step of a history, before it is known what the names and numbers in it mean then.
#[derive(Debug, Clone)]
enum Step {
    CreateAccount {
        who: usize,
        password: usize,
    },
    RemoveAccount {
        who: usize,
    },
    PutCredentials {
        who: usize,
        password: usize,
    },
    PutProfile {
        who: usize,
        state: AccountState,
    },
    PutAlias {
        who: usize,
        target: usize,
    },
    RemoveAlias {
        who: usize,
    },
    PutDomain {
        name: usize,
        catch_all: usize,
    },
    RemoveDomain {
        name: usize,
    },
    Deliver {
        to: usize,
        body: usize,
        named: bool,
    },
    Repeat {
        which: Index,
        same: bool,
    },
    Remove {
        who: usize,
        which: usize,
    },
    DropWriter {
        body: usize,
    },
    Reopen,
    /// With a message half written, or without.
    Crash(bool),
    Cancelled {
        verb: Box<Step>,
        polls: usize,
        crash: bool,
    },
}

fn verbs() -> impl Strategy<Value = Step> {
    let who = || 0..NAMES;
    let state = prop_oneof![Just(AccountState::Enabled), Just(AccountState::Disabled)];
    prop_oneof![
        4 => (who(), 0..2_usize)
            .prop_map(|(who, password)| Step::CreateAccount { who, password }),
        1 => who().prop_map(|who| Step::RemoveAccount { who }),
        1 => (who(), 0..2_usize)
            .prop_map(|(who, password)| Step::PutCredentials { who, password }),
        1 => (who(), state).prop_map(|(who, state)| Step::PutProfile { who, state }),
        1 => (who(), who()).prop_map(|(who, target)| Step::PutAlias { who, target }),
        1 => who().prop_map(|who| Step::RemoveAlias { who }),
        1 => (0..3_usize, who())
            .prop_map(|(name, catch_all)| Step::PutDomain { name, catch_all }),
        1 => (0..3_usize).prop_map(|name| Step::RemoveDomain { name }),
        9 => (1..1_usize << NAMES, 0..BODIES.len(), any::<bool>())
            .prop_map(|(to, body, named)| Step::Deliver { to, body, named }),
        2 => (any::<Index>(), any::<bool>())
            .prop_map(|(which, same)| Step::Repeat { which, same }),
        4 => (who(), any::<usize>()).prop_map(|(who, which)| Step::Remove { who, which }),
        1 => (0..BODIES.len()).prop_map(|body| Step::DropWriter { body }),
    ]
}

/// Sizes of bodies; the large ones are rare enough at these odds.
const BODIES: [usize; 9] = [0, 1, 300, 700, 3000, 5000, 20_000, 40_000, 300_000];

fn histories<S: Subject>(seed: u64, step: BoxedStrategy<Step>) {
    let config = Config {
        cases: S::HISTORIES,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        max_shrink_iters: 256,
        ..Config::default()
    };
    let steps = proptest::collection::vec(step, 1..40);
    let found = TestRunner::new(config).run(&steps, |steps| {
        run(|bench: Bench<S>| History::new(bench).play(steps));
        Ok(())
    });
    match found {
        Ok(()) => {}
        Err(TestError::Fail(why, steps)) => panic!("{why}\nafter {steps:#?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// A store under test and its model, which have seen the same.
struct History<S> {
    bench: Bench<S>,
    model: MemoryStore,
    sent: Vec<Sent>,
}

/// A message that was acknowledged.
struct Sent {
    id: MessageId,
    body: Bytes,
    owners: Vec<Owner>,
}

/// A verb with all that it means at its point of a history.
#[derive(Debug, Clone)]
enum Verb {
    CreateAccount(NewAccount),
    RemoveAccount(Address),
    PutCredentials(AccountId, Credentials),
    PutProfile(AccountId, Profile),
    PutAlias(Address, Address),
    RemoveAlias(Address),
    PutDomain(DomainEntry),
    RemoveDomain(Domain),
    Deliver(MessageId, Bytes, Vec<Owner>),
    Remove(AccountId, Vec<MessageId>),
    DropWriter(MessageId, Bytes),
}

impl<S: Subject> History<S> {
    fn new(bench: Bench<S>) -> Self {
        Self {
            bench,
            model: MemoryStore::new(),
            sent: Vec::new(),
        }
    }

    async fn play(mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Reopen => {
                    self.bench.reopen().await;
                    self.compare().await;
                }
                Step::Crash(amid_a_message) => self.crash(amid_a_message).await,
                Step::Cancelled { verb, polls, crash } => {
                    if let Some(verb) = self.verb(*verb).await {
                        self.cancel(verb, polls, crash).await;
                    }
                }
                step => {
                    if let Some(verb) = self.verb(step).await {
                        self.ask_both(verb).await;
                    }
                }
            }
        }
        self.compare().await;
    }

    async fn ask_both(&mut self, verb: Verb) {
        let found = ask(&*self.bench.store(), verb.clone()).await;
        self.tell_model(verb, found).await;
    }

    /// The model must answer what was found.
    async fn tell_model(&mut self, verb: Verb, found: Result<(), ErrorKind>) {
        let expected = ask(&self.model, verb.clone()).await;
        assert_eq!(found, expected, "the answer to {verb:?}");
        if let (Verb::Deliver(id, body, owners), Ok(())) = (verb, found)
            && self.sent.iter().all(|sent| sent.id != id)
        {
            self.sent.push(Sent { id, body, owners });
        }
    }

    async fn crash(&mut self, amid_a_message: bool) {
        let store = self.bench.store();
        let mut writer = store.begin(self.bench.mint()).await.expect("a writer");
        if amid_a_message {
            writer.write(noise(100_000, 1)).await.expect("room");
            self.bench.crash().await;
            drop(writer);
        } else {
            drop((writer, store));
            self.bench.crash().await;
        }
        self.compare().await;
    }

    /// Cancels a verb, lets the store settle, and finds out whether it happened.
    async fn cancel(&mut self, verb: Verb, polls: usize, crash: bool) {
        let store = self.bench.store();
        let answered = cancelled_after(polls, ask(&*store, verb.clone())).await;
        drop(store);
        if crash {
            self.bench.crash().await;
        } else {
            self.bench.reopen().await;
        }
        match answered {
            Some(found) => self.tell_model(verb, found).await,
            None => self.settle(verb).await,
        }
        self.compare().await;
    }

    /// Nobody knows whether it happened: if the store does not look as before, it must have.
    async fn settle(&mut self, verb: Verb) {
        let accounts = self.accounts().await;
        let found = Shown::by(&*self.bench.store(), &accounts).await;
        if found == Shown::by(&self.model, &accounts).await {
            return;
        }
        if let Verb::Remove(account, ids) = verb {
            let left = self.bench.ids(account).await;
            let gone = ids.into_iter().filter(|id| !left.contains(id)).collect();
            let expected = ask(&self.model, Verb::Remove(account, gone)).await;
            assert_eq!(expected, Ok(()));
        } else {
            self.tell_model(verb, Ok(())).await;
        }
    }

    async fn compare(&self) {
        let accounts = self.accounts().await;
        let found = Shown::by(&*self.bench.store(), &accounts).await;
        let expected = Shown::by(&self.model, &accounts).await;
        assert_eq!(found, expected);
    }
}

/// What steps mean.
impl<S: Subject> History<S> {
    /// None when it means nothing at this point.
    async fn verb(&self, step: Step) -> Option<Verb> {
        Some(match step {
            Step::CreateAccount { who, password } => {
                Verb::CreateAccount(new_account(&name(who), PASSWORDS[password]))
            }
            Step::RemoveAccount { who } => Verb::RemoveAccount(address(&name(who))),
            Step::PutCredentials { who, password } => {
                let id = self.last_account(who).await?;
                Verb::PutCredentials(id, credentials(PASSWORDS[password]))
            }
            Step::PutProfile { who, state } => {
                let id = self.last_account(who).await?;
                let profile = Profile {
                    address: address(&name(who)),
                    state,
                    created_at: new_account(&name(who), "").created_at,
                    retention: Retention::default(),
                    quota: Quota::default(),
                };
                Verb::PutProfile(id, profile)
            }
            Step::PutAlias { who, target } => {
                Verb::PutAlias(address(&name(who)), address(&name(target)))
            }
            Step::RemoveAlias { who } => Verb::RemoveAlias(address(&name(who))),
            Step::PutDomain {
                name: at,
                catch_all,
            } => Verb::PutDomain(DomainEntry {
                catch_all: Some(address(&name(catch_all))),
                ..DomainEntry::new(domain(at))
            }),
            Step::RemoveDomain { name } => Verb::RemoveDomain(domain(name)),
            Step::Deliver { to, body, named } => {
                let owners = self.owners(to, named).await;
                let body = self.body(body);
                (!owners.is_empty()).then(|| Verb::Deliver(self.bench.mint(), body, owners))?
            }
            Step::Repeat { which, same } => self.repeat(which, same).await?,
            Step::Remove { who, which } => {
                let account = self.last_account(who).await?;
                let listed = self.model.list(account).await.expect("a model");
                let chosen = listed.iter().enumerate();
                let chosen = chosen.filter(|(at, _)| which >> (at % 32) & 1 == 1);
                Verb::Remove(account, chosen.map(|(_, entry)| entry.id).collect())
            }
            Step::DropWriter { body } => Verb::DropWriter(self.bench.mint(), self.body(body)),
            Step::Reopen | Step::Crash(_) | Step::Cancelled { .. } => return None,
        })
    }

    /// The account that a name has or had last, if it ever had one.
    async fn last_account(&self, who: usize) -> Option<AccountId> {
        let generation = self.generation(who).await;
        (generation > 0).then(|| AccountId::of(&address(&name(who)), generation))
    }

    async fn generation(&self, who: usize) -> u64 {
        let entry = self.model.resolve(address(&name(who))).await;
        entry
            .expect("a model")
            .map_or(0, |entry| entry.generation())
    }

    /// The accounts of a set of names, some of them removed meanwhile.
    async fn owners(&self, to: usize, named: bool) -> Vec<Owner> {
        let mut owners = Vec::new();
        for who in (0..NAMES).filter(|who| to >> who & 1 == 1) {
            if let Some(account) = self.last_account(who).await {
                owners.push(if named {
                    owner_named(account, &name(who))
                } else {
                    owner(account)
                });
            }
        }
        owners
    }

    /// A message once more, or another one under its id; only while it is there.
    async fn repeat(&self, which: Index, same: bool) -> Option<Verb> {
        if self.sent.is_empty() {
            return None;
        }
        let sent = which.get(&self.sent);
        let mut is_there = false;
        for account in self.accounts().await {
            let listed = self.model.list(account).await.expect("a model");
            is_there |= listed.iter().any(|entry| entry.id == sent.id);
        }
        let body = if same {
            sent.body.clone()
        } else {
            [&sent.body[..], b"."].concat().into()
        };
        is_there.then(|| Verb::Deliver(sent.id, body, sent.owners.clone()))
    }

    /// Of that size; every other one does not compress, each is different.
    fn body(&self, at: usize) -> Bytes {
        let seed = u64::try_from(self.sent.len()).expect("few");
        if seed.is_multiple_of(2) {
            noise(BODIES[at], seed)
        } else {
            text(BODIES[at])
        }
    }

    /// Every account there may have been, with the next of each name, which a cancelled verb may
    /// have made.
    async fn accounts(&self) -> Vec<AccountId> {
        let mut accounts = Vec::new();
        for who in 0..NAMES {
            let lives = 1..=self.generation(who).await + 1;
            accounts.extend(lives.map(|life| AccountId::of(&address(&name(who)), life)));
        }
        accounts
    }
}

const PASSWORDS: [&str; 2] = ["first", "second"];

fn name(who: usize) -> String {
    format!("user{who}@example.org")
}

fn domain(at: usize) -> Domain {
    ["example.org", "example.net", "a.example"][at]
        .parse()
        .expect("a domain")
}

/// A verb asked of one store. Ids of accounts are compared where accounts are.
async fn ask(store: &dyn Store, verb: Verb) -> Result<(), ErrorKind> {
    let answer = match verb {
        Verb::CreateAccount(new) => store.create_account(new).await.map(drop),
        Verb::RemoveAccount(address) => store.remove_account(address).await,
        Verb::PutCredentials(id, credentials) => store.put_credentials(id, credentials).await,
        Verb::PutProfile(id, profile) => store.put_profile(id, profile).await,
        Verb::PutAlias(address, target) => store.put_alias(address, vec![target]).await,
        Verb::RemoveAlias(address) => store.remove_alias(address).await,
        Verb::PutDomain(entry) => store.put_domain(entry).await,
        Verb::RemoveDomain(name) => store.remove_domain(name).await,
        Verb::Deliver(id, body, owners) => submit(store, id, &[body], owners).await.map(drop),
        Verb::Remove(account, ids) => store.remove(account, ids, PATIENCE).await.map(drop),
        Verb::DropWriter(id, body) => match store.begin(id).await {
            Ok(mut writer) => writer.write(body).await,
            Err(error) => Err(error),
        },
    };
    answer.map_err(|error| error.kind())
}

/// All that a store shows.
#[derive(Debug, PartialEq)]
struct Shown {
    domains: Vec<DomainEntry>,
    in_use: Vec<(Address, AddressEntry)>,
    generations: Vec<u64>,
    accounts: Vec<(AccountId, Option<(Profile, Credentials)>)>,
    /// With a sum of the octets that are given out, so that a difference can be printed.
    maildrops: Vec<(AccountId, Vec<(Entry, u64)>)>,
}

impl Shown {
    async fn by(store: &dyn Store, accounts: &[AccountId]) -> Self {
        let mut shown = Self {
            domains: store.domains().await.expect("the domains"),
            in_use: Vec::new(),
            generations: Vec::new(),
            accounts: Vec::new(),
            maildrops: Vec::new(),
        };
        let page = store
            .addresses(domain(0), AddressFilter::InUse, None, 100)
            .await;
        shown.in_use = page.expect("the addresses");
        for who in 0..NAMES {
            let entry = store.resolve(address(&name(who))).await.expect("an entry");
            let generation = entry.map_or(0, |entry| entry.generation());
            shown.generations.push(generation);
        }
        for &id in accounts {
            let account = store.account(id).await.expect("an account");
            shown.accounts.push((id, account));
            shown.maildrops.push((id, maildrop(store, id).await));
        }
        shown
    }
}

async fn maildrop(store: &dyn Store, account: AccountId) -> Vec<(Entry, u64)> {
    let listed = store.list(account).await.expect("a listing");
    let mut read = Vec::with_capacity(listed.len());
    for entry in listed {
        let body = store.open(account, entry.id).await.expect("a reader");
        let octets = drain(body).await.expect("a whole body");
        let length = u64::try_from(octets.len()).expect("fits");
        assert_eq!(entry.size, length, "the size that is listed");
        read.push((entry, sum(&octets)));
    }
    read
}

/// FNV-1a: differences must show, nobody attacks.
fn sum(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &octet| {
        (sum ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
    })
}
