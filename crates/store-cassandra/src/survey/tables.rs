//! The tables as they are, against the tables as our schema makes them.

use std::collections::{BTreeMap, HashMap};

use super::{Cluster, Finding};
use crate::schema::{FILES, VERSION, statements};
use crate::statements::{Cql, asked};

/// Options of a table: single values and maps, all as texts.
#[derive(Debug, Clone, Default, PartialEq)]
struct Settings {
    single: BTreeMap<String, String>,
    maps: BTreeMap<String, BTreeMap<String, String>>,
}

impl Settings {
    /// Later ones replace earlier ones, option by option.
    fn take(&mut self, later: Self) {
        self.single.extend(later.single);
        self.maps.extend(later.maps);
    }
}

const GRACE: &str = "gc_grace_seconds";

pub(super) async fn findings(cluster: &Cluster<'_>) -> Vec<Finding> {
    let mut findings = vec![version(cluster).await];
    match there(cluster).await {
        // What lacks as a whole is said once, by the version.
        Ok(there) if there.is_empty() => {}
        Ok(there) => {
            let expected = expected();
            let count = expected.len();
            let wrong: Vec<_> = expected
                .iter()
                .flat_map(|(table, expected)| differences(table, expected, there.get(table)))
                .collect();
            if wrong.is_empty() {
                let found = format!("{count} tables have the options that we gave them");
                findings.push(Finding::well("options", found));
            }
            findings.extend(wrong);
        }
        Err(error) => findings.push(Cluster::unread("options", &error)),
    }
    findings
}

async fn version(cluster: &Cluster<'_>) -> Finding {
    let needed = FILES.len();
    let text = Cql::ReadMeta.text_in(&cluster.options.keyspace);
    let about = "schema of cassmail";
    let found = cluster.ask::<(Option<String>,)>(&text, &[VERSION]).await;
    let found = match found {
        Ok(rows) => rows.into_iter().find_map(|(version,)| version),
        Err(_) => None,
    };
    let version = found
        .as_deref()
        .and_then(|found| found.parse::<usize>().ok());
    match version {
        Some(version) if version == needed => Finding::well(about, format!("version {version}")),
        Some(version) if version < needed => Finding::broken(
            about,
            format!("version {version}, this cassmail needs {needed}"),
            "cassmail store migrate",
        ),
        Some(version) => Finding::broken(
            about,
            format!("version {version}, this cassmail knows {needed}"),
            "upgrade cassmail on this machine",
        ),
        None => Finding::broken(about, "no version", "cassmail store init"),
    }
}

type Row = (
    String,
    Option<i32>,
    Option<i32>,
    Option<HashMap<String, String>>,
    Option<HashMap<String, String>>,
);

async fn there(cluster: &Cluster<'_>) -> Result<BTreeMap<String, Settings>, String> {
    let rows = cluster
        .ask::<Row>(asked::TABLES, &[&cluster.options.keyspace])
        .await?;
    let settings = |(table, grace, life, compaction, compression): Row| {
        let number = |value: Option<i32>| value.unwrap_or_default().to_string();
        let map = |map: Option<HashMap<_, _>>| map.unwrap_or_default().into_iter().collect();
        let settings = Settings {
            single: BTreeMap::from([
                (GRACE.to_owned(), number(grace)),
                ("default_time_to_live".to_owned(), number(life)),
            ]),
            maps: BTreeMap::from([
                ("compaction".to_owned(), map(compaction)),
                ("compression".to_owned(), map(compression)),
            ]),
        };
        (table, settings)
    };
    Ok(rows.into_iter().map(settings).collect())
}

/// What our schema files say.
fn expected() -> BTreeMap<String, Settings> {
    const START: &str = "CREATE TABLE IF NOT EXISTS ";
    let mut expected = BTreeMap::new();
    for statement in FILES.iter().flat_map(|file| statements(file.text)) {
        if let Some((table, options)) = changed(&statement) {
            let settings: &mut Settings = expected.entry(table.to_owned()).or_default();
            settings.take(parse(options));
            continue;
        }
        let Some(rest) = statement.strip_prefix(START) else {
            continue;
        };
        let table = rest.split([' ', '(']).next().unwrap_or_default();
        let options = rest
            .split_once(" WITH ")
            .or_else(|| rest.split_once("\n  WITH "));
        let options = options.map_or("", |(_, options)| options);
        expected.insert(table.to_owned(), parse(options));
    }
    expected
}

/// The table whose options a statement changes, and the options.
fn changed(statement: &str) -> Option<(&str, &str)> {
    statement.strip_prefix("ALTER TABLE ")?.split_once(" WITH ")
}

/// Options as CQL writes them: `a = 1 AND b = {'k': 'v'}`.
fn parse(options: &str) -> Settings {
    let mut settings = Settings::default();
    for option in options.split(" AND ") {
        let Some((name, value)) = option.split_once('=') else {
            continue;
        };
        let (name, value) = (name.trim().to_owned(), value.trim());
        match value
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
        {
            Some(pairs) => {
                let pairs = pairs.split(',').filter_map(|pair| pair.split_once(':'));
                let pairs = pairs.map(|(key, value)| (bare(key), bare(value)));
                settings.maps.insert(name, pairs.collect());
            }
            None => {
                settings.single.insert(name, value.to_owned());
            }
        }
    }
    settings
}

fn bare(text: &str) -> String {
    text.trim().trim_matches('\'').to_owned()
}

/// The name of a class without its package.
fn short(value: &str) -> &str {
    value.rsplit('.').next().unwrap_or(value)
}

fn differences(table: &str, expected: &Settings, there: Option<&Settings>) -> Vec<Finding> {
    let Some(there) = there else {
        let remedy = "cassmail store migrate, or store init";
        return vec![Finding::broken(table, "the table is not there", remedy)];
    };
    let mut findings = Vec::new();
    let nothing = String::new();
    for (name, expected) in &expected.single {
        // Not all options are asked for.
        let Some(found) = there.single.get(name) else {
            continue;
        };
        if found != expected {
            findings.push(single(table, name, found, expected));
        }
    }
    for (name, expected) in &expected.maps {
        let empty = BTreeMap::new();
        let map = there.maps.get(name).unwrap_or(&empty);
        for (key, expected) in expected {
            let found = map.get(key).unwrap_or(&nothing);
            if short(found) != short(expected) {
                let found = format!("{name} has {key} {:?}, ours is {expected:?}", short(found));
                findings.push(Finding::doubtful(table, found, remedy(table, name)));
            }
        }
    }
    findings
}

fn single(table: &str, name: &str, found: &str, expected: &str) -> Finding {
    let text = format!("{name} is {found}, ours is {expected}");
    let number = |text: &str| text.parse::<i64>().unwrap_or_default();
    if name == GRACE && number(found) < number(expected) {
        let remedy = format!("{}: removed mail could come back", remedy(table, name));
        Finding::broken(table, text, remedy)
    } else {
        Finding::doubtful(table, text, remedy(table, name))
    }
}

fn remedy(table: &str, option: &str) -> String {
    format!("ALTER TABLE {table} WITH {option} as in our schema, unless it was changed on purpose")
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn every_table_of_ours_has_options_that_are_compared() {
        let expected = expected();
        assert!(expected.len() >= 13, "{}", expected.len());
        for (table, settings) in &expected {
            assert!(settings.single.contains_key(GRACE), "{table}");
            assert!(settings.maps["compaction"].contains_key("class"), "{table}");
        }
        let mail = &expected["mbox"];
        assert_eq!(mail.single[GRACE], "864000");
        assert_eq!(mail.maps["compaction"]["scaling_parameters"], "L4");
        assert_eq!(mail.maps["compression"]["chunk_length_in_kb"], "4");
        assert_eq!(expected["spool"].single["default_time_to_live"], "604800");
        let directory = &expected["mbox_dir"];
        assert_eq!(directory.single[GRACE], "259200", "a later file changed it");
        assert!(directory.maps.contains_key("compaction"));
    }

    #[test]
    fn a_table_as_we_made_it_is_well_whatever_package_its_class_has() {
        let expected = expected();
        let mut there = expected["mbox"].clone();
        let class = "org.apache.cassandra.db.compaction.UnifiedCompactionStrategy";
        let compaction = there.maps.get_mut("compaction").unwrap();
        compaction.insert("class".to_owned(), class.to_owned());
        compaction.insert("more".to_owned(), "is no matter".to_owned());
        assert_eq!(differences("mbox", &expected["mbox"], Some(&there)), []);
    }

    #[test]
    fn what_differs_is_named_and_too_little_grace_breaks_a_promise() {
        let expected = expected();
        let state = |name: &str, value: &str| {
            let mut there = expected["mbox"].clone();
            there.single.insert(name.to_owned(), value.to_owned());
            let found = differences("mbox", &expected["mbox"], Some(&there));
            assert_eq!(found.len(), 1);
            found[0].state
        };
        assert_eq!(state(GRACE, "3600"), State::Broken);
        assert_eq!(state(GRACE, "1728000"), State::Doubtful);
        let mut there = expected["mbox"].clone();
        let compaction = there.maps.get_mut("compaction").unwrap();
        compaction.insert("scaling_parameters".to_owned(), "T4".to_owned());
        let found = differences("mbox", &expected["mbox"], Some(&there));
        assert!(found[0].found.contains("scaling_parameters"), "{found:?}");
        let missing = differences("mbox", &expected["mbox"], None);
        assert_eq!(missing[0].state, State::Broken);
    }
}
