//! The targets of `cassmail-fuzz` under libFuzzer. One program for all of them, so that it is built
//! once: the environment names the target.

#![no_main]

use std::sync::OnceLock;

use cassmail_fuzz::{Target, find};
use libfuzzer_sys::fuzz_target;

fn target() -> &'static Target {
    static TARGET: OnceLock<&'static Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let name = std::env::var("CASSMAIL_FUZZ_TARGET").expect("CASSMAIL_FUZZ_TARGET is a name");
        find(&name).expect("the name of a target; cargo xtask fuzz --list has them")
    })
}

fuzz_target!(|data: &[u8]| (target().run)(data));
