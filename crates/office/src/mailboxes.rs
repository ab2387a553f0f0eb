//! What an administrator sees of somebody's maildrop, and removes from it.
//!
//! Each call lists the maildrop anew and gives a page of it; a body is given out piece by piece, as
//! to its owner. Who looks into other people's mail leaves a line in the log.

use std::collections::HashSet;
use std::time::Duration;

use cassmail_mail::{AccountId, Address, Entry, MessageId, Uidl, UnixTime};
use cassmail_store::{BodyReader, ErrorKind, Patience, StoreError, Usage};
use cassmail_telemetry::{Outcome as Done, event};

use crate::administration::{Administration, AdministrationError};
use crate::quota::{Filled, Receiver};

type Outcome<T> = Result<T, AdministrationError>;

/// How long a removal may take.
const PATIENCE: Patience = Patience(Duration::from_mins(1));

/// A header that is longer is cut.
const LARGEST_HEADER: usize = 256 * 1024;

/// A maildrop as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxReport {
    /// Whose it is, in the directory's form.
    pub address: Address,
    /// What is in it.
    pub usage: Usage,
    /// When the oldest message came.
    pub oldest: Option<UnixTime>,
    /// When the newest one came.
    pub newest: Option<UnixTime>,
    /// Its limits.
    pub filled: Filled,
}

/// A message in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageLine {
    /// Which.
    pub id: MessageId,
    /// What its owner's client calls it.
    pub uidl: Uidl,
    /// The octets that its owner is given.
    pub size: u64,
    /// When it came.
    pub came_at: UnixTime,
}

/// A header, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageHeader {
    /// Its octets, without the empty line.
    pub octets: Vec<u8>,
    /// It is longer than anybody wants to see.
    pub is_cut: bool,
}

impl Administration {
    /// How much is in a maildrop, from when to when. What is noted of it is mended.
    pub async fn mailbox(&self, address: &Address) -> Outcome<MailboxReport> {
        let (address, receiver) = self.receiver(address).await?;
        let entries = self.listing(receiver).await?;
        let usage = Usage::of(&entries);
        let came_at = entries.iter().map(|entry| entry.id.minted_at());
        Ok(MailboxReport {
            address,
            usage,
            oldest: came_at.clone().min(),
            newest: came_at.max(),
            filled: Filled {
                limits: self.quotas.limits(receiver.quota),
                used: Some(usage),
            },
        })
    }

    /// A page of a maildrop, in the order of its listing, behind `after`.
    pub async fn messages(
        &self,
        address: &Address,
        after: Option<MessageId>,
        limit: usize,
    ) -> Outcome<Vec<MessageLine>> {
        let (_, receiver) = self.receiver(address).await?;
        let entries = self.listing(receiver).await?;
        let is_behind = |entry: &&Entry| after.is_none_or(|after| entry.id > after);
        let lines = entries.iter().filter(is_behind).take(limit);
        Ok(lines
            .map(|entry| MessageLine {
                id: entry.id,
                uidl: entry.uidl(),
                size: entry.size,
                came_at: entry.id.minted_at(),
            })
            .collect())
    }

    /// A message's header, as its owner is given it.
    pub async fn message_header(&self, address: &Address, id: MessageId) -> Outcome<MessageHeader> {
        let mut body = self.message(address, id).await?;
        let mut octets = Vec::new();
        loop {
            if let Some(end) = end_of_header(&octets) {
                octets.truncate(end);
                break;
            }
            if octets.len() > LARGEST_HEADER {
                break;
            }
            match body.next().await? {
                Some(piece) => octets.extend_from_slice(&piece),
                None => break,
            }
        }
        let is_cut = octets.len() > LARGEST_HEADER;
        octets.truncate(LARGEST_HEADER);
        Ok(MessageHeader { octets, is_cut })
    }

    /// Opens a message, as its owner is given it.
    pub async fn message(&self, address: &Address, id: MessageId) -> Outcome<Box<dyn BodyReader>> {
        let (address, receiver) = self.receiver(address).await?;
        match self.store.open(receiver.account, id).await {
            Ok(body) => {
                tracing::info!(event = event::MAILBOX_READ, user = %address, message.id = %id);
                Ok(body)
            }
            Err(error) => Err(no_such_message(error, &address, id)),
        }
    }

    /// Removes messages for good; if one of them is not there, none.
    pub async fn remove_messages(&self, address: &Address, ids: Vec<MessageId>) -> Outcome<usize> {
        let (address, receiver) = self.receiver(address).await?;
        let account = receiver.account;
        let limits = self.quotas.limits(receiver.quota);
        let basis = self.quotas.before_listing(account);
        let entries = self.store.list(account).await?;
        let there: HashSet<_> = entries.iter().map(|entry| entry.id).collect();
        if let Some(missing) = ids.iter().find(|id| !there.contains(id)) {
            return Err(AdministrationError::NoSuchMessage(address, *missing));
        }
        let inventory = self.quotas.listed(account, limits, basis, &entries);
        let removed = self.store.remove(account, ids.clone(), PATIENCE).await;
        let outcome = if removed.is_ok() {
            Done::Ok
        } else {
            Done::Failed
        };
        if let Some(mut inventory) = inventory {
            self.quotas.removed(&mut inventory, &ids, outcome);
        }
        let count = removed?.count();
        tracing::info!(event = event::MAILBOX_REMOVED, user = %address, messages = count);
        Ok(count)
    }

    async fn listing(&self, receiver: Receiver) -> Outcome<Vec<Entry>> {
        let Receiver { account, quota } = receiver;
        let basis = self.quotas.before_listing(account);
        let entries = self.store.list(account).await?;
        let limits = self.quotas.limits(quota);
        self.quotas.listed(account, limits, basis, &entries);
        Ok(entries)
    }

    /// An account with its quota.
    async fn receiver(&self, address: &Address) -> Outcome<(Address, Receiver)> {
        let (id, profile, _) = self.account(address).await?;
        let entry = self.store.domain(profile.address.domain().clone()).await?;
        let of_domain = entry.map(|entry| entry.quota).unwrap_or_default();
        let account: AccountId = id;
        let quota = profile.quota.over(of_domain);
        Ok((profile.address, Receiver { account, quota }))
    }
}

fn no_such_message(error: StoreError, address: &Address, id: MessageId) -> AdministrationError {
    if error.kind() == ErrorKind::Missing {
        return AdministrationError::NoSuchMessage(address.clone(), id);
    }
    error.into()
}

/// Where the empty line begins: behind the line end of the last field.
fn end_of_header(octets: &[u8]) -> Option<usize> {
    if octets.starts_with(b"\r\n") {
        return Some(0);
    }
    let ends = octets.windows(4).position(|four| four == b"\r\n\r\n");
    ends.map(|end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_ends_in_front_of_the_first_empty_line() {
        assert_eq!(end_of_header(b"a: b\r\n\r\nc"), Some(6));
        assert_eq!(end_of_header(b"\r\nc"), Some(0));
        assert_eq!(end_of_header(b"a: b\r\nc"), None);
    }
}
