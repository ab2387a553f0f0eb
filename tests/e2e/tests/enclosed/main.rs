//! Programs of Debian that want a machine of their own: mail servers that send, and Thunderbird.
//!
//! Each runs in an enclosure, over layers that `cargo xtask setup` installs. One that is not there
//! is skipped with a line that says so, as in `tests/clients`.

mod relays;
mod skip;
mod thunderbird;
