//! From the schema of an earlier version to ours: first what would change, then the change.
//!
//! Every statement of a schema file is repeated harmlessly and each table has the id that everybody
//! gives it, so two that migrate at once converge, and one that was interrupted is run again. The
//! version is written last, with itself as its timestamp: it only goes on.

use crate::error::OpenError;
use crate::schema::{self, FILES, checked_name};
use crate::{Options, engine};

/// What a migration does, or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The version that is there.
    pub found: usize,
    /// The version that this program needs.
    pub needed: usize,
    /// What changes, in order.
    pub steps: Vec<Step>,
}

/// One statement of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The file that it stands in.
    pub file: &'static str,
    /// Its first line.
    pub what: String,
    /// What it means for processes of the version before, which are running.
    pub effect: Effect,
}

/// What a change means for running processes of the version before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It adds what they do not know and do not miss.
    Unnoticed,
    /// They may fail: end them first.
    Breaks,
}

impl Effect {
    fn of(statement: &str) -> Self {
        let words: Vec<_> = statement.split_whitespace().collect();
        match &words[..] {
            ["CREATE", "TABLE", ..] | ["ALTER", "TABLE", _, "ADD" | "WITH", ..] => Self::Unnoticed,
            _ => Self::Breaks,
        }
    }
}

impl Migration {
    fn from(found: usize) -> Self {
        let files = FILES.iter().skip(found);
        let steps = files.flat_map(|file| {
            let steps = schema::statements(file.text).map(|statement| Step {
                file: file.name,
                what: first_line(&statement),
                effect: Effect::of(&statement),
            });
            steps.collect::<Vec<_>>()
        });
        Self {
            found,
            needed: FILES.len(),
            steps: steps.collect(),
        }
    }

    /// Whether processes of the version before can go on while it is done, and afterwards until
    /// they are started again.
    pub fn can_be_done_while_serving(&self) -> bool {
        self.steps
            .iter()
            .all(|step| step.effect == Effect::Unnoticed)
    }
}

fn first_line(statement: &str) -> String {
    let line = statement.lines().next().unwrap_or_default();
    line.trim_end_matches(['(', ' ']).to_owned()
}

/// What a migration would do. A schema that is newer than ours is an error.
pub async fn plan(options: &Options) -> Result<Migration, OpenError> {
    checked_name(&options.keyspace)?;
    let session = engine::connect(options).await?;
    let found = schema::version_there(&session, options).await?;
    match found {
        Some(found) if found <= FILES.len() => Ok(Migration::from(found)),
        Some(found) => Err(OpenError::NewerSchema {
            found,
            known: FILES.len(),
        }),
        None => Err(OpenError::NoSchema {
            keyspace: options.keyspace.clone(),
        }),
    }
}

/// Makes it so, and returns when all nodes agree.
pub async fn migrate(options: &Options) -> Result<Migration, OpenError> {
    let plan = plan(options).await?;
    if !plan.steps.is_empty() || plan.found < plan.needed {
        let session = engine::connect(options).await?;
        schema::apply(&session, options, plan.found).await?;
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_begins_behind_what_is_there() {
        let all = Migration::from(0);
        assert_eq!(all.needed, FILES.len());
        assert_eq!(all.steps[0].file, FILES[0].name);
        assert_eq!(all.steps[0].what, "CREATE TABLE IF NOT EXISTS address");
        let last = Migration::from(FILES.len() - 1);
        assert!(
            last.steps
                .iter()
                .all(|step| step.file == FILES[FILES.len() - 1].name)
        );
        assert!(!last.steps.is_empty());
        assert_eq!(Migration::from(FILES.len()).steps, []);
    }

    #[test]
    fn adding_goes_unnoticed_and_nothing_else_does() {
        for unnoticed in [
            "CREATE TABLE IF NOT EXISTS x (",
            "ALTER TABLE x ADD IF NOT EXISTS y text",
            "ALTER TABLE x WITH gc_grace_seconds = 1",
        ] {
            assert_eq!(Effect::of(unnoticed), Effect::Unnoticed, "{unnoticed}");
        }
        for breaks in [
            "DROP TABLE x",
            "ALTER TABLE x DROP y",
            "ALTER TABLE x RENAME y TO z",
        ] {
            assert_eq!(Effect::of(breaks), Effect::Breaks, "{breaks}");
        }
    }

    #[test]
    fn every_file_so_far_can_be_applied_while_serving() {
        assert!(Migration::from(0).can_be_done_while_serving());
    }
}
