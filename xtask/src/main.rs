//! The one door: `cargo xtask` alone lists what there is.

mod bench;
mod cassandra;
mod check;
mod ci;
mod clusters;
mod command;
mod docs;
mod fuzz;
mod layers;
mod rfc;
mod setup;
mod test;

use std::process::ExitCode;

use command::say;

const HELP: &str = "\
cargo xtask COMMAND

  ci                 all that CI runs, in its order: setup, check, tests
  check              format, lints, dependency rules, rules on sources, receipts and documents
  test [ARGS]        all tests; ARGS go to cargo test
  test-clusters      the tests on real clusters of Cassandra, which it starts
  bless              rewrite the S: lines of the transcripts; read the diff
  docs               write the generated documents anew
  docs --check       fail when a generated document is not up to date
  fuzz [TARGETS] [--seconds N] [--seed S] [--at-once N]
                     any bytes at all for every parser and session, ten seconds each;
                     --list, --replay TARGET FILE
  fuzz guided [TARGETS] [--seconds N] [--at-once N] [--write]
                     the same, guided by coverage: libFuzzer on nightly Rust, with the sanitizer of
                     addresses; ten minutes each
  setup              install the mail clients and servers that the end-to-end tests use
  cassandra ...      real clusters of Cassandra, one to six nodes; alone, it lists its commands
  bench embedded [ROUNDS]
                     the budgets of the embedded store, with Postfix and Dovecot beside it where
                     they can be installed; some six minutes
  bench crash [ROUNDS] [HISTORIES]
                     200 rounds of kill -9 and 10 000 simulated power cuts
  bench hostile [SECONDS] [--exempt]
                     attackers on the loopback, SECONDS for each of their scenes (20), and somebody
                     who is served beside them; some six minutes. With --exempt no limit per source
                     holds for them
  bench cassandra [ROUNDS]
                     the budgets of the store on Cassandra, on one node; some six minutes
  bench trace [ROUNDS]
                     what the message trace costs a delivery, as a ratio, on --store embedded or
                     cassandra; some three minutes. With --quick a debug build, to try it
  bench administration
                     an import, a page of each list and the trace of a message in a store with
                     100 000 accounts and a million messages; some five minutes
  bench tombstones [DAYS] [MAILS_A_DAY]
                     ten days of a mailbox that is emptied every hour, in some ten minutes
  bench james [--rounds N] [--minutes N] [--rate MAILS_A_SECOND]
                     the experiment of Apache James on two data centers; some fifty minutes
  bench faults [NAMES]
                     a cluster of two data centers that loses nodes, links and disks under
                     load; some twenty minutes

  All benchmarks take --write (the tables go into docs/benchmarks.md), --json FILE, --dir DIR
  (where the servers keep their files, /var/tmp) and --quick; the first two --no-peers and
  --store KIND; those with Cassandra --net NET, as the commands of cassandra do.
";

/// Neither well nor failed: nothing was tried. The number is that of automake, which other tools
/// know as well.
const SKIPPED: u8 = 77;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["ci"] => ci::run(),
        ["check"] => check::run(),
        ["test", rest @ ..] => test::run(rest),
        ["bless"] => test::bless(),
        ["docs"] => docs::write(),
        ["docs", "--check"] => docs::check(),
        ["fuzz", "guided", rest @ ..] => fuzz::guided(rest),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["setup"] => setup::run(),
        ["test-clusters"] => clusters::run(),
        ["bench", "embedded", rest @ ..] => bench::embedded(rest),
        ["bench", "crash", rest @ ..] => bench::crash(rest),
        ["bench", "hostile", rest @ ..] => bench::hostile(rest),
        ["bench", "cassandra", rest @ ..] => bench::cassandra(rest),
        ["bench", "faults", rest @ ..] => bench::faults(rest),
        ["bench", "administration", rest @ ..] => bench::administration(rest),
        ["bench", "trace", rest @ ..] => bench::trace(rest),
        ["bench", "tombstones", rest @ ..] => bench::tombstones(rest),
        ["bench", "james", rest @ ..] => bench::james(rest),
        ["cassandra", rest @ ..] => cassandra::run(rest),
        [] | ["help" | "--help"] => {
            say(HELP);
            return ExitCode::SUCCESS;
        }
        _ => {
            say(&format!("unknown command: {}\n\n{HELP}", words.join(" ")));
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<cassandra::Lacking>() => {
            say(&format!("skipped: {error}"));
            ExitCode::from(SKIPPED)
        }
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
