//! Attackers at the real binary, a tenth of those of `cargo xtask bench hostile`, which says how
//! fast it is meanwhile. Here no time is judged: somebody beside them is served, and when they have
//! left nothing of theirs is left.

use std::time::Duration;

use cassmail_e2e::{ACCOUNTS, Options, PASSWORD, Port, Server, run, settings};

/// Each scene takes its seconds, and what the server needs to notice that everybody has left.
const LIMIT: Duration = Duration::from_mins(10);

#[test]
fn somebody_is_served_beside_attackers_and_nothing_of_theirs_is_left() {
    let server = Server::start(Options {
        plaintext: true,
        ..Options::default()
    });
    let [neighbour, victims @ ..] = ACCOUNTS.map(|name| format!("{name}@example.org"));
    let address = |port| format!("127.0.0.1:{}", server.port(port));
    let mut attack = settings::generator();
    attack
        .arg("hostile")
        .args(["--smtp", &address(Port::Mx), "--pop3", &address(Port::Pop3)])
        .args(["--readings", &address(Port::Admin)])
        .args(["--neighbour", &neighbour, "--victims", &victims.join(",")])
        .args(["--password", PASSWORD])
        .args(["--pid", &server.id().to_string()])
        .args(["--strength", "10", "--seconds", "2"]);
    // It says by its exit code whether the neighbour was served and nothing was left.
    run(&mut attack, b"", LIMIT).well();
    server.terminate();
    server.wait_until_ended();
}
