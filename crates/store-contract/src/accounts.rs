//! Accounts and their lives.

use cassmail_mail::AccountId;
use cassmail_store::{
    AccountState, AddressEntry, AppPassword, Bound, Credentials, ErrorKind, Profile, Quota,
    Retention, Service,
};

use crate::addresses::{put_alias, resolve};
use crate::bench::{cancelled_after, credentials, kind, new_account, submit, together};
use crate::letter::{address, hello, owner};
use crate::{Bench, Subject};

/// Accounts::create_account: enabled, with an empty maildrop.
pub async fn a_new_account_is_enabled_and_empty<S: Subject>(bench: Bench<S>) {
    let new = new_account("alice@example.org", "first");
    let alice = bench.store().create_account(new.clone()).await.unwrap();
    let (profile, found) = bench.store().account(alice).await.unwrap().unwrap();
    let expected = Profile {
        address: new.address,
        state: AccountState::Enabled,
        created_at: new.created_at,
        retention: Retention::default(),
        quota: Quota::default(),
    };
    assert_eq!(profile, expected);
    assert_eq!(found, new.credentials);
    assert!(bench.list(alice).await.is_empty());
}

/// Accounts::create_account: ids are made of address and generation, so two nodes make the same.
pub async fn an_account_id_is_made_of_address_and_generation<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    assert_eq!(alice, AccountId::of(&address("alice@example.org"), 1));
}

/// Accounts::create_account, Retry.
pub async fn creating_again_with_the_same_credentials_answers_the_same_account<S: Subject>(
    bench: Bench<S>,
) {
    let first = bench.account("alice").await;
    bench.deliver(first, hello()).await;
    let second = bench.account("alice").await;
    assert_eq!(first, second);
    assert_eq!(bench.ids(first).await.len(), 1);
}

/// Accounts::create_account, Errors.
pub async fn creating_again_with_other_credentials_is_a_conflict<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let other = new_account("alice@example.org", "second");
    let created = bench.store().create_account(other).await;
    assert_eq!(kind(created), ErrorKind::Conflict);
    assert!(credentials_of(&bench, alice).await == Some(credentials("first")));
}

/// Accounts::create_account, Errors.
pub async fn creating_an_account_at_an_alias_is_a_conflict<S: Subject>(bench: Bench<S>) {
    put_alias(&bench, "alice", &["bob@example.org"]).await;
    let new = new_account("alice@example.org", "first");
    let created = bench.store().create_account(new).await;
    assert_eq!(kind(created), ErrorKind::Conflict);
    let entry = resolve(&bench, "alice@example.org").await;
    assert!(matches!(entry, Some(AddressEntry::Alias { .. })));
}

/// Accounts::create_account, Cancel.
pub async fn a_cancelled_creation_can_be_repeated<S: Subject>(bench: Bench<S>) {
    for polls in 0..4 {
        let text = format!("user{polls}@example.org");
        let store = bench.store();
        let creation = store.create_account(new_account(&text, "first"));
        let _ = cancelled_after(polls, creation).await;
        let again = store.create_account(new_account(&text, "first")).await;
        assert_eq!(again.unwrap(), AccountId::of(&address(&text), 1));
    }
}

/// Accounts::create_account, Retry: also while the first call is under way.
pub async fn two_calls_of_one_creator_at_once_make_one_account<S: Subject>(bench: Bench<S>) {
    let creations = (0..2).map(|_| {
        let store = bench.store();
        async move {
            let new = new_account("alice@example.org", "first");
            store.create_account(new).await
        }
    });
    for created in together(creations).await {
        let only = AccountId::of(&address("alice@example.org"), 1);
        assert_eq!(created.unwrap(), only);
    }
}

/// Accounts::create_account: many at once are all there.
pub async fn many_accounts_made_at_once_are_all_there<S: Subject>(bench: Bench<S>) {
    let ids = bench.accounts(100).await;
    for id in ids {
        assert!(bench.store().account(id).await.unwrap().is_some());
    }
}

/// Accounts: an address that is created again belongs to a new account, and starts empty.
pub async fn a_re_created_address_starts_empty<S: Subject>(bench: Bench<S>) {
    let first = bench.account("alice").await;
    bench.deliver(first, hello()).await;
    remove_account(&bench, "alice").await;
    let second = bench.account("alice").await;
    assert_ne!(first, second);
    assert!(bench.list(second).await.is_empty());
    assert!(bench.list(first).await.is_empty());
    let mail = bench.deliver(second, hello()).await;
    assert_eq!(bench.ids(second).await, [mail]);
    assert!(bench.list(first).await.is_empty());
}

/// Accounts: generations only grow, also when the address was an alias in between.
pub async fn generations_only_grow<S: Subject>(bench: Bench<S>) {
    bench.account("alice").await;
    remove_account(&bench, "alice").await;
    assert_eq!(generation(&bench, "alice").await, 1);
    put_alias(&bench, "alice", &["bob@example.org"]).await;
    assert_eq!(generation(&bench, "alice").await, 1);
    let alias = address("alice@example.org");
    bench.store().remove_alias(alias.clone()).await.unwrap();
    assert_eq!(generation(&bench, "alice").await, 1);
    assert_eq!(bench.account("alice").await, AccountId::of(&alias, 2));
    remove_account(&bench, "alice").await;
    assert_eq!(bench.account("alice").await, AccountId::of(&alias, 3));
}

/// Accounts::remove_account, Promise: nobody can log in.
pub async fn a_removed_account_cannot_be_found<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    remove_account(&bench, "alice").await;
    assert!(bench.store().account(alice).await.unwrap().is_none());
    let entry = resolve(&bench, "alice@example.org").await;
    assert_eq!(entry, Some(AddressEntry::Removed { generation: 1 }));
}

/// Accounts::remove_account with Maildrops::list: an account that does not exist has no messages.
pub async fn a_removed_account_has_no_messages<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let id = bench.deliver(alice, hello()).await;
    remove_account(&bench, "alice").await;
    assert!(bench.list(alice).await.is_empty());
    let opened = bench.store().open(alice, id).await;
    assert_eq!(kind(opened), ErrorKind::Missing);
}

/// Accounts::remove_account, Promise: nothing is delivered, not even what was on its way.
pub async fn nothing_is_delivered_to_a_removed_account<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let bob = bench.account("bob").await;
    remove_account(&bench, "alice").await;
    let owners = vec![owner(alice), owner(bob)];
    let id = bench.deliver_to(owners, hello()).await;
    assert!(bench.list(alice).await.is_empty());
    assert_eq!(bench.ids(bob).await, [id]);
    let again = bench.account("alice").await;
    assert!(bench.list(again).await.is_empty());
}

/// Accounts::remove_account: what others own stays theirs.
pub async fn removing_an_account_leaves_the_mail_of_other_owners<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let bob = bench.account("bob").await;
    let owners = vec![owner(alice), owner(bob)];
    let id = bench.deliver_to(owners, hello()).await;
    remove_account(&bench, "alice").await;
    assert_eq!(bench.ids(bob).await, [id]);
    assert_eq!(bench.read(bob, id).await, hello());
}

/// Accounts::remove_account, Retry.
pub async fn removing_an_account_again_is_missing<S: Subject>(bench: Bench<S>) {
    bench.account("alice").await;
    remove_account(&bench, "alice").await;
    let store = bench.store();
    let again = store.remove_account(address("alice@example.org"));
    assert_eq!(kind(again.await), ErrorKind::Missing);
}

/// Accounts::remove_account, Errors.
pub async fn removing_what_is_no_account_is_missing<S: Subject>(bench: Bench<S>) {
    put_alias(&bench, "sales", &["bob@example.org"]).await;
    for text in ["sales@example.org", "nobody@example.org"] {
        let removed = bench.store().remove_account(address(text)).await;
        assert_eq!(kind(removed), ErrorKind::Missing);
    }
    let entry = resolve(&bench, "sales@example.org").await;
    assert!(matches!(entry, Some(AddressEntry::Alias { .. })));
}

/// Accounts::account: read anew each time, a change counts at once.
pub async fn changed_credentials_count_at_once<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let store = bench.store();
    let without_scram = Credentials {
        scram_sha_256: None,
        ..credentials("third")
    };
    for new in [credentials("second"), without_scram] {
        store.put_credentials(alice, new.clone()).await.unwrap();
        assert!(credentials_of(&bench, alice).await == Some(new));
    }
    let (profile, _) = store.account(alice).await.unwrap().unwrap();
    assert_eq!(profile.state, AccountState::Enabled);
}

/// Accounts::account: read anew each time, a change counts at once.
pub async fn a_changed_state_counts_at_once<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    bench.deliver(alice, hello()).await;
    let store = bench.store();
    let (mut profile, _) = store.account(alice).await.unwrap().unwrap();
    for state in [AccountState::Disabled, AccountState::Enabled] {
        profile.state = state;
        profile.retention.days = Some(Bound::from(7));
        profile.quota.octets = Some(Bound::from(1 << 40));
        store.put_profile(alice, profile.clone()).await.unwrap();
        let (found, _) = store.account(alice).await.unwrap().unwrap();
        assert_eq!(found, profile);
    }
    assert_eq!(bench.ids(alice).await.len(), 1, "what is there stays");
    assert!(credentials_of(&bench, alice).await == Some(credentials("first")));
}

/// Accounts::put_credentials and Accounts::put_profile, Retry.
pub async fn a_repeated_change_of_an_account_is_harmless<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let store = bench.store();
    let (mut profile, _) = store.account(alice).await.unwrap().unwrap();
    profile.state = AccountState::Disabled;
    for _ in 0..2 {
        let second = credentials("second");
        store.put_credentials(alice, second).await.unwrap();
        store.put_profile(alice, profile.clone()).await.unwrap();
    }
    let found = store.account(alice).await.unwrap();
    assert!(found == Some((profile, credentials("second"))));
}

/// Accounts::put_credentials and Accounts::put_profile, Errors.
pub async fn changing_an_account_that_is_not_there_is_missing<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let store = bench.store();
    let (profile, _) = store.account(alice).await.unwrap().unwrap();
    remove_account(&bench, "alice").await;
    let changed = store.put_credentials(alice, credentials("second")).await;
    assert_eq!(kind(changed), ErrorKind::Missing);
    let changed = store.put_profile(alice, profile).await;
    assert_eq!(kind(changed), ErrorKind::Missing);
    assert!(store.account(alice).await.unwrap().is_none());
}

fn upgraded(password: &str) -> Credentials {
    Credentials {
        scram_sha_256: Some("SCRAM-SHA-256$4096:c2FsdA==$...".to_owned()),
        ..credentials(password)
    }
}

/// Accounts::upgrade_credentials, Promise and Retry.
pub async fn an_upgrade_replaces_the_credentials_that_it_was_made_of<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    for _ in 0..2 {
        let store = bench.store();
        let upgrade = store.upgrade_credentials(alice, credentials("first"), upgraded("first"));
        upgrade.await.unwrap();
        assert!(credentials_of(&bench, alice).await == Some(upgraded("first")));
    }
}

/// Accounts::upgrade_credentials, Promise: a change that came before is not undone.
pub async fn an_upgrade_of_credentials_that_were_changed_does_nothing<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let store = bench.store();
    let second = credentials("second");
    store.put_credentials(alice, second.clone()).await.unwrap();
    let upgrade = store.upgrade_credentials(alice, credentials("first"), upgraded("first"));
    upgrade.await.unwrap();
    assert!(credentials_of(&bench, alice).await == Some(second));
}

/// Accounts::upgrade_credentials, Promise: a change that comes later is not undone.
pub async fn a_change_after_an_upgrade_stays<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let store = bench.store();
    let upgrade = store.upgrade_credentials(alice, credentials("first"), upgraded("first"));
    upgrade.await.unwrap();
    let second = credentials("second");
    store.put_credentials(alice, second.clone()).await.unwrap();
    assert!(credentials_of(&bench, alice).await == Some(second));
}

/// Accounts::upgrade_credentials, Promise: nor is one that comes at the same time.
pub async fn a_change_at_the_same_time_as_upgrades_stays<S: Subject>(bench: Bench<S>) {
    for turn in 0..4 {
        let alice = bench.account(&format!("alice{turn}")).await;
        let change = |which: usize| {
            let store = bench.store();
            async move {
                let first = credentials("first");
                match which {
                    1 => store.put_credentials(alice, credentials("second")).await,
                    _ => {
                        store
                            .upgrade_credentials(alice, first, upgraded("first"))
                            .await
                    }
                }
            }
        };
        for changed in together((0..3).map(change)).await {
            changed.unwrap();
        }
        assert!(credentials_of(&bench, alice).await == Some(credentials("second")));
    }
}

/// Accounts::upgrade_credentials, Errors.
pub async fn upgrading_an_account_that_is_not_there_is_missing<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    remove_account(&bench, "alice").await;
    let store = bench.store();
    let upgrade = store.upgrade_credentials(alice, credentials("first"), upgraded("first"));
    assert_eq!(kind(upgrade.await), ErrorKind::Missing);
    assert!(store.account(alice).await.unwrap().is_none());
}

/// Accounts::put_credentials: all that credentials hold is kept.
pub async fn application_passwords_come_back_as_they_were<S: Subject>(bench: Bench<S>) {
    let alice = bench.account("alice").await;
    let made = |name: &str, services: &[Service]| AppPassword {
        name: name.to_owned(),
        services: services.to_vec(),
        sha_256: format!("00ff of {name}"),
        scram_sha_256: Some("SCRAM-SHA-256$4096:c2FsdA==$...".to_owned()),
        created_at: 1_700_000_000_000_000,
    };
    let mut with_some = credentials("first");
    with_some.app_passwords = vec![
        made("phone", &[Service::Pop3, Service::Submission]),
        made("drucker \u{fc}ber \"Eck\"", &[Service::Submission]),
    ];
    let store = bench.store();
    for new in [with_some, credentials("first")] {
        store.put_credentials(alice, new.clone()).await.unwrap();
        assert!(credentials_of(&bench, alice).await == Some(new));
    }
}

/// Accounts::account: of nobody.
pub async fn an_account_that_was_never_made_is_none<S: Subject>(bench: Bench<S>) {
    let never = AccountId::of(&address("alice@example.org"), 1);
    assert!(bench.store().account(never).await.unwrap().is_none());
}

/// Maildrops::list, Promise: an account that does not exist has no messages.
pub async fn an_account_that_was_never_made_has_no_messages<S: Subject>(bench: Bench<S>) {
    let never = AccountId::of(&address("alice@example.org"), 1);
    assert!(bench.list(never).await.is_empty());
    let id = bench.mint();
    let opened = bench.store().open(never, id).await;
    assert_eq!(kind(opened), ErrorKind::Missing);
    let store = bench.store();
    let _ = submit(&*store, id, &[hello()], vec![owner(never)]).await;
    assert!(bench.list(never).await.is_empty());
}

pub(crate) async fn remove_account<S: Subject>(bench: &Bench<S>, name: &str) {
    let gone = address(&format!("{name}@example.org"));
    bench.store().remove_account(gone).await.unwrap();
}

async fn generation<S: Subject>(bench: &Bench<S>, name: &str) -> u64 {
    let entry = resolve(bench, &format!("{name}@example.org")).await;
    entry.expect("records are never dropped").generation()
}

async fn credentials_of<S: Subject>(bench: &Bench<S>, id: AccountId) -> Option<Credentials> {
    let found = bench.store().account(id).await.unwrap();
    found.map(|(_, credentials)| credentials)
}
