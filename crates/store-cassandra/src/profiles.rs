//! The execution profiles: how sure a statement has to be, and how long it may take.
//!
//! The time limits are above the server's own (2 s for writes, 5 s for reads), so that the server's
//! verdict comes first: a limit of the client tells nothing about what happened. The driver retries
//! nothing, since only our loop knows the peer's patience. Nor does it send a write to another node
//! when the first one is slow: it would keep the first verdict back until the second one has come,
//! too (tried: during a cut each attempt took 4.5 s instead of 2).

use std::sync::Arc;
use std::time::Duration;

use scylla::client::execution_profile::{ExecutionProfile, ExecutionProfileHandle};
use scylla::policies::load_balancing::{DefaultPolicy, LoadBalancingPolicy};
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::policies::speculative_execution::SimpleSpeculativeExecutionPolicy;
use scylla::statement::Consistency;

use crate::Options;

/// How sure a statement has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// A quorum of this data center: it sees what every acknowledged write of the cluster left.
    Read,
    /// One replica of this data center: for what proves itself, and is looked for again.
    Nearest,
    /// A quorum in every data center.
    Write,
    /// A quorum of all replicas, wherever they are: with three or more data centers it outlives the
    /// loss of one.
    Majority,
    /// A quorum in this data center: for what may be repeated or lost.
    WriteLocal,
    /// A read at a quorum in every data center: it repairs what one of them lacks.
    Heal,
    /// All replicas there are: nothing else proves an absence.
    Proof,
}

/// The driver's form of them.
pub(crate) struct Profiles {
    read: ExecutionProfileHandle,
    nearest: ExecutionProfileHandle,
    write: ExecutionProfileHandle,
    majority: ExecutionProfileHandle,
    heal: ExecutionProfileHandle,
    write_local: ExecutionProfileHandle,
    proof: ExecutionProfileHandle,
}

impl Profiles {
    pub(crate) fn new(options: &Options) -> Self {
        let routes = routes(options);
        let read = |level| {
            let speculation = SimpleSpeculativeExecutionPolicy {
                max_retry_count: 1,
                retry_interval: Duration::from_millis(50),
            };
            profile(&routes, level, 7)
                .speculative_execution_policy(Some(Arc::new(speculation)))
                .build()
                .into_handle()
        };
        let plain = |level, seconds| profile(&routes, level, seconds).build().into_handle();
        Self {
            read: read(Consistency::LocalQuorum),
            nearest: read(Consistency::LocalOne),
            write: plain(Consistency::EachQuorum, 6),
            majority: plain(Consistency::Quorum, 6),
            heal: plain(Consistency::EachQuorum, 10),
            write_local: plain(Consistency::LocalQuorum, 5),
            proof: plain(Consistency::All, 10),
        }
    }

    pub(crate) fn handle(&self, profile: Profile) -> ExecutionProfileHandle {
        match profile {
            Profile::Read => &self.read,
            Profile::Nearest => &self.nearest,
            Profile::Write => &self.write,
            Profile::Majority => &self.majority,
            Profile::Heal => &self.heal,
            Profile::WriteLocal => &self.write_local,
            Profile::Proof => &self.proof,
        }
        .clone()
    }
}

/// Never over to another data center: LOCAL_QUORUM would then mean the quorum of that one.
fn routes(options: &Options) -> Arc<dyn LoadBalancingPolicy> {
    let policy = DefaultPolicy::builder()
        .token_aware(true)
        .permit_dc_failover(false)
        .enable_shuffling_replicas(true)
        .prefer_datacenter(options.data_center.clone());
    policy.build()
}

fn profile(
    routes: &Arc<dyn LoadBalancingPolicy>,
    level: Consistency,
    seconds: u64,
) -> scylla::client::execution_profile::ExecutionProfileBuilder {
    ExecutionProfile::builder()
        .consistency(level)
        .request_timeout(Some(Duration::from_secs(seconds)))
        .load_balancing_policy(Arc::clone(routes))
        .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
}
