//! One message from one store into another, and the sum that proves it.

use std::sync::Arc;

use bytes::Bytes;
use cassmail_mail::{AccountId, Delivery, MessageId, Owner, ReversePath, SurrogateSize, Uidl};
use xxhash_rust::xxh3::Xxh3;

use super::{CopyError, CopyOptions};
use crate::{ErrorKind, Store, StoreError, StoreResult};

/// What a body is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) octets: u64,
    hash: u128,
}

/// Adds up what goes by.
#[derive(Default)]
struct Adder {
    hash: Box<Xxh3>,
    octets: u64,
}

impl Adder {
    fn add(&mut self, piece: &Bytes) {
        self.hash.update(piece);
        let octets = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.octets = self.octets.saturating_add(octets);
    }

    fn sum(self) -> Sum {
        Sum {
            octets: self.octets,
            hash: self.hash.digest128(),
        }
    }
}

/// How a message came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// The target has accepted it.
    Over(Sum),
    /// The target has another body of that id.
    Refused,
    /// The source cannot give it out.
    Damaged,
}

/// What is to be written where.
#[derive(Debug, Clone)]
pub(super) struct Transfer {
    pub(super) account: AccountId,
    pub(super) from: MessageId,
    pub(super) to: MessageId,
    pub(super) uidl: Option<Uidl>,
    /// Of the body as its owner gets it, which is the body that comes over.
    pub(super) surrogate_size: Option<SurrogateSize>,
}

/// The sum of a body as its owner gets it; none if it cannot be given out.
pub(super) async fn sum_of(
    store: Arc<dyn Store>,
    account: AccountId,
    id: MessageId,
) -> StoreResult<Option<Sum>> {
    let mut adder = Adder::default();
    let read = async {
        let mut body = store.open(account, id).await?;
        while let Some(piece) = body.next().await? {
            adder.add(&piece);
        }
        Ok(())
    };
    match read.await {
        Ok(()) => Ok(Some(adder.sum())),
        Err(error) if is_lost(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a message, piece by piece as it is read.
pub(super) async fn transfer(
    source: Arc<dyn Store>,
    target: Arc<dyn Store>,
    what: Transfer,
    options: CopyOptions,
) -> Result<Came, CopyError> {
    let mut body = match source.open(what.account, what.from).await {
        Err(error) if is_lost(&error) => return Ok(Came::Damaged),
        body => body.map_err(CopyError::Source)?,
    };
    let begun = target.begin(what.to).await;
    let mut writer = begun.map_err(CopyError::Target)?;
    let mut adder = Adder::default();
    let mut reverse_path = None;
    loop {
        let piece = match body.next().await {
            Err(error) if is_lost(&error) => return Ok(Came::Damaged),
            piece => piece.map_err(CopyError::Source)?,
        };
        let Some(piece) = piece else { break };
        reverse_path.get_or_insert_with(|| return_path(&piece));
        adder.add(&piece);
        writer.write(piece).await.map_err(CopyError::Target)?;
    }
    let owner = Owner {
        account: what.account,
        recipient: None,
        uidl: what.uidl,
    };
    let delivery = Delivery {
        reverse_path: reverse_path.unwrap_or(ReversePath::Null),
        received_at: what.from.minted_at(),
        surrogate_size: what.surrogate_size.map(SurrogateSize::octets),
        owners: vec![owner],
    };
    match writer.commit(delivery, options.patience).await {
        Ok(_) => Ok(Came::Over(adder.sum())),
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(Came::Refused),
        Err(error) => Err(CopyError::Target(error)),
    }
}

/// The store has nothing (whole) to give out, and will not have it later.
fn is_lost(error: &StoreError) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Missing)
}

/// The path in the first line, which intake writes; null if there is none.
fn return_path(body: &Bytes) -> ReversePath {
    const NAME: &[u8] = b"Return-Path: <";
    let path = body.strip_prefix(NAME).and_then(|rest| {
        let end = rest.iter().position(|&octet| octet == b'\n')?;
        let path = std::str::from_utf8(&rest[..end]).ok()?.trim_end();
        path.strip_suffix('>')?.parse().ok()
    });
    path.map_or(ReversePath::Null, ReversePath::Mailbox)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sender_is_in_the_first_line_or_nowhere() {
        let path = |text: &'static str| return_path(&Bytes::from_static(text.as_bytes()));
        let alice = ReversePath::Mailbox("alice@example.org".parse().unwrap());
        assert_eq!(
            path("Return-Path: <alice@example.org>\r\nSubject: x\r\n"),
            alice
        );
        for none in [
            "",
            "Return-Path: <>\r\n",
            "Return-Path: <alice",
            "Subject: <a@b.c>\r\n",
        ] {
            assert_eq!(path(none), ReversePath::Null, "{none}");
        }
    }
}
