//! What a copy claims of the store that it reads or writes: a scrub would take bodies whose owners
//! are still to come for nobody's.

use cassmail_store::{ErrorKind, Reason, StoreError, StoreResult};

use crate::Cassandra;
use crate::claims::{Claim, Job, Taken};

/// No scrub and no other copy works on the store as long as this is held.
pub struct CopyClaim(Claim);

/// A copy may not begin, or may not go on.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another job has the store.
    #[error(
        "a {0} is at work on this store; if it died, its claim ends after five minutes by itself"
    )]
    Taken(String),
    /// The store failed.
    #[error("the claim of the copy is not known")]
    Store(#[from] StoreError),
}

impl From<Taken> for ClaimError {
    fn from(Taken(job): Taken) -> Self {
        Self::Taken(job)
    }
}

impl Cassandra {
    /// Keeps scrubs and other copies away, unless one is at work.
    pub async fn claim_for_copy(&self) -> Result<CopyClaim, ClaimError> {
        let claim = self.core.claim(Job::Copy, random()?).await??;
        Ok(CopyClaim(claim))
    }
}

impl CopyClaim {
    /// Holds it on, and says whether somebody came in between: at least every minute.
    pub async fn hold(&mut self) -> Result<(), ClaimError> {
        Ok(self.0.hold().await??)
    }

    /// Lets others work.
    pub async fn release(self) -> StoreResult<()> {
        self.0.release().await
    }
}

fn random() -> StoreResult<uuid::Uuid> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        let engine = ErrorKind::Unavailable(Reason::Engine);
        StoreError::caused(engine, "draw random bits", error)
    })?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}
