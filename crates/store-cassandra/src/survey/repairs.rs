//! When the tables that see deletions were repaired: within their grace, or removed mail could come
//! back from a replica that was away for longer than hints are kept.
//!
//! A repair is of ranges of the ring, one node's at a time. So it is the ranges that are added up:
//! a table is repaired when those of the last seven days cover the whole ring.

use super::{Cluster, Finding, replication};
use crate::statements::asked;

const TABLES: [&str; 3] = ["mbox", "mbox_body", "blob_ref"];

/// Three days before the grace of ten ends.
const WITHIN_DAYS: i64 = 7;

const DAY: i64 = 86_400_000;

/// A range of tokens, the beginning excluded, that was repaired at a time (in milliseconds).
#[derive(Debug, Clone, Copy)]
struct Repaired {
    begin: i64,
    end: i64,
    at: i64,
}

pub(super) async fn findings(cluster: &Cluster<'_>) -> Vec<Finding> {
    let now = i64::try_from(cluster.options.clock.now().as_micros() / 1000).unwrap_or(i64::MAX);
    let mut findings = Vec::new();
    if let Ok(Some(map)) = replication::replication(cluster, &cluster.options.keyspace).await
        && replication::total(&map) == 1
    {
        let found = "there is one replica and nothing to compare it with";
        return vec![Finding::well("every table", found)];
    }
    for table in TABLES {
        findings.push(match history(cluster, table).await {
            Ok(history) => of_table(table, &history, now),
            Err(error) => Cluster::unread(table, &error),
        });
    }
    findings
}

type Row = (
    Option<String>,
    Option<String>,
    Option<scylla::value::CqlTimestamp>,
    Option<String>,
);

async fn history(cluster: &Cluster<'_>, table: &str) -> Result<Vec<Repaired>, String> {
    let key = [&*cluster.options.keyspace, table];
    let rows = cluster.ask::<Row>(asked::REPAIRS, &key).await?;
    let repaired = |(begin, end, at, status): Row| {
        (status? == "SUCCESS").then_some(())?;
        Some(Repaired {
            begin: begin?.parse().ok()?,
            end: end?.parse().ok()?,
            at: at?.0,
        })
    };
    Ok(rows.into_iter().filter_map(repaired).collect())
}

fn of_table(table: &str, history: &[Repaired], now: i64) -> Finding {
    let remedy = "nodetool repair -pr of the keyspace on every node, every week";
    let Some(last) = history.iter().map(|repaired| repaired.at).max() else {
        return Finding::doubtful(table, "no repair is known", remedy);
    };
    let days = (now - last) / DAY;
    let since = now - WITHIN_DAYS * DAY;
    let recent = history.iter().filter(|repaired| repaired.at >= since);
    let parts = covered_permille(recent.map(|repaired| (repaired.begin, repaired.end)));
    if parts == 1000 {
        let found = format!("the whole ring within {WITHIN_DAYS} days, the last {days} days ago");
        return Finding::well(table, found);
    }
    let found = format!(
        "{}.{} % of the ring within {WITHIN_DAYS} days, the last {days} days ago",
        parts / 10,
        parts % 10
    );
    Finding::doubtful(table, found, remedy)
}

/// How much of the ring these ranges cover; all of it is 1000, and nothing less is.
fn covered_permille(ranges: impl Iterator<Item = (i64, i64)>) -> u64 {
    const LOWEST: i128 = i64::MIN as i128;
    const HIGHEST: i128 = i64::MAX as i128;
    let mut straight = Vec::new();
    for (begin, end) in ranges {
        let (begin, end) = (i128::from(begin), i128::from(end));
        if begin < end {
            straight.push((begin, end));
        } else {
            // Over the end of the ring; the same twice is all of it.
            straight.push((begin, HIGHEST));
            straight.push((LOWEST, end));
        }
    }
    straight.sort_unstable();
    let (mut covered, mut reached) = (0, LOWEST);
    for (begin, end) in straight {
        let begin = begin.max(reached);
        if end > begin {
            covered += end - begin;
            reached = end;
        }
    }
    u64::try_from(covered * 1000 / (HIGHEST - LOWEST)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn ranges_add_up_to_the_ring_in_any_order_and_overlapping() {
        let covered = |ranges: &[(i64, i64)]| covered_permille(ranges.iter().copied());
        assert_eq!(covered(&[]), 0);
        assert_eq!(covered(&[(0, i64::MAX), (i64::MIN, 10)]), 1000);
        assert_eq!(covered(&[(5, 5)]), 1000);
        assert_eq!(covered(&[(100, -100), (-100, 100)]), 1000);
        assert_eq!(covered(&[(100, -100), (-100, 99)]), 999);
        assert_eq!(covered(&[(0, i64::MAX), (5, i64::MAX)]), 499);
    }

    #[test]
    fn only_what_is_recent_and_whole_is_well() {
        let now = 100 * DAY;
        let at = |days: i64, begin, end| Repaired {
            begin,
            end,
            at: now - days * DAY,
        };
        let state = |history: &[Repaired]| of_table("mbox", history, now).state;
        assert_eq!(state(&[]), State::Doubtful);
        assert_eq!(state(&[at(1, 0, 0)]), State::Well);
        assert_eq!(state(&[at(8, 0, 0)]), State::Doubtful);
        assert_eq!(state(&[at(1, 0, 5), at(8, 5, 0)]), State::Doubtful);
        assert_eq!(state(&[at(1, 0, 5), at(6, 5, 0)]), State::Well);
    }
}
