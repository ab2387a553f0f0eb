//! Who is let in: how many connections, from where, how often.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cassmail_wire::{Moment, TurnedAway};

/// How many connections the process takes.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open at once in the whole process; this holds for exempt networks too.
    pub connections: usize,
    /// Open at once from one source: an IPv4 address or an IPv6 network of 64 bits.
    pub per_source: usize,
    /// New ones from one source in a minute. As many may come at once.
    pub per_source_and_minute: u32,
    /// From here neither the limits of sources nor those of listeners hold.
    pub exempt: Vec<Network>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            per_source: 100,
            per_source_and_minute: 600,
            exempt: Vec::new(),
        }
    }
}

/// An IP network, such as `192.0.2.0/24` or `2001:db8::/32`. A single address is one too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// What only this machine can send from.
    pub const LOOPBACK: [Self; 2] = [
        Self {
            address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)),
            prefix: 8,
        },
        Self {
            address: IpAddr::V6(Ipv6Addr::LOCALHOST),
            prefix: 128,
        },
    ];

    /// Whether the address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && masked(address, self.prefix) == masked(self.address, self.prefix)
    }
}

/// The address's leading bits, the others zero.
fn masked(address: IpAddr, prefix: u8) -> u128 {
    let (bits, length) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let dropped = u32::saturating_sub(length, u32::from(prefix));
    let kept = bits.checked_shr(dropped).unwrap_or(0);
    kept.checked_shl(dropped).unwrap_or(0)
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let error = || NetworkError(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| error())?,
            None => longest,
        };
        if prefix > longest {
            return Err(error());
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A text that names no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read '{0}': expected an address or a network such as 192.0.2.0/24 or 2001:db8::/32")]
pub struct NetworkError(String);

/// The sources that are remembered. Above it, those without open connections are forgotten: who
/// can connect from so many places is not held back by a limit per place.
const REMEMBERED_SOURCES: usize = 50_000;

const MINUTE: Duration = Duration::from_mins(1);

/// Counts connections and decides about new ones.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: Limits,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    open: usize,
    sources: HashMap<Source, Visits>,
}

/// What one limit per source holds for. A host of IPv6 has a network of 64 bits to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    V4(u32),
    V6(u64),
}

impl Source {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

#[derive(Debug, Default)]
struct Visits {
    open: usize,
    /// When the source would have come if it had used its rate evenly; ahead of the time while it
    /// comes faster.
    on_schedule: Moment,
    /// When a refusal was logged last.
    logged: Option<Moment>,
    /// Refusals that were not logged since.
    unlogged: u64,
}

impl Visits {
    fn is_worth_remembering(&self, now: Moment) -> bool {
        let logged_lately = self.logged.is_some_and(|then| now.since(then) < MINUTE);
        self.open > 0 || self.on_schedule > now || logged_lately
    }
}

/// The connections of one listener.
#[derive(Debug)]
pub(crate) struct Quota {
    limit: usize,
    open: Mutex<usize>,
}

impl Quota {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            open: Mutex::new(0),
        }
    }

    fn enter(&self, exempt: bool) -> bool {
        let mut open = locked(&self.open);
        let admitted = exempt || *open < self.limit;
        if admitted {
            *open = open.saturating_add(1);
        }
        admitted
    }

    fn leave(&self) {
        let mut open = locked(&self.open);
        *open = open.saturating_sub(1);
    }
}

/// A connection that was let in; dropped when it is over.
#[derive(Debug)]
pub(crate) struct Admission {
    gate: Arc<Gate>,
    quota: Arc<Quota>,
    source: Source,
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.quota.leave();
        let mut book = self.gate.book();
        book.open = book.open.saturating_sub(1);
        if let Some(visits) = book.sources.get_mut(&self.source) {
            visits.open = visits.open.saturating_sub(1);
        }
    }
}

/// A connection that was not let in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) why: TurnedAway,
    /// Which limit, for the operator.
    pub(crate) limit: &'static str,
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
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            book: Mutex::default(),
        }
    }

    /// The connections that are open in the process.
    pub(crate) fn open(&self) -> usize {
        self.book().open
    }

    /// Decides about a connection.
    pub(crate) fn admit(
        self: &Arc<Self>,
        quota: &Arc<Quota>,
        address: IpAddr,
        now: Moment,
    ) -> Result<Admission, Refusal> {
        let exempt = self.limits.exempt.iter().any(|net| net.contains(address));
        let source = Source::of(address);
        let mut book = self.book();
        book.make_room(now);
        let open = book.open;
        let visits = book.sources.entry(source).or_default();
        match self.judge(open, visits, quota, exempt, now) {
            Ok(()) => {
                visits.open = visits.open.saturating_add(1);
                book.open = open.saturating_add(1);
                Ok(Admission {
                    gate: Arc::clone(self),
                    quota: Arc::clone(quota),
                    source,
                })
            }
            Err((why, limit)) => Err(Refusal {
                why,
                limit,
                log: visits.log(now),
            }),
        }
    }

    fn judge(
        &self,
        open: usize,
        visits: &mut Visits,
        quota: &Quota,
        exempt: bool,
        now: Moment,
    ) -> Result<(), (TurnedAway, &'static str)> {
        if open >= self.limits.connections {
            return Err((TurnedAway::TooManyConnections, "connections"));
        }
        if !exempt && visits.open >= self.limits.per_source {
            return Err((TurnedAway::TooManyFromSource, "connections per source"));
        }
        let schedule = self.schedule(visits, now);
        if !exempt && schedule.since(now) > MINUTE {
            let limit = "connections per source and minute";
            return Err((TurnedAway::TooManyFromSource, limit));
        }
        if !quota.enter(exempt) {
            return Err((TurnedAway::TooManyConnections, "connections per listener"));
        }
        if !exempt {
            visits.on_schedule = schedule;
        }
        Ok(())
    }

    /// The schedule of the source if it comes once more.
    fn schedule(&self, visits: &Visits, now: Moment) -> Moment {
        let step = MINUTE
            .checked_div(self.limits.per_source_and_minute)
            .unwrap_or(Duration::MAX);
        visits.on_schedule.max(now).after(step)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        locked(&self.book)
    }
}

impl Book {
    fn make_room(&mut self, now: Moment) {
        if self.sources.len() < REMEMBERED_SOURCES {
            return;
        }
        self.sources
            .retain(|_, visits| visits.is_worth_remembering(now));
        if self.sources.len() >= REMEMBERED_SOURCES {
            self.sources.retain(|_, visits| visits.open > 0);
        }
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
    use super::*;

    const START: Moment = Moment(Duration::from_secs(1000));

    fn gate(limits: Limits) -> Arc<Gate> {
        Arc::new(Gate::new(limits))
    }

    fn roomy() -> Arc<Quota> {
        Arc::new(Quota::new(1000))
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
        assert_eq!(gate.open(), 1);
        assert!(gate.admit(&quota, ip("192.0.2.1"), START).is_ok());
        drop(neighbour);
        assert_eq!(gate.open(), 0);
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
        });
        let narrow = Arc::new(Quota::new(1));
        let admit = || gate.admit(&narrow, ip("127.0.0.1"), START);
        let _inside = [admit().unwrap(), admit().unwrap(), admit().unwrap()];
        assert_eq!(why(admit()), Some(TurnedAway::TooManyConnections));
    }

    #[test]
    fn a_full_listener_leaves_room_at_others() {
        let gate = gate(Limits::default());
        let (narrow, other) = (Arc::new(Quota::new(1)), roomy());
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
        let gate = gate(Limits::default());
        let quota = roomy();
        for number in 0..u32::try_from(REMEMBERED_SOURCES).unwrap() + 10 {
            let address = IpAddr::V4(Ipv4Addr::from_bits(number));
            drop(gate.admit(&quota, address, START).unwrap());
        }
        assert!(gate.book().sources.len() <= REMEMBERED_SOURCES);
    }

    #[test]
    fn networks_are_read_and_contain_their_addresses() {
        let network = |text: &str| text.parse::<Network>().unwrap();
        assert!(network("192.0.2.0/24").contains(ip("192.0.2.255")));
        assert!(!network("192.0.2.0/24").contains(ip("192.0.3.0")));
        assert!(network("0.0.0.0/0").contains(ip("203.0.113.9")));
        assert!(!network("0.0.0.0/0").contains(ip("2001:db8::1")));
        assert!(network("2001:db8::/32").contains(ip("2001:db8:ffff::1")));
        assert!(network("::/0").contains(ip("2001:db8::1")));
        assert!(network("192.0.2.7").contains(ip("192.0.2.7")));
        for bad in ["", "192.0.2.0/33", "2001:db8::/129", "host", "192.0.2.0/-1"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
