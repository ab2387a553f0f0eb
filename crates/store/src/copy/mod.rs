//! Everything of one store into another, through their promises alone.
//!
//! In this order: administrators and tokens; domains; address records with the accounts behind
//! them, each adopted as it was; then the mail of one account after the other, read back as soon as
//! it is there; at the end all records once more. Each step can be repeated, so a copy that was
//! interrupted is made again from the start: what is there is verified and not written.
//!
//! What arrives: domains, addresses in use and removed ones, lives, states, credentials; of each
//! message the octets that its owner gets, their number, the unique id, the order. The id stays
//! too, except for a message of several owners in a store that keeps one body for an id: one of
//! them keeps it, the others get a body and an id of their own, with the time and the unique id of
//! the first. The `Delivered-To` line becomes a part of the body.
//!
//! What is in the target besides stays as it is. Where both know an address in different ways, the
//! target's stays, its mail is not copied, and it is reported: see [`Copied::faults`].
//!
//! The audit log stays where it was written: it says what was done there.
//!
//! The source must not change meanwhile. Read first: [`copy`], then `maildrop.rs`.

mod maildrop;
mod progress;
mod transfer;

use std::fmt;
use std::sync::Arc;

use cassmail_mail::{AccountId, Address, Domain, Uidl};

pub use self::progress::{Progress, Reading};
use crate::{
    AddressEntry, AdminName, Adoption, ErrorKind, Patience, Store, StoreError, StoreResult, TokenId,
};

/// So many address records are read at once.
const PAGE: usize = 500;

/// How a store is copied.
#[derive(Debug, Clone, Copy)]
pub struct CopyOptions {
    /// So many messages, or addresses, are under way at once.
    pub at_once: usize,
    /// How long the target may take to accept one message.
    pub patience: Patience,
}

/// What a copy found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copied {
    /// How many domains the source serves.
    pub domains: u64,
    /// How many address records it has.
    pub addresses: u64,
    /// How many of them are accounts.
    pub accounts: u64,
    /// Messages that were written.
    pub messages: u64,
    /// Messages that were there already.
    pub present: u64,
    /// Of both, those that have an id of their own in the target.
    pub renamed: u64,
    /// Octets of all messages, as their owners get them.
    pub octets: u64,
    /// What did not arrive as it was.
    pub faults: Vec<CopyFault>,
}

/// Something that did not arrive as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyFault {
    /// The target has an administrator of that name who is another; it stays.
    Administrator(AdminName),
    /// The target has a token of that id which is another; it stays.
    Token(TokenId),
    /// The target serves the domain with other special recipients.
    Domain(Domain),
    /// The target knows the address in another way; its own stays.
    Address(Address),
    /// The source has no record behind an account's address.
    NoAccount(Address),
    /// A message, and what is wrong with it.
    Message {
        /// Whose.
        address: Address,
        /// Which.
        uidl: Uidl,
        /// What is wrong.
        what: Wrong,
    },
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// The source cannot give it out: it is damaged there.
    DamagedAtSource,
    /// The target does not list it, though it was written.
    NotListed,
    /// The target gives out other octets.
    OtherOctets,
}

impl fmt::Display for CopyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Administrator(name) => write!(
                f,
                "administrator {name}: the target has another of that name, who stays"
            ),
            Self::Token(id) => write!(
                f,
                "token {id}: the target has another of that id, which stays"
            ),
            Self::Domain(name) => write!(
                f,
                "domain {name}: the target has another postmaster or catch-all; it keeps them"
            ),
            Self::Address(address) => write!(
                f,
                "{address}: the target knows this address in another way (another account, other \
                 credentials, other targets); it stays as it is there, without the mail from here"
            ),
            Self::NoAccount(address) => {
                write!(
                    f,
                    "{address}: the source has no account behind this address"
                )
            }
            Self::Message {
                address,
                uidl,
                what,
            } => {
                let what = match what {
                    Wrong::DamagedAtSource => "damaged at the source, not copied",
                    Wrong::NotListed => "not listed by the target though it was written",
                    Wrong::OtherOctets => "the target gives out other octets",
                };
                write!(f, "{address}: message {uidl}: {what}")
            }
        }
    }
}

/// A copy ended before its end; made again, it goes on.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The store that is read failed.
    #[error("the source failed")]
    Source(#[source] StoreError),
    /// The store that is written failed.
    #[error("the target failed")]
    Target(#[source] StoreError),
}

/// One copy in progress.
struct Copier<'c> {
    source: &'c Arc<dyn Store>,
    target: &'c Arc<dyn Store>,
    options: CopyOptions,
    progress: &'c Progress,
    copied: Copied,
}

/// Copies all that `source` has into `target`, and verifies that it is there.
pub async fn copy(
    source: &Arc<dyn Store>,
    target: &Arc<dyn Store>,
    options: CopyOptions,
    progress: &Progress,
) -> Result<Copied, CopyError> {
    let mut copier = Copier {
        source,
        target,
        options,
        progress,
        copied: Copied::default(),
    };
    copier.copy_administration().await?;
    copier.copy_domains().await?;
    let accounts = copier.copy_records().await?;
    for (address, id) in accounts {
        copier.copy_maildrop(&address, id).await?;
        progress.account_is_done();
    }
    copier.verify_records().await?;
    Ok(copier.copied)
}

impl Copier<'_> {
    async fn copy_administration(&mut self) -> Result<(), CopyError> {
        let administrators = self.source.administrators().await;
        for one in administrators.map_err(CopyError::Source)? {
            let there = self.target.administrator(one.name.clone()).await;
            match there.map_err(CopyError::Target)? {
                Some(there) if there == one => {}
                Some(_) => self.copied.faults.push(CopyFault::Administrator(one.name)),
                None => {
                    let put = self.target.put_administrator(one).await;
                    put.map_err(CopyError::Target)?;
                }
            }
        }
        for token in self.source.tokens().await.map_err(CopyError::Source)? {
            let there = self.target.token(token.id.clone()).await;
            match there.map_err(CopyError::Target)? {
                Some(there) if there == token => {}
                Some(_) => self.copied.faults.push(CopyFault::Token(token.id)),
                None => {
                    let put = self.target.put_token(token).await;
                    put.map_err(CopyError::Target)?;
                }
            }
        }
        Ok(())
    }

    async fn copy_domains(&mut self) -> Result<(), CopyError> {
        for entry in self.source.domains().await.map_err(CopyError::Source)? {
            self.copied.domains += 1;
            let there = self.target.domain(entry.name.clone()).await;
            match there.map_err(CopyError::Target)? {
                Some(there) if there == entry => {}
                Some(_) => self.copied.faults.push(CopyFault::Domain(entry.name)),
                None => {
                    let put = self.target.put_domain(entry).await;
                    put.map_err(CopyError::Target)?;
                }
            }
        }
        Ok(())
    }

    /// Has all addresses adopted; gives the accounts whose mail is to be copied.
    async fn copy_records(&mut self) -> Result<Vec<(Address, AccountId)>, CopyError> {
        let mut accounts = Vec::new();
        let mut after = None;
        loop {
            let page = self.records(after).await?;
            let Some((last, _)) = page.last() else {
                return Ok(accounts);
            };
            after = Some(last.clone());
            for (address, entry) in page {
                self.copied.addresses += 1;
                let is_there = self.copy_record(&address, &entry).await?;
                if let (true, AddressEntry::Account { id, .. }) = (is_there, entry) {
                    self.copied.accounts += 1;
                    self.progress.account_is_known();
                    accounts.push((address, id));
                }
            }
        }
    }

    async fn records(
        &self,
        after: Option<Address>,
    ) -> Result<Vec<(Address, AddressEntry)>, CopyError> {
        let page = self.source.records(after, PAGE).await;
        page.map_err(CopyError::Source)
    }

    /// Whether the target has the address now as the source has it.
    async fn copy_record(
        &mut self,
        address: &Address,
        entry: &AddressEntry,
    ) -> Result<bool, CopyError> {
        let adoption = self.adoption(entry).await.map_err(CopyError::Source)?;
        let Some(adoption) = adoption else {
            let fault = CopyFault::NoAccount(address.clone());
            self.copied.faults.push(fault);
            return Ok(false);
        };
        match self.target.adopt(address.clone(), adoption).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let fault = CopyFault::Address(address.clone());
                self.copied.faults.push(fault);
                Ok(false)
            }
            Err(error) => Err(CopyError::Target(error)),
        }
    }

    /// All that the source has of an address; none if the account's record lacks.
    async fn adoption(&self, entry: &AddressEntry) -> StoreResult<Option<Adoption>> {
        Ok(Some(match entry.clone() {
            AddressEntry::Account { id, generation } => {
                let Some((profile, credentials)) = self.source.account(id).await? else {
                    return Ok(None);
                };
                Adoption::Account {
                    generation,
                    profile,
                    credentials,
                }
            }
            AddressEntry::Alias {
                targets,
                generation,
            } => Adoption::Alias {
                targets,
                generation,
            },
            AddressEntry::Removed { generation } => Adoption::Removed { generation },
        }))
    }

    /// Reads all records once more; those that are reported already are passed over.
    async fn verify_records(&mut self) -> Result<(), CopyError> {
        let mut after = None;
        loop {
            let page = self.records(after).await?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = Some(last.clone());
            for (address, entry) in page {
                let is_known = |fault: &CopyFault| {
                    matches!(fault, CopyFault::Address(known) | CopyFault::NoAccount(known)
                        if *known == address)
                };
                if !self.copied.faults.iter().any(is_known)
                    && !self.is_same(&address, &entry).await?
                {
                    self.copied.faults.push(CopyFault::Address(address));
                }
            }
        }
    }

    async fn is_same(&self, address: &Address, entry: &AddressEntry) -> Result<bool, CopyError> {
        let adoption = self.adoption(entry).await.map_err(CopyError::Source)?;
        let there = self.target.resolve(address.clone()).await;
        let there = there.map_err(CopyError::Target)?;
        let Some(adoption) = adoption else {
            return Ok(false);
        };
        if adoption.over(address, there.as_ref()) != Ok(None) {
            return Ok(false);
        }
        let Adoption::Account {
            profile,
            credentials,
            ..
        } = adoption
        else {
            return Ok(true);
        };
        let AddressEntry::Account { id, .. } = *entry else {
            return Ok(false);
        };
        let there = self.target.account(id).await.map_err(CopyError::Target)?;
        Ok(there == Some((profile, credentials)))
    }
}
