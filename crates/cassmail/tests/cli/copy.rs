//! `copy`: between stores in folders, as it is typed.

use crate::directory::{ALONE, SERVED};
use crate::run::{House, run};

fn copy(house: &House, from: &str, to: &str) -> crate::run::Ended {
    let named = |name: &str| format!("embedded:{}", house.path(name).display());
    run(&["copy", "--from", &named(from), "--to", &named(to)])
}

fn accounts(house: &House, folder: &str) -> String {
    let folder = house.path(folder);
    let listed = run(&["account", "list", "--data", folder.to_str().unwrap()]);
    listed.done().to_owned()
}

#[test]
fn a_store_is_copied_into_another_folder_and_again() {
    let house = ALONE.furnished();
    let copied = copy(&house, "data", "copy");
    assert!(copied.done().ends_with("is the same\n"), "{copied:?}");
    assert_eq!(accounts(&house, "copy"), "bob@here.example\n");
    let again = copy(&house, "data", "copy");
    assert!(again.done().contains(" 0 messages written"), "{again:?}");
    copy(&house, "copy", "back").done();
    assert_eq!(accounts(&house, "back"), "bob@here.example\n");
}

#[test]
fn a_store_that_is_served_is_not_copied() {
    let house = SERVED.furnished();
    let source = copy(&house, "data", "copy");
    let error = source.error(69);
    let named = format!("embedded:{}", house.path("data").display());
    assert!(error.starts_with(&named), "{error}");
    let target = copy(&house, "copy", "data");
    target.error(69);
}

#[test]
fn a_source_that_is_not_there_is_not_made() {
    let house = ALONE.furnished();
    let nowhere = copy(&house, "nowhere", "copy");
    assert!(nowhere.error(69).contains("there is no store in"));
    assert!(!house.path("nowhere").exists());
    assert!(!house.path("copy").exists());
}

#[test]
fn stores_are_named_by_kind_and_place() {
    let house = ALONE.furnished();
    let same = copy(&house, "data", "data");
    assert_eq!(same.error(2), "--from and --to name the same store");
    let folder = house.path("data");
    let folder = folder.to_str().unwrap();
    let ended = run(&["copy", "--from", folder, "--to", "embedded:x"]);
    assert!(ended.error(2).contains("embedded:DIR"), "{ended:?}");
}

#[test]
fn what_is_for_cassandra_is_refused_for_another_store() {
    let house = ALONE.furnished();
    for words in [&["store", "check", "--connect"][..], &["store", "migrate"]] {
        let ended = house.run(words);
        let error = ended.error(2);
        assert!(error.contains("is for a store on Cassandra"), "{error}");
    }
}
