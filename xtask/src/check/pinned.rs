//! Names of tests in documents: what a document promises is pinned by tests that are there.

use std::fs;

use crate::command::root;

/// What stands between backticks, in order.
pub(super) fn in_backticks(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Why a name is not that of a test. `smtp/x` and `pop3/x` are short for their transcripts.
pub(super) fn test_fault(name: &str) -> Option<String> {
    let (path, function) = name.split_once("::").unwrap_or((name, ""));
    let is_short = path.starts_with("smtp/") || path.starts_with("pop3/");
    let path = if is_short {
        format!("tests/transcripts/{path}.txt")
    } else {
        path.to_owned()
    };
    let Ok(text) = fs::read_to_string(root().join(&path)) else {
        return Some(format!("{path} is not there"));
    };
    let is_test = match function {
        "" => path.starts_with("tests/transcripts/"),
        function => has_test(&text, function),
    };
    (!is_test).then(|| format!("{name} is not a test"))
}

/// Whether a source has a test of this name: the attribute, then perhaps others, then the function.
fn has_test(source: &str, function: &str) -> bool {
    let mut is_marked = false;
    for line in source.lines().map(str::trim_start) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_marked = true;
        } else if line.contains("fn ") {
            let named = line.split("fn ").nth(1).unwrap_or_default();
            if is_marked && named.starts_with(&format!("{function}(")) {
                return true;
            }
            is_marked = false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_marked_is_a_test() {
        let source = "#[test]\n#[ignore]\nfn kept() {\n}\nfn helper() {}\n";
        assert!(has_test(source, "kept"));
        assert!(!has_test(source, "helper"));
        assert!(!has_test(source, "kep"));
    }
}
