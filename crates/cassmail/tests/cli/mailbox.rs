//! `account quota`, `domain quota`, `mailbox`: what somebody may have, and has.

use std::net::SocketAddr;

use crate::directory::{Way, on_each_way};
use crate::run::{House, talk};

on_each_way!(
    a_quota_is_set_and_shown
    a_quota_that_is_none_is_refused
    what_is_not_there_is_said
);

fn a_quota_is_set_and_shown(way: Way) {
    let house = way.furnished();
    let show = ["account", "quota", "show", "bob@here.example"];
    assert_eq!(
        house.run(&show).done(),
        "messages    0, no limit\nsize        0 octets, no limit\nwhere from  the configuration\n"
    );
    let set = [
        "domain",
        "quota",
        "set",
        "here.example",
        "--size",
        "2 GiB",
        "--messages",
        "1000",
    ];
    assert_eq!(house.run(&set).done(), "");
    assert_eq!(
        house
            .run(&["domain", "quota", "show", "here.example"])
            .done(),
        "messages    1000\nsize        2 GiB\n"
    );
    assert_eq!(
        house.run(&["domain", "list"]).done(),
        "here.example\tquota-messages 1000\tquota-size 2 GiB\n"
    );
    let set = [
        "account",
        "quota",
        "set",
        "bob@here.example",
        "--messages",
        "none",
    ];
    assert_eq!(house.run(&set).done(), "");
    assert_eq!(
        house.run(&show).done(),
        "messages    0, no limit\nsize        0 octets of 2 GiB [--------------------] 0 %\n\
         where from  the account and its domain\n"
    );
    let json = house.run(&[&show[..], &["--json"]].concat());
    let shown: serde_json::Value = serde_json::from_str(json.done()).unwrap();
    assert_eq!(
        shown["limits"],
        serde_json::json!({ "octets": 2_u64 << 30 })
    );
    assert_eq!(
        house.run(&["account", "list"]).done(),
        "bob@here.example\t0 octets of 2 GiB\n"
    );
}

fn a_quota_that_is_none_is_refused(way: Way) {
    let house = way.furnished();
    let set = ["account", "quota", "set", "bob@here.example"];
    let with = |more: &[&str]| house.run(&[&set[..], more].concat());
    assert_eq!(
        with(&["--messages", "few"]).error(1),
        "messages: expected a number over 0, none or default, got \"few\""
    );
    assert_eq!(
        with(&["--size", "big MiB"]).error(2),
        "--size: expected a size such as 2GiB, got big MiB"
    );
    assert_eq!(with(&[]).code, Some(2));
}

fn what_is_not_there_is_said(way: Way) {
    let house = way.furnished();
    let expected = "there is no account eve@here.example; list them with: cassmail account list";
    for words in [
        &["mailbox", "show", "eve@here.example"][..],
        &["mailbox", "list", "eve@here.example"],
        &["account", "quota", "show", "eve@here.example"],
    ] {
        assert_eq!(house.run(words).error(1), expected);
    }
    let id = "0".repeat(26);
    for words in [
        &["mailbox", "headers"][..],
        &["mailbox", "raw"],
        &["mailbox", "delete"],
    ] {
        let ended = house.run(&[words, &["bob@here.example", &id]].concat());
        let error = ended.error(1);
        assert!(
            error.starts_with("bob@here.example has no message "),
            "{error}"
        );
    }
    assert_eq!(
        house.run(&["mailbox", "show", "bob@here.example"]).done(),
        "messages    0, no limit\nsize        0 octets, no limit\n"
    );
    assert_eq!(
        house.run(&["mailbox", "list", "bob@here.example"]).done(),
        ""
    );
}

/// Where the service takes mail.
fn mx(house: &mut House) -> SocketAddr {
    let log = house.log_with("service.started");
    let ready = log.lines().find(|line| line.contains("listener=\"mx\""));
    let (_, address) = ready.unwrap().split_once("server.address=").unwrap();
    address.split_whitespace().next().unwrap().parse().unwrap()
}

fn deliver(address: SocketAddr, subject: &str) -> String {
    let lines = format!(
        "EHLO c\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<bob@here.example>\r\nDATA\r\n\
         Subject: {subject}\r\n\r\nIt works.\r\n.\r\nQUIT\r\n"
    );
    talk(address, &lines)
}

fn a_mailbox_is_listed_shown_and_emptied(way: Way) {
    let mut house = way.furnished();
    let address = mx(&mut house);
    house
        .run(&[
            "account",
            "quota",
            "set",
            "bob@here.example",
            "--messages",
            "3",
        ])
        .done();
    for subject in ["one", "two", "three"] {
        let answers = deliver(address, subject);
        assert!(answers.contains("\r\n250 2.0.0 stored as "), "{answers}");
    }
    let answers = deliver(address, "four");
    assert!(
        answers.contains("\r\n452 4.2.2 this mailbox is full"),
        "{answers}"
    );
    let show = house.run(&["mailbox", "show", "bob@here.example"]);
    let lines: Vec<_> = show.done().lines().collect();
    assert_eq!(lines[0], "messages    3 of 3 [####################] 100 %");
    assert_eq!(
        lines[2],
        "full: new mail is refused until something is removed"
    );
    assert!(lines[3].starts_with("oldest      20"), "{lines:?}");
    let list = ["mailbox", "list", "bob@here.example"];
    let listed = house.run(&list);
    let ids: Vec<_> = listed
        .done()
        .lines()
        .map(|line| line.split('\t').next().unwrap())
        .collect();
    assert_eq!(ids.len(), 3);
    let second = house.run(&[&list[..], &["--after", ids[0], "--limit", "1", "--json"]].concat());
    let line: serde_json::Value = serde_json::from_str(second.done()).unwrap();
    assert_eq!(line["id"], ids[1]);
    let headers = house.run(&["mailbox", "headers", "bob@here.example", ids[1]]);
    assert!(headers.done().ends_with("\nSubject: two\n"), "{headers:?}");
    let raw = house.run(&["mailbox", "raw", "bob@here.example", ids[1]]);
    assert!(
        raw.done()
            .ends_with("\r\nSubject: two\r\n\r\nIt works.\r\n"),
        "{raw:?}"
    );
    let octets = raw.done().len();
    assert_eq!(line["octets"], octets);
    house
        .run(&["mailbox", "delete", "bob@here.example", ids[0], ids[2]])
        .done();
    let listed = house.run(&list);
    assert!(listed.done().starts_with(ids[1]), "{listed:?}");
    assert_eq!(listed.done().lines().count(), 1);
    let answers = deliver(address, "five");
    assert!(answers.contains("\r\n250 2.0.0 stored as "), "{answers}");
    let accounts = house.run(&["account", "list"]);
    let expected = "bob@here.example\t2 of 3 messages\n";
    assert_eq!(accounts.done(), expected);
}

#[test]
fn a_mailbox_in_memory_is_listed_shown_and_emptied() {
    a_mailbox_is_listed_shown_and_emptied(crate::directory::IN_MEMORY);
}

#[test]
fn a_mailbox_in_a_folder_is_listed_shown_and_emptied() {
    a_mailbox_is_listed_shown_and_emptied(crate::directory::SERVED);
}

/// What the service knew when it ended is known when it begins again.
#[test]
fn figures_are_counted_anew_by_recount() {
    let mut house = crate::directory::SERVED.furnished();
    let address = mx(&mut house);
    house
        .run(&["domain", "quota", "set", "here.example", "--messages", "10"])
        .done();
    deliver(address, "one");
    assert_eq!(house.stop().0, Some(0));
    let accounts = house.run(&["account", "list"]);
    assert_eq!(accounts.done(), "bob@here.example\t1 of 10 messages\n");
    let recounted = house.run(&["store", "recount"]);
    assert_eq!(
        recounted.done(),
        "counted 1 accounts that have a quota: 0 figures mended, 0 mailboxes full\n"
    );
}
