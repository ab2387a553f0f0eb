//! Domains and addresses: what is served, and what an address is.

use cassmail_mail::{AccountId, Address, Domain, LocalPart};
use cassmail_store::{
    AddressEntry, AddressFilter, Bound, DomainEntry, ErrorKind, Quota, Retention,
};

use crate::bench::{kind, new_account, together};
use crate::letter::address;
use crate::{Bench, Subject};

/// Accounts::domains.
pub async fn domains_are_listed_in_the_order_of_their_names<S: Subject>(bench: Bench<S>) {
    for name in ["m.example", "z.example", "a.example"] {
        put(&bench, name).await;
    }
    let names = domain_names(&bench).await;
    assert_eq!(names, ["a.example", "m.example", "z.example"]);
}

/// Accounts::domain, Promise.
pub async fn a_domain_is_found_by_its_name<S: Subject>(bench: Bench<S>) {
    put(&bench, "a.example").await;
    let found = bench.store().domain(domain("a.example")).await.unwrap();
    assert_eq!(found, Some(DomainEntry::new(domain("a.example"))));
    let other = bench.store().domain(domain("b.example")).await.unwrap();
    assert_eq!(other, None);
}

/// Accounts::put_domain.
pub async fn a_domain_can_be_changed<S: Subject>(bench: Bench<S>) {
    put(&bench, "a.example").await;
    let changed = DomainEntry {
        postmaster: Some(address("\"post master\"@a.example")),
        catch_all: Some(address("all@b.example")),
        retention: Retention {
            days: Some(Bound::from(30)),
            messages: Some(Bound::None),
            octets: Some(Bound::from(u64::MAX)),
        },
        quota: Quota {
            messages: Some(Bound::None),
            octets: Some(Bound::from(u64::MAX)),
        },
        ..DomainEntry::new(domain("a.example"))
    };
    bench.store().put_domain(changed.clone()).await.unwrap();
    let found = bench.store().domain(domain("a.example")).await.unwrap();
    assert_eq!(found, Some(changed));
    assert_eq!(domain_names(&bench).await, ["a.example"]);
}

/// Accounts::put_domain, Retry.
pub async fn a_domain_that_is_put_twice_is_there_once<S: Subject>(bench: Bench<S>) {
    put(&bench, "a.example").await;
    put(&bench, "a.example").await;
    assert_eq!(domain_names(&bench).await, ["a.example"]);
}

/// Accounts::remove_domain, Promise.
pub async fn a_removed_domain_is_not_found<S: Subject>(bench: Bench<S>) {
    put(&bench, "a.example").await;
    put(&bench, "b.example").await;
    let store = bench.store();
    store.remove_domain(domain("a.example")).await.unwrap();
    assert_eq!(store.domain(domain("a.example")).await.unwrap(), None);
    assert_eq!(domain_names(&bench).await, ["b.example"]);
}

/// Accounts::remove_domain, Retry.
pub async fn removing_a_domain_that_is_not_there_is_no_error<S: Subject>(bench: Bench<S>) {
    let store = bench.store();
    store.remove_domain(domain("a.example")).await.unwrap();
    store.remove_domain(domain("a.example")).await.unwrap();
}

/// Accounts::remove_domain: a domain comes back as it is put then.
pub async fn a_removed_domain_can_be_put_again<S: Subject>(bench: Bench<S>) {
    put(&bench, "a.example").await;
    let removed = bench.store().remove_domain(domain("a.example")).await;
    removed.unwrap();
    put(&bench, "a.example").await;
    assert_eq!(domain_names(&bench).await, ["a.example"]);
}

/// Accounts::remove_domain: its address records stay.
pub async fn a_removed_domain_keeps_its_address_records<S: Subject>(bench: Bench<S>) {
    put(&bench, "example.org").await;
    let alice = bench.account("alice").await;
    let store = bench.store();
    store.remove_domain(domain("example.org")).await.unwrap();
    let found = store.resolve(address("alice@example.org")).await.unwrap();
    let kept = AddressEntry::Account {
        id: alice,
        generation: 1,
    };
    assert_eq!(found, Some(kept));
}

/// Accounts::resolve.
pub async fn an_unknown_address_is_nothing<S: Subject>(bench: Bench<S>) {
    bench.account("alice").await;
    let store = bench.store();
    for unknown in ["bob@example.org", "alice@example.net", "alic@example.org"] {
        assert_eq!(store.resolve(address(unknown)).await.unwrap(), None);
    }
}

/// Accounts::resolve, Promise.
pub async fn an_address_is_the_account_that_was_made_there<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let entry = resolve(&bench, "alice@example.org").await;
    let account = AddressEntry::Account {
        id: alice,
        generation: 1,
    };
    assert_eq!(entry, Some(account));
}

/// Addresses come in the directory's canonical form: here they are compared as they are.
pub async fn addresses_are_compared_as_they_are<S: Subject>(bench: Bench<S>) {
    let upper = bench.account("Alice").await;
    let lower = bench.account("alice").await;
    assert_ne!(upper, lower);
    assert_eq!(resolve(&bench, "ALICE@example.org").await, None);
}

/// Accounts::resolve: the whole grammar of local parts is kept.
pub async fn awkward_addresses_are_kept_as_they_are<S: Subject>(bench: Bench<S>) {
    let awkward = [
        r#""a b"@example.org"#,
        r#""a@b"@example.org"#,
        r#""a\"\\b"@example.org"#,
        r#""/../"@example.org"#,
        "!#$%&'*+-/=?^_`{|}~@example.org",
        "b\u{fc}ro@b\u{fc}cher.example",
        "user@[IPv6:2001:db8::1]",
    ];
    for text in awkward {
        let created = bench.store().create_account(new_account(text, "p")).await;
        let id = created.unwrap();
        let (profile, _) = bench.store().account(id).await.unwrap().unwrap();
        assert_eq!(profile.address.to_string(), text);
    }
    let listed = page(&bench, None, 100).await;
    assert_eq!(listed.len(), 5, "those of example.org: {listed:?}");
}

/// Accounts::addresses: order, where one name is the beginning of another.
pub async fn addresses_are_listed_in_the_order_of_their_local_parts<S: Subject>(bench: Bench<S>) {
    for name in ["b", "a", "ab", "a.b", "a-b", "B", "\"a b\"", "\u{fc}", "z"] {
        bench.account(name).await;
    }
    let names = page(&bench, None, 100).await;
    assert_eq!(
        names,
        ["B", "a", "a b", "a-b", "a.b", "ab", "b", "z", "\u{fc}"]
    );
}

/// Accounts::addresses: pages.
pub async fn pages_of_addresses_join_without_gap_or_overlap<S: Subject>(bench: Bench<S>) {
    bench.accounts(25).await;
    let mut seen = Vec::new();
    loop {
        let next = page(&bench, seen.last(), 10).await;
        assert!(next.len() <= 10);
        if next.is_empty() {
            break;
        }
        seen.extend(next);
    }
    let mut expected: Vec<_> = (0..25).map(|n| format!("user{n}")).collect();
    expected.sort();
    assert_eq!(seen, expected);
}

/// Accounts::addresses: behind a name that is not there (any more).
pub async fn a_page_begins_behind_a_name_that_is_not_there<S: Subject>(bench: Bench<S>) {
    for name in ["a", "c", "d"] {
        bench.account(name).await;
    }
    let behind = "b".to_owned();
    assert_eq!(page(&bench, Some(&behind), 10).await, ["c", "d"]);
    let last = "d".to_owned();
    assert!(page(&bench, Some(&last), 10).await.is_empty());
}

/// Accounts::addresses: of that domain only, also where one name is the beginning of another.
pub async fn addresses_of_other_domains_are_not_listed<S: Subject>(bench: Bench<S>) {
    bench.account("alice").await;
    for other in ["bob@example.orga", "bob@example.or", "bob@a.example.org"] {
        let created = bench.store().create_account(new_account(other, "p")).await;
        created.unwrap();
    }
    assert_eq!(page(&bench, None, 10).await, ["alice"]);
}

/// Accounts::addresses: those in use; what is not does not shorten a page.
pub async fn addresses_that_are_not_in_use_take_no_place_in_a_page<S: Subject>(bench: Bench<S>) {
    bench.accounts(20).await;
    for n in 0..15 {
        let gone = address(&format!("user{n}@example.org"));
        bench.store().remove_account(gone).await.unwrap();
    }
    let names = page(&bench, None, 4).await;
    assert_eq!(names, ["user15", "user16", "user17", "user18"]);
}

/// Accounts::addresses: aliases are addresses in use.
pub async fn aliases_are_listed_among_the_addresses<S: Subject>(bench: Bench<S>) {
    bench.account("alice").await;
    put_alias(&bench, "sales", &["alice@example.org"]).await;
    let listed = bench
        .store()
        .addresses(domain("example.org"), AddressFilter::InUse, None, 10)
        .await
        .unwrap();
    let alias = AddressEntry::Alias {
        targets: vec![address("alice@example.org")],
        generation: 0,
    };
    let id = AccountId::of(&address("alice@example.org"), 1);
    let account = AddressEntry::Account { id, generation: 1 };
    let expected = [
        (address("alice@example.org"), account),
        (address("sales@example.org"), alias),
    ];
    assert_eq!(listed, expected);
}

/// Accounts::addresses: accounts or aliases only, in full pages, however many others are between.
pub async fn accounts_and_aliases_are_listed_without_each_other<S: Subject>(bench: Bench<S>) {
    bench.accounts(30).await;
    for n in (0..30).step_by(3) {
        put_alias(&bench, &format!("user{n}-alias"), &["user1@example.org"]).await;
    }
    // What an address was before does not count.
    for gone in ["user4@example.org", "user5@example.org"] {
        let removed = bench.store().remove_account(address(gone)).await;
        removed.unwrap();
    }
    put_alias(&bench, "user4", &["user1@example.org"]).await;
    let accounts = (0..30).filter(|n| ![4, 5].contains(n));
    let mut accounts: Vec<_> = accounts.map(|n| format!("user{n}")).collect();
    accounts.sort();
    let aliases = (0..30).step_by(3).map(|n| format!("user{n}-alias"));
    let mut aliases: Vec<_> = aliases.chain(["user4".to_owned()]).collect();
    aliases.sort();
    for (filter, expected) in [
        (AddressFilter::Accounts, accounts),
        (AddressFilter::Aliases, aliases),
    ] {
        let mut seen: Vec<String> = Vec::new();
        loop {
            let next = page_of(&bench, filter, seen.last(), 4).await;
            let is_last = next.len() < 4;
            seen.extend(next);
            if is_last {
                break;
            }
        }
        assert_eq!(seen, expected, "{filter:?}");
    }
}

/// Accounts::put_alias, Promise: targets in their order.
pub async fn an_alias_resolves_to_its_targets<S: Subject>(bench: Bench<S>) {
    let targets = [
        "zoe@example.org",
        "alice@example.org",
        "\"x y\"@far.example",
    ];
    put_alias(&bench, "sales", &targets).await;
    assert_eq!(targets_of(&bench, "sales").await, targets);
}

/// Accounts::put_alias, Retry, and a change.
pub async fn an_alias_can_be_put_again_and_changed<S: Subject>(bench: Bench<S>) {
    put_alias(&bench, "sales", &["alice@example.org"]).await;
    put_alias(&bench, "sales", &["alice@example.org"]).await;
    assert_eq!(targets_of(&bench, "sales").await, ["alice@example.org"]);
    put_alias(&bench, "sales", &["bob@example.org"]).await;
    assert_eq!(targets_of(&bench, "sales").await, ["bob@example.org"]);
}

/// Accounts::put_alias, Errors.
pub async fn an_alias_at_an_account_is_a_conflict<S: Subject>(bench: Bench<S>) {
    bench.account("alice").await;
    let before = resolve(&bench, "alice@example.org").await;
    let targets = vec![address("bob@example.org")];
    let put = bench
        .store()
        .put_alias(address("alice@example.org"), targets)
        .await;
    assert_eq!(kind(put), ErrorKind::Conflict);
    assert_eq!(resolve(&bench, "alice@example.org").await, before);
}

/// Accounts::remove_alias, Promise.
pub async fn a_removed_alias_is_not_in_use<S: Subject>(bench: Bench<S>) {
    put_alias(&bench, "sales", &["alice@example.org"]).await;
    let sales = address("sales@example.org");
    bench.store().remove_alias(sales).await.unwrap();
    let entry = resolve(&bench, "sales@example.org").await;
    assert!(entry.is_none_or(|entry| !entry.is_in_use()));
    assert!(page(&bench, None, 10).await.is_empty());
}

/// Accounts::remove_alias, Retry and Errors.
pub async fn removing_an_alias_that_is_not_there_is_missing<S: Subject>(bench: Bench<S>) {
    let sales = address("sales@example.org");
    let store = bench.store();
    let never = store.remove_alias(sales.clone()).await;
    assert_eq!(kind(never), ErrorKind::Missing);
    put_alias(&bench, "sales", &["alice@example.org"]).await;
    store.remove_alias(sales.clone()).await.unwrap();
    assert_eq!(kind(store.remove_alias(sales).await), ErrorKind::Missing);
}

/// Accounts::remove_alias, Errors: an account is no alias.
pub async fn removing_an_alias_at_an_account_is_missing<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let store = bench.store();
    let removed = store.remove_alias(address("alice@example.org"));
    assert_eq!(kind(removed.await), ErrorKind::Missing);
    assert!(bench.store().account(alice).await.unwrap().is_some());
}

/// Accounts: changes at once to different addresses do not disturb each other.
pub async fn many_aliases_put_at_once_are_all_there<S: Subject>(bench: Bench<S>) {
    let puts = (0..100).map(|n| {
        let store = bench.store();
        let alias = address(&format!("alias{n:03}@example.org"));
        async move { store.put_alias(alias, vec![address("x@y.example")]).await }
    });
    for put in together(puts).await {
        put.unwrap();
    }
    let expected: Vec<_> = (0..100).map(|n| format!("alias{n:03}")).collect();
    assert_eq!(page(&bench, None, 1000).await, expected);
}

pub(crate) async fn put_alias<S: Subject>(bench: &Bench<S>, name: &str, targets: &[&str]) {
    let targets = targets.iter().map(|target| address(target)).collect();
    let alias = address(&format!("{name}@example.org"));
    bench.store().put_alias(alias, targets).await.unwrap();
}

pub(crate) async fn resolve<S: Subject>(bench: &Bench<S>, text: &str) -> Option<AddressEntry> {
    bench.store().resolve(address(text)).await.unwrap()
}

async fn targets_of<S: Subject>(bench: &Bench<S>, name: &str) -> Vec<String> {
    match resolve(bench, &format!("{name}@example.org")).await {
        Some(AddressEntry::Alias { targets, .. }) => {
            targets.iter().map(Address::to_string).collect()
        }
        other => panic!("no alias: {other:?}"),
    }
}

/// The names on a page of example.org, behind the last one of the page before.
async fn page<S: Subject>(bench: &Bench<S>, after: Option<&String>, limit: usize) -> Vec<String> {
    page_of(bench, AddressFilter::InUse, after, limit).await
}

/// The same of some addresses.
async fn page_of<S: Subject>(
    bench: &Bench<S>,
    filter: AddressFilter,
    after: Option<&String>,
    limit: usize,
) -> Vec<String> {
    let after = after.map(|name| LocalPart::from_name(name).unwrap());
    let found = bench
        .store()
        .addresses(domain("example.org"), filter, after, limit)
        .await
        .unwrap();
    let name = |(address, _): (Address, _)| address.local().as_str().to_owned();
    found.into_iter().map(name).collect()
}

async fn domain_names<S: Subject>(bench: &Bench<S>) -> Vec<String> {
    let domains = bench.store().domains().await.unwrap();
    domains.iter().map(|entry| entry.name.to_string()).collect()
}

async fn put<S: Subject>(bench: &Bench<S>, name: &str) {
    let entry = DomainEntry::new(domain(name));
    bench.store().put_domain(entry).await.unwrap();
}

pub(crate) fn domain(name: &str) -> Domain {
    name.parse().expect("a domain")
}
