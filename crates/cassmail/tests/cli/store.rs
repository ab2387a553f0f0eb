//! `store`: what an operator does with the whole of it.

use crate::directory::{ALONE, IN_MEMORY, SERVED};
use crate::run::run;

#[test]
fn a_store_is_checked_while_it_is_served_and_while_it_is_not() {
    for way in [SERVED, ALONE] {
        let house = way.furnished();
        let checked = house.run(&["store", "check"]);
        assert!(!checked.done().is_empty(), "{checked:?}");
    }
}

#[test]
fn a_backup_is_a_store_of_its_own() {
    for way in [SERVED, ALONE] {
        let house = way.furnished();
        let backup = house.path("backup");
        let backup = backup.to_str().unwrap();
        house.run(&["store", "backup", backup]).done();
        let listed = run(&["account", "list", "--data", backup]);
        assert_eq!(listed.done(), "bob@here.example\n");
        let again = house.run(&["store", "backup", backup]);
        let error = again.error(1);
        assert!(error.contains(backup), "{error}");
        house.run(&["store", "check"]).done();
    }
}

#[test]
fn a_store_in_memory_says_that_there_is_nothing_to_keep() {
    let house = IN_MEMORY.empty();
    let checked = house.run(&["store", "check"]);
    assert_eq!(
        checked.error(1),
        "a store in memory has nothing to be checked"
    );
    let folder = house.path("backup");
    let backup = house.run(&["store", "backup", folder.to_str().unwrap()]);
    assert_eq!(backup.error(1), "a store in memory cannot be backed up");
    assert!(!folder.exists());
}

#[test]
fn a_scrub_is_for_cassandra_and_says_what_is_for_others() {
    let embedded = ALONE.furnished().run(&["scrub"]);
    let error = embedded.error(1);
    assert!(error.contains("cassmail store check"), "{error}");
    let memory = IN_MEMORY.empty().run(&["scrub", "--dry-run"]);
    let error = memory.error(1);
    assert!(error.contains("in memory"), "{error}");
}

#[test]
fn a_scrub_of_a_cassandra_that_is_not_there_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cassmail.toml");
    let text = "[store]\nkind = \"cassandra\"\n[store.cassandra]\n\
                contact_points = [\"127.0.0.1:1\"]\nlocal_datacenter = \"dc1\"\n";
    std::fs::write(&file, text).unwrap();
    let ended = run(&["scrub", "--config", file.to_str().unwrap()]);
    let error = ended.error(69);
    assert!(error.contains("127.0.0.1:1"), "{error}");
    for words in [&["--rate", "0"][..], &["--resume", "--restart"]] {
        let mut arguments = vec!["scrub"];
        arguments.extend(words);
        assert_eq!(run(&arguments).code, Some(2), "{words:?}");
    }
}

#[test]
fn a_store_that_is_served_is_not_salvaged_below_the_service() {
    let house = SERVED.furnished();
    let ended = house.run(&["store", "salvage"]);
    ended.error(69);
    assert_eq!(house.run(&["account", "list"]).done(), "bob@here.example\n");
}

#[test]
fn only_a_domain_begins_a_store_without_a_service() {
    let house = ALONE.empty();
    let data = house.path("data");
    for words in [
        &["store", "check"][..],
        &["store", "backup", "elsewhere"],
        &["domain", "list"],
        &["account", "list"],
        &["alias", "list"],
    ] {
        let ended = house.run(words);
        let expected = format!("there is no store in {}; ", data.display());
        assert!(ended.error(69).starts_with(&expected), "{ended:?}");
        assert!(
            !data.exists(),
            "a store that was not meant would be well, and empty"
        );
    }
    house.run(&["domain", "add", "here.example"]).done();
    assert_eq!(house.run(&["domain", "list"]).done(), "here.example\n");
}
