//! How much somebody may have: who is refused, with what, and until when.

use std::sync::Arc;
use std::time::Duration;

use cassmail_mail::Address;
use cassmail_office::{Fullness, MaildropLock, QuotaChange, Receiver, Resolution};
use cassmail_store::{
    At, Bound, ErrorKind, Fault, Faulty, MemoryStore, Reason, Script, Store, Usage, Verb,
};

use crate::house::{House, PASSWORD, address};

const BOB: &str = "bob@here.example";
const CAROL: &str = "carol@here.example";
const MESSAGE: &str = "Subject: hello\r\n\r\nIt works.\r\n";

fn messages(most: u64) -> QuotaChange {
    QuotaChange {
        messages: Some(Some(Bound::from(most))),
        octets: None,
    }
}

fn octets(most: u64) -> QuotaChange {
    QuotaChange {
        messages: None,
        octets: Some(Some(Bound::from(most))),
    }
}

async fn limit(house: &House, who: &str, change: QuotaChange) {
    let who = address(who);
    house.administration.set_quota(&who, change).await.unwrap();
}

async fn receiver(house: &House, who: &str) -> Receiver {
    match house.directory.resolve(&address(who)).await.unwrap() {
        Resolution::Accounts(accounts) => accounts[0],
        other => panic!("{other:?}"),
    }
}

/// The replies to the recipients and to the message, as their first nine characters.
fn codes(answers: &str) -> Vec<&str> {
    let lines: Vec<_> = answers
        .lines()
        .map(|line| &line[..9.min(line.len())])
        .collect();
    let mail = lines.iter().position(|line| line.starts_with("250 2.1.0"));
    let ends = lines.iter().rposition(|line| line.starts_with("221"));
    let (mail, ends) = (mail.unwrap() + 1, ends.unwrap());
    let told = lines[mail..ends]
        .iter()
        .filter(|line| !line.starts_with("354"));
    told.copied().collect()
}

const TAKEN: [&str; 2] = ["250 2.1.5", "250 2.0.0"];

async fn count(house: &House, who: &str) -> usize {
    house.maildrop(who).await.len()
}

/// Takes all mail of somebody away by POP3.
async fn empty(house: &House, who: &str) {
    let local = who.split('@').next().unwrap();
    let mut input = format!("USER {local}\r\nPASS {PASSWORD}\r\n");
    for number in 1..=count(house, who).await {
        input += &["DELE ", &number.to_string(), "\r\n"].concat();
    }
    let answers = house.pop3((input + "QUIT\r\n").as_bytes()).await;
    assert!(!answers.contains("-ERR"), "{answers}");
}

/// RFC 3463 3.3: X.2.2.
#[tokio::test]
async fn a_full_mailbox_is_refused_for_now_and_others_get_the_message() {
    let house = House::build().await;
    limit(&house, BOB, messages(2)).await;
    for _ in 0..2 {
        assert_eq!(codes(&house.deliver(&[BOB], MESSAGE).await), TAKEN);
    }
    let answers = house.deliver(&[BOB, CAROL], MESSAGE).await;
    assert_eq!(codes(&answers), ["452 4.2.2", "250 2.1.5", "250 2.0.0"]);
    assert_eq!(
        (count(&house, BOB).await, count(&house, CAROL).await),
        (2, 1)
    );
    let text = house.metrics.encode();
    assert!(text.contains("cassmail_quota_refusals_total 1\n"), "{text}");
}

#[tokio::test]
async fn without_a_limit_nothing_is_asked_and_nothing_is_noted() {
    let script = Script::new();
    let store = Arc::new(Faulty::new(Arc::new(MemoryStore::new()), &script));
    let house = House::over(store, MaildropLock::Shared).await;
    assert_eq!(codes(&house.deliver(&[BOB], MESSAGE).await), TAKEN);
    empty(&house, BOB).await;
    house.quotas.flush().await;
    for verb in [Verb::Usage, Verb::PutBrought, Verb::PutCounted] {
        assert_eq!(script.operations_of(verb), 0, "{verb:?}");
    }
}

#[tokio::test]
async fn the_limit_is_the_accounts_else_its_domains() {
    let house = House::build().await;
    let domain = "here.example".parse().unwrap();
    let set = house.administration.set_quota_of(domain, messages(1));
    set.await.unwrap();
    let none = QuotaChange {
        messages: Some(Some(Bound::None)),
        octets: None,
    };
    limit(&house, CAROL, none).await;
    for _ in 0..3 {
        house.deliver(&[BOB, CAROL], MESSAGE).await;
    }
    assert_eq!(
        (count(&house, BOB).await, count(&house, CAROL).await),
        (1, 3)
    );
    let as_above = QuotaChange {
        messages: Some(None),
        octets: None,
    };
    limit(&house, CAROL, as_above).await;
    let answers = house.deliver(&[CAROL], MESSAGE).await;
    assert!(answers.contains("452 4.2.2 "), "{answers}");
}

#[tokio::test]
async fn a_declared_size_that_does_not_fit_is_refused_before_the_message_comes() {
    let house = House::build().await;
    limit(&house, BOB, octets(10_000)).await;
    let ask = async |size: u64| {
        let input = format!(
            "EHLO c.example\r\nMAIL FROM:<a@far.example> SIZE={size}\r\nRCPT TO:<{BOB}>\r\nQUIT\r\n"
        );
        let answers = house.mx(input.as_bytes()).await;
        codes(&answers)[0].to_owned()
    };
    assert_eq!(ask(10_000).await, "250 2.1.5");
    assert_eq!(ask(10_001).await, "552 5.2.3");
    house.deliver(&[BOB], MESSAGE).await;
    assert_eq!(ask(10_000).await, "452 4.2.2");
    assert_eq!(ask(9_000).await, "250 2.1.5");
}

#[tokio::test]
async fn a_message_that_turns_out_not_to_fit_is_refused_at_its_end() {
    let house = House::build().await;
    limit(&house, BOB, octets(2_000)).await;
    house.deliver(&[BOB], MESSAGE).await;
    let large = format!("Subject: large\r\n\r\n{}", "0123456789\r\n".repeat(130));
    let answers = house.deliver(&[BOB], &large).await;
    assert_eq!(codes(&answers), ["250 2.1.5", "452 4.2.2"]);
    let larger = format!("Subject: larger\r\n\r\n{}", "0123456789\r\n".repeat(200));
    let answers = house.deliver(&[BOB], &larger).await;
    assert_eq!(codes(&answers), ["250 2.1.5", "552 5.2.3"]);
    // Who has room gets it, and then it is for all: there is one answer for them.
    let answers = house.deliver(&[BOB, CAROL], &large).await;
    assert_eq!(codes(&answers), ["250 2.1.5", "250 2.1.5", "250 2.0.0"]);
    assert_eq!(
        (count(&house, BOB).await, count(&house, CAROL).await),
        (2, 1)
    );
    assert_eq!(codes(&house.deliver(&[BOB], MESSAGE).await)[0], "452 4.2.2");
}

/// RFC 2033 4.2.
#[tokio::test]
async fn over_lmtp_each_recipient_without_room_is_refused_alone() {
    let house = House::build().await;
    limit(&house, BOB, octets(1_000)).await;
    let mut talk = house.lmtp_talk();
    talk.say(b"").await;
    let open = format!(
        "LHLO r.example\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<{BOB}>\r\nRCPT TO:<{CAROL}>\r\n\
         DATA\r\n"
    );
    talk.say(open.as_bytes()).await;
    let text = format!("\r\n{}.\r\n", "0123456789\r\n".repeat(100));
    let answers = talk.say(text.as_bytes()).await;
    let told: Vec<_> = answers.lines().map(|line| &line[..9]).collect();
    assert_eq!(told, ["552 5.2.3", "250 2.0.0"], "{answers}");
    assert_eq!(
        (count(&house, BOB).await, count(&house, CAROL).await),
        (0, 1)
    );
}

#[tokio::test]
async fn an_alias_is_refused_only_when_all_of_its_accounts_are_full() {
    let house = House::build().await;
    let team: Address = address("team@here.example");
    let targets = vec![address(BOB), address(CAROL)];
    house
        .administration
        .add_alias(&team, targets)
        .await
        .unwrap();
    limit(&house, BOB, messages(1)).await;
    limit(&house, CAROL, messages(2)).await;
    for _ in 0..2 {
        let answers = house.deliver(&["team@here.example"], MESSAGE).await;
        assert_eq!(codes(&answers), TAKEN);
    }
    // The promise of 250 is the same for all of them.
    assert_eq!(
        (count(&house, BOB).await, count(&house, CAROL).await),
        (2, 2)
    );
    let answers = house.deliver(&["team@here.example"], MESSAGE).await;
    assert_eq!(codes(&answers)[0], "452 4.2.2");
}

#[tokio::test]
async fn what_its_owner_removes_makes_room_at_once() {
    let house = House::build().await;
    limit(&house, BOB, messages(2)).await;
    for _round in 0..3 {
        for expected in ["250 2.1.5", "250 2.1.5", "452 4.2.2"] {
            assert_eq!(codes(&house.deliver(&[BOB], MESSAGE).await)[0], expected);
        }
        empty(&house, BOB).await;
    }
}

#[tokio::test]
async fn what_is_removed_through_another_node_makes_room_within_half_a_minute() {
    let house = House::build().await;
    let other = House::beside(&house);
    limit(&house, BOB, messages(2)).await;
    for _ in 0..2 {
        house.deliver(&[BOB], MESSAGE).await;
    }
    assert_eq!(codes(&house.deliver(&[BOB], MESSAGE).await)[0], "452 4.2.2");
    empty(&other, BOB).await;
    other.quotas.flush().await;
    house.turn(Duration::from_secs(30));
    assert_eq!(codes(&house.deliver(&[BOB], MESSAGE).await), TAKEN);
}

/// A node that dies before it notes the removal: those that refuse count for themselves.
#[tokio::test]
async fn what_nobody_noted_makes_room_within_a_minute() {
    let house = House::build().await;
    let other = House::beside(&house);
    limit(&house, BOB, messages(2)).await;
    for _ in 0..2 {
        house.deliver(&[BOB], MESSAGE).await;
    }
    assert_eq!(codes(&house.deliver(&[BOB], MESSAGE).await)[0], "452 4.2.2");
    empty(&other, BOB).await;
    house.turn(Duration::from_secs(61));
    assert_eq!(codes(&house.deliver(&[BOB], MESSAGE).await), TAKEN);
}

#[tokio::test]
async fn a_mailbox_that_has_been_full_for_long_is_refused_for_good() {
    let house = House::build().await;
    limit(&house, BOB, messages(1)).await;
    house.deliver(&[BOB], MESSAGE).await;
    for (hours, expected) in [(0, "452 4.2.2"), (23, "452 4.2.2"), (2, "552 5.2.2")] {
        house.turn(Duration::from_hours(hours));
        let answers = house.deliver(&[BOB], MESSAGE).await;
        assert_eq!(codes(&answers)[0], expected, "after {hours} more hours");
    }
    // Another node knows it from the notes.
    house.quotas.flush().await;
    let other = House::beside(&house);
    other.turn(Duration::from_hours(25));
    assert_eq!(codes(&other.deliver(&[BOB], MESSAGE).await)[0], "552 5.2.2");
    empty(&house, BOB).await;
    assert_eq!(codes(&house.deliver(&[BOB], MESSAGE).await), TAKEN);
    assert_eq!(codes(&house.deliver(&[BOB], MESSAGE).await)[0], "452 4.2.2");
}

#[tokio::test]
async fn the_last_place_is_given_once() {
    let script = Script::new();
    let store = Arc::new(Faulty::new(Arc::new(MemoryStore::new()), &script));
    let house = House::over(store, MaildropLock::Shared).await;
    limit(&house, BOB, messages(1)).await;
    let mut first = house.mx_talk();
    let mut second = house.mx_talk();
    let open =
        format!("EHLO c.example\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<{BOB}>\r\nDATA\r\n");
    for talk in [&mut first, &mut second] {
        talk.say(b"").await;
        let answers = talk.say(open.as_bytes()).await;
        assert!(answers.contains("\r\n354 "), "{answers}");
    }
    let gate = script.hold(At::Every(Verb::Commit), cassmail_store::Side::Before);
    let (told_first, told_second) = tokio::join!(first.say(b"one\r\n.\r\n"), async {
        gate.reached().await;
        let told = second.say(b"two\r\n.\r\n").await;
        gate.open();
        told
    });
    assert!(told_first.starts_with("250 2.0.0"), "{told_first}");
    assert!(told_second.starts_with("452 4.2.2"), "{told_second}");
    assert_eq!(count(&house, BOB).await, 1);
}

#[tokio::test]
async fn a_message_that_was_not_stored_gives_its_room_back() {
    for (kind, expected) in [
        (ErrorKind::Unavailable(Reason::Engine), "250 2.1.5"),
        // It may be there.
        (ErrorKind::Indeterminate, "452 4.2.2"),
    ] {
        let script = Script::new();
        let store = Arc::new(Faulty::new(Arc::new(MemoryStore::new()), &script));
        let house = House::over(store, MaildropLock::Shared).await;
        limit(&house, BOB, messages(2)).await;
        house.deliver(&[BOB], MESSAGE).await;
        // Counted a moment ago, so it is not listed again.
        receiver_is_counted(&house).await;
        script.restart();
        script.fail(At::Every(Verb::Commit), Fault::Before(kind));
        let answers = house.deliver(&[BOB], MESSAGE).await;
        assert_eq!(codes(&answers), ["250 2.1.5", "451 4.3.0"]);
        script.restart();
        let answers = house.deliver(&[BOB], MESSAGE).await;
        assert_eq!(codes(&answers)[0], expected, "{kind:?}");
    }
}

async fn receiver_is_counted(house: &House) {
    let receiver = receiver(house, BOB).await;
    house.quotas.counted(receiver).await.unwrap();
}

#[tokio::test]
async fn figures_are_the_same_on_all_nodes_when_they_have_noted_what_they_brought() {
    let house = House::build().await;
    limit(&house, BOB, messages(1000)).await;
    let nodes = [&house, &House::beside(&house), &House::beside(&house)];
    for (node, times) in nodes.into_iter().zip([3, 4, 5]) {
        for _ in 0..times {
            assert_eq!(codes(&node.deliver(&[BOB], MESSAGE).await), TAKEN);
        }
        node.quotas.flush().await;
    }
    let account = receiver(&house, BOB).await.account;
    let notes = house.store.usage(account).await.unwrap();
    let there = Usage::of(&house.store.list(account).await.unwrap());
    assert_eq!(there.messages, 12);
    assert_eq!(notes.estimate(), Some(there));
}

#[tokio::test]
async fn who_is_nearly_full_can_be_seen() {
    let house = House::build().await;
    limit(&house, BOB, messages(10)).await;
    limit(&house, CAROL, messages(9)).await;
    for _ in 0..9 {
        house.deliver(&[BOB, CAROL], MESSAGE).await;
    }
    house.quotas.flush().await;
    let text = house.metrics.encode();
    assert!(text.contains("cassmail_quota_nearly_full 1\n"), "{text}");
    assert!(text.contains("cassmail_quota_full 1\n"), "{text}");
    let domain = "here.example".parse().unwrap();
    let lines = house
        .administration
        .accounts(&domain, None, 10)
        .await
        .unwrap();
    let shown: Vec<_> = lines
        .iter()
        .map(|line| {
            let filled = line.filled.unwrap();
            let used = filled.used.map(|used| used.messages);
            (used, filled.limits.messages, filled.fullness())
        })
        .collect();
    assert_eq!(
        shown,
        [
            (Some(9), Some(10), Fullness::Nearly),
            (Some(9), Some(9), Fullness::Full),
            (None, None, Fullness::Ample),
        ]
    );
}

/// With n nodes at most n twentieths of the limit too much, and a message for each session.
#[tokio::test]
async fn four_nodes_that_deliver_at_once_exceed_the_limit_by_a_bounded_number() {
    for most in [1, 3, 20, 100, 400] {
        for seed in 0..8 {
            let house = House::build().await;
            limit(&house, BOB, messages(most)).await;
            let others = [(); 3].map(|()| House::beside(&house));
            let nodes: Vec<_> = std::iter::once(&house).chain(&others).collect();
            let taken = race(&nodes, seed, most).await;
            assert_eq!(count(&house, BOB).await as u64, taken, "none is lost");
            let bound = most + 4 * (most / 20 + 1);
            assert!(
                (most..=bound).contains(&taken),
                "{taken} of {most}, seed {seed}"
            );
        }
    }
}

/// Delivers through nodes in an order that the seed says, until all of them refuse; some nodes get
/// far more than others, and all start without knowing anything.
async fn race(nodes: &[&House], seed: u64, most: u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut taken = 0;
    let mut refused = vec![false; nodes.len()];
    for _ in 0..most * 40 + 200 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bias = usize::try_from(state % 16).unwrap();
        let node = if bias < nodes.len() {
            bias
        } else {
            usize::try_from(seed % 4).unwrap()
        };
        // So slowly that no source brings too much.
        nodes[node].turn(Duration::from_millis(500));
        let answers = nodes[node].deliver(&[BOB], MESSAGE).await;
        match codes(&answers)[..] {
            ["250 2.1.5", "250 2.0.0"] => taken += 1,
            ["452 4.2.2", ..] => refused[node] = true,
            _ => panic!("{answers}"),
        }
        if refused.iter().all(|refused| *refused) {
            return taken;
        }
    }
    panic!("nobody ever refuses: {taken} of {most}");
}

/// What the notes of quotas are good for is policy: a store that cannot keep or read them costs no
/// mail, and none that it has promised.
#[tokio::test]
async fn no_fault_of_the_notes_refuses_mail_or_loses_any() {
    let kinds = [
        ErrorKind::Unavailable(Reason::Engine),
        ErrorKind::Unavailable(Reason::Full),
        ErrorKind::Indeterminate,
        ErrorKind::Corrupt,
        ErrorKind::Conflict,
        ErrorKind::Missing,
    ];
    let mut met = 0;
    for kind in kinds {
        for fault in [Fault::Before(kind), Fault::After(kind)] {
            for verb in [Verb::Usage, Verb::PutBrought, Verb::PutCounted] {
                for nth in 1..8 {
                    met += u32::from(scene(At::Nth(verb, nth), fault).await);
                }
                met += u32::from(scene(At::Every(verb), fault).await);
            }
        }
    }
    assert!(met > 100, "{met}");
}

/// Ten messages for bob, who may have a hundred, with a look into his maildrop in between. Gives
/// whether the fault was met.
async fn scene(at: At, fault: Fault) -> bool {
    let script = Script::new();
    let store = Arc::new(Faulty::new(Arc::new(MemoryStore::new()), &script));
    let house = House::over(store, MaildropLock::Shared).await;
    limit(&house, BOB, messages(20)).await;
    script.restart();
    script.fail(at, fault);
    for n in 0..10 {
        let answers = house.deliver(&[BOB], MESSAGE).await;
        assert_eq!(codes(&answers), TAKEN, "{at:?} {fault:?}");
        if n == 4 {
            let input = format!("USER bob\r\nPASS {PASSWORD}\r\nDELE 1\r\nQUIT\r\n");
            let answers = house.pop3(input.as_bytes()).await;
            assert!(!answers.contains("-ERR"), "{at:?} {fault:?}: {answers}");
        }
        house.quotas.flush().await;
    }
    let unknown = house.metrics.quota_unknown_total.get();
    script.restart();
    assert_eq!(count(&house, BOB).await, 9, "{at:?} {fault:?}");
    // When it is over, the figure is right again, and the limit is kept.
    house.turn(Duration::from_mins(1));
    house.quotas.flush().await;
    for n in 9..22 {
        let answers = house.deliver(&[BOB], MESSAGE).await;
        let is_taken = codes(&answers) == TAKEN;
        assert_eq!(is_taken, n < 20, "{at:?} {fault:?}: {n} were there");
    }
    house.quotas.flush().await;
    let account = receiver(&house, BOB).await.account;
    let there = Usage::of(&house.store.list(account).await.unwrap());
    assert_eq!(
        house.store.usage(account).await.unwrap().estimate(),
        Some(there)
    );
    unknown > 0
}

/// The same for whatever else fails: a refusal is for now, and what was promised is there.
#[tokio::test]
async fn whatever_fails_the_limit_is_kept_in_the_end_and_nothing_is_lost() {
    for fault in [
        Fault::Before(ErrorKind::Unavailable(Reason::Engine)),
        Fault::Before(ErrorKind::Indeterminate),
        Fault::After(ErrorKind::Indeterminate),
    ] {
        for k in 1..60 {
            let script = Script::new();
            let store = Arc::new(Faulty::new(Arc::new(MemoryStore::new()), &script));
            let house = House::over(store, MaildropLock::Shared).await;
            limit(&house, BOB, messages(5)).await;
            script.restart();
            script.fail(At::Operation(k), fault);
            let mut promised = 0;
            for _ in 0..4 {
                let answers = house.deliver(&[BOB], MESSAGE).await;
                let codes = codes(&answers);
                promised += usize::from(codes == TAKEN);
                assert!(codes[0].starts_with(['2', '4']), "{k}: {answers}");
            }
            script.restart();
            let there = count(&house, BOB).await;
            assert!(there >= promised, "{k}: {there} of {promised}");
            for _ in 0..3 {
                house.turn(Duration::from_mins(1));
                house.deliver(&[BOB], MESSAGE).await;
            }
            assert_eq!(count(&house, BOB).await, 5, "{k} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_recount_mends_what_is_noted() {
    use cassmail_office::{QuotaLimits, Recounting, recount};
    use std::ops::ControlFlow;
    let house = House::build().await;
    limit(&house, BOB, messages(10)).await;
    house.deliver(&[BOB], MESSAGE).await;
    house.quotas.flush().await;
    let account = receiver(&house, BOB).await.account;
    let notes = house.store.usage(account).await.unwrap();
    let mut wrong = notes.counted.unwrap();
    wrong.usage.messages = 7;
    house.store.put_counted(account, wrong).await.unwrap();
    let now = cassmail_mail::UnixTime::from_micros(5);
    let limits = QuotaLimits::default();
    let run = async |how| {
        let store: &dyn Store = &*house.store;
        let go_on = |_| ControlFlow::Continue(());
        let done = recount(store, (limits, how), now, go_on).await.unwrap();
        (done.counted, done.mended, done.full)
    };
    assert_eq!(run(Recounting::Looks).await, (1, 1, 0));
    assert_eq!(run(Recounting::Mends).await, (1, 1, 0));
    assert_eq!(run(Recounting::Looks).await, (1, 0, 0));
    let there = Usage::of(&house.store.list(account).await.unwrap());
    assert_eq!(
        house.store.usage(account).await.unwrap().estimate(),
        Some(there)
    );
}
