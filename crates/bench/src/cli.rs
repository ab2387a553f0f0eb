//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

use crate::arrivals::Plan;
use crate::crew::Crew;
use crate::hostile::HostileArgs;
use crate::mailboxes::Pick;
use crate::message::Content;
use crate::sizes::{Recipients, Sizes};
use crate::wire::Dial;

/// Shown as the name of a value, since clap makes a line end of {n} in any other text.
const TEMPLATE: &str = "user{n}@example.org";

const EXAMPLES: &str = "\
Ten thousand mails over 32 connections, what was acknowledged in a ledger, and what process 4711 and
its children used until they were idle; then whether every promise was kept:
  cassmail-bench smtp --target 127.0.0.1:2525 --to a@example.org,b@example.org \\
      --connections 32 --pipeline --count 10000 --ledger run.ledger --pid 4711 --idle-wait 60
  cassmail-bench verify --target 127.0.0.1:1110 --password secret --ledger run.ledger

The sizes and recipients of SPECmail2001 at 100 mails a second, whatever the server does:
  cassmail-bench smtp --target a:25 --target b:25 --to a@example.org,b@example.org \\
      --size spec --recipients spec --rate 100 --duration 10m --connections 200 --json -

Polls; then downloads with removal, which the ledger must know; then a large mailbox:
  cassmail-bench pop3 --target 127.0.0.1:1110 --login a@example.org,b@example.org \\
      --password secret --mode poll --connections 16 --duration 30s
  cassmail-bench pop3 ... --mode drain --ledger run.ledger
  cassmail-bench mailbox --target 127.0.0.1:1110 --login big@example.org --password secret

Exit codes: 0 well, 1 operations failed or promises were broken, 2 usage.";

/// Load generator and checker for any SMTP and POP3 server.
#[derive(Debug, Parser)]
#[command(name = "cassmail-bench", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Deliver mails by SMTP.
    Smtp(Box<SmtpArgs>),
    /// Visit mailboxes by POP3.
    Pop3(Pop3Args),
    /// Compare all mailboxes of a ledger with it.
    Verify(VerifyArgs),
    /// Attack a server on the loopback, and look how others are served meanwhile.
    Hostile(HostileArgs),
    /// Time the opening and the listings of one mailbox.
    Mailbox(MailboxArgs),
}

/// How SMTP connections are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SmtpTls {
    None,
    Starttls,
    Implicit,
}

/// How POP3 connections are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pop3Tls {
    None,
    Stls,
    Implicit,
}

/// What a POP3 session does between login and QUIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// STAT and UIDL.
    Poll,
    /// STAT.
    Stat,
    /// UIDL, then RETR of everything.
    Retrieve,
    /// UIDL, then RETR and DELE of everything.
    Drain,
    /// UIDL, then DELE of everything, unread; no ledger can know what that was.
    Remove,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("amount").required(true).multiple(true).args(["count", "duration"])))]
pub(crate) struct SmtpArgs {
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// Envelope sender.
    #[arg(long, default_value = "bench@example.net")]
    pub(crate) from: String,
    /// Recipients: a template, in which a number takes the place of the n, or a list with commas.
    #[arg(long, value_name = TEMPLATE)]
    pub(crate) to: String,
    /// How many names the template gives.
    #[arg(long, default_value_t = 1)]
    pub(crate) users: u64,
    /// The first number of the template.
    #[arg(long, default_value_t = 1)]
    pub(crate) first: u64,
    /// Which recipient comes next.
    #[arg(long, value_enum, default_value = "round-robin")]
    pub(crate) pick: Pick,
    /// Recipients of a mail: a number, or `spec` for the distribution of SPECmail2001.
    #[arg(long, default_value = "1")]
    pub(crate) recipients: Recipients,
    /// Size of a mail: such as 10KiB, or `spec` for the distribution of SPECmail2001.
    #[arg(long, default_value = "10KiB")]
    pub(crate) size: Sizes,
    /// What bodies are made of.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) content: Content,
    /// Keep connections open for all mails (the default).
    #[arg(long, conflicts_with = "per_connection")]
    pub(crate) keep: bool,
    /// End a connection after this many mails.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) per_connection: Option<u64>,
    /// Send MAIL, RCPT and DATA in one write, and a body with the next envelope.
    #[arg(long)]
    pub(crate) pipeline: bool,
    /// Send bodies with BDAT instead of DATA.
    #[arg(long)]
    pub(crate) bdat: bool,
    /// Encryption; certificates are not verified.
    #[arg(long, value_enum, default_value = "none")]
    pub(crate) tls: SmtpTls,
    /// Log in with AUTH PLAIN.
    #[arg(long, value_name = "USER:PASS", value_parser = parse_login)]
    pub(crate) auth: Option<(String, String)>,
    /// The name in EHLO.
    #[arg(long, default_value = "bench.invalid")]
    pub(crate) helo: String,
    /// Send a mail again, at most so often, after no answer or 4xx.
    #[arg(long, default_value_t = 0)]
    pub(crate) retry: u32,
    /// Append what was acknowledged to this file.
    #[arg(long)]
    pub(crate) ledger: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Pop3Args {
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    #[command(flatten)]
    pub(crate) login: LoginArgs,
    /// Mailboxes: a template, in which a number takes the place of the n, or a list with commas.
    #[arg(long = "login", value_name = TEMPLATE)]
    pub(crate) names: String,
    /// How many names the template gives.
    #[arg(long, default_value_t = 1)]
    pub(crate) users: u64,
    /// The first number of the template.
    #[arg(long, default_value_t = 1)]
    pub(crate) first: u64,
    /// Which mailbox comes next.
    #[arg(long, value_enum, default_value = "round-robin")]
    pub(crate) pick: Pick,
    /// What a session does. Without --count and --duration, each mailbox gets one session.
    #[arg(long, value_enum, default_value = "poll")]
    pub(crate) mode: Mode,
    /// Append what was removed to this file.
    #[arg(long)]
    pub(crate) ledger: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) login: LoginArgs,
    /// Ledgers of all runs that touched these mailboxes.
    #[arg(long, required = true)]
    pub(crate) ledger: Vec<PathBuf>,
    /// The login of a recipient: {address}, {local} and {domain} stand for its parts.
    #[arg(long, default_value = "{address}")]
    pub(crate) login_as: String,
    /// Mailboxes that are read at the same time.
    #[arg(long, default_value_t = 4)]
    pub(crate) connections: usize,
    /// Read again for so long while something is missing: for servers that queue.
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    pub(crate) wait: Option<Duration>,
    /// Name this many findings of each kind.
    #[arg(long, default_value_t = 5)]
    pub(crate) examples: usize,
    /// Write the report as JSON to this file, or with `-` to standard output instead of the table.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct MailboxArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) login: LoginArgs,
    /// The mailbox.
    #[arg(long = "login")]
    pub(crate) name: String,
    /// How many sessions.
    #[arg(long, default_value_t = 10)]
    pub(crate) repeat: u64,
    /// Processes of the server whose CPU time and memory are reported.
    #[arg(long)]
    pub(crate) pid: Vec<u32>,
    /// Write the report as JSON to this file, or with `-` to standard output instead of the table.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Where to connect to.
#[derive(Debug, Clone, Args)]
pub(crate) struct TargetArgs {
    /// The server; several take turns.
    #[arg(long, required = true, value_name = "HOST:PORT", value_parser = parse_target)]
    pub(crate) target: Vec<String>,
    /// How long an answer may take.
    #[arg(long, default_value = "60", value_parser = parse_duration, value_name = "TIME")]
    pub(crate) timeout: Duration,
    /// Resume TLS sessions instead of a full handshake for each connection.
    #[arg(long)]
    pub(crate) tls_resume: bool,
}

/// How to log in by POP3.
#[derive(Debug, Clone, Args)]
pub(crate) struct LoginArgs {
    /// The password; {login} stands for the name of the mailbox.
    #[arg(long)]
    pub(crate) password: String,
    /// Encryption; certificates are not verified.
    #[arg(long, value_enum, default_value = "none")]
    pub(crate) tls: Pop3Tls,
    /// Send as many commands in one write as make sense.
    #[arg(long)]
    pub(crate) pipeline: bool,
}

/// How much load, and what is reported.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Connections at the same time.
    #[arg(long, default_value_t = 1, value_parser = parse_positive)]
    pub(crate) connections: usize,
    /// Threads of the generator.
    #[arg(long, default_value_t = 1, value_parser = parse_positive)]
    pub(crate) threads: usize,
    /// Stop after so many operations.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Stop after this time: 30, 30s, 10m, 500ms.
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    pub(crate) duration: Option<Duration>,
    /// Operations per second with exponential gaps (open loop); without it, one after the other.
    #[arg(long, value_parser = parse_rate)]
    pub(crate) rate: Option<f64>,
    /// The same seed gives the same load.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Processes of the server whose CPU time and memory are reported, with their children.
    #[arg(long)]
    pub(crate) pid: Vec<u32>,
    /// Count CPU time until these processes are idle, for at most this time.
    #[arg(long, value_parser = parse_duration, value_name = "TIME", requires = "pid")]
    pub(crate) idle_wait: Option<Duration>,
    /// Write the report as JSON to this file, or with `-` to standard output instead of the table.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Failed operations are part of the experiment: the exit code is 0 all the same.
    #[arg(long)]
    pub(crate) allow_errors: bool,
}

impl LoadArgs {
    pub(crate) fn crew(&self) -> Crew {
        Crew {
            plan: Plan {
                count: self.count,
                duration: self.duration,
                rate: self.rate,
                seed: self.seed,
            },
            threads: self.threads,
            connections: self.connections,
            pids: self.pid.clone(),
            idle_wait: self.idle_wait,
        }
    }
}

impl TargetArgs {
    pub(crate) fn dial(&self) -> Dial {
        Dial::new(self.target.clone(), self.timeout, self.tls_resume)
    }
}

fn parse_target(text: &str) -> Result<String, String> {
    let port = text
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse::<u16>().ok());
    match port {
        Some(_) => Ok(text.to_owned()),
        None => Err("expected HOST:PORT".into()),
    }
}

fn parse_login(text: &str) -> Result<(String, String), String> {
    let (user, password) = text.split_once(':').ok_or("expected USER:PASS")?;
    Ok((user.to_owned(), password.to_owned()))
}

fn parse_positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("expected a number from 1".into()),
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate >= 0.001 => Ok(rate),
        _ => Err("expected operations per second, at least 0.001".into()),
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let (number, unit) = units
        .into_iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))
        .unwrap_or((text, 1.0));
    let seconds = number
        .trim()
        .parse::<f64>()
        .ok()
        .map(|number| number * unit);
    seconds
        .filter(|seconds| *seconds <= 1e7)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "expected a time such as 30, 30s, 10m or 500ms".into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::{CommandFactory, Parser};

    use super::{Cli, parse_duration};

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_read_with_their_units() {
        assert_eq!(parse_duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("10m"), Ok(Duration::from_mins(10)));
        assert!(parse_duration("-1").is_err());
        assert!(parse_duration("soon").is_err());
    }

    #[test]
    fn a_delivery_without_an_end_is_an_error_of_usage() {
        let smtp = [
            "cassmail-bench",
            "smtp",
            "--target",
            "127.0.0.1:25",
            "--to",
            "a@b",
        ];
        assert_eq!(Cli::try_parse_from(smtp).unwrap_err().exit_code(), 2);
        assert!(Cli::try_parse_from(smtp.into_iter().chain(["--count", "1"])).is_ok());
        assert!(Cli::try_parse_from(smtp.into_iter().chain(["--duration", "1"])).is_ok());
    }
}
