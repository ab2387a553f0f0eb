//! The struct, `default.toml` and the documentation name the same settings.

use cassmail_config::{DEFAULT, documentation, load};

/// A line of `default.toml` that sets something: its table, its key, whether a comment stands
/// above.
struct Line {
    table: &'static str,
    key: &'static str,
    has_comment: bool,
}

/// The settings of `default.toml`; of the listeners those of the first.
fn settings() -> Vec<Line> {
    let mut lines = Vec::new();
    let mut table = "";
    let mut has_comment = false;
    let mut listeners = 0;
    for line in DEFAULT.lines() {
        if line.starts_with('[') {
            table = line;
            listeners += usize::from(line == "[[listener]]");
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#'))
            && (listeners <= 1 || table != "[[listener]]")
        {
            lines.push(Line {
                table,
                key,
                has_comment,
            });
        }
        has_comment = line.starts_with("# ");
    }
    lines
}

/// Every setting that is read is in `default.toml`, else the defaults would not load; and every one
/// in `default.toml` is read, since a wrong value for it is an error about it.
#[test]
fn every_default_is_read() {
    assert!(load(None, []).is_ok());
    let all = settings();
    assert!(all.len() > 40, "the settings are not found");
    for Line { table, key, .. } in all {
        let file = format!("{table}\n{key} = 1979-05-27\n");
        let told = load(Some(("f", &file)), []).unwrap_err().to_string();
        let named = told
            .lines()
            .any(|line| line.contains(&format!("{key}: expected")) && line.ends_with("got a date"));
        assert!(named, "{table} {key}: {told}");
    }
}

#[test]
fn every_setting_has_a_comment() {
    for Line {
        table,
        key,
        has_comment,
    } in settings()
    {
        assert!(has_comment, "{table} {key} has no comment");
    }
}

#[test]
fn every_setting_is_documented_under_its_table() {
    let documentation = documentation();
    for Line { table, key, .. } in settings() {
        let heading = format!("## `{table}`\n");
        let section = documentation.split("\n## ").find_map(|section| {
            let section = format!("## {section}");
            (table.is_empty() || section.starts_with(&heading)).then_some(section)
        });
        let section = section.unwrap_or_else(|| panic!("{table} has no section"));
        let whole = if table.is_empty() {
            &documentation
        } else {
            &section
        };
        assert!(
            whole.contains(&format!("**`{key}`** (default `")),
            "{table} {key}"
        );
    }
}

/// What is shown is not masked, so no setting may hold a secret: only the name of its file.
#[test]
fn no_setting_holds_a_secret() {
    for Line { table, key, .. } in settings() {
        for word in ["password", "secret", "token"] {
            assert!(
                !key.contains(word) || key.ends_with("_file"),
                "{table} {key}"
            );
        }
    }
}
