//! What a real cluster of two data centers goes through, with a server in each of them.
//!
//! Runs only when `CASSMAIL_CASSANDRA_FAULTS` is the net of a cluster that was started by
//! `cargo xtask cassandra start 2x3 --net NET`, and disturbs it, so nothing else may use it:
//!
//! ```text
//! CASSMAIL_CASSANDRA_FAULTS=2 cargo test -p cassmail-store-cassandra --test contract faults::
//! ```

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cassmail_mail::AccountId;
use cassmail_store::{Accounts, ErrorKind, Health, Maildrops};

use crate::disturbed::{Cluster, Side, say};
use crate::ledger::Ledger;
use crate::support::new_account;

/// Service goes on within this after a data center was lost.
const DISTURBED: Duration = Duration::from_secs(10);

/// All is as before within this after it came back.
const MENDED: Duration = Duration::from_mins(1);

fn is_degraded(health: &Health) -> bool {
    matches!(health, Health::Degraded(_))
}

fn is_well(health: &Health) -> bool {
    *health == Health::Well
}

fn is_unreachable(health: &Health) -> bool {
    matches!(health, Health::Unreachable(_))
}

/// Two accounts that nobody else uses.
async fn accounts(side: &Side, test: &str) -> [AccountId; 2] {
    let a = side.account(&format!("{test}-a")).await;
    let b = side.account(&format!("{test}-b")).await;
    [a, b]
}

/// Some mail on both sides, acknowledged while all is well.
async fn some_mail(sides: &[Side; 2], [a, b]: [AccountId; 2]) -> [Ledger; 2] {
    let mut ledgers = [Ledger::default(), Ledger::default()];
    for (ledger, side) in ledgers.iter_mut().zip(sides) {
        for octets in [1_000, 200_000] {
            for _ in 0..4 {
                ledger.deliver(side, &[a], octets).await;
                ledger.deliver(side, &[a, b], octets).await;
            }
        }
        assert_eq!(ledger.delivered, 24, "all is well");
    }
    ledgers
}

/// Removes on each side some of what the other one has delivered before and what is listed here,
/// so that a tombstone meets a row.
async fn remove_crosswise(sides: &[Side; 2], ledgers: &mut [Ledger; 2], account: AccountId) {
    for (at, side) in sides.iter().enumerate() {
        let ledger = &mut ledgers[1 - at];
        let listed = side.store.list(account).await.expect("a listing");
        let listed: BTreeSet<_> = listed.into_iter().map(|entry| entry.id).collect();
        let mut kept = ledger.kept_of(account);
        kept.retain(|id| listed.contains(id));
        assert!(kept.len() > 4, "{}: {kept:?}", side.name);
        for id in kept.into_iter().step_by(2) {
            ledger.remove(side, account, id).await;
        }
    }
}

/// A data center is cut off for a while, with servers at work on both sides.
async fn cut_and_heal(cluster: &mut Cluster, test: &str) {
    let sides = cluster.sides().await;
    let own = accounts(&sides[0], test).await;
    let [crowd, _] = accounts(&sides[0], &format!("{test}-crowd")).await;
    let mut ledgers = some_mail(&sides, own).await;
    let before = sides
        .each_ref()
        .map(|side| side.store.delivered_without_all());
    assert_eq!(before, [0, 0]);

    let stop = AtomicBool::new(false);
    let start = sides.each_ref().map(Side::elapsed);
    let disturb = async {
        cluster.cut().await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        for side in &sides {
            side.until("degraded", DISTURBED, is_degraded).await;
        }
        stop.store(true, Ordering::SeqCst);
    };
    let [one, two] = &mut ledgers;
    tokio::join!(
        one.work(&sides[0], own, &stop),
        two.work(&sides[1], own, &stop),
        disturb
    );
    for (at, side) in sides.iter().enumerate() {
        let silence = ledgers[at].longest_silence(start[at], side.elapsed());
        let (delivered, removed) = (ledgers[at].delivered, ledgers[at].removed);
        let fewer = side.store.delivered_without_all();
        say(&format!(
            "{test} {}: {delivered} delivered, {removed} removed, silent for {silence:.1?}, \
             {fewer} acknowledged without the other side",
            side.name
        ));
        assert!(silence < DISTURBED, "{silence:?}");
        assert!(fewer > 0);
        assert_eq!((ledgers[at].unavailable, ledgers[at].indeterminate), (0, 0));
    }
    // More than a bucket holds, so that one is opened without the other side.
    let mut filled = Ledger::default();
    for _ in 0..520 {
        filled.deliver(&sides[0], &[crowd], 100).await;
    }
    assert_eq!(filled.delivered, 520);
    ledgers[0].add(filled);
    remove_crosswise(&sides, &mut ledgers, own[0]).await;
    // Nobody begins a generation alone.
    let refused = sides[1]
        .store
        .create_account(new_account(&format!("{test}-new")))
        .await;
    let kind = refused.expect_err("two could begin it").kind();
    let is_refused = matches!(kind, ErrorKind::Unavailable(_) | ErrorKind::Indeterminate);
    assert!(is_refused, "{kind:?}");

    cluster.heal().await;
    for side in &sides {
        let took = side.until("well", MENDED, is_well).await;
        say(&format!(
            "{test} {}: well {took:.1?} after the healing",
            side.name
        ));
    }
    let [mut both, two] = ledgers;
    both.add(two);
    let everywhere = sides
        .each_ref()
        .map(|side| side.store.acknowledged_without_all());
    for side in &sides {
        both.deliver(side, &own, 1_000).await;
        side.store.settled().await;
    }
    let after = sides
        .each_ref()
        .map(|side| side.store.acknowledged_without_all());
    assert_eq!(everywhere, after, "all data centers acknowledge again");
    for side in &sides {
        both.check(side, &own).await;
        both.check(side, &[crowd]).await;
    }
    say(&format!(
        "{test}: {} delivered, {} removed",
        both.delivered, both.removed
    ));
}

#[tokio::test]
async fn while_a_data_center_is_cut_off_both_sides_go_on_and_agree_when_it_is_back() {
    let Some(mut cluster) = Cluster::named().await else {
        return;
    };
    cut_and_heal(&mut cluster, "cut").await;
}

#[tokio::test]
async fn what_was_acknowledged_during_a_cut_is_healed_without_hints() {
    let Some(mut cluster) = Cluster::named().await else {
        return;
    };
    cluster.without_hints().await;
    cut_and_heal(&mut cluster, "healing").await;
}

/// Servers work for a while on both sides while something is wrong that costs nothing but time.
async fn go_on_during(
    sides: &[Side; 2],
    ledgers: &mut [Ledger; 2],
    own: [AccountId; 2],
    (what, disturb): (&str, impl Future<Output = ()>),
) {
    let stop = AtomicBool::new(false);
    let start = sides.each_ref().map(Side::elapsed);
    let before = ledgers.each_ref().map(|ledger| ledger.delivered);
    let [one, two] = ledgers;
    tokio::join!(
        one.work(&sides[0], own, &stop),
        two.work(&sides[1], own, &stop),
        async {
            disturb.await;
            stop.store(true, Ordering::SeqCst);
        }
    );
    for (at, side) in sides.iter().enumerate() {
        let ledger = &ledgers[at];
        let silence = ledger.longest_silence(start[at], side.elapsed());
        let delivered = ledger.delivered - before[at];
        let name = side.name;
        say(&format!(
            "{what} {name}: {delivered} delivered, silent for {silence:.1?}"
        ));
        assert!(silence < DISTURBED, "{silence:?}");
        assert_eq!((ledger.unavailable, ledger.indeterminate), (0, 0), "{name}");
    }
}

/// Waits until the nodes that were away have caught up: two faults at once are another test.
async fn until_calm(sides: &[Side; 2], ledgers: &mut [Ledger; 2], [a, _]: [AccountId; 2]) {
    for (side, ledger) in sides.iter().zip(ledgers) {
        let start = side.elapsed();
        let mut quick = 0;
        while quick < 10 {
            let before = side.elapsed();
            ledger.deliver(side, &[a], 1_000).await;
            let now = side.elapsed();
            let is_quick = now.saturating_sub(before) < Duration::from_millis(500);
            quick = if is_quick { quick + 1 } else { 0 };
            assert!(now.saturating_sub(start) < MENDED, "{}: no calm", side.name);
        }
    }
}

#[tokio::test]
async fn a_node_lost_in_each_data_center_costs_nothing_but_time() {
    let Some(mut cluster) = Cluster::named().await else {
        return;
    };
    let sides = cluster.sides().await;
    let own = accounts(&sides[0], "node").await;
    let mut ledgers = some_mail(&sides, own).await;
    let paused = async {
        cluster.pause("2,5").await;
        tokio::time::sleep(Duration::from_secs(15)).await;
        cluster.resume("2,5").await;
    };
    go_on_during(&sides, &mut ledgers, own, ("paused", paused)).await;
    until_calm(&sides, &mut ledgers, own).await;
    let killed = async {
        cluster.kill("3,4").await;
        tokio::time::sleep(Duration::from_secs(15)).await;
    };
    go_on_during(&sides, &mut ledgers, own, ("killed", killed)).await;
    let started = async { cluster.start("3,4").await };
    go_on_during(&sides, &mut ledgers, own, ("started", started)).await;
    let [mut both, two] = ledgers;
    both.add(two);
    for side in &sides {
        side.until("well", MENDED, is_well).await;
        both.check(side, &own).await;
    }
}

/// A side that has lost its quorum says so and accepts nothing; the other one goes on.
async fn lose_a_quorum(cluster: &mut Cluster, nodes: &str, how: How) {
    let test = format!("{how:?}{}", nodes.len()).to_lowercase();
    let sides = cluster.sides().await;
    let own = accounts(&sides[1], &test).await;
    let mut ledgers = some_mail(&sides, own).await;
    match how {
        How::Killed => cluster.kill(nodes).await,
        How::Paused => cluster.pause(nodes).await,
    }
    let start = sides[1].elapsed();
    let stop = AtomicBool::new(false);
    let watch = async {
        // Beats alone show it: nobody works here now.
        let long = Duration::from_secs(45);
        let took = sides[0].until("unreachable", long, is_unreachable).await;
        say(&format!("{test} {}: said after {took:.1?}", sides[0].name));
        stop.store(true, Ordering::SeqCst);
    };
    let [one, two] = &mut ledgers;
    tokio::join!(two.work(&sides[1], own, &stop), watch);
    let silence = two.longest_silence(start, sides[1].elapsed());
    let name = sides[1].name;
    say(&format!(
        "{test} {name}: {} delivered, silent for {silence:.1?}",
        two.delivered
    ));
    assert!(silence < DISTURBED, "{silence:?}");
    assert_eq!((two.unavailable, two.indeterminate), (0, 0));
    // Of some twenty partitions all need more replicas than are left, if all three are lost.
    for _ in 0..2 {
        one.deliver(&sides[0], &own, 1_000).await;
    }
    say(&format!(
        "{test} {}: {} refused, {} uncertain, {} accepted",
        sides[0].name,
        one.unavailable,
        one.indeterminate,
        one.delivered - 24
    ));
    match how {
        How::Killed => cluster.start(nodes).await,
        How::Paused => cluster.resume(nodes).await,
    }
    for side in &sides {
        let took = side.until("well", MENDED, is_well).await;
        say(&format!("{test} {}: well after {took:.1?}", side.name));
    }
    let [mut both, two] = ledgers;
    both.add(two);
    for side in &sides {
        both.deliver(side, &own, 1_000).await;
        both.check(side, &own).await;
    }
}

#[derive(Debug, Clone, Copy)]
enum How {
    Killed,
    Paused,
}

#[tokio::test]
async fn a_data_center_without_a_quorum_accepts_nothing_and_says_so_until_it_is_back() {
    let Some(mut cluster) = Cluster::named().await else {
        return;
    };
    lose_a_quorum(&mut cluster, "2,3", How::Killed).await;
}

#[tokio::test]
async fn a_data_center_that_is_paused_is_said_to_be_unreachable_until_it_is_back() {
    let Some(mut cluster) = Cluster::named().await else {
        return;
    };
    lose_a_quorum(&mut cluster, "dc1", How::Paused).await;
}

#[tokio::test]
async fn a_data_center_that_was_killed_is_said_to_be_unreachable_until_it_is_back() {
    let Some(mut cluster) = Cluster::named().await else {
        return;
    };
    lose_a_quorum(&mut cluster, "1,2,3", How::Killed).await;
}
