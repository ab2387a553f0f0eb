//! `admin`, `token`, `audit`, `node`, `ban`, `session`, `certificate`, `completions`, `man`.

use crate::directory::{ALONE, IN_MEMORY, SERVED, Way};
use crate::run::run;

const PASSWORD: &str = "correct horse battery\n";

fn administrators(way: Way) {
    let house = way.furnished();
    let add = [
        "admin",
        "add",
        "Alice",
        "--domain",
        "here.example",
        "--password-stdin",
    ];
    assert_eq!(house.run_with(&add, PASSWORD).done(), "");
    let again = house.run_with(&add, PASSWORD);
    assert!(again.error(1).contains("alice already"), "{again:?}");
    let listed = house.run(&["admin", "list"]);
    assert_eq!(listed.done(), "alice\there.example\tall scopes\n");
    let set = [
        "admin",
        "set",
        "alice",
        "--scope",
        "accounts:read",
        "--scope",
        "audit:read",
    ];
    house.run(&set).done();
    let listed = house.run(&["admin", "list"]);
    assert_eq!(
        listed.done(),
        "alice\teverything\taccounts:read audit:read\n"
    );
    let password = ["admin", "password", "alice", "--password-stdin"];
    let short = house.run_with(&password, "short\n");
    assert!(short.error(1).contains("10 to 1024"), "{short:?}");
    assert_eq!(house.run_with(&password, PASSWORD).done(), "");
    let json = house.run(&["admin", "list", "--json"]);
    assert!(json.done().contains("\"name\": \"alice\""), "{json:?}");
    assert!(!json.stdout.contains("argon2"), "{json:?}");
    house.run(&["admin", "remove", "alice"]).done();
    assert_eq!(house.run(&["admin", "list"]).done(), "");
    house.run(&["admin", "remove", "alice"]).error(1);
}

#[test]
fn administrators_are_made_listed_changed_and_removed() {
    for way in [IN_MEMORY, SERVED, ALONE] {
        administrators(way);
    }
}

fn tokens(way: Way) {
    let house = way.furnished();
    let add = [
        "token",
        "add",
        "backup script",
        "--scope",
        "service:write",
        "--days",
        "30",
    ];
    let made = house.run(&add);
    let token = made.done().trim_end();
    assert!(
        token.starts_with("cassmail_") && token.len() > 80,
        "{token}"
    );
    let listed = house.run(&["token", "list"]);
    let fields: Vec<_> = listed.done().trim_end().split('\t').collect();
    let [id, end, owner, label, domains, scopes] = fields.as_slice() else {
        panic!("{listed:?}");
    };
    assert!(token.contains(id) && end.len() == 10, "{listed:?}");
    let rest = (*owner, *label, *domains, *scopes);
    assert_eq!(
        rest,
        ("owner", "backup script", "everything", "service:write")
    );
    house.run(&["token", "revoke", id]).done();
    assert_eq!(house.run(&["token", "list", "--json"]).done(), "[]\n");
    let never = house.run(&["token", "add", "x", "--days", "99999"]);
    assert!(never.error(1).contains("3650"), "{never:?}");
}

#[test]
fn tokens_are_shown_once_listed_and_revoked() {
    for way in [IN_MEMORY, SERVED, ALONE] {
        tokens(way);
    }
}

fn audited(way: Way) {
    let house = way.furnished();
    house
        .run(&["account", "disable", "bob@here.example"])
        .done();
    house.run(&["domain", "remove", "here.example"]).error(1);
    let log = house.run(&["audit", "--limit", "2"]);
    let lines: Vec<_> = log.done().lines().collect();
    let [refused, disabled] = lines.as_slice() else {
        panic!("{log:?}");
    };
    assert!(
        refused.contains("DELETE /v1/domains/here.example\t409\t"),
        "{log:?}"
    );
    let put = "PUT /v1/accounts/bob@here.example/state\t204";
    assert!(
        disabled.contains(put) && disabled.contains("\towner\t"),
        "{log:?}"
    );
    let found = house.run(&["audit", "--resource", "/state", "--json"]);
    assert!(
        found.done().contains("\"state\": \"disabled\""),
        "{found:?}"
    );
    assert_eq!(house.run(&["audit", "--until", "2001-01-01"]).done(), "");
    house.run(&["audit", "--since", "yesterday"]).error(2);
}

#[test]
fn what_commands_change_is_in_the_audit_log() {
    for way in [IN_MEMORY, SERVED, ALONE] {
        audited(way);
    }
}

#[test]
fn a_running_service_tells_how_it_is() {
    let house = SERVED.furnished();
    let status = house.run(&["store", "status"]);
    assert_eq!(status.done(), "store\tembedded\twell\n");
    house.run(&["node", "drain"]).done();
    let status = house.run(&["store", "status"]);
    assert_eq!(status.done(), "store\tembedded\twell\nnode\tdrained\n");
    house.run(&["node", "fill"]).done();
    let nodes = house.run(&["node", "list"]);
    assert!(nodes.done().ends_with("\talive\t-\tthis\n"), "{nodes:?}");
    for list in ["ban", "session", "certificate"] {
        assert_eq!(house.run(&[list, "list"]).done(), "", "{list}");
        assert_eq!(
            house.run(&[list, "list", "--json"]).done(),
            "[]\n",
            "{list}"
        );
    }
    house.run(&["ban", "lift", "192.0.2.1"]).error(1);
    assert_eq!(house.run(&["certificate", "reload"]).done(), "");
}

#[test]
fn without_a_service_nobody_is_slowed_and_nothing_is_loaded_anew() {
    let house = ALONE.furnished();
    for words in [
        &["ban", "list"][..],
        &["session", "list"],
        &["certificate", "reload"],
    ] {
        let refused = house.run(words);
        assert!(
            refused.error(69).contains("no service runs here"),
            "{refused:?}"
        );
    }
}

#[test]
fn completions_and_manual_pages_are_made_of_the_definitions() {
    for (shell, sign) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef"),
        ("fish", "complete -c"),
    ] {
        let script = run(&["completions", shell]);
        assert!(script.done().contains(sign), "{shell}");
        assert!(script.stdout.contains("app-password"), "{shell}");
    }
    run(&["completions", "cmd"]).error(2);
    let page = run(&["man"]);
    assert!(page.done().contains(".TH cassmail 1"), "{page:?}");
    let page = run(&["man", "token", "add"]);
    assert!(page.done().contains("cassmail\\-token\\-add"), "{page:?}");
    let none = run(&["man", "fly"]);
    assert!(none.error(2).contains("no command fly"), "{none:?}");
}

#[test]
fn scopes_are_told_without_a_store() {
    let scopes = run(&["admin", "scopes"]);
    assert!(
        scopes.done().contains("accounts:read\tLook at accounts"),
        "{scopes:?}"
    );
}
