//! In the background while a data center is away or lacks something: probes, and healing.
//!
//! A probe repeats a change that failed, at the full level. When it gets through, the breaker
//! closes, and the partitions that wait are read back at a quorum in every data center, which
//! repairs them there; one that cannot be read yet goes behind the others.

use std::sync::Arc;

use crate::breaker::Mending;
use crate::engine::{Change, Engine, USUAL};
use crate::error::Verb;
use crate::profiles::Profile;
use crate::together::all_at_once;
use crate::waiting::Due;

const PROBE: Verb = "probe the data centers";
const HEAL: Verb = "heal a partition";

/// So many partitions are read back at once.
const AT_ONCE: usize = 8;

impl Engine {
    /// Begins to mend, if there is something to mend and nobody does.
    pub(crate) fn mend(self: &Arc<Self>) {
        if !self.breaker.begin_mending() {
            return;
        }
        let engine = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                let pause = engine.shaken(engine.breaker.next_pause());
                engine.clock.sleep(pause).await;
                let Some(_pass) = engine.gate.enter() else {
                    return engine.breaker.stop_mending();
                };
                match engine.breaker.next_step() {
                    Mending::Done => return,
                    Mending::Probe(change) => engine.probe(change).await,
                    Mending::Heal(due) => engine.heal(due).await,
                }
            }
        });
    }

    async fn probe(self: &Arc<Self>, change: Arc<Change>) {
        const LEVEL: Profile = Profile::Write;
        let deadline = self.deadline(USUAL);
        let send = move |engine: Arc<Self>| async move { engine.send(LEVEL, &change).await };
        if let Ok(Ok(())) = self.attempt(LEVEL, PROBE, deadline, send).await {
            self.breaker.close();
        }
    }

    /// Ends early when nothing can be healed yet, or when the store closes.
    async fn heal(self: &Arc<Self>, mut due: Vec<Due>) {
        while !due.is_empty() && self.gate.is_open() {
            let rest = due.split_off(due.len().min(AT_ONCE));
            let mut healings = Vec::with_capacity(due.len());
            for due in std::mem::replace(&mut due, rest) {
                healings.push(self.heal_one(due));
            }
            let healed = all_at_once(AT_ONCE, healings).await;
            if !healed.contains(&true) {
                return;
            }
        }
    }

    async fn heal_one(self: &Arc<Self>, due: Due) -> bool {
        let (read, key) = (due.read, due.key.clone());
        let deadline = self.deadline(USUAL);
        let send = move |engine: Arc<Self>| async move { engine.read_back(read, &key).await };
        let sent = self.attempt(Profile::Heal, HEAL, deadline, send).await;
        let is_healed = match sent {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a partition still waits to be healed");
                false
            }
            Err(_) => false,
        };
        if is_healed {
            self.breaker.healed(&due);
        }
        is_healed
    }
}
