//! The command line: what can be typed, and nothing of what it does.

mod administration;
mod service;

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::copy::Named;
use crate::exit::{Failure, HELP, Outcome};
use crate::settings::Given;

pub(crate) use administration::{Admin, Audit, Rights, Token};
pub(crate) use service::{Ban, Certificate, Node, Session, Shell};

/// Takes mail by SMTP, keeps it, and gives it out by POP3.
#[derive(Debug, Parser)]
#[command(name = "cassmail", version, disable_help_subcommand = true, after_help = HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which service or store is meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct Which {
    /// The configuration file of the service that is meant
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The data folder of the service that is meant [default: the configuration's]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

impl Which {
    /// What this replaces of the settings.
    pub(crate) fn given(&self) -> Vec<Given> {
        self.data.iter().map(|_| Given::Data).collect()
    }

    /// Clap sees a conflict only where both stand on the same side of the command.
    pub(crate) fn check(&self) -> Outcome {
        if self.config.is_some() && self.data.is_some() {
            let text = "--config and --data cannot be used together; set data_dir in the file";
            return Err(Failure::usage(text));
        }
        Ok(())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the service
    Serve(Serve),
    /// Show and check the configuration
    #[command(subcommand)]
    Config(Config),
    /// Domains that are served
    #[command(subcommand)]
    Domain(Domain),
    /// Accounts: who has mail here and may log in
    #[command(subcommand)]
    Account(Account),
    /// Other names of accounts
    #[command(subcommand)]
    Alias(Alias),
    /// What is in somebody's mailbox
    #[command(subcommand)]
    Mailbox(Mailbox),
    /// Administrators: who logs in to the HTTP API
    #[command(subcommand)]
    Admin(Admin),
    /// Tokens: with what programs log in to the HTTP API
    #[command(subcommand)]
    Token(Token),
    /// Show what was changed by whom, the latest first
    Audit(Audit),
    /// The processes that serve the store
    #[command(subcommand)]
    Node(Node),
    /// Who is slowed on this node since wrong passwords came
    #[command(subcommand)]
    Ban(Ban),
    /// Who has sessions on this node
    #[command(subcommand)]
    Session(Session),
    /// The certificates in use
    #[command(subcommand)]
    Certificate(Certificate),
    /// Show what the rules of retention would remove now; removes nothing
    Retention {
        /// Only of accounts of this domain
        #[arg(long)]
        domain: Option<String>,
        /// Also accounts of which nothing is due
        #[arg(long)]
        all: bool,
    },
    /// Messages: what became of them
    #[command(subcommand)]
    Message(Message),
    /// The store as a whole
    #[command(subcommand)]
    Store(Store),
    /// Copy everything into another store: domains, accounts, aliases, mail with its ids
    ///
    /// Mail keeps its octets, unique ids (UIDL), sizes, order, and, where the target can, its ids.
    /// What is in the target already is verified and left, so a copy that was interrupted goes on
    /// when the command is given again; at the end everything has been read back. Nothing in the
    /// target is replaced: an address that is somebody else there is reported and left out.
    Copy(Copy),
    /// Look at everything in a store on Cassandra: mend it, and delete what nobody owns
    Scrub(Scrub),
    /// Print completions for a shell
    Completions {
        /// Which
        shell: Shell,
    },
    /// Print a manual page, such as: cassmail man account add | man -l -
    Man {
        /// The command that it is about; none for cassmail itself
        words: Vec<String>,
    },
    /// Say which version this is
    Version,
}

/// From where to where.
#[derive(Debug, Args)]
pub(crate) struct Copy {
    /// The store to read: embedded:DIR (the data folder; no service may have it open) or
    /// cassandra:FILE (a configuration with [store.cassandra])
    #[arg(long, value_name = "STORE")]
    pub(crate) from: Named,
    /// The store to write, named in the same way; on Cassandra it needs `store init` first
    #[arg(long, value_name = "STORE")]
    pub(crate) to: Named,
}

/// How to run the service.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Development mode: loopback only, high ports, five accounts, a certificate of its own
    #[arg(long)]
    pub(crate) dev: bool,
    /// Also allow POP3 logins in clear (with --dev)
    #[arg(long, requires = "dev")]
    pub(crate) dev_plaintext: bool,
    /// Add N to every port (with --dev)
    #[arg(long, value_name = "N", default_value_t = 0, requires = "dev")]
    pub(crate) port_offset: u16,
    /// Which store to use instead of the configured one: embedded, cassandra or memory
    #[arg(long, value_name = "KIND")]
    pub(crate) store: Option<String>,
    /// What to log, such as "info" or "warn,cassmail_net=debug"
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log: Option<String>,
}

/// How to scrub.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub(crate) struct Scrub {
    /// Change nothing at all; say what is found
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Also read every body and verify it
    #[arg(long)]
    pub(crate) verify: bool,
    /// First read all tables at a quorum in every data center, which repairs them there
    #[arg(long)]
    pub(crate) heal: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// How many rows and requests a second
    #[arg(long, value_name = "N", default_value = "2000")]
    pub(crate) rate: NonZeroU32,
    /// Only go on with a scrub that was interrupted
    #[arg(long, conflicts_with_all = ["restart", "dry_run"])]
    pub(crate) resume: bool,
    /// Begin anew, even if one was interrupted
    #[arg(long)]
    pub(crate) restart: bool,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Config {
    /// Print the default configuration, which is also its documentation
    Default,
    /// Check the configuration as the start does
    Check,
    /// Print the settings in effect, with their origin
    Show {
        /// Only those that differ from the defaults
        #[arg(long)]
        changed: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Domain {
    /// Serve a domain; for a domain that is served already, change its postmaster
    Add {
        /// The domain
        name: String,
        /// Who gets mail for postmaster and abuse
        #[arg(long, value_name = "ACCOUNT")]
        postmaster: Option<String>,
    },
    /// List the domains
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Change how long the mail of a domain's accounts stays
    Set {
        /// The domain
        name: String,
        #[command(flatten)]
        keep: Keep,
    },
    /// How much mail each account of a domain may have that has no quota of its own
    #[command(subcommand)]
    Quota(DomainQuota),
    /// Stop serving a domain that has no accounts left
    Remove {
        /// The domain
        name: String,
    },
}

/// How long mail stays that its owner does not remove.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Keep {
    /// Remove mail of this many days; none: however old it is; default: as the rule above has it
    #[arg(long = "keep-days", value_name = "DAYS")]
    pub(crate) days: Option<String>,
    /// Keep this many messages at most, the newest; none or default as above
    #[arg(long = "keep-messages", value_name = "N")]
    pub(crate) messages: Option<String>,
    /// Keep this much mail at most, the newest, such as 2GiB; none or default as above
    #[arg(long = "keep-size", value_name = "SIZE")]
    pub(crate) size: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Account {
    /// Make an account
    Add {
        /// Its address
        address: String,
        /// Read the password from standard input instead of asking for it
        #[arg(long)]
        password_stdin: bool,
    },
    /// List accounts
    List {
        /// Only those of this domain
        #[arg(long)]
        domain: Option<String>,
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Change an account's password
    Passwd {
        /// Whose
        address: String,
        /// Read the password from standard input instead of asking for it
        #[arg(long)]
        password_stdin: bool,
    },
    /// Take an account out of service; its mail stays
    Disable {
        /// Which
        address: String,
    },
    /// Put an account into service again
    Enable {
        /// Which
        address: String,
    },
    /// Change how long an account's mail stays
    Set {
        /// Which
        address: String,
        #[command(flatten)]
        keep: Keep,
    },
    /// How much mail an account may have, and how much it has
    #[command(subcommand)]
    Quota(AccountQuota),
    /// Remove an account with its mail
    Remove {
        /// Which
        address: String,
    },
    /// Further passwords of an account, each for one device or program
    #[command(subcommand)]
    AppPassword(AppPassword),
    /// Make accounts from a file with lines: address,password (or an argon2id hash)
    Import {
        /// The file; - for standard input
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountQuota {
    /// Count what an account has, and show it with its limits
    Show {
        /// Whose
        address: String,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Change how much an account may have
    Set {
        /// Whose
        address: String,
        #[command(flatten)]
        most: Most,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DomainQuota {
    /// Show what is in force for accounts without a quota of their own
    Show {
        /// The domain
        name: String,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Change it
    Set {
        /// The domain
        name: String,
        #[command(flatten)]
        most: Most,
    },
}

/// How much mail somebody may have.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Most {
    /// So much mail at most, such as 2GiB; none: any size; default: as the rule above has it
    #[arg(long, value_name = "SIZE")]
    pub(crate) size: Option<String>,
    /// So many messages at most; none or default as above
    #[arg(long, value_name = "N")]
    pub(crate) messages: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Mailbox {
    /// How many messages and octets, from when to when, and how much of the quota that is
    Show {
        /// Whose
        address: String,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// List the messages: id, size, when it came, unique id (UIDL) where it is another
    List {
        /// Whose
        address: String,
        /// Print each as a line of JSON
        #[arg(long)]
        json: bool,
        /// At most so many
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// Only those behind this one
        #[arg(long, value_name = "ID")]
        after: Option<String>,
    },
    /// Print the header of a message
    Headers {
        /// Whose
        address: String,
        /// Which message
        id: String,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a message, octet by octet as its owner is given it
    Raw {
        /// Whose
        address: String,
        /// Which message
        id: String,
    },
    /// Remove messages for good; if one of them is not there, none
    Delete {
        /// Whose
        address: String,
        /// Which messages
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AppPassword {
    /// Make one and print it; it cannot be shown again
    Add {
        /// Whose
        address: String,
        /// What it is called, such as the device it is for
        name: String,
        /// What it opens; both, if this is left out
        #[arg(long = "for", value_name = "SERVICE")]
        service: Option<Service>,
    },
    /// List an account's: name, what it opens, when it was made
    List {
        /// Whose
        address: String,
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove one
    Remove {
        /// Whose
        address: String,
        /// Which
        name: String,
    },
}

/// Where somebody logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    /// To fetch mail.
    Pop3,
    /// To send mail.
    Submission,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Alias {
    /// Make an address another name of others; @DOMAIN is the catch-all of a domain
    Add {
        /// The address, or @DOMAIN
        address: String,
        /// Where its mail goes
        #[arg(required = true)]
        targets: Vec<String>,
    },
    /// List aliases
    List {
        /// Only those of this domain
        #[arg(long)]
        domain: Option<String>,
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove an alias
    Remove {
        /// The address, or @DOMAIN
        address: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Message {
    /// Show what became of messages, and why something was refused
    ///
    /// WHAT is the id that a message was stored as, an address of whoever sent it, was named as a
    /// recipient or fetched it, or a Message-ID in its angle brackets. Without it, all that
    /// happened. The last line is the newest.
    Trace(Trace),
}

/// Which messages.
#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// An id, an address, or a Message-ID in angle brackets
    #[arg(value_name = "WHAT")]
    pub(crate) what: Option<String>,
    /// Not before: a day (2026-11-27), a moment (2026-11-27T08:00:00Z), or so long ago (2h, 3d)
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Before, in the same forms
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// From this address or network, such as 192.0.2.7 or 192.0.2.0/24
    #[arg(long, value_name = "NETWORK")]
    pub(crate) source: Option<String>,
    /// At most so many events, the newest
    #[arg(long, value_name = "N", default_value = "100")]
    pub(crate) limit: NonZeroU32,
    /// Print what the service answers, as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// Make the keyspace and the tables of a store on Cassandra; harmless when they are there
    Init,
    /// Say how the store is, and how far the last scrub has come
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Read everything and verify it
    Check {
        /// Look at the Cassandra cluster instead: nodes, replication, commit logs, clocks,
        /// guardrails, tables, repairs; ends with 1 when something fails
        #[arg(long)]
        connect: bool,
        /// Print the findings as JSON (with --connect)
        #[arg(long, requires = "connect")]
        json: bool,
    },
    /// Show what this version would change in the schema of a store on Cassandra
    Migrate {
        /// Change it
        #[arg(long)]
        yes: bool,
    },
    /// Count the mailboxes of all accounts that have a quota, and mend what is noted of them
    Recount {
        /// Print what was found as JSON
        #[arg(long)]
        json: bool,
    },
    /// Copy the store into a new folder, also while the service runs
    Backup {
        /// The folder, which must not exist or be empty
        folder: PathBuf,
    },
    /// The last resort when the index is lost: make a new one from the bodies; removed mail may
    /// come back, passwords are lost
    Salvage,
}
