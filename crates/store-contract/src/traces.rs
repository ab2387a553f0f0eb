//! What is recorded of messages.

use std::sync::Arc;
use std::time::Duration;

use cassmail_mail::{AccountId, MessageId, ReversePath, UnixTime};
use cassmail_store::{
    Arrival, EventId, Happened, Reached, Refusal, Remover, Rule, TraceEvent, TraceKey, TraceQuery,
    Traced, Way,
};

use crate::bench::together;
use crate::letter::{address, hello};
use crate::{Bench, Subject};

const KEEP: Duration = Duration::from_hours(14 * 24);

/// When the tests happen, a moment before [`Bench::mint`]'s ids.
const START: u64 = 1_700_000_000_000_000;

const SECOND: u64 = 1_000_000;

/// So long is looked for.
fn range() -> (UnixTime, UnixTime) {
    let day = 24 * 3600 * SECOND;
    let at = UnixTime::from_micros;
    (at(START - day), at(START + day))
}

fn everything(limit: usize) -> TraceQuery {
    let (from, until) = range();
    TraceQuery {
        key: None,
        from,
        until,
        before: None,
        limit,
    }
}

fn by(key: TraceKey) -> TraceQuery {
    TraceQuery {
        key: Some(key),
        ..everything(1000)
    }
}

fn event<S: Subject>(bench: &Bench<S>, what: Happened) -> TraceEvent {
    TraceEvent {
        id: EventId(bench.mint()),
        node: "mx1.example.org".to_owned(),
        session: Some(7),
        source: Some("192.0.2.77".parse().unwrap()),
        what,
    }
}

fn alice() -> AccountId {
    AccountId::of(&address("alice@example.org"), 1)
}

fn accepted<S: Subject>(bench: &Bench<S>, message: MessageId) -> TraceEvent {
    let acceptance = Arrival {
        message,
        way: Way {
            helo: "client.example".to_owned(),
            with: "ESMTPS".to_owned(),
            tls: Some("TLSv1.3".to_owned()),
        },
        user: None,
        reverse_path: ReversePath::Mailbox(address("Bob@example.net")),
        size: 12_345,
        header_id: Some(format!("{message}@example.net")),
        recipients: vec![Reached {
            named: Some(address("sales@example.org")),
            accounts: vec![alice()],
        }],
    };
    event(bench, Happened::Accepted(Box::new(acceptance)))
}

fn refused<S: Subject>(bench: &Bench<S>, message: MessageId) -> TraceEvent {
    let refusal = Refusal {
        command: "RCPT".to_owned(),
        message: Some(message),
        user: None,
        reverse_path: Some(ReversePath::Null),
        recipients: Vec::new(),
        about: Some("<nobody@example.org>".to_owned()),
        recipient: Some(address("nobody@example.org")),
        reply: "550 5.1.1 there is no such mailbox".to_owned(),
        rule: Rule::UnknownRecipient,
    };
    event(bench, Happened::Refused(Box::new(refusal)))
}

fn retrieved<S: Subject>(bench: &Bench<S>, message: MessageId) -> TraceEvent {
    let of = Traced {
        message,
        account: alice(),
        user: address("alice@example.org"),
    };
    event(bench, Happened::Retrieved { of, octets: 999 })
}

fn removed<S: Subject>(bench: &Bench<S>, messages: Vec<MessageId>) -> TraceEvent {
    let what = Happened::Removed {
        messages,
        account: alice(),
        user: address("alice@example.org"),
        by: Remover::Retention,
    };
    TraceEvent {
        session: None,
        source: None,
        ..event(bench, what)
    }
}

async fn record<S: Subject>(bench: &Bench<S>, events: &[TraceEvent]) {
    let recorded = bench.store().record(events.into(), KEEP).await;
    recorded.expect("a recorded trace");
}

async fn find<S: Subject>(bench: &Bench<S>, query: TraceQuery) -> Vec<TraceEvent> {
    bench.store().find_traces(query).await.expect("a trace")
}

fn newest_first(events: &[TraceEvent]) -> Vec<TraceEvent> {
    let mut events = events.to_vec();
    events.sort_by_key(|event| std::cmp::Reverse(event.id));
    events
}

/// Traces::find_traces: nothing was recorded.
pub async fn a_new_store_has_no_traces<S: Subject>(bench: Bench<S>) {
    assert_eq!(find(&bench, everything(10)).await, []);
    let key = TraceKey::Message(bench.mint());
    assert_eq!(find(&bench, by(key)).await, []);
}

/// Traces::record, Promise: each event is found by each of its keys.
pub async fn a_trace_is_found_by_each_of_its_keys_as_it_was<S: Subject>(bench: Bench<S>) {
    let (message, other) = (bench.mint(), bench.mint());
    let events = [
        accepted(&bench, message),
        refused(&bench, other),
        retrieved(&bench, message),
        removed(&bench, vec![other, message]),
    ];
    record(&bench, &events).await;
    assert_eq!(find(&bench, everything(10)).await, newest_first(&events));
    for event in &events {
        for key in event.keys() {
            let with_key: Vec<_> = events.iter().filter(|other| other.has(&key)).collect();
            let with_key: Vec<_> = with_key.into_iter().cloned().collect();
            let found = find(&bench, by(key.clone())).await;
            assert_eq!(found, newest_first(&with_key), "{key:?}");
        }
    }
    let nobody = TraceKey::address(&address("somebody@example.org"));
    assert_eq!(find(&bench, by(nobody)).await, []);
}

/// Traces::record, Retry: an event is what its id says.
pub async fn a_trace_that_is_recorded_again_is_found_once<S: Subject>(bench: Bench<S>) {
    let message = bench.mint();
    let events = [accepted(&bench, message), retrieved(&bench, message)];
    for _ in 0..3 {
        record(&bench, &events).await;
    }
    record(&bench, &events[1..]).await;
    assert_eq!(find(&bench, everything(10)).await, newest_first(&events));
    let found = find(&bench, by(TraceKey::Message(message))).await;
    assert_eq!(found, newest_first(&events));
}

/// Traces::find_traces, Promise: the newest first, whatever the order in which it was recorded;
/// pages join.
pub async fn pages_of_traces_join_and_are_in_their_order<S: Subject>(bench: Bench<S>) {
    let message = bench.mint();
    let mut events: Vec<_> = (0..150).map(|_| retrieved(&bench, message)).collect();
    // Neither in their order nor at once.
    let (late, early) = events.split_at(70);
    for part in [&early[20..], late, &early[..20]] {
        record(&bench, part).await;
    }
    events.reverse();
    for key in [None, Some(TraceKey::Message(message))] {
        let mut joined = Vec::new();
        loop {
            let before = joined.last().map(|event: &TraceEvent| event.id);
            let page = find(
                &bench,
                TraceQuery {
                    key: key.clone(),
                    before,
                    ..everything(40)
                },
            );
            let page = page.await;
            assert!(page.len() <= 40);
            if page.is_empty() {
                break;
            }
            joined.extend(page);
        }
        assert!(joined == events, "{key:?}");
    }
}

/// Traces::find_traces, Promise: what is as the query says, and nothing else.
pub async fn a_range_of_time_bounds_what_is_found<S: Subject>(bench: Bench<S>) {
    let message = bench.mint();
    let events: Vec<_> = (0..9).map(|_| accepted(&bench, message)).collect();
    record(&bench, &events).await;
    // The ids of a bench are a tick apart, ten of which are a microsecond.
    let last = events[8].at();
    for key in [None, Some(TraceKey::Message(message))] {
        let at = |from: UnixTime, until: UnixTime| TraceQuery {
            key: key.clone(),
            from,
            until,
            ..everything(100)
        };
        let (from, until) = range();
        let after = UnixTime::from_micros(last.as_micros() + 1);
        assert_eq!(find(&bench, at(from, after)).await.len(), 9);
        assert_eq!(find(&bench, at(from, events[0].at())).await, []);
        assert_eq!(find(&bench, at(after, until)).await, []);
    }
}

/// Traces::record: a large batch, all kinds mixed, at once with others.
pub async fn many_traces_recorded_at_once_are_all_found<S: Subject>(bench: Bench<S>) {
    let batch = || {
        let message = bench.mint();
        let pair = [accepted(&bench, message), retrieved(&bench, message)];
        let more = std::iter::repeat_with(|| refused(&bench, bench.mint()));
        pair.into_iter().chain(more.take(200)).collect::<Vec<_>>()
    };
    let batches: Vec<_> = std::iter::repeat_with(batch).take(5).collect();
    let records = batches.iter().map(|batch| {
        let store = bench.store();
        let events: Arc<[TraceEvent]> = batch.as_slice().into();
        async move { store.record(events, KEEP).await.expect("a recorded trace") }
    });
    together(records).await;
    let all = find(&bench, everything(5000)).await;
    let expected: Vec<_> = batches.iter().flatten().cloned().collect();
    assert!(all == newest_first(&expected), "{} found", all.len());
    let to_sales = TraceKey::address(&address("sales@example.org"));
    assert_eq!(find(&bench, by(to_sales)).await.len(), 5);
    let to_nobody = TraceKey::address(&address("nobody@example.org"));
    assert_eq!(find(&bench, by(to_nobody)).await.len(), 1000);
}

/// Traces::record: a message may have a thousand recipients; each of them finds it.
pub async fn a_trace_with_a_thousand_recipients_is_found_by_each<S: Subject>(bench: Bench<S>) {
    let message = bench.mint();
    let mut event = accepted(&bench, message);
    let Happened::Accepted(acceptance) = &mut event.what else {
        panic!("an acceptance");
    };
    let recipient = |n: u32| Reached {
        named: Some(address(&format!("user{n}@example.org"))),
        accounts: vec![AccountId::of(&address("list@example.org"), u64::from(n))],
    };
    acceptance.recipients = (0..1000).map(recipient).collect();
    record(&bench, std::slice::from_ref(&event)).await;
    for n in [0, 500, 999] {
        let named = TraceKey::address(&address(&format!("user{n}@example.org")));
        assert!(find(&bench, by(named)).await == [event.clone()], "{n}");
    }
}

/// Traces::record, Promise: stays if the store is closed in an orderly way.
pub async fn traces_survive_an_orderly_end<S: Subject>(mut bench: Bench<S>) {
    let message = bench.mint();
    let before = [accepted(&bench, message), retrieved(&bench, message)];
    record(&bench, &before).await;
    bench.reopen().await;
    let after = [removed(&bench, vec![message])];
    record(&bench, &after).await;
    let expected = newest_first(&[&before[..], &after].concat());
    assert_eq!(find(&bench, everything(10)).await, expected);
    let found = find(&bench, by(TraceKey::Message(message))).await;
    assert_eq!(found, expected);
}

/// Traces::record, Crash: what is older stays, mail is not touched, and tracing goes on.
pub async fn after_a_crash_mail_is_whole_and_tracing_goes_on<S: Subject>(mut bench: Bench<S>) {
    let account = bench.account("alice").await;
    let before = [accepted(&bench, bench.mint())];
    record(&bench, &before).await;
    let id = bench.deliver(account, hello()).await;
    record(&bench, &[retrieved(&bench, id)]).await;
    bench.crash().await;
    assert_eq!(bench.ids(account).await, [id]);
    let after = [removed(&bench, vec![id])];
    record(&bench, &after).await;
    let found = find(&bench, everything(10)).await;
    assert_eq!(found[0], after[0]);
    assert!(found.len() <= 3);
}

/// Traces::expire_traces, Promise: what is younger stays. Retry: harmless.
pub async fn expiry_spares_what_is_younger<S: Subject>(bench: Bench<S>) {
    let message = bench.mint();
    let events = [accepted(&bench, message), retrieved(&bench, message)];
    record(&bench, &events).await;
    for _ in 0..2 {
        let expired = bench.store().expire_traces(events[0].at()).await;
        expired.expect("an expiry");
        let found = find(&bench, by(TraceKey::Message(message))).await;
        assert_eq!(found, newest_first(&events));
    }
}
