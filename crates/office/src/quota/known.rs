//! What this node knows of one maildrop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cassmail_store::{Counted, Usage, UsageNotes, Writer};
use cassmail_wire::Moment;
use tokio::sync::Mutex;

use super::rule::{Fullness, QuotaLimits};

/// A refusal is made by a count that is not older, and one that was made here.
const COUNT_BELIEVED: Duration = Duration::from_mins(1);

/// While there is room, a count is made again so often when a limit is near.
const COUNT_AGAIN: Duration = Duration::from_mins(10);

/// What this node knows of one maildrop.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The limits, as they were when somebody last asked.
    pub(super) limits: QuotaLimits,
    /// What the store said when it was last asked, and the counts made here since; none before
    /// that. The own note in it is not looked at.
    notes: Option<UsageNotes>,
    read_at: Moment,
    /// When this node last counted.
    counted_at: Option<Moment>,
    /// What this node has brought; before the notes are read only since it began to look.
    brought: Usage,
    /// What of it the store has as a note.
    noted: Usage,
    /// What of it was brought when the notes were last read.
    brought_when_read: Usage,
    /// What is on its way into the store.
    under_way: Usage,
    /// The count is ours and not in the store yet.
    owes_count: bool,
    /// A count that waits for the notes to be read: what there was, and what we had brought.
    waiting: Option<(Counted, Usage)>,
    /// The count that the store has, as far as is known.
    kept: Option<Counted>,
    /// The count is what this node has listed, not what another one has noted.
    is_own_count: bool,
    /// Since when mail is refused here for want of room, in microseconds since 1970.
    refused_since: Option<u64>,
    /// Something was removed that is not known.
    is_doubtful: bool,
    /// One at a time asks the store.
    pub(super) turn: Arc<Mutex<()>>,
}

/// What has to be done before a maildrop is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing: so much is used.
    Nothing(Usage),
    /// The notes have to be read, after the own one is written.
    Notes,
    /// It has to be counted.
    Count,
}

/// What had been brought when a count began.
#[derive(Debug, Clone, Default)]
pub(crate) struct Basis {
    /// By others, as far as it was known; none if it was not.
    others: Option<BTreeMap<Writer, Usage>>,
    own: Usage,
}

/// What this node has to write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Owed {
    pub(super) brought: Option<Usage>,
    pub(super) counted: Option<Counted>,
}

impl Known {
    /// How much there is, as far as it is known; none if it was never counted.
    pub(super) fn used(&self, own: Writer) -> Option<Usage> {
        let Some(notes) = &self.notes else {
            let (counted, brought) = self.waiting.as_ref()?;
            let since = self.brought.minus(*brought);
            return Some(counted.usage.plus(since).plus(self.under_way));
        };
        Some(estimate(notes, own, self.brought)?.plus(self.under_way))
    }

    /// How much there is for certain: what this node has counted, and what it has brought since;
    /// none if it has not counted.
    fn certain(&self, own: Writer) -> Option<Usage> {
        let counted = self.notes.as_ref()?.counted.as_ref()?;
        let seen = counted.seen.get(&own).copied().unwrap_or_default();
        let brought = self.brought.minus(seen).plus(self.under_way);
        self.is_own_count.then(|| counted.usage.plus(brought))
    }

    /// The same, if nobody has to be asked.
    pub(super) fn used_now(&self, own: Writer, now: Moment, belief: Duration) -> Option<Usage> {
        let is_fresh = now.since(self.read_at) < belief || self.owes_count || self.notes.is_none();
        self.used(own).filter(|_| is_fresh && !self.is_doubtful)
    }

    /// Puts what this node has brought in place of what it has noted of it.
    pub(super) fn correct(&self, notes: &mut UsageNotes, own: Writer) {
        if self.notes.is_some() {
            notes.brought.insert(own, self.brought);
        }
    }

    /// What has to be done before a message of so many octets is judged.
    pub(super) fn needs(&self, own: Writer, octets: u64, now: Moment, belief: Duration) -> Needs {
        let taken = self.brought.minus(self.brought_when_read);
        let is_old = self.notes.is_none() || now.since(self.read_at) >= belief;
        if is_old || self.limits.are_due_a_word(taken) {
            return Needs::Notes;
        }
        self.needs_count(own, octets, now)
    }

    /// The same when the notes are fresh.
    pub(super) fn needs_count(&self, own: Writer, octets: u64, now: Moment) -> Needs {
        let Some(used) = self.used(own).filter(|_| !self.is_doubtful) else {
            return Needs::Count;
        };
        let is_older_than = |age| self.counted_at.is_none_or(|at| now.since(at) >= age);
        let would_refuse = self.limits.judge(used, octets).is_err();
        let certain = self.certain(own);
        let is_certain = certain.is_some_and(|used| self.limits.judge(used, octets).is_err());
        let is_due = would_refuse && (!is_certain || is_older_than(COUNT_BELIEVED))
            || self.limits.are_near(used) && is_older_than(COUNT_AGAIN);
        if is_due {
            Needs::Count
        } else {
            Needs::Nothing(used)
        }
    }

    /// What had been brought when a count begins now. What is under way may be in it or not.
    pub(super) fn basis(&self, own: Writer) -> Basis {
        let others = self.notes.as_ref().map(|notes| {
            let mut others = notes.brought.clone();
            others.remove(&own);
            others
        });
        Basis {
            others,
            own: self.brought,
        }
    }

    /// Takes a count that was made on this basis; `at` is the time of day in microseconds.
    pub(super) fn count(&mut self, own: Writer, basis: Basis, usage: Usage, at: u64, now: Moment) {
        let is_as_good_as_full = self.limits.are_as_good_as_reached(usage);
        let before = self.notes.as_ref().and_then(|notes| notes.counted.as_ref());
        let before = before.and_then(|before| before.full_since);
        let full_since = before.or(self.refused_since);
        if !is_as_good_as_full {
            self.refused_since = None;
        }
        let mut counted = Counted {
            usage,
            at,
            full_since: full_since.filter(|_| is_as_good_as_full),
            seen: BTreeMap::new(),
        };
        self.is_doubtful = false;
        self.counted_at = Some(now);
        let (Some(others), Some(notes)) = (basis.others, self.notes.as_mut()) else {
            self.waiting = Some((counted, basis.own));
            return;
        };
        let before = estimate(notes, own, basis.own);
        let known = notes.counted.as_ref().and_then(|known| known.full_since);
        let is_news = before != Some(usage) || known != counted.full_since;
        counted.seen = others;
        counted.seen.insert(own, basis.own);
        notes.counted = Some(counted);
        self.is_own_count = true;
        // The others need not hear what their notes say already.
        self.owes_count |= is_news;
    }

    /// Takes what the store said, to a question that was asked when we had brought so much.
    pub(super) fn take(&mut self, own: Writer, mut read: UsageNotes, asked: Usage, now: Moment) {
        let of_own = read.brought.remove(&own).unwrap_or_default();
        if self.notes.is_none() {
            // What an earlier life of this writer had brought, or what was forgotten here.
            self.brought = self.brought.plus(of_own);
            self.brought_when_read = self.brought_when_read.plus(of_own);
            self.noted = of_own;
            self.kept.clone_from(&read.counted);
            if let Some((mut counted, brought)) = self.waiting.take() {
                counted.seen.clone_from(&read.brought);
                counted.seen.insert(own, brought.plus(of_own));
                let before = estimate(&read, own, brought.plus(of_own));
                // Nothing new: the notes were right.
                if before != Some(counted.usage) || counted.full_since.is_some() {
                    let known_since = read.counted.as_ref().and_then(|known| known.full_since);
                    let is_full = self.limits.are_as_good_as_reached(counted.usage);
                    let known_since = known_since.filter(|_| is_full);
                    counted.full_since = known_since.or(counted.full_since);
                    read.counted = Some(counted);
                    self.is_own_count = true;
                    self.owes_count = true;
                }
            }
        } else {
            self.brought_when_read = asked;
            let ours = self.notes.take().and_then(|notes| notes.counted);
            let is_unchanged = read.counted == self.kept;
            self.kept.clone_from(&read.counted);
            if self.owes_count || is_unchanged && self.is_own_count {
                // It is later than what the store has.
                read.counted = ours;
            } else {
                self.is_own_count = false;
            }
        }
        self.notes = Some(read);
        self.read_at = now;
    }

    /// What has to be written; nothing before the notes are read.
    pub(super) fn owed(&self) -> Owed {
        let Some(notes) = &self.notes else {
            return Owed::default();
        };
        Owed {
            brought: (self.brought != self.noted).then_some(self.brought),
            counted: notes.counted.clone().filter(|_| self.owes_count),
        }
    }

    /// What was owed has been written.
    pub(super) fn written(&mut self, owed: &Owed) {
        if let Some(brought) = owed.brought {
            self.noted = brought;
        }
        let now_counted = self.notes.as_ref().and_then(|notes| notes.counted.as_ref());
        if owed.counted.is_some() {
            self.owes_count &= owed.counted.as_ref() != now_counted;
            self.kept.clone_from(&owed.counted);
        }
    }

    /// Whether the store lacks something that this node knows.
    pub(super) fn owes(&self) -> bool {
        self.brought != self.noted || self.owes_count || self.waiting.is_some()
    }

    /// Whether it must not be forgotten.
    pub(super) fn is_busy(&self) -> bool {
        self.owes() || self.under_way != Usage::default() || Arc::strong_count(&self.turn) > 1
    }

    /// What of our own the others can read.
    pub(super) fn noted(&self) -> Usage {
        self.noted
    }

    pub(super) fn is_read(&self) -> bool {
        self.notes.is_some()
    }

    /// A message is refused for want of room; gives since when there has been none.
    pub(super) fn refused(&mut self, used: Usage, at: u64) -> u64 {
        if !self.limits.are_as_good_as_reached(used) {
            return at;
        }
        let refused_since = *self.refused_since.get_or_insert(at);
        self.full_since().unwrap_or(at).min(refused_since)
    }

    /// Since when it is as good as full, by the last count.
    fn full_since(&self) -> Option<u64> {
        let counted = self.notes.as_ref()?.counted.as_ref()?;
        counted.full_since
    }

    pub(super) fn fullness(&self, own: Writer) -> Fullness {
        let used = self.used(own).unwrap_or_default();
        self.limits.fullness(used)
    }

    /// A message is on its way into the store.
    pub(super) fn set_out(&mut self, one: Usage) {
        self.under_way = self.under_way.plus(one);
    }

    /// It has arrived, or may have.
    pub(super) fn arrived(&mut self, one: Usage) {
        self.under_way = self.under_way.minus(one);
        self.brought = self.brought.plus(one);
    }

    /// It has not.
    pub(super) fn turned_back(&mut self, one: Usage) {
        self.under_way = self.under_way.minus(one);
    }

    /// Something was removed, and nobody knows how much.
    pub(super) fn doubt(&mut self) {
        self.is_doubtful = true;
    }
}

/// How much there is by notes, with this of our own; none without a count.
fn estimate(notes: &UsageNotes, own: Writer, brought: Usage) -> Option<Usage> {
    let counted = notes.counted.as_ref()?;
    let seen = |writer| counted.seen.get(writer).copied().unwrap_or_default();
    let others = notes.brought.iter().filter(|(writer, _)| **writer != own);
    let since = others.map(|(writer, brought)| brought.minus(seen(writer)));
    let of_own = brought.minus(seen(&own));
    Some(since.fold(counted.usage.plus(of_own), Usage::plus))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Writer = Writer(1);
    const OTHER: Writer = Writer(2);
    const BELIEF: Duration = Duration::from_secs(30);

    fn usage(messages: u64) -> Usage {
        Usage {
            messages,
            octets: messages * 10,
        }
    }

    fn at(seconds: u64) -> Moment {
        Moment::default().after(Duration::from_secs(seconds))
    }

    fn notes(counted: Option<u64>, brought: &[(Writer, u64)]) -> UsageNotes {
        UsageNotes {
            counted: counted.map(|messages| Counted {
                usage: usage(messages),
                ..Counted::default()
            }),
            brought: brought
                .iter()
                .map(|(writer, n)| (*writer, usage(*n)))
                .collect(),
        }
    }

    fn limited(most: u64) -> Known {
        Known {
            limits: QuotaLimits {
                messages: Some(most),
                octets: None,
            },
            ..Known::default()
        }
    }

    /// One that was read, with so many counted and a hundred at most.
    fn read(counted: u64, brought: &[(Writer, u64)]) -> Known {
        let mut known = limited(100);
        known.take(
            OWN,
            notes(Some(counted), brought),
            Usage::default(),
            at(100),
        );
        known
    }

    fn bring(known: &mut Known, messages: u64) {
        for _ in 0..messages {
            known.set_out(usage(1));
            known.arrived(usage(1));
        }
    }

    #[test]
    fn nothing_is_needed_while_the_notes_are_fresh_and_little_was_brought() {
        let mut known = limited(100);
        assert_eq!(known.needs(OWN, 0, at(100), BELIEF), Needs::Notes);
        known = read(10, &[(OTHER, 5)]);
        let needs = |known: &Known, seconds| known.needs(OWN, 0, at(seconds), BELIEF);
        assert_eq!(needs(&known, 129), Needs::Nothing(usage(15)));
        assert_eq!(needs(&known, 130), Needs::Notes);
        bring(&mut known, 4);
        assert_eq!(needs(&known, 129), Needs::Nothing(usage(19)));
        bring(&mut known, 1);
        assert_eq!(needs(&known, 129), Needs::Notes, "a twentieth");
    }

    #[test]
    fn near_the_limit_it_is_counted_and_before_a_refusal_lately() {
        let known = read(79, &[]);
        assert_eq!(
            known.needs_count(OWN, 0, at(100)),
            Needs::Nothing(usage(79))
        );
        let mut known = read(80, &[]);
        assert_eq!(known.needs_count(OWN, 0, at(100)), Needs::Count);
        known.count(OWN, known.basis(OWN), usage(80), 0, at(100));
        assert_eq!(
            known.needs_count(OWN, 0, at(699)),
            Needs::Nothing(usage(80))
        );
        assert_eq!(known.needs_count(OWN, 0, at(700)), Needs::Count);
        known.count(OWN, known.basis(OWN), usage(100), 0, at(700));
        assert_eq!(
            known.needs_count(OWN, 0, at(759)),
            Needs::Nothing(usage(100))
        );
        assert_eq!(known.needs_count(OWN, 0, at(760)), Needs::Count);
        assert_eq!(limited(100).needs_count(OWN, 0, at(0)), Needs::Count);
    }

    #[test]
    fn what_was_brought_while_it_was_counted_counts_on_top() {
        let mut known = read(10, &[(OTHER, 5)]);
        bring(&mut known, 2);
        let basis = known.basis(OWN);
        bring(&mut known, 3);
        known.count(OWN, basis, usage(20), 7, at(101));
        assert_eq!(known.used(OWN), Some(usage(23)));
        let owed = known.owed();
        assert_eq!(owed.brought, Some(usage(5)));
        let seen = [(OWN, usage(2)), (OTHER, usage(5))].into();
        assert_eq!(owed.counted.as_ref().unwrap().seen, seen);
        known.written(&owed);
        assert!(!known.owes());
    }

    #[test]
    fn a_count_that_says_what_the_notes_say_is_not_written() {
        let mut known = read(10, &[(OTHER, 5)]);
        bring(&mut known, 2);
        known.written(&known.owed());
        known.count(OWN, known.basis(OWN), usage(17), 7, at(101));
        assert!(!known.owes());
        known.count(OWN, known.basis(OWN), usage(16), 7, at(102));
        assert!(known.owes());
    }

    #[test]
    fn a_count_waits_for_the_notes_and_includes_what_they_say() {
        let mut known = limited(100);
        bring(&mut known, 1);
        known.count(OWN, known.basis(OWN), usage(30), 7, at(100));
        assert_eq!(known.used(OWN), Some(usage(30)), "as good as any");
        assert_eq!(
            known.owed(),
            Owed::default(),
            "nothing is overwritten unseen"
        );
        let before = notes(Some(3), &[(OWN, 4), (OTHER, 5)]);
        known.take(OWN, before, Usage::default(), at(101));
        assert_eq!(known.used(OWN), Some(usage(30)));
        let owed = known.owed();
        assert_eq!(
            owed.brought,
            Some(usage(5)),
            "with what an earlier life brought"
        );
        let seen = [(OWN, usage(5)), (OTHER, usage(5))].into();
        assert_eq!(owed.counted.unwrap().seen, seen);
    }

    #[test]
    fn another_nodes_count_is_taken_over_and_is_no_reason_to_refuse() {
        let mut known = read(10, &[]);
        known.count(OWN, known.basis(OWN), usage(100), 7, at(101));
        let refuses = Needs::Nothing(usage(100));
        assert_eq!(known.needs_count(OWN, 0, at(102)), refuses);
        let owed = known.owed();
        known.written(&owed);
        let mut stored = notes(None, &[(OTHER, 1)]);
        stored.counted.clone_from(&owed.counted);
        known.take(OWN, stored, Usage::default(), at(103));
        let more = Needs::Nothing(usage(101));
        assert_eq!(known.needs_count(OWN, 0, at(103)), more, "it is ours");
        known.take(OWN, notes(Some(100), &[]), Usage::default(), at(104));
        assert_eq!(known.needs_count(OWN, 0, at(104)), Needs::Count);
        assert_eq!(known.used(OWN), Some(usage(100)));
    }

    #[test]
    fn what_others_have_noted_is_a_reason_to_count_and_none_to_refuse() {
        let mut known = read(10, &[]);
        known.count(OWN, known.basis(OWN), usage(90), 7, at(101));
        known.written(&known.owed());
        let mut stored = notes(None, &[(OTHER, 10)]);
        stored.counted.clone_from(&known.kept);
        known.take(OWN, stored, Usage::default(), at(102));
        assert_eq!(known.used(OWN), Some(usage(100)));
        assert_eq!(known.needs_count(OWN, 0, at(102)), Needs::Count);
    }

    #[test]
    fn what_is_under_way_counts_until_it_turns_back() {
        let mut known = read(10, &[]);
        known.set_out(usage(1));
        known.set_out(usage(1));
        assert_eq!(known.used(OWN), Some(usage(12)));
        assert!(known.is_busy() && !known.owes());
        known.turned_back(usage(1));
        known.arrived(usage(1));
        assert_eq!(known.used(OWN), Some(usage(11)));
        assert!(known.owes());
    }

    #[test]
    fn what_is_doubtful_is_counted_whatever_the_notes_say() {
        let mut known = read(10, &[]);
        known.doubt();
        assert_eq!(known.needs(OWN, 0, at(101), BELIEF), Needs::Count);
        assert_eq!(known.used_now(OWN, at(101), BELIEF), None);
        known.count(OWN, known.basis(OWN), usage(10), 7, at(101));
        assert_eq!(
            known.needs(OWN, 0, at(101), BELIEF),
            Needs::Nothing(usage(10))
        );
    }

    #[test]
    fn it_is_remembered_since_when_mail_is_refused() {
        let mut known = read(10, &[]);
        known.count(OWN, known.basis(OWN), usage(100), 7, at(101));
        assert_eq!(known.full_since(), None, "nobody was refused");
        assert_eq!(known.refused(usage(100), 8), 8);
        assert_eq!(known.refused(usage(100), 9), 8);
        known.count(OWN, known.basis(OWN), usage(99), 10, at(102));
        assert_eq!(known.full_since(), Some(8));
        known.count(OWN, known.basis(OWN), usage(94), 11, at(103));
        assert_eq!(known.full_since(), None);
        known.count(OWN, known.basis(OWN), usage(96), 12, at(104));
        assert_eq!(known.full_since(), None);
        // A message that is too large for what is left says nothing of the mailbox.
        assert_eq!(known.refused(usage(50), 13), 13);
        assert_eq!(known.refused(usage(50), 14), 14);
    }
}
