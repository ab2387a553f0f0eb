//! Moving a store: all records are listed, and an address is adopted as it was.

use std::collections::BTreeSet;

use cassmail_mail::{AccountId, Address};
use cassmail_store::{
    AccountState, AddressEntry, AddressFilter, Adoption, DomainEntry, ErrorKind, Profile, Quota,
    Retention,
};

use crate::addresses::{domain, put_alias, resolve};
use crate::bench::{cancelled_after, credentials, kind, new_account, submit, together};
use crate::letter::{address, hello, owner};
use crate::{Bench, Subject};

/// Accounts::records, Promise: pages join.
pub async fn pages_of_records_join_and_have_every_address_once<S: Subject>(bench: Bench<S>) {
    bench.accounts(25).await;
    put_alias(&bench, "sales", &["user1@example.org"]).await;
    let other = new_account("user1@example.net", "first");
    bench.store().create_account(other).await.unwrap();
    for limit in [1, 4, 10, 100] {
        let records = records(&bench, limit).await;
        let addresses: BTreeSet<_> = records.iter().map(|(address, _)| address.clone()).collect();
        assert_eq!(addresses.len(), 27, "in pages of {limit}");
        assert_eq!(records.len(), 27, "in pages of {limit}");
    }
    for (address, entry) in records(&bench, 10).await {
        assert_eq!(bench.store().resolve(address).await.unwrap(), Some(entry));
    }
}

/// Accounts::records: what was removed, and what belongs to domains that are not served.
pub async fn records_of_removed_addresses_and_domains_are_listed<S: Subject>(bench: Bench<S>) {
    let store = bench.store();
    let entry = DomainEntry::new(domain("example.org"));
    store.put_domain(entry).await.unwrap();
    bench.account("alice").await;
    bench.account("bob").await;
    store.remove_account(alice()).await.unwrap();
    store.remove_domain(domain("example.org")).await.unwrap();
    let found: BTreeSet<_> = records(&bench, 10)
        .await
        .into_iter()
        .map(|(address, entry)| (address.to_string(), entry.is_in_use()))
        .collect();
    let expected = [("alice@example.org", false), ("bob@example.org", true)];
    let expected = expected.map(|(address, is_in_use)| (address.to_owned(), is_in_use));
    assert_eq!(found, BTreeSet::from(expected));
}

/// Accounts::adopt, Promise: the life, the state and the credentials.
pub async fn an_adopted_account_is_what_it_was<S: Subject>(bench: Bench<S>) {
    let id = adopt_alice(&bench, 3).await;
    let entry = AddressEntry::Account { id, generation: 3 };
    assert_eq!(resolve(&bench, "alice@example.org").await, Some(entry));
    let (profile, found) = bench.store().account(id).await.unwrap().unwrap();
    assert_eq!(profile, alices_profile(AccountState::Enabled));
    assert!(found == credentials("first"));
    assert_eq!(in_use(&bench).await, 1);
}

/// Accounts::adopt: with an empty maildrop, which can be delivered to.
pub async fn an_adopted_account_starts_empty_and_gets_mail<S: Subject>(bench: Bench<S>) {
    let id = adopt_alice(&bench, 3).await;
    assert!(bench.list(id).await.is_empty());
    let message = bench.mint();
    let sent = submit(&*bench.store(), message, &[hello()], vec![owner(id)]).await;
    sent.unwrap();
    assert_eq!(bench.ids(id).await, [message]);
    assert_eq!(bench.read(id, message).await, hello());
}

/// Accounts::adopt: an alias.
pub async fn an_adopted_alias_is_an_alias<S: Subject>(bench: Bench<S>) {
    let adoption = alias("bob@example.org", 2);
    bench
        .store()
        .adopt(alice(), adoption.clone())
        .await
        .unwrap();
    let entry = resolve(&bench, "alice@example.org").await;
    assert_eq!(entry, Some(adoption.entry(&alice())));
    assert_eq!(in_use(&bench).await, 1);
}

/// Accounts::adopt: what an account left; the next one there has the next life.
pub async fn an_adopted_removal_is_the_last_life<S: Subject>(bench: Bench<S>) {
    let removed = Adoption::Removed { generation: 4 };
    bench.store().adopt(alice(), removed).await.unwrap();
    let entry = resolve(&bench, "alice@example.org").await;
    assert_eq!(entry, Some(AddressEntry::Removed { generation: 4 }));
    let next = bench.account("alice").await;
    assert_eq!(next, AccountId::of(&alice(), 5));
}

/// Accounts::adopt, Retry.
pub async fn adopting_again_changes_nothing<S: Subject>(bench: Bench<S>) {
    let id = adopt_alice(&bench, 3).await;
    let message = bench.deliver(id, hello()).await;
    assert_eq!(adopt_alice(&bench, 3).await, id);
    assert_eq!(bench.ids(id).await, [message]);
    for adoption in [
        alias("carol@example.org", 1),
        Adoption::Removed { generation: 1 },
    ] {
        let bob = address("bob@example.net");
        // The second one meets the alias, which is in use and stays.
        for _ in 0..2 {
            let again = (bob.clone(), adoption.clone());
            bench.store().adopt(again.0, again.1).await.unwrap();
        }
    }
    let entry = resolve(&bench, "bob@example.net").await.unwrap();
    assert!(matches!(entry, AddressEntry::Alias { generation: 1, .. }));
}

/// Accounts::adopt, Promise: an account has this profile.
pub async fn adopting_again_brings_the_state_of_the_account<S: Subject>(bench: Bench<S>) {
    let id = adopt_alice(&bench, 3).await;
    let disabled = account(3, AccountState::Disabled, "first");
    bench.store().adopt(alice(), disabled).await.unwrap();
    let (profile, _) = bench.store().account(id).await.unwrap().unwrap();
    assert_eq!(profile.state, AccountState::Disabled);
}

/// Accounts::adopt, Errors: other credentials.
pub async fn adopting_an_account_with_other_credentials_is_a_conflict<S: Subject>(bench: Bench<S>) {
    let id = bench.account("alice").await;
    let message = bench.deliver(id, hello()).await;
    let other = account(1, AccountState::Disabled, "second");
    let adopted = bench.store().adopt(alice(), other).await;
    assert_eq!(kind(adopted), ErrorKind::Conflict);
    let (profile, found) = bench.store().account(id).await.unwrap().unwrap();
    assert_eq!(profile.state, AccountState::Enabled);
    assert!(found == credentials("first"));
    assert_eq!(bench.ids(id).await, [message]);
}

/// Accounts::adopt, Errors: another life.
pub async fn adopting_another_life_of_an_account_is_a_conflict<S: Subject>(bench: Bench<S>) {
    adopt_alice(&bench, 3).await;
    let before = resolve(&bench, "alice@example.org").await;
    for generation in [2, 4] {
        let other = account(generation, AccountState::Enabled, "first");
        let adopted = bench.store().adopt(alice(), other).await;
        assert_eq!(kind(adopted), ErrorKind::Conflict);
        let id = AccountId::of(&alice(), generation);
        assert!(bench.store().account(id).await.unwrap().is_none());
    }
    assert_eq!(resolve(&bench, "alice@example.org").await, before);
}

/// Accounts::adopt, Errors: in use in another way.
pub async fn adopting_over_what_is_in_use_is_a_conflict<S: Subject>(bench: Bench<S>) {
    bench.account("alice").await;
    put_alias(&bench, "bob", &["carol@example.org"]).await;
    let bob = address("bob@example.org");
    let account_of_bob = Adoption::Account {
        generation: 1,
        profile: Profile {
            address: bob.clone(),
            ..alices_profile(AccountState::Enabled)
        },
        credentials: credentials("first"),
    };
    for (where_to, adoption) in [
        (alice(), alias("bob@example.org", 0)),
        (alice(), Adoption::Removed { generation: 1 }),
        (bob.clone(), account_of_bob),
        (bob, alias("dave@example.org", 0)),
    ] {
        let before = bench.store().resolve(where_to.clone()).await.unwrap();
        let adopted = bench.store().adopt(where_to.clone(), adoption).await;
        assert_eq!(kind(adopted), ErrorKind::Conflict);
        assert_eq!(bench.store().resolve(where_to).await.unwrap(), before);
    }
}

/// Accounts::adopt, Errors: that life is over here.
pub async fn a_life_that_is_over_is_not_adopted_again<S: Subject>(bench: Bench<S>) {
    let id = bench.account("alice").await;
    bench.store().remove_account(alice()).await.unwrap();
    let again = account(1, AccountState::Enabled, "first");
    let adopted = bench.store().adopt(alice(), again).await;
    assert_eq!(kind(adopted), ErrorKind::Conflict);
    assert!(bench.store().account(id).await.unwrap().is_none());
    assert_eq!(adopt_alice(&bench, 2).await, AccountId::of(&alice(), 2));
}

/// Accounts::adopt, Promise: generations never fall.
pub async fn generations_never_fall_by_an_adoption<S: Subject>(bench: Bench<S>) {
    for generation in [5, 3] {
        let removed = Adoption::Removed { generation };
        bench.store().adopt(alice(), removed).await.unwrap();
    }
    let alias = alias("bob@example.org", 1);
    bench.store().adopt(alice(), alias).await.unwrap();
    let entry = resolve(&bench, "alice@example.org").await.unwrap();
    assert_eq!(entry.generation(), 5);
    assert!(entry.is_in_use());
}

/// Accounts::adopt: an account like any other.
pub async fn an_adopted_account_can_be_removed<S: Subject>(bench: Bench<S>) {
    let id = adopt_alice(&bench, 3).await;
    bench.store().remove_account(alice()).await.unwrap();
    assert!(bench.store().account(id).await.unwrap().is_none());
    assert_eq!(bench.account("alice").await, AccountId::of(&alice(), 4));
}

/// Accounts::adopt: different addresses at once do not disturb each other.
pub async fn many_addresses_adopted_at_once_are_all_there<S: Subject>(bench: Bench<S>) {
    let adoptions = (0..50).map(|n| {
        let store = bench.store();
        let address = address(&format!("user{n}@example.org"));
        let profile = Profile {
            address: address.clone(),
            ..alices_profile(AccountState::Enabled)
        };
        let adoption = Adoption::Account {
            generation: 2,
            profile,
            credentials: credentials("first"),
        };
        async move { store.adopt(address, adoption).await }
    });
    for adopted in together(adoptions).await {
        adopted.unwrap();
    }
    assert_eq!(records(&bench, 20).await.len(), 50);
}

/// Accounts::adopt, Cancel: it may have happened; again it certainly does.
pub async fn a_cancelled_adoption_can_be_repeated<S: Subject>(bench: Bench<S>) {
    for polls in 0..6 {
        let store = bench.store();
        let adoption = account(3, AccountState::Enabled, "first");
        cancelled_after(polls, store.adopt(alice(), adoption)).await;
    }
    let id = adopt_alice(&bench, 3).await;
    assert!(bench.store().account(id).await.unwrap().is_some());
}

/// Accounts::adopt, Promise: durable. *Crash*: all of it or nothing.
pub async fn what_was_adopted_survives_a_crash<S: Subject>(mut bench: Bench<S>) {
    let id = adopt_alice(&bench, 3).await;
    let bob = address("bob@example.org");
    let removed = Adoption::Removed { generation: 7 };
    bench.store().adopt(bob, removed).await.unwrap();
    bench.crash().await;
    assert!(bench.store().account(id).await.unwrap().is_some());
    let entry = resolve(&bench, "bob@example.org").await;
    assert_eq!(entry, Some(AddressEntry::Removed { generation: 7 }));
}

fn alice() -> Address {
    address("alice@example.org")
}

fn alices_profile(state: AccountState) -> Profile {
    let new = new_account("alice@example.org", "first");
    Profile {
        address: new.address,
        state,
        created_at: new.created_at,
        retention: Retention::default(),
        quota: Quota::default(),
    }
}

fn account(generation: u64, state: AccountState, password: &str) -> Adoption {
    Adoption::Account {
        generation,
        profile: alices_profile(state),
        credentials: credentials(password),
    }
}

fn alias(target: &str, generation: u64) -> Adoption {
    Adoption::Alias {
        targets: vec![address(target)],
        generation,
    }
}

async fn adopt_alice<S: Subject>(bench: &Bench<S>, generation: u64) -> AccountId {
    let adoption = account(generation, AccountState::Enabled, "first");
    bench.store().adopt(alice(), adoption).await.unwrap();
    AccountId::of(&alice(), generation)
}

async fn in_use<S: Subject>(bench: &Bench<S>) -> usize {
    let store = bench.store();
    let listed = store.addresses(domain("example.org"), AddressFilter::InUse, None, 10);
    listed.await.unwrap().len()
}

/// All records, in pages.
async fn records<S: Subject>(bench: &Bench<S>, limit: usize) -> Vec<(Address, AddressEntry)> {
    let mut all: Vec<(Address, AddressEntry)> = Vec::new();
    // Fewer pages than this have all that a test makes.
    for _ in 0..100 {
        let after = all.last().map(|(address, _)| address.clone());
        let page = bench.store().records(after, limit).await.unwrap();
        assert!(page.len() <= limit);
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
    panic!("the pages do not end");
}
