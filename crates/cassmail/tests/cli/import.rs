//! `account import`, on each way to reach a store.

use std::fs;
use std::os::unix::net::UnixListener;

use crate::directory::{Way, on_each_way};
use crate::run::House;
use crate::serve::MEMORY;

on_each_way!(
    every_line_is_done_or_named
    a_file_without_mistakes_says_how_many_were_made
    a_file_that_cannot_be_read_changes_nothing
    accounts_come_from_standard_input_too
    more_lines_than_one_batch_keep_their_numbers
);

/// What another system has kept.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA";

fn every_line_is_done_or_named(way: Way) {
    let house = way.furnished();
    let file = house.path("accounts.csv");
    let hashed = format!("frank@here.example,{HASH}\r\n");
    let lines: [&[u8]; 14] = [
        b"\xef\xbb\xbfcarol@here.example,open sesame\r\n",
        b"# a comment\n",
        b"\n",
        b"no comma\n",
        b"bob@here.example,taken\n",
        b"CAROL@here.example,twice\n",
        b"x@far.example,x\n",
        b" dave@here.example ,a,b c\n",
        b"erin@here.example,\n",
        b"bad address@here.example,x\n",
        b"latin@here.example,\xe9\n",
        hashed.as_bytes(),
        b"grace@here.example,$1$old$hash\n",
        b"heidi@here.example,no line end",
    ];
    fs::write(&file, lines.concat()).unwrap();
    let ended = house.run(&["account", "import", file.to_str().unwrap()]);
    let path = file.display();
    assert_eq!(
        ended.error(1),
        format!("{path}: the lines named above made no account; mend them and import them again")
    );
    let said: Vec<_> = ended.stderr.lines().collect();
    for (number, reason) in [
        (4, "expected a line of the form: address,password"),
        (5, "bob@here.example is an account or an alias already"),
        (6, "the address came earlier in this import"),
        (7, "domain far.example is not served here"),
        (9, "a password has 1 to 1024 bytes"),
        (10, "address: \"bad address@here.example\": "),
        (11, "expected text in UTF-8"),
    ] {
        let start = format!("{path}:{number}: {reason}");
        let found = said.iter().filter(|line| line.starts_with(&start)).count();
        assert_eq!(found, 1, "{start}: {ended:?}");
    }
    assert!(
        said.contains(&"5 accounts made, 7 lines refused"),
        "{ended:?}"
    );
    assert_eq!(said.len(), 9, "{ended:?}");
    assert!(
        !ended.stderr.contains("taken"),
        "passwords are not repeated"
    );
    assert_eq!(
        house.run(&["account", "list"]).done(),
        "bob@here.example\ncarol@here.example\ndave@here.example\nfrank@here.example\n\
         grace@here.example\nheidi@here.example\n"
    );
}

fn a_file_without_mistakes_says_how_many_were_made(way: Way) {
    let house = way.furnished();
    let file = house.path("accounts.csv");
    fs::write(&file, "carol@here.example,x\ndave@here.example,y\n").unwrap();
    let words = ["account", "import", file.to_str().unwrap()];
    let ended = house.run(&words);
    assert_eq!(ended.done(), "");
    assert_eq!(ended.stderr, "2 accounts made, 0 lines refused\n");
    let again = house.run(&words);
    again.error(1);
    assert!(again.stderr.contains("0 accounts made, 2 lines refused"));
}

fn a_file_that_cannot_be_read_changes_nothing(way: Way) {
    let house = way.furnished();
    let ended = house.run(&["account", "import", "/nonexistent/accounts.csv"]);
    let expected = "failed to read /nonexistent/accounts.csv: No such file or directory";
    assert!(ended.error(1).starts_with(expected), "{ended:?}");
    let folder = house.folder.path().to_str().unwrap();
    let ended = house.run(&["account", "import", folder]);
    assert!(
        ended
            .error(1)
            .starts_with(&format!("failed to read {folder}: "))
    );
}

fn accounts_come_from_standard_input_too(way: Way) {
    let house = way.furnished();
    let ended = house.run_with(&["account", "import", "-"], "carol@here.example,x\nbad\n");
    ended.error(1);
    assert!(
        ended.stderr.contains("-:2: expected a line of the form"),
        "{ended:?}"
    );
    let listed = house.run(&["account", "list"]);
    assert_eq!(listed.done(), "bob@here.example\ncarol@here.example\n");
}

fn more_lines_than_one_batch_keep_their_numbers(way: Way) {
    let house = way.furnished();
    let line = |number| match number {
        600 | 1100 => "bob@here.example,taken\n".to_owned(),
        _ => format!("user{number}@here.example,{HASH}\n"),
    };
    let text = (1..=1200).map(line).collect::<Vec<_>>().concat();
    let ended = house.run_with(&["account", "import", "-"], &text);
    ended.error(1);
    for number in [600, 1100] {
        assert!(
            ended.stderr.contains(&format!("-:{number}: bob@")),
            "{ended:?}"
        );
    }
    assert!(ended.stderr.contains("1198 accounts made, 2 lines refused"));
    let listed = house.run(&["account", "list"]);
    assert_eq!(listed.done().lines().count(), 1199, "page after page");
}

#[test]
fn a_service_that_goes_away_leaves_no_doubt_about_the_lines() {
    let house = House::configured(MEMORY);
    fs::create_dir(house.path("data")).unwrap();
    let listener = UnixListener::bind(house.path("data/admin.sock")).unwrap();
    // The first connection asks whether somebody is there; the second one is the import.
    let gone = std::thread::spawn(move || {
        for _ in 0..2 {
            drop(listener.accept().unwrap());
        }
    });
    let ended = house.run_with(&["account", "import", "-"], "\nbob@here.example,x\n");
    gone.join().unwrap();
    assert!(
        ended.error(69).starts_with(
            "-: 0 accounts were made from the lines before 2; lines 2 to 2 may have been done, \
             later ones were not; import again, what is there stays as it is: "
        ),
        "{ended:?}"
    );
}
