//! Any bytes at all, for every parser and session: at random on stable Rust, and guided by coverage
//! on nightly Rust.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result, bail};

use crate::bench::write_section;
use crate::command::{cargo, root, run as run_command, say};

/// Runs the targets for a while each, at random; the arguments are those of `cassmail-fuzz`.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    build_driver()?;
    run_command(driver(arguments)?)
}

/// What CI runs: two targets at once, ten seconds each.
pub(crate) fn briefly() -> Result<()> {
    run(&["--seconds", "10", "--at-once", "2"])
}

/// With the workspace as a whole, so that nothing is built twice.
fn build_driver() -> Result<()> {
    run_command(cargo(&["build", "--workspace"]))
}

fn driver(arguments: &[&str]) -> Result<Command> {
    let beside = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(beside.with_file_name("cassmail-fuzz"));
    command.args(arguments).current_dir(root());
    Ok(command)
}

/// As cargo-fuzz has them: coverage of edges and comparisons, and the sanitizer of addresses; and
/// our own checks as in a build for tests.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cdebug-assertions -Coverflow-checks -Zsanitizer=address";

/// What the sanitizer and libFuzzer are built for here.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// What is wanted of guided runs.
struct Wanted<'a> {
    targets: Vec<&'a str>,
    seconds: &'a str,
    /// So many targets run at the same time.
    at_once: usize,
    write: bool,
}

/// Runs targets under libFuzzer, in their order.
pub(crate) fn guided(arguments: &[&str]) -> Result<()> {
    let mut wanted = wanted(arguments)?;
    build_driver()?;
    let listed = crate::command::output(driver(&["--list"])?)?;
    if wanted.targets.is_empty() {
        let names = listed.lines().filter_map(|line| line.split(' ').next());
        wanted.targets = names.collect();
    }
    run_command(build())?;
    let mut rows = String::from(HEAD);
    let mut found = Vec::new();
    for (name, outcome) in wanted.targets.iter().zip(guide_all(&wanted)?) {
        rows += &outcome.row(name);
        if !outcome.is_clean {
            found.push(*name);
        }
    }
    say(&rows);
    if wanted.write {
        write_section("fuzz", &rows)?;
    }
    if !found.is_empty() {
        bail!("something was found with {}", found.join(", "));
    }
    Ok(())
}

fn wanted<'a>(arguments: &[&'a str]) -> Result<Wanted<'a>> {
    let mut wanted = Wanted {
        targets: Vec::new(),
        seconds: "600",
        at_once: 1,
        write: false,
    };
    let mut words = arguments.iter();
    while let Some(&word) = words.next() {
        match word {
            "--seconds" => wanted.seconds = words.next().context("--seconds needs a number")?,
            "--at-once" => {
                let number = words.next().context("--at-once needs a number")?;
                wanted.at_once = number.parse().context("--at-once needs a number")?;
            }
            "--write" => wanted.write = true,
            option if option.starts_with('-') => bail!("there is no option {option}"),
            name => wanted.targets.push(name),
        }
    }
    Ok(wanted)
}

fn place() -> PathBuf {
    root().join("target/fuzz")
}

fn build() -> Command {
    let mut command = Command::new("rustup");
    command
        .args([
            "run",
            "nightly",
            "cargo",
            "build",
            "--release",
            "--target",
            PLATFORM,
        ])
        .args(["--manifest-path", "fuzz/Cargo.toml", "--target-dir"])
        .arg(place().join("build"))
        .current_dir(root())
        .env("RUSTFLAGS", FLAGS);
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("CARGO") && name_text != "CARGO_HOME" {
            command.env_remove(&name);
        }
    }
    command
}

/// What a guided run came to, in the words of libFuzzer.
#[derive(Clone)]
struct Outcome {
    is_clean: bool,
    executions: String,
    seconds: String,
    edges: String,
    features: String,
    corpus: String,
}

const HEAD: &str = "\
| target             | executions | seconds | edges | features | corpus | found   |
|--------------------|------------|---------|-------|----------|--------|---------|
";

/// The outcomes in the order of the targets.
fn guide_all(wanted: &Wanted<'_>) -> Result<Vec<Outcome>> {
    let next = AtomicUsize::new(0);
    let guide_some = || {
        let mut outcomes = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(name) = wanted.targets.get(number) else {
                return Ok(outcomes);
            };
            outcomes.push((number, guide(name, wanted.seconds)?));
        }
    };
    let mut outcomes = thread::scope(|scope| {
        let crew: Vec<_> = (0..wanted.at_once.max(1))
            .map(|_| scope.spawn(guide_some))
            .collect();
        let done = crew
            .into_iter()
            .map(|one| one.join().expect("it does not panic"));
        done.collect::<Result<Vec<_>>>()
    })?
    .concat();
    outcomes.sort_by_key(|(number, _)| *number);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

fn guide(name: &str, seconds: &str) -> Result<Outcome> {
    let folder = place().join(name);
    let shown = folder.display().to_string();
    run_command(driver(&["--prepare", name, &shown])?)?;
    let binary = place()
        .join("build")
        .join(PLATFORM)
        .join("release/cassmail-fuzz-guided");
    let mut command = Command::new(binary);
    command
        .arg(folder.join("corpus"))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-dict={shown}/words"))
        .arg(format!("-artifact_prefix={shown}/"))
        .args([
            "-max_len=4096",
            "-timeout=20",
            "-rss_limit_mb=2048",
            "-print_final_stats=1",
        ])
        .current_dir(root())
        .env("CASSMAIL_FUZZ_TARGET", name)
        .stdin(Stdio::null());
    let output = command.output().context("failed to start libFuzzer")?;
    let told = String::from_utf8_lossy(&output.stderr);
    std::fs::write(folder.join("log"), told.as_bytes())?;
    let outcome = Outcome::read(&told, output.status.success());
    say(&outcome.row(name));
    if !outcome.is_clean {
        say(&tail(&told, &folder.join("log")));
    }
    Ok(outcome)
}

fn tail(told: &str, log: &Path) -> String {
    let at = told.find("panicked at").unwrap_or_default();
    let lines: Vec<&str> = told[at..].lines().take(12).collect();
    format!("{}\nall of it is in {}", lines.join("\n"), log.display())
}

impl Outcome {
    fn read(told: &str, is_clean: bool) -> Self {
        let statistic = |name: &str| {
            let line = told.lines().find_map(|line| line.strip_prefix(name));
            line.map_or_else(|| "?".to_owned(), |value| value.trim().to_owned())
        };
        let last = told
            .lines()
            .rfind(|line| line.contains(" cov: "))
            .unwrap_or_default();
        let after = |name: &str| {
            let mut words = last.split_whitespace().skip_while(|word| *word != name);
            words.nth(1).unwrap_or("?").to_owned()
        };
        let done = told.lines().find(|line| line.starts_with("Done "));
        let seconds = done.and_then(|line| line.split(' ').nth(4)).unwrap_or("?");
        Self {
            is_clean,
            executions: statistic("stat::number_of_executed_units:"),
            seconds: seconds.to_owned(),
            edges: after("cov:"),
            features: after("ft:"),
            corpus: after("corp:"),
        }
    }

    fn row(&self, name: &str) -> String {
        let found = if self.is_clean { "nothing" } else { "a fault" };
        format!(
            "| {name:<18} | {:>10} | {:>7} | {:>5} | {:>8} | {:>6} | {found:<7} |\n",
            self.executions,
            self.seconds,
            self.edges,
            self.features,
            self.corpus.split('/').next().unwrap_or("?"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_libfuzzer_become_a_row() {
        let told = "#3\tNEW    cov: 10 ft: 12 corp: 2/3b lim: 4 exec/s: 0 rss: 30Mb\n\
            #9\tDONE   cov: 95 ft: 123 corp: 20/31b lim: 4 exec/s: 3 rss: 30Mb\n\
            Done 9000 runs in 3 second(s)\nstat::number_of_executed_units: 9000\n";
        assert_eq!(
            Outcome::read(told, true).row("dots"),
            "| dots               |       9000 |       3 |    95 |      123 |     20 | nothing |\n"
        );
    }
}
