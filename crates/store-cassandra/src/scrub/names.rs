//! The lists of names of domains: a projection of the addresses, recounted.

use cassmail_store::{AddressEntry, StoreResult};

use super::suspects::{Look, Standing, Suspicion};
use super::{AT_ONCE, Count, Run, SCRUB, ScrubError};
use crate::accounts::{kind_of, shard_of};
use crate::profiles::Profile;
use crate::rows::{Micros, row};
use crate::statements::Cql;
use crate::together::each_at_once;

type AddressCells = (i64, String, String, Option<Vec<u8>>, Option<i64>);

type NameCells = (i64, String, i16, String, Option<i8>, Option<i64>);

/// An address in use that its domain does not list as what it is.
struct Missing {
    domain: String,
    local: String,
    kind: i8,
    written_at: Option<i64>,
}

/// A name that is listed and no address, and when it was written or given up.
struct Stale {
    domain: String,
    shard: i16,
    local: String,
    at: Micros,
    standing: Standing,
}

impl Run<'_> {
    pub(super) async fn addresses(&mut self, from: i64, to: i64) -> Result<i64, ScrubError> {
        let token = |row: &AddressCells| row.0;
        let slice = self.slice(Cql::WalkAddresses, (from, to), token).await?;
        let look = self.look();
        let mut checks = Vec::new();
        for (_, domain, local, entry, written_at) in slice.rows {
            let Some(Ok(entry)) = entry.map(|entry| AddressEntry::decode(&entry)) else {
                continue;
            };
            if entry.is_in_use() {
                self.report.add(Count::Addresses, 1);
                let kind = kind_of(&entry);
                checks.push(look.check_address(Missing {
                    domain,
                    local,
                    kind,
                    written_at,
                }));
            }
        }
        let missing = each_at_once(AT_ONCE, checks).await;
        for missing in self.succeeded(missing).into_iter().flatten() {
            self.report.add(Count::NamesMissing, 1);
            if self.may_mend() {
                self.add_name(missing).await;
            }
        }
        Ok(slice.end)
    }

    /// Later than whatever took it off the list. Should the address be given up at this moment, the
    /// name is stale, which whoever lists it sees.
    async fn add_name(&mut self, missing: Missing) {
        let shard = shard_of(&missing.local);
        let at = self.core.later_than(missing.written_at);
        let row = row![missing.domain, shard, missing.local, missing.kind, at];
        if self.change(vec![(Cql::PutName, row)]).await {
            self.report.add(Count::NamesAdded, 1);
        }
    }

    pub(super) async fn names(&mut self, from: i64, to: i64) -> Result<i64, ScrubError> {
        let token = |row: &NameCells| row.0;
        let slice = self.slice(Cql::WalkNames, (from, to), token).await?;
        let look = self.look();
        let mut checks = Vec::with_capacity(slice.rows.len());
        for (_, domain, shard, local, _, written_at) in slice.rows {
            self.report.add(Count::Names, 1);
            if let Some(written_at) = written_at {
                checks.push(look.check_name((domain, shard, local), written_at));
            }
        }
        let stale = each_at_once(AT_ONCE, checks).await;
        let mut confirmed = Vec::new();
        for stale in self.succeeded(stale).into_iter().flatten() {
            self.report.add(Count::NamesStale, 1);
            if stale.standing == Standing::Confirmed {
                confirmed.push(stale);
            }
        }
        if !confirmed.is_empty() && self.may_delete().await? {
            for stale in confirmed {
                self.drop_name(stale).await;
            }
        }
        Ok(slice.end)
    }

    async fn drop_name(&mut self, stale: Stale) {
        let row = row![stale.at, &*stale.domain, stale.shard, &*stale.local];
        if self.change(vec![(Cql::DropName, row)]).await {
            self.report.add(Count::NamesDropped, 1);
            let key = key_of(&stale.domain, &stale.local);
            self.acquit(Suspicion::Name, &key).await;
        }
    }
}

fn key_of(domain: &str, local: &str) -> Vec<u8> {
    format!("{local}@{domain}").into_bytes()
}

impl Look<'_> {
    async fn check_address(&self, address: Missing) -> StoreResult<Option<Missing>> {
        for level in [Profile::Read, Profile::Proof] {
            let shard = shard_of(&address.local);
            let key = row![&*address.domain, shard, &*address.local];
            let engine = &self.core.engine;
            let read = engine.read_at::<(Option<i8>,)>(level, SCRUB, Cql::ReadName, key);
            if read.await?.pop() == Some((Some(address.kind),)) {
                return Ok(None);
            }
        }
        Ok(Some(address))
    }

    /// Whether a name is stale. That its address was given up is written down; that there is none
    /// has to be seen twice, since a name is written first.
    async fn check_name(
        &self,
        (domain, shard, local): (String, i16, String),
        written_at: i64,
    ) -> StoreResult<Option<Stale>> {
        type Cells = (Option<Vec<u8>>, Option<i64>);
        let engine = &self.core.engine;
        let read = engine.read::<Cells>(SCRUB, Cql::ReadAddress, row![&*domain, &*local]);
        let near = read.await?.pop().and_then(|(entry, _)| entry);
        let near = near.and_then(|entry| AddressEntry::decode(&entry).ok());
        if near.is_some_and(|entry| entry.is_in_use()) {
            return Ok(None);
        }
        let (at, standing) = match self.entry_at_all(&domain, &local).await? {
            Some((entry, _)) if entry.is_in_use() => return Ok(None),
            Some(_) => (written_at, Standing::Confirmed),
            None => {
                let key = key_of(&domain, &local);
                (written_at, self.suspect(Suspicion::Name, &key).await?)
            }
        };
        Ok(Some(Stale {
            domain,
            shard,
            local,
            at: Micros(at),
            standing,
        }))
    }
}
