//! How far a scrub has come, kept in a table so that the next process goes on there.

use cassmail_store::StoreResult;

use super::slices::{BEFORE_ALL, LAST};
use super::{Begin, Bodies, Effect, Heal, Options, Report, Run, SCRUB, ScrubError, Walk};
use crate::rows::{Micros, row};
use crate::statements::Cql;

/// The key of the only row.
pub(crate) const KEY: &str = "last";

/// The version of the form.
const FORM: &str = "1";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// The number of the walk.
    pub(super) walk: usize,
    /// All partitions up to this token are done.
    pub(super) token: i64,
    /// When it was written last.
    written_at: Option<i64>,
}

impl Default for Position {
    fn default() -> Self {
        Self {
            walk: 0,
            token: BEFORE_ALL,
            written_at: None,
        }
    }
}

impl Position {
    pub(super) fn is_at_end(&self) -> bool {
        self.token == LAST
    }

    pub(super) fn next_walk(&mut self) {
        self.walk += 1;
        self.token = BEFORE_ALL;
    }

    /// How much is done of so many walks.
    pub(super) fn part_of(&self, walks: usize) -> f64 {
        let small = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
        // A thousandth is enough for people.
        let tokens = i128::from(self.token) - i128::from(BEFORE_ALL);
        let thousandths = u32::try_from(tokens * 1000 / (1 << 64)).unwrap_or(1000);
        (small(self.walk) + f64::from(thousandths) / 1000.0) / small(walks)
    }
}

/// What has to be the same for one scrub to go on with another.
fn plan(options: Options) -> &'static str {
    match (options.bodies, options.heal) {
        (Bodies::Present, Heal::Nothing) => "present",
        (Bodies::Verified, Heal::Nothing) => "verified",
        (Bodies::Present, Heal::AllTables) => "present+heal",
        (Bodies::Verified, Heal::AllTables) => "verified+heal",
    }
}

fn encode(options: Options, position: Position, report: &Report) -> String {
    let Position { walk, token, .. } = position;
    let plan = plan(options);
    format!("{FORM} {plan} {walk} {token}\n{}", report.encode())
}

/// None if it is of another plan or form.
fn decode(options: Options, state: &str) -> Option<(usize, i64, Report)> {
    let (first, rest) = state.split_once('\n')?;
    let mut words = first.split(' ');
    if words.next()? != FORM || words.next()? != plan(options) {
        return None;
    }
    let walk = words.next()?.parse().ok()?;
    let token = words.next()?.parse().ok()?;
    Some((walk, token, rest.parse().ok()?))
}

/// What the last scrub that was to mend has written down of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct LastScrub {
    /// When, in microseconds since 1970.
    pub at: u64,
    /// How much of it is done, from 0 to 1.
    pub done: f64,
    /// Whether that is all.
    pub is_finished: bool,
    /// What it has counted up to there.
    pub report: Report,
}

/// Reads what any scrub wrote down; none if it is of another form.
pub(crate) fn read_last(state: &str, at: i64) -> Option<LastScrub> {
    let (first, _) = state.split_once('\n')?;
    let named = first.split(' ').nth(1)?;
    let options = |bodies, heal| Options {
        bodies,
        heal,
        ..Options::default()
    };
    let all = [
        options(Bodies::Present, Heal::Nothing),
        options(Bodies::Verified, Heal::Nothing),
        options(Bodies::Present, Heal::AllTables),
        options(Bodies::Verified, Heal::AllTables),
    ];
    let options = all.into_iter().find(|options| plan(*options) == named)?;
    let (walk, token, report) = decode(options, state)?;
    let walks = Walk::all(options).len();
    let position = Position {
        walk,
        token,
        written_at: None,
    };
    let is_finished = walk >= walks;
    Some(LastScrub {
        at: u64::try_from(at).unwrap_or_default(),
        done: if is_finished {
            1.0
        } else {
            position.part_of(walks)
        },
        is_finished,
        report,
    })
}

impl Run<'_> {
    /// Where this run begins, with what was counted up to there.
    pub(super) async fn find_begin(&mut self) -> Result<(), ScrubError> {
        type Cells = (Option<String>, Option<i64>);
        if self.options.effect == Effect::DryRun {
            return Ok(());
        }
        let engine = &self.core.engine;
        let read = engine.read::<Cells>(SCRUB, Cql::ReadScrub, row![KEY]);
        let (state, written_at) = read.await?.pop().unwrap_or_default();
        self.position.written_at = written_at;
        if self.options.begin == Begin::Restart {
            return Ok(());
        }
        let left = state.and_then(|state| decode(self.options, &state));
        let left = left.filter(|(walk, ..)| *walk < self.walks.len());
        match left {
            Some((walk, token, report)) => {
                self.position.walk = walk;
                self.position.token = token;
                self.report = report;
            }
            None if self.options.begin == Begin::Resume => {
                return Err(ScrubError::NothingToResume);
            }
            None => {}
        }
        Ok(())
    }

    /// Writes down how far it is, but in a dry run.
    pub(super) async fn save(&mut self) -> StoreResult<()> {
        if !self.may_mend() {
            return Ok(());
        }
        let at: Micros = self.core.later_than(self.position.written_at);
        let state = encode(self.options, self.position, &self.report);
        let change = vec![(Cql::PutScrub, row![KEY, state, at])];
        let saved = self.core.engine.change(SCRUB, self.deadline(), change);
        saved.await?;
        self.position.written_at = Some(at.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrub::Count;

    #[test]
    fn a_position_comes_back_for_the_same_plan_only() {
        let options = Options::default();
        let mut report = Report::default();
        report.add(Count::Rows, 12);
        let position = Position {
            walk: 3,
            token: -5,
            written_at: None,
        };
        let state = encode(options, position, &report);
        assert_eq!(decode(options, &state), Some((3, -5, report)));
        let other = Options {
            bodies: Bodies::Verified,
            ..options
        };
        assert_eq!(decode(other, &state), None);
        let last = read_last(&state, 7).unwrap();
        assert!(
            !last.is_finished && last.done > 0.0 && last.done < 1.0,
            "{last:?}"
        );
        assert_eq!((last.at, last.report.get(Count::Rows)), (7, 12));
        let walk = Walk::all(other).len();
        let end = Position {
            walk,
            ..Position::default()
        };
        let last = read_last(&encode(other, end, &last.report), 7).unwrap();
        assert!(last.is_finished);
        assert_eq!(read_last("9 nonsense", 7), None);
    }

    #[test]
    fn progress_goes_from_nothing_to_all() {
        let mut position = Position::default();
        assert!(position.part_of(4) < 1e-9);
        position.token = 0;
        assert!((position.part_of(4) - 0.125).abs() < 1e-9);
        position.token = LAST;
        position.walk = 3;
        assert!(position.part_of(4) > 0.999);
    }
}
