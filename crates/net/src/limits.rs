//! Who is let in: how many connections, from where, how often.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cassmail_telemetry::Limit;
use cassmail_wire::{Load, Moment, Rate, Source, Standing, TurnedAway, Used};

use crate::budget::Budget;
use crate::network::{Network, network_of};

/// How many connections the process takes.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open at once in the whole process; this holds for exempt networks too.
    pub connections: usize,
    /// Octets that may wait in memory for slow peers or a slow store, over all connections.
    pub octets_in_flight: usize,
    /// The leading bits of an IPv4 address that make a source.
    pub ipv4_prefix: u8,
    /// The leading bits of an IPv6 address that make a source: a host has 64 to itself.
    pub ipv6_prefix: u8,
    /// Open at once from one source.
    pub per_source: usize,
    /// New ones from one source in a minute. As many may come at once.
    pub per_source_and_minute: u32,
    /// How many sources are remembered.
    pub remembered: usize,
    /// From here neither the limits of sources nor those of listeners and accounts hold.
    pub exempt: Vec<Network>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            octets_in_flight: 256 * 1024 * 1024,
            ipv4_prefix: 32,
            ipv6_prefix: 64,
            per_source: 100,
            per_source_and_minute: 600,
            remembered: 100_000,
            exempt: Vec::new(),
        }
    }
}

impl Limits {
    /// The source that an address belongs to.
    pub fn source_of(&self, address: IpAddr) -> Source {
        let prefix = match address {
            IpAddr::V4(_) => self.ipv4_prefix,
            IpAddr::V6(_) => self.ipv6_prefix,
        };
        let is_exempt = self.exempt.iter().any(|network| network.contains(address));
        Source {
            network: network_of(address, prefix),
            standing: if is_exempt {
                Standing::Exempt
            } else {
                Standing::Limited
            },
        }
    }
}

const MINUTE: Duration = Duration::from_mins(1);

/// Counts connections and decides about new ones.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: Limits,
    budget: Budget,
    sources: Mutex<Sources>,
}

type Sources = HashMap<Source, Visits>;

#[derive(Debug, Default)]
struct Visits {
    open: usize,
    /// New connections of the last minute.
    used: Used,
    /// When a refusal was logged last.
    logged: Option<Moment>,
    /// Refusals that were not logged since.
    unlogged: u64,
}

impl Visits {
    fn is_worth_remembering(&self, now: Moment) -> bool {
        let logged_lately = self.logged.is_some_and(|then| now.since(then) < MINUTE);
        self.open > 0 || !self.used.is_nothing(now) || logged_lately
    }
}

/// The connections of one listener.
#[derive(Debug)]
pub(crate) struct Quota {
    most: usize,
    rate: Rate,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    open: usize,
    used: Used,
}

impl Quota {
    pub(crate) fn new(most: usize, per_minute: u32) -> Self {
        Self {
            most,
            rate: Rate::per_minute(per_minute),
            entries: Mutex::default(),
        }
    }

    fn enter(&self, source: Source, now: Moment) -> Result<(), Limit> {
        let mut entries = locked(&self.entries);
        if !source.is_exempt() {
            if entries.open >= self.most {
                return Err(Limit::ConnectionsPerListener);
            }
            if !entries.used.spend(&self.rate, now) {
                return Err(Limit::ConnectionRatePerListener);
            }
        }
        entries.open = entries.open.saturating_add(1);
        Ok(())
    }

    fn leave(&self) {
        let mut entries = locked(&self.entries);
        entries.open = entries.open.saturating_sub(1);
    }
}

/// A connection that was let in; dropped when it is over.
#[derive(Debug)]
pub(crate) struct Admission {
    gate: Arc<Gate>,
    quota: Arc<Quota>,
    source: Source,
}

impl Admission {
    /// Where the connection comes from.
    pub(crate) fn source(&self) -> Source {
        self.source
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.quota.leave();
        self.gate.budget.close_one();
        if let Some(visits) = locked(&self.gate.sources).get_mut(&self.source) {
            visits.open = visits.open.saturating_sub(1);
        }
    }
}

/// A connection that was not let in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) why: TurnedAway,
    /// Which limit, for the operator.
    pub(crate) limit: Limit,
    pub(crate) log: Log,
}

/// Whether a refusal is to be logged: one a minute for each source is enough.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Log {
    Now {
        /// Refusals of this source that were not logged since the last line.
        unlogged: u64,
    },
    Later,
}

impl Gate {
    pub(crate) fn new(limits: Limits, budget: Budget) -> Self {
        Self {
            limits,
            budget,
            sources: Mutex::default(),
        }
    }

    /// Decides about a connection.
    pub(crate) fn admit(
        self: &Arc<Self>,
        quota: &Arc<Quota>,
        address: IpAddr,
        now: Moment,
    ) -> Result<Admission, Refusal> {
        self.decide(quota, self.limits.source_of(address), now)
    }

    /// Decides about a connection of this machine, over a socket that says who may connect: only
    /// the budget of the process holds.
    pub(crate) fn admit_own(
        self: &Arc<Self>,
        quota: &Arc<Quota>,
        now: Moment,
    ) -> Result<Admission, Refusal> {
        let this_machine = Source {
            network: IpAddr::V4(Ipv4Addr::LOCALHOST),
            standing: Standing::Exempt,
        };
        self.decide(quota, this_machine, now)
    }

    fn decide(
        self: &Arc<Self>,
        quota: &Arc<Quota>,
        source: Source,
        now: Moment,
    ) -> Result<Admission, Refusal> {
        let mut sources = locked(&self.sources);
        make_room(&mut sources, self.limits.remembered, now);
        let visits = sources.entry(source).or_default();
        match self.judge(visits, source, quota, now) {
            Ok(()) => {
                visits.open = visits.open.saturating_add(1);
                Ok(Admission {
                    gate: Arc::clone(self),
                    quota: Arc::clone(quota),
                    source,
                })
            }
            Err(limit) => Err(Refusal {
                why: told(limit),
                limit,
                log: visits.log(now),
            }),
        }
    }

    fn judge(
        &self,
        visits: &mut Visits,
        source: Source,
        quota: &Quota,
        now: Moment,
    ) -> Result<(), Limit> {
        let per_minute = Rate::per_minute(self.limits.per_source_and_minute);
        if self.budget.load() == Load::Full {
            return Err(Limit::OctetsInFlight);
        }
        if !source.is_exempt() {
            if visits.open >= self.limits.per_source {
                return Err(Limit::ConnectionsPerSource);
            }
            if !visits.used.has_room(&per_minute, now) {
                return Err(Limit::ConnectionRatePerSource);
            }
        }
        quota.enter(source, now)?;
        if !self.budget.open_one() {
            quota.leave();
            return Err(Limit::Connections);
        }
        if !source.is_exempt() {
            visits.used.spend(&per_minute, now);
        }
        Ok(())
    }
}

/// What the peer is told of a limit.
fn told(limit: Limit) -> TurnedAway {
    match limit {
        Limit::ConnectionsPerSource | Limit::ConnectionRatePerSource => {
            TurnedAway::TooManyFromSource
        }
        _ => TurnedAway::TooManyConnections,
    }
}

/// Above the maximum, those without open connections are forgotten: who can connect from so many
/// places is not held back by a limit per place.
fn make_room(sources: &mut Sources, most: usize, now: Moment) {
    if sources.len() < most {
        return;
    }
    sources.retain(|_, visits| visits.is_worth_remembering(now));
    if sources.len() >= most {
        sources.retain(|_, visits| visits.open > 0);
    }
}

impl Visits {
    fn log(&mut self, now: Moment) -> Log {
        if self.logged.is_some_and(|then| now.since(then) < MINUTE) {
            self.unlogged = self.unlogged.saturating_add(1);
            return Log::Later;
        }
        self.logged = Some(now);
        Log::Now {
            unlogged: std::mem::take(&mut self.unlogged),
        }
    }
}

/// The counts are right after each statement, so a panic elsewhere does not spoil them.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use cassmail_telemetry::Gauge;

    use super::*;
    use crate::stop::Herald;

    const START: Moment = Moment(Duration::from_secs(1000));

    fn gate(limits: Limits) -> Arc<Gate> {
        let (connections, octets) = (limits.connections, limits.octets_in_flight);
        let budget = Budget::new(connections, octets, Gauge::default(), Herald::default());
        Arc::new(Gate::new(limits, budget))
    }

    fn roomy() -> Arc<Quota> {
        Arc::new(Quota::new(1000, 1_000_000))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn why(outcome: Result<Admission, Refusal>) -> Option<TurnedAway> {
        outcome.err().map(|refusal| refusal.why)
    }

    #[test]
    fn a_source_gets_room_again_when_its_connection_ends() {
        let gate = gate(Limits {
            per_source: 1,
            ..Limits::default()
        });
        let quota = roomy();
        let first = gate.admit(&quota, ip("192.0.2.1"), START).unwrap();
        let second = gate.admit(&quota, ip("192.0.2.1"), START);
        assert_eq!(why(second), Some(TurnedAway::TooManyFromSource));
        let neighbour = gate.admit(&quota, ip("192.0.2.2"), START).unwrap();
        drop(first);
        assert_eq!(gate.budget.open(), 1);
        assert!(gate.admit(&quota, ip("192.0.2.1"), START).is_ok());
        drop(neighbour);
        assert_eq!(gate.budget.open(), 0);
    }

    #[test]
    fn a_network_of_64_bits_is_one_source() {
        let gate = gate(Limits {
            per_source: 1,
            ..Limits::default()
        });
        let quota = roomy();
        let _first = gate.admit(&quota, ip("2001:db8:0:1::1"), START).unwrap();
        let same = gate.admit(&quota, ip("2001:db8:0:1:ffff::2"), START);
        assert_eq!(why(same), Some(TurnedAway::TooManyFromSource));
        assert!(gate.admit(&quota, ip("2001:db8:0:2::1"), START).is_ok());
    }

    #[test]
    fn a_rate_allows_a_burst_and_then_its_pace() {
        let gate = gate(Limits {
            per_source_and_minute: 3,
            ..Limits::default()
        });
        let quota = roomy();
        let admit = |now| why(gate.admit(&quota, ip("192.0.2.1"), now));
        for _ in 0..3 {
            assert_eq!(admit(START), None);
        }
        assert_eq!(admit(START), Some(TurnedAway::TooManyFromSource));
        let later = START.after(Duration::from_secs(20));
        assert_eq!(admit(later), None);
        assert_eq!(admit(later), Some(TurnedAway::TooManyFromSource));
    }

    #[test]
    fn exempt_networks_are_held_by_the_budget_of_the_process_alone() {
        let gate = gate(Limits {
            connections: 3,
            per_source: 1,
            per_source_and_minute: 1,
            exempt: Network::LOOPBACK.to_vec(),
            ..Limits::default()
        });
        let narrow = Arc::new(Quota::new(1, 1000));
        let admit = || gate.admit(&narrow, ip("127.0.0.1"), START);
        let _inside = [admit().unwrap(), admit().unwrap(), admit().unwrap()];
        assert_eq!(why(admit()), Some(TurnedAway::TooManyConnections));
    }

    #[test]
    fn a_full_listener_leaves_room_at_others() {
        let gate = gate(Limits::default());
        let (narrow, other) = (Arc::new(Quota::new(1, 1000)), roomy());
        let _inside = gate.admit(&narrow, ip("192.0.2.1"), START).unwrap();
        let refused = gate.admit(&narrow, ip("192.0.2.2"), START);
        assert_eq!(why(refused), Some(TurnedAway::TooManyConnections));
        assert!(gate.admit(&other, ip("192.0.2.2"), START).is_ok());
    }

    #[test]
    fn refusals_of_a_source_are_logged_once_a_minute_with_the_number_between() {
        let gate = gate(Limits {
            connections: 0,
            ..Limits::default()
        });
        let quota = roomy();
        let refuse = |now| gate.admit(&quota, ip("192.0.2.1"), now).unwrap_err().log;
        assert_eq!(refuse(START), Log::Now { unlogged: 0 });
        assert_eq!(refuse(START), Log::Later);
        assert_eq!(refuse(START), Log::Later);
        assert_eq!(refuse(START.after(MINUTE)), Log::Now { unlogged: 2 });
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let gate = gate(Limits {
            remembered: 1000,
            ..Limits::default()
        });
        let quota = roomy();
        for number in 0..2000 {
            let address = IpAddr::V4(Ipv4Addr::from_bits(number));
            drop(gate.admit(&quota, address, START).unwrap());
            assert!(locked(&gate.sources).len() <= 1000);
        }
    }

    fn limit(outcome: Result<Admission, Refusal>) -> Option<Limit> {
        outcome.err().map(|refusal| refusal.limit)
    }

    #[test]
    fn a_source_is_as_large_as_the_prefix_says() {
        let gate = gate(Limits {
            per_source: 1,
            ipv4_prefix: 24,
            ipv6_prefix: 48,
            ..Limits::default()
        });
        let quota = roomy();
        let admit = |address| gate.admit(&quota, ip(address), START);
        let _inside = [
            admit("192.0.2.1").unwrap(),
            admit("2001:db8::1").unwrap(),
            admit("192.0.3.1").unwrap(),
            admit("2001:db8:1::1").unwrap(),
        ];
        let same = [admit("192.0.2.255"), admit("2001:db8:0:ffff::1")];
        for refused in same.map(limit) {
            assert_eq!(refused, Some(Limit::ConnectionsPerSource));
        }
    }

    #[test]
    fn a_listener_has_so_many_new_connections_in_a_minute_from_everywhere() {
        let gate = gate(Limits::default());
        let quota = Arc::new(Quota::new(1000, 2));
        let admit = |address, now| limit(gate.admit(&quota, ip(address), now));
        assert_eq!(admit("192.0.2.1", START), None);
        assert_eq!(admit("192.0.2.2", START), None);
        let refused = admit("192.0.2.3", START);
        assert_eq!(refused, Some(Limit::ConnectionRatePerListener));
        let later = START.after(Duration::from_secs(30));
        assert_eq!(admit("192.0.2.3", later), None);
    }

    #[test]
    fn nobody_is_let_in_while_the_budget_of_octets_is_used_up() {
        let gate = gate(Limits {
            octets_in_flight: 100_000,
            exempt: Network::LOOPBACK.to_vec(),
            ..Limits::default()
        });
        let quota = roomy();
        let mut share = gate.budget.share();
        share.hold(100_000);
        for address in ["192.0.2.1", "127.0.0.1"] {
            let refused = gate.admit(&quota, ip(address), START).unwrap_err();
            assert_eq!(refused.limit, Limit::OctetsInFlight);
            assert_eq!(refused.why, TurnedAway::TooManyConnections);
        }
        drop(share);
        assert!(gate.admit(&quota, ip("192.0.2.1"), START).is_ok());
    }
}
