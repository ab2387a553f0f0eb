//! Thousands of simulated histories: deliveries (large ones interleaved), removals, changes of
//! accounts, cleaning, full disks, failures, losses of power, also amid recovery. Deterministic
//! from their seeds.
//!
//! *What was acknowledged is there, whole, once; what was removed is gone; nothing else is visible
//! but messages whose outcome was indeterminate, and those for all of their owners or for none.*
//!
//! `CASSMAIL_HISTORIES` says how many; `CASSMAIL_HISTORY` runs just the one with this seed.

mod history;
mod ledger;
mod machine;

use history::{Figures, History};
use machine::Machine;

use crate::disk::{Draw as _, Fault};
use crate::segment::PREAMBLE;
use crate::writer::More;

/// In CI; the long form is `cargo xtask bench crash`.
const HISTORIES: u64 = 600;

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var_os(variable)?;
    let value = value.to_str().and_then(|value| value.parse().ok());
    Some(value.expect("a number"))
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures of the test")]
fn histories_with_losses_of_power_keep_what_was_acknowledged() {
    let mut figures = Figures::default();
    let seeds = match number("CASSMAIL_HISTORY") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CASSMAIL_HISTORIES").unwrap_or(HISTORIES),
    };
    for seed in seeds {
        let ran = std::panic::catch_unwind(|| History::run(seed));
        match ran {
            Ok(ran) => figures.add(&ran),
            Err(panic) => {
                println!(
                    "the history with seed {seed} failed; CASSMAIL_HISTORY={seed} runs it alone"
                );
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{figures}");
    assert!(figures.crashes > 0 && figures.acknowledged > 0);
}

/// A failed sync, a failed write, a failed batch: at every operation of a short history.
#[test]
fn whatever_fails_at_whatever_operation_keeps_what_was_acknowledged() {
    let whole = History::short(7, None);
    for at in 1..=whole {
        History::short(7, Some(Fault::Fail(at)));
        History::short(7, Some(Fault::Stop(at)));
    }
}

/// Octets that do not get smaller.
fn noise(length: usize, seed: u8) -> Vec<u8> {
    let mut random = u64::from(seed) + 1;
    let mut octets = Vec::new();
    octets.resize_with(length, || random.draw().to_be_bytes()[0]);
    octets
}

#[test]
fn removing_everything_gives_everything_back_but_the_head() {
    let mut machine = Machine::new(3);
    machine.open().expect("a new store opens");
    let alice = machine.make_account("alice");
    for n in 0..60_u8 {
        machine
            .deliver(&[alice], &noise(900, n))
            .expect("there is room");
    }
    assert!(machine.segments() > 4);
    let ids = machine.ids(alice);
    let (most, rest) = ids.split_at(50);
    machine.remove(alice, most).expect("they are there");
    machine.maintain();
    // What is alive was moved together.
    assert!(machine.segments() <= 3, "{}", machine.segments());
    machine.remove(alice, rest).expect("they are there");
    machine.maintain();
    assert!(machine.segments() <= 1);
    machine.assert_sound();
}

#[test]
fn the_mail_of_a_removed_account_gives_its_room_back() {
    let mut machine = Machine::new(4);
    machine.open().expect("a new store opens");
    let alice = machine.make_account("alice");
    let bob = machine.make_account("bob");
    for n in 0..40_u8 {
        machine
            .deliver(&[alice], &noise(900, n))
            .expect("there is room");
        machine
            .deliver(&[alice, bob], &noise(20, n))
            .expect("there is room");
    }
    machine.remove_account("alice").expect("it is there");
    machine.maintain();
    assert!(machine.segments() <= 2, "{}", machine.segments());
    assert_eq!(machine.ids(bob).len(), 40);
    machine.assert_sound();
}

#[test]
fn a_bit_that_flips_anywhere_in_a_body_is_reported() {
    let mut machine = Machine::new(5);
    machine.open().expect("a new store opens");
    let alice = machine.make_account("alice");
    let small = machine
        .deliver(&[alice], b"Subject: hello\r\n\r\n")
        .expect("room");
    let large = machine.deliver(&[alice], &noise(5000, 1)).expect("room");
    machine.close();
    let segments = machine.lengths();
    let mut flipped = 0;
    for (segment, length) in segments {
        for at in (PREAMBLE as u64..length).step_by(3) {
            let bit = u32::try_from(at % 8).unwrap_or_default();
            machine.world.flip(segment, at, bit);
            machine.open().expect("the index is whole");
            assert_eq!(machine.ids(alice), [small, large]);
            assert!(!machine.check().faults.is_empty(), "{segment} at {at}");
            machine.close();
            machine.world.flip(segment, at, bit);
            flipped += 1;
        }
    }
    assert!(flipped > 1000);
    machine.open().expect("the index is whole");
    machine.assert_sound();
}

#[test]
fn a_full_disk_refuses_messages_and_service_returns() {
    let mut machine = Machine::new(6);
    machine.open().expect("a new store opens");
    let alice = machine.make_account("alice");
    machine.world.state().capacity = Some(10 * machine::SEGMENT);
    let mut refused = 0;
    for n in 0..200_u8 {
        match machine.deliver(&[alice], &noise(700, n)) {
            Ok(_) => {}
            Err(error) => {
                let kind = cassmail_store::ErrorKind::Unavailable(cassmail_store::Reason::Full);
                assert_eq!(error.kind(), kind);
                refused += 1;
            }
        }
        machine.maintain();
    }
    assert!(refused > 50);
    let ids = machine.ids(alice);
    machine
        .remove(alice, &ids)
        .expect("removal works without room");
    machine.maintain();
    machine
        .deliver(&[alice], &noise(700, 1))
        .expect("there is room again");
    machine.assert_sound();
}

/// All in one group, so that the index names the message as unproven twice.
#[test]
fn a_message_that_was_removed_and_delivered_again_at_once_survives() {
    let mut machine = Machine::new(9);
    machine.open().expect("a new store opens");
    let alice = machine.make_account("alice");
    let [other, id] = [machine.mint(), machine.mint()];
    let store = machine.store();
    let submit = || machine::submit(store, id, vec![alice], noise(300, 1));
    let before = machine::submit(store, other, vec![alice], noise(600, 2));
    let remove = cassmail_store::Maildrops::remove(store, alice, vec![id], machine::PATIENCE);
    let (before, first, removed, second) = machine::drive(store, async {
        tokio::join!(before, submit(), remove, submit())
    });
    assert_eq!(before.expect("a receipt"), other);
    assert_eq!(removed.expect("a receipt").count(), 1);
    assert_eq!(
        [first, second].map(|done| done.expect("a receipt")),
        [id; 2]
    );
    machine.crash();
    machine.open().expect("it opens");
    assert_eq!(machine.ids(alice), [other, id]);
    assert_eq!(machine.read(alice, id).expect("the body"), noise(300, 1));
    machine.assert_sound();
}

#[test]
fn opening_does_not_depend_on_the_amount_of_mail() {
    let mut machine = Machine::new(8);
    machine.open().expect("a new store opens");
    let alice = machine.make_account("alice");
    let mut steps = Vec::new();
    for _ in 0..4 {
        for n in 0..100_u8 {
            machine
                .deliver(&[alice], &noise(300, n))
                .expect("there is room");
        }
        machine.crash();
        let before = machine.world.operations();
        machine.open().expect("it opens");
        steps.push(machine.world.operations() - before);
    }
    assert!(steps.iter().all(|&n| n <= steps[0] + 2), "{steps:?}");
    assert_eq!(machine.store().maintain(), More::No);
}
