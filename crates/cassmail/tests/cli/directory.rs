//! `domain`, `account`, `alias`, on each way to reach a store.

use crate::run::House;
use crate::serve::MEMORY;

/// How the commands reach a store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    /// Of which kind it is.
    pub(crate) kind: &'static str,
    /// Whether a service runs over it; else each command opens it.
    pub(crate) is_served: bool,
}

/// A running service with its store in memory.
pub(crate) const IN_MEMORY: Way = Way {
    kind: "memory",
    is_served: true,
};

/// A running service with its store in a folder.
pub(crate) const SERVED: Way = Way {
    kind: "embedded",
    is_served: true,
};

/// No service: each command opens the folder itself.
pub(crate) const ALONE: Way = Way {
    kind: "embedded",
    is_served: false,
};

impl Way {
    /// A house without anything in it.
    pub(crate) fn empty(self) -> House {
        let text = MEMORY.replace("\"memory\"", &format!("{:?}", self.kind));
        if self.is_served {
            House::running(&text)
        } else {
            House::configured(&text)
        }
    }

    /// A house with `here.example` and bob.
    pub(crate) fn furnished(self) -> House {
        let house = self.empty();
        house.run(&["domain", "add", "here.example"]).done();
        add(&house, "bob@here.example");
        house
    }
}

/// Makes an account.
pub(crate) fn add(house: &House, address: &str) {
    let words = ["account", "add", address, "--password-stdin"];
    assert_eq!(house.run_with(&words, "open sesame\n").done(), "");
}

/// Runs every test of a list on each way.
macro_rules! on_each_way {
    ($($test:ident)*) => {
        mod in_memory {
            $(#[test]
            fn $test() {
                super::$test(crate::directory::IN_MEMORY);
            })*
        }
        mod served {
            $(#[test]
            fn $test() {
                super::$test(crate::directory::SERVED);
            })*
        }
        mod alone {
            $(#[test]
            fn $test() {
                super::$test(crate::directory::ALONE);
            })*
        }
    };
}
pub(crate) use on_each_way;

on_each_way!(
    a_domain_is_added_listed_and_removed
    a_domain_that_cannot_be_added_or_removed_says_why
    an_account_lives_from_its_making_to_its_removal
    an_account_that_cannot_be_made_says_why
    what_is_asked_of_an_account_that_is_not_there_is_refused
    a_password_comes_from_standard_input_alone
    an_application_password_is_shown_once_listed_and_removed
    an_alias_leads_to_others_and_is_removed
    a_catch_all_is_an_alias_of_a_domain
    every_list_can_be_had_as_json
    an_alias_that_cannot_be_made_says_why
);

fn a_domain_is_added_listed_and_removed(way: Way) {
    let house = way.empty();
    let add = [
        "domain",
        "add",
        "Here.EXAMPLE",
        "--postmaster",
        "Bob@here.example",
    ];
    assert_eq!(house.run(&add).done(), "");
    house.run(&["domain", "add", "also.example"]).done();
    assert_eq!(
        house.run(&["domain", "list"]).done(),
        "also.example\nhere.example\tpostmaster bob@here.example\n"
    );
    let change = [
        "domain",
        "add",
        "also.example",
        "--postmaster",
        "bob@here.example",
    ];
    house.run(&change).done();
    house.run(&["domain", "remove", "HERE.example"]).done();
    assert_eq!(
        house.run(&["domain", "list"]).done(),
        "also.example\tpostmaster bob@here.example\n"
    );
}

fn an_application_password_is_shown_once_listed_and_removed(way: Way) {
    let house = way.furnished();
    let run = |words: &[&str]| {
        let words = [&["account", "app-password"], words].concat();
        house.run(&words).done().to_owned()
    };
    let made = run(&["add", "bob@here.example", "his phone"]);
    assert_eq!(made.trim_end().split('-').count(), 6, "{made}");
    run(&["add", "BOB@here.example", "printer", "--for", "submission"]);
    let listed = run(&["list", "bob@here.example"]);
    let lines: Vec<_> = listed.lines().collect();
    assert!(
        lines[0].starts_with("his phone\tpop3 submission\t2"),
        "{listed}"
    );
    assert!(lines[1].starts_with("printer\tsubmission\t2"), "{listed}");
    assert!(lines.len() == 2 && !listed.contains(made.trim_end()));
    assert_eq!(run(&["remove", "bob@here.example", "his phone"]), "");
    assert_eq!(run(&["list", "bob@here.example"]).lines().count(), 1);
    for (words, said) in [
        (
            ["remove", "bob@here.example", "his phone"],
            "bob@here.example has no application password \"his phone\"; list them with: cassmail \
             account app-password list bob@here.example",
        ),
        (
            ["add", "bob@here.example", "printer"],
            "bob@here.example has an application password \"printer\" already; nothing was changed",
        ),
        (
            ["add", "eve@here.example", "printer"],
            "there is no account eve@here.example; list them with: cassmail account list",
        ),
    ] {
        let words = [&["account", "app-password"][..], &words].concat();
        assert_eq!(house.run(&words).error(1), said);
    }
}

fn a_domain_that_cannot_be_added_or_removed_says_why(way: Way) {
    let house = way.furnished();
    for (words, said) in [
        (
            ["domain", "add", "here.example"],
            "domain here.example is served already; nothing was changed",
        ),
        (
            ["domain", "add", "a..b"],
            "name: \"a..b\": a domain needs at least one character between dots",
        ),
        (
            ["domain", "remove", "here.example"],
            "domain here.example still has accounts or aliases, such as bob@here.example; remove \
             those first",
        ),
        (
            ["domain", "remove", "far.example"],
            "domain far.example is not served here; add it with: cassmail domain add far.example",
        ),
    ] {
        assert_eq!(house.run(&words).error(1), said);
    }
    let words = ["domain", "add", "new.example", "--postmaster", "nobody"];
    assert!(
        house
            .run(&words)
            .error(1)
            .starts_with("postmaster: \"nobody\": ")
    );
    assert_eq!(house.run(&["domain", "list"]).done(), "here.example\n");
}

fn an_account_lives_from_its_making_to_its_removal(way: Way) {
    let house = way.furnished();
    house.run(&["domain", "add", "also.example"]).done();
    add(&house, "Carol@HERE.example");
    add(&house, "\"d e\"@also.example");
    let list = |words: &[&str]| {
        let words = [&["account", "list"], words].concat();
        house.run(&words).done().to_owned()
    };
    let all = "\"d e\"@also.example\nbob@here.example\ncarol@here.example\n";
    assert_eq!(list(&[]), all);
    assert_eq!(
        list(&["--domain", "ALSO.example"]),
        "\"d e\"@also.example\n"
    );
    house
        .run(&["account", "disable", "BOB@here.example"])
        .done();
    let here = ["--domain", "here.example"];
    assert_eq!(
        list(&here),
        "bob@here.example\tdisabled\ncarol@here.example\n"
    );
    house.run(&["account", "enable", "bob@here.example"]).done();
    house
        .run(&["account", "remove", "carol@here.example"])
        .done();
    assert_eq!(list(&here), "bob@here.example\n");
    add(&house, "carol@here.example");
    assert_eq!(list(&here), "bob@here.example\ncarol@here.example\n");
}

fn an_account_that_cannot_be_made_says_why(way: Way) {
    let house = way.furnished();
    for (address, password, said) in [
        (
            "BOB@here.example",
            "x\n",
            "bob@here.example is an account or an alias already; nothing was changed",
        ),
        (
            "x@far.example",
            "x\n",
            "domain far.example is not served here; add it with: cassmail domain add far.example",
        ),
        (
            "x@here.example",
            "\n",
            "a password has 1 to 1024 bytes and no NUL, carriage return or line feed",
        ),
        (
            "x@here.example",
            "",
            "a password has 1 to 1024 bytes and no NUL, carriage return or line feed",
        ),
    ] {
        let words = ["account", "add", address, "--password-stdin"];
        assert_eq!(house.run_with(&words, password).error(1), said);
    }
    let words = ["account", "add", "nobody", "--password-stdin"];
    let ended = house.run_with(&words, "x\n");
    assert!(
        ended.error(1).starts_with("address: \"nobody\": "),
        "{ended:?}"
    );
    assert_eq!(house.run(&["account", "list"]).done(), "bob@here.example\n");
}

fn what_is_asked_of_an_account_that_is_not_there_is_refused(way: Way) {
    let house = way.furnished();
    let said = "there is no account x@here.example; list them with: cassmail account list";
    for verb in ["disable", "enable", "remove"] {
        let ended = house.run(&["account", verb, "x@here.example"]);
        assert_eq!(ended.error(1), said);
    }
    let words = ["account", "passwd", "x@here.example", "--password-stdin"];
    assert_eq!(house.run_with(&words, "x\n").error(1), said);
    let ended = house.run(&["account", "list", "--domain", "far.example"]);
    assert!(
        ended
            .error(1)
            .starts_with("domain far.example is not served here")
    );
}

fn a_password_comes_from_standard_input_alone(way: Way) {
    let house = way.furnished();
    for verb in ["add", "passwd"] {
        let ended = house.run_with(&["account", verb, "bob@here.example"], "x\n");
        assert_eq!(
            ended.error(2),
            "standard input is no terminal to ask for a password; give it with --password-stdin"
        );
    }
    let words = ["account", "passwd", "bob@here.example", "--password-stdin"];
    house.run_with(&words, "without a line end").done();
    house.run_with(&words, "  spaces count  \r\n").done();
}

fn an_alias_leads_to_others_and_is_removed(way: Way) {
    let house = way.furnished();
    add(&house, "carol@here.example");
    let words = [
        "alias",
        "add",
        "Team@here.example",
        "bob@here.example",
        "carol@here.example",
    ];
    assert_eq!(house.run(&words).done(), "");
    house
        .run(&["alias", "add", "all@here.example", "team@here.example"])
        .done();
    assert_eq!(
        house.run(&["alias", "list"]).done(),
        "all@here.example\tteam@here.example\n\
         team@here.example\tbob@here.example carol@here.example\n"
    );
    house.run(&["alias", "remove", "TEAM@here.example"]).done();
    let listed = house.run(&["alias", "list", "--domain", "here.example"]);
    assert_eq!(listed.done(), "all@here.example\tteam@here.example\n");
    let ended = house.run(&["alias", "remove", "team@here.example"]);
    assert_eq!(
        ended.error(1),
        "there is no alias team@here.example; list them with: cassmail alias list"
    );
}

fn every_list_can_be_had_as_json(way: Way) {
    let house = way.furnished();
    house
        .run(&["alias", "add", "@here.example", "bob@here.example"])
        .done();
    house
        .run(&["alias", "add", "all@here.example", "bob@here.example"])
        .done();
    house
        .run(&[
            "account",
            "app-password",
            "add",
            "bob@here.example",
            "phone",
        ])
        .done();
    let list = |words: &[&str]| -> serde_json::Value {
        let words = [words, &["--json"]].concat();
        serde_json::from_str(house.run(&words).done()).expect("it is JSON")
    };
    assert_eq!(list(&["domain", "list"])[0]["name"], "here.example");
    let accounts = list(&["account", "list"]);
    assert_eq!(accounts[0]["address"], "bob@here.example");
    assert_eq!(accounts[0]["state"], "enabled");
    assert_eq!(
        list(&["alias", "list"]),
        serde_json::json!([
            { "address": "@here.example", "targets": ["bob@here.example"] },
            { "address": "all@here.example", "targets": ["bob@here.example"] },
        ])
    );
    let phone = list(&["account", "app-password", "list", "bob@here.example"]);
    assert_eq!(phone[0]["name"], "phone");
    assert_eq!(
        list(&["alias", "list", "--domain", "here.example"])[1],
        list(&["alias", "list"])[1]
    );
}

fn a_catch_all_is_an_alias_of_a_domain(way: Way) {
    let house = way.furnished();
    house
        .run(&["alias", "add", "@here.example", "bob@here.example"])
        .done();
    let listed = "@here.example\tbob@here.example\n";
    assert_eq!(house.run(&["alias", "list"]).done(), listed);
    let of_domain = house.run(&["alias", "list", "--domain", "HERE.example"]);
    assert_eq!(of_domain.done(), listed);
    assert_eq!(
        house.run(&["domain", "list"]).done(),
        "here.example\tcatch-all bob@here.example\n"
    );
    let two = [
        "alias",
        "add",
        "@here.example",
        "bob@here.example",
        "x@here.example",
    ];
    assert_eq!(house.run(&two).error(2), "a catch-all leads to one address");
    house.run(&["alias", "remove", "@here.example"]).done();
    assert_eq!(house.run(&["alias", "list"]).done(), "");
    let ended = house.run(&["alias", "add", "@far.example", "bob@here.example"]);
    assert!(
        ended
            .error(1)
            .starts_with("domain far.example is not served here")
    );
}

fn an_alias_that_cannot_be_made_says_why(way: Way) {
    let house = way.furnished();
    for (address, target, said) in [
        (
            "bob@here.example",
            "x@here.example",
            "bob@here.example is an account or an alias already; nothing was changed",
        ),
        (
            "out@here.example",
            "x@far.example",
            "x@far.example is not in a domain that is served here; mail cannot be sent to other \
             servers yet",
        ),
        (
            "me@here.example",
            "ME@here.example",
            "me@here.example would lead to itself",
        ),
    ] {
        assert_eq!(house.run(&["alias", "add", address, target]).error(1), said);
    }
    assert_eq!(house.run(&["alias", "list"]).done(), "");
}
