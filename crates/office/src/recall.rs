//! What was looked up lately, so that a busy node does not ask the store the same again and again.
//!
//! Whoever changes the directory in this process lets everything be forgotten, so only changes that
//! another node made are seen late: by as long as an answer is believed. That is policy, not
//! safety: a login reads the account itself each time, and mail for an account that is gone is
//! refused or dropped by the store, which knows better.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cassmail_mail::Address;
use cassmail_wire::Moment;

/// How long answers are believed, and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Belief {
    /// That somebody is there. Zero: not at all.
    pub found: Duration,
    /// That nobody is there: shorter, since whoever makes an account tries it at once.
    pub unknown: Duration,
    /// How many answers are kept.
    pub most: usize,
}

impl Belief {
    /// Everything is looked up anew: for a store that costs nothing to ask.
    pub const NONE: Self = Self {
        found: Duration::ZERO,
        unknown: Duration::ZERO,
        most: 0,
    };
}

/// Answers by address.
pub(crate) struct Recall<V> {
    belief: Belief,
    state: Mutex<State<V>>,
}

struct State<V> {
    answers: HashMap<Address, (V, Moment)>,
    /// Goes on when everything is forgotten.
    age: u64,
}

/// When a question was asked: its answer is worth nothing if everything was forgotten since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked(u64);

impl<V: Clone> Recall<V> {
    pub(crate) fn new(belief: Belief) -> Self {
        Self {
            belief,
            state: Mutex::new(State {
                answers: HashMap::new(),
                age: 0,
            }),
        }
    }

    /// The answer, if there is one that is still believed; else when it was asked.
    pub(crate) fn recall(&self, address: &Address, now: Moment) -> Result<V, Asked> {
        self.with(|state| match state.answers.get(address) {
            Some((answer, until)) if now < *until => Ok(answer.clone()),
            _ => Err(Asked(state.age)),
        })
    }

    /// Keeps an answer, by whether somebody was found.
    pub(crate) fn keep(
        &self,
        asked: Asked,
        address: &Address,
        answer: &V,
        is_found: bool,
        now: Moment,
    ) {
        let believed = if is_found {
            self.belief.found
        } else {
            self.belief.unknown
        };
        if believed.is_zero() {
            return;
        }
        self.with(|state| {
            if state.age != asked.0 {
                return;
            }
            if state.answers.len() >= self.belief.most {
                state.answers.retain(|_, (_, until)| now < *until);
            }
            if state.answers.len() < self.belief.most {
                let until = now.after(believed);
                state
                    .answers
                    .insert(address.clone(), (answer.clone(), until));
            }
        });
    }

    /// Forgets what is known of an address.
    pub(crate) fn forget(&self, address: &Address) {
        self.with(|state| {
            state.age += 1;
            state.answers.remove(address);
        });
    }

    /// Forgets everything, also what is being asked now.
    pub(crate) fn forget_all(&self) {
        self.with(|state| {
            state.age += 1;
            state.answers.clear();
        });
    }

    fn with<T>(&self, step: impl FnOnce(&mut State<V>) -> T) -> T {
        step(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BELIEF: Belief = Belief {
        found: Duration::from_secs(30),
        unknown: Duration::from_secs(5),
        most: 2,
    };

    fn address(name: &str) -> Address {
        format!("{name}@here.example").parse().unwrap()
    }

    fn at(seconds: u64) -> Moment {
        Moment::default().after(Duration::from_secs(seconds))
    }

    fn keep(recall: &Recall<u8>, name: &str, answer: u8, is_found: bool, now: Moment) {
        let asked = recall.recall(&address(name), now).unwrap_err();
        recall.keep(asked, &address(name), &answer, is_found, now);
    }

    #[test]
    fn who_is_there_is_believed_longer_than_who_is_not() {
        let recall = Recall::new(BELIEF);
        keep(&recall, "bob", 1, true, at(0));
        keep(&recall, "eve", 0, false, at(0));
        assert_eq!(recall.recall(&address("bob"), at(29)), Ok(1));
        assert!(recall.recall(&address("bob"), at(30)).is_err());
        assert_eq!(recall.recall(&address("eve"), at(4)), Ok(0));
        assert!(recall.recall(&address("eve"), at(5)).is_err());
    }

    #[test]
    fn an_answer_to_a_question_before_a_change_is_not_kept() {
        let recall = Recall::new(BELIEF);
        let asked = recall.recall(&address("bob"), at(0)).unwrap_err();
        recall.forget_all();
        recall.keep(asked, &address("bob"), &1, true, at(0));
        assert!(recall.recall(&address("bob"), at(0)).is_err());
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for_and_old_ones_make_room() {
        let recall = Recall::new(BELIEF);
        for name in ["a", "b", "c"] {
            keep(&recall, name, 1, true, at(0));
        }
        assert!(recall.recall(&address("c"), at(1)).is_err());
        keep(&recall, "c", 1, true, at(40));
        assert_eq!(recall.recall(&address("c"), at(41)), Ok(1));
    }

    #[test]
    fn without_belief_nothing_is_kept() {
        let recall = Recall::new(Belief::NONE);
        keep(&recall, "bob", 1, true, at(0));
        assert!(recall.recall(&address("bob"), at(0)).is_err());
    }
}
