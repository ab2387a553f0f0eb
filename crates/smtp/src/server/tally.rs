//! How often which command got which class of replies.

use crate::command::Verb;
use crate::reply::Class;

/// Counts of one session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally([[u32; Class::ALL.len()]; Verb::ALL.len()]);

impl Tally {
    /// How often a verb got a class.
    pub fn of(&self, verb: Verb, class: Class) -> u32 {
        let classes = self.0.get(verb as usize);
        let count = classes.and_then(|classes| classes.get(class as usize));
        count.copied().unwrap_or_default()
    }

    /// All counts that are not zero.
    pub fn iter(&self) -> impl Iterator<Item = (Verb, Class, u32)> {
        Verb::ALL
            .into_iter()
            .flat_map(|verb| Class::ALL.map(|class| (verb, class, self.of(verb, class))))
            .filter(|(_, _, count)| *count > 0)
    }

    pub(crate) fn count(&mut self, verb: Verb, class: Class) {
        let classes = self.0.get_mut(verb as usize);
        if let Some(count) = classes.and_then(|classes| classes.get_mut(class as usize)) {
            *count = count.saturating_add(1);
        }
    }
}
