//! Finds out what became of messages: for people who ask.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use cassmail_mail::{AccountId, Address, MessageId, UnixTime};
use cassmail_store::{
    AddressEntry, EventId, Happened, Search, Store, StoreResult, TraceEvent, TraceKey, TraceQuery,
};

use crate::clock::Clock;
use crate::directory::Directory;

/// Events that are read at once.
const PAGE: usize = 200;

/// Pages that one answer reads at most; who wants more goes on behind it.
const PAGES: usize = 50;

/// Events of one message that are shown: the acceptance, and then the first of what came.
const OF_A_MESSAGE: usize = 1000;

/// Accounts of one message that are looked at.
const LOOKED_AT: usize = 20;

/// Lives of an account at one address that are looked for, the latest.
const LIVES: u64 = 8;

/// What somebody wants to know.
#[derive(Debug, Clone, Default)]
pub struct TraceAsked {
    /// Who sent, was named, fetched, or owns the account that it came to.
    pub address: Option<Address>,
    /// What stands in the field `Message-ID`.
    pub header_id: Option<String>,
    /// From where.
    pub source: Option<SourceRange>,
    /// Not before.
    pub from: Option<UnixTime>,
    /// Before.
    pub until: Option<UnixTime>,
    /// Only what is older than this event.
    pub before: Option<EventId>,
    /// At most so many events.
    pub limit: usize,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracesFound {
    /// The newest first.
    pub events: Vec<TraceEvent>,
    /// There may be more behind this one.
    pub more: Option<EventId>,
}

/// What became of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageTrace {
    /// The oldest first.
    pub events: Vec<TraceEvent>,
    /// Where it is now, as far as the accounts that it came to are known and few.
    pub places: Vec<Place>,
}

/// An account that a message came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which.
    pub account: AccountId,
    /// Its address; none if it is gone.
    pub address: Option<Address>,
    /// Whether the message is listed there now.
    pub is_listed: bool,
}

/// A network that is small enough to be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceRange {
    network: IpAddr,
    prefix: u32,
}

/// A text is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an address or a network of at least 24 bits (IPv4) or 64 (IPv6), such as 192.0.2.0/24"
)]
pub struct SourceRangeError;

impl FromStr for SourceRange {
    type Err = SourceRangeError;

    fn from_str(text: &str) -> Result<Self, SourceRangeError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().map_err(|_| SourceRangeError)?;
        let (least, most) = match network {
            IpAddr::V4(_) => (24, 32),
            IpAddr::V6(_) => (64, 128),
        };
        let prefix = prefix.map_or(Ok(most), str::parse);
        let prefix = prefix.map_err(|_| SourceRangeError)?;
        if !(least..=most).contains(&prefix) {
            return Err(SourceRangeError);
        }
        Ok(Self { network, prefix })
    }
}

impl fmt::Display for SourceRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl SourceRange {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = u32::from(network) ^ u32::from(address);
                differing.leading_zeros() >= self.prefix
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differing = u128::from(network) ^ u128::from(address);
                differing.leading_zeros() >= self.prefix
            }
            _ => false,
        }
    }
}

/// Finds out what became of messages.
#[derive(Clone)]
pub struct Lookup {
    store: Arc<dyn Store>,
    directory: Directory,
    clock: Arc<dyn Clock>,
    /// None: nothing is recorded.
    keep: Option<Duration>,
}

impl Lookup {
    /// Over a store that keeps traces for so long; none if none are recorded.
    pub fn new(
        store: Arc<dyn Store>,
        directory: Directory,
        clock: Arc<dyn Clock>,
        keep: Option<Duration>,
    ) -> Self {
        Self {
            store,
            directory,
            clock,
            keep,
        }
    }

    /// For how long traces are kept; none if none are recorded.
    pub fn keep(&self) -> Option<Duration> {
        self.keep
    }

    /// Finds events, the newest first.
    pub async fn find(&self, asked: &TraceAsked) -> StoreResult<TracesFound> {
        let keys = self.keys(asked).await?;
        // An address is compared only where another key than its own is looked up.
        let addresses = match asked.header_id {
            Some(_) => self.keys_of(asked.address.as_ref()).await?,
            None => Vec::new(),
        };
        let filter = Filter {
            addresses,
            source: asked.source,
        };
        let mut query = self.range(asked);
        let mut events = Vec::new();
        for _ in 0..PAGES {
            let page = self.page(&keys, &query).await?;
            let last = page.last().map(|event| event.id);
            let is_last = page.len() < query.limit;
            for event in page {
                let id = event.id;
                if filter.lets(&event) {
                    events.push(event);
                }
                if events.len() >= asked.limit {
                    let more = Some(id);
                    return Ok(TracesFound { events, more });
                }
            }
            if is_last {
                return Ok(TracesFound { events, more: None });
            }
            query.before = last;
        }
        let more = query.before;
        Ok(TracesFound { events, more })
    }

    /// What became of a message, and where it is.
    pub async fn message(&self, id: MessageId) -> StoreResult<MessageTrace> {
        let query = TraceQuery {
            key: Some(TraceKey::Message(id)),
            limit: OF_A_MESSAGE,
            ..self.range(&TraceAsked::default())
        };
        let mut events = self.store.find_traces(query).await?;
        events.reverse();
        let mut places = Vec::new();
        for account in accounts_of(&events).into_iter().take(LOOKED_AT) {
            places.push(self.place(account, id).await?);
        }
        Ok(MessageTrace { events, places })
    }

    /// The addresses of the accounts that events name, as far as those are there and not too many.
    pub async fn addresses(
        &self,
        events: &[TraceEvent],
    ) -> StoreResult<BTreeMap<AccountId, Address>> {
        const MOST: usize = 200;
        let mut addresses = BTreeMap::new();
        for account in accounts_of(events).into_iter().take(MOST) {
            if let Some((profile, _)) = self.store.account(account).await? {
                addresses.insert(account, profile.address);
            }
        }
        Ok(addresses)
    }

    async fn place(&self, account: AccountId, id: MessageId) -> StoreResult<Place> {
        let found = self.store.account(account).await?;
        let listed = self.store.list(account).await?;
        Ok(Place {
            account,
            address: found.map(|(profile, _)| profile.address),
            is_listed: listed.iter().any(|entry| entry.id == id),
        })
    }

    /// What is kept, as far as it is asked for. A clock of another node may be a little ahead.
    fn range(&self, asked: &TraceAsked) -> TraceQuery {
        const AHEAD: Duration = Duration::from_mins(10);
        let now = self.clock.wall();
        let shifted = |by: Duration| u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        let keep = self.keep.unwrap_or(Duration::from_hours(14 * 24));
        let first = UnixTime::from_micros(now.as_micros().saturating_sub(shifted(keep)));
        let last = UnixTime::from_micros(now.as_micros().saturating_add(shifted(AHEAD)));
        TraceQuery {
            key: None,
            from: asked.from.map_or(first, |from| from.max(first)),
            until: asked.until.map_or(last, |until| until.min(last)),
            before: asked.before,
            limit: PAGE,
        }
    }

    /// The key that finds the fewest events; of an address all that are its owner's.
    async fn keys(&self, asked: &TraceAsked) -> StoreResult<Vec<Option<TraceKey>>> {
        if let Some(text) = &asked.header_id {
            return Ok(vec![Some(TraceKey::header_id(text))]);
        }
        if let Some(address) = &asked.address {
            let keys = self.keys_of(Some(address)).await?;
            return Ok(keys.into_iter().map(Some).collect());
        }
        let source = asked.source.map(|range| TraceKey::source(range.network));
        Ok(vec![source])
    }

    /// Of an address: itself, and the accounts that it is or was.
    async fn keys_of(&self, address: Option<&Address>) -> StoreResult<Vec<TraceKey>> {
        let Some(address) = address else {
            return Ok(Vec::new());
        };
        let canonical = self.directory.canonical(address);
        let entry = self.store.resolve(canonical.clone()).await?;
        let lives = entry.as_ref().map_or(0, AddressEntry::generation);
        let first = lives.saturating_sub(LIVES).saturating_add(1);
        let mut keys = vec![TraceKey::address(address)];
        let of_lives = (first..=lives).map(|life| AccountId::of(&canonical, life));
        keys.extend(of_lives.map(TraceKey::Account));
        Ok(keys)
    }

    /// The newest events that have any of the keys.
    async fn page(
        &self,
        keys: &[Option<TraceKey>],
        query: &TraceQuery,
    ) -> StoreResult<Vec<TraceEvent>> {
        let mut all = Search::new(query.clone());
        for key in keys {
            let query = TraceQuery {
                key: key.clone(),
                ..query.clone()
            };
            all.offer(self.store.find_traces(query).await?);
        }
        Ok(all.finish())
    }
}

/// What an event has to be beside having the key.
struct Filter {
    /// One of these; none: whatever it has.
    addresses: Vec<TraceKey>,
    source: Option<SourceRange>,
}

impl Filter {
    fn lets(&self, event: &TraceEvent) -> bool {
        let keys = || event.keys();
        let has_address =
            self.addresses.is_empty() || keys().iter().any(|key| self.addresses.contains(key));
        let is_from = |range: SourceRange| event.source.is_some_and(|at| range.contains(at));
        has_address && self.source.is_none_or(is_from)
    }
}

fn accounts_of(events: &[TraceEvent]) -> BTreeSet<AccountId> {
    let mut accounts = BTreeSet::new();
    for event in events {
        match &event.what {
            Happened::Accepted(accepted) => {
                let reached = accepted.recipients.iter();
                accounts.extend(reached.flat_map(|recipient| &recipient.accounts));
            }
            Happened::Retrieved { of, .. } => drop(accounts.insert(of.account)),
            Happened::Removed { account, .. } => drop(accounts.insert(*account)),
            Happened::Refused(_) => {}
        }
    }
    accounts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_an_address_or_a_network_that_is_not_too_large() {
        let range = |text: &str| text.parse::<SourceRange>();
        let net = range("192.0.2.64/26").unwrap();
        assert!(net.contains("192.0.2.77".parse().unwrap()));
        assert!(!net.contains("192.0.2.7".parse().unwrap()));
        assert!(!net.contains("2001:db8::1".parse().unwrap()));
        let one = range("2001:db8::1").unwrap();
        assert!(one.contains("2001:db8::1".parse().unwrap()));
        assert!(!one.contains("2001:db8::2".parse().unwrap()));
        for wrong in [
            "",
            "x",
            "192.0.2.0/23",
            "192.0.2.0/33",
            "2001:db8::/48",
            "192.0.2.0/",
        ] {
            assert_eq!(range(wrong), Err(SourceRangeError), "{wrong}");
        }
    }
}
