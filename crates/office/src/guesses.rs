//! Guesses: wrong passwords are slowed, by source network and by account, without locking out the
//! owner.
//!
//! Every attempt is charged before its password is looked at, so that many at once are no way
//! around, and is given back when it was right. Three rules spare the owner:
//!
//! * The same wrong password for an account counts once: a phone with an old password is no attack.
//! * A source that has logged in to the account before is its friend: it has an allowance of its
//!   own for this account, which nobody else can use up.
//! * Names that nobody has are treated as those of accounts, so that limits tell nothing.
//!
//! Refused attempts take longer the more was used of the allowance. When it is used up, attempts
//! are refused unseen until some of it has come back, as a fault that passes: a client then does
//! not throw its password away.
//!
//! Everything is kept in tables with a maximum, in this process alone. The clock is outside.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cassmail_mail::{AccountId, Secret};
use cassmail_telemetry::Limit;
use cassmail_wire::{Moment, Rate, Source, Used};
use sha2::{Digest, Sha256};

use crate::recent::Recent;

/// How guesses are slowed.
#[derive(Debug, Clone, Copy)]
pub struct GuessOptions {
    /// Wrong passwords that a source may try; for an account that it is a friend of, as many again.
    pub per_source: Rate,
    /// Wrong passwords that strangers may try for one account, together.
    pub per_account: Rate,
    /// How long the first refused attempt waits for its answer.
    pub first_delay: Duration,
    /// How long the last one waits before the allowance is used up.
    pub longest_delay: Duration,
    /// Refused attempts of a source that may wait for their answers at once.
    pub waiting: u32,
    /// How long a source stays an account's friend, and a wrong password is known again.
    pub remembered_for: Duration,
    /// How many sources, accounts, made-up names and friends are remembered, each.
    pub remembered: usize,
}

impl Default for GuessOptions {
    fn default() -> Self {
        Self {
            per_source: Rate::per_hour(100),
            per_account: Rate::per_hour(100),
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(10),
            waiting: 20,
            remembered_for: Duration::from_hours(30 * 24),
            remembered: 100_000,
        }
    }
}

/// Whom an attempt is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Whom {
    Account(AccountId),
    /// A name that nobody has, as a keyed digest.
    Nobody(Fingerprint),
}

/// A digest with a key of this process: what it was made of cannot be guessed from it.
type Fingerprint = [u8; 16];

/// How an attempt ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Attempted<'a> {
    /// The claim is true.
    Right,
    /// It is not; with the password, where the mechanism shows it.
    Wrong(Option<&'a Secret>),
    /// Nobody knows: a fault of ours.
    Unknown,
}

/// An attempt that may be made; it was charged already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "tell how it ended"]
pub(crate) struct Attempt {
    source: Source,
    whom: Whom,
    relation: Relation,
}

/// What a source is to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Stranger,
    /// It has logged in to it before.
    Friend,
    /// No limit holds for it.
    Exempt,
}

/// Somebody whose wrong claims are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slowed {
    pub(crate) whom: SlowedWhom,
    /// How many are used now.
    pub(crate) used: u32,
    /// How many there are.
    pub(crate) most: u32,
}

/// Who that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlowedWhom {
    Source(IpAddr),
    Account(AccountId),
    /// A source that has logged in to the account before, and has an allowance of its own for it.
    Friend(IpAddr, AccountId),
}

/// Counts guesses and says which are too many.
#[derive(Debug)]
pub(crate) struct Guesses {
    options: GuessOptions,
    key: [u8; 32],
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    sources: Recent<Source, Guesser>,
    accounts: Recent<AccountId, Guessed>,
    /// Apart from the accounts, so that nobody is forgotten for names that somebody makes up.
    made_up: Recent<Fingerprint, Guessed>,
    friends: Recent<(Source, AccountId), Friend>,
}

#[derive(Debug, Default)]
struct Guesser {
    used: Used,
    waiting: u32,
}

/// What was tried for a name.
#[derive(Debug, Default)]
struct Guessed {
    used: Used,
    /// Wrong passwords and when they came last; the latest at the end.
    wrong: Vec<(Fingerprint, Moment)>,
}

#[derive(Debug, Default)]
struct Friend {
    used: Used,
    logged_in: Moment,
}

/// Wrong passwords that are known again, for each name: those of an owner's devices.
const KNOWN_WRONG: usize = 16;

impl Guesses {
    /// Nothing was guessed yet.
    ///
    /// # Errors
    /// The operating system gave no randomness for the key of the fingerprints.
    pub(crate) fn new(options: GuessOptions) -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        let most = options.remembered;
        Ok(Self {
            options,
            key,
            book: Mutex::new(Book {
                sources: Recent::at_most(most),
                accounts: Recent::at_most(most),
                made_up: Recent::at_most(most),
                friends: Recent::at_most(most),
            }),
        })
    }

    /// Whom a name means that no account has.
    pub(crate) fn nobody(&self, name: &str) -> Whom {
        Whom::Nobody(self.fingerprint(&[name.to_lowercase().as_bytes()]))
    }

    /// Charges an attempt, or says which limit forbids it.
    pub(crate) fn before(&self, source: Source, whom: Whom, now: Moment) -> Result<Attempt, Limit> {
        let GuessOptions {
            per_source,
            per_account,
            waiting,
            ..
        } = &self.options;
        self.with(|book| {
            let relation = self.relation(book, source, whom, now);
            let attempt = Attempt {
                source,
                whom,
                relation,
            };
            match relation {
                Relation::Exempt => return Ok(attempt),
                Relation::Friend => {
                    let used = book.friend(&attempt).map(|friend| &mut friend.used);
                    if !used.is_some_and(|used| used.spend(per_source, now)) {
                        return Err(Limit::GuessesPerSource);
                    }
                }
                Relation::Stranger => {
                    let guesser = book.sources.entry(&source);
                    let has_room = guesser.used.has_room(per_source, now);
                    if !has_room || guesser.waiting >= *waiting {
                        return Err(Limit::GuessesPerSource);
                    }
                    if !book.guessed(whom).used.spend(per_account, now) {
                        return Err(Limit::GuessesPerAccount);
                    }
                    book.sources.entry(&source).used.spend(per_source, now);
                }
            }
            Ok(attempt)
        })
    }

    /// Takes note of how an attempt ended; gives the time that its answer has to wait, if it was
    /// wrong.
    pub(crate) fn after(&self, attempt: Attempt, how: Attempted<'_>, now: Moment) -> Duration {
        match how {
            Attempted::Unknown => self.with(|book| self.give_back(book, &attempt)),
            Attempted::Right => self.with(|book| {
                self.give_back(book, &attempt);
                befriend(book, &attempt, now);
            }),
            Attempted::Wrong(password) => {
                let mark = password.map(|password| self.fingerprint_for(&attempt, password));
                return self.with(|book| {
                    if mark.is_some_and(|mark| self.is_known_wrong(book, &attempt, mark, now)) {
                        self.give_back(book, &attempt);
                    }
                    self.delay(book, &attempt, now)
                });
            }
        }
        Duration::ZERO
    }

    /// Counts a refused attempt that waits for its answer, until the guard is dropped.
    pub(crate) fn waiting(&self, source: Source) -> Waiting<'_> {
        self.with(|book| {
            let guesser = book.sources.entry(&source);
            guesser.waiting = guesser.waiting.saturating_add(1);
        });
        Waiting {
            guesses: self,
            source,
        }
    }

    /// Whoever has used something of an allowance, in no order.
    pub(crate) fn slowed(&self, now: Moment) -> Vec<Slowed> {
        let GuessOptions {
            per_source,
            per_account,
            ..
        } = &self.options;
        self.with(|book| {
            let sources = book.sources.iter().map(|(source, guesser)| Slowed {
                whom: SlowedWhom::Source(source.network),
                used: guesser.used.count(per_source, now),
                most: per_source.most,
            });
            let accounts = book.accounts.iter().map(|(account, guessed)| Slowed {
                whom: SlowedWhom::Account(*account),
                used: guessed.used.count(per_account, now),
                most: per_account.most,
            });
            let friends = book
                .friends
                .iter()
                .map(|((source, account), friend)| Slowed {
                    whom: SlowedWhom::Friend(source.network, *account),
                    used: friend.used.count(per_source, now),
                    most: per_source.most,
                });
            let all = sources.chain(accounts).chain(friends);
            all.filter(|slowed| slowed.used > 0).collect()
        })
    }

    /// Gives back all that somebody has used; whether that was anything.
    pub(crate) fn forgive(&self, whom: SlowedWhom, now: Moment) -> bool {
        self.with(|book| {
            let mut forgiven = false;
            let mut reset = |used: &mut Used| {
                forgiven |= !used.is_nothing(now);
                *used = Used::default();
            };
            match whom {
                SlowedWhom::Source(network) => {
                    let of_source = |source: &Source| source.network == network;
                    let sources = book.sources.iter_mut();
                    let sources = sources.filter(|(source, _)| of_source(source));
                    sources.for_each(|(_, guesser)| reset(&mut guesser.used));
                    let friends = book.friends.iter_mut();
                    let friends = friends.filter(|((source, _), _)| of_source(source));
                    friends.for_each(|(_, friend)| reset(&mut friend.used));
                }
                SlowedWhom::Account(account) | SlowedWhom::Friend(_, account) => {
                    if let Some(guessed) = book.accounts.find(&account) {
                        reset(&mut guessed.used);
                    }
                    let friends = book.friends.iter_mut();
                    let friends = friends.filter(|((_, of), _)| *of == account);
                    friends.for_each(|(_, friend)| reset(&mut friend.used));
                }
            }
            forgiven
        })
    }

    fn relation(&self, book: &Book, source: Source, whom: Whom, now: Moment) -> Relation {
        if source.is_exempt() {
            return Relation::Exempt;
        }
        let friend = match whom {
            Whom::Account(account) => book.friends.peek(&(source, account)),
            Whom::Nobody(_) => None,
        };
        let is_fresh = |friend: &Friend| now.since(friend.logged_in) < self.options.remembered_for;
        if friend.is_some_and(is_fresh) {
            Relation::Friend
        } else {
            Relation::Stranger
        }
    }

    fn give_back(&self, book: &mut Book, attempt: &Attempt) {
        match attempt.relation {
            Relation::Exempt => {}
            Relation::Friend => {
                if let Some(friend) = book.friend(attempt) {
                    friend.used.give_back(&self.options.per_source);
                }
            }
            Relation::Stranger => {
                let source = book.sources.entry(&attempt.source);
                source.used.give_back(&self.options.per_source);
                let guessed = book.guessed(attempt.whom);
                guessed.used.give_back(&self.options.per_account);
            }
        }
    }

    fn is_known_wrong(
        &self,
        book: &mut Book,
        attempt: &Attempt,
        mark: Fingerprint,
        now: Moment,
    ) -> bool {
        let wrong = &mut book.guessed(attempt.whom).wrong;
        wrong.retain(|(_, then)| now.since(*then) < self.options.remembered_for);
        let known = wrong.iter().position(|(known, _)| *known == mark);
        if let Some(place) = known {
            wrong.remove(place);
        } else if wrong.len() >= KNOWN_WRONG {
            wrong.remove(0);
        }
        wrong.push((mark, now));
        known.is_some()
    }

    /// The share of the delays that the most used allowance has come to.
    fn delay(&self, book: &mut Book, attempt: &Attempt, now: Moment) -> Duration {
        let GuessOptions {
            per_source,
            per_account,
            first_delay,
            longest_delay,
            ..
        } = &self.options;
        let share = match attempt.relation {
            Relation::Exempt => 0.0,
            Relation::Friend => book
                .friend(attempt)
                .map_or(0.0, |friend| share(&friend.used, per_source, now)),
            Relation::Stranger => {
                let of_source = share(&book.sources.entry(&attempt.source).used, per_source, now);
                of_source.max(share(&book.guessed(attempt.whom).used, per_account, now))
            }
        };
        let growth = longest_delay.saturating_sub(*first_delay);
        first_delay.saturating_add(growth.mul_f64(share))
    }

    /// A password is known again for its account only: two users with the same one are no hint.
    fn fingerprint_for(&self, attempt: &Attempt, password: &Secret) -> Fingerprint {
        let password = password.expose().as_bytes();
        match attempt.whom {
            Whom::Account(account) => self.fingerprint(&[b"account", &account.to_key(), password]),
            Whom::Nobody(name) => self.fingerprint(&[b"nobody", &name, password]),
        }
    }

    fn fingerprint(&self, parts: &[&[u8]]) -> Fingerprint {
        let mut hash = Sha256::new();
        hash.update(self.key);
        for part in parts {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut kept = Fingerprint::default();
        kept.copy_from_slice(&digest[..16]);
        kept
    }

    /// The book is right after each step, so a panic elsewhere does not spoil it.
    fn with<T>(&self, step: impl FnOnce(&mut Book) -> T) -> T {
        step(&mut self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Book {
    fn guessed(&mut self, whom: Whom) -> &mut Guessed {
        match whom {
            Whom::Account(account) => self.accounts.entry(&account),
            Whom::Nobody(name) => self.made_up.entry(&name),
        }
    }

    fn friend(&mut self, attempt: &Attempt) -> Option<&mut Friend> {
        match attempt.whom {
            Whom::Account(account) => self.friends.find(&(attempt.source, account)),
            Whom::Nobody(_) => None,
        }
    }
}

/// From now on the source is known to the account. What it has used of its allowance stays used:
/// its owner's device, which logs in every minute, would else make room for a guesser beside it.
fn befriend(book: &mut Book, attempt: &Attempt, now: Moment) {
    if let (Whom::Account(account), false) = (attempt.whom, attempt.source.is_exempt()) {
        book.friends.entry(&(attempt.source, account)).logged_in = now;
    }
}

fn share(used: &Used, rate: &Rate, now: Moment) -> f64 {
    // What is charged now is the attempt itself: the first one has used nothing before.
    let before = used.count(rate, now).saturating_sub(1);
    f64::from(before) / f64::from(rate.most.saturating_sub(1).max(1))
}

/// A refused attempt that waits for its answer.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    guesses: &'a Guesses,
    source: Source,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.guesses.with(|book| {
            if let Some(guesser) = book.sources.find(&self.source) {
                guesser.waiting = guesser.waiting.saturating_sub(1);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Moment = Moment(Duration::from_secs(1000));
    const HOUR: Duration = Duration::from_hours(1);

    /// A stranger may try three for a source, five for an account.
    fn guesses() -> Guesses {
        Guesses::new(GuessOptions {
            per_source: Rate::per_hour(3),
            per_account: Rate::per_hour(5),
            waiting: 2,
            ..GuessOptions::default()
        })
        .unwrap()
    }

    fn source(last: u8) -> Source {
        Source::of([192, 0, 2, last].into())
    }

    fn bob() -> Whom {
        Whom::Account(AccountId::from_key([1; 16]))
    }

    fn carol() -> Whom {
        Whom::Account(AccountId::from_key([2; 16]))
    }

    /// Tries a wrong password; gives the delay, or the limit.
    fn wrong(
        guesses: &Guesses,
        from: u8,
        whom: Whom,
        password: &str,
        now: Moment,
    ) -> Result<Duration, Limit> {
        let attempt = guesses.before(source(from), whom, now)?;
        let password = Secret::new(password.to_owned());
        Ok(guesses.after(attempt, Attempted::Wrong(Some(&password)), now))
    }

    fn log_in(guesses: &Guesses, from: u8, whom: Whom, now: Moment) -> Result<(), Limit> {
        let attempt = guesses.before(source(from), whom, now)?;
        guesses.after(attempt, Attempted::Right, now);
        Ok(())
    }

    #[test]
    fn a_source_that_guesses_is_refused_and_may_try_again_later() {
        let guesses = guesses();
        for (whom, password) in [(bob(), "a"), (carol(), "b"), (bob(), "c")] {
            assert!(wrong(&guesses, 1, whom, password, START).is_ok());
        }
        let refused = wrong(&guesses, 1, carol(), "d", START);
        assert_eq!(refused, Err(Limit::GuessesPerSource));
        assert!(wrong(&guesses, 2, carol(), "d", START).is_ok());
        let later = START.after(HOUR / 3);
        assert!(wrong(&guesses, 1, carol(), "e", later).is_ok());
        let again = wrong(&guesses, 1, carol(), "f", later);
        assert_eq!(again, Err(Limit::GuessesPerSource));
    }

    #[test]
    fn many_sources_that_guess_at_one_account_are_refused_together() {
        let guesses = guesses();
        for from in 1..=5 {
            assert!(wrong(&guesses, from, bob(), &from.to_string(), START).is_ok());
        }
        let sixth = wrong(&guesses, 6, bob(), "6", START);
        assert_eq!(sixth, Err(Limit::GuessesPerAccount));
        assert!(wrong(&guesses, 6, carol(), "6", START).is_ok());
    }

    #[test]
    fn a_source_that_has_logged_in_is_not_hindered_by_others() {
        let guesses = guesses();
        log_in(&guesses, 9, bob(), START).unwrap();
        for from in 1..=6 {
            let _ = wrong(&guesses, from, bob(), &from.to_string(), START);
        }
        assert_eq!(log_in(&guesses, 9, bob(), START), Ok(()));
        assert_eq!(
            log_in(&guesses, 8, bob(), START),
            Err(Limit::GuessesPerAccount)
        );
    }

    #[test]
    fn a_neighbour_behind_the_same_address_does_not_lock_out_who_has_logged_in() {
        let guesses = guesses();
        log_in(&guesses, 9, bob(), START).unwrap();
        for password in ["a", "b", "c", "d"] {
            let _ = wrong(&guesses, 9, carol(), password, START);
        }
        assert_eq!(
            log_in(&guesses, 9, carol(), START),
            Err(Limit::GuessesPerSource)
        );
        assert_eq!(log_in(&guesses, 9, bob(), START), Ok(()));
    }

    #[test]
    fn a_friend_that_guesses_is_slowed_too() {
        let guesses = guesses();
        log_in(&guesses, 9, bob(), START).unwrap();
        for password in ["a", "b", "c"] {
            assert!(wrong(&guesses, 9, bob(), password, START).is_ok());
        }
        let refused = wrong(&guesses, 9, bob(), "d", START);
        assert_eq!(refused, Err(Limit::GuessesPerSource));
        // It hurts nobody else.
        assert_eq!(log_in(&guesses, 8, bob(), START), Ok(()));
    }

    #[test]
    fn friendship_ends_with_time() {
        let guesses = guesses();
        log_in(&guesses, 9, bob(), START).unwrap();
        let later = START.after(GuessOptions::default().remembered_for);
        for from in 1..=5 {
            let _ = wrong(&guesses, from, bob(), &from.to_string(), later);
        }
        assert_eq!(
            log_in(&guesses, 9, bob(), later),
            Err(Limit::GuessesPerAccount)
        );
    }

    #[test]
    fn the_same_wrong_password_counts_once() {
        let guesses = guesses();
        for _ in 0..100 {
            assert!(wrong(&guesses, 1, bob(), "old", START).is_ok());
        }
        // For another account it is another guess.
        assert!(wrong(&guesses, 1, carol(), "old", START).is_ok());
        assert!(wrong(&guesses, 1, carol(), "older", START).is_ok());
        let refused = wrong(&guesses, 1, carol(), "oldest", START);
        assert_eq!(refused, Err(Limit::GuessesPerSource));
    }

    #[test]
    fn without_a_password_to_look_at_every_refusal_counts() {
        let guesses = guesses();
        let mut allowed = 0;
        while let Ok(attempt) = guesses.before(source(1), bob(), START) {
            guesses.after(attempt, Attempted::Wrong(None), START);
            allowed += 1;
        }
        assert_eq!(allowed, 3);
    }

    #[test]
    fn right_ones_and_faults_of_ours_cost_nothing() {
        let guesses = guesses();
        for _ in 0..10 {
            log_in(&guesses, 1, bob(), START).unwrap();
            let attempt = guesses.before(source(2), bob(), START).unwrap();
            guesses.after(attempt, Attempted::Unknown, START);
        }
    }

    #[test]
    fn many_at_once_are_no_way_around() {
        let guesses = guesses();
        let begun: Vec<_> = (0..10)
            .map_while(|_| guesses.before(source(1), bob(), START).ok())
            .collect();
        assert_eq!(begun.len(), 3);
    }

    #[test]
    fn refusals_take_longer_and_longer() {
        let guesses = guesses();
        let seconds: Vec<_> = ["a", "b", "c"]
            .map(|password| {
                wrong(&guesses, 1, bob(), password, START)
                    .unwrap()
                    .as_secs_f64()
            })
            .into();
        assert_eq!(seconds, [1.0, 5.5, 10.0]);
    }

    #[test]
    fn a_made_up_name_is_treated_as_an_account() {
        let (real, made_up) = (guesses(), guesses());
        let ghost = made_up.nobody("Ghost@here.example");
        assert_eq!(ghost, made_up.nobody("ghost@here.example"));
        for from in [1, 1, 1, 1, 2, 3, 4, 4, 5] {
            for password in ["a", "a", "b"] {
                let told = wrong(&real, from, bob(), password, START);
                assert_eq!(wrong(&made_up, from, ghost, password, START), told);
            }
        }
    }

    #[test]
    fn refusals_that_wait_for_their_answers_are_bounded() {
        let guesses = guesses();
        let waiting = [guesses.waiting(source(1)), guesses.waiting(source(1))];
        let refused = guesses.before(source(1), bob(), START);
        assert_eq!(refused, Err(Limit::GuessesPerSource));
        drop(waiting);
        assert_eq!(log_in(&guesses, 1, bob(), START), Ok(()));
    }

    #[test]
    fn an_exempt_network_may_try_as_often_as_it_likes() {
        let guesses = guesses();
        let exempt = Source {
            standing: cassmail_wire::Standing::Exempt,
            ..source(1)
        };
        for _ in 0..100 {
            let attempt = guesses.before(exempt, bob(), START).unwrap();
            let delay = guesses.after(attempt, Attempted::Wrong(None), START);
            assert_eq!(delay, Duration::from_secs(1));
        }
        assert_eq!(log_in(&guesses, 2, bob(), START), Ok(()));
    }

    #[test]
    fn names_that_are_made_up_let_no_account_be_forgotten() {
        let guesses = Guesses::new(GuessOptions {
            per_account: Rate::per_hour(1),
            remembered: 10,
            ..GuessOptions::default()
        })
        .unwrap();
        wrong(&guesses, 1, bob(), "a", START).unwrap();
        for number in 0..100 {
            let nobody = guesses.nobody(&number.to_string());
            let _ = wrong(&guesses, 2, nobody, "a", START);
        }
        let refused = wrong(&guesses, 3, bob(), "b", START);
        assert_eq!(refused, Err(Limit::GuessesPerAccount));
    }

    #[test]
    fn who_is_forgiven_may_try_again() {
        let guesses = guesses();
        let wrong = |text: &str| {
            let secret = Secret::new(text.to_owned());
            let attempt = guesses.before(source(1), bob(), START)?;
            guesses.after(attempt, Attempted::Wrong(Some(&secret)), START);
            Ok::<_, Limit>(())
        };
        for text in ["a", "b", "c"] {
            wrong(text).unwrap();
        }
        assert!(wrong("d").is_err());
        let mut slowed = guesses.slowed(START);
        slowed.sort_by_key(|one| one.most);
        let of = |whom, most| Slowed {
            whom,
            used: 3,
            most,
        };
        let here = SlowedWhom::Source([192, 0, 2, 1].into());
        let account = SlowedWhom::Account(AccountId::from_key([1; 16]));
        assert_eq!(slowed, [of(here, 3), of(account, 5)]);
        assert!(guesses.forgive(here, START));
        assert!(!guesses.forgive(here, START));
        wrong("d").unwrap();
        assert!(guesses.forgive(account, START));
        assert!(!guesses.forgive(SlowedWhom::Account(AccountId::from_key([9; 16])), START));
        assert!(guesses.slowed(START.after(HOUR * 2)).is_empty());
    }

    #[test]
    fn a_friend_that_guesses_is_listed_with_whose_friend_it_is_and_forgiven() {
        let guesses = guesses();
        let attempt = guesses.before(source(1), bob(), START).unwrap();
        guesses.after(attempt, Attempted::Right, START);
        let secret = Secret::new("wrong".to_owned());
        let attempt = guesses.before(source(1), bob(), START).unwrap();
        guesses.after(attempt, Attempted::Wrong(Some(&secret)), START);
        let (here, account) = ([192, 0, 2, 1].into(), AccountId::from_key([1; 16]));
        let listed = Slowed {
            whom: SlowedWhom::Friend(here, account),
            used: 1,
            most: 3,
        };
        assert_eq!(guesses.slowed(START), [listed]);
        assert!(guesses.forgive(SlowedWhom::Source(here), START));
        assert_eq!(guesses.slowed(START), []);
    }
}
