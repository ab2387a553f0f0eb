//! What a pass did not find is only suspected; a later pass that does not find it either confirms.

use std::time::Duration;

use cassmail_mail::{AccountId, MessageId};
use cassmail_store::StoreResult;

use super::{Effect, Run, SCRUB};
use crate::cassandra::Core;
use crate::engine::USUAL;
use crate::rows::{Micros, bigint, row};
use crate::statements::Cql;

/// What is suspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspicion {
    /// A message's body is lost.
    Loss,
    /// A body lies beside no row.
    Inline,
    /// A body in chunks has no owner's row.
    Body,
    /// A chunk has no first one.
    Chunk,
    /// A bucket that was listed again is empty.
    Bucket,
    /// A listed name is no address.
    Name,
}

impl Suspicion {
    fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Inline => "inline",
            Self::Body => "body",
            Self::Chunk => "chunk",
            Self::Bucket => "bucket",
            Self::Name => "name",
        }
    }

    /// How long after the first pass the second one may be.
    fn apart(self) -> Duration {
        match self {
            Self::Loss | Self::Inline | Self::Bucket | Self::Name => Duration::from_hours(1),
            Self::Body | Self::Chunk => Duration::from_hours(24),
        }
    }
}

/// What is known about a suspicion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// This is the first pass, or the second one is too early.
    Suspected,
    /// An earlier pass did not find it either, long enough ago.
    Confirmed,
}

/// What checks need; they only read, but for suspicions.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) core: &'a std::sync::Arc<Core>,
    pub(super) options: super::Options,
}

impl Look<'_> {
    /// To be called with a proof at ALL in hand.
    pub(super) async fn suspect(&self, what: Suspicion, key: &[u8]) -> StoreResult<Standing> {
        let now = self.core.clock().now().as_micros();
        let engine = &self.core.engine;
        let read = engine.read::<(Option<i64>,)>(SCRUB, Cql::ReadSuspect, row![what.name(), key]);
        let since = read.await?.pop().and_then(|(since,)| since);
        let since = since.and_then(|since| u64::try_from(since).ok());
        match since {
            Some(since) if since <= now => Ok(standing(what, now - since)),
            // None, or one of a clock that was ahead.
            _ => {
                if self.options.effect == Effect::Mend {
                    let row = row![what.name(), key, bigint(now), Micros(bigint(now))];
                    let change = vec![(Cql::PutSuspect, row)];
                    engine.change(SCRUB, engine.deadline(USUAL), change).await?;
                }
                Ok(Standing::Suspected)
            }
        }
    }
}

fn standing(what: Suspicion, micros: u64) -> Standing {
    if Duration::from_micros(micros) < what.apart() {
        Standing::Suspected
    } else {
        Standing::Confirmed
    }
}

impl<'a> Run<'a> {
    pub(super) fn look(&self) -> Look<'a> {
        Look {
            core: self.core,
            options: self.options,
        }
    }

    /// It is mended or deleted.
    pub(super) async fn acquit(&mut self, what: Suspicion, key: &[u8]) {
        let now = Micros(bigint(self.core.clock().now().as_micros()));
        let change = vec![(Cql::DropSuspect, row![now, what.name(), key])];
        self.change(change).await;
    }
}

/// The key of a message in a bucket.
pub(super) fn key_of(account: AccountId, bucket: MessageId, id: MessageId) -> Vec<u8> {
    [account.to_key(), bucket.to_key(), id.to_key()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_passes_are_an_hour_or_a_day_apart() {
        let micros = |minutes| {
            u64::try_from(Duration::from_mins(minutes).as_micros()).expect("a short time")
        };
        for (what, minutes) in [(Suspicion::Loss, 60), (Suspicion::Body, 24 * 60)] {
            let early = standing(what, micros(minutes) - 1);
            assert_eq!(early, Standing::Suspected);
            assert_eq!(standing(what, micros(minutes)), Standing::Confirmed);
        }
    }
}
