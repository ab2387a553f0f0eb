//! Who receives.

use std::time::Duration;

use cassmail_office::{AdministrationError, Resolution};
use cassmail_store::AccountState;

use crate::house::{House, address};

async fn resolves_to(house: &House, named: &str) -> Vec<String> {
    match house.directory.resolve(&address(named)).await.unwrap() {
        Resolution::Accounts(accounts) => {
            let mut names = Vec::new();
            for receiver in accounts {
                let found = house.store.account(receiver.account).await;
                let (profile, _) = found.unwrap().unwrap();
                names.push(profile.address.local().as_str().to_owned());
            }
            names
        }
        other => vec![format!("{other:?}")],
    }
}

#[tokio::test]
async fn case_quotes_and_tags_do_not_matter() {
    let house = House::build().await;
    for named in [
        "bob@here.example",
        "BOB@HERE.EXAMPLE",
        "\"bob\"@here.example",
        "bob+lists@here.example",
        "Bob+@here.example",
    ] {
        assert_eq!(resolves_to(&house, named).await, ["bob"], "{named}");
    }
}

#[tokio::test]
async fn who_is_not_here_is_told_apart() {
    let house = House::build().await;
    assert_eq!(
        resolves_to(&house, "nobody@here.example").await,
        ["Unknown"]
    );
    assert_eq!(resolves_to(&house, "bob@also.example").await, ["Unknown"]);
    assert_eq!(resolves_to(&house, "bob@far.example").await, ["NotLocal"]);
    assert_eq!(resolves_to(&house, "dave@here.example").await, ["Disabled"]);
    assert_eq!(resolves_to(&house, "+bob@here.example").await, ["Unknown"]);
}

#[tokio::test]
async fn an_address_with_a_tag_of_its_own_comes_first() {
    let house = House::build().await;
    house.settle("bob+work@here.example").await;
    assert_eq!(
        resolves_to(&house, "bob+work@here.example").await,
        ["bob+work"]
    );
}

#[tokio::test]
async fn postmaster_and_abuse_are_always_there() {
    let house = House::build().await;
    assert_eq!(
        resolves_to(&house, "postmaster@also.example").await,
        ["bob"]
    );
    assert_eq!(resolves_to(&house, "ABUSE@also.example").await, ["bob"]);
    let Resolution::Accounts(accounts) = house.directory.resolve_postmaster().await.unwrap() else {
        panic!("there is a postmaster");
    };
    assert_eq!(accounts.len(), 1);
}

#[tokio::test]
async fn a_domain_whose_postmaster_is_nobody_is_told() {
    let house = House::build().await;
    let without = async || {
        let domains = house.administration.domains_without_postmaster().await;
        let domains = domains.unwrap();
        domains.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(without().await.is_empty());
    let add = async |name: &str, postmaster: Option<&str>| {
        let name = name.parse().unwrap();
        let postmaster = postmaster.map(address);
        house.administration.add_domain(name, postmaster).await
    };
    add("a.example", None).await.unwrap();
    add("b.example", Some("later@b.example")).await.unwrap();
    add("c.example", Some("dave@here.example")).await.unwrap();
    assert_eq!(without().await, ["a.example", "b.example", "c.example"]);
    house.settle("later@b.example").await;
    house.settle("postmaster@a.example").await;
    assert_eq!(without().await, ["c.example"]);
    assert!(matches!(
        add("d.example", Some("x@far.example")).await,
        Err(AdministrationError::ForeignTarget(_))
    ));
}

/// RFC 5321 3.9.1.
#[tokio::test]
async fn aliases_lead_to_accounts_each_once_and_circles_end() {
    let house = House::build().await;
    let alias = async |name: &str, targets: &[&str]| {
        let targets = targets.iter().map(|target| address(target)).collect();
        house
            .administration
            .add_alias(&address(name), targets)
            .await
    };
    alias(
        "team@here.example",
        &["bob@here.example", "carol@here.example"],
    )
    .await
    .unwrap();
    alias(
        "all@here.example",
        &["team@here.example", "bob@here.example"],
    )
    .await
    .unwrap();
    assert_eq!(
        resolves_to(&house, "all@here.example").await,
        ["bob", "carol"]
    );
    alias("a@here.example", &["b@here.example"]).await.unwrap();
    alias("b@here.example", &["a@here.example", "carol@here.example"])
        .await
        .unwrap();
    assert_eq!(resolves_to(&house, "a@here.example").await, ["carol"]);
    alias("gone@here.example", &["dave@here.example"])
        .await
        .unwrap();
    assert_eq!(resolves_to(&house, "gone@here.example").await, ["Disabled"]);
    assert!(matches!(
        alias("bob@here.example", &["carol@here.example"]).await,
        Err(AdministrationError::AddressInUse(_))
    ));
    assert!(matches!(
        alias("out@here.example", &["x@far.example"]).await,
        Err(AdministrationError::ForeignTarget(_))
    ));
}

#[tokio::test]
async fn a_catch_all_gets_what_nobody_else_does() {
    let house = House::build().await;
    let domain = || "also.example".parse().unwrap();
    let carol = address("carol@here.example");
    house
        .administration
        .set_catch_all(domain(), Some(carol))
        .await
        .unwrap();
    assert_eq!(
        resolves_to(&house, "anything@also.example").await,
        ["carol"]
    );
    assert_eq!(
        resolves_to(&house, "postmaster@also.example").await,
        ["bob"]
    );
    house
        .administration
        .set_catch_all(domain(), None)
        .await
        .unwrap();
    assert_eq!(
        resolves_to(&house, "anything@also.example").await,
        ["Unknown"]
    );
}

#[tokio::test]
async fn a_domain_with_addresses_is_not_removed() {
    let house = House::build().await;
    let here = || "here.example".parse().unwrap();
    let refused = house.administration.remove_domain(here()).await;
    assert!(matches!(refused, Err(AdministrationError::DomainInUse(..))));
    house
        .administration
        .remove_domain("also.example".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(
        resolves_to(&house, "postmaster@also.example").await,
        ["NotLocal"]
    );
}

#[tokio::test]
async fn what_another_node_changes_is_seen_as_late_as_answers_are_believed() {
    let here = House::build().await;
    let there = House::beside(&here);
    assert_eq!(resolves_to(&here, "frank@here.example").await, ["Unknown"]);
    there.settle("frank@here.example").await;
    assert_eq!(resolves_to(&there, "frank@here.example").await, ["frank"]);
    assert_eq!(resolves_to(&here, "frank@here.example").await, ["Unknown"]);
    here.turn(Duration::from_secs(5));
    assert_eq!(resolves_to(&here, "frank@here.example").await, ["frank"]);

    let bob = address("bob@here.example");
    assert_eq!(resolves_to(&here, "bob@here.example").await, ["bob"]);
    there
        .administration
        .set_state(&bob, AccountState::Disabled)
        .await
        .unwrap();
    assert_eq!(resolves_to(&here, "bob@here.example").await, ["bob"]);
    here.turn(Duration::from_secs(30));
    assert_eq!(resolves_to(&here, "bob@here.example").await, ["Disabled"]);
}

#[tokio::test]
async fn what_this_node_changes_is_seen_at_once() {
    let house = House::build().await;
    assert_eq!(resolves_to(&house, "frank@here.example").await, ["Unknown"]);
    house.settle("frank@here.example").await;
    assert_eq!(resolves_to(&house, "frank@here.example").await, ["frank"]);
}
