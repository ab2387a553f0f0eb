//! The mail of one account: what is missing is written, then all of it is read back.
//!
//! A message keeps its id, unless the target has a body of that id for another owner: then it gets
//! an id of its own, the same in every repetition, with the same time.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use cassmail_mail::{AccountId, Address, Entry, MessageId};
use tokio::task::JoinSet;

use super::transfer::{Came, Sum, Transfer, sum_of, transfer};
use super::{Copier, CopyError, CopyFault, Wrong};
use crate::{Reason, StoreError, StoreResult};

/// What the target lists for one account.
struct Listed(BTreeMap<MessageId, Entry>);

impl Listed {
    /// Under which id the target has a message of the source, if it has.
    fn id_of(&self, account: AccountId, wanted: &Entry) -> Option<MessageId> {
        let is_it = |id: &MessageId| {
            self.0
                .get(id)
                .is_some_and(|there| there.uidl() == wanted.uidl() && there.size == wanted.size)
        };
        [wanted.id, wanted.id.apart_for(account)]
            .into_iter()
            .find(is_it)
    }
}

/// What is known of a message of the source after it was written, or found.
#[derive(Clone, Copy)]
enum Known {
    /// It was written now.
    Written(Sum),
    /// It is there already, or may be.
    Unread,
    /// It cannot be read.
    Damaged,
}

impl Copier<'_> {
    pub(super) async fn copy_maildrop(
        &mut self,
        address: &Address,
        account: AccountId,
    ) -> Result<(), CopyError> {
        let wanted = self.source.list(account).await;
        let wanted = wanted.map_err(CopyError::Source)?;
        if wanted.is_empty() {
            return Ok(());
        }
        let mut known = vec![Known::Unread; wanted.len()];
        let listed = self.listed(account).await?;
        let own = |entry: &Entry| Transfer {
            account,
            from: entry.id,
            to: entry.id,
            uidl: entry.imported_uidl.as_deref().cloned(),
            surrogate_size: entry.surrogate_size,
        };
        self.write_missing(&wanted, &mut known, &listed, own)
            .await?;
        let listed = self.listed(account).await?;
        let apart = |entry: &Entry| Transfer {
            account,
            from: entry.id,
            to: entry.id.apart_for(account),
            uidl: Some(entry.uidl()),
            surrogate_size: entry.surrogate_size,
        };
        self.write_missing(&wanted, &mut known, &listed, apart)
            .await?;
        self.verify(address, account, &wanted, &known).await
    }

    async fn listed(&self, account: AccountId) -> Result<Listed, CopyError> {
        let listed = self.target.list(account).await;
        let listed = listed.map_err(CopyError::Target)?;
        let by_id = listed.into_iter().map(|entry| (entry.id, entry));
        Ok(Listed(by_id.collect()))
    }

    /// Writes what the target does not list.
    async fn write_missing(
        &mut self,
        wanted: &[Entry],
        known: &mut [Known],
        listed: &Listed,
        how: impl Fn(&Entry) -> Transfer,
    ) -> Result<(), CopyError> {
        let mut missing = Vec::new();
        for (at, entry) in wanted.iter().enumerate() {
            let what = how(entry);
            let is_readable = !matches!(known[at], Known::Damaged);
            if is_readable && listed.id_of(what.account, entry).is_none() {
                missing.push((at, what));
            }
        }
        let (source, target, options) = (self.source, self.target, self.options);
        let works = missing.into_iter().map(|(at, what)| {
            let (source, target) = (Arc::clone(source), Arc::clone(target));
            async move {
                let came = transfer(source, target, what, options).await?;
                Ok((at, came))
            }
        });
        let progress = self.progress;
        each_at_once(options.at_once, works, |(at, came)| {
            known[at] = match came {
                Came::Over(sum) => {
                    progress.message_is_written(sum.octets);
                    Known::Written(sum)
                }
                Came::Refused => Known::Unread,
                Came::Damaged => Known::Damaged,
            };
        })
        .await
    }

    /// Reads everything back: first the listing, then each body.
    async fn verify(
        &mut self,
        address: &Address,
        account: AccountId,
        wanted: &[Entry],
        known: &[Known],
    ) -> Result<(), CopyError> {
        let listed = self.listed(account).await?;
        let mut wrong = BTreeMap::new();
        let mut works = Vec::new();
        for (at, entry) in wanted.iter().enumerate() {
            self.copied.octets = self.copied.octets.saturating_add(entry.size);
            let Some(id) = listed.id_of(account, entry) else {
                let what = match known[at] {
                    Known::Damaged => Wrong::DamagedAtSource,
                    Known::Written(_) | Known::Unread => Wrong::NotListed,
                };
                wrong.insert(at, what);
                continue;
            };
            match known[at] {
                Known::Written(_) => self.copied.messages += 1,
                Known::Unread | Known::Damaged => self.copied.present += 1,
            }
            self.copied.renamed += u64::from(id != entry.id);
            works.push((at, entry.id, id, known[at]));
        }
        let (source, target) = (self.source, self.target);
        let works = works.into_iter().map(|(at, from, id, known)| {
            let (source, target) = (Arc::clone(source), Arc::clone(target));
            async move {
                let expected = match known {
                    Known::Written(sum) => Some(sum),
                    Known::Unread | Known::Damaged => sum_of(source, account, from)
                        .await
                        .map_err(CopyError::Source)?,
                };
                let found = sum_of(target, account, id).await;
                Ok((at, expected, found.map_err(CopyError::Target)?))
            }
        });
        let progress = self.progress;
        each_at_once(self.options.at_once, works, |(at, expected, found)| {
            progress.message_is_verified();
            match expected {
                None => {
                    wrong.insert(at, Wrong::DamagedAtSource);
                }
                Some(_) if found == expected => {}
                Some(_) => {
                    wrong.insert(at, Wrong::OtherOctets);
                }
            }
        })
        .await?;
        let faults = wrong.into_iter().map(|(at, what)| CopyFault::Message {
            address: address.clone(),
            uidl: wanted[at].uidl(),
            what,
        });
        self.copied.faults.extend(faults);
        Ok(())
    }
}

/// Runs works, at most so many at once; ends with the first failure, and ends the others then.
async fn each_at_once<T, F>(
    most: usize,
    works: impl Iterator<Item = F>,
    mut done: impl FnMut(T),
) -> Result<(), CopyError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, CopyError>> + Send + 'static,
{
    let mut running = JoinSet::new();
    for work in works {
        if running.len() >= most.max(1) {
            settle(&mut running, &mut done).await?;
        }
        running.spawn(work);
    }
    while !running.is_empty() {
        settle(&mut running, &mut done).await?;
    }
    Ok(())
}

async fn settle<T: 'static>(
    running: &mut JoinSet<Result<T, CopyError>>,
    done: &mut impl FnMut(T),
) -> Result<(), CopyError> {
    match running.join_next().await {
        None => Ok(()),
        Some(Ok(result)) => {
            done(result?);
            Ok(())
        }
        Some(Err(error)) => {
            let engine = crate::ErrorKind::Unavailable(Reason::Engine);
            let failed: StoreResult<()> = Err(StoreError::caused(engine, "copy a message", error));
            failed.map_err(CopyError::Target)
        }
    }
}
