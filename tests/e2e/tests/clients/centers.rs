//! Two servers, each in a data center of its own, on one keyspace: what is done at one is told by
//! the other.

use std::time::Duration;

use cassmail_e2e::{Conversation, Deadline, Maildrop, Port, Server, Wire, ask, ask_with};

use crate::skip::in_two_centers;

const SECRET: &str = "secret";
const BOB: &str = "bob@here.example";

/// Between two questions: what is waited for takes seconds, and other tests run beside these.
const SELDOM: Duration = Duration::from_millis(500);

/// The servers in both data centers, and bob, who is made in the first one.
fn settled(more: &str) -> Option<(Server, Server)> {
    let (near, far) = in_two_centers(more)?;
    near.administer(&["domain", "add", "here.example"], "");
    near.administer(&["account", "import", "-"], &format!("{BOB},{SECRET}\n"));
    Some((near, far))
}

fn api(server: &Server) -> Wire {
    Wire::connect(server.port(Port::ApiInClear)).expect("somebody listens")
}

/// What the API answers to a GET with this token.
fn look(server: &Server, path: &str, token: &str) -> String {
    let answer = ask(api(server), &format!("GET {path}"), token);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    answer
}

fn tag(answer: &str) -> &str {
    let lines = answer.lines().take_while(|line| !line.is_empty());
    let mut tags = lines.filter_map(|line| line.strip_prefix("etag: "));
    tags.next().expect("an ETag")
}

/// Takes bob in or out of service if he is as the tag says; gives the status line.
fn put_state(server: &Server, token: &str, tag: &str, state: &str) -> String {
    let request = format!("PUT /v1/accounts/{BOB}/state");
    let body = format!("{{\"state\":\"{state}\"}}");
    let answer = ask_with(
        api(server),
        &request,
        token,
        &format!("If-Match: {tag}\r\n"),
        &body,
    );
    answer.lines().next().expect("a status line").to_owned()
}

/// Offers bob a small message; gives the last reply.
fn offer(server: &Server) -> String {
    let mut conversation = Conversation::open(server.port(Port::Mx)).expect("welcomes");
    let message = b"Message-ID: <1@far.example>\r\nSubject: hello\r\n\r\nhello\r\n";
    match conversation.offer_to(BOB, message) {
        Ok(reply) => reply,
        Err(refused) => refused.to_string(),
    }
}

fn maildrop(server: &Server) -> Maildrop {
    let wire = Wire::connect(server.port(Port::Pop3)).expect("welcomes");
    Maildrop::over(wire, BOB, SECRET).expect("logs in")
}

/// What is known of a message, an address or a Message-ID; nothing, perhaps, as yet.
fn trace(server: &Server, what: &str) -> String {
    let ended = server.command(&["message", "trace", what], "");
    String::from_utf8_lossy(&ended.stdout).into_owned() + &ended.stderr
}

/// Asks until the answer is as wanted, for what other servers hear of in time.
#[track_caller]
fn in_time(server: &Server, question: impl Fn() -> String, is_wanted: impl Fn(&str) -> bool) {
    let deadline = Deadline::after(Duration::from_mins(2));
    loop {
        let answer = question();
        if is_wanted(&answer) {
            return;
        }
        assert!(!deadline.passed(), "{answer}");
        server.pause(SELDOM);
    }
}

#[test]
fn what_an_administrator_does_in_one_data_center_counts_in_the_other() {
    let Some((near, far)) = settled("") else {
        return;
    };
    let token = near.answer(&["token", "add", "test"], "");
    let token = token.trim_end();
    let path = format!("/v1/accounts/{BOB}");
    let before = look(&near, &path, token);
    assert_eq!(tag(&look(&far, &path, token)), tag(&before));
    let done = put_state(&far, token, tag(&before), "disabled");
    assert!(done.starts_with("HTTP/1.1 204 "), "{done}");
    // It was changed meanwhile, elsewhere.
    let refused = put_state(&near, token, tag(&before), "disabled");
    assert!(refused.starts_with("HTTP/1.1 412 "), "{refused}");
    let after = look(&near, &path, token);
    assert!(after.contains("\"state\":\"disabled\""), "{after}");
    let done = put_state(&near, token, tag(&after), "enabled");
    assert!(done.starts_with("HTTP/1.1 204 "), "{done}");
    for server in [&near, &far] {
        let log = server.answer(&["audit", "--resource", BOB], "");
        let changes = log.lines().filter(|line| line.contains("/state\t204"));
        assert_eq!(changes.count(), 2, "{log}");
        let nodes = || server.answer(&["node", "list"], "");
        let two = |nodes: &str| nodes.contains("\tdc1\t") && nodes.contains("\tdc2\t");
        in_time(server, nodes, two);
    }
}

#[test]
fn a_message_is_traced_in_each_data_center_whatever_happened_where() {
    let Some((near, far)) = settled("") else {
        return;
    };
    let reply = offer(&near);
    assert!(reply.starts_with("250 "), "{reply}");
    let mut conversation = Conversation::open(far.port(Port::Mx)).expect("welcomes");
    let refused = conversation.offer_to("bib@here.example", b"\r\n");
    assert!(refused.is_err(), "nobody has this name");
    let mut reader = maildrop(&far);
    assert_eq!(reader.retrieve_all().expect("fetches").len(), 1);
    reader.empty().expect("removes");
    let id = reply.trim_end().rsplit(' ').next().expect("an id");
    // It is written behind the replies, once a second.
    let story = |answer: &str| {
        let told = ["accepted  from", "retrieved by bob@", "removed   by its"];
        let at = told.map(|words| answer.find(words));
        at.iter().all(Option::is_some)
            && at.is_sorted()
            && answer.contains("now is not in the maildrop of bob@here.example")
    };
    for server in [&near, &far] {
        in_time(server, || trace(server, id), story);
        // By these it is found where it was accepted, with its id.
        for known in ["<1@far.example>", BOB] {
            let found = trace(server, known);
            assert!(found.contains("accepted  from"), "{found}");
            assert!(found.contains(id), "{found}");
        }
        let refusal = || trace(server, "bib@here.example");
        in_time(server, refusal, |answer| answer.contains("550 5.1.1"));
    }
}

#[test]
fn a_mailbox_that_was_filled_in_one_data_center_is_full_in_the_other_and_has_room_again() {
    const LIMIT: usize = 4;
    let Some((near, far)) = settled("[quota]\nmessages = 4\n") else {
        return;
    };
    let is_full = |reply: &str| reply.starts_with("452 4.2.2 ");
    let fill = || {
        for _ in 0..LIMIT {
            let reply = offer(&near);
            assert!(reply.starts_with("250 "), "{reply}");
        }
        assert!(is_full(&offer(&near)), "as it knows itself");
    };
    fill();
    in_time(&far, || offer(&far), is_full);
    let shown = far.answer(&["account", "quota", "show", BOB], "");
    let count = shown.lines().find(|line| line.starts_with("messages"));
    let count = count.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok());
    // A twentieth of the limit too much for each server, at least one message.
    let most = LIMIT + 2;
    assert!(
        count.is_some_and(|count| (LIMIT..=most).contains(&count)),
        "{shown}"
    );
    maildrop(&far).empty().expect("removes");
    in_time(&near, || offer(&near), |reply| reply.starts_with("250 "));
}
