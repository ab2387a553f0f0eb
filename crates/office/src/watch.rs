//! Who is slowed, and who is here: what this process knows, and other nodes do not.

use std::net::IpAddr;
use std::sync::Arc;

use cassmail_mail::{AccountId, Address};
use cassmail_store::{AdminName, Realm, Service, Store, StoreError};

use crate::admin_login::{AdminLogins, id_of_administrator};
use crate::clock::Clock;
use crate::directory::Directory;
use crate::guesses::{Slowed, SlowedWhom};
use crate::intake::Intake;
use crate::login::Logins;
use crate::maildrop::Counter;

/// Looks at what the process knows, and forgives.
#[derive(Clone)]
pub struct Watch {
    /// Where accounts are.
    pub store: Arc<dyn Store>,
    /// Whose addresses are which.
    pub directory: Directory,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Logins of users.
    pub logins: Arc<Logins>,
    /// Logins of those who administer.
    pub admin_logins: Arc<AdminLogins>,
    /// Sessions that fetch mail.
    pub counter: Arc<Counter>,
    /// Sessions that send mail.
    pub intake: Arc<Intake>,
}

/// Somebody whose wrong passwords are counted; when all are used, nothing of him is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowedLine {
    /// Who.
    pub who: SlowedOne,
    /// Where he tried.
    pub at: TriedAt,
    /// Wrong passwords that count now.
    pub used: u32,
    /// With so many nothing is looked at any more.
    pub most: u32,
}

/// Who is slowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlowedOne {
    /// Whoever comes from this network.
    Source(IpAddr),
    /// Strangers who try for this account.
    Account(Address),
    /// Strangers who try for this administrator.
    Administrator(AdminName),
    /// A network from where the owner of this account has logged in, or somebody beside him.
    FriendOf(IpAddr, Address),
    /// The same of an administrator.
    FriendOfAdministrator(IpAddr, AdminName),
}

/// What wrong passwords were tried for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriedAt {
    /// SMTP and POP3.
    Mail,
    /// The HTTP API.
    Administration,
}

/// The sessions of an account on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionLine {
    /// Whose.
    pub address: Address,
    /// For what.
    pub service: Service,
    /// How many.
    pub open: usize,
}

/// No more are looked up: each is a read.
const MOST: usize = 1000;

type Answer<T> = Result<T, StoreError>;

impl Watch {
    /// Who is slowed, the most first; of domains the accounts in them alone.
    pub async fn slowed(&self, realm: &Realm) -> Answer<Vec<SlowedLine>> {
        let now = self.clock.now();
        let mut lines = Vec::new();
        for slowed in sorted(self.logins.guesses().slowed(now)) {
            let who = match slowed.whom {
                SlowedWhom::Source(network) => Some(SlowedOne::Source(network)),
                SlowedWhom::Account(id) => self.address(id).await?.map(SlowedOne::Account),
                SlowedWhom::Friend(network, id) => {
                    let address = self.address(id).await?;
                    address.map(|address| SlowedOne::FriendOf(network, address))
                }
            };
            lines.extend(who.map(|who| line(who, TriedAt::Mail, slowed)));
        }
        let administrators = self.store.administrators().await?;
        let name_of = |id| {
            let mut names = administrators.iter().map(|one| &one.name);
            names.find(|name| id_of_administrator(name) == id).cloned()
        };
        for slowed in sorted(self.admin_logins.guesses().slowed(now)) {
            let who = match slowed.whom {
                SlowedWhom::Source(network) => Some(SlowedOne::Source(network)),
                SlowedWhom::Account(id) => name_of(id).map(SlowedOne::Administrator),
                SlowedWhom::Friend(network, id) => {
                    name_of(id).map(|name| SlowedOne::FriendOfAdministrator(network, name))
                }
            };
            lines.extend(who.map(|who| line(who, TriedAt::Administration, slowed)));
        }
        lines.retain(|line| is_seen(&line.who, realm));
        Ok(lines)
    }

    /// Forgives a network; whether there was anything.
    pub fn forgive_source(&self, network: IpAddr) -> bool {
        let now = self.clock.now();
        let whom = SlowedWhom::Source(network);
        let mail = self.logins.guesses().forgive(whom, now);
        self.admin_logins.guesses().forgive(whom, now) || mail
    }

    /// Forgives an account; whether there was anything.
    pub async fn forgive_account(&self, address: &Address) -> Answer<bool> {
        let id = self.directory.account_anew(address).await?;
        Ok(id.is_some_and(|id| {
            let whom = SlowedWhom::Account(id);
            self.logins.guesses().forgive(whom, self.clock.now())
        }))
    }

    /// Forgives an administrator; whether there was anything.
    pub fn forgive_administrator(&self, name: &AdminName) -> bool {
        let whom = SlowedWhom::Account(id_of_administrator(name));
        self.admin_logins.guesses().forgive(whom, self.clock.now())
    }

    /// The sessions of accounts in a realm, in the order of their addresses.
    pub async fn sessions(&self, realm: &Realm) -> Answer<Vec<SessionLine>> {
        let fetching = self.counter.sessions().into_iter();
        let fetching = fetching.map(|(id, open)| (id, Service::Pop3, open));
        let sending = self.intake.sessions().into_iter();
        let sending = sending.map(|(id, open)| (id, Service::Submission, open));
        let mut lines = Vec::new();
        for (id, service, open) in fetching.chain(sending).take(MOST) {
            let address = self.address(id).await?;
            lines.extend(address.map(|address| SessionLine {
                address,
                service,
                open,
            }));
        }
        lines.retain(|line| realm.has(line.address.domain()));
        lines.sort_by(|one, other| one.address.cmp(&other.address));
        Ok(lines)
    }

    async fn address(&self, id: AccountId) -> Answer<Option<Address>> {
        let account = self.store.account(id).await?;
        Ok(account.map(|(profile, _)| profile.address))
    }
}

fn sorted(mut slowed: Vec<Slowed>) -> Vec<Slowed> {
    slowed.sort_by_key(|one| std::cmp::Reverse(one.used));
    slowed.truncate(MOST);
    slowed
}

fn line(who: SlowedOne, at: TriedAt, slowed: Slowed) -> SlowedLine {
    SlowedLine {
        who,
        at,
        used: slowed.used,
        most: slowed.most,
    }
}

fn is_seen(who: &SlowedOne, realm: &Realm) -> bool {
    match (who, realm) {
        (_, Realm::Everything) => true,
        (SlowedOne::Account(address) | SlowedOne::FriendOf(_, address), realm) => {
            realm.has(address.domain())
        }
        (
            SlowedOne::Source(_)
            | SlowedOne::Administrator(_)
            | SlowedOne::FriendOfAdministrator(..),
            Realm::Domains(_),
        ) => false,
    }
}
