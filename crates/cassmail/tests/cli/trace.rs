//! `message trace`: what became of a message, from its acceptance to its removal.

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::run::{House, talk};

/// A service that keeps what it is given, on ports that are free.
const EMBEDDED: &str = "hostname = \"mx.here.example\"\n[store.embedded]\n\
                        segment_size = \"1 MiB\"\nlow_water = \"2 MiB\"\n\
                        [pop3]\nclear_text_login = true\n\
                        [login]\nmemory = \"1 MiB\"\niterations = 1\n\
                        [[listener]]\nname = \"mx\"\nrole = \"mx\"\n\
                        addresses = [\"127.0.0.1:0\"]\n\
                        [[listener]]\nname = \"pop3\"\nrole = \"pop3\"\n\
                        addresses = [\"127.0.0.1:0\"]\n";

/// A service with bob, and sales, which is bob.
struct Post {
    house: House,
    mx: SocketAddr,
    pop3: SocketAddr,
}

impl Post {
    fn open(configuration: &str) -> Self {
        let mut house = House::running(configuration);
        let log = house.log_with("service.started");
        let address = |listener: &str| {
            let name = format!("listener=\"{listener}\"");
            let ready = log.lines().find(|line| line.contains(&name)).unwrap();
            let (_, address) = ready.split_once("server.address=").unwrap();
            address.split_whitespace().next().unwrap().parse().unwrap()
        };
        let (mx, pop3) = (address("mx"), address("pop3"));
        house.run(&["domain", "add", "here.example"]).done();
        let add = ["account", "add", "bob@here.example", "--password-stdin"];
        house.run_with(&add, "open sesame\n").done();
        let alias = ["alias", "add", "sales@here.example", "bob@here.example"];
        house.run(&alias).done();
        Self { house, mx, pop3 }
    }

    /// Sends a message to sales and to somebody who is not there; gives its id.
    fn send(&self) -> String {
        let lines = "EHLO client.example\r\nMAIL FROM:<ann@far.example>\r\n\
                     RCPT TO:<Sales@here.example>\r\nRCPT TO:<nobody@here.example>\r\nDATA\r\n\
                     Message-ID: <m1@far.example>\r\nSubject: secret\r\n\r\ntext\r\n.\r\nQUIT\r\n";
        let answers = talk(self.mx, lines);
        let (_, rest) = answers.split_once("stored as ").expect(&answers);
        rest.split_whitespace().next().unwrap().to_owned()
    }

    fn poll(&self, commands: &str) {
        let lines = format!("USER bob@here.example\r\nPASS open sesame\r\n{commands}QUIT\r\n");
        let answers = talk(self.pop3, &lines);
        assert!(!answers.contains("-ERR"), "{answers}");
    }

    /// What the command prints once this is in it: traces are written every second.
    fn trace_with(&self, words: &[&str], expected: &str) -> String {
        const TRIES: usize = 300;
        let mut command = vec!["message", "trace"];
        command.extend(words);
        for _ in 0..TRIES {
            let ended = self.house.run(&command);
            if ended.stdout.contains(expected) {
                return ended.stdout;
            }
            sleep(Duration::from_millis(100));
        }
        panic!("{expected} is not in {:?}", self.house.run(&command));
    }
}

/// The lines without their times, and without the ends that differ from run to run.
fn shown(printed: &str) -> Vec<String> {
    let line = |line: &str| {
        let is_time = line
            .get(..4)
            .is_some_and(|year| year.parse::<u32>().is_ok());
        let rest = if is_time {
            &line[25..]
        } else {
            line.trim_start()
        };
        let rest = rest.split(" session ").next().unwrap_or_default();
        rest.trim_end_matches(',').to_owned()
    };
    printed.lines().map(line).collect()
}

#[test]
fn a_message_is_followed_from_its_acceptance_to_its_removal() {
    let mut post = Post::open(EMBEDDED);
    let id = post.send();
    let printed = post.trace_with(&[&id], "accepted");
    assert!(printed.contains("now is in the maildrop of bob@here.example"));
    post.poll("RETR 1\r\n");
    post.trace_with(&[&id], "retrieved");
    post.poll("DELE 1\r\n");
    let printed = post.trace_with(&[&id], "removed");
    let at = "at mx.here.example";
    let lines = shown(&printed);
    assert_eq!(lines[0], format!("message {id}"));
    let refused = "refused   RCPT <nobody@here.example>: 550 5.1.1 ";
    assert!(lines[1].starts_with(refused), "{lines:?}");
    let by_rule = ["rule unknown-recipient", "from <ann@far.example>", at];
    assert_eq!(lines[2..5], by_rule);
    let accepted = "accepted  from <ann@far.example>, ";
    assert!(lines[5].starts_with(accepted), "{lines:?}");
    let named = [
        "Message-ID <m1@far.example>",
        "to <Sales@here.example> -> bob@here.example",
        at,
    ];
    assert_eq!(lines[6..9], named);
    let retrieved = "retrieved by bob@here.example, ";
    assert!(lines[9].starts_with(retrieved), "{lines:?}");
    let removed = "removed   by its owner, from the maildrop of bob@here.example";
    assert_eq!(lines[11], removed);
    let now = ["now is not in the maildrop of bob@here.example"];
    assert_eq!(lines[13..], now);
    assert!(!printed.contains("secret"), "no subject is ever shown");

    // Also when no service runs, and after it was started again.
    assert_eq!(post.house.stop().0, Some(0));
    let again = post.house.run(&["message", "trace", &id]);
    assert_eq!(again.done(), printed);
}

#[test]
fn a_refused_recipient_is_found_with_its_reason_by_whoever_asks() {
    let post = Post::open(EMBEDDED);
    let id = post.send();
    let printed = post.trace_with(&["nobody@here.example"], "refused");
    assert!(
        printed.contains("RCPT <nobody@here.example>: 550 5.1.1 "),
        "{printed}"
    );
    assert!(printed.contains("rule unknown-recipient"), "{printed}");
    for words in [
        &["sales@here.example"][..],
        &["bob@here.example"],
        &["ANN@far.example", "--from", "1h"],
        &["<m1@far.example>"],
        &["m1@far.example"],
        &["--source", "127.0.0.0/24", "--until", "2100-01-01"],
    ] {
        let printed = post.trace_with(words, "accepted");
        assert!(printed.contains(&format!("message {id}")), "{printed}");
    }
    let json = post.trace_with(&["bob@here.example", "--json"], "accepted");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["events"][0]["messages"][0], id);
    let nothing = post.house.run(&["message", "trace", "carol@here.example"]);
    assert_eq!(nothing.done(), "");
    assert!(
        nothing.stderr.contains("nothing is known of that"),
        "{nothing:?}"
    );
    for (words, code, expected) in [
        (&["whatever"][..], 2, "expected the id of a message"),
        (&[&id, "--source", "127.0.0.1"], 2, "is one message"),
        (
            &["a@b.example", "--from", "soon"],
            2,
            "--from: expected a day",
        ),
        (&["--source", "10.0.0.0/8"], 1, "at least 24 bits"),
        (
            &["00000000000000000000000000"],
            1,
            "nothing is known of the message",
        ),
    ] {
        let ended = post.house.run(&[&["message", "trace"], words].concat());
        assert!(ended.error(code).contains(expected), "{ended:?}");
    }
}

#[test]
fn where_the_trace_is_off_nothing_is_recorded_and_that_is_said() {
    let post = Post::open(&format!("{EMBEDDED}[trace]\nkeep_days = \"\"\n"));
    let id = post.send();
    post.poll("RETR 1\r\n");
    let ended = post.house.run(&["message", "trace", &id]);
    assert!(ended.error(1).contains("set trace.keep_days"), "{ended:?}");
    assert!(
        !post
            .house
            .path("data/trace")
            .join("0000000001.trc")
            .exists()
    );
}
