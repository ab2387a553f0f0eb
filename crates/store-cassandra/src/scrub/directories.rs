//! Directories of buckets: those to be listed everywhere, those to retire, removals to finish.

use cassmail_mail::{AccountId, MessageId};
use cassmail_store::{AddressEntry, StoreResult};
use scylla::value::CqlTimeuuid;
use uuid::Uuid;

use super::suspects::{Look, Standing, Suspicion};
use super::{AT_ONCE, Count, Finding, Run, SCRUB, ScrubError};
use crate::accounts::Life;
use crate::breaker::Fallback;
use crate::profiles::Profile;
use crate::rows::{Micros, id_of, octets, row};
use crate::statements::Cql;
use crate::together::each_at_once;

/// So old a bucket has to be: thirty days of writing, the life of the spool, and a margin.
const OLD: std::time::Duration = std::time::Duration::from_hours(40 * 24);

/// How much later than a bucket it is written when it is listed again, and when a scrub retires it.
const AGAIN: i64 = 2;
const RETIRED: i64 = 3;

type Cells = (
    i64,
    Uuid,
    Option<CqlTimeuuid>,
    Option<bool>,
    Option<i8>,
    Option<i64>,
);

struct Directory {
    account: AccountId,
    life: Option<Life>,
    buckets: Vec<Listing>,
}

#[derive(Clone, Copy)]
struct Listing {
    bucket: MessageId,
    everywhere: bool,
    written_at: Option<i64>,
}

#[derive(Default)]
struct Seen {
    counts: Vec<(Count, u64)>,
    findings: Vec<Finding>,
    acts: Vec<Act>,
}

enum Act {
    /// List a bucket in every data center.
    Spread(AccountId, MessageId),
    /// Say that an account is gone.
    Settle(AccountId),
    /// Take a bucket out of its directory, at this time; counted as this.
    Drop(AccountId, MessageId, Micros, Count),
}

impl Run<'_> {
    pub(super) async fn directories(&mut self, from: i64, to: i64) -> Result<i64, ScrubError> {
        let token = |row: &Cells| row.0;
        let slice = self.slice(Cql::WalkDirectories, (from, to), token).await?;
        let directories = directories(slice.rows);
        let look = self.look();
        let mut checks = Vec::with_capacity(directories.len());
        for directory in &directories {
            checks.push(look.check_directory(directory));
        }
        let seen = each_at_once(AT_ONCE, checks).await;
        let mut deletions = Vec::new();
        for seen in self.succeeded(seen) {
            for (count, number) in seen.counts {
                self.report.add(count, number);
            }
            for finding in seen.findings {
                self.report.find(finding);
            }
            for act in seen.acts {
                match act {
                    Act::Spread(account, bucket) => self.spread(account, bucket).await,
                    Act::Settle(account) => self.settle(account).await,
                    Act::Drop(..) => deletions.push(act),
                }
            }
        }
        if !deletions.is_empty() && self.may_delete().await? {
            for act in deletions {
                self.drop_bucket(act).await;
            }
        }
        Ok(slice.end)
    }

    async fn spread(&mut self, account: AccountId, bucket: MessageId) {
        if !self.may_mend() {
            return;
        }
        let how = (self.deadline(), Fallback::Refused);
        let spread = self.core.list_bucket(SCRUB, how, account, bucket).await;
        if self.done(&spread) {
            self.report.add(Count::Spread, 1);
        }
    }

    async fn settle(&mut self, account: AccountId) {
        if !self.may_mend() {
            return;
        }
        let settled = self.core.put_life(SCRUB, account, Life::Gone).await;
        if self.done(&settled) {
            self.report.add(Count::Settled, 1);
        }
    }

    async fn drop_bucket(&mut self, act: Act) {
        let Act::Drop(account, bucket, at, count) = act else {
            return;
        };
        let change = vec![(Cql::DropBucket, row![at, account, bucket])];
        if self.change(change).await {
            self.report.add(count, 1);
            if count == Count::Retired {
                self.acquit(Suspicion::Bucket, &key_of(account, bucket))
                    .await;
            }
        }
    }
}

fn directories(rows: Vec<Cells>) -> Vec<Directory> {
    let mut directories: Vec<Directory> = Vec::new();
    for (_, uid, bucket, everywhere, life, written_at) in rows {
        let account = AccountId::from_key(*uid.as_bytes());
        if directories
            .last()
            .is_none_or(|last| last.account != account)
        {
            directories.push(Directory {
                account,
                life: None,
                buckets: Vec::new(),
            });
        }
        let Some(directory) = directories.last_mut() else {
            continue;
        };
        directory.life = directory.life.or(life.and_then(Life::from_number));
        directory
            .buckets
            .extend(bucket.and_then(id_of).map(|bucket| Listing {
                bucket,
                everywhere: everywhere == Some(true),
                written_at,
            }));
    }
    directories
}

fn key_of(account: AccountId, bucket: MessageId) -> Vec<u8> {
    [account.to_key(), bucket.to_key()].concat()
}

impl Look<'_> {
    async fn check_directory(&self, directory: &Directory) -> StoreResult<Seen> {
        let mut seen = Seen::default();
        let count = octets(directory.buckets.len());
        seen.counts = vec![
            (Count::Directories, 1),
            (Count::Listed, count),
            (Count::LargestDirectory, count),
        ];
        let account = directory.account;
        match directory.life {
            Some(Life::Gone) => self.check_leftovers(directory, &mut seen).await?,
            Some(Life::Leaving) if self.is_removed(account).await? => {
                seen.counts.push((Count::HalfRemoved, 1));
                seen.acts.push(Act::Settle(account));
            }
            _ => self.check_listings(directory, &mut seen).await?,
        }
        Ok(seen)
    }

    async fn check_listings(&self, directory: &Directory, seen: &mut Seen) -> StoreResult<()> {
        let account = directory.account;
        for &listing in &directory.buckets {
            let bucket = listing.bucket;
            if !listing.everywhere {
                let finding = Finding::of_bucket(Count::Unspread, account, bucket);
                seen.findings.push(finding);
                seen.acts.push(Act::Spread(account, bucket));
            }
            if self.is_to_be_looked_at(listing) && self.is_retirable(account, bucket).await? {
                let finding = Finding::of_bucket(Count::Retirable, account, bucket);
                seen.findings.push(finding);
                let key = key_of(account, bucket);
                if self.suspect(Suspicion::Bucket, &key).await? == Standing::Confirmed {
                    let at = Micros::of(bucket).plus(RETIRED);
                    seen.acts
                        .push(Act::Drop(account, bucket, at, Count::Retired));
                }
            }
        }
        Ok(())
    }

    /// Listed again, and long ago.
    fn is_to_be_looked_at(&self, listing: Listing) -> bool {
        let again = Micros::of(listing.bucket).plus(AGAIN);
        listing.written_at == Some(again.0) && self.is_older(listing.bucket, OLD)
    }

    pub(super) fn is_older(&self, id: MessageId, than: std::time::Duration) -> bool {
        let now = self.core.clock().now().as_micros();
        let age = now.saturating_sub(id.minted_at().as_micros());
        std::time::Duration::from_micros(age) > than
    }

    /// Nobody writes into it, and it has no row on any replica.
    async fn is_retirable(&self, account: AccountId, bucket: MessageId) -> StoreResult<bool> {
        let proof = self.core.directory_at(Profile::Proof, SCRUB, account);
        let newest = proof.await?.buckets.last().map(|newest| newest.id);
        if newest.is_none_or(|newest| newest <= bucket) {
            return Ok(false);
        }
        Ok(!self.core.has_row(account, bucket).await?)
    }

    /// Buckets of a removed account whose rows are gone; the walk over the maildrops deletes those.
    async fn check_leftovers(&self, directory: &Directory, seen: &mut Seen) -> StoreResult<()> {
        let account = directory.account;
        for listing in &directory.buckets {
            let bucket = listing.bucket;
            if self.core.has_row(account, bucket).await? {
                continue;
            }
            seen.counts.push((Count::Leftovers, 1));
            let written_at = listing.written_at.map_or(Micros::of(bucket), Micros);
            let drop = (written_at.plus(1), Count::RemovedLeftovers);
            seen.acts.push(Act::Drop(account, bucket, drop.0, drop.1));
        }
        Ok(())
    }

    /// Whether it is written down on the address that an account that was leaving has left. That
    /// its cells are empty says so too: they are emptied after that.
    async fn is_removed(&self, account: AccountId) -> StoreResult<bool> {
        type Cells = (
            Option<Vec<u8>>,
            Option<Vec<u8>>,
            Option<i8>,
            Option<i64>,
            Option<i64>,
        );
        let engine = &self.core.engine;
        let key = row![account];
        let read = engine.read_at::<Cells>(Profile::Proof, SCRUB, Cql::ReadAccount, key);
        let Some((Some(profile), ..)) = read.await?.pop() else {
            return Ok(false);
        };
        if profile.is_empty() {
            return Ok(true);
        }
        let Ok(profile) = cassmail_store::Profile::decode(&profile) else {
            return Ok(false);
        };
        let (domain, local) = (profile.address.domain(), profile.address.local());
        let found = self.entry_at_all(domain.as_str(), local.as_str()).await?;
        Ok(found.is_some_and(|(entry, _)| has_left(&entry, account, &profile.address)))
    }

    /// An address row as all replicas together have it, and when it was written.
    pub(super) async fn entry_at_all(
        &self,
        domain: &str,
        local: &str,
    ) -> StoreResult<Option<(AddressEntry, i64)>> {
        type Cells = (Option<Vec<u8>>, Option<i64>);
        let engine = &self.core.engine;
        let key = row![domain, local];
        let read = engine.read_at::<Cells>(Profile::Proof, SCRUB, Cql::ReadAddress, key);
        let Some((Some(entry), Some(written_at))) = read.await?.pop() else {
            return Ok(None);
        };
        let entry = AddressEntry::decode(&entry);
        let entry = entry.map_err(|error| crate::error::corrupt(SCRUB, error))?;
        Ok(Some((entry, written_at)))
    }
}

/// Generations only grow: an address that is another one now, or none, has left this one behind.
fn has_left(entry: &AddressEntry, account: AccountId, address: &cassmail_mail::Address) -> bool {
    let generation = entry.generation();
    let is_current = matches!(entry, AddressEntry::Account { id, .. } if *id == account);
    let was_it = |n| AccountId::of(address, n) == account;
    !is_current && (1..=generation).any(was_it)
}
