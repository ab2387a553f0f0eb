//! Upkeep of the store that is configured.

use std::path::Path;

use cassmail_admin::{StoreKeeper, Upkeep};

/// Who keeps the store.
pub(crate) enum Keeper {
    /// Nobody has to.
    Memory,
}

impl StoreKeeper for Keeper {
    fn backup(&self, _folder: &Path) -> Upkeep<'_> {
        Box::pin(async { Err("a store in memory cannot be backed up".to_owned()) })
    }

    fn check(&self) -> Upkeep<'_> {
        Box::pin(async { Err("a store in memory has nothing to be checked".to_owned()) })
    }
}
