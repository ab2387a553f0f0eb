//! How full maildrops are: one row for each, with all that is noted of it.

use cassmail_mail::AccountId;
use cassmail_store::{Counted, Usage, UsageNotes, Usages, Work, Writer};

use crate::Embedded;
use crate::front::{Verb, unreadable};
use crate::index::Space;
use crate::rows::{account_key, usage_key};
use crate::writer::{Group, Refusal};

/// What a note counts for in the inbox.
const OCTETS: usize = 256;

impl Usages for Embedded {
    fn usage(&self, account: AccountId) -> Work<'_, UsageNotes> {
        const VERB: Verb = "read the usage";
        Box::pin(async move {
            let (space, key) = usage_key(account);
            let found = self.front.snapshot(VERB)?.get(space, &key);
            let found = found.map_err(|error| unreadable(VERB, error))?;
            Ok(found.map_or_else(UsageNotes::default, |row| UsageNotes::decode(&row)))
        })
    }

    fn put_brought(&self, account: AccountId, writer: Writer, brought: Usage) -> Work<'_, ()> {
        self.change_notes("note what was brought", account, move |notes| {
            notes.brought.insert(writer, brought);
        })
    }

    fn put_counted(&self, account: AccountId, counted: Counted) -> Work<'_, ()> {
        self.change_notes("note a count", account, move |notes| {
            notes.counted = Some(counted);
        })
    }
}

impl Embedded {
    /// Changes the notes of an account that exists.
    fn change_notes(
        &self,
        verb: Verb,
        account: AccountId,
        change: impl FnOnce(&mut UsageNotes) + Send + 'static,
    ) -> Work<'_, ()> {
        let step = move |group: &mut Group<'_>| -> Result<(), Refusal> {
            let profile = account_key(Space::Profile, account);
            if group.draft.get(&profile)?.is_none() {
                return Ok(());
            }
            let key = usage_key(account);
            let found = group.draft.get(&key)?;
            let mut notes = found.map_or_else(UsageNotes::default, |row| UsageNotes::decode(&row));
            change(&mut notes);
            group.draft.put(key, notes.encode());
            Ok(())
        };
        Box::pin(self.front.change(verb, OCTETS, step))
    }
}
