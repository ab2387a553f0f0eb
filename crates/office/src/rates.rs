//! How many messages and recipients somebody may name: a source on the MX port, an account that has
//! logged in on the others. The clock is outside; what is remembered is bounded.

use std::sync::{Mutex, PoisonError};

use cassmail_mail::Address;
use cassmail_telemetry::Limit;
use cassmail_wire::{Moment, Rate, Source, Used};

use crate::recent::Recent;

/// How much mail somebody may bring.
#[derive(Debug, Clone, Copy)]
pub struct RateOptions {
    /// Messages of a source that has not logged in.
    pub messages_per_source: Rate,
    /// Recipients that such a source names, accepted or not.
    pub recipients_per_source: Rate,
    /// Messages of an account.
    pub messages_per_account: Rate,
    /// Recipients that an account names.
    pub recipients_per_account: Rate,
    /// How many sources and accounts are remembered, each.
    pub remembered: usize,
}

impl Default for RateOptions {
    fn default() -> Self {
        Self {
            messages_per_source: Rate::per_minute(600),
            recipients_per_source: Rate::per_minute(6000),
            messages_per_account: Rate::per_hour(1000),
            recipients_per_account: Rate::per_hour(5000),
            remembered: 100_000,
        }
    }
}

/// Who brings mail.
#[derive(Debug, Clone)]
pub(crate) enum Bringer {
    /// Somebody of this network.
    Source(Source),
    /// The owner of this account.
    Account(Address),
    /// Somebody for whom no limit holds.
    Exempt,
}

impl Bringer {
    pub(crate) fn new(source: Source, user: Option<&Address>) -> Self {
        match user {
            _ if source.is_exempt() => Self::Exempt,
            Some(user) => Self::Account(user.clone()),
            None => Self::Source(source),
        }
    }
}

/// Counts what is brought.
#[derive(Debug)]
pub(crate) struct Rates {
    options: RateOptions,
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    sources: Recent<Source, Brought>,
    accounts: Recent<Address, Brought>,
}

#[derive(Debug, Default)]
struct Brought {
    messages: Used,
    recipients: Used,
}

impl Rates {
    pub(crate) fn new(options: RateOptions) -> Self {
        Self {
            options,
            book: Mutex::new(Book {
                sources: Recent::at_most(options.remembered),
                accounts: Recent::at_most(options.remembered),
            }),
        }
    }

    /// Counts a message, or says which limit forbids it.
    pub(crate) fn message(&self, bringer: &Bringer, now: Moment) -> Result<(), Limit> {
        let of_source = (&self.options.messages_per_source, Limit::MessagesPerSource);
        let of_account = (
            &self.options.messages_per_account,
            Limit::MessagesPerAccount,
        );
        self.spend(
            bringer,
            now,
            |brought| &mut brought.messages,
            of_source,
            of_account,
        )
    }

    /// Counts a recipient, or says which limit forbids it.
    pub(crate) fn recipient(&self, bringer: &Bringer, now: Moment) -> Result<(), Limit> {
        let of_source = (
            &self.options.recipients_per_source,
            Limit::RecipientsPerSource,
        );
        let of_account = (
            &self.options.recipients_per_account,
            Limit::RecipientsPerAccount,
        );
        self.spend(
            bringer,
            now,
            |brought| &mut brought.recipients,
            of_source,
            of_account,
        )
    }

    fn spend(
        &self,
        bringer: &Bringer,
        now: Moment,
        what: impl FnOnce(&mut Brought) -> &mut Used,
        of_source: (&Rate, Limit),
        of_account: (&Rate, Limit),
    ) -> Result<(), Limit> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let (brought, (rate, limit)) = match bringer {
            Bringer::Exempt => return Ok(()),
            Bringer::Source(source) => (book.sources.entry(source), of_source),
            Bringer::Account(account) => (book.accounts.entry(account), of_account),
        };
        if what(brought).spend(rate, now) {
            Ok(())
        } else {
            Err(limit)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cassmail_wire::Standing;

    use super::*;

    const START: Moment = Moment(Duration::from_secs(1000));

    fn rates() -> Rates {
        Rates::new(RateOptions {
            messages_per_source: Rate::per_minute(2),
            recipients_per_source: Rate::per_minute(3),
            messages_per_account: Rate::per_hour(1),
            recipients_per_account: Rate::per_hour(2),
            remembered: 10,
        })
    }

    fn source(last: u8) -> Source {
        Source::of([192, 0, 2, last].into())
    }

    #[test]
    fn a_source_has_its_messages_in_a_minute_whatever_others_send() {
        let rates = rates();
        let bringer = Bringer::new(source(1), None);
        assert!(rates.message(&bringer, START).is_ok());
        assert!(rates.message(&bringer, START).is_ok());
        let refused = rates.message(&bringer, START);
        assert_eq!(refused, Err(Limit::MessagesPerSource));
        assert!(rates.message(&Bringer::new(source(2), None), START).is_ok());
        let later = START.after(Duration::from_secs(30));
        assert!(rates.message(&bringer, later).is_ok());
    }

    #[test]
    fn recipients_are_counted_apart() {
        let rates = rates();
        let bringer = Bringer::new(source(1), None);
        for _ in 0..3 {
            assert!(rates.recipient(&bringer, START).is_ok());
        }
        let refused = rates.recipient(&bringer, START);
        assert_eq!(refused, Err(Limit::RecipientsPerSource));
        assert!(rates.message(&bringer, START).is_ok());
    }

    #[test]
    fn an_account_is_counted_wherever_it_sends_from() {
        let rates = rates();
        let bob = "bob@here.example".parse().unwrap();
        assert!(
            rates
                .message(&Bringer::new(source(1), Some(&bob)), START)
                .is_ok()
        );
        let elsewhere = Bringer::new(source(2), Some(&bob));
        let refused = rates.message(&elsewhere, START);
        assert_eq!(refused, Err(Limit::MessagesPerAccount));
        for _ in 0..2 {
            assert!(rates.recipient(&elsewhere, START).is_ok());
        }
        let refused = rates.recipient(&elsewhere, START);
        assert_eq!(refused, Err(Limit::RecipientsPerAccount));
    }

    #[test]
    fn an_exempt_network_brings_what_it_likes() {
        let rates = rates();
        let exempt = Source {
            standing: Standing::Exempt,
            ..source(1)
        };
        let bob = "bob@here.example".parse().unwrap();
        for _ in 0..100 {
            assert!(rates.message(&Bringer::new(exempt, None), START).is_ok());
            assert!(
                rates
                    .recipient(&Bringer::new(exempt, Some(&bob)), START)
                    .is_ok()
            );
        }
    }
}
