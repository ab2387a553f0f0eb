//! Which nodes live, and who finishes the work of one that died.
//!
//! A node writes a beat every ten seconds. Whoever has seen no new beat of it for 90 seconds, on
//! its own clock that counts suspension, takes it for dead; no clock is compared with another. The
//! records of a node lie in slots, minutes of its last written beat, from its mark on, so a dead
//! node's records lie between its mark and its last beat. Of the living nodes of its data center
//! one sweeps them, which one is a matter of hashes; when two believe they are it, both do, which
//! changes nothing. A node that could not write its beat for 45 seconds sweeps nobody: it may be
//! the one that is cut off.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cassmail_mail::MessageId;
use cassmail_store::StoreResult;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::cassandra::Core;
use crate::engine::{Deadline, USUAL};
use crate::error::Verb;
use crate::rows::{Micros, row};
use crate::statements::Cql;

const BEAT: Verb = "tell the other nodes that this one lives";

const EVERY: Duration = Duration::from_secs(10);

/// So long without a beat is dead.
const SILENCE: Duration = Duration::from_secs(90);

/// So long all nodes of another data center are silent before we sweep for it.
const FAR_SILENCE: Duration = Duration::from_mins(10);

/// So long ago our own beat may be.
const FENCE: Duration = Duration::from_secs(45);

/// Records may arrive late (hints), so a dead node is swept again.
const AGAIN: Duration = Duration::from_hours(1);

/// How long beats and marks are kept.
const KEPT: i32 = 30 * 24 * 60 * 60;

/// This process as a node among others; a new one at each start.
pub(crate) struct Member {
    node: Uuid,
    data_center: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last beat that was written, in milliseconds of the wall clock, and when. It never goes
    /// back.
    beat: Option<(i64, Duration)>,
    /// Records of ours that are not known to be done.
    undone: BTreeMap<(i64, MessageId), Undone>,
    others: HashMap<Uuid, Other>,
    mark: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Undone {
    /// Somebody is at work on it.
    UnderWay,
    /// To be swept.
    Failed,
}

/// What is known of another node.
#[derive(Debug, Clone, Copy)]
struct Other {
    beat: i64,
    /// Since when it has this beat.
    since: Duration,
    swept_at: Option<Duration>,
}

impl Member {
    pub(crate) fn new(data_center: &str, high: u64, low: u64) -> Self {
        Self {
            node: uuid::Builder::from_random_bytes(
                ((u128::from(high) << 64) | u128::from(low)).to_be_bytes(),
            )
            .into_uuid(),
            data_center: data_center.to_owned(),
            state: Mutex::default(),
        }
    }

    pub(crate) fn node(&self) -> Uuid {
        self.node
    }

    pub(crate) fn done(&self, slot: i64, id: MessageId) {
        self.with(|state| state.undone.remove(&(slot, id)));
    }

    pub(crate) fn fail(&self, slot: i64, id: MessageId) {
        self.with(|state| state.undone.insert((slot, id), Undone::Failed));
    }

    fn with<T>(&self, step: impl FnOnce(&mut State) -> T) -> T {
        step(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn slot(&self) -> Option<i64> {
        self.beat.map(|(beat, _)| slot_of(beat))
    }

    /// From which slot on there may be records that are not done.
    fn low_slot(&self) -> Option<i64> {
        let first = self.undone.keys().next().map(|&(slot, _)| slot);
        first.or(self.slot())
    }

    fn is_fenced(&self, now: Duration) -> bool {
        self.beat
            .is_none_or(|(_, written)| now.saturating_sub(written) > FENCE)
    }

    /// Takes note of a beat and answers since when the node has been silent.
    fn observe(&mut self, node: Uuid, beat: i64, now: Duration) -> Duration {
        let other = self.others.entry(node).or_insert(Other {
            beat,
            since: now,
            swept_at: None,
        });
        if other.beat != beat {
            *other = Other {
                beat,
                since: now,
                swept_at: None,
            };
        }
        now.saturating_sub(other.since)
    }

    fn is_to_be_swept(&self, node: Uuid, now: Duration) -> bool {
        let other = self.others.get(&node);
        other.is_some_and(|other| {
            let again = |at| now.saturating_sub(at) > AGAIN;
            other.swept_at.is_none_or(again)
        })
    }
}

fn slot_of(beat: i64) -> i64 {
    beat.div_euclid(60_000)
}

/// Which of the living nodes sweeps for a dead one.
fn heir(dead: Uuid, living: &[Uuid]) -> Option<Uuid> {
    let weight = |node: &Uuid| {
        let both = [*dead.as_bytes(), *node.as_bytes()].concat();
        (xxh3_64(&both), *node)
    };
    living.iter().copied().max_by_key(weight)
}

impl Core {
    /// Begins to beat, as long as the store is open.
    pub(crate) fn keep_beating(self: &Arc<Self>) {
        let core = Arc::downgrade(self);
        let engine = Arc::clone(&self.engine);
        tokio::spawn(async move {
            loop {
                engine.clock.sleep(EVERY).await;
                let Some(core) = core.upgrade() else { return };
                let Some(_pass) = core.engine.gate.enter() else {
                    return;
                };
                if let Err(error) = core.beat_and_sweep().await {
                    tracing::debug!(?error, "a beat or a sweep failed");
                }
            }
        });
    }

    pub(crate) async fn beat_and_sweep(&self) -> StoreResult<()> {
        self.beat(self.engine.deadline(USUAL)).await?;
        self.sweep_own().await?;
        self.move_mark().await?;
        self.sweep_others().await
    }

    async fn beat(&self, deadline: Deadline) -> StoreResult<i64> {
        let now = i64::try_from(self.clock().now().as_micros() / 1000).unwrap_or(i64::MAX);
        let last = self.member.with(|state| state.beat);
        let beat = last.map_or(now, |(last, _)| now.max(last.saturating_add(1)));
        let (center, at) = (&*self.member.data_center, Micros(beat.saturating_mul(1000)));
        let row = row![center, self.member.node, "", beat, at, KEPT];
        let change = vec![(Cql::PutBeat, row)];
        self.engine.change(BEAT, deadline, change).await?;
        let written = self.clock().elapsed();
        self.member.with(|state| {
            let is_later = state.beat.is_none_or(|(last, _)| last < beat);
            if is_later {
                state.beat = Some((beat, written));
            }
        });
        Ok(slot_of(beat))
    }

    /// The slot for a record, which counts as under way from now on. The first record waits until
    /// others can know of this node.
    pub(crate) async fn take_slot(&self, id: MessageId, deadline: Deadline) -> StoreResult<i64> {
        if self.member.with(|state| state.mark).is_none() {
            self.beat(deadline).await?;
            self.move_mark().await?;
        }
        self.member.with(|state| {
            let slot = state.slot().unwrap_or_default();
            state.undone.insert((slot, id), Undone::UnderWay);
            Ok(slot)
        })
    }

    async fn sweep_own(&self) -> StoreResult<()> {
        let failed = self.member.with(|state| {
            let failed = state.undone.iter();
            let failed = failed.filter(|(_, undone)| **undone == Undone::Failed);
            failed.map(|(&key, _)| key).collect::<Vec<_>>()
        });
        for (slot, id) in failed {
            self.sweep_slot(self.member.node, slot, Some(id)).await?;
            self.member.done(slot, id);
        }
        Ok(())
    }

    /// Only the node itself moves its mark, and only behind what is done.
    async fn move_mark(&self) -> StoreResult<()> {
        let (low, mark) = self.member.with(|state| (state.low_slot(), state.mark));
        match low {
            Some(low) if Some(low) != mark => self.put_mark(low).await,
            _ => Ok(()),
        }
    }

    async fn put_mark(&self, low: i64) -> StoreResult<()> {
        // A mark only grows, so it is its own time.
        let row = row![
            self.member.node,
            low,
            Micros(low.saturating_mul(60_000_000)),
            KEPT
        ];
        let deadline = self.engine.deadline(USUAL);
        let change = vec![(Cql::PutMark, row)];
        self.engine.change(BEAT, deadline, change).await?;
        self.member.with(|state| state.mark = Some(low));
        Ok(())
    }

    async fn sweep_others(&self) -> StoreResult<()> {
        for center in self.engine.data_centers() {
            let dead = self.dead_of(&center).await?;
            for (node, beat) in dead {
                self.sweep_dead(node, beat).await?;
            }
        }
        Ok(())
    }

    /// The dead nodes of a data center whose heir we are.
    async fn dead_of(&self, center: &str) -> StoreResult<Vec<(Uuid, i64)>> {
        type Cells = (Uuid, Option<String>, Option<i64>);
        let read = self
            .engine
            .read::<Cells>(BEAT, Cql::ReadNodes, row![center]);
        let nodes = read.await?;
        let now = self.clock().elapsed();
        let is_own = center == self.member.data_center;
        let silence = if is_own { SILENCE } else { FAR_SILENCE };
        Ok(self.member.with(|state| {
            let mut living = vec![self.member.node];
            let mut dead = Vec::new();
            let mut is_far_alive = false;
            for (node, _, beat) in nodes {
                let Some(beat) = beat else { continue };
                if node == self.member.node {
                    continue;
                }
                if state.observe(node, beat, now) < silence {
                    is_far_alive |= !is_own;
                    living.push(node);
                } else if state.is_to_be_swept(node, now) {
                    dead.push((node, beat));
                }
            }
            if is_far_alive || state.is_fenced(now) {
                return Vec::new();
            }
            dead.retain(|&(node, _)| heir(node, &living) == Some(self.member.node));
            dead
        }))
    }

    async fn sweep_dead(&self, node: Uuid, beat: i64) -> StoreResult<()> {
        let read = self
            .engine
            .read::<(Option<i64>,)>(BEAT, Cql::ReadMark, row![node]);
        // A node without a mark has never had a record.
        if let Some((Some(low),)) = read.await?.pop() {
            let mut swept = 0;
            for slot in low..=slot_of(beat) {
                swept += self.sweep_slot(node, slot, None).await?;
            }
            if swept > 0 {
                tracing::info!(%node, swept, "finished what a dead node had begun");
            }
        }
        let now = self.clock().elapsed();
        self.member.with(|state| {
            if let Some(other) = state.others.get_mut(&node) {
                other.swept_at = Some(now);
            }
        });
        Ok(())
    }

    /// At an orderly end others need not look at our slots, if nothing is left in them.
    pub(crate) async fn leave_cluster(&self) {
        let last = self.member.with(|state| {
            let slot = state.slot().filter(|_| state.undone.is_empty());
            slot.filter(|_| state.mark.is_some())
        });
        if let Some(last) = last {
            let _ = self.put_mark(last.saturating_add(1)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> Member {
        Member::new("dc1", 1, 2)
    }

    #[test]
    fn a_node_is_silent_since_its_last_new_beat() {
        let other = member().node();
        let mut state = State::default();
        let at = Duration::from_secs;
        assert_eq!(state.observe(other, 7, at(100)), at(0));
        assert_eq!(state.observe(other, 7, at(190)), at(90));
        assert!(state.is_to_be_swept(other, at(190)));
        assert_eq!(state.observe(other, 8, at(191)), at(0));
    }

    #[test]
    fn a_node_without_a_recent_beat_sweeps_nobody() {
        let mut state = State::default();
        assert!(state.is_fenced(Duration::from_secs(1)));
        state.beat = Some((1, Duration::from_secs(10)));
        assert!(!state.is_fenced(Duration::from_secs(50)));
        assert!(state.is_fenced(Duration::from_secs(56)));
    }

    #[test]
    fn the_living_agree_on_one_heir() {
        let nodes: Vec<_> = (0..5).map(|n| Member::new("dc1", n, n).node()).collect();
        let mut turned = nodes.clone();
        turned.reverse();
        for dead in 10..30 {
            let dead = Member::new("dc1", dead, 0).node();
            assert_eq!(heir(dead, &nodes), heir(dead, &turned));
        }
        assert_eq!(heir(nodes[0], &[]), None);
    }

    #[test]
    fn the_mark_stays_behind_what_is_not_done() {
        let minter = cassmail_mail::IdMinter::new(cassmail_mail::NodeId::from_random(1));
        let id = minter.mint(cassmail_mail::UnixTime::from_micros(1));
        let mut state = State {
            beat: Some((600_000, Duration::ZERO)),
            ..State::default()
        };
        assert_eq!(state.low_slot(), Some(10));
        state.undone.insert((7, id), Undone::UnderWay);
        assert_eq!(state.low_slot(), Some(7));
    }
}
