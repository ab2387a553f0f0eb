//! Which settings differ between two loads.

use std::collections::{BTreeMap, BTreeSet};

use crate::layer::{Entry, Loaded, Placed};

/// The settings that have another value in `new`, by their dotted names; those of a listener as
/// `listener.NAME.KEY`, and `listener.NAME` for one that is there in only one of them.
pub fn changes(old: &Loaded, new: &Loaded) -> Vec<String> {
    let mut names = differing("", &old.layer.values, &new.layer.values);
    let (before, after) = (named(&old.layer.listeners), named(&new.layer.listeners));
    let all: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for name in all {
        let prefix = format!("listener.{name}");
        match (before.get(name), after.get(name)) {
            (Some(before), Some(after)) => {
                names.extend(differing(&format!("{prefix}."), &before.keys, &after.keys));
            }
            _ => names.push(prefix),
        }
    }
    names
}

type Keys = BTreeMap<String, Placed>;

fn differing(prefix: &str, old: &Keys, new: &Keys) -> Vec<String> {
    let all: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let raw = |keys: &Keys, key: &str| keys.get(key).map(|placed| placed.raw.clone());
    all.into_iter()
        .filter(|key| raw(old, key) != raw(new, key))
        .map(|key| format!("{prefix}{key}"))
        .collect()
}

fn named(listeners: &[Entry]) -> BTreeMap<String, &Entry> {
    let name = |entry: &Entry| {
        let placed = entry.keys.get("name")?;
        placed.raw.text().map(str::to_owned)
    };
    listeners
        .iter()
        .filter_map(|entry| Some((name(entry)?, entry)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::load;

    fn changed(old: &str, new: &str) -> Vec<String> {
        let loaded = |text| load(Some(("cassmail.toml", text)), []).unwrap();
        changes(&loaded(old), &loaded(new))
    }

    const MX: &str = "[[listener]]\nname = \"mx\"\nrole = \"mx\"\naddresses = [\"[::1]:25\"]\n";

    #[test]
    fn what_has_another_value_is_named_wherever_it_stands() {
        assert!(changed("", "").is_empty());
        assert!(
            changed("", "[smtp]\nmax_errors = 20\n").is_empty(),
            "the default, written down"
        );
        let new = "hostname = \"mx.example\"\n[smtp]\nmax_errors = 5\n[pop3]\nmax_errors = 6\n";
        assert_eq!(
            changed("", new),
            ["hostname", "pop3.max_errors", "smtp.max_errors"]
        );
    }

    #[test]
    fn listeners_are_compared_by_their_names() {
        assert!(changed(MX, MX).is_empty());
        let narrow = format!("{MX}max_connections = 7\n");
        assert_eq!(changed(MX, &narrow), ["listener.mx.max_connections"]);
        let two =
            format!("{}{MX}", MX.replace("\"mx\"\nrole", "\"in\"\nrole")).replacen("25", "26", 1);
        assert_eq!(changed(MX, &two), ["listener.in"]);
        assert_eq!(changed(&two, MX), ["listener.in"]);
    }
}
