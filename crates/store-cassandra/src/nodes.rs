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

use cassmail_mail::{MessageId, NodeId};
use cassmail_store::StoreResult;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::cassandra::Core;
use crate::engine::{Deadline, USUAL};
use crate::error::{Verb, odd_answer};
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

/// So far the wall clock may go another way than the monotonic one between two beats.
const JUMP: u64 = 10_000;

/// This process as a node among others; a new one at each start, and when the wall clock has
/// jumped: then this may be the copy of a process that goes on elsewhere (a snapshot of a machine
/// that was resumed), and two must never write one node's slots.
pub(crate) struct Member {
    data_center: String,
    state: Mutex<State>,
}

struct State {
    node: Uuid,
    /// What both clocks said before, the wall clock in milliseconds.
    clocks: Option<(i64, Duration)>,
    /// The last beat that was written, in milliseconds of the wall clock, and when. It never goes
    /// back.
    beat: Option<(i64, Duration)>,
    /// Records of ours that are not known to be done, of former nodes too.
    undone: BTreeMap<Record, Undone>,
    others: HashMap<Uuid, Other>,
    mark: Option<i64>,
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    pub(crate) node: Uuid,
    pub(crate) slot: i64,
    pub(crate) id: MessageId,
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
    pub(crate) fn new(data_center: &str, random: [u64; 2]) -> Self {
        Self {
            data_center: data_center.to_owned(),
            state: Mutex::new(State::of(node_of(random))),
        }
    }

    fn node(&self) -> Uuid {
        self.with(|state| state.node)
    }

    pub(crate) fn done(&self, record: Record) {
        self.with(|state| state.undone.remove(&record));
    }

    pub(crate) fn fail(&self, record: Record) {
        self.with(|state| state.undone.insert(record, Undone::Failed));
    }

    fn with<T>(&self, step: impl FnOnce(&mut State) -> T) -> T {
        step(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn node_of([high, low]: [u64; 2]) -> Uuid {
    let bits = (u128::from(high) << 64) | u128::from(low);
    uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
}

impl State {
    fn of(node: Uuid) -> Self {
        Self {
            node,
            clocks: None,
            beat: None,
            undone: BTreeMap::new(),
            others: HashMap::new(),
            mark: None,
        }
    }

    /// Compares what the clocks say with what they said before.
    fn has_jumped(&mut self, wall: i64, elapsed: Duration) -> bool {
        let before = self.clocks.replace((wall, elapsed));
        before.is_some_and(|(wall_before, elapsed_before)| {
            let passed = elapsed.saturating_sub(elapsed_before).as_millis();
            let passed = i64::try_from(passed).unwrap_or(i64::MAX);
            let expected = wall_before.saturating_add(passed);
            wall.abs_diff(expected) > JUMP
        })
    }

    /// Goes on as another node. What the former one has not done, this process still does; others
    /// do, too, when they have missed its beats for long enough.
    fn become_new(&mut self, node: Uuid) {
        self.node = node;
        self.beat = None;
        self.mark = None;
    }

    fn slot(&self) -> Option<i64> {
        self.beat.map(|(beat, _)| slot_of(beat))
    }

    /// From which slot on there may be records that are not done.
    fn low_slot(&self) -> Option<i64> {
        let own = self.undone.keys();
        let own = own.filter(|record| record.node == self.node);
        own.map(|record| record.slot).min().or(self.slot())
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

/// A process that has told others that it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSeen {
    /// Its id, new at each start.
    pub id: Uuid,
    /// Its data center.
    pub data_center: String,
    /// When it said so last, in milliseconds since 1970 on its own clock.
    pub beat: i64,
    /// Whether it is this process.
    pub is_this: bool,
}

impl Core {
    /// This process, and those that have said so in the last thirty days.
    pub(crate) async fn nodes_seen(&self, verb: Verb) -> StoreResult<Vec<NodeSeen>> {
        let own = self.member.node();
        let mut seen = Vec::new();
        for center in self.engine.data_centers() {
            type Cells = (Uuid, Option<String>, Option<i64>);
            let key = row![center.clone()];
            for (id, _, beat) in self.engine.read::<Cells>(verb, Cql::ReadNodes, key).await? {
                seen.extend(beat.map(|beat| NodeSeen {
                    id,
                    data_center: center.clone(),
                    beat,
                    is_this: id == own,
                }));
            }
        }
        // In its first seconds it has told nobody yet.
        if !seen.iter().any(|node| node.is_this) {
            let now = self.clock().now().as_micros() / 1000;
            seen.push(NodeSeen {
                id: own,
                data_center: self.member.data_center.clone(),
                beat: i64::try_from(now).unwrap_or(i64::MAX),
                is_this: true,
            });
        }
        Ok(seen)
    }

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
                core.retire(None);
            }
        });
    }

    pub(crate) async fn beat_and_sweep(&self) -> StoreResult<()> {
        self.beat(self.engine.deadline(USUAL)).await?;
        self.sweep_own().await?;
        self.move_mark().await?;
        self.sweep_others().await
    }

    /// A wall clock that has gone another way than the monotonic one makes a new node of us, with
    /// ids of its own.
    fn look_at_clocks(&self, wall: i64) {
        let elapsed = self.clock().elapsed();
        if !self.member.with(|state| state.has_jumped(wall, elapsed)) {
            return;
        }
        let [Ok(high), Ok(low), Ok(ids), Ok(messages)] = [(); 4].map(|()| getrandom::u64()) else {
            return;
        };
        let node = node_of([high, low]);
        self.member.with(|state| state.become_new(node));
        self.mint_anew(ids, NodeId::from_random(messages));
        tracing::warn!(
            event = crate::MAINTAINED,
            %node,
            "the wall clock has jumped: this process goes on as a new node"
        );
    }

    async fn beat(&self, deadline: Deadline) -> StoreResult<()> {
        let now = i64::try_from(self.clock().now().as_micros() / 1000).unwrap_or(i64::MAX);
        self.look_at_clocks(now);
        let (node, last) = self.member.with(|state| (state.node, state.beat));
        let beat = last.map_or(now, |(last, _)| now.max(last.saturating_add(1)));
        let (center, at) = (&*self.member.data_center, Micros(beat.saturating_mul(1000)));
        let change = vec![(Cql::PutBeat, row![center, node, "", beat, at, KEPT])];
        self.engine.change(BEAT, deadline, change).await?;
        let written = self.clock().elapsed();
        self.member.with(|state| {
            let is_later = state.beat.is_none_or(|(last, _)| last < beat);
            if is_later && state.node == node {
                state.beat = Some((beat, written));
            }
        });
        Ok(())
    }

    /// The slot for a record, which counts as under way from now on. The first record waits until
    /// others can know of this node.
    pub(crate) async fn take_slot(&self, id: MessageId, deadline: Deadline) -> StoreResult<Record> {
        if self.member.with(|state| state.mark).is_none() {
            self.beat(deadline).await?;
            self.move_mark().await?;
        }
        let record = self.member.with(|state| {
            let (node, slot) = (state.node, state.slot()?);
            let record = Record { node, slot, id };
            state.undone.insert(record, Undone::UnderWay);
            Some(record)
        });
        let became_new = "this process has just become a new node";
        record.ok_or_else(|| odd_answer(BEAT, became_new))
    }

    async fn sweep_own(&self) -> StoreResult<()> {
        let failed = self.member.with(|state| {
            let failed = state.undone.iter();
            let failed = failed.filter(|(_, undone)| **undone == Undone::Failed);
            failed.map(|(&record, _)| record).collect::<Vec<_>>()
        });
        for record in failed {
            let Record { node, slot, id } = record;
            self.sweep_slot(node, slot, Some(id)).await?;
            self.member.done(record);
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
        let at = Micros(low.saturating_mul(60_000_000));
        let node = self.member.node();
        let deadline = self.engine.deadline(USUAL);
        let change = vec![(Cql::PutMark, row![node, low, at, KEPT])];
        self.engine.change(BEAT, deadline, change).await?;
        self.member.with(|state| {
            if state.node == node {
                state.mark = Some(low);
            }
        });
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
            let own = state.node;
            let mut living = vec![own];
            let mut dead = Vec::new();
            let mut is_far_alive = false;
            for (node, _, beat) in nodes {
                let Some(beat) = beat else { continue };
                if node == own {
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
            dead.retain(|&(node, _)| heir(node, &living) == Some(own));
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
                let text = "finished what a dead node had begun";
                tracing::info!(event = crate::MAINTAINED, %node, swept, "{text}");
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
            let is_done = state.undone.is_empty();
            let slot = state.slot().filter(|_| is_done);
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

    #[test]
    fn a_node_is_silent_since_its_last_new_beat() {
        let mut state = State::of(node_of([1, 2]));
        let other = node_of([3, 4]);
        let at = Duration::from_secs;
        assert_eq!(state.observe(other, 7, at(100)), at(0));
        assert_eq!(state.observe(other, 7, at(190)), at(90));
        assert!(state.is_to_be_swept(other, at(190)));
        assert_eq!(state.observe(other, 8, at(191)), at(0));
    }

    #[test]
    fn a_node_without_a_recent_beat_sweeps_nobody() {
        let mut state = State::of(node_of([1, 2]));
        assert!(state.is_fenced(Duration::from_secs(1)));
        state.beat = Some((1, Duration::from_secs(10)));
        assert!(!state.is_fenced(Duration::from_secs(50)));
        assert!(state.is_fenced(Duration::from_secs(56)));
    }

    #[test]
    fn the_living_agree_on_one_heir() {
        let nodes: Vec<_> = (0..5).map(|n| node_of([n, n])).collect();
        let mut turned = nodes.clone();
        turned.reverse();
        for dead in 10..30 {
            let dead = node_of([dead, 0]);
            assert_eq!(heir(dead, &nodes), heir(dead, &turned));
        }
        assert_eq!(heir(nodes[0], &[]), None);
    }

    #[test]
    fn the_mark_stays_behind_what_is_not_done() {
        let minter = cassmail_mail::IdMinter::new(NodeId::from_random(1));
        let id = minter.mint(cassmail_mail::UnixTime::from_micros(1));
        let node = node_of([1, 2]);
        let mut state = State::of(node);
        state.beat = Some((600_000, Duration::ZERO));
        assert_eq!(state.low_slot(), Some(10));
        let slot = 7;
        state
            .undone
            .insert(Record { node, slot, id }, Undone::UnderWay);
        assert_eq!(state.low_slot(), Some(7));
        // A new node has slots of its own.
        state.become_new(node_of([3, 4]));
        assert_eq!(state.low_slot(), None);
    }

    #[test]
    fn a_wall_clock_that_leaves_the_monotonic_one_has_jumped() {
        let mut state = State::of(node_of([1, 2]));
        let mut jumped =
            |wall: i64, elapsed: u64| state.has_jumped(wall * 1000, Duration::from_secs(elapsed));
        assert!(!jumped(5_000, 100));
        assert!(!jumped(5_010, 110));
        assert!(
            !jumped(5_029, 120),
            "it was set, but by less than ten seconds"
        );
        assert!(jumped(5_060, 130));
        assert!(!jumped(5_070, 140), "once");
        assert!(jumped(1_000, 150), "back");
        assert!(
            !jumped(4_600, 3_750),
            "both clocks have seen the machine sleep"
        );
    }
}
