//! Who receives here, and who may log in: data, changed while the service runs.

use cassmail_mail::{AccountId, Address, Domain, LocalPart, UnixTime};

use crate::Work;
use crate::adoption::Adoption;
use crate::record::{AddressEntry, AddressFilter, Credentials, DomainEntry, Profile};

/// An account to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// Its address, in the directory's canonical form.
    pub address: Address,
    /// How its owner logs in.
    pub credentials: Credentials,
    /// When it was made.
    pub created_at: UnixTime,
}

/// Domains, addresses and accounts.
///
/// Address records are never dropped and generations only grow: an address that is removed and
/// created again belongs to a new account, and starts empty.
pub trait Accounts: Send + Sync {
    /// All domains, in the order of their names. They are few.
    fn domains(&self) -> Work<'_, Vec<DomainEntry>>;

    /// One domain, if it is served here.
    ///
    /// *Promise*: every change that was acknowledged before the call is seen.
    fn domain(&self, name: Domain) -> Work<'_, Option<DomainEntry>>;

    /// Adds a domain or changes it.
    ///
    /// *Promise*: durable with the answer. *Retry*: harmless. *Cancel*: it may have happened.
    fn put_domain(&self, entry: DomainEntry) -> Work<'_, ()>;

    /// Takes a domain out of service. Its address records stay, for their generations.
    ///
    /// *Promise*: durable with the answer. *Retry*: harmless (a domain that is not there is no
    /// error). *Cancel*: it may have happened.
    fn remove_domain(&self, name: Domain) -> Work<'_, ()>;

    /// What an address is, if it is anything.
    ///
    /// *Promise*: every change that was acknowledged before the call is seen.
    fn resolve(&self, address: Address) -> Work<'_, Option<AddressEntry>>;

    /// Those addresses of a domain that the filter takes, in the order of their local parts, behind
    /// `after`, at most `limit`; fewer only at the end. Aliases are looked for among all names of
    /// the domain.
    fn addresses(
        &self,
        domain: Domain,
        filter: AddressFilter,
        after: Option<LocalPart>,
        limit: usize,
    ) -> Work<'_, Vec<(Address, AddressEntry)>>;

    /// Makes an account: enabled, with an empty maildrop, in the next generation of its address.
    ///
    /// *Promise*: durable with the answer. *Retry*: with the same credentials (their salt makes
    /// them one call's own) the same account is answered. *Crash*: all of it or nothing. *Errors*:
    /// `Conflict` when the address is an account or an alias. *Cancel*: it may have happened.
    fn create_account(&self, new: NewAccount) -> Work<'_, AccountId>;

    /// Removes the account at an address with its mail, which is emptied in the background.
    ///
    /// *Promise*: with the answer nobody can log in, nothing is delivered, and a new account at the
    /// address starts empty. *Retry*: `Missing`. *Errors*: `Missing` when the address is no
    /// account. *Cancel*: it may have happened.
    fn remove_account(&self, address: Address) -> Work<'_, ()>;

    /// An account's state and credentials, read anew each time: a change counts at once.
    fn account(&self, id: AccountId) -> Work<'_, Option<(Profile, Credentials)>>;

    /// Changes how an account's owner logs in.
    ///
    /// *Promise*: durable with the answer. *Retry*: harmless. *Errors*: `Missing`. *Cancel*: it may
    /// have happened.
    fn put_credentials(&self, id: AccountId, credentials: Credentials) -> Work<'_, ()>;

    /// Adds to an account's credentials what can be made when their password is at hand, such as
    /// keys for another mechanism. Nobody waits for it: when the credentials are no longer `from`,
    /// nothing happens.
    ///
    /// *Promise*: durable with the answer; no [`Accounts::put_credentials`] is undone by it,
    /// whether it came before, comes later, or at the same time from another node. *Retry*:
    /// harmless. *Errors*: `Missing`. *Cancel*: it may have happened.
    fn upgrade_credentials(
        &self,
        id: AccountId,
        from: Credentials,
        to: Credentials,
    ) -> Work<'_, ()>;

    /// Changes an account's state.
    ///
    /// *Promise*: durable with the answer. *Retry*: harmless. *Errors*: `Missing`. *Cancel*: it may
    /// have happened.
    fn put_profile(&self, id: AccountId, profile: Profile) -> Work<'_, ()>;

    /// Makes an address an alias of others, or changes which.
    ///
    /// *Promise*: durable with the answer. *Retry*: harmless. *Errors*: `Conflict` when the address
    /// is an account. *Cancel*: it may have happened.
    fn put_alias(&self, address: Address, targets: Vec<Address>) -> Work<'_, ()>;

    /// Removes an alias.
    ///
    /// *Promise*: durable with the answer. *Retry*: `Missing`. *Errors*: `Missing` when the address
    /// is no alias. *Cancel*: it may have happened.
    fn remove_alias(&self, address: Address) -> Work<'_, ()>;

    /// The records of all addresses, of removed ones and of those of domains that are not served
    /// too, behind `after`, at most `limit`: for moving a store.
    ///
    /// *Promise*: pages that join (each behind the last address of the one before, until one is
    /// empty) have every record that was there all the time, once, in an order of the store's own.
    fn records(
        &self,
        after: Option<Address>,
        limit: usize,
    ) -> Work<'_, Vec<(Address, AddressEntry)>>;

    /// Makes an address what it was in another store: an account in its n-th life, with an empty
    /// maildrop if it was not here; an alias; or what an account left.
    ///
    /// *Promise*: durable with the answer; an account has this profile and these credentials, and
    /// generations never fall. *Retry*: harmless. *Crash*: all of it or nothing. *Errors*:
    /// `Conflict` when the address is in use here in another way (another life, other credentials,
    /// other targets), or when that life is over here. *Cancel*: it may have happened.
    fn adopt(&self, address: Address, adoption: Adoption) -> Work<'_, ()>;
}
