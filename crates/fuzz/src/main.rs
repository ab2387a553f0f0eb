//! `cassmail-fuzz`: the driver on stable Rust; `cargo xtask fuzz` calls it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use cassmail_fuzz::{Finding, PATIENCE, Plan, TARGETS, Target, fault, find, run_all, seeds};

const HELP: &str = "\
cassmail-fuzz [TARGETS] [--seconds N] [--seed S] [--at-once N]
cassmail-fuzz --list
cassmail-fuzz --replay TARGET FILE
cassmail-fuzz --prepare TARGET FOLDER
";

/// Where findings are written.
const FOLDER: &str = "target/fuzz";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["--list"] => {
            list();
            Ok(true)
        }
        ["--replay", name, file] => replay(name, Path::new(file)),
        ["--prepare", name, folder] => prepare(name, Path::new(folder)),
        _ => fuzz(&words),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error:#}\n{HELP}"));
            ExitCode::from(2)
        }
    }
}

fn list() {
    for target in &TARGETS {
        say(&format!("{:<18} {}", target.name, target.about));
    }
}

fn named(name: &str) -> Result<&'static Target> {
    find(name).with_context(|| format!("there is no target {name}; see --list"))
}

fn fuzz(words: &[&str]) -> Result<bool> {
    let mut plan = Plan {
        time: Duration::from_secs(10),
        seed: seed_of_today(),
    };
    let mut at_once = 1;
    let mut targets = Vec::new();
    let mut words = words.iter();
    while let Some(&word) = words.next() {
        let mut number = || -> Result<u64> {
            let value = words
                .next()
                .with_context(|| format!("{word} needs a number"))?;
            value.parse().with_context(|| format!("{word} {value}"))
        };
        match word {
            "--seconds" => plan.time = Duration::from_secs(number()?),
            "--seed" => plan.seed = number()?,
            "--at-once" => at_once = usize::try_from(number()?)?,
            option if option.starts_with('-') => bail!("there is no option {option}"),
            name => targets.push(named(name)?),
        }
    }
    if targets.is_empty() {
        targets = TARGETS.iter().collect();
    }
    say(&format!(
        "{} targets, {} s each, {at_once} at once, seed {}",
        targets.len(),
        plan.time.as_secs(),
        plan.seed
    ));
    let findings = Mutex::new(Vec::new());
    let count = targets.len();
    run_all(&targets, plan, at_once, hung, &|report| {
        let outcome = match &report.finding {
            None => "nothing found".to_owned(),
            Some(finding) => told(report.name, plan.seed, finding),
        };
        let executions = report.executions;
        let seeds = report.seeds;
        say(&format!(
            "{:<18} {executions:>9} executions, {seeds:>4} seeds: {outcome}",
            report.name
        ));
        if report.finding.is_some()
            && let Ok(mut findings) = findings.lock()
        {
            findings.push(report.name);
        }
    });
    let found = findings.into_inner().unwrap_or_default();
    say(&format!(
        "found something with {} of {count} targets",
        found.len()
    ));
    Ok(found.is_empty())
}

/// Writes a finding down, and says how to see it again.
fn told(name: &str, seed: u64, finding: &Finding) -> String {
    let written = match write(name, &finding.input) {
        Ok(file) => format!("cargo xtask fuzz --replay {name} {}", file.display()),
        Err(error) => format!("and it could not be written: {error:#}"),
    };
    format!(
        "FOUND with seed {seed}\n  {}\n  \"{}\"\n  see it again with: {written}",
        finding.message,
        finding.input.escape_ascii()
    )
}

fn write(name: &str, input: &[u8]) -> Result<PathBuf> {
    std::fs::create_dir_all(FOLDER).with_context(|| format!("failed to make {FOLDER}"))?;
    let file = Path::new(FOLDER).join(format!("{name}-{:016x}", fingerprint(input)));
    std::fs::write(&file, input).with_context(|| format!("failed to write {}", file.display()))?;
    Ok(file)
}

/// FNV-1a, for the names of files.
fn fingerprint(input: &[u8]) -> u64 {
    input.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The end of the process is the only end of what hangs.
fn hung(target: &Target, input: &[u8]) {
    let written = write(target.name, input).map_or_else(
        |error| format!("{error:#}"),
        |file| file.display().to_string(),
    );
    say(&format!(
        "{} hangs for {PATIENCE:?} with {written}",
        target.name
    ));
    std::process::abort();
}

fn replay(name: &str, file: &Path) -> Result<bool> {
    let target = named(name)?;
    let input =
        std::fs::read(file).with_context(|| format!("failed to read {}", file.display()))?;
    let fault = fault(target, &input);
    say(fault.as_deref().unwrap_or("nothing found"));
    Ok(fault.is_none())
}

/// Writes what libFuzzer begins with into a folder: the seeds, one file each, and the words.
fn prepare(name: &str, folder: &Path) -> Result<bool> {
    let target = named(name)?;
    let corpus = folder.join("corpus");
    std::fs::create_dir_all(&corpus)?;
    for seed in seeds(target) {
        std::fs::write(corpus.join(format!("{:016x}", fingerprint(&seed))), &seed)?;
    }
    let words = target.words.iter().map(|word| {
        let octets = word.iter().map(|octet| format!("\\x{octet:02x}"));
        format!("\"{}\"\n", octets.collect::<String>())
    });
    std::fs::write(folder.join("words"), words.collect::<String>())?;
    Ok(true)
}

/// Another seed on every day, so that no two days try the same and everybody on a day does.
#[expect(
    clippy::disallowed_methods,
    reason = "the day chooses the seed, which is printed"
)]
fn seed_of_today() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs() / 86_400
}

#[expect(clippy::print_stdout, reason = "speaking is what this program does")]
fn say(text: &str) {
    println!("{text}");
}
