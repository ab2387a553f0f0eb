//! Maildrops: begin, list, open, remove.

use std::sync::Arc;

use cassmail_mail::{AccountId, Entry, MessageId, Removed};
use cassmail_store::{
    BodyReader, ErrorKind, Maildrops, MessageWriter, Patience, Reason, StoreError, StoreResult,
    Work,
};

use crate::Embedded;
use crate::delivery::Receiving;
use crate::front::{Verb, damaged_row, engine, unreadable};
use crate::index::{Snapshot, Space, go_on_while};
use crate::listings::Whole;
use crate::reading;
use crate::rows::{MaildropRow, account_key, listed_id};
use crate::writer::Group;

const LIST: Verb = "list the maildrop";

/// A listing of so many messages takes a fraction of a millisecond; what is longer is given to a
/// thread that may block, so that it does not hold up others.
const LISTED_AT_ONCE: usize = 1000;

impl Maildrops for Embedded {
    fn begin(&self, id: MessageId) -> Work<'_, Box<dyn MessageWriter>> {
        const VERB: Verb = "begin a message";
        Box::pin(async move {
            drop(self.front.snapshot(VERB)?);
            if self.front.is_full() {
                let kind = ErrorKind::Unavailable(Reason::Full);
                return Err(StoreError::new(kind, VERB));
            }
            let receiving = Receiving::new(Arc::clone(&self.front), id);
            Ok(Box::new(receiving) as Box<dyn MessageWriter>)
        })
    }

    fn list(&self, account: AccountId) -> Work<'_, Vec<Entry>> {
        Box::pin(async move {
            let seen = self.front.listings.look(account);
            let snapshot = self.front.snapshot(LIST)?;
            if let Some(listing) = seen.listing() {
                return Ok(listing.to_vec());
            }
            let (space, key) = account_key(Space::Profile, account);
            let exists = snapshot.get(space, &key);
            if exists.map_err(|error| unreadable(LIST, error))?.is_none() {
                return Ok(Vec::new());
            }
            let mut listing = Listing {
                snapshot,
                account,
                below: seen.below(),
                entries: Vec::new(),
            };
            let whole = listing.read(LISTED_AT_ONCE)?;
            let listings = &self.front.listings;
            listings.found(account, &seen, &listing.entries, whole);
            if whole == Whole::No {
                let read = tokio::task::spawn_blocking(move || {
                    listing.read(usize::MAX)?;
                    Ok(listing.entries)
                });
                return read.await.unwrap_or_else(|error| Err(engine(LIST, error)));
            }
            Ok(listing.entries)
        })
    }

    fn open(&self, account: AccountId, id: MessageId) -> Work<'_, Box<dyn BodyReader>> {
        Box::pin(reading::open(&self.front, account, id))
    }

    fn remove(
        &self,
        account: AccountId,
        ids: Vec<MessageId>,
        _patience: Patience,
    ) -> Work<'_, Removed> {
        Box::pin(async move {
            let count = ids.len();
            let octets = count.saturating_mul(size_of::<MessageId>());
            let step = move |group: &mut Group<'_>| {
                for id in ids {
                    group.remove_listed(account, id)?;
                }
                Ok(())
            };
            self.front.change("remove messages", octets, step).await?;
            Ok(Removed::asserted_gone(count))
        })
    }
}

/// A listing that is being read, in parts.
struct Listing {
    snapshot: Arc<dyn Snapshot>,
    account: AccountId,
    /// Up to here nothing is listed.
    below: Option<MessageId>,
    entries: Vec<Entry>,
}

impl Listing {
    /// Reads at most so many more entries.
    fn read(&mut self, most: usize) -> StoreResult<Whole> {
        let prefix = self.account.to_key();
        let last = self.entries.last().map(|last| last.id);
        let after = last.or(self.below).map(|id| [prefix, id.to_key()].concat());
        let most = self.entries.len().saturating_add(most);
        let entries = &mut self.entries;
        let mut is_damaged = false;
        let scanned = self.snapshot.scan(
            Space::Maildrop,
            &prefix,
            after.as_deref(),
            &mut |key, value| {
                let entry = listed_id(key).and_then(|id| MaildropRow::decode_entry(id, value));
                match entry {
                    Some(entry) => entries.push(entry),
                    None => is_damaged = true,
                }
                go_on_while(entries.len() < most && !is_damaged)
            },
        );
        scanned.map_err(|error| unreadable(LIST, error))?;
        if is_damaged {
            return Err(damaged_row(LIST));
        }
        let is_whole = entries.len() < most;
        Ok(if is_whole { Whole::Yes } else { Whole::No })
    }
}
